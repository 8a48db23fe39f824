"""The page a student gets back: what holds, what does not, what it looks like, what to do next."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from course.catalogue.syllabus import Module

from ..results import ExerciseResult, Result, Status, TestResult
from .outcomes import Outcome, outcome
from .page import render

SHORT_HASH = 12  # characters of a file's SHA-256 that tell it

# Not `strftime("%B")`, which speaks the language of the machine.
_MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)


@dataclass(frozen=True)
class PropertyView:
    """One tested property: `verdict` is `holds`, `fails`, `waits` (holds, counts not yet) or `untested`."""

    test: TestResult
    verdict: str
    worth: float


@dataclass(frozen=True)
class ExerciseView:
    """One exercise as the page shows it."""

    number: int
    result: ExerciseResult
    outcome: Outcome
    minutes: int | None
    properties: list[PropertyView]
    stand_ins: list[str]  # titles of earlier exercises that the reference stood in for

    @property
    def percent(self) -> float:
        return 100 * self.result.points / self.result.max_points if self.result.max_points else 0.0

    @property
    def is_quiz(self) -> bool:
        return bool(self.properties) and all(row.test.kind == "question" for row in self.properties)

    @property
    def waiting(self) -> bool:
        return any(row.verdict == "waits" for row in self.properties)


def feedback_html(result: Result, module: Module | None, modules: Sequence[Module] = ()) -> str:
    """One self-contained HTML page for the student whose result this is.

    Without a `module` the file did not say of which it is, and the page names those that it could be of.
    It loads nothing, runs nothing, and holds no more than the result's own fields; flags, which are for
    a person to judge, the run's seed and the file's folder are left out.
    """
    exercises = exercise_views(result, module) if module else []
    return render(
        "feedback.html.j2",
        result=result,
        heading=module.title if module else "A file of no module",
        wanted=[module] if module else modules,
        exercises=exercises,
        graded=result.status is Status.GRADED,
        unreadable=result.status is Status.UNREADABLE,
        tally=_tally(exercises),
        next_step=_next_step(exercises),
        date=date(result.started),
        file=file_name(result),
        short_hash=result.sha256[:SHORT_HASH],
    )


def exercise_views(result: Result, module: Module) -> list[ExerciseView]:
    """The result's exercises as a student is shown them, in the notebook's order."""
    return [_view(number, exercise, module) for number, exercise in enumerate(result.exercises, 1)]


def file_name(result: Result) -> str:
    """Of the file that was graded, as it was handed in; where it lay is not for students."""
    return re.split(r"[/\\]", result.path.rstrip("/\\"))[-1]


def date(moment: datetime) -> str:
    """`3 November 2025, 09:05 UTC`, the same on every machine."""
    day = f"{moment.day} {_MONTHS[moment.month - 1]} {moment.year}, {moment:%H:%M}"
    return f"{day} {moment.tzname()}" if moment.tzinfo else day


def _view(number: int, exercise: ExerciseResult, module: Module) -> ExerciseView:
    known = {entry.id: entry for entry in module.graded}
    return ExerciseView(
        number=number,
        result=exercise,
        outcome=outcome(exercise),
        minutes=known[exercise.id].minutes if exercise.id in known else None,
        properties=[
            PropertyView(test, _verdict(test, exercise), worth)
            for test, worth in zip(exercise.tests, _worths(exercise), strict=True)
        ],
        stand_ins=[known[id].title if id in known else id for id in exercise.followed_through],
    )


def _worths(exercise: ExerciseResult) -> list[float]:
    """What each test is worth, in hundredths of a point: all of them add up to the exercise's points.

    Those that earned points add up to what was given, too, as far as these are of the tests' making.
    """
    earned = [test.passed and test.counts and not exercise.withheld for test in exercise.tests]
    most, given = (round(100 * points) for points in (exercise.max_points, exercise.points))
    weights = [test.weight for test in exercise.tests]
    if not any(earned) or all(earned):
        return [share / 100 for share in _shared_out(most, weights)]
    gained = iter(_shared_out(given, [w for w, won in zip(weights, earned, strict=True) if won]))
    rest = iter(_shared_out(most - given, [w for w, won in zip(weights, earned, strict=True) if not won]))
    return [next(gained if won else rest) / 100 for won in earned]


def _shared_out(total: int, weights: Sequence[float]) -> list[int]:
    """A whole number in whole parts by weight; what rounding leaves over goes to those it took most from."""
    exact = [total * weight / sum(weights) for weight in weights]
    parts = [int(part) for part in exact]
    by_loss = sorted(range(len(parts)), key=lambda i: parts[i] - exact[i])
    for place in by_loss[: total - sum(parts)]:
        parts[place] += 1
    return parts


def _verdict(test: TestResult, exercise: ExerciseResult) -> str:
    if test.passed:
        return "holds" if test.counts and not exercise.withheld else "waits"
    return "fails" if exercise.state == "answered" else "untested"


def _tally(exercises: list[ExerciseView]) -> str:
    """`4 complete, 2 partly right, 1 not begun`: nothing said about what did not occur."""
    found = [(kind, sum(view.outcome is kind for view in exercises)) for kind in Outcome]
    return ", ".join(f"{n} {kind.word}" for kind, n in found if n)


def _next_step(exercises: list[ExerciseView]) -> ExerciseView | None:
    """The first exercise, in the notebook's order, that is not complete: later ones build on it."""
    return next((view for view in exercises if view.outcome is not Outcome.COMPLETE), None)
