"""Reads an `.ipynb`: hostile bytes in, a small typed `Notebook` or one clear sentence out.

Limits are checked before memory is taken: outputs are skipped, never built, and only sources and the little
metadata that is looked at are decoded. That is also why this does not go through nbformat, whose objects and
schema errors are as large as the file that a student chooses to hand in.

Tolerated, because honest tools write them: a byte-order mark, UTF-16 and UTF-32, NaN and Infinity (plots in
outputs), lone surrogates (read as U+FFFD), unknown and repeated keys (the last one counts, as in every JSON
reader), missing metadata, and notebook format 3.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import accumulate
from typing import Any, Literal

import msgspec
from msgspec import UNSET, Raw, UnsetType

from course.cells.notebook import (
    MAX_BYTES,
    MAX_CELLS,
    MAX_CODE,
    MAX_PROSE,
    BrokenNotebook,
    Kind,
    Notebook,
    NotebookCell,
    encoding_of,
    not_text,
    refuse_other_formats,
    too_large,
    too_much_code,
)

MAX_DEPTH = 100  # JSON levels; interactive plots in outputs reach about 30
MAX_METADATA = 100_000  # bytes of one metadata object; a larger one is taken for an empty one
MAX_ID = 64  # nbformat's own limit for a cell id; nbgrader's grade ids are held to it too


def parse(data: bytes, sha256: str = "") -> Notebook:
    """The notebook in `data`; raises `BrokenNotebook` and nothing else."""
    if len(data) > MAX_BYTES:
        raise too_large(f"more than {MAX_BYTES / 1e6:.0f} MB")
    refuse_other_formats(data)
    file = _decode(_as_utf8(data))
    metadata = _metadata(file.metadata)
    course = metadata.get("course")
    module = _text(course.get("module")) if isinstance(course, dict) else ""
    return Notebook(_cells(file), sha256, module or None, _python(metadata))


def _python(metadata: dict[str, Any]) -> tuple[int, ...]:
    """The Python that ran it last, as far as Jupyter noted it."""
    language = metadata.get("language_info")
    version = _text(language.get("version")) if isinstance(language, dict) else ""
    return tuple(map(int, re.findall(r"\d{1,3}", version)[:3])) if version[:2] == "3." else ()


# ------------------------------------------------------------------------------------------- from bytes


class _Cell(msgspec.Struct):
    """A cell of format 4, or of format 3 (where code stands in `input`)."""

    cell_type: Literal["code", "markdown", "raw", "heading", "html"]
    source: Raw | UnsetType = UNSET
    input: Raw | UnsetType = UNSET
    id: Raw | UnsetType = UNSET
    metadata: Raw | UnsetType = UNSET


class _Worksheet(msgspec.Struct):
    cells: list[_Cell] = []


class _File(msgspec.Struct):
    nbformat: int
    cells: list[_Cell] | UnsetType = UNSET
    worksheets: list[_Worksheet] | UnsetType = UNSET
    metadata: Raw | UnsetType = UNSET


_file = msgspec.json.Decoder(_File)
_source = msgspec.json.Decoder(str | list[str])
_any = msgspec.json.Decoder()


def _as_utf8(data: bytes) -> bytes:
    encoding = encoding_of(data)
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        raise not_text(encoding, error, data) from None
    return data if encoding == "utf-8" else text.encode("utf-8", "surrogatepass")


def _decode(data: bytes) -> _File:
    if _depth(data) > MAX_DEPTH:
        raise BrokenNotebook(f"The file is nested more than {MAX_DEPTH} levels deep: no notebook is.")
    try:
        return _file.decode(data)
    except msgspec.ValidationError as error:
        raise BrokenNotebook(_what_is_no_notebook(str(error))) from None
    except msgspec.DecodeError:
        pass
    try:
        return _file.decode(_lenient(data))
    except msgspec.ValidationError as error:
        raise BrokenNotebook(_what_is_no_notebook(str(error))) from None
    except msgspec.DecodeError as error:
        if merged := _MERGE.search(data):
            line = data.count(b"\n", 0, merged.end()) + 1
            raise BrokenNotebook(
                f"The file has the marks of an unfinished git merge (line {line}): "
                "take one of the two versions whole, and hand it in again."
            ) from None
        reason = str(error).removeprefix("JSON is malformed: ").replace("Input data", "the file")
        raise BrokenNotebook(f"The file is not a notebook: it is not JSON ({reason}).") from None


_MERGE = re.compile(rb"\n(?:<{7}|>{7}) ")

# Possessive, and the closing quote is optional: a match neither fails nor remembers ways back, either of
# which a hostile file could turn into quadratic time or a gigabyte.
_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?', re.DOTALL)
_BLOCK = re.compile(rb"(?:" + _STRING.pattern + rb'|[^"]++){1,20000}+', re.DOTALL)
_STEP = bytes(1 if byte in b"[{" else 255 for byte in range(256))
_NOT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))


def _depth(data: bytes) -> int:
    """How deep brackets nest outside of strings, whether or not they match."""
    level = deepest = 0
    for block in _BLOCK.finditer(data):  # in blocks, because `sub` needs 80 bytes for each piece it joins
        brackets = _STRING.sub(b"", block[0]).translate(_STEP, delete=_NOT_BRACKETS)
        steps = memoryview(brackets).cast("b")
        deepest = max(deepest, max(accumulate(steps, initial=level)))
        level += sum(steps)
    return deepest


_STRING_OR_NUMBER = re.compile(_STRING.pattern + rb"|(?P<number>-?Infinity|NaN)", re.DOTALL)
_SURROGATE = re.compile(
    rb"(?<!\\)(?:\\\\)*+"  # an even number of backslashes, so that the next one escapes
    rb"(?:\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"  # a proper pair, kept
    rb"|(?P<alone>\\u[dD][89a-fA-F][0-9a-fA-F]{2}))"
)


def _lenient(data: bytes) -> bytearray:
    """The same without what Python's `json` writes and JSON does not know: NaN and lone surrogates."""
    result, end = bytearray(), 0
    for start, stop, replacement in _repairs(data):
        result += data[end:start]
        result += replacement
        end = stop
    result += data[end:]
    return result


def _repairs(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    for match in _STRING_OR_NUMBER.finditer(data):
        if match["number"]:
            yield *match.span(), b"null"
        elif data.find(rb"\u", *match.span()) >= 0:
            for surrogate in _SURROGATE.finditer(data, *match.span()):
                if surrogate["alone"]:
                    yield *surrogate.span("alone"), rb"\ufffd"


def _what_is_no_notebook(problem: str) -> str:
    """One sentence out of msgspec's `Expected `str`, got `int` - at `$.cells[3].source``."""
    what, _, where = problem.partition(" - at ")
    what = what[:1].lower() + what[1:]
    if cell := re.search(r"\.cells\[(\d+)\](?:\.(\w+))?", where):
        field = f" (`{cell[2]}`)" if cell[2] else ""
        return f"The file is not a valid notebook: cell {int(cell[1]) + 1}{field}: {what}."
    field = where.strip("`").removeprefix("$.")
    return f"The file is JSON but not a notebook: {f'`{field}`: ' if field else ''}{what}."


# -------------------------------------------------------------------------------------------- the cells


def _cells(file: _File) -> tuple[NotebookCell, ...]:
    if file.nbformat == 3 and file.worksheets is not UNSET:
        raw = [cell for sheet in file.worksheets for cell in sheet.cells]
    elif file.nbformat == 4 and file.cells is not UNSET:
        raw = file.cells
    elif file.nbformat in (3, 4):
        raise BrokenNotebook("The file is JSON but not a notebook: it has no cells.")
    else:
        raise BrokenNotebook(
            f"The notebook is in format {file.nbformat}, which is not read here: "
            "open it in a current Jupyter and save it (format 4)."
        )
    if len(raw) > MAX_CELLS:
        raise BrokenNotebook(f"The notebook has {len(raw):,} cells; the limit is {MAX_CELLS:,}.")
    # A character takes at most six bytes as JSON, and some go to quotes: refused before it is decoded.
    if sum(_size(_code(cell)) for cell in raw if cell.cell_type == "code") > 8 * MAX_CODE:
        raise too_much_code()
    room = MAX_CODE  # for Markdown and raw cells
    cells = []
    for number, cell in enumerate(raw, start=1):
        kind: Kind = "code" if cell.cell_type == "code" else "raw" if cell.cell_type == "raw" else "markdown"
        source = _code_of(number, cell) if kind == "code" else _prose_of(cell, min(MAX_PROSE, room))
        room -= 0 if kind == "code" else len(source)
        cells.append(NotebookCell(number, kind, source, _text(_loads(cell.id)), **_marks(cell)))
    if sum(len(cell.source) for cell in cells if cell.kind == "code") > MAX_CODE:
        raise too_much_code()
    return tuple(cells)


def _code_of(number: int, cell: _Cell) -> str:
    if _code(cell) is UNSET:
        raise BrokenNotebook(f"The file is not a valid notebook: cell {number} has no source.")
    source = _decoded(_code(cell))
    if source is None:
        raise BrokenNotebook(
            f"The file is not a valid notebook: cell {number}'s source is neither text nor a list of lines."
        )
    return source


def _prose_of(cell: _Cell, longest: int) -> str:
    """What stands in a Markdown or raw cell, which may be an answer; empty if it is longer."""
    source = _decoded(_code(cell)) if 0 < _size(_code(cell)) <= 8 * longest else None
    return source if source and len(source) <= longest else ""


def _decoded(code: Raw | UnsetType) -> str | None:
    try:
        source = _source.decode(b"" if code is UNSET else code)
    except msgspec.DecodeError:
        return None
    text = source if isinstance(source, str) else "".join(source)
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _marks(cell: _Cell) -> dict[str, Any]:
    """What nbgrader and Jupyter say about the cell; anything of a wrong type counts as absent."""
    metadata = _metadata(cell.metadata)
    nbgrader = metadata.get("nbgrader")
    nbgrader = nbgrader if isinstance(nbgrader, dict) else {}
    tags = metadata.get("tags")
    return {
        "grade_id": _text(nbgrader.get("grade_id")),
        "grade": nbgrader.get("grade") is True,
        "solution": nbgrader.get("solution") is True,
        "tags": frozenset(filter(None, map(_text, tags))) if isinstance(tags, list) else frozenset(),
    }


def _code(cell: _Cell) -> Raw | UnsetType:
    return cell.source if cell.source is not UNSET else cell.input


def _size(raw: Raw | UnsetType) -> int:
    return 0 if raw is UNSET else memoryview(raw).nbytes


def _metadata(raw: Raw | UnsetType) -> dict[str, Any]:
    value = _loads(raw)
    return value if isinstance(value, dict) else {}


def _loads(raw: Raw | UnsetType) -> object:
    if raw is UNSET or _size(raw) > MAX_METADATA:
        return None
    try:
        return _any.decode(raw)
    except msgspec.DecodeError:  # an integer of thousands of digits
        return None


def _text(value: object) -> str:
    return value if isinstance(value, str) and len(value) <= MAX_ID else ""
