"""Grades one exercise: its hidden tests, what the score is, and what a student is told about it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from course.catalogue.syllabus import Exercise

from ..contract.line import InProcess, Line
from ..contract.student import Student
from ..contract.trace import Trace
from ..errors import Fault, ProtocolViolation, StudentError, StudentFailure
from ..results import ErrorExcerpt, ExerciseResult, Flag, TestResult
from ..testing import Mismatch
from .attempt import attempt, attempt_one, portability
from .diagnose import NOT_ANSWERED, can_be_diagnosed, diagnose
from .setting import Attempt, Setting
from .suite import Test, run_test


@dataclass
class Graded:
    """`tried` has what a mistake can be named by: students, and how they did in the tests."""

    result: ExerciseResult
    flags: list[Flag] = field(default_factory=list)
    tried: list[tuple[Student, list[Attempt]]] = field(default_factory=list)


def grade_exercise(
    setting: Setting, line: Line, exercise: Exercise, failed_before: Sequence[Exercise]
) -> Graded:
    """Grades one exercise of the submission at the other end of `line`.

    `failed_before` are those of the exercises it depends on that did not get full marks: the reference
    may stand in for them. Raises Fault when a test itself is broken.
    """
    student = Student(line)
    own = attempts = attempt(setting, student, exercise)
    graded = Graded(score(exercise, own), tried=[(student, own)])
    if failed_before and not all(a.passed for a in own):
        stand_ins = {
            name: setting.reference.namespace[name] for earlier in failed_before for name in earlier.defines
        }
        student = _Helped(line, stand_ins=stand_ins)
        helped = attempt(setting, student, exercise)
        result = score(exercise, helped)
        if result.points > graded.result.points:  # help never takes any away
            attempts, graded.result, graded.tried = helped, result, []
            result.followed_through = [earlier.id for earlier in failed_before]
        graded.tried.append((student, helped))
    graded.flags = flag_oddities(setting, exercise, attempts)
    graded.result.portability = portability(setting, exercise, line, attempts)
    graded.tried = [one for one in graded.tried if can_be_diagnosed(one[1])]
    return graded


def name_mistakes(setting: Setting, exercise: Exercise, graded: Graded) -> None:
    """Runs what failed once more, on the draws of diagnosis, and puts what it looks like into the result.

    A mistake shows best where nothing else is wrong: with the reference's help, if not without. No points
    hang on it, so do this when all is graded: what it uses up is then missing nowhere.
    Raises Fault for what is not the student's.
    """
    for student, attempts in graded.tried:

        def again(test: Test, student: Student = student) -> Trace | None:
            repeated = attempt_one(setting, student, test, setting.diagnosis_seed)
            return None if isinstance(repeated.raised, NOT_ANSWERED) else repeated.trace

        graded.result.mistakes = graded.result.mistakes or diagnose(setting, exercise, attempts, again)
    graded.tried.clear()


@dataclass
class _Helped(Student):
    """A student for whom the reference stands in, name by name, from the start of each test."""

    alone: ClassVar = False
    stand_ins: dict[str, Callable[..., Any]] = field(default_factory=dict)

    def reset(self, seed: int) -> None:
        super().reset(seed)
        for name, by in self.stand_ins.items():
            self.replace(name, by)


def score(exercise: Exercise, attempts: Sequence[Attempt]) -> ExerciseResult:
    """Weights share out the points; a rule counts only once a value test passes."""
    value_passed = any(one.passed and one.test.kind == "value" for one in attempts)
    tests = [
        _test_result(attempt, counts=attempt.test.kind == "value" or value_passed) for attempt in attempts
    ]
    total = sum(test.weight for test in tests)
    earned = sum(test.weight for test in tests if test.passed and test.counts)
    return ExerciseResult(
        id=exercise.id,
        title=exercise.title,
        points=round(exercise.points * earned / total, 2) if total else 0.0,
        max_points=exercise.points,
        state="untouched" if attempts and all(map(_not_written, attempts)) else "answered",
        tests=tests,
    )


def _not_written(attempt: Attempt) -> bool:
    """A stub of another edition of the notebook still says so itself."""
    return isinstance(attempt.raised, StudentError) and attempt.raised.type == "NotImplementedError"


def _test_result(attempt: Attempt, *, counts: bool) -> TestResult:
    message, error = explain(attempt.raised)
    return TestResult(
        id=attempt.test.id,
        title=attempt.test.title,
        kind=attempt.test.kind,
        passed=attempt.passed,
        counts=counts,
        weight=attempt.test.mark.weight,
        message=message,
        error=error,
    )


def explain(raised: BaseException | None) -> tuple[str, ErrorExcerpt | None]:
    """What a student may read about a failed test: never the test's own code, inputs or expectations."""
    match raised:
        case None:
            return "", None
        case StudentError():
            return "your code raised an error", ErrorExcerpt(
                type=raised.type, message=raised.message, trace=raised.trace
            )
        case Mismatch() | StudentFailure():
            return str(raised), None
        case AssertionError():
            return "", None
        case _:
            return "your answer is not of the kind that was asked for", None


def flag_oddities(setting: Setting, exercise: Exercise, attempts: Sequence[Attempt]) -> list[Flag]:
    """Flags tampering; and tells a strange answer from a broken test by asking the reference.

    Raises Fault for a broken test.
    """
    flags = []
    for one in attempts:
        raised = one.raised
        if isinstance(raised, ProtocolViolation):
            flags.append(Flag(kind="tampering", exercise=exercise.id, message=str(raised)))
        if raised is None or isinstance(raised, (AssertionError, StudentFailure)):
            continue
        reference = Student(InProcess(setting.reference.namespace, setting.device))
        own = run_test(setting.suite, one.test, reference, setting.run_seed, setting.device)
        if own is not None or not isinstance(raised, Exception):
            raise Fault(f"the hidden test {one.test.id} is broken: {type(raised).__name__}: {raised}")
        message = (
            f"the hidden test {one.test.id} could not make sense of the answer ({type(raised).__name__})"
        )
        flags.append(Flag(kind="odd-answer", exercise=exercise.id, message=message))
    return flags
