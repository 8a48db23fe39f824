"""The students' notebook for Otter: the exercise notebook with `grader.check(...)` in its check cells."""

from __future__ import annotations

import copy

import nbformat
from nbformat import NotebookNode

from course.catalogue.syllabus import Module

from ..build import check_source
from ..exports.otter_cells import OTTER

_HAND_IN = """\
## Hand in

Save the notebook, then run the cell below: it makes the zip that you hand in.
"""


def with_grader(released: NotebookNode, module: Module) -> NotebookNode:
    """A copy of a module's notebook for Otter. Cells keep their ids, and what a student wrote."""
    notebook = copy.deepcopy(released)
    checks = {f"check_{exercise.id}": exercise for exercise in module.graded}
    for cell in notebook.cells:
        exercise = checks.get(cell.metadata.get("nbgrader", {}).get("grade_id", ""))
        if exercise is not None:
            ours, otters = check_source(exercise), OTTER.check_source(module.id, exercise.id)
            cell.source = cell.source.replace(ours, otters)
    setup, export = (
        nbformat.v4.new_code_cell(source, id=id) for id, source in OTTER.own_cells(module.id).items()
    )
    hand_in = nbformat.v4.new_markdown_cell(_HAND_IN.rstrip("\n"), id=f"{module.id}-otter-prose")
    notebook.cells = [setup, *notebook.cells, hand_in, export]
    return notebook
