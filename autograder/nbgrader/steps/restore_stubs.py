"""nbgrader's step that takes the solutions out, with the course's own stubs."""

from __future__ import annotations

from typing import Any

from nbformat import NotebookNode
from nbgrader.preprocessors import ClearSolutions

from ...build import answers
from ..settings import AutograderCourse


class RestoreStubs(ClearSolutions):
    """Gives an exercise's cell the stub that students know from `exercises/`.

    ClearSolutions has one stub for all regions, and replaces a cell without a region as a whole. That is what
    still happens to a cell that an instructor wrote or changed.
    """

    def preprocess(self, nb: NotebookNode, resources: Any) -> tuple[NotebookNode, Any]:
        root = AutograderCourse(parent=self).root
        module = resources["nbgrader"]["notebook"]
        self._stubs: dict[tuple[str, str], str] = {}
        if module in {known.id for known in root.syllabus.modules}:
            stubs = answers(root, module, "stub")
            self._stubs = {(id, source): stubs[id] for id, source in answers(root, module, "marked").items()}
        return super().preprocess(nb, resources)

    def preprocess_cell(
        self, cell: NotebookNode, resources: Any, cell_index: int
    ) -> tuple[NotebookNode, Any]:
        exercise = cell.metadata.get("nbgrader", {}).get("grade_id", "")
        if stub := self._stubs.get((exercise, cell.source)):
            cell.source = stub
            return cell, resources
        return super().preprocess_cell(cell, resources, cell_index)
