"""A figure on a dark page: its ink is light, its images and its hues are what they were."""

from __future__ import annotations

import io

import pytest
import torch
from matplotlib.colors import to_rgb
from PIL import Image

from autograder.site.dark import GROUND, MIME, both, in_the_dark, turned
from autograder.site.html import picture as framed
from course.pictures import canvas
from course.pictures.picture import Picture
from course.pictures.strips import strips
from tests.chromium import contrast


def colours(png: bytes) -> set[tuple[int, ...]]:
    image = Image.open(io.BytesIO(png)).convert("RGB")
    return {colour for _, colour in image.getcolors(1 << 20) or []}


def ground() -> tuple[int, ...]:
    return tuple(round(255 * part) for part in to_rgb(GROUND))


@pytest.mark.parametrize("colour", [*canvas.PALETTE, canvas.INK, canvas.FAINT, "black"])
def test_what_is_drawn_with_is_read_on_the_dark_ground(colour: str) -> None:
    ratio = contrast([255 * part for part in turned(colour)[:3]], ground())
    assert ratio >= (3 if colour in canvas.PALETTE else 4.5)


def test_white_becomes_the_page_and_what_is_clear_stays_clear() -> None:
    assert turned("white") == pytest.approx((*to_rgb(GROUND), 1))
    assert turned("none")[3] == 0


def test_a_plot_has_no_white_and_no_black_left() -> None:
    figure, (axis,) = canvas.axes(1, 1, width=3, height=2)
    axis.plot([0, 1], [0, 1], color=canvas.PALETTE[0], label="a line")
    axis.set_title("a title", color=canvas.INK)
    axis.legend()
    canvas.plain(axis)
    light = Picture(figure, "A line.")
    light.png()  # the first time lays the figure out
    before = light.png()
    dark = in_the_dark(light)

    assert Image.open(io.BytesIO(dark.png())).convert("RGB").getpixel((0, 0)) == ground()
    assert not {(0, 0, 0), (255, 255, 255)} & colours(dark.png())
    assert light.png() == before  # the student's own figure is left as it is


def test_an_image_and_what_is_drawn_on_it_stay() -> None:
    picture = torch.full((3, 4, 4), -1.0)
    picture[0] = 1.0  # pure red
    drawn = strips({"a row": [picture]}, ["a title"])
    (axis,) = drawn.figure.axes
    axis.plot([1], [1], "s", color="white", ms=12)
    dark = colours(in_the_dark(drawn).png())
    assert {(255, 0, 0), (255, 255, 255)} <= dark
    assert (0, 0, 0) not in dark


def test_a_recorded_picture_comes_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Picture, "_repr_mimebundle_", Picture._repr_mimebundle_)  # given back afterwards
    both()
    figure, _ = canvas.axes(1, 1, width=1, height=1)
    data, _ = Picture(figure, "Nothing.")._repr_mimebundle_()
    assert data.keys() == {"image/png", "text/plain", MIME}


def test_the_page_has_both_and_shows_one() -> None:
    html = framed("a.png", "words", 100, dark="a-dark.png")
    assert 'src="a.png#only-light" alt="words"' in html
    assert 'src="a-dark.png#only-dark" alt="words"' in html
    assert "#only" not in framed("a.png", "words", 100)
