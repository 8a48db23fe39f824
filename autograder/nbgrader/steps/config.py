"""nbgrader's configuration: which of its steps are replaced by ours.

The generated nbgrader_config.py calls `configure`, so that a course directory gets a newer autograder's steps
with the autograder. Classes are named, not imported: nbgrader imports them when it needs them.
"""

from __future__ import annotations

import os
from typing import Any

OURS = "autograder.nbgrader.steps"
THEIRS = "nbgrader.preprocessors"
GRADEBOOK_VARIABLE = "AUTOGRADER_GRADEBOOK_URL"

# The lists are nbgrader 0.9's own, with these changes.
GENERATE = [
    f"{THEIRS}.IncludeHeaderFooter",
    f"{THEIRS}.InstantiateTests",
    f"{THEIRS}.LockCells",
    f"{OURS}.restore_stubs.RestoreStubs",  # for ClearSolutions, which knows one stub for all cells
    f"{THEIRS}.ClearOutput",
    f"{THEIRS}.CheckCellMetadata",
    f"{THEIRS}.ComputeChecksums",
    f"{THEIRS}.SaveCells",
    f"{OURS}.write_rules.WriteRules",  # hints on or off
    f"{THEIRS}.ClearHiddenTests",
    f"{THEIRS}.ClearMarkScheme",
    f"{THEIRS}.ComputeChecksums",
    f"{THEIRS}.CheckCellMetadata",
]
SANITIZE = [
    f"{OURS}.restore_cells.RestoreCells",  # for DeduplicateIds, which leaves cells that nbgrader then refuses
    f"{THEIRS}.OverwriteKernelspec",
    f"{THEIRS}.OverwriteCells",
    f"{THEIRS}.CheckCellMetadata",
]
AUTOGRADE = [
    f"{OURS}.grade_in_worker.GradeInWorker",  # for Execute
    f"{THEIRS}.IgnorePattern",
    f"{THEIRS}.LimitOutput",
    f"{THEIRS}.SaveAutoGrades",
    f"{OURS}.save_comments.SaveComments",
    f"{THEIRS}.AssignLatePenalties",
    f"{THEIRS}.CheckCellMetadata",
]


def configure(c: Any, *, course_root: str) -> None:
    """Sets nbgrader up; `course_root` is the clone of the course, relative to the course directory."""
    c.AutograderCourse.course_root = course_root
    c.GenerateAssignment.preprocessors = GENERATE
    # Reads any file: what is no notebook is graded (0, for a person to look at), and the others go on.
    c.Autograde.exporter_class = f"{OURS}.read_submission.SubmissionExporter"
    c.Autograde.sanitize_preprocessors = SANITIZE
    c.Autograde.autograde_preprocessors = AUTOGRADE
    c.OverwriteCells.add_missing_cells = True
    c.GenerateFeedback.exporter_class = f"{OURS}.write_feedback.FeedbackExporter"
    # Nothing that a student wrote may run in the browser of whoever grades. nbgrader's templates show
    # Markdown cells without sanitising them, whatever `sanitize_html` says: so the filter is replaced.
    c.HTMLExporter.sanitize_html = True
    c.HTMLExporter.filters = {"markdown2html": f"{OURS}.inert_markdown.markdown2html"}
    # For `nbgrader validate` on a source notebook, some of whose demos train; grading runs no kernel.
    c.Execute.timeout = 600
    # Whoever submits under another's name is left in the exchange.
    c.ExchangeFactory.collect = f"{OURS}.collect_owned.CollectOwned"
    # Feedback that is released stays, whatever `autograder nbgrader watch` puts there at that moment.
    c.ExchangeFactory.release_feedback = f"{OURS}.release_feedback.ReleaseFeedback"
    # A gradebook on a server is named by the environment, as secrets are (docs/deployment.md).
    if url := os.environ.get(GRADEBOOK_VARIABLE):
        c.CourseDirectory.db_url = url
