"""`python -m autograder.site.record [MODULE...]`: run the notebooks, solved, and record what they show."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Annotated

import nbformat
import typer
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell

from .. import build
from ..console import reported
from ..content.course_root import CourseRoot
from . import recording

BOTH = (
    "from autograder.site import dark\n\ndark.both()"  # run first: each picture for light and for dark pages
)
_SECONDS = 900  # for one cell, and for what it shows: outputs that come later than that are lost


def record(root: CourseRoot, module: str) -> recording.Recording:
    """Run a module's notebook with the reference solutions in a real kernel, and record it without them."""
    notebook = build.compose(root, module, build.answers(root, module, "solved"))
    notebook.cells.insert(0, new_code_cell(BOTH))
    with tempfile.TemporaryDirectory() as folder:
        client = NotebookClient(notebook, timeout=_SECONDS, iopub_timeout=_SECONDS, kernel_name="python3")
        client.execute(cwd=folder)
    del notebook.cells[0]
    return recording.write(root, module, notebook)


def main(
    modules: Annotated[list[str] | None, typer.Argument(help="By default all of them.")] = None,
    executed: Annotated[
        Path | None, typer.Option(help="A folder with MODULE-solved.ipynb, run already (make test-all).")
    ] = None,
) -> None:
    """Record what the cells of the modules' notebooks show, for the site."""
    with reported():
        root = CourseRoot.find()
        for module in modules or [module.id for module in root.syllabus.modules]:
            started = time.monotonic()
            if executed:
                path = executed / f"{module}-solved.ipynb"
                notebook = nbformat.reads(path.read_text(encoding="utf-8"), as_version=nbformat.NO_CONVERT)
                made = recording.write(root, module, notebook)
            else:
                made = record(root, module)
            shown = sum(output.kind != "text" for cell in made.cells.values() for output in cell.outputs)
            typer.echo(f"{module}: {shown} pictures, {time.monotonic() - started:.0f} s")


if __name__ == "__main__":
    typer.run(main)
