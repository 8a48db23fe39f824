"""The pictures of the unet module, and what they are drawn from: looking inside, and doing damage."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

import solutions.unet as reference
from course.lab import tiny_sd
from course.lab.tiny_sd.network import TinyUNet
from course.modules.unet import figures
from course.pictures.picture import Picture

PICTURES = torch.linspace(-1, 1, 4 * 3 * 4 * 6).reshape(4, 3, 4, 6)
CAPTIONS = ["one", "two", "three", ""]
TIMES = [950, 600, 300, 0]


@pytest.fixture(scope="module")
def tiny() -> tiny_sd.TinySD:
    return tiny_sd.load()


DRAWINGS: dict[str, Callable[[], Picture]] = {
    "drawn": lambda: figures.drawn(PICTURES, CAPTIONS, columns=3),
    "film": lambda: figures.film(PICTURES, PICTURES, TIMES, shown=3),
    "kernels": lambda: figures.kernels(PICTURES[:1], {"k": (torch.eye(3) - 0.5, PICTURES[:1])}),
    "clock": lambda: figures.clock(reference.timestep_embedding(torch.arange(50), 8), t=20),
    "feature_maps": lambda: figures.feature_maps(
        {"a": PICTURES[0], "b": PICTURES[1]}, {"a": torch.rand(9, 5, 5), "b": torch.rand(9, 5, 5)}
    ),
    "heat_maps": lambda: figures.heat_maps(PICTURES[0], {"w": torch.rand(2, 3)}, "weight"),
    "plan": figures.plan,
    "where_the_numbers_are": lambda: figures.where_the_numbers_are({"tiny": TinyUNet()}),
}
NO_DRAWINGS = {"pixel_attention", "slide_film", "strips"}
OF_A_WRONG_SHAPE: list[tuple[Callable[[], object], str]] = [
    (
        lambda: figures.drawn(PICTURES, ["one"]),
        "what was drawn for these captions should have the shape [1, 3, 4, 6]; it has [4, 3, 4, 6]",
    ),
    (
        lambda: figures.film(PICTURES, PICTURES[:2], TIMES),
        "the guesses should have the shape [4, 3, 4, 6]; it has [2, 3, 4, 6]",
    ),
    (
        lambda: figures.kernels(PICTURES[:1], {"k": (torch.eye(3), PICTURES[:1, :2])}),
        "'k' should make a picture [1, 3, h, w]; it made [1, 2, 4, 6]",
    ),
]


def test_the_slider_has_both_sides_of_the_film() -> None:
    page = figures.slide_film(PICTURES, PICTURES, TIMES).html
    assert "what it is given" in page
    assert "what it sees in it" in page
    assert '"step 1 of 4, t = 950"' in page


def test_the_plan_is_that_of_the_network() -> None:
    texts = [text.get_text() for text in figures.plan().figure.axes[0].texts]
    said = [text.split(" → ") for text in texts if "+" in text]
    drawn = sorted((sum(map(int, image.split(" + "))), int(out)) for image, out in said)
    shapes = {name: own.shape for name, own in reference.UNet().named_parameters()}
    up = [shape for name, shape in shapes.items() if name.startswith("up") and "conv1.w" in name]
    assert drawn == sorted((shape[1], shape[0]) for shape in up)


def test_parameters_are_counted_by_part() -> None:
    said = figures.where_the_numbers_are({"tiny": TinyUNet()}).description
    assert said.endswith("tiny, 1,001,251.")
