"""The album that the noise module draws from, and the best guess of who knows all its pictures."""

from __future__ import annotations

import math

import pytest
import torch

from course.lab import album


def test_its_pictures_are_signed_and_the_same_each_time() -> None:
    pictures = album.pictures(6, 8, 12)
    assert pictures.shape == (6, 3, 8, 12)
    assert -1 <= float(pictures.min()) < -0.8
    assert 0.8 < float(pictures.max()) <= 1
    assert torch.equal(pictures, album.pictures(6, 8, 12))


def test_backgrounds_take_turns() -> None:
    corner = album.pictures(6, 16, 24)[:, :, 0, 0].mean(1)
    assert (corner[::2] < 0).all()
    assert (corner[1::2] > 0).all()


def test_light_goes_from_black_to_white_in_equal_steps() -> None:
    light = album.in_every_light(6, 9, levels=5)[:, :, 0, 0].mean(1)
    torch.testing.assert_close(light, torch.tensor([-1.0, -0.5, 0.0, 0.5, 1.0]))


@pytest.mark.parametrize("abar", [0.0, 0.3, 0.999])
def test_the_best_guess_is_the_mean_weighted_by_likelihood(abar: float) -> None:
    pictures = torch.randn(4, 1, 1, 2, generator=torch.Generator().manual_seed(0)).double()
    xt = torch.tensor([0.4, -0.2]).double().view(1, 1, 1, 2)
    likelihood = [
        math.exp(-float((xt[0] - abar**0.5 * each).square().sum()) / (2 * (1 - abar))) for each in pictures
    ]
    expected = sum(w * each for w, each in zip(likelihood, pictures, strict=True)) / sum(likelihood)
    torch.testing.assert_close(album.best_guess(xt, abar, pictures)[0], expected)
