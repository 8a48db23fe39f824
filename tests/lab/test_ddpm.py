"""The course's DDPM sampler against diffusers' DDPMScheduler, step by step, with the very same noise."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from diffusers import DDPMScheduler
from torch import Tensor

from course.lab import ddpm, tiny_sd

START = torch.randn(3, 2, 4, 5, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def eps(x: Tensor, t: Tensor) -> Tensor:
    """Some smooth function of picture and time, far from a trained one: clipping has something to do."""
    return torch.tanh(x) + 0.1 * torch.cos(t.double())[:, None, None, None]


@pytest.mark.parametrize("clip", [False, True])
@pytest.mark.parametrize("steps", [1, 7, 20, 1000])
def test_it_is_diffusers_ddpm(clip: bool, steps: int) -> None:
    build: Any = DDPMScheduler
    scheduler = build(beta_start=1e-4, beta_end=0.02, clip_sample=clip, variance_type="fixed_small")
    scheduler.set_timesteps(steps)
    generator = torch.Generator().manual_seed(5)
    x, asked = START, scheduler.timesteps.tolist()
    for t in asked:
        x = scheduler.step(eps(x, torch.tensor([t])), t, x, generator=generator).prev_sample
    seen: list[int] = []

    def remembered(x: Tensor, t: Tensor) -> Tensor:
        assert t.shape == (3,)
        seen.append(int(t[0]))
        return eps(x, t)

    ours = ddpm.sample(
        remembered,
        START,
        tiny_sd.ALPHAS_CUMPROD,
        steps,
        clip=clip,
        generator=torch.Generator().manual_seed(5),
    )
    assert seen == asked
    # diffusers keeps its schedule in float32
    assert torch.allclose(ours, x, rtol=2e-3, atol=2e-3 * float(x.abs().max()))


def test_the_last_step_adds_no_noise() -> None:
    one, other = (
        ddpm.sample(eps, START, tiny_sd.ALPHAS_CUMPROD, 1, generator=torch.Generator().manual_seed(seed))
        for seed in (0, 1)
    )
    assert torch.equal(one, other)


@pytest.mark.parametrize("steps", [0, 1001])
def test_more_steps_than_there_are_is_said(steps: int) -> None:
    with pytest.raises(ValueError, match="the schedule has 1000"):
        ddpm.sample(eps, START, tiny_sd.ALPHAS_CUMPROD, steps)
