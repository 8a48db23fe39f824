"""A slider over pictures: all in one page, each picture where its place on the slider is."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from course.pictures.clickable import Clickable
from course.pictures.slider import slide, slide_panels
from tests.chromium import chromium

PICTURES = torch.stack([torch.full((3, 2, 5), value) for value in (0.0, 0.5, 1.0, 7.0)])
CAPTIONS = ["black", "grey", "white", "beyond"]
PANELS = {"rising": PICTURES, "falling": PICTURES.flip(0)}


def data_of(page: Clickable) -> Any:
    found = re.search(r"= (\{.*\});", page.html)
    assert found
    return json.loads(found[1])


def pixels_of(panel: dict[str, str], *shape: int) -> Tensor:
    return torch.tensor(list(base64.b64decode(panel["pictures"]))).view(*shape, 3)


def test_it_carries_every_picture_and_caption() -> None:
    page = slide(PICTURES, CAPTIONS, "brightness", start=1)
    data = data_of(page)
    assert (data["width"], data["height"], data["captions"]) == (5, 2, CAPTIONS)
    (panel,) = data["panels"]
    assert pixels_of(panel, 4, 2, 5)[:, 0, 0, 0].tolist() == [0, 128, 255, 255]
    assert 'max="3" value="1"' in page.html


def test_colours_stay_with_their_pixels() -> None:
    picture = torch.zeros(1, 3, 2, 2)
    picture[0, 1, 1, 0] = 1  # the lower left pixel is green
    (panel,) = data_of(slide(picture, [""], "nothing"))["panels"]
    assert pixels_of(panel, 4).flatten().tolist() == [0, 0, 0, 0, 0, 0, 0, 255, 0, 0, 0, 0]


def test_several_panels_each_have_their_pictures_their_name_and_their_notes() -> None:
    page = slide_panels(PANELS, CAPTIONS, "brightness", notes={"falling": ["a", "b", "c", "d"]})
    rising, falling = data_of(page)["panels"]
    assert torch.equal(pixels_of(falling, 4, 2, 5), pixels_of(rising, 4, 2, 5).flip(0))
    assert rising["notes"] == [""] * 4
    assert falling["notes"] == ["a", "b", "c", "d"]
    assert page.html.count("<canvas") == 2
    assert page.html.count("<input") == 1
    assert ">rising<" in page.html


def test_no_text_can_end_the_script_or_add_a_tag() -> None:
    page = slide_panels({"<b>": PICTURES[:1]}, ["</script><b>"], 'x"><b>', notes={"<b>": ["</script>"]})
    assert page.html.count("</script>") == 1
    assert "<b>" not in page.html.split("<script>")[0]


def test_what_stands_in_a_name_is_not_taken_for_a_gap_of_the_page() -> None:
    assert "@DATA@" in slide_panels({"@DATA@": PICTURES}, CAPTIONS, "brightness").html


def test_it_asks_nothing_of_the_network_and_is_the_same_for_the_same_pictures() -> None:
    pages = {slide(PICTURES, CAPTIONS, "brightness").html for _ in range(2)}
    assert len(pages) == 1
    assert "http" not in pages.pop()


@pytest.mark.parametrize(
    ("panels", "notes", "sentence"),
    [
        ({"": PICTURES[:3]}, None, "there are 3 pictures and 4 captions: one each"),
        ({"mine": PICTURES[:3]}, None, "there are 3 pictures of 'mine' and 4 captions: one each"),
        (
            {"one": PICTURES, "mine": PICTURES[:, :, :1]},
            None,
            "the pictures of 'mine' should have the shape [4, 3, 2, 5]; they have [4, 3, 1, 5]",
        ),
        (PANELS, {"rising": ["a"]}, "there are 1 notes for 'rising' and 4 captions: one each"),
        (PANELS, {"rise": ["a"]}, "there are notes for 'rise', which is none of the panels: rising, falling"),
        ({}, None, "there is no panel to show"),
    ],
)
def test_what_does_not_fit_is_told_in_a_sentence(
    panels: dict[str, Tensor], notes: dict[str, list[str]] | None, sentence: str
) -> None:
    with pytest.raises(ValueError, match=re.escape(sentence)):
        slide_panels(panels, CAPTIONS, "brightness", notes=notes)


def test_a_caption_too_few_is_told_in_a_sentence() -> None:
    with pytest.raises(ValueError, match=r"there are 4 pictures and 3 captions: one each"):
        slide(PICTURES, CAPTIONS[:3], "brightness")


def test_outside_a_notebook_it_says_what_would_be_seen(capsys: pytest.CaptureFixture[str]) -> None:
    slide(PICTURES, CAPTIONS, "brightness").show()
    slide_panels(PANELS, CAPTIONS, "brightness").show()
    assert capsys.readouterr().out.splitlines() == [
        "A slider for brightness, and a picture for each of its 4 places.",
        "A slider for brightness, and pictures side by side (rising, falling) for each of its 4 places.",
    ]


@pytest.mark.browser
def test_in_a_browser_the_arrow_keys_move_all_panels(tmp_path: Path) -> None:
    path = tmp_path / "slider.html"
    page_of_two = slide_panels(PANELS, CAPTIONS, "brightness", notes={"rising": ["0", "1", "2", "3"]})
    path.write_text(page_of_two.html, encoding="utf-8")
    with chromium() as browser:
        page = browser.new_page()
        page.goto(path.as_uri())
        assert page.inner_text("figcaption") == "black"
        page.focus("input")
        page.keyboard.press("ArrowRight")
        assert page.inner_text("figcaption") == "grey"
        assert page.inner_text(".note") == "1"
        at_the_corners = (
            "[...document.querySelectorAll('canvas')]"
            ".map(canvas => canvas.getContext('2d').getImageData(0, 0, 1, 1).data[0])"
        )
        assert page.evaluate(at_the_corners) == [128, 255]
