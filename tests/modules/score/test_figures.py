"""The pictures of the score module: drawn from what is given, and told apart by what it gives."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from course.lab import arms
from course.modules.score import figures
from course.pictures.picture import Picture

POINTS = arms.draw(40, torch.Generator().manual_seed(0))


def uphill(x: Tensor) -> Tensor:
    return -x


DRAWINGS: dict[str, Callable[[], Picture]] = {
    "arrows": lambda: figures.arrows({"here": (uphill, 0.5), "there": (uphill, 2.0)}, count=5),
    "cleaned": lambda: figures.cleaned({"half": (POINTS, POINTS / 2)}),
    "walked": lambda: figures.walked({"start": POINTS, "end": POINTS / 2}),
    "levels": lambda: figures.levels({"falling": [4.0, 1.0, 0.1]}),
    "wells": lambda: figures.wells(torch.eye(3 * 6 * 6), (3, 6, 6), count=3),
    "likelihoods": lambda: figures.likelihoods({"exact": arms.log_p(POINTS)}, arms.log_p(POINTS), POINTS),
}
NO_DRAWINGS = {"strips"}
OF_A_WRONG_SHAPE: list[tuple[Callable[[], object], str]] = [
    (
        lambda: figures.arrows({"flat": (lambda x: x[:, :1], 1.0)}, count=3),
        "the score 'flat' should have the shape [9, 2]; it has [9, 1]",
    ),
    (
        lambda: figures.cleaned({"few": (POINTS, POINTS[:2])}),
        "the clean points of 'few' should have the shape [40, 2]; it has [2, 2]",
    ),
    (
        lambda: figures.walked({"flat": torch.zeros(5, 3)}),
        "the cloud 'flat' should have the shape [5, 2]; it has [5, 3]",
    ),
    (
        lambda: figures.wells(torch.eye(4), (3, 6, 6)),
        "the weight should have the shape [108, 108]; it has [4, 4]",
    ),
    (
        lambda: figures.likelihoods({"8 steps": torch.zeros(3)}, torch.zeros(40), POINTS),
        "the log-likelihoods '8 steps' should have the shape [40]; it has [3]",
    ),
]


def test_clouds_say_which_share_has_come_to_each_arm() -> None:
    drawn = figures.walked({"all on one": arms.MEANS[:5].repeat(4, 1), "even": arms.MEANS}).description
    assert "all on one: 1.00, 0.00, 0.00; even: 0.33, 0.33, 0.33." in drawn


def test_what_was_found_is_told_beside_the_formula() -> None:
    exact = arms.log_p(POINTS)
    said = figures.likelihoods({"off": exact + 0.5}, exact, POINTS).description
    assert "off: off by 0.50 nats in the median." in said


def test_how_far_points_were_moved_is_said() -> None:
    said = figures.cleaned(
        {"still": (POINTS, POINTS), "on": (POINTS, POINTS + torch.tensor([3.0, 4.0]))}
    ).description
    assert "still: moved by 0.00 on average; on: moved by 5.00 on average." in said


class TestArms:
    def test_the_density_is_one_in_all_and_widens_with_noise(self) -> None:
        steps = torch.linspace(-9, 9, 241, dtype=torch.float64)
        grid = torch.cartesian_prod(steps, steps)
        for sigma in (0.2, 1.0):
            whole = arms.log_p(grid, sigma).exp().sum() * (steps[1] - steps[0]) ** 2
            assert float(whole) == pytest.approx(1, abs=1e-3)

    def test_the_shares_of_what_is_drawn_are_the_weights(self) -> None:
        found = arms.shares(arms.draw(4000, torch.Generator().manual_seed(0)))
        assert found == pytest.approx(arms.WEIGHTS, abs=0.03)

    def test_its_network_has_a_score_for_each_point(self) -> None:
        assert arms.ScoreNet()(torch.zeros(3, 2), torch.tensor([0.05, 1.0, 5.0])).shape == (3, 2)
