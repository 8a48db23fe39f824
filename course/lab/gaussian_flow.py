"""A world in which a sampler's error can be measured: its data are normally distributed, one number a sample.

The best prediction of the noise is a formula there, and so is the way along which a sampler without fresh
noise should go. What a network adds of its own is left out: all that is wrong is the solver's.

    world = GaussianFlow()
    x = torch.randn(100, 1, dtype=torch.float64)
    error = (my_sampler(world.eps, x) - world.exact(x, 999, -1)).abs().max()
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from course.lab.mixture import ALPHAS_CUMPROD


@dataclass(frozen=True)
class GaussianFlow:
    """Data of this mean and standard deviation, noised by the schedule of `course.lab.mixture`."""

    mean: float = 0.7
    deviation: float = 0.2

    def eps(self, x: Float[Tensor, "B ..."], t: Int[Tensor, " B"]) -> Float[Tensor, "B ..."]:
        """The mean of the noise in x at timestep t: what a perfect network would answer."""
        abar = ALPHAS_CUMPROD[t].to(x).reshape(-1, *[1] * (x.dim() - 1))
        found: Tensor = (1 - abar).sqrt() * (x - abar.sqrt() * self.mean)
        return found / (abar * self.deviation**2 + 1 - abar)

    def denoise(self, x: Float[Tensor, "B ..."], sigma: float) -> Float[Tensor, "B ..."]:
        """The mean of the clean sample in x = clean + sigma noise."""
        own, noise = self.deviation**2, sigma**2
        return (own * x + noise * self.mean) / (own + noise)

    def exact(self, x: Float[Tensor, "B ..."], t: int, t_next: int) -> Float[Tensor, "B ..."]:
        """Where the flow leads from t to t_next (-1: clean): as many standard deviations off the mean."""
        now, after = (float(ALPHAS_CUMPROD[each]) if each >= 0 else 1.0 for each in (t, t_next))
        spread, narrower = (math.sqrt(abar * self.deviation**2 + 1 - abar) for abar in (now, after))
        return math.sqrt(after) * self.mean + (x - math.sqrt(now) * self.mean) * (narrower / spread)


def evenly_in_lambda(n: int) -> list[int]:
    """n timesteps from 999 down to 0, with even steps in the logarithm of the signal-to-noise ratio.

    As even as whole timesteps allow: near 0 each is a long step, so of a large n some fall together.
    """
    level = (ALPHAS_CUMPROD / (1 - ALPHAS_CUMPROD)).log() / 2
    wanted = torch.linspace(float(level[-1]), float(level[0]), n, dtype=torch.float64)
    nearest = [int((level - each).abs().argmin()) for each in wanted]
    return sorted(set(nearest), reverse=True)
