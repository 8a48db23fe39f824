"""The pictures of the training module: drawn from what is given, and told apart by what it gives."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from course.lab import mixture
from course.modules.training import figures
from course.pictures.picture import Picture
from solutions import training

WORLD = mixture.pinwheel()
CLOUD = torch.randn(60, 2, generator=torch.Generator().manual_seed(0))
PICTURES = torch.zeros(2, 3, 4, 5)
ABAR = torch.linspace(0.99, 0.01, 30, dtype=torch.float64)

DRAWINGS: dict[str, Callable[[], Picture]] = {
    "quarter_circle": lambda: figures.quarter_circle(training.velocity),
    "three_errors": lambda: figures.three_errors(
        [0, 500, 999], {"eps": [0.4, 0.1, 0.01], "v": [0.4, 0.2, 5.0]}
    ),
    "losses": lambda: figures.losses({"eps": [1.0, 0.5, 0.25]}, "the loss", smooth=2),
    "progress": lambda: figures.progress(
        {"eps": PICTURES, "x0": PICTURES}, {"eps": [1.0, 0.5], "x0": []}, 10
    ),
    "averages": lambda: figures.averages([0.0, 1.0, 0.5, 0.7], {"decay 0.9": [0.0, 0.1, 0.2, 0.3]}),
    "weights": lambda: figures.weights(training.min_snr_weight, ABAR),
    "costs": lambda: figures.costs([1, 500, 999], [4.0, 1.0, 0.1], 768),
    "scalings": lambda: figures.scalings(training.edm_scalings),
    "clouds": lambda: figures.clouds(
        WORLD, {"the network": {"eps": CLOUD}, "its average": {"eps": 0.5 * CLOUD}}
    ),
}
NO_DRAWINGS = {"energy_distance", "strips"}


def shapeless(*_: object) -> Tensor:
    return torch.zeros(3)


OF_A_WRONG_SHAPE: list[tuple[Callable[[], object], str]] = [
    (lambda: figures.quarter_circle(shapeless), "the velocity should have the shape [7, 2]; it has [3]"),
    (
        lambda: figures.three_errors([0, 1], {"eps": [0.5]}),
        "there should be 2 errors of eps; there are 1",
    ),
    (
        lambda: figures.averages([0.0, 1.0], {"decay 0.9": [0.0]}),
        "the average 'decay 0.9' should have 2 numbers; it has 1",
    ),
    (lambda: figures.weights(shapeless, ABAR), "the weights for eps should have the shape [30]; it has [3]"),
    (lambda: figures.costs([1, 2], [0.5], 768), "there should be 2 costs; there are 1"),
    (
        lambda: figures.scalings(lambda sigma, data: [shapeless()] * 4),
        "c_skip should have the shape [120]; it has [3]",
    ),
    (
        lambda: figures.clouds(WORLD, {"row": {"flat": torch.zeros(5, 3)}}),
        "the cloud 'flat' should have the shape [5, 2]; it has [5, 3]",
    ),
    (
        lambda: figures.progress({"eps": torch.zeros(2, 4, 5)}, {}, 10),
        "the drawn pictures should have the shape",
    ),
]


def test_the_quarter_circle_tells_whether_its_arrows_are_tangents() -> None:
    assert "each a tangent." in figures.quarter_circle(training.velocity).description
    crooked = figures.quarter_circle(lambda x0, noise, t, abar: noise - x0)
    assert "not all of them tangents." in crooked.description


def test_what_an_error_costs_is_one_curve_for_all_three_predictions() -> None:
    right = figures.weights(training.min_snr_weight, ABAR).figure.axes[1]
    curves = [torch.as_tensor(line.get_ydata()) for line in right.lines]
    for curve in curves[1:]:
        torch.testing.assert_close(curve, curves[0])


def test_the_costs_of_the_timesteps_in_between_are_counted_too() -> None:
    every = figures._at_every([1, 4, 16], [16.0, 1.0, 1.0])  # as 16 over the square of t, then even
    assert every == pytest.approx({t: 16 / t**2 if t < 4 else 1.0 for t in range(1, 17)})
    said = figures.costs([1, 4, 16], [16.0, 1.0, 1.0], numbers=2, early=4).description
    bits = sum(every.values()) / 2 / 0.693147
    assert (
        f"together {bits:.2f} bits for each number, {(16 + 4 + 16 / 9 + 1) / sum(every.values()):.0%}" in said
    )


def test_clouds_of_one_world_are_near_and_others_are_far() -> None:
    one, other = (
        WORLD.draw(WORLD.null.expand(800), torch.Generator().manual_seed(s)).float() for s in (0, 1)
    )
    assert figures.energy_distance(one, other) < 0.02
    assert figures.energy_distance(one, other + 1) > 0.2


def test_a_curve_is_a_mean_over_the_last_steps() -> None:
    (axis,) = figures.losses({"eps": [4.0, 2.0, 0.0]}, smooth=2).figure.axes
    assert list(axis.lines[0].get_ydata()) == pytest.approx([4.0, 3.0, 1.0])
