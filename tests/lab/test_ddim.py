"""The course's own sampler against diffusers' DDIMScheduler, clipping and its trap included."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from diffusers import DDIMScheduler
from torch import Tensor

from course.lab import ddim, mixture, scene

WORLD = mixture.colours()
ASKED = mixture.colouring(scene.ONE_OF_EACH, 10, 14)
START = torch.randn(1, 3, 10, 14, generator=torch.Generator().manual_seed(0))
PICTURE = WORLD.means[ASKED].movedim(-1, 1)


def eps_at(w: float) -> Any:
    def eps(x: Tensor, t: Tensor) -> Tensor:
        uncond = WORLD.eps(x, t, WORLD.null.expand_as(ASKED))
        return uncond + w * (WORLD.eps(x, t, ASKED) - uncond)

    return eps


@pytest.mark.parametrize("clip", [False, True])
@pytest.mark.parametrize("steps", [1, 7, 50])
@pytest.mark.parametrize("w", [1.0, 3.0])
def test_it_is_diffusers_ddim(clip: bool, steps: int, w: float) -> None:
    build: Any = DDIMScheduler
    scheduler = build(
        beta_start=1e-4, beta_end=0.02, clip_sample=clip, set_alpha_to_one=True, timestep_spacing="leading"
    )
    scheduler.set_timesteps(steps)
    x, asked = START, []
    for t in scheduler.timesteps.tolist():
        asked.append(t)
        x = scheduler.step(eps_at(w)(x, torch.tensor([t])), t, x).prev_sample
    seen: list[int] = []

    def remembered(x: Tensor, t: Tensor) -> Tensor:
        seen.append(int(t))
        return eps_at(w)(x, t)

    ours = ddim.sample(remembered, START, mixture.ALPHAS_CUMPROD, steps, clip=clip)
    assert seen == asked
    torch.testing.assert_close(ours, x, rtol=1e-4, atol=2e-4)


def test_the_stations_begin_with_the_noise_and_end_with_the_sample() -> None:
    stations = ddim.trajectory(eps_at(1.0), START, mixture.ALPHAS_CUMPROD, 5)
    assert stations.shape == (6, *START.shape)
    assert torch.equal(stations[0], START)
    assert torch.equal(stations[-1], ddim.sample(eps_at(1.0), START, mixture.ALPHAS_CUMPROD, 5))


def test_without_guidance_samples_have_their_world_s_mean_and_spread() -> None:
    world = mixture.pinwheel()
    labels = torch.zeros(2000, dtype=torch.long)
    noise = torch.randn(2000, 2, generator=torch.Generator().manual_seed(0))
    drawn = ddim.sample(lambda x, t: world.eps(x, t, labels), noise, mixture.ALPHAS_CUMPROD)
    expected = world.draw(torch.zeros(100_000, dtype=torch.long), torch.Generator().manual_seed(0))
    torch.testing.assert_close(drawn.mean(0), expected.mean(0), rtol=0, atol=0.07)
    torch.testing.assert_close(drawn.std(0), expected.std(0), rtol=0.06, atol=0)


@pytest.mark.parametrize(
    ("w", "clip", "looks_like_it"), [(1, True, True), (7, False, True), (7, True, False)]
)
def test_the_trap_clipped_and_guided_the_picture_turns_into_its_negative(
    w: float, clip: bool, looks_like_it: bool
) -> None:
    drawn = ddim.sample(eps_at(w), START, mixture.ALPHAS_CUMPROD, clip=clip)
    likeness = torch.corrcoef(torch.stack([drawn.flatten(), PICTURE.flatten()]))[0, 1]
    assert likeness > 0.9 if looks_like_it else likeness < -0.9


@pytest.mark.parametrize("steps", [0, -1, 1001])
def test_an_impossible_number_of_steps_is_refused_in_a_sentence(steps: int) -> None:
    with pytest.raises(ValueError, match=rf"{steps} steps were asked for; the schedule has 1000"):
        ddim.sample(eps_at(1.0), START, mixture.ALPHAS_CUMPROD, steps)
