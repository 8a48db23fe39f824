"""One submission, from its file to its Result."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from course.catalogue.quiz import QuizText
from course.catalogue.syllabus import Exercise, Module

from ..contract.budget import Budget, Limits
from ..contract.jobs import Job
from ..contract.student import Student
from ..errors import BudgetSpent, ProtocolViolation, StudentFailure, Unreadable
from ..results import CellError, ErrorExcerpt, ExerciseResult, Flag, Result, Status
from ..sandbox.line import WorkerLine
from ..submission.extract import Extracted, extract
from ..submission.lint import forbidden_calls, suspicious
from ..submission.read import Notebook, read
from ..worker import wire
from .exercise import Graded, Setting, grade_exercise
from .quiz import Key, grade_quiz

Open = Callable[[Budget, list[tuple[int, str]]], WorkerLine]


@dataclass(frozen=True)
class Course:
    """A module's side of the grading: everything that does not depend on the submission."""

    module: Module
    setting: Setting
    released: Notebook
    quiz: QuizText | None
    keys: dict[str, Key]
    others: tuple[Module, ...] = ()  # the course's modules, to say which one a notebook belongs to


@dataclass(frozen=True)
class Outcome:
    """A result, and whether wall time decided anything in it, which a busy machine might have caused."""

    result: Result
    wall_timeout: bool = False


def grade_submission(job: Job, course: Course, open_line: Open, limits: Limits) -> Outcome:
    """Grades one notebook. Raises Fault for what is not the student's; everything else is in the result."""
    begun, started = time.perf_counter(), datetime.now(UTC)

    def result(sha256: str, status: Status, **rest: object) -> Result:
        return Result.model_validate(
            {
                "schema": 1,
                "student": job.student,
                "module": job.module,
                "path": job.shown,
                "sha256": sha256,
                "key": job.key,
                "run_seed": course.setting.run_seed,
                "device": course.setting.device.type,
                "isolation": job.isolation,
                "status": status,
                "started": started,
                "seconds": round(time.perf_counter() - begun, 3),
                "points": 0,
                "max_points": course.module.points,
                **rest,
            }
        )

    sha256 = ""
    try:
        notebook = read(Path(job.path))
        sha256 = notebook.sha256
        extracted = extract(notebook, course.released, course.module, course.others)
    except Unreadable as error:
        sha256 = getattr(error, "sha256", sha256)
        exercises = [_unanswered(exercise, "missing", course) for exercise in course.module.graded]
        unreadable = result(sha256, Status.UNREADABLE, reason=str(error), exercises=exercises)
        return Outcome(unreadable)

    flags = [*extracted.flags, *suspicious(extracted.cells)]
    for exercise in course.module.exercises:
        flags += forbidden_calls(extracted.cells, exercise, course.module.graded)
    budget = Budget(limits)
    line = open_line(budget, [(cell.number, cell.source) for cell in extracted.cells])
    try:
        graded, failure = _grade_all(course, line, extracted)
    finally:
        line.close()

    for one in graded:
        flags += one.flags
    if isinstance(failure, ProtocolViolation):
        flags.append(Flag(kind="tampering", message=str(failure)))
    errors = {error.cell: error for error in extracted.cell_errors}
    errors |= {number: cell_error(number, header) for number, header in line.cell_errors.items()}
    if line.wall_timeout:
        flags.append(Flag(kind="wall-timeout", message="a call waited until its wall time was over"))
    exercises = [one.result for one in graded]
    outcome = result(
        sha256,
        Status.FAILED_TO_RUN if failure else Status.GRADED,
        reason=str(failure or ""),
        points=round(sum(exercise.points for exercise in exercises), 2),
        exercises=exercises,
        cell_errors=[errors[number] for number in sorted(errors)],
        stdout=_text(line.printed),
        flags=flags,
    )
    return Outcome(outcome, line.wall_timeout)


def _grade_all(
    course: Course, line: WorkerLine, extracted: Extracted
) -> tuple[list[Graded], StudentFailure | None]:
    """Every exercise graded in order; and why nothing could be run, if so."""
    try:
        line.load()
    except (BudgetSpent, ProtocolViolation) as failure:
        return [
            Graded(_unanswered(exercise, "answered", course)) for exercise in course.module.graded
        ], failure
    graded: dict[str, Graded] = {}
    for exercise in course.module.exercises:
        state = extracted.states[exercise.id]
        if state != "answered":
            graded[exercise.id] = Graded(_unanswered(exercise, state, course))
            continue
        failed_before = [
            course.module.exercise(id)
            for id in exercise.depends_on
            if graded[id].result.points < graded[id].result.max_points
        ]
        graded[exercise.id] = grade_exercise(course.setting, line, exercise, failed_before)
    if course.module.quiz is not None:
        graded[course.module.quiz.id] = _grade_quiz(course, line, extracted)
    return list(graded.values()), None


def _grade_quiz(course: Course, line: WorkerLine, extracted: Extracted) -> Graded:
    exercise, quiz = course.module.quiz, course.quiz
    assert exercise is not None
    assert quiz is not None
    state = extracted.states[exercise.id]
    if state != "answered":
        return Graded(_unanswered(exercise, state, course))
    try:
        answers = Student(line).value_of("answers")
    except StudentFailure as failure:
        unanswered = _unanswered(exercise, "answered", course)
        unanswered.note = str(failure)
        return Graded(unanswered)
    return Graded(grade_quiz(exercise, quiz, course.keys, answers))


def _unanswered(exercise: Exercise, state: str, course: Course) -> ExerciseResult:
    """No points; the properties are listed all the same, so that a student sees what is asked."""
    tests = [
        {"id": test.id, "title": test.title, "kind": test.kind, "passed": False, "weight": test.mark.weight}
        for test in course.setting.suite.tests.get(exercise.id, [])
    ]
    return ExerciseResult.model_validate(
        {
            "id": exercise.id,
            "title": exercise.title,
            "points": 0,
            "max_points": exercise.points,
            "state": state,
            "tests": tests,
        }
    )


def cell_error(number: int, header: wire.ErrorHeader) -> CellError:
    """What a cell raised, as results have it."""
    return CellError(
        cell=number, error=ErrorExcerpt(type=header.type, message=header.message, trace=header.trace)
    )


def _text(printed: bytes | bytearray) -> str:
    text = bytes(printed).decode("utf-8", "replace")
    return "".join(c if c.isprintable() or c in "\n\t" else "\N{REPLACEMENT CHARACTER}" for c in text)
