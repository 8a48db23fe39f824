"""The worlds without a network: predictions are the slopes of the densities, and samples fit them."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from course.lab import mixture, scene
from course.lab.mixture import ALPHAS_CUMPROD, Mixture


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def in_double(world: Mixture) -> Mixture:
    return Mixture(world.means.double(), world.deviations.double(), world.owners)


WORLDS = {"pinwheel": in_double(mixture.pinwheel()), "colours": in_double(mixture.colours())}


def log_density(world: Mixture, x: Tensor, t: Tensor, labels: Tensor) -> Tensor:
    """log p of noisy points [B, D], written out with torch's own distributions."""
    rows = []
    for point, time, label in zip(x, t.tolist(), labels.tolist(), strict=True):
        abar = ALPHAS_CUMPROD[time]
        ours = (world.owners == label) | torch.tensor(label == world.classes)
        deviations = (abar * world.deviations[ours] ** 2 + 1 - abar).sqrt()[:, None]
        each = torch.distributions.Normal(abar.sqrt() * world.means[ours], deviations)
        rows.append(each.log_prob(point).sum(1).logsumexp(0) - math.log(int(ours.sum())))
    return torch.stack(rows)


@pytest.mark.parametrize("name", WORLDS)
def test_the_prediction_is_the_slope_of_the_density(name: str) -> None:
    world = WORLDS[name]
    x = torch.randn(40, world.means.shape[1], generator=generator(), dtype=torch.float64).requires_grad_()
    t = torch.randint(1000, (40,), generator=generator(1))
    labels = torch.arange(40) % (world.classes + 1)  # each class, and any
    (slope,) = torch.autograd.grad(log_density(world, x, t, labels).sum(), x)
    expected = -(1 - ALPHAS_CUMPROD[t]).sqrt()[:, None] * slope
    torch.testing.assert_close(world.eps(x.detach(), t, labels), expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("name", WORLDS)
def test_the_difference_of_two_predictions_is_the_slope_of_the_classifier(name: str) -> None:
    world = WORLDS[name]
    x = torch.randn(30, world.means.shape[1], generator=generator(), dtype=torch.float64).requires_grad_()
    t, labels = torch.full((30,), 300), torch.arange(30) % world.classes
    chances = world.probability(x, t)
    torch.testing.assert_close(chances.sum(1), torch.ones(30, dtype=torch.float64))
    (slope,) = torch.autograd.grad(chances[torch.arange(30), labels].log().sum(), x)
    difference = world.eps(x.detach(), t, labels) - world.eps(x.detach(), t, world.null.expand(30))
    noise = (1 - ALPHAS_CUMPROD[300]).sqrt()
    torch.testing.assert_close(difference, -noise * slope, rtol=1e-9, atol=1e-9)


def test_the_prediction_is_the_mean_of_the_noise() -> None:
    world, t = mixture.pinwheel(), 150
    labels = torch.zeros(400_000, dtype=torch.long)
    samples = world.draw(labels, generator())
    noise = torch.randn(samples.shape, generator=generator(1))
    abar = float(ALPHAS_CUMPROD[t])
    x = abar**0.5 * samples + (1 - abar) ** 0.5 * noise
    near = (x - torch.tensor([0.8, 0.8])).norm(dim=1) < 0.15
    predicted = world.eps(x[near], torch.full((int(near.sum()),), t), labels[near])
    assert near.sum() > 5000
    torch.testing.assert_close(predicted.mean(0), noise[near].mean(0), rtol=0, atol=0.03)


@pytest.mark.parametrize("world", [mixture.pinwheel(), mixture.colours()], ids=["pinwheel", "colours"])
def test_samples_have_the_mean_and_the_spread_of_their_class(world: Mixture) -> None:
    for label in range(world.classes):
        ours = world.owners == label
        samples = world.draw(torch.full((8000,), label), generator(label))
        mean = world.means[ours].mean(0)
        variance = world.means[ours].var(0, correction=0) + world.deviations[ours].square().mean()
        torch.testing.assert_close(samples.mean(0), mean, rtol=0, atol=0.05)
        torch.testing.assert_close(samples.var(0), variance, rtol=0.1, atol=0.01)


def test_a_sample_of_any_class_is_of_each_equally_often() -> None:
    world = mixture.colours(deviation=1e-4)
    samples = world.draw(world.null.expand(10_000), generator())
    nearest = torch.cdist(samples, world.means).argmin(1)
    shares = torch.bincount(nearest, minlength=10) / 10_000
    assert (shares - 0.1).abs().max() < 0.02


def test_a_picture_is_many_points_each_with_its_own_label_and_time() -> None:
    world = mixture.colours()
    x = torch.randn(2, 3, 4, 5, generator=generator())
    labels = torch.randint(world.classes + 1, (2, 4, 5), generator=generator(1))
    t = torch.tensor([20, 700])
    as_picture = world.eps(x, t, labels)
    as_points = world.eps(x.movedim(1, -1).reshape(-1, 3), t.repeat_interleave(20), labels.reshape(-1))
    torch.testing.assert_close(as_picture.movedim(1, -1).reshape(-1, 3), as_points)
    assert world.probability(x, t).shape == (2, 10, 4, 5)
    assert world.draw(labels, generator()).shape == x.shape


def test_predictions_are_finite_at_every_time_and_far_out() -> None:
    for world in (mixture.pinwheel(), mixture.colours()):
        x = 100 * torch.randn(999, world.means.shape[1], generator=generator())
        t = torch.arange(999)
        assert world.eps(x, t, torch.zeros(999, dtype=torch.long)).isfinite().all()
        assert world.eps(x, t, world.null.expand(999)).dtype == torch.float32


def test_nearly_all_colours_stay_within_bounds() -> None:
    world = mixture.colours()
    samples = world.draw(world.null.expand(5000), generator())
    assert (samples.abs() > 1).double().mean() < 0.07


def test_a_colouring_gives_each_pixel_the_label_of_the_shape_on_it() -> None:
    labels = mixture.colouring(scene.ONE_OF_EACH, 20, 30)[0]
    names = mixture.COLOUR_NAMES
    assert labels.shape == (20, 30)
    assert {names[label] for label in labels.flatten().tolist()} == {"red", "blue", "yellow", "black"}
    assert names[labels[7, 7]] == "red"
    assert names[labels[0, 29]] == "black"
