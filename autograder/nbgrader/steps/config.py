"""nbgrader's configuration: which of its steps are replaced by ours.

The generated nbgrader_config.py calls `configure`, so that a course directory gets a newer autograder's steps
with the autograder. Classes are named, not imported: nbgrader imports them when it needs them.
"""

from __future__ import annotations

import os
from typing import Any

OURS = "autograder.nbgrader"
THEIRS = "nbgrader.preprocessors"
GRADEBOOK_VARIABLE = "AUTOGRADER_GRADEBOOK_URL"

# The lists are nbgrader 0.9's own, with these changes.
GENERATE = [
    f"{THEIRS}.IncludeHeaderFooter",
    f"{THEIRS}.InstantiateTests",
    f"{THEIRS}.LockCells",
    f"{OURS}.stubs.RestoreStubs",  # for ClearSolutions, which knows one stub for all cells
    f"{THEIRS}.ClearOutput",
    f"{THEIRS}.CheckCellMetadata",
    f"{THEIRS}.ComputeChecksums",
    f"{THEIRS}.SaveCells",
    f"{OURS}.rules.WriteRules",  # hints on or off
    f"{THEIRS}.ClearHiddenTests",
    f"{THEIRS}.ClearMarkScheme",
    f"{THEIRS}.ComputeChecksums",
    f"{THEIRS}.CheckCellMetadata",
]
SANITIZE = [
    f"{OURS}.restore.RestoreCells",  # for DeduplicateIds, which leaves cells that nbgrader then refuses
    f"{THEIRS}.OverwriteKernelspec",
    f"{THEIRS}.OverwriteCells",
    f"{THEIRS}.CheckCellMetadata",
]
AUTOGRADE = [
    f"{OURS}.grade.GradeInWorker",  # for Execute
    f"{THEIRS}.IgnorePattern",
    f"{THEIRS}.LimitOutput",
    f"{THEIRS}.SaveAutoGrades",
    f"{OURS}.comments.SaveComments",
    f"{THEIRS}.AssignLatePenalties",
    f"{THEIRS}.CheckCellMetadata",
]


def configure(c: Any, *, course_root: str) -> None:
    """Sets nbgrader up; `course_root` is the clone of the course, relative to the course directory."""
    c.AutograderCourse.course_root = course_root
    c.GenerateAssignment.preprocessors = GENERATE
    # Reads any file: what is no notebook is graded (0, for a person to look at), and the others go on.
    c.Autograde.exporter_class = f"{OURS}.exporter.SubmissionExporter"
    c.Autograde.sanitize_preprocessors = SANITIZE
    c.Autograde.autograde_preprocessors = AUTOGRADE
    c.OverwriteCells.add_missing_cells = True
    c.GenerateFeedback.exporter_class = f"{OURS}.exporter.FeedbackExporter"
    # Nothing that a student wrote may run in the browser of whoever grades. nbgrader's templates show
    # Markdown cells without sanitising them, whatever `sanitize_html` says: so the filter is replaced.
    c.HTMLExporter.sanitize_html = True
    c.HTMLExporter.filters = {"markdown2html": f"{OURS}.inert.markdown2html"}
    # For `nbgrader validate` on a source notebook, some of whose demos train; grading runs no kernel.
    c.Execute.timeout = 600
    # Whoever submits under another's name is left in the exchange.
    c.ExchangeFactory.collect = f"{OURS}.collect.CollectOwned"
    # Feedback that is released stays, whatever `autograder nbgrader watch` puts there at that moment.
    c.ExchangeFactory.release_feedback = f"{OURS}.release.ReleaseFeedback"
    # A gradebook on a server is named by the environment, as secrets are (docs/deployment.md).
    if url := os.environ.get(GRADEBOOK_VARIABLE):
        c.CourseDirectory.db_url = url


NBGRADER_CONFIG = """\
# nbgrader's configuration for this course directory, written by `autograder nbgrader init`.
# It is yours to edit; `autograder nbgrader update` leaves it alone.
import os

from autograder.nbgrader.config import configure

c = get_config()  # noqa: F821 - nbgrader puts it here

c.CourseDirectory.course_id = {course_id!r}
c.CourseDirectory.root = os.path.dirname(os.path.abspath(__file__))

# The clone of the course with the hidden suites, seen from this folder (or absolute). The environment
# variable AUTOGRADER_COURSE_ROOT overrides it.
configure(c, course_root={course_root!r})

# How students' code is kept in, and what it runs on: `autograder doctor` says what this machine has.
# c.AutograderCourse.sandbox = "full"
# c.AutograderCourse.device = "cpu"

# Whether hint(...) gives students hints. After a change: `nbgrader generate_assignment NAME --force`, then
# `nbgrader release_assignment NAME --force`.
{hints}

# What `autograder nbgrader watch` shows students of a submission, at once: what the public checks say;
# that and their points ("points"); or all of the feedback ("full").
# c.AutograderCourse.show = "public"

# Where students fetch and submit: a folder that all of them may write to (chmod 777).
# c.Exchange.root = "/usr/local/share/nbgrader/exchange"

# A submission after the due date gets no points; for a rule of your own, see nbgrader's documentation.
# c.LateSubmissionPlugin.penalty_method = "zero"
"""
