"""nbgrader's step that reads what a student handed in: for its exporter every file is a notebook."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import nbformat
from nbconvert.exporters import NotebookExporter
from nbformat import NotebookNode

from ...errors import Unreadable
from .readable import note_instead, readable


class SubmissionExporter(NotebookExporter):
    """nbconvert's exporter to notebooks, for which every file is readable.

    nbgrader converts twice: what was submitted to `autograded/`, then that, in place, with the grades. The
    first time the file is a student's, and in the place of one that is no notebook stands a note. The file
    itself is not touched.
    """

    def from_filename(self, filename: str, resources: Any = None, **kw: Any) -> tuple[str, dict[str, Any]]:
        path = Path(filename)
        if getattr(self.parent, "_sanitizing", True):
            notebook = _as_submitted(path)
        else:
            notebook = nbformat.v4.reads(path.read_text(encoding="utf-8"))
        resources = {} if resources is None else resources
        resources["metadata"] = {"name": path.stem, "path": str(path.parent)}
        return self.from_notebook_node(notebook, resources=resources, **kw)


def _as_submitted(path: Path) -> NotebookNode:
    if not os.path.lexists(path):
        return note_instead(f"There is no {path.name} in the submission.")
    try:
        return readable(path)
    except Unreadable as error:
        return note_instead(str(error))
