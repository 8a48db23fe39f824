"""`python -m autograder.site.links [FILE...]`: do the addresses that the course names still answer?

An address is one that a reader can click: in Markdown outside code, or a string of a YAML file. What does not
lead outside (other pages, this machine, the names that documentation uses for examples) is left alone.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from http.client import HTTPException
from pathlib import Path
from typing import Annotated, Literal
from urllib.error import HTTPError
from urllib.parse import SplitResult, parse_qs, parse_qsl, quote, urldefrag, urlencode, urljoin, urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

import typer
import yaml

from ..content.course_root import CourseRoot
from ..content.fences import in_code
from ..errors import AutograderError, ContentError, Fault

SOURCES = (
    "README.md",
    "course/readings.yaml",
    "course/modules/*/*.md",
    "docs/**/*.md",
    "docs/*.yaml",
    "course/modules/*/*.yaml",
)
OEMBED = "https://www.youtube.com/oembed"  # the page of a video that was removed answers 200, this does not
TIMEOUT = 15.0
JOBS = 4

_AGENT = "diffusion-course-links/1 (asks once whether the links of a course still work)"
_HOPS = 10
_PERMANENT = (301, 308)
_REDIRECTS = (*_PERMANENT, 302, 303, 307)
_REFUSALS = (401, 403, 405, 406, 429, 451, 999)  # to a program, perhaps; a person may be let in
_TRACKING = re.compile(r"utm_\w+|fbclid|gclid|msclkid|igshid|mc_[ce]id|ref_src")
_EXAMPLES = re.compile(r"(?:.*\.)?(?:localhost|example|test|invalid|example\.(?:com|org|net))")

State = Literal["ok", "moved", "look", "gone", "silent"]


@dataclass(frozen=True)
class Link:
    """An address, and the file and line that name it."""

    address: str
    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}, line {self.line}"


@dataclass(frozen=True)
class Answer:
    """What came of asking an address: `said` is the reason, or for `moved` the new address.

    `look` is a refusal that a program gets and a person may not; `silent` is no answer, or a server that
    fails: worth asking again later.
    """

    address: str
    state: State
    said: str = ""


# --- which addresses there are


def of_course(root: CourseRoot) -> list[Link]:
    """The links in all files of `SOURCES`, file by file; raises ContentError."""
    paths = [path for pattern in SOURCES for path in sorted(root.path.glob(pattern))]
    return [link for path in paths for link in find(root.read(path), root.relative(path))]


def find(text: str, file: str) -> list[Link]:
    """The links in the text of a Markdown file, or of a YAML file by its name; raises ContentError."""
    found = _in_yaml(text, file) if file.endswith((".yaml", ".yml")) else _in_markdown(text)
    return [Link(address, file, line) for address, line in found if _is_outside(address)]


_UNSEEN = re.compile(r"<!--.*?-->|(?<!`)(`+)(?!`)(?:(?!\n\s*\n).)+?(?<!`)\1(?!`)", re.DOTALL)
_LINKS = re.compile(
    r"""\]\((?P<inline>(?:[^()]|\([^()]*\))*)\)"""
    r"""|^[ ]{0,3}\[[^\]]+\]:\s*<?(?P<reference>[^\s>]+)"""
    r"""|<(?P<bare>[A-Za-z][A-Za-z0-9+.-]*://[^<>]*)>"""
    r"""|\b(?:href|src)\s*=\s*(?P<quote>["'])(?P<html>.*?)(?P=quote)""",
    re.MULTILINE | re.DOTALL,
)
_TITLE = re.compile(r"""\s+(?:"[^"]*"|'[^']*')\s*$""")


def _in_markdown(text: str, first: int = 1) -> Iterator[tuple[str, int]]:
    text = _UNSEEN.sub(_blank, _without_fences(text))
    for match in _LINKS.finditer(text):
        kind = next(name for name in ("inline", "reference", "bare", "html") if match[name] is not None)
        address = match[kind]
        if kind == "inline":
            address = _TITLE.sub("", address).strip().removeprefix("<").removesuffix(">")
        yield address, first + text.count("\n", 0, match.start(kind))


def _without_fences(text: str) -> str:
    lines = text.split("\n")
    return "\n".join("" if code else line for line, code in zip(lines, in_code(lines), strict=True))


def _blank(match: re.Match[str]) -> str:
    return re.sub(r"[^\n]", " ", match[0])


def _in_yaml(text: str, file: str) -> Iterator[tuple[str, int]]:
    try:
        nodes = [yaml.compose(text, Loader=yaml.SafeLoader)]
    except yaml.YAMLError as error:
        raise ContentError(f"{file} is not YAML: {' '.join(str(error).split())}. Mend it.") from None
    while nodes:
        node = nodes.pop(0)
        if isinstance(node, yaml.MappingNode):
            nodes[:0] = [value for _, value in node.value]
        elif isinstance(node, yaml.SequenceNode):
            nodes[:0] = node.value
        elif isinstance(node, yaml.ScalarNode) and re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", node.value):
            yield node.value, node.start_mark.line + 1
        elif isinstance(node, yaml.ScalarNode):
            yield from ((address, node.start_mark.line + 1) for address, _ in _in_markdown(node.value))


def _is_outside(address: str) -> bool:
    if not re.match(r"(?:[A-Za-z][A-Za-z0-9+.-]*:|//)", address) or address.startswith(("mailto:", "data:")):
        return False
    try:
        host = urlsplit(address).hostname or ""
    except ValueError:
        return True
    if _EXAMPLES.fullmatch(host):
        return False
    try:
        return ipaddress.ip_address(host).is_global
    except ValueError:
        return True


# --- whether they have the right form


def fault(address: str) -> str:
    """What is wrong with the form of an address, "" if nothing is. Asks nobody."""
    if re.search(r"\s", address):
        return "has a space in it"
    try:
        parts = urlsplit(address)
        host = parts.hostname or ""
        _ = parts.port
    except ValueError as error:
        return f"cannot be read ({error})"
    if parts.scheme not in ("http", "https"):
        return "does not begin with https:// or http://"
    if not re.fullmatch(r"[^.]+(?:\.[^.]+)+", host):
        return f"has no host with a dot in it, but {host!r}"
    if tracked := [name for name, _ in parse_qsl(parts.query, True) if _TRACKING.fullmatch(name)]:
        return f"follows its readers: take {tracked[0]!r} out"
    if address[-1] in ".,;:!?'\"*" or (address[-1] == ")" and address.count("(") < address.count(")")):
        return f"ends in {address[-1]!r}"
    return ""


# --- whether they answer


def ask_all(
    addresses: Sequence[str], timeout: float = TIMEOUT, jobs: int = JOBS, oembed: str = OEMBED
) -> list[Answer]:
    """Asks each address, `jobs` at a time, and gives the answers in the same order.

    Raises Fault when none of them was reached: then it is this machine that has no network.
    """
    with ThreadPoolExecutor(max_workers=jobs) as pool:
        answers = list(pool.map(partial(ask, timeout=timeout, oembed=oembed), addresses))
    states = {answer.state for answer in answers}
    if "silent" in states and states <= {"silent", "look"}:
        raise Fault(
            f"None of {len(answers)} addresses could be reached: this machine has no network, or a proxy "
            "that lets nothing through. Ask again from one that has."
        )
    return answers


def ask(address: str, timeout: float = TIMEOUT, oembed: str = OEMBED) -> Answer:
    """Asks one address and follows where it leads; raises nothing, whatever a server does."""
    try:
        if video := _video(urlsplit(address)):
            return _ask_for_video(address, video, timeout, oembed)
        met = _head(address, timeout)
        if met is None or met.status >= 400:  # many servers refuse HEAD, or get it wrong
            met = _follow("GET", address, timeout)
    except (OSError, HTTPException, ValueError) as error:
        return Answer(address, "silent", str(getattr(error, "reason", "") or error or type(error).__name__))
    if met is None:
        return Answer(address, "look", f"leads from one address to the next, {_HOPS} times and more")
    if met.status in _REFUSALS:
        return Answer(address, "look", met.said)
    if met.status >= 400:
        said = f"{met.said} (at {met.at})" if met.at != address else met.said
        return Answer(address, "silent" if met.status >= 500 else "gone", said)
    if met.moved_to:
        return Answer(address, "moved", met.moved_to)
    return Answer(address, "ok")


@dataclass(frozen=True)
class _Met:
    """What stands at the end of the redirects, and how far the permanent ones among them lead."""

    status: int
    said: str
    at: str
    moved_to: str


class _NoRedirect(HTTPRedirectHandler):
    """We follow ourselves: urllib forgets HEAD on the way, and which of the redirects were permanent."""

    def redirect_request(self, *_: object) -> None:
        return None


def _head(address: str, timeout: float) -> _Met | None:
    try:
        return _follow("HEAD", address, timeout)
    except (OSError, HTTPException):  # some hang up on it
        return None


def _follow(method: str, address: str, timeout: float) -> _Met | None:
    """None if it never ends; raises OSError, HTTPException or ValueError if nobody answers."""
    at, fragment = urldefrag(address)
    moved_to = ""
    permanent = True
    for _ in range(_HOPS):
        status, said, location = _request(method, at, timeout)
        if status not in _REDIRECTS or not location:
            return _Met(status, said, at, moved_to)
        at = urldefrag(urljoin(at, location)).url
        permanent = permanent and status in _PERMANENT
        if permanent:
            moved_to = f"{at}#{fragment}" if fragment else at
    return None


def _request(method: str, address: str, timeout: float) -> tuple[int, str, str]:
    """Status, the same in words, and where it leads."""
    if urlsplit(address).scheme not in ("http", "https"):  # urllib would open file: too
        raise ValueError(f"leads to {address}")
    spelled = quote(address, safe="%/:=&?~#+!$,;'@()*[]")
    request = Request(spelled, method=method, headers={"User-Agent": _AGENT, "Accept": "*/*"})
    try:
        with build_opener(_NoRedirect).open(request, timeout=timeout) as response:
            return response.status, f"{response.status} {response.reason}", ""
    except HTTPError as error:
        with error:
            return error.code, f"{error.code} {error.reason}".strip(), error.headers.get("Location", "")


def _video(address: SplitResult) -> str:
    """The id of a video on YouTube, "" for anything else."""
    host = (address.hostname or "").removeprefix("www.").removeprefix("m.")
    if host == "youtu.be":
        return address.path.strip("/")
    if host not in ("youtube.com", "youtube-nocookie.com"):
        return ""
    if address.path == "/watch":
        return parse_qs(address.query).get("v", [""])[0]
    found = re.fullmatch(r"/(?:embed|shorts|live)/([^/]+)/?", address.path)
    return found[1] if found else ""


def _ask_for_video(address: str, video: str, timeout: float, oembed: str) -> Answer:
    watch = f"https://www.youtube.com/watch?v={video}"
    status, said, _ = _request("GET", f"{oembed}?{urlencode({'url': watch, 'format': 'json'})}", timeout)
    if status == 200:
        return Answer(address, "ok")
    if status in (400, 404):
        return Answer(address, "gone", f"YouTube has no video {video!r} ({said})")
    if status >= 500:
        return Answer(address, "silent", f"YouTube says {said}")
    why = ": private, or not to be shown elsewhere" if status in (401, 403) else ""
    return Answer(address, "look", f"YouTube says {said}{why}")


# --- the command


def main(
    files: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[FILE]...", exists=True, dir_okay=False, help="By default the course's own."),
    ] = None,
    timeout: Annotated[float, typer.Option(min=0.1, help="Seconds to wait for an answer.")] = TIMEOUT,
    jobs: Annotated[int, typer.Option(min=1, max=16, help="How many to ask at a time.")] = JOBS,
) -> None:
    """Ask every outside address of the course whether it still answers.

    Exit codes: 0 all do; 1 one is gone, silent or misspelt; 3 this machine has no network.
    """
    try:
        root = CourseRoot.find()
        if files:
            links = [link for path in files for link in find(root.read(path), root.relative(path.resolve()))]
        else:
            links = of_course(root)
        bad = _report(links, timeout, jobs)
    except AutograderError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(error.exit_code) from None
    raise typer.Exit(1 if bad else 0)


def _report(links: Sequence[Link], timeout: float, jobs: int) -> int:
    """Prints what is not as it should be, then the count; how many addresses are bad."""
    places: dict[str, list[str]] = {}
    for link in links:
        places.setdefault(link.address, []).append(str(link))
    faults = {address: wrong for address in places if (wrong := fault(address))}
    for address, wrong in faults.items():
        typer.echo(f"wrong   {address} {wrong}; {'; '.join(places[address])}")
    answers = ask_all([address for address in places if address not in faults], timeout, jobs)
    counts = dict.fromkeys(("ok", "moved", "look", "gone", "silent"), 0)
    for answer in answers:
        counts[answer.state] += 1
        if answer.state != "ok":
            said = f"to {answer.said}" if answer.state == "moved" else f"({answer.said})"
            typer.echo(f"{answer.state:<7} {answer.address} {said}; {'; '.join(places[answer.address])}")
    typer.echo(
        f"{len(answers)} asked: {counts['ok']} answer, {counts['moved']} moved for good, "
        f"{counts['look']} to look at yourself, {counts['gone']} gone, {counts['silent']} silent; "
        f"{len(faults)} misspelt"
    )
    return counts["gone"] + counts["silent"] + len(faults)


if __name__ == "__main__":
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
    app.command()(main)
    app()
