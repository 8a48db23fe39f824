"""The instructor's page: what a class got right, where it struggles, and what wants a person's eye."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from urllib.parse import urlsplit

from course.catalogue.syllabus import Module, Syllabus

from ..results import ExerciseResult, Flag, Result, Status
from . import statistics
from .feedback import date
from .outcomes import Outcome, outcome
from .page import render

_FLAGS = {
    "tampering": (
        "Tampering",
        "Their code tried to interfere with the grading. It had no effect on the points; talk to them.",
    ),
    "forbidden-call": (
        "Forbidden calls",
        "The exercise asks to build what this call does. Where that is certain it has taken the exercise's "
        "points, and the student's page says so; where it says that points stand, look at the code yourself.",
    ),
    "odd-answer": ("Odd answers", "An answer of a type that no honest solution returns."),
    "edited-cell": ("Edited cells", "A locked cell is not as released. The grading does not depend on it."),
    "duplicate-id": ("Cells with the same id", "Usually a cell that was copied. See which one they meant."),
    "other-course": ("From another course", "The notebook does not seem to belong to this module."),
    "wall-timeout": (
        "Timed out by the clock",
        "Slow even alone on the machine, though not by CPU time. If the machine was busy, grade again.",
    ),
    "exhausting": (
        "Used up the grader",
        "What the code asked for would have taken the grader itself more time, memory or messages than a "
        "submission has. A slip with a size can do that; look at what was asked for.",
    ),
    "not-graded": (
        "Not graded: look at it by hand",
        "It ended the process that grades it twice, once alone on the machine. Its points mean nothing. If "
        "the machine had too little memory, `--force` grades it again.",
    ),
}


@dataclass(frozen=True)
class ModuleView:
    """One module's section."""

    module: Module
    distribution: statistics.Distribution | None
    success: list[statistics.ExerciseSuccess]
    hardest: list[statistics.HardProperty]
    commonest: list[statistics.CommonMistake]
    results: list[Result]


# Title, meaning, and each flag with its result and the title of its exercise, if it is about one.
FlagGroup = tuple[str, str, list[tuple[Result, Flag, str]]]


def class_html(
    results: Sequence[Result],
    syllabus: Syllabus,
    feedback_links: Mapping[tuple[str, str], str],
    faults: Sequence[tuple[str, str, str]] = (),
) -> str:
    """One self-contained HTML page about all results of a run, by module in the syllabus's order.

    `feedback_links` maps (student, module) to where the student's page lies, relative to this one;
    ValueError if one is anything but a relative link. `faults` (student, module, reason) are submissions that
    could not be graded through no fault of the student's; they stand at the top, in their own words.
    """
    for link in feedback_links.values():
        if urlsplit(link).scheme or urlsplit(link).netloc:
            raise ValueError(f"a feedback link must be relative to the class report, not {link!r}")
    ordered = statistics.in_order(results, syllabus.modules)
    titles = {module.id: module.title for module in syllabus.modules}
    views = [_module(module, [r for r in ordered if r.module == module.id]) for module in syllabus.modules]
    return render(
        "class_report.html.j2",
        syllabus=syllabus,
        results=ordered,
        students=len({result.student for result in ordered}),
        stopped=[result for result in ordered if result.status is not Status.GRADED],
        views=[view for view in views if view.results],
        strangers=[result for result in ordered if result.module not in titles],
        flags=_flags(ordered, syllabus),
        noted=[result for result in ordered if result.note],
        faults=faults,
        links=feedback_links,
        titles=titles,
        facts=_facts(ordered),
        Outcome=Outcome,
        outcome=outcome,
        shade=_shade,
        by_exercise=statistics.by_exercise,
    )


def _module(module: Module, results: list[Result]) -> ModuleView:
    return ModuleView(
        module=module,
        distribution=statistics.distribution(results),
        success=statistics.success(results, module),
        hardest=statistics.hardest(results),
        commonest=statistics.commonest(results),
        results=results,
    )


def _shade(answer: ExerciseResult) -> int:
    """From 0 to 4, which only a complete answer has."""
    share = answer.points / answer.max_points if answer.max_points else 0.0
    return 4 if outcome(answer) is Outcome.COMPLETE else min(int(4 * share), 3)


def _flags(results: Sequence[Result], syllabus: Syllabus) -> list[FlagGroup]:
    titles = {exercise.id: exercise.title for module in syllabus.modules for exercise in module.graded}
    order = list(_FLAGS)
    found = [(result, flag) for result in results for flag in result.flags]
    found.sort(key=lambda pair: order.index(pair[1].kind))  # stable: students keep their order
    return [
        (*_FLAGS[kind], [(r, flag, titles.get(flag.exercise, flag.exercise)) for r, flag in group])
        for kind, group in groupby(found, key=lambda pair: pair[1].kind)
    ]


def _facts(results: Sequence[Result]) -> list[tuple[str, str]]:
    """When and how the run was made, as pairs for a definition list; several values are counted."""
    if not results:
        return []
    return [
        ("Graded", _span(min(r.started for r in results), max(r.started for r in results))),
        ("Isolation", _counted(result.isolation for result in results)),
        ("Device", _counted(result.device for result in results)),
        ("Run seed", _seeds({result.run_seed for result in results})),
    ]


def _span(first: datetime, last: datetime) -> str:
    if date(first) == date(last):
        return date(last)
    if first.date() == last.date() and first.tzinfo == last.tzinfo:
        return date(last).replace(", ", f", {first:%H:%M} to ")
    return f"{date(first)} to {date(last)}"


def _seeds(seeds: set[int]) -> str:
    return str(*seeds) if len(seeds) == 1 else f"{len(seeds):,} rounds, each result names its own"


def _counted(values: Iterable[str]) -> str:
    counts = Counter(values).most_common()
    return counts[0][0] if len(counts) == 1 else ", ".join(f"{value} ({n:,})" for value, n in counts)
