"""nbconvert's exporters, for nbgrader's converters: of what students handed in, and of what they get back."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import nbformat
from nbconvert.exporters import HTMLExporter, NotebookExporter
from nbformat import NotebookNode

from ..errors import Unreadable
from .readable import note_instead, readable
from .restore import CHECK


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


class FeedbackExporter(HTMLExporter):
    """nbgrader's feedback page; in its contents the exercises have their names instead of "Test cell"."""

    def from_notebook_node(
        self, nb: NotebookNode, resources: Any = None, **kw: Any
    ) -> tuple[str, dict[str, Any]]:
        page, resources = super().from_notebook_node(nb, resources, **kw)
        return _CONTENTS.sub(r"\1\2</a>", page), resources


_CONTENTS = re.compile(rf'(<li><a href="#{CHECK}(\w+)">)Test cell</a>')


def _as_submitted(path: Path) -> NotebookNode:
    if not os.path.lexists(path):
        return note_instead(f"There is no {path.name} in the submission.")
    try:
        return readable(path)
    except Unreadable as error:
        return note_instead(str(error))
