"""The world in which a sampler's error is measured: its formulas against chance and against small steps."""

from __future__ import annotations

import pytest
import torch

from course.lab.gaussian_flow import GaussianFlow, evenly_in_lambda
from course.lab.mixture import ALPHAS_CUMPROD

WORLD = GaussianFlow()


@pytest.mark.parametrize("t", [50, 400, 900])
def test_eps_is_the_regression_of_the_noise_on_what_is_seen(t: int) -> None:
    generator = torch.Generator().manual_seed(0)
    clean, noise = torch.randn(2, 200_000, 1, generator=generator, dtype=torch.float64)
    abar = float(ALPHAS_CUMPROD[t])
    x = abar**0.5 * (WORLD.mean + WORLD.deviation * clean) + (1 - abar) ** 0.5 * noise
    left = noise - WORLD.eps(x, torch.full((len(x),), t))
    assert abs(float(left.mean())) < 0.01
    assert abs(float((left * x).mean())) < 0.01  # nothing is left that x could tell


def test_denoise_and_eps_say_the_same() -> None:
    x, t = torch.randn(50, 1, dtype=torch.float64), 300
    abar = float(ALPHAS_CUMPROD[t])
    clean = (x - (1 - abar) ** 0.5 * WORLD.eps(x, torch.full((50,), t))) / abar**0.5
    torch.testing.assert_close(WORLD.denoise(x / abar**0.5, ((1 - abar) / abar) ** 0.5), clean)


def test_the_exact_flow_is_where_small_steps_lead() -> None:
    x = start = torch.randn(20, 1, dtype=torch.float64)
    for t in range(999, 400, -1):
        now, after = ALPHAS_CUMPROD[t], ALPHAS_CUMPROD[t - 1]
        eps = WORLD.eps(x, torch.full((20,), t))
        x = (after / now).sqrt() * (x - (1 - now).sqrt() * eps) + (1 - after).sqrt() * eps
    torch.testing.assert_close(x, WORLD.exact(start, 999, 400), rtol=0, atol=0.02)


def test_the_timesteps_fall_and_have_both_ends() -> None:
    times = evenly_in_lambda(12)
    assert (times[0], times[-1]) == (999, 0)
    assert times == sorted(set(times), reverse=True)
