"""Where a course's files lie: solutions, suites and keys are in no distribution, but in a checkout."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from course.catalogue.syllabus import Module, Syllabus, SyllabusError, load

from ..errors import ContentError, UsageError

SYLLABUS = Path("course", "syllabus.yaml")
ROOT_VARIABLE = "AUTOGRADER_COURSE_ROOT"  # names the folder, where a command runs elsewhere


@dataclass(frozen=True)
class CourseRoot:
    """A checkout of the course: the folder that holds `course/`, `solutions/` and `autograder/hidden/`.

    The properties and methods say where a file belongs, not that it is there.
    """

    path: Path

    @classmethod
    def find(cls, start: Path | None = None) -> CourseRoot:
        """The course that `start` (by default the current folder) lies in; raises UsageError."""
        origin = (start or Path.cwd()).resolve()
        for folder in (origin, *origin.parents):
            if (folder / SYLLABUS).is_file() and (folder / "solutions").is_dir():
                return cls(folder)
        raise UsageError(
            f"No course was found in {origin} or above it (a folder with {SYLLABUS.as_posix()} and "
            "solutions/): go into the course's folder, or name it with --course-root."
        )

    @property
    def syllabus(self) -> Syllabus:
        """The validated syllabus; raises ContentError with file and line."""
        try:
            return load(self.path / SYLLABUS)
        except SyllabusError as error:
            raise ContentError(str(error)) from None

    def module(self, id: str) -> Module:
        """The syllabus's module with this id; raises UsageError."""
        try:
            return self.syllabus.module(id)
        except KeyError:
            known = ", ".join(module.id for module in self.syllabus.modules)
            raise UsageError(f"The syllabus has no module {id!r}: choose one of {known}.") from None

    @property
    def exercises(self) -> Path:
        return self.path / "exercises"

    @property
    def hidden(self) -> Path:
        return self.path / "autograder" / "hidden"

    def public(self, module: str) -> Path:
        """The folder of a module that students get."""
        return self.path / "course" / "modules" / module

    def secret(self, module: str) -> Path:
        """The folder of a module that nobody but its graders gets."""
        return self.hidden / module

    def exercise_notebook(self, module: str) -> Path:
        return self.exercises / f"{module}.ipynb"

    def entry(self, module: str) -> Path:
        """Its exercises and what they are worth."""
        return self.public(module) / "module.yaml"

    def hints(self, module: str) -> Path:
        return self.public(module) / "hints.yaml"

    def lesson(self, module: str) -> Path:
        return self.public(module) / "lesson.md"

    def quiz(self, module: str) -> Path:
        """The questions; their keys are in `keys`."""
        return self.public(module) / "quiz.yaml"

    def self_check(self, module: str) -> Path:
        """Questions that count for nothing, with their answers."""
        return self.public(module) / "self_check.yaml"

    def solution(self, module: str) -> Path:
        return self.path / "solutions" / f"{module}.py"

    def bonus_solution(self, module: str) -> Path:
        """The answers to its bonus tasks, apart from what grades with."""
        return self.path / "solutions" / "bonus" / f"{module}.py"

    def suite(self, module: str) -> Path:
        return self.secret(module) / "suite.py"

    def mistakes(self, module: str) -> Path:
        return self.secret(module) / "mistakes.py"

    def variants(self, module: str) -> Path:
        return self.secret(module) / "variants.py"

    def keys(self, module: str) -> Path:
        return self.secret(module) / "keys.yaml"

    def equivalents(self, module: str) -> Path:
        """Mutants of the solution that no test can tell from it: see `content/equivalents.py`."""
        return self.secret(module) / "equivalents.yaml"

    def read(self, file: Path) -> str:
        """The text of a file that the course must have; raises ContentError."""
        try:
            return file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else f"byte {error.start} is not UTF-8"
            raise ContentError(
                f"{self.relative(file)} cannot be read ({reason}): write or mend it."
            ) from None

    def relative(self, file: Path) -> str:
        """How messages name a file of the course: from the root, with forward slashes."""
        return file.relative_to(self.path).as_posix() if file.is_relative_to(self.path) else str(file)
