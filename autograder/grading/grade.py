"""One submission, from its file to its Result."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from ..content.module import GradedModule
from ..contract.budget import Budget, Limits
from ..contract.front_end import FrontEnd
from ..contract.jobs import Job
from ..contract.student import Student
from ..errors import BudgetSpent, ProtocolViolation, StudentError, StudentFailure, Unreadable
from ..results import CellError, ErrorExcerpt, Flag, Result, Status
from ..sandbox.line import WorkerLine
from ..submission.extract import Extracted, extract
from ..submission.lint import forbidden, suspicious
from ..submission.read import read
from ..worker import wire
from .exercise import Graded, grade_exercise, name_mistakes
from .quiz import grade_quiz
from .setting import Setting
from .ungraded import unanswered, ungraded

Open = Callable[[Budget, list[tuple[int, str]]], WorkerLine]


@dataclass(frozen=True)
class Bench:
    """Everything that grading a module's submissions needs and that does not depend on any of them."""

    module: GradedModule
    setting: Setting
    open_line: Open
    limits: Limits
    front_ends: tuple[FrontEnd, ...] = ()  # whose notebooks are known besides the course's own


def grade_submission(job: Job, bench: Bench) -> tuple[Result, bool]:
    """The result of one notebook, and whether wall time, which busy machines use up, decided anything in it.

    Raises Fault for what is not the student's; everything else is in the result.
    """
    begun, started = time.perf_counter(), datetime.now(UTC)
    module, setting = bench.module, bench.setting
    sha256 = ""
    try:
        if job.problem:
            raise Unreadable(job.problem)
        notebook = read(Path(job.path))
        sha256 = notebook.sha256
        modules = module.root.syllabus.modules
        extracted = extract(notebook, module.released, module.entry, modules, bench.front_ends)
    except Unreadable as error:
        missing = [unanswered(exercise, "missing", setting.suite) for exercise in module.entry.graded]
        sha256 = getattr(error, "sha256", sha256)
        seed, device = setting.run_seed, setting.device.type
        return ungraded(job, str(error), missing, run_seed=seed, device=device, sha256=sha256), False

    flags = [*extracted.flags, *suspicious(extracted.cells)]
    by_hand = {one.id: forbidden(extracted.cells, module.entry, one) for one in module.entry.exercises}
    for found in by_hand.values():
        flags += found.flags
    line = bench.open_line(Budget(bench.limits), [(cell.number, cell.source) for cell in extracted.cells])
    try:
        graded, failure = _grade_all(bench, line, extracted)
        timed_out, exhausting = line.wall_timeout, line.exhausting
        for one in graded:
            name_mistakes(setting, module.entry.exercise(one.result.id), one)
    finally:
        line.close()

    for one in graded:
        flags += one.flags
        if one.result.id in by_hand and (withheld := by_hand[one.result.id].withheld):
            one.result.points, one.result.withheld = 0, withheld
    # Also where the exercise's own result did not come of it: while the reference stood in, say.
    forged = failure if isinstance(failure, ProtocolViolation) else line.tampered
    if forged and str(forged) not in {flag.message for flag in flags}:
        flags.append(Flag(kind="tampering", message=str(forged)))
    errors = {error.cell: error for error in extracted.cell_errors}
    errors |= {number: cell_error(number, header) for number, header in line.cell_errors.items()}
    if timed_out:
        flags.append(Flag(kind="wall-timeout", message="a call waited until its wall time was over"))
    if exhausting:
        flags.append(Flag(kind="exhausting", message=exhausting))
    exercises = [one.result for one in graded]
    result = Result(
        student=job.student,
        module=job.module,
        path=job.shown,
        sha256=sha256,
        key=job.key_of(sha256),
        run_seed=setting.run_seed,
        device=setting.device.type,
        isolation=job.isolation,
        status=Status.FAILED_TO_RUN if failure else Status.GRADED,
        reason=str(failure or ""),
        started=started,
        seconds=round(time.perf_counter() - begun, 3),
        points=round(sum(exercise.points for exercise in exercises), 2),
        max_points=module.entry.points,
        exercises=exercises,
        cell_errors=[errors[number] for number in sorted(errors)],
        stdout=_text(line.printed),
        flags=flags,
    )
    return result, timed_out


def _grade_all(
    bench: Bench, line: WorkerLine, extracted: Extracted
) -> tuple[list[Graded], StudentFailure | None]:
    """Every exercise graded in order; and why nothing could be run, if so."""
    module, suite = bench.module.entry, bench.setting.suite
    try:
        line.load()
    except (BudgetSpent, ProtocolViolation) as failure:
        return [Graded(unanswered(exercise, "answered", suite)) for exercise in module.graded], failure
    graded: dict[str, Graded] = {}
    for exercise in module.exercises:
        state = extracted.states[exercise.id]
        if state != "answered":
            graded[exercise.id] = Graded(unanswered(exercise, state, suite))
            continue
        failed_before = [
            module.exercise(id)
            for id in exercise.depends_on
            if graded[id].result.points < graded[id].result.max_points
        ]
        graded[exercise.id] = grade_exercise(bench.setting, line, exercise, failed_before)
        graded[exercise.id].result.state = "answered"  # its source is no stub, whatever its functions raise
    if module.quiz is not None:
        graded[module.quiz.id] = _grade_quiz(bench, line, extracted)
    for id, notes in extracted.notes.items():
        result = graded[id].result
        result.note = "\n\n".join([*notes, *filter(None, [result.note])])
    return list(graded.values()), None


def _grade_quiz(bench: Bench, line: WorkerLine, extracted: Extracted) -> Graded:
    exercise = bench.module.entry.quiz
    assert exercise is not None
    state = extracted.states[exercise.id]
    if state != "answered":
        return Graded(unanswered(exercise, state, bench.setting.suite))
    try:
        return Graded(grade_quiz(exercise, bench.module.questions, Student(line)))
    except StudentFailure as failure:
        result = unanswered(exercise, "answered", bench.setting.suite)
        result.note = failure.message if isinstance(failure, StudentError) else str(failure)
        return Graded(result)


def cell_error(number: int, header: wire.ErrorHeader) -> CellError:
    """What a cell raised, as results have it."""
    return CellError(
        cell=number, error=ErrorExcerpt(type=header.type, message=header.message, trace=header.trace)
    )


def _text(printed: bytes | bytearray) -> str:
    text = bytes(printed).decode("utf-8", "replace")
    return "".join(c if c.isprintable() or c in "\n\t" else "\N{REPLACEMENT CHARACTER}" for c in text)
