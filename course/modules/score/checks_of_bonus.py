"""Public checks of the bonus tasks of the module `score`."""

from __future__ import annotations

import itertools
import math

import torch
from torch import tensor

from course.checking.expect import Broken, Work, close, exercise, holds
from course.modules.score.checks_of_walks import Slope


@exercise("predictor_corrector")
class PredictorCorrector:
    def by_hand(self, student: Work) -> None:
        """From 10, sigma from 5 to 3, score -x / sigma^2, no noise: 10 - 16 * 0.4 = 3.6, then 3.6 * 0.95."""
        still = torch.zeros(2, 1, 1)
        close(
            student.predictor_corrector(_back(), tensor([[10.0]]), [5.0, 3.0], 0.1, still),
            [[3.42]],
            symptoms={
                "The prediction goes by the difference of the sigmas: it is that of their squares.": [[8.74]],
                "Here is no correction.": [[3.6]],
                "Here is no prediction.": [[9.5]],
            },
        )

    def noise(self, student: Work) -> None:
        """From 0 with noises of 1: the prediction adds 4, the root of 25 - 9, and the step is 0.9."""
        close(
            student.predictor_corrector(_back(), tensor([[0.0]]), [5.0, 3.0], 0.1, torch.ones(2, 1, 1)),
            [[4 * 0.95 + math.sqrt(0.9)]],
            symptoms={
                "The prediction adds no noise.": [[math.sqrt(0.9)]],
                "The correction has the step of the old level.": [[4 - 2.5 / 2 * 4 / 9 + math.sqrt(2.5)]],
                "The correction adds no noise.": [[3.8]],
            },
        )

    def levels(self, student: Work) -> None:
        """The score is asked at the old level to predict, and at the new one to correct: 5, 3, 3, 1."""
        score, x = _back(), torch.zeros(3, 2)
        close(student.predictor_corrector(score, x, [5.0, 3.0, 1.0], 0.1, torch.zeros(4, 3, 2)), x)
        holds(score.levels == [5.0, 3.0, 3.0, 1.0], f"it was asked at the levels {score.levels}")


def _back() -> Slope:
    return Slope(lambda x, sigma: -x / sigma**2, "-x / sigma^2")


@exercise("my_levels")
class MyLevels:
    def falling(self, student: Work) -> None:
        """As many numbers as asked for, each above 0 and below the one before."""
        for count in (6, 10, 20):
            levels = student.my_levels(count)
            if not isinstance(levels, list) or not all(isinstance(sigma, (int, float)) for sigma in levels):
                raise Broken("a list of numbers is expected")
            holds(len(levels) == count, f"{len(levels)} levels came, where {count} were asked for")
            holds(min(levels) > 0, f"one of them is {min(levels):g}")
            rising = [pair for pair in itertools.pairwise(levels) if pair[0] <= pair[1]]
            holds(not rising, f"{rising[0][1]:g} stands after {rising[0][0]:g}" if rising else "")

    def ends(self, student: Work) -> None:
        """The first is as wide as the world, from 2 to 20, and the last finer than its arms: 0.15 at most."""
        for count in (6, 10, 20):
            first, *_, last = student.my_levels(count)
            holds(2 <= first <= 20, f"of {count} the first is {first:g}")
            holds(last <= 0.15, f"of {count} the last is {last:g}")

    def overlap(self, student: Work) -> None:
        """Of ten levels, none is below a quarter of the one before: what one leaves, the next has to find."""
        levels = student.my_levels(10)
        for here, there in itertools.pairwise(levels):
            holds(here <= 4 * there, f"from {here:.3g} to {there:.3g} is a leap")
