"""A Result as Gradescope's results.json: entries in plain text, each with its visibility.

What students see at once is what no hidden test has said: whether the file could be read, which cells raised
errors, and the public checks. Points and hidden properties follow as the settings say; what is for a person
to judge only instructors see.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from course.catalogue.syllabus import Module

from ..examined import Examined
from ..reports.feedback import ExerciseView, exercise_views
from ..reports.lines import (
    Remark,
    as_text,
    one_property,
    properties,
    raised,
    receipt,
    remarks,
    stopped,
    title_of,
)
from ..reports.text import count, excerpt, sentence
from ..results import CellError, Result, Status
from .settings import Settings

_WHEN = {
    "after_published": " Points and feedback are shown when grades are published.",
    "after_due_date": " Points and feedback are shown after the due date.",
}
_PUBLIC = {
    "passed": "The public checks hold.",
    "failed": "Not right yet.",
    "untouched": "Still to be written.",
    "missing": "Missing.",
}


def results_json(
    result: Result, module: Module, settings: Settings, examined: Examined | None, seconds: float
) -> dict[str, Any]:
    """What results.json holds for a graded or an unreadable submission."""
    tests = [*_unreadable(result), *_public(examined)]
    if result.status is Status.GRADED or result.exercises:
        for view in exercise_views(result, module):
            tests += (
                _properties(result, view) if settings.details == "properties" else [_exercise(result, view)]
            )
    for test in tests:
        test.setdefault("visibility", settings.visibility)
    return {
        "score": result.points,
        "execution_time": round(seconds, 1),
        "output": _output(result, settings),
        "stdout_visibility": "hidden",
        "extra_data": {
            "module": result.module,
            "status": result.status.value,
            "sha256": result.sha256,
            "isolation": result.isolation,
        },
        "tests": [*tests, *_for_instructors(result)],
    }


def _output(result: Result, settings: Settings) -> str:
    """The line on top. Nothing in it depends on a hidden test."""
    if result.status is not Status.GRADED:
        return "\n".join(sentence(line) for line in (receipt(result), result.reason))
    lines = [f"{receipt(result)}{_WHEN.get(settings.visibility, '')}"]
    if result.note:
        lines.append(result.note)
    if result.cell_errors:
        lines.append(
            f"{count(len(result.cell_errors), 'cell')} raised an error; the others were run all the same."
        )
        lines += [line for error in result.cell_errors[:10] for line in _cell_error(error)]
    return "\n".join(sentence(line) for line in lines)


def _cell_error(error: CellError) -> Iterator[str]:
    yield f"Cell {error.cell}: {raised(error.error)}"
    yield from (f"    {line}" for line in excerpt(error.error.trace, lines=12).split("\n") if line.strip())


def _unreadable(result: Result) -> list[dict[str, Any]]:
    if result.status is Status.GRADED:
        return []
    name = (
        "Your submission could not be read" if result.status is Status.UNREADABLE else "Your code did not run"
    )
    return [{"name": name, "status": "failed", "output": as_text(stopped(result)), "visibility": "visible"}]


def _public(examined: Examined | None) -> Iterator[dict[str, Any]]:
    """The public checks; no points: the student's own process made them."""
    for exercise in examined.exercises if examined else ():
        lines = [_PUBLIC[exercise.state], *exercise.lines]
        yield {
            "name": sentence(f"Public checks: {exercise.title}"),
            "status": "passed" if exercise.state == "passed" else "failed",
            "output": excerpt("\n".join(lines), lines=40),
            "visibility": "visible",
        }


def _exercise(result: Result, view: ExerciseView) -> dict[str, Any]:
    answer = view.result
    lines = [*_remarks(result, view), *properties(view)] if result.status is Status.GRADED else []
    return _entry(f"{view.number}", answer.title, answer.points, answer.max_points, lines)


def _properties(result: Result, view: ExerciseView) -> Iterator[dict[str, Any]]:
    """An entry for each property; what is to be said of the exercise stands in the first that fails."""
    if not view.properties:
        yield _exercise(result, view)
    first = next((row for row in view.properties if row.verdict != "holds"), None)
    for place, row in enumerate(view.properties, 1):
        said = _remarks(result, view) if row is (first or view.properties[0]) else []
        title = f"{view.result.title}: {title_of(view, row)}"
        given = row.worth if row.verdict == "holds" else 0.0
        lines = [*said, *one_property(view, row)]
        yield _entry(f"{view.number}.{place}", title, round(given, 4), round(row.worth, 4), lines)


def _remarks(result: Result, view: ExerciseView) -> list[Remark]:
    """What is said of the exercise as a whole; of a submission that could not be graded, nothing."""
    return list(remarks(view)) if result.status is Status.GRADED else []


def _entry(place: str, name: str, score: float, most: float, lines: list[Remark]) -> dict[str, Any]:
    return {
        "number": place,
        "name": sentence(name),
        "score": score,
        "max_score": most,
        "status": "passed" if score >= most - 1e-9 else "failed",
        "output": as_text(lines),
    }


def _for_instructors(result: Result) -> Iterator[dict[str, Any]]:
    """Hidden from students, whatever else they see. It has no points, so that it hides no total."""
    if result.flags:
        lines = [
            f"{flag.kind}{f' ({flag.exercise})' if flag.exercise else ''}: {flag.message}"
            for flag in result.flags
        ]
        yield {
            "name": f"For instructors: {count(len(result.flags), 'thing')} to look at",
            "output": "\n".join(sentence(" ".join(line.split())) for line in lines),
            "visibility": "hidden",
        }
    if result.stdout.strip():
        yield {
            "name": "For instructors: what the code printed",
            "output": excerpt(result.stdout, lines=60),
            "visibility": "hidden",
        }
