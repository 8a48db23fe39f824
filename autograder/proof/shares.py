"""How much of its points a known mistake keeps, and how much it may: as a teacher would defend it.

`stakes="trap"`                what the exercise is there to teach      at most two thirds
fails the promise `gradients`  nothing can be trained through it        at most three quarters
fails `same_in_eval`           it is right in training alone            at most seven eighths
`only_hidden=True`             all is green in the notebook             at least half
`stakes="slip"`                right but for how the answer is given    at least half
"""

from __future__ import annotations

from ..results import ExerciseResult
from ..testing import Answer

TRAP, UNTRAINABLE, IN_TRAINING, GREEN, SLIP = 2 / 3, 3 / 4, 7 / 8, 1 / 2, 1 / 2


def kept(result: ExerciseResult) -> float:
    """The share of an exercise's points, between 0 and 1."""
    return result.points / result.max_points if result.max_points else 0.0


def unfair(result: ExerciseResult, mistake: Answer) -> str:
    """What is wrong with how much this known mistake keeps, in a clause; empty if nothing is."""
    share = round(kept(result), 2)
    failed = {test.id.rpartition(".")[2] for test in result.tests if not test.passed}
    most, why = min(
        (limit, why)
        for limit, why, holds in (
            (1.0, "", True),
            (TRAP, "it is what the exercise is there to teach", mistake.stakes == "trap"),
            (UNTRAINABLE, "no right gradient comes through it", "gradients" in failed),
            (IN_TRAINING, "it is right in training alone", "same_in_eval" in failed),
        )
        if holds
    )
    if share > round(most, 2):
        return f"keeps {share:.0%} of the points, and may keep {most:.0%}: {why}"
    if share < GREEN and mistake.only_hidden:
        return f"keeps {share:.0%} of the points, and the notebook is green: let a public check see it"
    if share < SLIP and mistake.stakes == "slip":
        return f"keeps {share:.0%} of the points, and is a slip: weigh the tests so that it keeps {SLIP:.0%}"
    return ""
