"""The pictures of the demos: drawn from what is given, with patience for what is not written yet."""

import math
from collections.abc import Callable

import pytest
import torch

from course.lab import scene, words
from course.modules.attention import figures
from course.pictures.picture import Picture

SENTENCE = ["the", "queen", "thanked", "the", "king", "because", "he", "saved", "her", "crown"]
MAP = torch.eye(len(SENTENCE))
PICTURE = scene.draw(height=4, width=6)
HEAT = torch.stack([torch.full((2, 3), each) for each in (0.1, 0.2, 0.7)])  # of three words
INSIDE = torch.tensor([[True, False, False], [True, False, False]])

DRAWINGS: dict[str, Callable[[], Picture]] = {
    "softmax_under_shift": lambda: figures.softmax_under_shift(torch.softmax),
    "scale_of_scores": lambda: figures.scale_of_scores(torch.softmax),
    "word_attention": lambda: figures.word_attention({"one": MAP, "two": MAP}, SENTENCE),
    "head_layout": lambda: figures.head_layout(
        torch.arange(24).view(4, 6), torch.arange(24).view(4, 3, 2).transpose(0, 1)
    ),
    "word_links": lambda: figures.word_links(torch.stack([MAP, MAP]), SENTENCE, ["one", "two"]),
    "gallery": lambda: figures.gallery({"a picture": PICTURE, "the same": PICTURE}),
    "pixel_attention": lambda: figures.pixel_attention(PICTURE, torch.rand(24, 24), [(0, 0), (3, 5)]),
    "word_heat": lambda: figures.word_heat(
        PICTURE, {"one": HEAT, "two": HEAT / 2}, ["a", "red", "ring"], ["red", "ring"], INSIDE
    ),
    "word_places": lambda: figures.word_places(PICTURE, torch.rand(24, 3), ["red", "circle", "on"]),
}


NO_DRAWINGS = {"point_at_pixels", "strips"}
OF_A_WRONG_SHAPE: list[tuple[Callable[[], object], str]] = [
    (
        lambda: figures.word_attention({"map": torch.eye(3)}, SENTENCE),
        "the attention map 'map' should have the shape [10, 10]; it has [3, 3]",
    ),
    (
        lambda: figures.word_links(torch.rand(2, 10, 10), SENTENCE, ["one", "two", "three"]),
        "the attention of the heads should have the shape [3, 10, 10]; it has [2, 10, 10]",
    ),
    (
        lambda: figures.pixel_attention(PICTURE, torch.rand(6, 6), []),
        "the attention between pixels should have the shape [24, 24]; it has [6, 6]",
    ),
    (
        lambda: figures.word_places(PICTURE, torch.rand(3, 24), ["a", "b", "c"]),
        "the attention from places to words should have the shape [24, 3]; it has [3, 24]",
    ),
    (
        lambda: figures.word_heat(PICTURE, {"up": HEAT}, ["a", "red"], ["red"], INSIDE),
        "the looks of 'up' should have the shape [2, 2, 3]; it has [3, 2, 3]",
    ),
    (
        lambda: figures.softmax_under_shift(lambda x, dim: x.sum(dim)),
        "the softmax of the scores should have the shape [241, 3]; it has [241]",
    ),
    (
        lambda: figures.head_layout(torch.arange(24).view(4, 6), torch.zeros(3, 2, 4)),
        "the heads should have the shape [3, 4, 2]; it has [3, 2, 4]",
    ),
    (
        lambda: figures.point_at_pixels(PICTURE, torch.rand(6, 6)),
        "the attention should have the shape [24, 24]; it has [6, 6]",
    ),
]


def test_the_softmax_picture_shows_what_the_given_softmax_does() -> None:
    def always_a_third(x: torch.Tensor, dim: int) -> torch.Tensor:
        return torch.full_like(x, 1 / 3)

    axes = figures.softmax_under_shift(always_a_third).figure.axes
    heights = {round(float(y), 3) for line in axes[2].lines for y in line.get_ydata()}
    assert heights == {0.333}


@pytest.mark.parametrize(("panel", "lost"), [(0, True), (1, True), (2, False)])
def test_the_softmax_picture_marks_where_the_plain_formula_is_lost(panel: int, lost: bool) -> None:
    axis = figures.softmax_under_shift(torch.softmax).figure.axes[panel]
    gaps = any(math.isnan(y) for line in axis.lines for y in line.get_ydata())
    assert gaps is lost
    assert ("NaN" in [text.get_text() for text in axis.texts]) is lost


def test_the_heat_of_a_word_is_averaged_inside_and_outside_of_the_shape() -> None:
    looks = torch.stack([HEAT[0], torch.tensor([[0.4, 0.1, 0.1], [0.6, 0.2, 0.2]])])
    picture = figures.word_heat(PICTURE, {"up": looks}, ["a", "red"], ["red"], INSIDE)
    assert "red in up: 0.50 inside, 0.15 outside" in picture.description


def test_the_demo_sentence_is_in_the_lexicon() -> None:
    assert set(SENTENCE) <= set(words.LEXICON)
