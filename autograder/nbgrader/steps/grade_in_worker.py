"""nbgrader's step that gives points, without running anything: `Execute`'s place."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from nbformat import NotebookNode
from nbgrader.preprocessors import NbGraderPreprocessor

from ...errors import UsageError
from ...reports.feedback import ExerciseView, exercise_views
from ...reports.lines import Remark, as_text, receipt, whole
from ...results import Result
from ..gradings import gradings_of, submission_of
from ..settings import coursedir_of
from .readable import display, inert
from .restore_cells import CHECK
from .wording import as_html

NOT_OURS = "This cell is no exercise of the course's: it was not run, and its points are a person's to give."


@dataclass
class Given:
    """What became of a notebook, for the steps that follow. All by grade id of the check cell.

    `scores` is what the gradebook must have afterwards, `unscored` are cells that only a person can grade.
    """

    result: Result
    views: dict[str, ExerciseView]
    scores: dict[str, float] = field(default_factory=dict)
    unscored: list[str] = field(default_factory=list)


class GradeInWorker(NbGraderPreprocessor):
    """Writes a submission's result into its check cells: one display with the feedback, one number.

    The result is looked up; where there is none, this submission is graded in a locked worker, now. nbgrader
    itself takes a cell without a number, or with one that is not finite, for full marks: so every cell that
    it asks for gets one, within [0, points].
    """

    def preprocess(self, nb: NotebookNode, resources: Any) -> tuple[NotebookNode, Any]:
        about = resources["nbgrader"]
        gradings = gradings_of(self, about["assignment"])
        found = submission_of(coursedir_of(self), about["student"], about["assignment"], about["notebook"])
        modules = {module.id: module for module in gradings.root.syllabus.modules}
        if found.module not in modules:
            raise UsageError(
                f"{found.shown} is of no module of the course, and no other notebooks are graded here: "
                "keep the assignment in a course directory of its own."
            )
        result = gradings.result(found)
        views = {CHECK + view.result.id: view for view in exercise_views(result, modules[found.module])}
        given = resources["autograder"] = Given(result, views)
        for cell in nb.cells:
            if cell.cell_type == "code":
                cell.outputs = inert(cell.outputs)
                cell.execution_count = None
                marks = cell.metadata.get("nbgrader", {})
                if marks.get("grade") and not marks.get("solution"):
                    cell.outputs = _graded(marks["grade_id"], float(marks["points"]), given)
        nb.metadata["autograder"] = {"key": result.key}
        return nb, resources


def _graded(grade_id: str, most: float, given: Given) -> list[NotebookNode]:
    """The outputs of a check cell; notes the score in `given`."""
    view = given.views.get(grade_id)
    score = 0.0
    if view is None:
        given.unscored.append(grade_id)
        shown = {"text/plain": NOT_OURS}
    else:
        answer = view.result
        # An instructor may have given an exercise other points than the syllabus does.
        share = answer.points / answer.max_points if answer.max_points else 0.0
        score = given.scores[grade_id] = min(max(round(most * share, 4), 0.0), most)
        lines = list(whole(given.result, view))
        if view.number == 1:
            lines.insert(0, Remark(receipt(given.result)))
        shown = {"text/plain": as_text(lines), "text/html": as_html(lines)}
    # nbgrader reads the plain text. People are shown the other: a bare 0.0 tells nobody anything.
    said = (
        f"{score:g} of {most:g} points from the automatic tests" if view else "Points are a person's to give"
    )
    value = NotebookNode(
        output_type="execute_result",
        data=NotebookNode({"text/plain": repr(score), "text/html": f'<div class="autograder">{said}</div>'}),
        metadata=NotebookNode(),
        execution_count=None,
    )
    return [display(shown), value]
