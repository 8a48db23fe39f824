"""The pictures of the LoRA module, and the two numbers that say how far a style has been learned."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
import torch
from torch import nn

from course.lab import shapes
from course.modules.lora import figures
from course.pictures.picture import Picture
from solutions.lora import LoRALinear


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


MATRIX = torch.randn(6, 5, generator=generator())
THIN = MATRIX[:, :1] @ MATRIX[:1]
ATTRIBUTES = shapes.sample_attributes(24, generator())
CAPTIONS = ATTRIBUTES.captions()
PICTURES = shapes.draw(ATTRIBUTES, generator=generator())


class Network(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv_out = nn.Linear(3, 1)
        self.down_blocks = nn.ModuleList([nn.Linear(5, 4), nn.Linear(2, 2)])
        self.conv_in = nn.Linear(1, 1)


def adapted() -> Network:
    network = Network()
    network.down_blocks[0] = LoRALinear(nn.Linear(5, 4), 2, 4.0)
    return network


DRAWINGS: dict[str, Callable[[], Picture]] = {
    "rows": lambda: figures.rows(
        {"one": PICTURES[:3], "two": -PICTURES[:3]}, CAPTIONS[:3], {"two": "turned"}
    ),
    "updates": lambda: figures.updates(MATRIX, THIN, {1: THIN, 2: 0 * THIN}),
    "singular_values": lambda: figures.singular_values({"thin": THIN, "full": MATRIX}),
    "starts": lambda: figures.starts({"good": [1.0, 0.5], "bad": [1.0, 1.0]}),
    "first_steps": lambda: figures.first_steps({"A": [0.0, 0.1], "B": [0.2, 0.1]}),
    "panels": lambda: figures.panels({"colour": PICTURES[0], "grey": PICTURES[0, 0]}),
    "where": lambda: figures.where(adapted()),
}
NO_DRAWINGS = {"slide_strength", "pastel", "striped", "lora_layers"}
OF_A_WRONG_SHAPE: list[tuple[Callable[[], object], str]] = [
    (
        lambda: figures.updates(MATRIX, THIN, {3: MATRIX.T}),
        "the update of rank 3 should have the shape [6, 5]; it has [5, 6]",
    ),
    (
        lambda: figures.rows({"one": PICTURES[:2]}, CAPTIONS[:3]),
        "the pictures of 'one' should have the shape [3, 3, 16, 16]; it has [2, 3, 16, 16]",
    ),
]


# --- Numbers ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("style", "expected"), [("plain", 0), ("pastel", 1)])
def test_how_pastel_drawn_shapes_are(style: shapes.Style, expected: float) -> None:
    told = figures.pastel(shapes.draw(ATTRIBUTES, style=style, generator=generator(1)), CAPTIONS)
    assert told.shape == (24,)
    assert float(told.mean()) == pytest.approx(expected, abs=0.1)
    assert ((told > 0.5) == bool(expected)).all()


def test_deeper_colours_than_plain_count_below_nought() -> None:
    assert float(figures.pastel(PICTURES - 0.2 * (1 - PICTURES), CAPTIONS).mean()) < -0.2


def test_how_striped_drawn_shapes_are() -> None:
    striped = shapes.draw(ATTRIBUTES, style="striped", generator=generator(1))
    assert float(figures.striped(striped).min()) > 0.4
    assert float(figures.striped(PICTURES).abs().mean()) < 0.1
    noisy = PICTURES + 0.3 * torch.randn(PICTURES.shape, generator=generator())
    assert float(figures.striped(noisy).abs().mean()) < 0.15  # what is rough in both directions is no stripe
    assert float(figures.striped(striped.mT).max()) < 0


def test_a_network_without_lora_layers_asks_for_them() -> None:
    with pytest.raises(NotImplementedError, match="write inject_lora"):
        figures.lora_layers(Network())
    assert [type(layer) for layer in figures.lora_layers(adapted())] == [LoRALinear]


# --- What the pictures say --------------------------------------------------------------------------------


def test_an_update_says_what_it_misses() -> None:
    said = figures.updates(MATRIX, THIN, {1: THIN, 2: 0.5 * THIN}).description
    assert "What is missing: 0% at rank 1, 50% at rank 2." in said


def test_singular_values_count_those_that_are_not_nought() -> None:
    picture = figures.singular_values({"thin": THIN, "full": MATRIX})
    assert "thin: 1 of 5 are not 0; full: 5 of 5 are not 0" in picture.description
    assert len(picture.figure.axes) == 1


def test_what_is_learned_stands_beside_the_best_possible() -> None:
    picture = figures.singular_values({"full": MATRIX}, {1: 0.7, 2: 0.4})
    line, dots = picture.figure.axes[1].lines
    best = [float(y) for y in line.get_ydata()]
    assert best[0] == pytest.approx(1)
    values = torch.linalg.svdvals(MATRIX)
    assert best[2] == pytest.approx(float(values[2:].norm() / values.norm()), abs=1e-5)
    assert list(dots.get_ydata()) == [0.7, 0.4]
    assert "70% missing at rank 1, 40% missing at rank 2" in picture.description


def test_where_counts_what_is_touched_and_what_is_added() -> None:
    picture = figures.where(adapted())
    counts = "12 are not touched, 24 have a LoRA layer around them, 18 are added"
    assert counts in picture.description
    titles = [label.get_text() for label in picture.figure.axes[0].get_yticklabels()]
    assert titles == ["conv_in", "down_blocks.0", "down_blocks.1", "conv_out"]


def test_the_slider_begins_without_the_update() -> None:
    slider = figures.slide_strength([-1, 0, 1], [PICTURES[:4]] * 3, CAPTIONS[:4], columns=2)
    assert 'value="1"' in slider.html
    assert re.search(r'"width": 33, "height": 33', slider.html)
    assert "strength -1: pastel" in slider.html
