"""What a class's results say about the module and its exercises: counts and shares, no HTML."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import mean, median

from course.catalogue.syllabus import Exercise, Module

from ..results import ExerciseResult, Result, Status
from .outcomes import Outcome, outcome

BINS = 10


@dataclass(frozen=True)
class Distribution:
    """The points of the graded submissions of a module; at least one."""

    n: int
    mean: float
    median: float
    full_marks: int
    max_points: float
    bins: list[int]  # submissions in equal ranges of points; the last one has the full marks too


@dataclass(frozen=True)
class ExerciseSuccess:
    """How one exercise came out: submissions by outcome, and the mean share of its points."""

    exercise: Exercise
    counts: dict[Outcome, int]
    mean_share: float
    gpu_warnings: int

    @property
    def n(self) -> int:
        return sum(self.counts.values())


@dataclass(frozen=True)
class HardProperty:
    """A property and how many of those who answered its exercise failed it."""

    exercise: str
    title: str
    failed: int
    answered: int

    @property
    def share(self) -> float:
        return self.failed / self.answered


@dataclass(frozen=True)
class CommonMistake:
    """A named mistake, or several that cannot be told apart, and who made it."""

    titles: tuple[str, ...]
    exercise: str
    made_by: list[Result]


def in_order(results: Sequence[Result], modules: Sequence[Module]) -> list[Result]:
    """By student, then module in the syllabus's order: the order of every table and file."""
    place = {module.id: index for index, module in enumerate(modules)}
    last = len(place)
    return sorted(
        results, key=lambda r: (r.student.casefold(), r.student, place.get(r.module, last), r.module)
    )


def by_exercise(result: Result) -> dict[str, ExerciseResult]:
    return {exercise.id: exercise for exercise in result.exercises}


def distribution(results: Sequence[Result]) -> Distribution | None:
    """Points of the graded ones; None if there are none."""
    graded = [result for result in results if result.status is Status.GRADED]
    if not graded:
        return None
    highest = max(result.max_points for result in graded)
    counts = Counter(
        min(int(BINS * result.points / highest), BINS - 1) if highest else 0 for result in graded
    )
    return Distribution(
        n=len(graded),
        mean=mean(result.points for result in graded),
        median=median(result.points for result in graded),
        full_marks=sum(result.points >= result.max_points for result in graded),
        max_points=highest,
        bins=[counts[n] for n in range(BINS)],
    )


def success(results: Sequence[Result], module: Module) -> list[ExerciseSuccess]:
    """For each exercise of the module, in its order, what became of it in the graded submissions."""
    graded = [by_exercise(result) for result in results if result.status is Status.GRADED]
    rows = []
    for exercise in module.graded:
        answers = [answers[exercise.id] for answers in graded if exercise.id in answers]
        counts = Counter(outcome(answer) for answer in answers)
        shares = [answer.points / answer.max_points for answer in answers if answer.max_points]
        rows.append(
            ExerciseSuccess(
                exercise=exercise,
                counts={kind: counts[kind] for kind in Outcome},
                mean_share=mean(shares) if shares else 0.0,
                gpu_warnings=sum(
                    bool(answer.portability and not answer.portability.ok) for answer in answers
                ),
            )
        )
    return rows


def hardest(results: Sequence[Result]) -> list[HardProperty]:
    """Properties that somebody failed, worst first; those who did not begin the exercise are not counted."""
    failed: Counter[tuple[str, str]] = Counter()
    answered: Counter[tuple[str, str]] = Counter()
    titles: dict[tuple[str, str], tuple[str, str]] = {}
    for result in results:
        for exercise in result.exercises:
            if exercise.state != "answered":
                continue
            for test in exercise.tests:
                key = exercise.id, test.id
                titles.setdefault(key, (exercise.title, test.title))
                answered[key] += 1
                failed[key] += not test.passed
    rows = [HardProperty(*titles[key], failed[key], answered[key]) for key in titles if failed[key]]
    return sorted(rows, key=lambda row: (-row.share, -row.failed, row.exercise, row.title))


def commonest(results: Sequence[Result]) -> list[CommonMistake]:
    """Named mistakes, the most frequent first."""
    made_by: dict[tuple[str, tuple[str, ...]], list[Result]] = defaultdict(list)
    for result in results:
        for exercise in result.exercises:
            if exercise.mistakes:
                titles = tuple(mistake.title for mistake in exercise.mistakes)
                made_by[exercise.title, titles].append(result)
    rows = [CommonMistake(titles, exercise, who) for (exercise, titles), who in made_by.items()]
    return sorted(rows, key=lambda row: (-len(row.made_by), row.exercise, row.titles))
