"""The drawings of the stable_diffusion module's demos."""

from __future__ import annotations

from collections.abc import Callable

import torch

from course.modules.stable_diffusion import figures
from course.pictures.picture import Picture

PICTURES = torch.rand(3, 3, 32, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1
LATENTS = torch.randn(3, 8, 8, 8, generator=torch.Generator().manual_seed(0))
VECTORS = torch.tensor([[1.0, 0.0], [2.0, 0.0], [0.0, 1.0]])

DRAWINGS: dict[str, Callable[[], Picture]] = {
    "channels": lambda: figures.channels(PICTURES, LATENTS, PICTURES),
    "alike": lambda: figures.alike(["fox face", "blue fox face", "pizza"], VECTORS),
    "learning": lambda: figures.learning([1.0, 0.5, 0.2], {"zero_out": [0.3, 0.2], "copy": [0.0, 0.1]}),
}
NO_DRAWINGS = {"strips"}
OF_A_WRONG_SHAPE: list[tuple[Callable[[], object], str]] = [
    (
        lambda: figures.channels(PICTURES, LATENTS, PICTURES[:2]),
        "what was decoded should have the shape [3, 3, 32, 32]; it has [2, 3, 32, 32]",
    ),
    (
        lambda: figures.alike(["fox face"], VECTORS),
        "the captions' vectors should have the shape [1, 2]; it has [3, 2]",
    ),
]


def test_the_latents_spread_is_told() -> None:
    said = figures.channels(PICTURES, LATENTS, PICTURES).description
    assert f"standard deviation is {LATENTS.std():.2f}" in said


def test_what_learns_in_the_first_step_is_told() -> None:
    said = figures.learning([1.0, 0.25], {"zero_out": [0.3], "copy": [0.0]}).description
    assert "The loss falls from 1 to 0.25." in said
    assert "zero_out 0.3, copy 0." in said
