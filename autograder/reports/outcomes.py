"""What became of an exercise, in the one wording and the one symbol that all reports share."""

from __future__ import annotations

from enum import Enum

from ..results import ExerciseResult

_ROUNDING = 1e-9


class Outcome(Enum):
    """How an exercise came out: a word for people, and a symbol."""

    COMPLETE = ("complete", "✓")
    PARTLY = ("partly right", "½")
    NOT_YET = ("not right yet", "✗")
    UNTOUCHED = ("not begun", "·")
    MISSING = ("missing", "–")

    def __init__(self, word: str, symbol: str) -> None:
        self.word, self.symbol = word, symbol

    @property
    def css(self) -> str:
        return self.name.lower().replace("_", "-")


def outcome(exercise: ExerciseResult) -> Outcome:
    """The outcome of one exercise, by its points first: half-finished work that earned some is `PARTLY`."""
    if exercise.points >= exercise.max_points - _ROUNDING:
        return Outcome.COMPLETE
    if exercise.points > _ROUNDING:
        return Outcome.PARTLY
    states = {"answered": Outcome.NOT_YET, "untouched": Outcome.UNTOUCHED, "missing": Outcome.MISSING}
    return states[exercise.state]
