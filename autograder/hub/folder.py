"""The hub's folder: who may log in with which password, and where everything lies."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ValidationError

from ..atomic import write_atomically
from ..errors import UsageError

FILE = "hub.json"
INSTRUCTORS = ("irene", "ivan")
STUDENTS = ("ada", "ben", "chloe")
# What JupyterHub's shared-password authenticator asks for at least.
STUDENT_PASSWORD_LENGTH, INSTRUCTOR_PASSWORD_LENGTH = 8, 32
NAME = re.compile(r"[a-z][a-z0-9_-]{0,31}")
COURSE_ID = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}")


class People(BaseModel, frozen=True):
    """Who may log in. All students have one password and all instructors another: JupyterHub's way to be
    tried without accounts."""

    course_id: str
    instructors: tuple[str, ...]
    students: tuple[str, ...]
    student_password: str
    instructor_password: str

    def problem(self) -> str:
        """What is wrong, as the end of a sentence that begins with the file; empty if nothing is."""
        if not COURSE_ID.fullmatch(self.course_id):
            return f"has the course id {self.course_id!r}: take letters, digits, - and _"
        for name in (*self.instructors, *self.students):
            if not NAME.fullmatch(name):
                return f"has the name {name!r}: take small letters, digits, - and _, a letter first"
        if both := sorted(set(self.instructors) & set(self.students)):
            return f"has {both[0]!r} as an instructor and as a student: give them two names"
        if not self.instructors:
            return "has no instructor: name at least one"
        if len(self.student_password) < STUDENT_PASSWORD_LENGTH:
            return f"has a student_password with fewer than {STUDENT_PASSWORD_LENGTH} characters: take more"
        if len(self.instructor_password) < INSTRUCTOR_PASSWORD_LENGTH:
            return (
                f"has an instructor_password with fewer than {INSTRUCTOR_PASSWORD_LENGTH} characters, "
                "which JupyterHub asks for: take more"
            )
        if self.student_password == self.instructor_password:
            return "has one password for students and instructors: take two"
        return ""


@dataclass(frozen=True)
class Hub:
    """A hub's folder. The properties say where something belongs, not that it is there."""

    path: Path
    people: People

    @property
    def course(self) -> Path:
        """nbgrader's course directory."""
        return self.path / "course"

    @property
    def exchange(self) -> Path:
        return self.path / "exchange"

    @property
    def homes(self) -> Path:
        return self.path / "homes"

    @property
    def jupyter(self) -> Path:
        """Jupyter's configuration, a folder for each role."""
        return self.path / "jupyter"

    @property
    def state(self) -> Path:
        """What JupyterHub keeps: its database, its secret, its log."""
        return self.path / "state"

    @property
    def log(self) -> Path:
        return self.state / "hub.log"

    def released(self, module: str) -> Path:
        """Where students fetch a module from."""
        return self.exchange / self.people.course_id / "outbound" / module


def opened(
    folder: Path,
    *,
    instructors: Sequence[str] = (),
    students: Sequence[str] = (),
    course_id: str | None = None,
) -> Hub:
    """The hub in this folder, made if there is none; people who are named are added to those who are there.

    Raises UsageError for a folder that is another's, and for names and passwords that JupyterHub refuses.
    """
    folder = folder.resolve()
    file = folder / FILE
    if file.exists():
        people = _read(file)
        if course_id not in (None, people.course_id):
            raise UsageError(
                f"The hub in {folder} is for the course {people.course_id!r}, not {course_id!r}: "
                "name another folder with --dir, or leave --course-id out."
            )
        added = {
            "instructors": _with(people.instructors, instructors),
            "students": _with(people.students, students),
        }
        people = people.model_copy(update=added)
    else:
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise UsageError(f"{folder} is no hub's folder (it has no {FILE}): name a new one with --dir.")
        people = People(
            course_id=course_id or "diffusion",
            instructors=_with((), instructors or INSTRUCTORS),
            students=_with((), students or STUDENTS),
            student_password=secrets.token_hex(6),
            instructor_password=secrets.token_hex(INSTRUCTOR_PASSWORD_LENGTH // 2),
        )
    if problem := people.problem():
        raise UsageError(f"{file} {problem}." if file.exists() else f"The hub {problem}.")
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    write_atomically(file, people.model_dump_json(indent=2) + "\n", mode=0o600)
    return Hub(folder, people)


def there(folder: Path) -> Hub:
    """The hub that is in this folder; changes nothing. Raises UsageError."""
    return Hub(folder, _read(folder / FILE))


def _read(file: Path) -> People:
    try:
        return People.model_validate_json(file.read_bytes())
    except OSError as error:
        raise UsageError(f"{file} cannot be read ({error.strerror}): make it readable.") from None
    except ValidationError as error:
        first = error.errors()[0]
        said = ": ".join([*map(str, first["loc"]), first["msg"]])
        raise UsageError(
            f"{file} is not as `autograder hub up` wrote it ({said}): mend it, or name another folder "
            "with --dir."
        ) from None


def _with(there: Iterable[str], named: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys([*there, *named]))
