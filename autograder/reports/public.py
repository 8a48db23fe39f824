"""The page a student gets at once: what the public checks say of what was handed in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from course.catalogue.syllabus import Module

from ..examined import Examined, ExaminedExercise
from .feedback import date
from .page import render
from .text import count

_MARK = '<meta name="autograder" content="public result">'
_HEAD = 4_000  # bytes; the mark stands before anything that a student wrote

Points = tuple[float, float]  # given, of how many


@dataclass(frozen=True)
class _View:
    number: int
    exercise: ExaminedExercise
    css: str
    symbol: str
    word: str
    points: Points | None


def public_html(
    examined: Examined,
    module: Module,
    handed_in: datetime | None,
    points: Mapping[str, Points] | None = None,
) -> str:
    """One self-contained HTML page. Nothing in it comes from a hidden test, except `points` if given.

    `handed_in` is in UTC, `points` are by exercise.
    """
    views = [_view(n, one, module, (points or {}).get(one.id)) for n, one in enumerate(examined.exercises, 1)]
    given = [view.points for view in views if view.points]
    return render(
        "public.html.j2",
        examined=examined,
        module=module,
        handed_in=date(handed_in.replace(tzinfo=UTC)) if handed_in else "",
        views=views,
        tally=_tally(views, module),
        total=(sum(one for one, _ in given), sum(most for _, most in given)) if given else None,
    )


def is_public(page: Path) -> bool:
    """Whether this file is a page of ours, and not what an instructor released; raises OSError."""
    with open(page, "rb") as file:
        return _MARK.encode() in file.read(_HEAD)


def _view(number: int, exercise: ExaminedExercise, module: Module, points: Points | None) -> _View:
    quiz = _is_quiz(exercise, module)
    css, symbol, word = {
        "passed": ("complete", "✓", "answered" if quiz else "public checks hold"),
        "failed": ("not-yet", "✗", "not all answered" if quiz else "not right yet"),
        "untouched": ("untouched", "·", "still to be answered" if quiz else "still to be written"),
        "missing": ("missing", "–", "missing"),
    }[exercise.state]
    return _View(number, exercise, css, symbol, word, points)


def _is_quiz(exercise: ExaminedExercise, module: Module) -> bool:
    return module.quiz is not None and exercise.id == module.quiz.id


def _tally(views: list[_View], module: Module) -> str:
    """`4 of 6 exercises hold all public checks, 2 not right yet; the quiz: answered`."""
    written = [view for view in views if not _is_quiz(view.exercise, module)]
    hold = sum(view.exercise.state == "passed" for view in written)
    said = [
        f"{hold} of {count(len(written), 'exercise')} {'holds' if hold == 1 else 'hold'} all public checks"
    ]
    for word in dict.fromkeys(view.word for view in written if view.exercise.state != "passed"):
        said.append(f"{sum(view.word == word for view in written)} {word}")
    quiz = [f"; the quiz: {view.word}" for view in views if view not in written]
    return ", ".join(said) + "".join(quiz)
