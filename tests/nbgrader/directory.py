"""A course directory as tests use it: handing in, grading, and reading the gradebook back."""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode
from nbgrader.api import Gradebook
from nbgrader.apps.api import NbGraderAPI
from nbgrader.converters import Autograde, GenerateFeedback

from autograder.content.course_root import CourseRoot
from autograder.handout.leaks import Secret, secrets
from autograder.nbgrader.apps import nbgrader_in
from autograder.nbgrader.autograde import Collected, enter, grade_collected
from autograder.run.run import Progress

SEED = 20
ASSIGNMENT = "attention"
COURSE_ID = "diffusion"


@dataclass(frozen=True)
class Entry:
    """A submission in the gradebook. `grades` are by exercise: automatic, by hand, needs a person."""

    score: float
    needs_manual_grade: bool
    flagged: bool
    late_penalty: float | None
    grades: dict[str, tuple[float | None, float | None, bool]] = field(default_factory=dict)
    comments: dict[str, str | None] = field(default_factory=dict)


@dataclass(frozen=True)
class Directory:
    """A course directory with one assignment."""

    path: Path
    assignment: str = ASSIGNMENT

    def submitted(self, student: str) -> Path:
        return self.path / "submitted" / student / self.assignment

    def hand_in(self, student: str, content: bytes, name: str = "", timestamp: str = "") -> Path:
        path = self.submitted(student) / (name or f"{self.assignment}.ipynb")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        if timestamp:
            (path.parent / "timestamp.txt").write_text(timestamp)
        return path

    def grade(self, *students: str) -> Collected:
        """The first step alone."""
        with nbgrader_in(self.path) as app:
            return grade_collected(app, self.assignment, students, Progress(), jobs=2, seed=SEED)

    def autograde(self, *students: str, **options: Any) -> Collected:
        """What `autograder nbgrader autograde` does, in this process."""
        with nbgrader_in(self.path) as app:
            done = grade_collected(
                app, self.assignment, students, Progress(), **{"jobs": 2, "seed": SEED, **options}
            )
            list(enter(app, done))
        return done

    def stock_autograde(self, student: str = "*", log_level: int = logging.CRITICAL) -> None:
        """What `nbgrader autograde --force` does, in this process."""
        with nbgrader_in(self.path, log_level) as app:
            app.coursedir.assignment_id, app.coursedir.student_id = self.assignment, student
            converter = Autograde(coursedir=app.coursedir, parent=app)
            converter.force = True
            converter.start()

    def press_autograde(self, student: str) -> dict[str, Any]:
        """What formgrader's button does; its answer."""
        with nbgrader_in(self.path, logging.CRITICAL) as app:
            answer: dict[str, Any] = NbGraderAPI(app.coursedir, parent=app).autograde(
                self.assignment, student
            )
            return answer

    def generate_feedback(self, *students: str) -> None:
        for student in students:
            with nbgrader_in(self.path, logging.CRITICAL) as app:
                app.coursedir.assignment_id, app.coursedir.student_id = self.assignment, student
                converter = GenerateFeedback(coursedir=app.coursedir, parent=app)
                converter.force = True
                converter.start()

    def autograded(self, student: str) -> NotebookNode:
        path = self.path / "autograded" / student / self.assignment / f"{self.assignment}.ipynb"
        notebook = nbformat.read(path, as_version=4)
        nbformat.validate(notebook)
        return notebook

    def feedback(self, student: str) -> str:
        path = self.path / "feedback" / student / self.assignment / f"{self.assignment}.html"
        return path.read_text(encoding="utf-8")

    def gradebook(self) -> Gradebook:
        """nbgrader's own object, to be used as a context."""
        return Gradebook(f"sqlite:///{self.path / 'gradebook.db'}", COURSE_ID)

    def entries(self) -> dict[str, Entry]:
        """The gradebook, by student."""
        found = {}
        with self.gradebook() as gradebook:
            for submission in gradebook.assignment_submissions(self.assignment):
                (notebook,) = submission.notebooks
                found[submission.student.id] = Entry(
                    round(submission.score, 4),
                    submission.needs_manual_grade,
                    notebook.flagged,
                    notebook.late_submission_penalty,
                    {
                        grade.name.removeprefix("check_"): (
                            grade.auto_score,
                            grade.manual_score,
                            grade.needs_manual_grade,
                        )
                        for grade in sorted(notebook.grades, key=lambda grade: grade.name)
                    },
                    {one.name: one.auto_comment for one in sorted(notebook.comments, key=lambda c: c.name)},
                )
        return found


def secrets_of(root: CourseRoot, module: str = ASSIGNMENT) -> list[Secret]:
    """What no student may get of a module."""
    return [secret for secret in secrets(root) if re.search(rf"/{module}[./]", secret.where)]


def cell_of(notebook: NotebookNode, grade_id: str) -> NotebookNode:
    """The one cell with this id."""
    (found,) = (
        cell for cell in notebook.cells if cell.metadata.get("nbgrader", {}).get("grade_id") == grade_id
    )
    return found
