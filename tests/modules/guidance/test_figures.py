"""The pictures of the guidance module: drawn from what is given, and told apart by what it gives."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from course.lab import mixture
from course.modules.guidance import figures
from course.pictures.picture import Picture

WORLD = mixture.pinwheel()
CLOUD = torch.randn(50, 2, generator=torch.Generator().manual_seed(0))
PICTURES = {"one": torch.zeros(1, 3, 4, 6), "two": 2 * torch.ones(1, 3, 4, 6)}


def guide(uncond: Tensor, cond: Tensor, w: float) -> Tensor:
    return uncond + w * (cond - uncond)


def drop(cond: Tensor, null: Tensor, p: float, generator: torch.Generator) -> Tensor:
    return torch.where(torch.rand(len(cond), generator=generator) < p, null, cond)


TABLE, LABELS = torch.randn(4, 5, generator=torch.Generator().manual_seed(0)), torch.tensor([3, 0, 3])

DRAWINGS: dict[str, Callable[[], Picture]] = {
    "noised": lambda: figures.noised(WORLD, times=(0, 500), count=30),
    "lookup": lambda: figures.lookup(TABLE, LABELS, TABLE[LABELS]),
    "dropped": lambda: figures.dropped(drop),
    "on_a_line": lambda: figures.on_a_line(guide),
    "arrows": lambda: figures.arrows(WORLD, guide, scales=(0, 3)),
    "clouds": lambda: figures.clouds(WORLD, {"here": CLOUD, "there": CLOUD + 1}),
    "pictures": lambda: figures.pictures(PICTURES),
}
NO_DRAWINGS = {"slide_scales", "strips"}
OF_A_WRONG_SHAPE: list[tuple[Callable[[], object], str]] = [
    (
        lambda: figures.lookup(TABLE, LABELS, torch.zeros(3, 4)),
        "what was found for the labels should have the shape [3, 5]; it has [3, 4]",
    ),
    (
        lambda: figures.dropped(lambda cond, null, p, generator: null),
        "the labels after dropping should have the shape [32]; it has []",
    ),
    (
        lambda: figures.arrows(WORLD, lambda u, c, w: u[:2]),
        "the guided prediction should have the shape [144, 2]; it has [2, 2]",
    ),
    (
        lambda: figures.clouds(WORLD, {"flat": torch.zeros(5, 3)}),
        "the cloud 'flat' should have the shape [5, 2]; it has [5, 3]",
    ),
]


def test_the_line_has_each_scale_where_the_given_function_puts_it() -> None:
    assert "of the scales -1 to 5: -1, 1, 3, 5, 7, 9, 11." in figures.on_a_line(guide).description
    of_the_paper = figures.on_a_line(lambda u, c, w: (1 + w) * c - w * u)
    assert "of the scales -1 to 5: 1, 3, 5, 7, 9, 11, 13." in of_the_paper.description


def test_the_drops_are_those_of_the_given_function() -> None:
    nothing = figures.dropped(lambda cond, null, p, generator: cond.clone()).figure.axes
    assert nothing[0].get_title() == "p = 0.15: hollow = null, 0% of these"
    assert {float(y) for y in nothing[1].lines[1].get_ydata()} == {0.0}


def test_the_arrows_are_those_of_the_given_function() -> None:
    def arrows_of(function: figures.Guide) -> list[float]:
        (arrows,) = figures.arrows(WORLD, function, scales=(3,)).figure.axes[1].collections[-1:]
        return [float(u) for u in arrows.U]

    assert arrows_of(guide) != arrows_of(lambda u, c, w: u)


def test_clouds_say_how_far_they_are_spread_and_from_their_class() -> None:
    own = WORLD.draw(torch.zeros(4000, dtype=torch.long), torch.Generator().manual_seed(0))
    said = figures.clouds(WORLD, {"own": own, "narrow": own.mean(0) + 0.01 * CLOUD}).description
    (spread, off), (narrow, _) = re.findall(r"spread ([\d.]+), mean off by ([\d.]+)", said)
    assert float(spread) == pytest.approx(0.87, abs=0.04)
    assert float(off) < 0.07
    assert float(narrow) < 0.05
    shifted = figures.clouds(WORLD, {"shifted": own + torch.tensor([3.0, 4.0])}).description
    assert float(re.findall(r"mean off by (\d+\.\d+)", shifted)[0]) == pytest.approx(5, abs=0.1)
    assert "mean off by" not in figures.clouds(WORLD, {"own": own}, target=None).description


def test_pictures_say_their_deviation_and_what_is_cut_off() -> None:
    assert figures.pictures(PICTURES).description.endswith(
        "one: standard deviation 0.00, 0% cut off; two: standard deviation 0.00, 100% cut off."
    )


def test_a_slider_of_pictures_has_a_panel_for_each_name_and_a_caption_for_each_scale() -> None:
    film = [-torch.ones(3, 2, 2), torch.ones(3, 2, 2)]
    page = figures.slide_scales([0.0, 0.5], {"ring": film, "cross": film}, start=1)
    assert '"captions": ["w = 0", "w = 0.5"]' in page.html
    assert page.html.count("<canvas") == 2
    assert 'value="1"' in page.html
    assert page.description == (
        "A slider for the guidance scale, and pictures side by side (ring, cross) for each of its 2 places."
    )
