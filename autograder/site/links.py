"""`python -m autograder.site.links [FILE...]`: do the addresses that the course names still answer?

An address is one that a reader can click: in Markdown outside code, or in a string of a YAML file. What does
not lead outside (other pages, this machine, the names that documentation uses for examples) is left alone.
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import takewhile
from pathlib import Path
from urllib.parse import quote

import requests
import yaml
from markdown_it import MarkdownIt
from requests.adapters import HTTPAdapter
from urllib3 import Retry

from ..content.course_root import CourseRoot
from ..errors import AutograderError, ContentError, Fault

SOURCES = (
    "README.md",
    "course/*.yaml",
    "course/modules/*/*.md",
    "course/modules/*/*.yaml",
    "docs/*.yaml",
    "docs/**/*.md",
)
OEMBED = "https://www.youtube.com/oembed"  # the page of a video that was removed answers 200, this does not
TIMEOUT = 15.0
# Again after a second, or when the server says so, if that is soon.
RETRY = Retry(2, backoff_factor=1, status_forcelist=(429, 503), raise_on_status=False, retry_after_max=60)

_AGENT = "diffusion-course-links/1 (asks once whether the links of a course still work)"
_REFUSALS = (401, 403, 405, 406, 429, 451, 999)  # to a program, perhaps; a person may be let in
FORM = re.compile(
    r"(?!.*[?&](?:utm_\w+|fbclid|gclid|msclkid)=)"  # follows its readers
    r"https?://[^\s/?#.]+(?:\.[^\s/?#.]+)+(?:[/?#]\S*)?(?<![.,;:!?'\"*])"
)
_HERE = re.compile(
    r"\w+://(?:.*\.)?(?:localhost|example(\.\w+)?|test|invalid|127\.\S*|0\.0\.0\.0|\[::1\])(?:[:/].*)?"
)
_HTML = re.compile(r"""\b(?:href|src)\s*=\s*["'](.*?)["']""")
_VIDEO = re.compile(
    r"https?://(?:(?:www\.|m\.)?youtube\.com/(?:embed/|watch\?(?:.*&)?v=)|youtu\.be/)([\w-]+)"
)


def addresses(root: CourseRoot, files: Sequence[Path] = ()) -> dict[str, list[str]]:
    """Each address in these files, or in `SOURCES`, with the places that name it; raises ContentError."""
    places: dict[str, list[str]] = {}
    for path in files or [path for pattern in SOURCES for path in sorted(root.path.glob(pattern))]:
        file = root.relative(path.resolve())
        for address, line in find(root.read(path), file).items():
            places.setdefault(address, []).append(f"{file}, line {line}")
    return places


def find(text: str, file: str) -> dict[str, int]:
    """The outside addresses in a Markdown or YAML file, each with the line that names it first."""
    found = _in_yaml(text, file) if file.endswith(".yaml") else _in_markdown(text, 1)
    places: dict[str, int] = {}
    for address, line in found:
        if "://" in address and not _HERE.fullmatch(address):
            places.setdefault(address, line)
    return places


def _in_markdown(text: str, first: int) -> Iterator[tuple[str, int]]:
    lines = text.splitlines()
    start = 0
    for block in MarkdownIt().disable("code").parse(text):  # what is indented may be the inside of a note
        start = block.map[0] if block.map else start
        for token in (block, *(block.children or ())):
            html = _HTML.findall(token.content) if token.type.startswith("html") else ()
            for address in (str(token.attrGet("href") or token.attrGet("src") or ""), *html):
                here = (at for at, line in enumerate(lines[start:], start) if address in line)
                yield address, first + next(here, start)


def _in_yaml(text: str, file: str) -> Iterator[tuple[str, int]]:
    try:
        strings = [event for event in yaml.parse(text) if isinstance(event, yaml.ScalarEvent)]
    except yaml.YAMLError as error:
        raise ContentError(f"{file} is not YAML: {' '.join(str(error).split())}. Mend it.") from None
    for string in strings:
        value, line = str(string.value), string.start_mark.line + 1 if string.start_mark else 1
        yield from [(value, line)] if re.match(r"\w+://", value) else _in_markdown(value, line)


def ask(address: str) -> tuple[str, str]:
    """What comes of asking an address, in a word, and why; raises nothing, whatever a server does.

    `ok`; `moved` for good; `wrong` in its form; `look` is a refusal that a program gets and a person may not;
    `gone`; `silent` is no answer, or a server that fails: worth asking again later.
    """
    if not FORM.fullmatch(address):
        return "wrong", "misspelt, or follows its readers"
    if video := _VIDEO.match(address):
        watched = quote(f"https://www.youtube.com/watch?v={video[1]}", safe="")
        address = f"{OEMBED}?format=json&url={watched}"
    with requests.Session() as session:
        session.headers["User-Agent"] = _AGENT
        for scheme in ("http://", "https://"):
            session.mount(scheme, HTTPAdapter(max_retries=RETRY))
        try:
            answer = session.get(address, timeout=TIMEOUT, stream=True)  # the head alone: no body is read
        except (requests.RequestException, ValueError) as error:
            return "silent", " ".join(str(error).split())
    code, said = answer.status_code, f"{answer.status_code} {answer.reason}".strip()
    if code >= 400:
        return "look" if code in _REFUSALS else "silent" if code >= 500 else "gone", said
    lasting = len(list(takewhile(lambda each: each.is_permanent_redirect, answer.history)))
    return ("moved", f"to {[*answer.history, answer][lasting].url}") if lasting else ("ok", "")


def report(places: Mapping[str, Sequence[str]]) -> bool:
    """Asks, prints what is not as it should be, and whether all is well; raises Fault without a network."""
    with ThreadPoolExecutor(max_workers=4) as pool:
        said = dict(zip(places, pool.map(ask, places), strict=True))
    count = Counter(state for state, _ in said.values())
    if count["silent"] and not count.keys() & {"ok", "moved", "gone"}:
        raise Fault(
            f"None of {len(places)} addresses could be reached: this machine has no network, or a proxy "
            "that lets nothing through. Ask again from one that has."
        )
    for address, (state, why) in said.items():
        if state != "ok":
            print(f"{state:<7} {address} ({why}); {'; '.join(places[address])}")
    print(f"{len(places)} addresses: {', '.join(f'{n} {state}' for state, n in count.most_common())}")
    return not count.keys() & {"gone", "silent", "wrong"}


def main(*files: str) -> int:
    """The exit code: 0 all answer; 1 one is gone, silent or misspelt; 3 this machine has no network."""
    try:
        return 0 if report(addresses(CourseRoot.find(), [Path(file) for file in files])) else 1
    except AutograderError as error:
        print(error, file=sys.stderr)
        return error.exit_code


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
