"""Reads a notebook: hostile bytes in, a small typed `Notebook` or one clear sentence out.

The file is read once, so the hash is of the bytes that were parsed. Limits are checked before memory is
taken: outputs are skipped, never built, and only code and the little metadata that grading looks at is
decoded. That is also why this does not go through nbformat, whose objects and schema errors are as
large as the file that a student chooses to hand in.

Tolerated, because honest tools write them: a byte-order mark, UTF-16, NaN and Infinity (plots in outputs),
lone surrogates (read as U+FFFD), unknown and repeated keys (the last one counts, as in every JSON reader),
missing metadata, and notebook format 3.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
from collections.abc import Iterator
from itertools import accumulate
from pathlib import Path
from typing import Any, Literal

import msgspec
from msgspec import UNSET, Raw, UnsetType

from .. import errors
from . import script
from .notebook import (
    MAX_BYTES,
    MAX_CELLS,
    MAX_CODE,
    BrokenNotebook,
    Kind,
    Notebook,
    NotebookCell,
    refuse_other_formats,
    too_much_code,
)

MAX_DEPTH = 100  # JSON levels; interactive plots in outputs reach about 30
MAX_METADATA = 100_000  # bytes of one metadata object; a larger one is taken for an empty one
MAX_ID = 64  # nbformat's own limit for a cell id; nbgrader's grade ids are held to it too


def read(path: Path) -> Notebook:
    """The notebook at `path`, which must be an ordinary file: links, pipes and devices are not opened.

    A file named `*.py` is read as `script.parse` does, any other as a notebook.

    Raises `BrokenNotebook` (an `errors.Unreadable`) with the sentence that the student is shown, and
    `errors.Fault` where the machine is at fault: no permission, a file that vanished, a disk error.
    """
    data = _bytes_of(path)
    sha256 = hashlib.sha256(data).hexdigest()
    try:
        if path.suffix.lower() == ".py":
            return script.parse(data, sha256)
        return parse(data, sha256)
    except BrokenNotebook as error:
        error.sha256 = sha256
        raise


def parse(data: bytes, sha256: str = "") -> Notebook:
    """The notebook in `data`; raises `BrokenNotebook` and nothing else."""
    if len(data) > MAX_BYTES:
        raise _too_large(f"more than {MAX_BYTES / 1e6:.0f} MB")
    refuse_other_formats(data)
    file = _decode(_as_utf8(data))
    metadata = _metadata(file.metadata)
    course = metadata.get("course")
    module = _text(course.get("module")) if isinstance(course, dict) else ""
    return Notebook(_cells(file), sha256, module or None)


# ---------------------------------------------------------------------------------------- from the disk


def _bytes_of(path: Path) -> bytes:
    try:
        # Looked at before it is opened: opening a device can already do something.
        _refuse_all_but_files(path, os.lstat(path).st_mode)
        flags = os.O_RDONLY
        for name in ("O_NOFOLLOW", "O_NONBLOCK", "O_CLOEXEC", "O_NOCTTY", "O_BINARY"):
            flags |= getattr(os, name, 0)
        with open(os.open(path, flags), "rb") as file:
            status = os.fstat(file.fileno())
            _refuse_all_but_files(path, status.st_mode)
            if status.st_size > MAX_BYTES:
                raise _too_large(f"{status.st_size / 1e6:,.1f} MB")
            return file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise errors.Fault(f"{path} vanished before it could be read; put it back and run again") from None
    except PermissionError:
        raise errors.Fault(
            f"{path} may not be read: permission denied; make it readable and run again"
        ) from None
    except OSError as error:
        raise errors.Fault(f"{path} could not be read: {error.strerror or error}") from None


def _refuse_all_but_files(path: Path, mode: int) -> None:
    if stat.S_ISREG(mode):
        return
    if stat.S_ISDIR(mode):
        os.scandir(path).close()  # raises where the folder may not be looked into
        raise BrokenNotebook("It is a folder, not a notebook.")
    if stat.S_ISLNK(mode):
        raise BrokenNotebook("It is a symbolic link, which is not followed: hand in the notebook itself.")
    raise BrokenNotebook("It is a pipe, socket or device, not a file.")


def _too_large(size: str) -> BrokenNotebook:
    return BrokenNotebook(
        f"The notebook is too large ({size}; the limit is {MAX_BYTES / 1e6:.0f} MB): "
        "clear its outputs, save it, and hand it in again."
    )


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
    encoding = json.detect_encoding(data)
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        name = "UTF-8" if encoding.startswith("utf-8") else encoding.upper()
        raise BrokenNotebook(
            f"The file is not valid {name} text: byte {error.start} (0x{data[error.start]:02x}) is wrong."
        ) from None
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
        reason = str(error).removeprefix("JSON is malformed: ").replace("Input data", "the file")
        raise BrokenNotebook(f"The file is not a notebook: it is not JSON ({reason}).") from None


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
    cells = tuple(_cell(number, cell) for number, cell in enumerate(raw, start=1))
    if sum(len(cell.source) for cell in cells) > MAX_CODE:
        raise too_much_code()
    return cells


def _cell(number: int, cell: _Cell) -> NotebookCell:
    if cell.cell_type != "code":
        kind: Kind = "raw" if cell.cell_type == "raw" else "markdown"
        return NotebookCell(number, kind, "", _text(_loads(cell.id)), **_marks(cell))
    code = _code(cell)
    if code is UNSET:
        raise BrokenNotebook(f"The file is not a valid notebook: cell {number} has no source.")
    try:
        source = _source.decode(code)
    except msgspec.DecodeError:
        raise BrokenNotebook(
            f"The file is not a valid notebook: cell {number}'s source is neither text nor a list of lines."
        ) from None
    text = source if isinstance(source, str) else "".join(source)
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return NotebookCell(number, "code", text, _text(_loads(cell.id)), **_marks(cell))


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
