"""A slider over pictures: all in one page, each picture where its place on the slider is."""

from __future__ import annotations

import base64
import json
import re
import shutil
from pathlib import Path

import pytest
import torch

from course.slider import slide

PICTURES = torch.stack([torch.full((3, 2, 5), value) for value in (0.0, 0.5, 1.0, 7.0)])
CAPTIONS = ["black", "grey", "white", "beyond"]


def test_it_carries_every_picture_and_caption() -> None:
    page = slide(PICTURES, CAPTIONS, "brightness", start=1).html
    found = re.search(r"= (\{.*\});", page)
    assert found
    data = json.loads(found[1])
    assert (data["width"], data["height"], data["captions"]) == (5, 2, CAPTIONS)
    pixels = torch.tensor(list(base64.b64decode(data["pictures"]))).view(4, 2, 5, 3)
    assert pixels[:, 0, 0, 0].tolist() == [0, 128, 255, 255]
    assert 'max="3" value="1"' in page


def test_colours_stay_with_their_pixels() -> None:
    picture = torch.zeros(1, 3, 2, 2)
    picture[0, 1, 1, 0] = 1  # the lower left pixel is green
    found = re.search(r'"pictures": "([^"]*)"', slide(picture, [""], "nothing").html)
    assert found
    assert list(base64.b64decode(found[1])) == [0, 0, 0, 0, 0, 0, 0, 255, 0, 0, 0, 0]


def test_a_caption_cannot_end_the_script() -> None:
    assert slide(PICTURES[:1], ["</script><b>"], "x").html.count("</script>") == 1


def test_it_asks_nothing_of_the_network_and_is_the_same_for_the_same_pictures() -> None:
    pages = {slide(PICTURES, CAPTIONS, "brightness").html for _ in range(2)}
    assert len(pages) == 1
    assert "http" not in pages.pop()


def test_a_caption_too_few_is_told_in_a_sentence() -> None:
    with pytest.raises(ValueError, match=r"there are 4 pictures and 3 captions: one each"):
        slide(PICTURES, CAPTIONS[:3], "brightness")


def test_outside_a_notebook_it_says_what_would_be_seen(capsys: pytest.CaptureFixture[str]) -> None:
    slide(PICTURES, CAPTIONS, "brightness").show()
    assert capsys.readouterr().out == "A slider for brightness, and a picture for each of its 4 places.\n"


@pytest.mark.browser
def test_in_a_browser_the_arrow_keys_move_it(tmp_path: Path) -> None:
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("no Chromium on this machine")
    path = tmp_path / "slider.html"
    path.write_text(slide(PICTURES, CAPTIONS, "brightness").html, encoding="utf-8")
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page()
        page.goto(path.as_uri())
        assert page.inner_text("figcaption") == "black"
        page.focus("input")
        page.keyboard.press("ArrowRight")
        assert page.inner_text("figcaption") == "grey"
        at_the_corner = "[...document.querySelector('canvas').getContext('2d').getImageData(0, 0, 1, 1).data]"
        assert page.evaluate(at_the_corner) == [128, 128, 128, 255]
        browser.close()
