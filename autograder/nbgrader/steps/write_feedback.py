"""nbgrader's step that writes a student's feedback page: nbconvert's exporter to HTML."""

from __future__ import annotations

import re
from typing import Any

from nbconvert.exporters import HTMLExporter
from nbformat import NotebookNode

from .restore_cells import CHECK


class FeedbackExporter(HTMLExporter):
    """nbgrader's feedback page; in its contents the exercises have their names instead of "Test cell"."""

    def from_notebook_node(
        self, nb: NotebookNode, resources: Any = None, **kw: Any
    ) -> tuple[str, dict[str, Any]]:
        page, resources = super().from_notebook_node(nb, resources, **kw)
        return _CONTENTS.sub(r"\1\2</a>", page), resources


_CONTENTS = re.compile(rf'(<li><a href="#{CHECK}(\w+)">)Test cell</a>')
