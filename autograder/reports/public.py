"""The page a student gets at once: what the public checks say of what was handed in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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


# By state: the class of the page's style sheet, the symbol, the word, and that of a quiz.
_LOOKS = {
    "passed": ("complete", "✓", "public checks hold", "answered"),
    "failed": ("not-yet", "✗", "not right yet", "not all answered"),
    "untouched": ("untouched", "·", "still to be written", "still to be answered"),
    "missing": ("missing", "–", "missing", "missing"),
}


def public_html(
    examined: Examined,
    module: Module,
    handed_in: datetime | None,
    points: Mapping[str, Points] | None = None,
) -> str:
    """One self-contained HTML page. Nothing in it comes from a hidden test, except `points` if given.

    `handed_in` is in UTC, `points` are by exercise.
    """
    points = points or {}
    given = [points[one.id] for one in examined.exercises if one.id in points]
    words = {one.id: _LOOKS[one.state][2 + _is_quiz(one, module)] for one in examined.exercises}
    return render(
        "public.html.j2",
        examined=examined,
        module=module,
        handed_in=date(handed_in.replace(tzinfo=UTC)) if handed_in else "",
        looks=_LOOKS,
        words=words,
        points=points,
        tally=_tally(examined.exercises, words, module),
        total=(sum(one for one, _ in given), sum(most for _, most in given)) if given else None,
    )


def is_public(page: Path) -> bool:
    """Whether this file is a page of ours, and not what an instructor released; raises OSError."""
    with open(page, "rb") as file:
        return _MARK.encode() in file.read(_HEAD)


def _is_quiz(exercise: ExaminedExercise, module: Module) -> bool:
    return module.quiz is not None and exercise.id == module.quiz.id


def _tally(exercises: Sequence[ExaminedExercise], words: Mapping[str, str], module: Module) -> str:
    """`4 of 6 exercises hold all public checks, 2 not right yet; the quiz: answered`."""
    written = [one for one in exercises if not _is_quiz(one, module)]
    hold = sum(one.state == "passed" for one in written)
    said = [
        f"{hold} of {count(len(written), 'exercise')} {'holds' if hold == 1 else 'hold'} all public checks"
    ]
    for word in dict.fromkeys(words[one.id] for one in written if one.state != "passed"):
        said.append(f"{sum(words[one.id] == word for one in written)} {word}")
    quiz = [f"; the quiz: {words[one.id]}" for one in exercises if one not in written]
    return ", ".join(said) + "".join(quiz)
