"""The feedback on one exercise line by line, for wherever it is not a page: nbgrader, Otter, Gradescope."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from ..results import ErrorExcerpt, Result, Status
from .feedback import SHORT_HASH, ExerciseView, PropertyView, date, file_name
from .text import excerpt, number, sentence

VERDICTS = {"holds": "✓", "fails": "✗", "waits": "○", "untested": "·"}
STATES = {
    "missing": "Nothing of this name was found in what was handed in.",
    "untouched": "Not begun.",
}


@dataclass(frozen=True)
class Remark:
    """`code` is an excerpt of several lines, already made safe; everything else is a student's or ours."""

    text: str
    kind: Literal["plain", "bold", "indented", "code"] = "plain"

    def __str__(self) -> str:
        if self.kind == "code":
            return self.text
        return ("    " if self.kind == "indented" else "") + sentence(self.joined)

    @property
    def joined(self) -> str:
        """The text in one line."""
        return " ".join(self.text.split())


def as_text(lines: Iterable[Remark]) -> str:
    """The lines as plain text."""
    return "\n".join(map(str, lines))


def whole(result: Result, view: ExerciseView) -> Iterator[Remark]:
    """All that is said of an exercise, its points first."""
    answer = view.result
    # Where an instructor gave other points, nbgrader shows those above, and these must not contradict them.
    yield Remark(
        f"{answer.title}: {number(answer.points)} of {number(answer.max_points)} points "
        "from the automatic tests",
        "bold",
    )
    if result.status is not Status.GRADED:
        yield from stopped(result)
        yield Remark("It counts as 0 points until somebody has looked at it.")
        return
    yield from remarks(view)
    yield from properties(view)


def receipt(result: Result) -> str:
    """When it was graded, and from which file."""
    file = f" from {file_name(result)}" if result.path else ""
    known_by = f" (SHA-256 {result.sha256[:SHORT_HASH]})" if result.sha256 else ""
    return f"Graded on {date(result.started)}{file}{known_by}."


def stopped(result: Result) -> Iterator[Remark]:
    """Why it could not be graded, and which file is wanted if it is not this one."""
    yield Remark(result.reason)
    if result.status is Status.UNREADABLE:
        yield Remark(f"Wanted is {result.module}.ipynb: hand it in again, saved from Jupyter as a notebook.")


def remarks(view: ExerciseView) -> Iterator[Remark]:
    """What is said of the exercise as a whole."""
    answer = view.result
    if answer.state in STATES:
        yield Remark(STATES[answer.state])
    if answer.withheld:
        yield Remark(f"No points: {ended(answer.withheld)}", "bold")
    for mistake in answer.mistakes:
        yield Remark(f"This looks like a known mistake: {ended(mistake.title)}", "bold")
        yield Remark(mistake.hint)
    if view.stand_ins:
        yield Remark(f"Ours took the place of what is not right yet: {', '.join(view.stand_ins)}.")
    if answer.note:
        yield Remark(answer.note)
    if answer.portability and not answer.portability.ok:
        yield Remark("Would fail on a GPU (no points are lost by this)", "bold")
        yield Remark(answer.portability.message)


def properties(view: ExerciseView) -> Iterator[Remark]:
    """Each property of an exercise that was answered."""
    if view.result.state != "answered":
        return
    for row in view.properties:
        yield from one_property(view, row)
    if view.waiting:
        until = "it is your own work" if view.result.withheld else "the values are right"
        yield Remark(f"○ holds, and will count as soon as {until}.")


def one_property(view: ExerciseView, row: PropertyView) -> Iterator[Remark]:
    """A property, whether it holds, and what happened if it does not."""
    yield Remark(f"{VERDICTS[row.verdict]} {title_of(view, row)}")
    if row.verdict == "fails":
        if row.test.message:
            yield Remark(row.test.message, "indented")
        if error := row.test.error:
            yield Remark(raised(error), "indented")
            if error.trace.strip():
                yield Remark(excerpt(error.trace, lines=40), "code")


def title_of(view: ExerciseView, row: PropertyView) -> str:
    """A question is named by its number alone: its text would say too much beside a verdict."""
    return row.test.id.replace("::", ".").split(".")[-1] if view.is_quiz else row.test.title


def raised(error: ErrorExcerpt) -> str:
    """An error's type and message."""
    return f"{error.type}: {error.message}" if error.message else error.type


def ended(text: str) -> str:
    """A title as a sentence."""
    text = text.strip()
    return text if text.endswith((".", "!", "?", ":")) else f"{text}."
