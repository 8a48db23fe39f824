"""The results of an assignment: looked up, or made by the ordinary run.

They lie in COURSE/.autograder/ASSIGNMENT/, with the class report and all that `autograder grade` writes. A
result counts for the submission in hand when it was made from these very bytes under the same conditions, so
nothing is graded twice; it is the latest submission that counts for nbgrader, not the best one.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypedDict, Unpack

from nbgrader.coursedir import CourseDirectory
from traitlets.config import Configurable

from ..adapters import FRONT_ENDS
from ..content.course_root import CourseRoot
from ..errors import Fault
from ..examined import Examined
from ..processes.devices import choose_device
from ..results import Result
from ..run.plan import Conditions, plan
from ..run.run import Options, Progress, Summary, grade_found, write_views
from ..run.store import Store
from ..sandbox.levels import strongest
from ..submission.file import ignored
from ..submission.find import Found
from ..submission.people import printable
from .settings import FOLDER, AutograderCourse, coursedir_of

_NBGRADERS = ("timestamp.txt", "submission_secret.txt")  # what it adds to what is handed in


def submission(student: str, module: str, folder: Path, shown: Path) -> Found:
    """The notebook that a student handed in. `folder` holds it; `shown` is how messages name that folder."""
    path = folder / f"{module}.ipynb"
    problem = ""
    if not os.path.lexists(path):
        names = {other.name for other in folder.glob("*")} - {*_NBGRADERS}
        others = [printable(name) for name in sorted(names) if not ignored(name)]
        has = f"it has {', '.join(others[:3])}" if others else "it is empty"
        problem = f"There is no {path.name} in the submission: {has}."
    elif os.path.realpath(path) != str(Path(os.path.realpath(folder), path.name)):
        problem = "It is a symbolic link, which is not followed: hand in the notebook itself."
    return Found(student, module, path, str(shown / path.name), problem)


class How(TypedDict, total=False):
    """What of `Options` is another from command to command."""

    jobs: int
    force: bool
    seed: int | None
    examine: bool
    views: bool


@dataclass(frozen=True)
class Gradings:
    """An assignment's results, and how missing ones are made."""

    root: CourseRoot
    folder: Path
    device: str = "auto"
    sandbox: str = "auto"

    def look_up(self, found: Found) -> Result | None:
        """The result of this very submission, if it was graded before."""
        store = Store(self.folder)
        conditions = Conditions(0, choose_device(self.device), strongest(self.sandbox).value)
        for job in plan(self.root, [found], store, conditions).kept:
            for beside in ("", "lower"):
                result = store.read(job.student, job.module, beside)
                if result is not None and result.key == job.key:
                    return result
        return None

    def grade(self, found: Sequence[Found], progress: Progress, **how: Unpack[How]) -> Summary:
        """Grades those that were not graded before; raises Fault when nothing can be graded."""
        options = Options(self.folder, device=self.device, sandbox=self.sandbox, front_ends=FRONT_ENDS)
        return grade_found(self.root, found, replace(options, **how), progress)

    def examined(self, result: Result) -> Examined | None:
        """What the public checks say of the notebook that this result is of, if they were run."""
        return Store(self.folder).examined(result.student, result.module, result.key)

    def write_views(self, faults: Sequence[tuple[str, str, str]]) -> None:
        """Writes the tables and pages of all results; raises Fault."""
        store = Store(self.folder)
        report = Summary(list(store.results()), list(faults), graded=0, kept=0, lower=[], pages={})
        write_views(store, self.root.syllabus, report)

    def result(self, found: Found) -> Result:
        """The result of this submission, made if there is none; raises Fault if it cannot be made."""
        result = self.look_up(found)
        if result is None:
            report = self.grade([found], Progress())
            for _, _, reason in report.faults:
                raise Fault(f"{found.shown} could not be graded, for no fault of the student's: {reason}")
            result = self.look_up(found)
        if result is None:
            raise Fault(f"{found.shown} changed while it was being graded; run the same command again")
        return result


def gradings_of(configurable: Configurable, assignment: str) -> Gradings:
    """Where an assignment's results are, for whatever of nbgrader's works for its course directory."""
    course = AutograderCourse(parent=configurable)
    folder = Path(coursedir_of(course).root, FOLDER, assignment)
    return Gradings(course.root, folder, course.device, course.sandbox)


def submission_of(coursedir: CourseDirectory, student: str, assignment: str, notebook: str) -> Found:
    """A notebook as it was collected."""
    folder = Path(coursedir.format_path(coursedir.submitted_directory, student, assignment))
    root = Path(coursedir.root)
    return submission(
        student, notebook, folder, folder.relative_to(root) if folder.is_relative_to(root) else folder
    )
