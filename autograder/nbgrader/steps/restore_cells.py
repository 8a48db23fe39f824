"""Puts nbgrader's cells in order again, whatever a student did to them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from nbformat import NotebookNode
from nbgrader.api import Gradebook, Notebook, SourceCell
from nbgrader.preprocessors import NbGraderPreprocessor

from ...build.notebook import NBGRADER_SCHEMA
from .readable import new_cell

CHECK = "check_"  # what a check cell's id begins with; the rest is the exercise's


class RestoreCells(NbGraderPreprocessor):
    """Each of the assignment's cells once, with the metadata that the gradebook has of it.

    Of several cells with one id the last keeps it, as what ran last counts in grading; an id that the
    gradebook does not know is forgotten, with everything else that the cell says of itself. A cell that is
    missing is put back near where it was: without a check cell nbgrader would have nowhere to put the points.
    """

    def preprocess(self, nb: NotebookNode, resources: Any) -> tuple[NotebookNode, Any]:
        about = resources["nbgrader"]
        with Gradebook(about["db_url"]) as gradebook:
            notebook = gradebook.find_notebook(about["notebook"], about["assignment"])
            known = _known_cells(notebook)
            if notebook.kernelspec:
                nb.metadata["kernelspec"] = json.loads(notebook.kernelspec)
        nb.metadata["language_info"] = {"name": "python"}
        for cell in nb.cells:
            cell.metadata.pop("deletable", None)
            cell.metadata.pop("editable", None)
        seen: set[str] = set()
        for place in reversed(range(len(nb.cells))):
            id = nb.cells[place].metadata.pop("nbgrader", {}).get("grade_id", "")
            if id in known and id not in seen:
                seen.add(id)
                nb.cells[place] = known[id].dress(nb.cells[place])
        for id in known:
            if id not in seen and known[id].wanted:
                self.log.warning("Cell %r was missing from the submission and is put back", id)
                nb.cells.insert(_place_for(nb, id), known[id].anew())
                seen.add(id)
        return nb, resources


@dataclass(frozen=True)
class _Known:
    """A cell of the assignment, as the gradebook has it."""

    source: str
    kind: str
    metadata: dict[str, Any]  # nbgrader's

    @property
    def wanted(self) -> bool:
        """Whether points or comments hang on the cell; a text that was only locked may stay away."""
        return bool(self.metadata["grade"] or self.metadata["solution"] or self.metadata["task"])

    def dress(self, cell: NotebookNode) -> NotebookNode:
        """The student's cell, as a cell of the right kind and with the right metadata."""
        if cell.cell_type != self.kind:
            cell = new_cell(self.kind, cell.source, id=cell.id, metadata=cell.metadata)
        if self.kind == "code" and self.metadata["grade"] and not self.metadata["solution"]:
            cell.outputs = []
        cell.metadata["nbgrader"] = dict(self.metadata)
        cell.metadata["deletable"] = False
        if not self.metadata["solution"]:
            cell.metadata["editable"] = False
        return cell

    def anew(self) -> NotebookNode:
        """The cell, put back. An answer that was deleted is not its stub: it says that it is not there."""
        deleted = self.metadata["solution"] and not self.metadata["grade"]
        source = "# This cell was missing from the submission." if deleted else self.source
        return self.dress(new_cell(self.kind, source, id=f"restored-{self.metadata['grade_id']}"[:64]))


def _known_cells(notebook: Notebook) -> dict[str, _Known]:
    """By grade id; an exercise's solution stands before its check, the order is otherwise the gradebook's."""
    graded = {cell.name: cell.max_score for cell in notebook.grade_cells}
    tasks = {cell.name: cell.max_score for cell in notebook.task_cells}
    solutions = {cell.name for cell in notebook.solution_cells}

    def known(cell: SourceCell) -> _Known:
        points = graded.get(cell.name, tasks.get(cell.name))
        metadata = {
            "schema_version": NBGRADER_SCHEMA,
            "grade_id": cell.name,
            "grade": cell.name in graded,
            "solution": cell.name in solutions,
            "task": cell.name in tasks,
            "locked": cell.locked,
            "cell_type": cell.cell_type,
            "checksum": cell.checksum,
        }
        return _Known(cell.source, cell.cell_type, metadata | ({} if points is None else {"points": points}))

    cells = sorted(
        notebook.source_cells, key=lambda c: (c.name.removeprefix(CHECK), c.name.startswith(CHECK))
    )
    return {cell.name: known(cell) for cell in cells}


def _place_for(nb: NotebookNode, missing: str) -> int:
    """Where to put a missing cell back: beside its exercise's other cell, else at the end."""
    exercise = missing.removeprefix(CHECK)
    for place, cell in enumerate(nb.cells):
        id = cell.metadata.get("nbgrader", {}).get("grade_id", "")
        if id and id.removeprefix(CHECK) == exercise:
            return place + 1 if missing.startswith(CHECK) else place
    return len(nb.cells)
