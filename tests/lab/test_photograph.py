"""The photograph is there without a network, and the weights that look at its colours do so."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from matplotlib import cbook

from course.lab import handmade, photograph
from solutions.attention import CrossAttention


def test_it_has_the_height_asked_for_and_colours_from_0_to_1() -> None:
    picture = photograph.grace_hopper(height=60)
    assert picture.shape == (3, 60, 51)
    assert 0 <= picture.min() < 0.1
    assert 0.9 < picture.max() <= 1


def test_where_matplotlib_lacks_it_a_sentence_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(cbook, "get_sample_data", lambda name, asfileobj: tmp_path / name)
    with pytest.raises(FileNotFoundError, match="came without its sample pictures"):
        photograph.grace_hopper()


def test_a_place_takes_the_paint_of_the_word_that_looks_like_it() -> None:
    layer = CrossAttention(query_dim=4, context_dim=7, heads=1, head_dim=4)
    layer.load_state_dict(handmade.by_colour())
    like = torch.tensor([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [1.0, 1.0, 1.0]])
    paint = torch.tensor([[0.0, 1.0, 0.0], [0.5, 0.5, 0.5], [0.0, 0.0, 0.0]])
    x = torch.cat([like * 0.9 + 0.05, torch.ones(3, 1)], dim=1)[None]
    with torch.no_grad():
        painted = layer(x, handmade.words_for_colours(like, paint)[None])[0, :, :3]
    torch.testing.assert_close(painted, paint, atol=0.01, rtol=0)
