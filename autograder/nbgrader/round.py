"""One round of grading at submission: collect what is new, grade it, enter it, show the student."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

from nbgrader.apps.baseapp import NbGrader

from ..atomic import write_atomically
from ..errors import AutograderError, Fault
from ..results import Result
from ..run.folders import folder_name
from ..run.run import Progress
from ..run.store import Store
from .autograde import Collected, enter, grade_collected, modules_of, students_with
from .collect import collect_new
from .gradings import Gradings, gradings_of
from .publish import Submission, look_at, publish_feedback, publish_public
from .settings import AutograderCourse

BATCH = 20  # submissions graded before the first of them is entered; starting the graders takes seconds


class Stopped(Exception):
    """Somebody asked the command to end; what was done is kept."""


@dataclass
class Round:
    """One assignment's round. Nothing in it may run twice at a time: see `lock`.

    `happened` is told what is new, `trouble` what could not be done and will be tried again: the assignment,
    the student or an empty text, and a sentence. `pause` raises Stopped when the command is to end.
    """

    app: NbGrader
    assignment: str
    happened: Callable[[str, str, str], None]
    trouble: Callable[[str, str, str], None]
    pause: Callable[[], None]
    jobs: int = 1
    show: str = ""  # public, points or full; by default what the configuration says
    _faults: list[tuple[str, str, str]] = field(default_factory=list)

    def run(self) -> None:
        """Raises UsageError for an assignment that is none of the course's, and Stopped."""
        _ = self._modules
        try:
            collection = collect_new(self.app, self.assignment)
        except Fault as fault:  # what was collected before is graded all the same
            self._trouble("", str(fault))
        else:
            for student in collection.new:
                self._happened(student, "collected")
            for student, reason in collection.left:
                self._trouble(student, f"not collected: {reason}")
        waiting = dict(self._waiting())
        graded = False
        while waiting:
            batch = {student: waiting.pop(student) for student in list(waiting)[:BATCH]}
            self.pause()
            graded |= self._take_up(batch)
        if graded:
            try:
                self._gradings.write_views(self._faults)
            except Fault as fault:
                self._trouble("", f"the class report could not be written: {fault}")

    # What is to be done

    def _waiting(self) -> Iterator[tuple[str, Submission]]:
        """Submissions of which the student has not been shown what there is to show."""
        for student in students_with(self.app.coursedir, self.assignment):
            try:
                submission = look_at(self._folder(student), self._modules)
            except (OSError, ValueError) as error:
                self._trouble(student, f"not graded: what came with the notebook cannot be read: {error}")
                continue
            if self._shown(student) != self._fingerprint(student, submission):
                yield student, submission

    def _take_up(self, batch: dict[str, Submission]) -> bool:
        """Grades these, enters them, shows their results; whether there are new results."""

        def pause(*_: object) -> None:
            self.pause()

        try:
            done = grade_collected(
                self.app,
                self.assignment,
                list(batch),
                Progress(done=pause, examined=pause),
                jobs=self.jobs,
                examine=self._show != "full",
                views=False,
            )
        except AutograderError as error:
            self._trouble("", f"nothing can be graded: {error}")
            return False
        for student, reason in done.faults:
            self._trouble(student, f"not graded, for no fault of the student's: {reason}")
        self._faults += done.report.faults
        unexamined = {student: reason for student, _, reason in done.report.unexamined}
        for student, results in done.results.items():
            self.pause()
            if not self._enter(done, student):
                continue
            if student in unexamined:
                self._trouble(student, f"the public checks could not be run: {unexamined[student]}")
                continue
            try:
                self._publish(student, batch[student], results)
            except Exception as error:  # the others are shown theirs all the same
                said = str(error) if isinstance(error, Fault) else f"{type(error).__name__}: {error}"
                self._trouble(student, f"no result could be shown: {said}")
        return done.report.graded > 0

    def _enter(self, done: Collected, student: str) -> bool:
        """Whether the gradebook has this student's result."""
        one = replace(done, results={student: done.results[student]}, faults=[])
        try:
            entered = list(enter(self.app, one))
        except (Exception, SystemExit) as error:  # the others are entered all the same
            one.faults.append((student, f"{type(error).__name__}: {error}"))
        if one.faults:
            self._trouble(student, f"not entered into the gradebook: {one.faults[0][1]}")
            return False
        if entered:
            self._happened(student, "graded and entered into the gradebook")
        return True

    def _publish(self, student: str, submission: Submission, results: Sequence[Result]) -> None:
        if look_at(self._folder(student), self._modules) != submission:
            self._trouble(student, "something new was collected meanwhile: the next round takes it up")
            return
        said = self._show_to(student, submission, results)
        self._record(student, submission)
        self._happened(student, said)

    def _show_to(self, student: str, submission: Submission, results: Sequence[Result]) -> str:
        """Puts it into the exchange; says what was put there."""
        if not submission.secret:
            return "shown nothing, since it was not handed in through the exchange"
        if self._show == "full":
            new = publish_feedback(self.app, self.assignment, student, submission, self._modules)
            return "feedback released" if new else "feedback released as it was generated before"
        points = self._show == "points"
        if publish_public(self.app, self._gradings, self.assignment, submission, results, points=points):
            return f"public result{' and points' if points else ''} shown"
        return "released feedback is left as it is"

    # What has been done

    def _shown(self, student: str) -> str:
        try:
            record = json.loads(self._record_path(student).read_bytes())
            return str(record["fingerprint"]) if record["student"] == student else ""
        except (OSError, ValueError, LookupError, TypeError):
            return ""

    def _record(self, student: str, submission: Submission) -> None:
        record = {
            "student": student,
            "handed_in": str(submission.handed_in),
            "shown": self._show,
            "fingerprint": self._fingerprint(student, submission),
        }
        write_atomically(self._record_path(student), json.dumps(record, indent=1) + "\n")

    def _record_path(self, student: str) -> Path:
        return self._gradings.folder / "shown" / f"{folder_name(student)}.json"

    def _fingerprint(self, student: str, submission: Submission) -> str:
        """Changes when the student is to be shown something else."""
        store = Store(self._gradings.folder)
        made_of = []
        for module in self._modules:
            paths = [store.examined_path(student, module)] if self._show != "full" else []
            if self._show == "points":  # a regrade may change them
                paths += [store.path(student, module), store.path(student, module, "lower")]
            made_of += [_written(path) for path in paths]
        return hashlib.sha256(repr((submission, self._show, made_of)).encode()).hexdigest()

    # The assignment

    @cached_property
    def _gradings(self) -> Gradings:
        return gradings_of(self.app, self.assignment)

    @cached_property
    def _modules(self) -> list[str]:
        return modules_of(self.app.coursedir, self.assignment, self._gradings)

    @cached_property
    def _show(self) -> str:
        return self.show or str(AutograderCourse(parent=self.app).show)

    def _folder(self, student: str) -> Path:
        coursedir = self.app.coursedir
        return Path(coursedir.format_path(coursedir.submitted_directory, student, self.assignment))

    def _happened(self, student: str, said: str) -> None:
        self.happened(self.assignment, student, said)

    def _trouble(self, student: str, said: str) -> None:
        self.trouble(self.assignment, student, said)


def _written(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0
