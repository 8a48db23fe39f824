"""Looks for the course's secrets in what students get: solutions, hidden suites, known mistakes, quiz keys.

A secret is a few lines of text that occur nowhere by chance. Files are searched without white space, quotes,
`>` and backslashes, with and without their comments, web pages without their tags, and archives and notebooks
from the inside, so that another indentation, highlighted code, a zip or JSON hides nothing. Code that was
renamed or rewritten is not found.
"""

from __future__ import annotations

import ast
import gzip
import html
import io
import json
import re
import tarfile
import zipfile
import zlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import yaml

from ..build.stub import Solution, read_solution
from ..content.course_root import CourseRoot
from ..errors import ContentError

Kind = Literal["solution", "hidden suite", "known mistake", "variant", "quiz key"]

# A run of lines counts as a secret once it has this many characters that are not white space. Shorter ones,
# such as `B, C, H, W = x.shape`, are in every program about images. Code that a student could write must be
# two lines as well: a hint may quote one.
DISTINCTIVE = 40
_PIECE = DISTINCTIVE // 2
LEAST = 12  # a body that is shorter as a whole, such as `return x`, is no secret
_ARCHIVES_IN_ARCHIVES = 4


@dataclass(frozen=True)
class Secret:
    """Something that no student may get: leaked where, for all `signs`, one of the spellings occurs."""

    kind: Kind
    where: str  # file and line, for people
    signs: tuple[tuple[str, ...], ...]  # normalised


@dataclass(frozen=True)
class Leak:
    """A secret, and the file that holds it (for a member of an archive, `archive!member`)."""

    file: str
    secret: Secret

    def __str__(self) -> str:
        return f"{self.file} gives away a {self.secret.kind} ({self.secret.where})"


def secrets(root: CourseRoot) -> list[Secret]:
    """All secrets of a course, in the order of its files; raises ContentError for one that is broken."""
    found: list[Secret] = []
    public = ""  # what students are given of the solutions: the stubs
    for path in sorted((root.path / "solutions").rglob("*.py")):
        solution = read_solution(root.read(path), root.relative(path))
        public += _given(solution)
        for region in solution.regions:
            lines = solution.lines[region.begin : region.end - 1]
            found += _of_lines("solution", solution.source, lines, region.begin + 1)
    for path in sorted(root.hidden.rglob("*.py")):
        found += _of_module(_kind(path), root.relative(path), root.read(path))
    for path in sorted(root.hidden.rglob("keys.yaml")):
        found += _of_keys(root.relative(path), root.read(path))
    unique = {secret.signs: secret for secret in reversed(found) if not _is_in(secret, public)}
    return list(reversed(unique.values()))


def find_leaks(files: Iterable[tuple[str, bytes]], secrets: Sequence[Secret]) -> list[Leak]:
    """The secrets in `files` (name and content); zip, wheel, tar, gzip and notebook are looked into."""
    by_piece, others = _by_pieces(secrets)
    leaks: list[Leak] = []
    for outer, content in files:
        for name, text in _texts(outer, content, _ARCHIVES_IN_ARCHIVES):
            haystack = f"{_normal(text)}\n{_normal(_without_comments(text))}"
            pieces = {haystack[start : start + _PIECE] for start in range(0, len(haystack), _PIECE + 1)}
            likely = others.union(*(by_piece[piece] for piece in by_piece.keys() & pieces))
            leaks += [Leak(name, secrets[at]) for at in sorted(likely) if _is_in(secrets[at], haystack)]
    return list(dict.fromkeys(leaks))


def _by_pieces(secrets: Sequence[Secret]) -> tuple[dict[str, set[int]], set[int]]:
    """Where in `secrets` the long ones are, by each piece of their beginning; and where the short ones are.

    Of a text's own pieces, one character left out between two, one lies within the beginning of each long
    secret that it holds: so thousands need not be searched for one by one.
    """
    by_piece: dict[str, set[int]] = defaultdict(set)
    others: set[int] = set()
    for at, secret in enumerate(secrets):
        if any(len(spelling) < 2 * _PIECE for spelling in secret.signs[0]):
            others.add(at)
            continue
        for spelling in secret.signs[0]:
            for start in range(_PIECE + 1):
                by_piece[spelling[start : start + _PIECE]].add(at)
    return by_piece, others


def files_below(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Name and content of every file below a folder, for `find_leaks`."""
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            yield path.relative_to(folder).as_posix(), path.read_bytes()


def _is_in(secret: Secret, haystack: str) -> bool:
    return all(any(spelling in haystack for spelling in sign) for sign in secret.signs)


_TAG = re.compile(r"<[/!?]?[A-Za-z-][^<>]*>")
_IGNORED = re.compile(r"[\s\"'\\>]+")  # `>` begins each line of a quotation
_COMMENT = re.compile(r"#[^\n]*")


def _normal(text: str) -> str:
    return _IGNORED.sub("", text)


def _without_tags(text: str) -> str:
    return html.unescape(_TAG.sub("", text))


def _without_comments(text: str) -> str:
    return _COMMENT.sub("", text)


# --- what is secret


def _given(solution: Solution) -> str:
    names = {region.name for region in solution.regions}
    stubs = solution.stub([name for name in solution.spans if name in names])
    return f"{_normal(stubs)}\n{_normal(_without_comments(stubs))}\n"


def _kind(path: Path) -> Kind:
    kinds: dict[str, Kind] = {"mistakes": "known mistake", "variants": "variant"}
    return kinds.get(path.stem, "hidden suite")


def _of_lines(kind: Kind, source: str, lines: Sequence[str], first: int) -> Iterator[Secret]:
    """From each line, as many lines as make it distinctive; all of them where that is too much to ask."""
    at_least = 1 if kind == "hidden suite" else 2
    for text in (lines, [_without_comments(line) for line in lines]):
        normal = [(number, line) for number, each in enumerate(text, start=first) if (line := _normal(each))]
        windows = [window for start in range(len(normal)) if (window := _window(normal[start:], at_least))]
        for number, found in windows or [(first, "".join(line for _, line in normal))]:
            if len(found) >= LEAST:
                yield Secret(kind, f"{source}, line {number}", ((found,),))


def _window(lines: Sequence[tuple[int, str]], at_least: int) -> tuple[int, str] | None:
    window = ""
    for count, (_, line) in enumerate(lines, start=1):
        window += line
        if count >= at_least and len(window) >= DISTINCTIVE:
            return lines[0][0], window
    return None


def _of_module(kind: Kind, source: str, text: str) -> Iterator[Secret]:
    """Bodies and docstrings of all functions and classes, and in a suite their names."""
    lines = text.splitlines()
    try:
        tree = ast.parse(text, filename=source)
    except SyntaxError as error:
        raise ContentError(f"{source}, line {error.lineno}: {error.msg}") from None
    for node in ast.walk(tree):
        if not isinstance(node, ast.FunctionDef | ast.ClassDef):
            continue
        start, end = node.body[0].lineno, node.body[-1].end_lineno or node.body[-1].lineno
        if isinstance(node, ast.FunctionDef) or ast.get_docstring(node):
            last = end if isinstance(node, ast.FunctionDef) else node.body[0].end_lineno or start
            yield from _of_lines(kind, source, lines[start - 1 : last], start)
        if kind == "hidden suite" and node.name.count("_") >= 3 and len(node.name) >= DISTINCTIVE // 2:
            yield Secret(kind, f"{source}, line {node.lineno}", ((node.name,),))


def _of_keys(source: str, text: str) -> Iterator[Secret]:
    """The explanations, sentence by sentence, and the answers, all of them in one place."""
    try:
        keys = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ContentError(f"{source} is not YAML: {' '.join(str(error).split())}") from None
    if not isinstance(keys, dict) or not all(isinstance(key, dict) for key in keys.values()):
        raise ContentError(f"{source}, line 1: expected `QUESTION: {{answer: ...}}` for each question.")
    signs: list[tuple[str, ...]] = []
    for question, key in keys.items():
        for sentence in re.split(r"(?<=[.!?:])\s+", str(key.get("explanation", ""))):
            if len(normal := _normal(sentence)) >= DISTINCTIVE // 2:
                yield Secret("quiz key", f"{source}, {question}", ((normal,),))
        answer = _normal(json.dumps(key.get("answer")))
        signs.append((f"{question}:{answer},", f"{question}:{answer}}}"))
    if signs:
        yield Secret("quiz key", f"{source}, the answers", tuple(signs))


# --- where to look


def _texts(name: str, content: bytes, depth: int) -> Iterator[tuple[str, str]]:
    """The texts of a file: of an archive those of its members, of a notebook its strings as well."""
    if members := _members(name, content) if depth else []:
        for member, inner in members:
            yield from _texts(f"{name}!{member}", inner, depth - 1)
        return
    text = content.decode("utf-8", errors="replace")
    yield name, text
    if name.endswith((".html", ".htm", ".svg", ".xml")):
        yield name, _without_tags(text)
    if name.endswith((".ipynb", ".json", ".jsonl")):
        for line in text.splitlines() if name.endswith(".jsonl") else [text]:
            try:
                strings = "".join(_strings(json.loads(line)))
            except (ValueError, RecursionError):
                continue
            yield name, strings
            if "</" in strings:  # the index of a site's search holds pieces of its pages
                yield name, _without_tags(strings)


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for each in value:
            yield from _strings(each)
    elif isinstance(value, dict):
        for key, each in value.items():
            yield f"\n{key}:"
            yield from _strings(each)


def _members(name: str, content: bytes) -> list[tuple[str, bytes]]:
    """Name and content of what an archive holds; nothing for any other file, and for a broken one."""
    try:
        if content.startswith(b"PK\x03\x04"):
            with zipfile.ZipFile(io.BytesIO(content)) as archive:
                return [(member, archive.read(member)) for member in archive.namelist()]
        if content.startswith(b"\x1f\x8b"):
            return [(name.removesuffix(".gz").rpartition("/")[2], gzip.decompress(content))]
        if content[257:262] == b"ustar":
            with tarfile.open(fileobj=io.BytesIO(content)) as tar:
                files = ((info.name, tar.extractfile(info)) for info in tar)
                return [(member, file.read()) for member, file in files if file]
    except (OSError, EOFError, ValueError, RuntimeError, zipfile.BadZipFile, tarfile.TarError, zlib.error):
        pass  # searched as it stands
    return []
