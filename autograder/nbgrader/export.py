"""nbgrader's gradebook as the tables that Canvas and Moodle import.

An assignment that a student has not handed in, or that has not been graded, is an empty field, which both
leave alone: only a grade is a number.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from nbgrader.api import Gradebook, MissingEntry, Student, SubmittedAssignment

from ..reports.text import number


@dataclass(frozen=True)
class Table:
    """The file's text, and whose submissions are in the gradebook without a grade (student, assignment)."""

    text: str
    ungraded: list[tuple[str, str]]


def canvas(gradebook: Gradebook, assignments: Sequence[str], ids: Mapping[str, str] | None = None) -> Table:
    """Canvas's gradebook format: a row `Points Possible`, then one a student, known by the login.

    A column is called `NAME (ID)` where `ids` has the assignment's number in Canvas; otherwise `NAME`, which
    Canvas looks up among its assignments' titles, and offers to make where there is none.
    """
    ids = ids or {}
    titles = [f"{name} ({ids[name]})" if name in ids else name for name in assignments]
    most = [number(gradebook.find_assignment(name).max_score) for name in assignments]
    rows = [
        ["Student", "ID", "SIS Login ID", "Section", *titles],
        ["    Points Possible", "", "", "", *most],
    ]
    ungraded: list[tuple[str, str]] = []
    for student in _students(gradebook):
        name = ", ".join(part for part in (student.last_name, student.first_name) if part) or student.id
        rows.append([_word(name), "", student.id, "", *_scores(gradebook, student, assignments, ungraded)])
    return Table(_csv(rows), ungraded)


def moodle(gradebook: Gradebook, assignments: Sequence[str]) -> Table:
    """Moodle's CSV import; its page asks which column tells the user, and which grade item each other is."""
    rows = [["Username", "First name", "Last name", "Email address", *assignments]]
    ungraded: list[tuple[str, str]] = []
    for student in _students(gradebook):
        about = [student.id, _word(student.first_name), _word(student.last_name), student.email or ""]
        rows.append([*about, *_scores(gradebook, student, assignments, ungraded)])
    return Table(_csv(rows), ungraded)


def _students(gradebook: Gradebook) -> list[Student]:
    return sorted(gradebook.students, key=lambda student: student.id)


def _scores(
    gradebook: Gradebook, student: Student, assignments: Sequence[str], ungraded: list[tuple[str, str]]
) -> list[str]:
    scores = []
    for name in assignments:
        try:
            submission = gradebook.find_submission(name, student.id)
        except MissingEntry:
            scores.append("")
            continue
        if not _is_graded(submission):
            ungraded.append((student.id, name))
            scores.append("")
            continue
        penalty = submission.late_submission_penalty or 0.0
        scores.append(number(max(0.0, submission.score - penalty)))
    return scores


def _is_graded(submission: SubmittedAssignment) -> bool:
    """Whether each of its cells has points from the autograder or a person."""
    grades = [grade for notebook in submission.notebooks for grade in notebook.grades]
    return all(grade.auto_score is not None or grade.manual_score is not None for grade in grades)


def _csv(rows: Sequence[Sequence[str]]) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="\r\n").writerows(rows)
    return out.getvalue()


def _word(text: str | None) -> str:
    """A name, which a spreadsheet that the file passes through must not take for a formula."""
    text = " ".join((text or "").split())
    return f"'{text}" if text.startswith(("=", "+", "-", "@")) else text
