"""The pictures of the module: drawn from what is given, and told apart by what it gives."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from course.modules.vision_transformers import figures
from course.pictures.picture import Picture


def unturned(x: Tensor, positions: Tensor) -> Tensor:
    return x


def apart(image: Tensor, text: Tensor) -> tuple[Tensor, Tensor]:
    return 2 * image, 3 * text


def cost(tokens: int, dim: int, hidden: int) -> int:
    return tokens * dim * hidden


PICTURE = torch.linspace(-1, 1, 3 * 4 * 6).view(3, 4, 6)
DRAWINGS: dict[str, Callable[[], Picture]] = {
    "cut": lambda: figures.cut(PICTURE, torch.zeros(6, 12), 2),
    "places": lambda: figures.places(torch.eye(6), 2, 3, [0, 4]),
    "curves": lambda: figures.curves({"one": [1.0, 0.5], "other": [1.0, 0.25]}, "loss", keep=0.0),
    "products": lambda: figures.products(unturned, count=4, channels=4),
    "who_hears_whom": lambda: figures.who_hears_whom(apart, 4, image=2, text=2),
    "costs": lambda: figures.costs(cost, dim=4, side=8),
}
NO_DRAWINGS = {"strips"}
OF_A_WRONG_SHAPE: list[tuple[Callable[[], object], str]] = [
    (
        lambda: figures.cut(PICTURE, torch.zeros(12, 6), 2),
        "the tokens should have the shape [6, 12]; it has [12, 6]",
    ),
    (
        lambda: figures.places(torch.eye(6), 2, 2, [0]),
        "the table of positions should have the shape [4, 6]; it has [6, 6]",
    ),
    (
        lambda: figures.products(lambda x, positions: x[..., :2], count=4, channels=4),
        "what rotate gives for each head should have the shape [4, 4]; it has [4, 2]",
    ),
    (
        lambda: figures.who_hears_whom(lambda image, text: (text, image), 4, image=2, text=3),
        "the picture's answer should have the shape [1, 2, 4]; it has [1, 3, 4]",
    ),
]


def test_a_curve_says_where_it_ends() -> None:
    assert "one ends at 0.500; other ends at 0.250" in DRAWINGS["curves"]().description


def test_each_size_of_patch_says_what_it_costs() -> None:
    assert "patch 8: 0.0 million" in DRAWINGS["costs"]().description
