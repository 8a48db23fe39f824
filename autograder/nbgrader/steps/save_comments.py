"""nbgrader's step after the points: comments, and what is for a person to look at."""

from __future__ import annotations

from typing import Any

from nbformat import NotebookNode
from nbgrader.api import Gradebook, MissingEntry
from nbgrader.preprocessors import NbGraderPreprocessor

from ...errors import Fault
from ...results import Status
from .grade_in_worker import Given
from .restore_cells import CHECK
from .wording import comment


class SaveComments(NbGraderPreprocessor):
    """Must follow SaveAutoGrades, which clears comments and is believed in nothing: the points are compared.

    A notebook that could not be read or run needs manual grading, and so does a check cell that is no
    exercise of ours; one with flags is flagged. What a person has graded or flagged stays so.
    """

    def preprocess(self, nb: NotebookNode, resources: Any) -> tuple[NotebookNode, Any]:
        about = resources["nbgrader"]
        place = about["notebook"], about["assignment"], about["student"]
        given: Given = resources["autograder"]
        with Gradebook(about["db_url"]) as gradebook:
            for grade_id, view in given.views.items():
                try:
                    stored = gradebook.find_comment(grade_id.removeprefix(CHECK), *place)
                except MissingEntry:  # the assignment was generated before the course had this exercise
                    self.log.warning("The gradebook has no cell %r: generate the assignment again", grade_id)
                    continue
                stored.auto_comment = comment(given.result, view)
            for grade_id, score in given.scores.items():
                grade = gradebook.find_grade(grade_id, *place)
                if grade.auto_score is None or abs(grade.auto_score - score) > 1e-6:
                    raise Fault(
                        f"the gradebook has {grade.auto_score} points for {grade_id!r} instead of {score}: "
                        "the steps in nbgrader_config.py are not those of `configure`"
                    )
                if given.result.status is not Status.GRADED:
                    grade.needs_manual_grade = True
            for grade_id in given.unscored:
                grade = gradebook.find_grade(grade_id, *place)
                grade.auto_score = None
                grade.needs_manual_grade = grade.manual_score is None
            if given.result.flags:
                gradebook.find_submission_notebook(*place).flagged = True
            gradebook.db.commit()
        return nb, resources
