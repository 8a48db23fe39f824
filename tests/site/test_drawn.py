"""The pictures of the home page are the tiny models' own, and show what their captions say."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from autograder.content.course_root import CourseRoot
from autograder.site import drawn
from course.lab import emoji, judge

ROOT = CourseRoot.find(Path(__file__))
FOLDER = ROOT.path / drawn.FOLDER


def pixels(png: bytes) -> np.ndarray[Any, Any]:
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"), dtype=float)


@pytest.mark.slow
def test_the_model_draws_them_again() -> None:
    again = drawn.pictures()

    assert {path.name for path in FOLDER.iterdir()} == set(again)
    for name, png in again.items():  # another machine rounds otherwise
        assert np.abs(pixels((FOLDER / name).read_bytes()) - pixels(png)).mean() < 3, name


def test_each_is_named_in_the_page_with_its_words() -> None:
    html = drawn.steps() + drawn.gallery() + drawn.emoji()

    for path in FOLDER.iterdir():
        assert f'src="drawn/{path.name}"' in html
    for caption in (*drawn.GALLERY, *drawn.EMOJI):
        assert f'alt="{caption}"' in html


def test_the_judge_reads_their_captions_from_them() -> None:
    names = {caption: FOLDER / f"{caption.replace(' ', '-')}.png" for caption in drawn.GALLERY}
    names[drawn.FIRST] = FOLDER / f"step-{drawn.STATIONS[-1]:02d}.png"
    pictures = torch.stack(
        [torch.from_numpy(pixels(path.read_bytes()) / 127.5 - 1) for path in names.values()]
    )

    scores = judge.load().scores(pictures.permute(0, 3, 1, 2), list(names))
    assert scores.all == 1, scores


def test_each_emoji_is_the_one_of_its_caption_and_half_of_them_were_never_shown() -> None:
    paths = [FOLDER / f"emoji-{caption.replace(' ', '-')}.png" for caption in drawn.EMOJI]
    pictures = torch.stack(
        [torch.from_numpy(pixels(path.read_bytes()) / 127.5 - 1).float() for path in paths]
    )

    assert emoji.is_drawn(pictures.permute(0, 3, 1, 2), drawn.EMOJI).all()
    assert [emoji.held_out(caption) for caption in drawn.EMOJI] == [False] * 6 + [True] * 6
