"""The drawings of the sampling module's demos."""

from __future__ import annotations

from collections.abc import Callable

import torch

from course.lab import mixture
from course.modules.sampling import figures
from course.pictures.picture import Picture

WORLD = mixture.pinwheel()
CLOUD = torch.randn(50, 2, generator=torch.Generator().manual_seed(0))
WAYS = torch.stack([CLOUD[:3], 0.5 * CLOUD[:3], 0.1 * CLOUD[:3]])
FIRST, SECOND = {4: 0.4, 8: 0.2, 16: 0.1}, {4: 0.4, 8: 0.1, 16: 0.025}

DRAWINGS: dict[str, Callable[[], Picture]] = {
    "clouds": lambda: figures.clouds(WORLD, {"here": CLOUD, "there": CLOUD + 1}, CLOUD[:3]),
    "walks": lambda: figures.walks(WORLD, {"one": WAYS, "other": 2 * WAYS}),
    "timesteps": lambda: figures.timesteps({"leading": [950, 500, 0], "trailing": [999, 499]}),
    "levels": lambda: figures.levels({"one": [1.0, 0.5, 0.1]}, "noise", "log"),
    "orders": lambda: figures.orders({"Euler": FIRST, "Heun": SECOND}),
    "race": lambda: figures.race({"DDIM": {4: 0.5, 8: 1.0}}, {"DDIM": FIRST}),
}
NO_DRAWINGS = {"strips"}
OF_A_WRONG_SHAPE: list[tuple[Callable[[], object], str]] = [
    (
        lambda: figures.clouds(WORLD, {"flat": torch.zeros(5, 3)}),
        "the cloud 'flat' should have the shape [5, 2]; it has [5, 3]",
    ),
    (
        lambda: figures.walks(WORLD, {"flat": torch.zeros(4, 5, 3)}),
        "the ways of 'flat' should have the shape [4, 5, 2]; it has [4, 5, 3]",
    ),
]


def test_the_order_of_a_solver_is_read_off() -> None:
    said = figures.orders({"Euler": FIRST, "Heun": SECOND}).description
    assert "Euler falls by the power 1.0; Heun falls by the power 2.0." in said


def test_the_length_of_a_way_is_told() -> None:
    straight = torch.tensor([[[0.0, 0.0]], [[3.0, 4.0]]])
    assert "straight: 5.0 long" in figures.walks(WORLD, {"straight": straight}).description
