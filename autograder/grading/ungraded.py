"""The result of a submission, or of one exercise, that was not graded: no points, and why."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal

from course.catalogue.syllabus import Exercise

from ..results import ExerciseResult, Flag, Result, Status, TestResult

if TYPE_CHECKING:  # both are heavy, and a submission of no module needs neither
    from ..contract.jobs import Job
    from .suite import Suite


def ungraded(
    job: Job,
    reason: str,
    exercises: Sequence[ExerciseResult],
    *,
    run_seed: int,
    device: str,
    sha256: str = "",
    status: Status = Status.UNREADABLE,
) -> Result:
    """Of a submission that could not be read: every exercise, without points."""
    return Result(
        student=job.student,
        module=job.module,
        path=job.shown,
        sha256=sha256,
        key=job.key_of(sha256),
        run_seed=run_seed,
        device=device,
        isolation=job.isolation,
        status=status,
        reason=reason,
        started=datetime.now(UTC),
        seconds=0,
        points=0,
        max_points=sum(exercise.max_points for exercise in exercises),
        exercises=list(exercises),
    )


def not_graded(job: Job, reason: str, graded: Sequence[Exercise], *, run_seed: int, device: str) -> Result:
    """Of a submission that ended what grades it, twice: flagged for a person; its points mean nothing."""
    exercises = [
        ExerciseResult(id=one.id, title=one.title, points=0, max_points=one.points, state="answered")
        for one in graded
    ]
    result = ungraded(job, reason, exercises, run_seed=run_seed, device=device, status=Status.NOT_GRADED)
    result.flags.append(Flag(kind="not-graded", message=reason))
    return result


def unanswered(
    exercise: Exercise, state: Literal["answered", "untouched", "missing"], suite: Suite
) -> ExerciseResult:
    """No points; the properties are listed all the same, so that a student sees what is asked."""
    tests = [
        TestResult(id=test.id, title=test.title, kind=test.kind, passed=False, weight=test.mark.weight)
        for test in suite.tests.get(exercise.id, [])
    ]
    return ExerciseResult(
        id=exercise.id, title=exercise.title, points=0, max_points=exercise.points, state=state, tests=tests
    )
