"""A notebook that nbgrader can work with and that does nothing, out of whatever a student handed in.

It is written anew from the few things that nbgrader and a person need. Everything else that a file may say
(execution counts that are HTML, tags, widgets, a lexer's name that ends up in a page) is left behind, and so
are all outputs but pictures and plain text.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode

from course.cells.notebook import MAX_BYTES

from ...reports.text import excerpt
from ...submission.read import read

PICTURES = ("image/png", "image/jpeg")
MOST_OUTPUTS = 20  # of a cell
LARGEST_PICTURE = 2_000_000  # characters of base64
_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


def readable(path: Path) -> NotebookNode:
    """The notebook at `path`; of nbgrader's metadata only the ids are kept, which are a student's claim.

    Raises what `submission.read.read` does: Unreadable with the reason, Fault where the machine is at fault.
    """
    notebook = read(path)
    raw = _raw_cells(path)
    ids: set[str] = set()
    cells = []
    for cell in notebook.cells:
        written = raw[cell.number - 1] if cell.number <= len(raw) else {}
        source = _text(cell.source if cell.kind == "code" else _joined(written.get("source")))
        metadata = {"nbgrader": {"grade_id": cell.grade_id}} if cell.grade_id else {}
        outputs = written.get("outputs")
        cells.append(
            new_cell(
                cell.kind,
                source,
                id=_free_id(cell.id, cell.number, ids),
                metadata=metadata,
                outputs=inert(outputs) if isinstance(outputs, list) else [],
            )
        )
    return _notebook(cells)


def note_instead(reason: str) -> NotebookNode:
    """What stands in the place of a file that is no notebook."""
    said = "".join("\\" + c if c in r"\`*_{}[]()#+-.!<>|$~&" else c for c in _text(reason))
    source = f"**The file that was handed in could not be read.**\n\n{said}"
    return _notebook([new_cell("markdown", source, id="unreadable")])


def inert(outputs: Iterable[Any]) -> list[NotebookNode]:
    """Of a cell's outputs the pictures and the plain text; never HTML, SVG, scripts, widgets or stderr.

    What printed is kept as printed, what was a cell's value becomes a display: nbgrader takes a value for
    the number of points.
    """
    kept: list[NotebookNode] = []
    for output in outputs:
        if len(kept) == MOST_OUTPUTS or not isinstance(output, Mapping):
            continue
        kind, data = output.get("output_type"), output.get("data")
        if kind == "stream" and output.get("name") == "stdout":
            if text := excerpt(_text(_joined(output.get("text")))):
                kept.append(NotebookNode(output_type="stream", name="stdout", text=text))
        elif kind in ("display_data", "execute_result") and isinstance(data, Mapping):
            shown: dict[str, str] = {}
            for mime in PICTURES:
                if _is_base64(picture := _joined(data.get(mime))):
                    shown[mime] = picture
            if text := excerpt(_text(_joined(data.get("text/plain")))):
                shown["text/plain"] = text
            if shown:
                kept.append(display(shown))
    return kept


def new_cell(
    kind: str,
    source: str,
    *,
    id: str,
    metadata: Mapping[str, Any] | None = None,
    outputs: Iterable[NotebookNode] = (),
) -> NotebookNode:
    """A cell. nbformat's own functions validate each, which takes longer than all the rest."""
    code = {"execution_count": None, "outputs": list(outputs)} if kind == "code" else {}
    cell: NotebookNode = nbformat.from_dict(
        {"cell_type": kind, "id": id, "metadata": dict(metadata or {}), "source": source, **code}
    )
    return cell


def display(data: Mapping[str, str]) -> NotebookNode:
    """Something to look at, that is no cell's value."""
    return NotebookNode(output_type="display_data", data=NotebookNode(data), metadata=NotebookNode())


def _notebook(cells: list[NotebookNode]) -> NotebookNode:
    return NotebookNode(cells=cells, metadata=NotebookNode(), nbformat=4, nbformat_minor=5)


def _raw_cells(path: Path) -> list[dict[str, Any]]:
    """The cells as the file has them, in the order of `read`; empty where only `read` makes sense of it."""
    with open(path, "rb") as file:
        data = file.read(MAX_BYTES + 1)
    try:
        content = json.loads(data.decode(json.detect_encoding(data), "surrogatepass"))
        sheets = content.get("worksheets", []) if content.get("nbformat") == 3 else [content]
        cells = [cell for sheet in sheets for cell in sheet.get("cells", [])]
    except (ValueError, AttributeError, TypeError, RecursionError):
        return []
    return [cell if isinstance(cell, dict) else {} for cell in cells]


def _joined(text: object) -> str:
    """A string that nbformat may have cut into lines; empty for anything else."""
    if isinstance(text, list):
        return "".join(part for part in text if isinstance(part, str))
    return text if isinstance(text, str) else ""


def _text(text: str) -> str:
    """Without halves of surrogate pairs, which no file and no database can hold."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _is_base64(text: str) -> bool:
    try:
        return 0 < len(text) <= LARGEST_PICTURE and bool(
            base64.b64decode("".join(text.split()), validate=True)
        )
    except (binascii.Error, ValueError):
        return False


def _free_id(id: str, number: int, taken: set[str]) -> str:
    if not _ID.fullmatch(id) or id in taken:
        id = f"cell-{number}"
        while id in taken:
            id += "-"
    taken.add(id)
    return id
