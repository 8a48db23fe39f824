"""A picture to point at: all in one page, with each pixel's attention."""

from __future__ import annotations

import base64
import json
import re

import pytest
import torch

from course.lab import scene
from course.pictures.clickable import point_at_pixels

PICTURE = scene.draw(height=4, width=6)


def test_it_carries_the_picture_and_each_pixels_attention() -> None:
    weights = torch.rand(24, 24)
    page = point_at_pixels(PICTURE, weights, start=(2, 3)).html
    found = re.search(r"= (\{.*\});", page)
    assert found
    data = json.loads(found[1])
    assert (data["width"], data["height"], data["row"], data["column"]) == (6, 4, 2, 3)
    heat = torch.tensor(list(base64.b64decode(data["weights"]))).view(24, 24)
    assert (heat.gather(1, weights.argmax(1, keepdim=True)) == 255).all()
    assert len(base64.b64decode(data["picture"])) == 3 * 24


def test_it_asks_nothing_of_the_network() -> None:
    assert "http" not in point_at_pixels(PICTURE, torch.rand(24, 24)).html


def test_it_is_the_same_page_for_the_same_numbers() -> None:
    pages = {point_at_pixels(PICTURE, torch.eye(24)).html for _ in range(2)}
    assert len(pages) == 1


def test_outside_a_notebook_it_says_what_would_be_seen(capsys: pytest.CaptureFixture[str]) -> None:
    point_at_pixels(PICTURE, torch.eye(24)).show()
    assert capsys.readouterr().out == (
        "A picture to point at: beside it, where the pixel under the pointer looks.\n"
    )
