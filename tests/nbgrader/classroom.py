"""A course directory, an exchange and students' folders: what grading at submission goes through."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from nbgrader.apps.baseapp import NbGrader
from nbgrader.auth import Authenticator
from nbgrader.exchange import ExchangeFactory
from nbgrader.server_extensions.assignment_list.handlers import AssignmentList

from autograder.nbgrader.apps import CONFIG, nbgrader_in
from autograder.nbgrader.watch import Watched, watch_once
from tests.nbgrader.directory import ASSIGNMENT, COURSE_ID, SEED, Directory

ADA, OSCAR = "ada", "oscar"  # who has handed in when a test begins

# Seen from the file itself, so that the whole of it can be copied.
EXCHANGE = """
import os
here = os.path.dirname(os.path.abspath(__file__))
c.Exchange.root = os.path.join(here, {exchange!r})
"""
ROOT = Path(__file__).resolve().parents[2]
STUDENTS = "c = get_config()" + EXCHANGE + "c.CourseDirectory.course_id = {course!r}\n"


@dataclass(frozen=True)
class Classroom:
    """Everything lies below `base`."""

    base: Path

    @classmethod
    def make(cls, base: Path, fresh: Path) -> Classroom:
        """With the assignment released, and nobody there yet."""
        room = cls(base)
        shutil.copytree(fresh, room.course.path)
        room.exchange.mkdir()
        room.exchange.chmod(0o777)
        config = room.course.path / CONFIG
        own = f"c.AutograderCourse.course_root = {str(ROOT)!r}\n"  # wherever the room is copied to
        config.write_text(config.read_text() + EXCHANGE.format(exchange="../exchange") + own)
        settings = room.results / "run.json"
        settings.parent.mkdir(parents=True)
        settings.write_text(f'{{"seed": {SEED}}}')
        with nbgrader_in(room.course.path) as app:
            _start(app, "ReleaseAssignment")
        return room

    def copy(self, base: Path) -> Classroom:
        return Classroom(shutil.copytree(self.base, base))

    @property
    def course(self) -> Directory:
        return Directory(self.base / "course")

    @property
    def exchange(self) -> Path:
        return self.base / "exchange"

    @property
    def inbound(self) -> Path:
        return self.exchange / COURSE_ID / "inbound"

    @property
    def results(self) -> Path:
        return self.course.path / ".autograder" / ASSIGNMENT

    def submit(self, student: str, content: bytes) -> None:
        with self._as(student) as app:
            folder = self.base / "students" / student / ASSIGNMENT
            if not folder.exists():
                _start(app, "FetchAssignment")
            (folder / f"{ASSIGNMENT}.ipynb").write_bytes(content)
            _start(app, "Submit")

    def fetch(self, student: str) -> list[str]:
        """The pages that a student gets, by when the work was handed in."""
        with self._as(student) as app:
            _start(app, "FetchFeedback")
        folder = self.base / "students" / student / ASSIGNMENT / "feedback"
        return [path.read_text(encoding="utf-8") for path in sorted(folder.glob("*/*.html"))]

    def offered(self, student: str) -> list[bool]:
        """For each submission, whether JupyterLab's assignment list offers feedback."""
        with self._as(student):
            listing = AssignmentList()
            listing.root_dir = str(self.base / "students" / student)
            said = listing.list_submitted_assignments(COURSE_ID)
        assert said["success"], said
        return [one["has_exchange_feedback"] for each in said["value"] for one in each["submissions"]]

    def round(self, show: str = "") -> list[str]:
        """One round of `autograder nbgrader watch`; what it said, without the time."""
        return self.round_and_whether_clean(show)[0]

    def round_and_whether_clean(self, show: str = "") -> tuple[list[str], bool]:
        said: list[str] = []
        clean = watch_once(Watched(self.course.path, [ASSIGNMENT], 2, show), said.append)
        return [line.split("  ", 1)[1] for line in said], clean

    def release_feedback(self, student: str) -> None:
        """What an instructor does with `nbgrader generate_feedback` and `nbgrader release_feedback`."""
        self.course.generate_feedback(student)
        with nbgrader_in(self.course.path) as app:
            app.coursedir.student_id = student
            _start(app, "ReleaseFeedback")

    def published(self) -> dict[str, bytes]:
        """The files in the exchange's feedback, without those that nbgrader is about to rename."""
        folder = self.exchange / COURSE_ID / "feedback"
        return {path.name: path.read_bytes() for path in folder.glob("*") if "-tmp." not in path.name}

    @contextmanager
    def _as(self, student: str) -> Iterator[NbGrader]:
        folder = self.base / "students" / student
        if not folder.exists():
            folder.mkdir(parents=True)
            own = f"c.CourseDirectory.student_id = {student!r}\nc.Exchange.cache = here + '/cache'\n"
            text = STUDENTS.format(exchange="../../exchange", course=COURSE_ID) + own
            (folder / CONFIG).write_text(text)
        with nbgrader_in(folder, logging.CRITICAL) as app:
            yield app


def _start(app: NbGrader, what: str) -> None:
    app.coursedir.assignment_id = ASSIGNMENT
    step = getattr(ExchangeFactory(parent=app), what)
    step(coursedir=app.coursedir, authenticator=Authenticator(parent=app), parent=app).start()
