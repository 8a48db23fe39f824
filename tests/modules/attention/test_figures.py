"""The pictures of the demos: drawn from what is given, with patience for what is not written yet."""

import base64
import json
import math
import re
import struct
import subprocess
import sys
from collections.abc import Callable

import pytest
import torch
from torch import nn

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


@pytest.mark.parametrize("name", DRAWINGS)
def test_every_drawing_is_a_png_with_a_description(name: str) -> None:
    picture = DRAWINGS[name]()
    data, metadata = picture._repr_mimebundle_()
    (width,) = struct.unpack(">I", data["image/png"][16:20])
    assert data["image/png"].startswith(b"\x89PNG")
    assert metadata["image/png"]["width"] == width // 2
    assert metadata["image/png"]["alt"] == data["text/plain"] == picture.description
    assert picture.description.endswith(".")


def test_every_public_drawing_is_drawn_here() -> None:
    drawn_elsewhere = {"Picture", "needs", "point_at_pixels", "strips"}
    assert set(figures.__all__) == set(DRAWINGS) | drawn_elsewhere


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


@pytest.mark.parametrize(
    ("draw", "sentence"),
    [
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
    ],
)
def test_a_wrong_shape_is_told_in_a_sentence(draw: Callable[[], object], sentence: str) -> None:
    with pytest.raises(ValueError, match=re.escape(sentence)):
        draw()


def test_the_heat_of_a_word_is_averaged_inside_and_outside_of_the_shape() -> None:
    looks = torch.stack([HEAT[0], torch.tensor([[0.4, 0.1, 0.1], [0.6, 0.2, 0.2]])])
    picture = figures.word_heat(PICTURE, {"up": looks}, ["a", "red"], ["red"], INSIDE)
    assert "red in up: 0.50 inside, 0.15 outside" in picture.description


class TestNeeds:
    def test_says_what_to_write_first(self, capsys: pytest.CaptureFixture[str]) -> None:
        with figures.needs("CrossAttention"):
            raise NotImplementedError("write CrossAttention.forward")
        assert capsys.readouterr().out == (
            "Write `CrossAttention.forward` first: this picture is drawn with it.\n"
        )

    def test_says_which_cell_to_run(self, capsys: pytest.CaptureFixture[str]) -> None:
        with figures.needs("split_heads"):
            split_heads  # type: ignore[name-defined]  # noqa: B018
        assert capsys.readouterr().out == (
            "Run the cell that defines `split_heads` first: this picture is drawn with it.\n"
        )

    def test_leaves_other_missing_names_alone(self) -> None:
        with pytest.raises(NameError, match="sentense"), figures.needs("split_heads"):
            sentense  # type: ignore[name-defined]  # noqa: B018

    def test_shortens_any_other_error_and_points_to_the_check(
        self, capsys: pytest.CaptureFixture[str]
    ) -> None:
        with figures.needs("scaled_dot_product_attention"):
            torch.zeros(2, 3) @ torch.zeros(2, 3)
        first, second = capsys.readouterr().out.splitlines()
        assert first.startswith(
            "No picture yet. With your `scaled_dot_product_attention` came RuntimeError: mat1"
        )
        assert second == "The check above says more."

    def test_does_not_take_torchs_not_implemented_error_for_an_untouched_stub(
        self, capsys: pytest.CaptureFixture[str]
    ) -> None:
        with figures.needs("MultiHeadSelfAttention"):
            nn.ModuleList([nn.Linear(2, 2)])(torch.zeros(2))
        assert capsys.readouterr().out.startswith("No picture yet.")

    def test_lets_an_interrupt_through(self) -> None:
        with pytest.raises(KeyboardInterrupt), figures.needs("split_heads"):
            raise KeyboardInterrupt


class TestPointAtPixels:
    def test_carries_the_picture_and_each_pixels_attention(self) -> None:
        weights = torch.rand(24, 24)
        page = figures.point_at_pixels(PICTURE, weights, start=(2, 3)).html
        found = re.search(r"= (\{.*\});", page)
        assert found
        data = json.loads(found[1])
        assert (data["width"], data["height"], data["row"], data["column"]) == (6, 4, 2, 3)
        heat = torch.tensor(list(base64.b64decode(data["weights"]))).view(24, 24)
        assert (heat.gather(1, weights.argmax(1, keepdim=True)) == 255).all()
        assert len(base64.b64decode(data["picture"])) == 3 * 24

    def test_asks_nothing_of_the_network(self) -> None:
        assert "http" not in figures.point_at_pixels(PICTURE, torch.rand(24, 24)).html

    def test_is_the_same_page_for_the_same_numbers(self) -> None:
        pages = {figures.point_at_pixels(PICTURE, torch.eye(24)).html for _ in range(2)}
        assert len(pages) == 1


def test_outside_a_notebook_a_picture_says_what_would_be_seen(capsys: pytest.CaptureFixture[str]) -> None:
    picture = figures.gallery({"noise": PICTURE})
    picture.show()
    figures.point_at_pixels(PICTURE, torch.eye(24)).show()
    assert capsys.readouterr().out.splitlines() == [
        "Pictures side by side: noise.",
        "A picture to point at: beside it, where the pixel under the pointer looks.",
    ]


def test_importing_the_figures_loads_no_matplotlib() -> None:
    imports = "import sys, course.modules.attention.figures"
    code = f"{imports}; sys.exit(not {{'matplotlib', 'IPython'}}.isdisjoint(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_demo_sentence_is_in_the_lexicon() -> None:
    assert set(SENTENCE) <= set(words.LEXICON)
