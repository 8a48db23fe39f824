"""`autograder nbgrader autograde`: a class graded in parallel, then entered into nbgrader's gradebook.

Both steps can be killed anywhere and go on from there. A submission counts as entered once its notebook in
`autograded/` names the result that it shows, which is written after everything in the gradebook.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Unpack

from nbgrader.api import Gradebook, MissingEntry
from nbgrader.apps.baseapp import NbGrader
from nbgrader.converters import Autograde
from nbgrader.converters.base import NbGraderException
from nbgrader.coursedir import CourseDirectory

from ..errors import Fault, UsageError
from ..results import Result
from ..run.run import Progress, Summary
from .gradings import Gradings, How, gradings_of, submission_of
from .steps.collect_owned import date_of
from .steps.config import AUTOGRADE, SANITIZE


@dataclass
class Collected:
    """What was handed in, and what became of it. `faults` are students without a new grade, and why."""

    assignment: str
    modules: list[str]
    report: Summary
    results: dict[str, list[Result]] = field(default_factory=dict)  # by student
    faults: list[tuple[str, str]] = field(default_factory=list)


def grade_collected(
    app: NbGrader,
    assignment: str,
    students: Collection[str],
    progress: Progress,
    **how: Unpack[How],
) -> Collected:
    """Grades the collected submissions of these students, by default of all.

    Raises UsageError, and Fault when nothing can be graded.
    """
    coursedir: CourseDirectory = app.coursedir
    _check_steps(app)
    gradings = gradings_of(app, assignment)
    modules = modules_of(coursedir, assignment, gradings)
    everybody = students_with(coursedir, assignment)
    if not everybody:
        raise UsageError(f"Nobody has handed in anything for {assignment!r}: collect submissions first.")
    if unknown := [name for name in students if name not in everybody]:
        raise UsageError(f"{unknown[0]!r} has handed in nothing for {assignment!r}: collect it first.")
    found = [
        submission_of(coursedir, name, assignment, module)
        for name in everybody
        if not students or name in students
        for module in modules
    ]
    report = gradings.grade(found, progress, **how)
    collected = Collected(assignment, modules, report)
    collected.faults = [(student, reason) for student, _, reason in report.faults]
    for one in found:
        if one.student in {student for student, _ in collected.faults}:
            continue
        try:
            collected.results.setdefault(one.student, []).append(gradings.result(one))
        except Fault as fault:
            collected.results.pop(one.student)
            collected.faults.append((one.student, str(fault)))
    return collected


def enter(app: NbGrader, collected: Collected, *, force: bool = False) -> Iterator[str]:
    """Enters what was graded into the gradebook; yields each student who has been.

    Of a student with a fault nbgrader keeps what it had. One whom nbgrader itself cannot enter joins them.
    """
    for student, results in collected.results.items():
        if not force and all(
            _is_entered(app.coursedir, collected.assignment, student, result) for result in results
        ):
            continue
        try:
            _Enter(student, collected.assignment, collected.modules, app).start()
        except NbGraderException:
            reason = "nbgrader could not enter the result; its message is above"
            collected.faults.append((student, reason))
        else:
            yield student


class _Enter(Autograde):
    """nbgrader's own converter, for one student and with all of the assignment's notebooks.

    nbgrader looks only at the notebooks that are there, so that a submission without one stays ungraded.
    """

    def __init__(self, student: str, assignment: str, modules: Iterable[str], app: NbGrader) -> None:
        super().__init__(coursedir=app.coursedir, parent=app)
        self._student, self._assignment, self._modules = student, assignment, list(modules)
        self.force = True

    def init_notebooks(self) -> None:
        folder = self._format_source(self._assignment, self._student)
        self.assignments = {folder: [f"{folder}/{module}.ipynb" for module in self._modules]}
        self.notebooks: list[str] = []


def _check_steps(app: NbGrader) -> None:
    """Refuses a configuration under which nbgrader would run students' code, or miss points."""
    converter = Autograde(coursedir=app.coursedir, parent=app)
    for steps, ours in (
        (converter.sanitize_preprocessors, SANITIZE),
        (converter.autograde_preprocessors, AUTOGRADE),
    ):
        named = [step if isinstance(step, str) else f"{step.__module__}.{step.__name__}" for step in steps]
        if missing := [step for step in ours if step not in named and step.startswith("autograder.")]:
            raise UsageError(
                f"nbgrader_config.py leaves out the step {missing[0]!r}: "
                "call `configure(c, ...)` in it, as `autograder nbgrader init` writes it."
            )
        if any(name.rpartition(".")[2] == "Execute" for name in named):
            raise UsageError("nbgrader_config.py has the step Execute, which would run students' code here.")


def modules_of(coursedir: CourseDirectory, assignment: str, gradings: Gradings) -> list[str]:
    """The notebooks of an assignment, all of which must be the course's."""
    with Gradebook(coursedir.db_url, coursedir.course_id) as gradebook:
        try:
            names = sorted(notebook.name for notebook in gradebook.find_assignment(assignment).notebooks)
        except MissingEntry:
            names = []
    if not names:
        raise UsageError(
            f"The gradebook has no assignment {assignment!r} with a notebook: "
            f"run `nbgrader generate_assignment {assignment}` first."
        )
    for name in names:
        gradings.root.module(name)
    return names


def students_with(coursedir: CourseDirectory, assignment: str) -> list[str]:
    """Who has handed in something."""
    pattern = re.compile(
        coursedir.format_path(
            coursedir.submitted_directory, "(?P<student>.*)", re.escape(assignment), escape=True
        )
    )
    structure = Path(coursedir.format_path(coursedir.submitted_directory, "*", assignment))
    folders = Path(coursedir.root).glob(str(structure.relative_to(coursedir.root)))
    return sorted(
        match["student"]
        for folder in folders
        if folder.is_dir() and (match := pattern.fullmatch(str(folder)))
    )


def _is_entered(coursedir: CourseDirectory, assignment: str, student: str, result: Result) -> bool:
    """Whether nbgrader has this very result, completely, and nothing was collected since."""
    folder = Path(coursedir.format_path(coursedir.autograded_directory, student, assignment))
    try:
        written = json.loads((folder / f"{result.module}.ipynb").read_bytes())
        if written["metadata"]["autograder"]["key"] != result.key:
            return False
    except (OSError, ValueError, LookupError, TypeError):
        return False
    collected = coursedir.format_path(coursedir.submitted_directory, student, assignment)
    with Gradebook(coursedir.db_url, coursedir.course_id) as gradebook:
        try:
            stored = gradebook.find_submission(assignment, student)
        except MissingEntry:
            return False
        same: bool = stored.timestamp == date_of(collected)
        return same
