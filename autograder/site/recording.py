"""What a module's cells showed when its notebook was run with the solutions: `docs/demos/`.

A site is built in seconds and a notebook runs for minutes, so the outputs are recorded once, without the
solutions: `docs/demos/MODULE.json`, and in `docs/demos/MODULE/` the pictures and pages that it names.
`python -m autograder.site.record` makes them.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Literal

from nbformat import NotebookNode
from pydantic import BaseModel, ValidationError
from rich.text import Text

from .. import build
from ..atomic import write_atomically
from ..content.course_root import CourseRoot
from ..errors import ContentError
from .dark import MIME

FOLDER = Path("docs", "demos")  # below the course's root


class Output(BaseModel, extra="forbid", frozen=True):
    """One output of a cell: its text, or a file of `docs/demos/MODULE/` and what it shows, in words."""

    kind: Literal["text", "picture", "page"]
    text: str = ""
    file: str = ""
    dark: str = ""  # a picture's file for dark pages, if it was drawn for them, too
    width: int | None = None  # of a picture, in the pixels of a page


class Cell(BaseModel, extra="forbid", frozen=True):
    source: str  # a digest
    outputs: tuple[Output, ...] = ()


class Recording(BaseModel, extra="forbid", frozen=True):
    """The code cells of a module's notebook by their ids, in order; the exercises' own have no outputs."""

    cells: dict[str, Cell]


def load(root: CourseRoot, module: str) -> Recording:
    """The recording of a module; raises ContentError where there is none that belongs to the lesson."""
    path = _manifest(root, module)
    again = f"run `python -m autograder.site.record {module}`"
    if not path.is_file():
        raise ContentError(f"{root.relative(path)} is not there: {again}.")
    try:
        recording = Recording.model_validate_json(root.read(path))
    except ValidationError as error:
        raise ContentError(f"{root.relative(path)}: {error.errors()[0]['msg']}: {again}.") from None
    if changed := _changed(root, recording, build.compose(root, module)):
        raise ContentError(
            f"{root.relative(path)} was recorded from another notebook (cell {changed}): {again}."
        )
    return recording


def folder(root: CourseRoot, module: str) -> Path:
    """Where the pictures and pages of a module's recording lie."""
    return root.path / FOLDER / module


def write(root: CourseRoot, module: str, executed: NotebookNode) -> Recording:
    """Record a notebook that has been run; raises ContentError if one of its cells failed."""
    files: dict[str, bytes] = {}
    cells: dict[str, Cell] = {}
    for given, cell in zip(_code(build.compose(root, module)), _code(executed), strict=True):
        outputs = _joined(_outputs(cell, files))
        cells[given.id] = Cell(source=_digest(root, given.source), outputs=outputs)
    recording = Recording(cells=cells)
    place = folder(root, module)
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    for name, content in files.items():
        (place / name).write_bytes(content)
    text = json.dumps(recording.model_dump(exclude_defaults=True), indent=1, ensure_ascii=False)
    write_atomically(_manifest(root, module), f"{text}\n")
    return recording


def kinds(executed: NotebookNode) -> dict[str, list[str]]:
    """Cell id → what kinds of output it has; for comparing a run with what is recorded."""
    return {cell.id: [output.kind for output in _joined(_outputs(cell, {}))] for cell in _code(executed)}


def _manifest(root: CourseRoot, module: str) -> Path:
    return root.path / FOLDER / f"{module}.json"


def _changed(root: CourseRoot, recording: Recording, notebook: NotebookNode) -> str | None:
    now = {cell.id: _digest(root, cell.source) for cell in _code(notebook)}
    then = {id: cell.source for id, cell in recording.cells.items()}
    return next((id for id in (*now, *then) if now.get(id) != then.get(id)), None)


def _code(notebook: NotebookNode) -> list[NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def _digest(root: CourseRoot, source: str) -> str:
    """Of what the lesson has in the cell: from where the course is installed changes no picture."""
    own = build.without_opening(source, root.syllabus.start)
    return hashlib.sha256(own.encode()).hexdigest()[:16]


def _joined(outputs: Iterable[Output]) -> tuple[Output, ...]:
    """Texts that follow one another as one: where a kernel parts what is printed is chance."""
    made: list[Output] = []
    for output in outputs:
        if made and made[-1].kind == output.kind == "text":
            output = Output(kind="text", text=made.pop().text + output.text)
        made.append(output)
    return tuple(made)


def _outputs(cell: NotebookNode, files: dict[str, bytes]) -> Iterator[Output]:
    """The outputs of a cell that has run; `files` gets what does not fit into a line of JSON."""
    for count, output in enumerate(cell.outputs, start=1):
        if output.output_type == "error":
            raise ContentError(f"Cell {cell.id} fails with {output.ename}: {output.evalue}: mend it first.")
        name = f"{cell.id}-{count}"
        if output.output_type == "stream":
            yield Output(kind="text", text=output.text)
        elif output.metadata.get("text/html", {}).get("only_colours"):  # what `check` says
            yield Output(kind="text", text=f"{output.data['text/plain']}\n")
        elif "text/html" in output.data:
            files[f"{name}.html"] = output.data["text/html"].encode()
            words = Text.from_ansi(output.data["text/plain"]).plain  # rich colours the text of its bars
            yield Output(kind="page", file=f"{name}.html", text=words)
        elif "image/png" in output.data:
            files[f"{name}.png"] = smaller(base64.b64decode(output.data["image/png"]))
            about: dict[str, Any] = output.metadata.get("image/png", {})
            words = about.get("alt") or output.data["text/plain"]
            dark = f"{name}-dark.png" if MIME in output.data else ""
            if dark:
                files[dark] = smaller(base64.b64decode(output.data[MIME]))
            yield Output(kind="picture", file=f"{name}.png", dark=dark, text=words, width=about.get("width"))
        else:
            yield Output(kind="text", text=output.data["text/plain"])


def smaller(png: bytes, colours: int = 256) -> bytes:
    """The picture with a palette: enough for plots and small pictures, in a third of the bytes."""
    from PIL import Image

    file = io.BytesIO()
    image = Image.open(io.BytesIO(png)).convert("RGB")
    image.quantize(colours, dither=Image.Dither.NONE).save(file, "PNG", optimize=True)
    return file.getvalue()
