"""Three schedulers as diffusers has them: DDIM, Euler and Heun, with the same four things to use.

    scheduler = schedulers.Euler(alphas_cumprod)
    scheduler.set_timesteps(20)
    x = scheduler.init_noise_sigma * noise
    for t in scheduler.timesteps:
        eps = unet(scheduler.scale_model_input(x, t), t, context)
        x = scheduler.step(eps, t, x).prev_sample

What a scheduler is given, a network of Stable Diffusion's kind predicted: its noise, or its velocity
(`prediction`). Coefficients are Python floats, so a scheduler works wherever x is, and in x's dtype.
diffusers' schedulers of the same names, with `timestep_spacing="trailing"`, give the same numbers.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor

__all__ = ["DDIM", "Euler", "Heun", "Scheduler", "Step"]

Prediction = Literal["eps", "v"]


@dataclass(frozen=True)
class Step:
    """What a step leads to; called so because it is what stood before, when noise was added."""

    prev_sample: Float[Tensor, "B ..."]


class Scheduler:
    """What the three share.

    alphas_cumprod   the schedule that the network was trained with, [T]
    prediction       what the network predicts: "eps", the noise, or "v", sqrt(abar) noise - sqrt(1 - abar) x0

    timesteps         after `set_timesteps(n)`: int64, falling, the first is T - 1
    init_noise_sigma  the standard deviation that the first sample has to have

    Raises ValueError for another prediction.
    """

    init_noise_sigma: float = 1.0
    timesteps: Int[Tensor, " calls"]

    def __init__(self, alphas_cumprod: Float[Tensor, " T"], prediction: Prediction = "eps") -> None:
        if prediction not in ("eps", "v"):
            raise ValueError(f'prediction is "eps" or "v", not {prediction!r}')
        self._abar = [float(each) for each in alphas_cumprod]
        self._prediction = prediction

    def set_timesteps(self, steps: int) -> None:
        """Chooses `steps` timesteps, the last of each of so many equal parts of the schedule.

        Raises ValueError for fewer than one, or more than there are.
        """
        T = len(self._abar)
        if not 1 <= steps <= T:
            raise ValueError(f"{steps} steps were asked for; the schedule has {T}, so take from 1 to {T}")
        self.timesteps = torch.tensor([round(T * k / steps) - 1 for k in range(steps, 0, -1)])

    def scale_model_input(
        self, x: Float[Tensor, "B ..."], t: Int[Tensor, ""] | int
    ) -> Float[Tensor, "B ..."]:
        """x as the network is to see it at timestep t; a new tensor, or x itself."""
        return x

    def step(
        self, predicted: Float[Tensor, "B ..."], t: Int[Tensor, ""] | int, x: Float[Tensor, "B ..."]
    ) -> Step:
        """One step from timestep t to the next, given what the network predicted for the scaled x."""
        raise NotImplementedError


class DDIM(Scheduler):
    """Deterministic: Song et al., "Denoising Diffusion Implicit Models" (2021), equation 12 with eta = 0."""

    def step(
        self, predicted: Float[Tensor, "B ..."], t: Int[Tensor, ""] | int, x: Float[Tensor, "B ..."]
    ) -> Step:
        """As `Scheduler.step`."""
        after = self.timesteps[self.timesteps < int(t)]
        now, then = self._abar[int(t)], self._abar[int(after[0])] if len(after) else 1.0
        if self._prediction == "eps":
            eps = predicted
            x0 = (x - (1 - now) ** 0.5 * eps) / now**0.5
        else:
            x0 = now**0.5 * x - (1 - now) ** 0.5 * predicted
            eps = (1 - now) ** 0.5 * x + now**0.5 * predicted
        return Step(then**0.5 * x0 + (1 - then) ** 0.5 * eps)


class _Sigmas(Scheduler):
    """Schedulers that have x = x0 + sigma noise, so that noise grows and the picture never shrinks.

    Their first sample is sigma times unit noise, and what the network sees is divided by sqrt(sigma^2 + 1):
    then it
    is what it was trained with.
    """

    _sigmas: list[float]
    _calls: int

    def set_timesteps(self, steps: int) -> None:
        """As `Scheduler.set_timesteps`."""
        super().set_timesteps(steps)
        self._sigmas = [math.sqrt((1 - self._abar[t]) / self._abar[t]) for t in self.timesteps] + [0.0]
        self.init_noise_sigma = self._sigmas[0]

    def _sigma(self, t: Int[Tensor, ""] | int) -> float:
        abar = self._abar[int(t)]
        return math.sqrt((1 - abar) / abar)

    def scale_model_input(
        self, x: Float[Tensor, "B ..."], t: Int[Tensor, ""] | int
    ) -> Float[Tensor, "B ..."]:
        """x / sqrt(sigma^2 + 1): a new tensor."""
        return x / math.sqrt(self._sigma(t) ** 2 + 1)

    def _slope(self, predicted: Tensor, sigma: float, x: Tensor) -> Tensor:
        """The noise in x, which is the slope of x along sigma."""
        if self._prediction == "eps":
            return predicted
        root = math.sqrt(sigma**2 + 1)
        x0 = x / root**2 - sigma / root * predicted
        return (x - x0) / sigma


class Euler(_Sigmas):
    """Straight ahead along the slope: Karras et al. (2022), algorithm 2 without its correction."""

    def step(
        self, predicted: Float[Tensor, "B ..."], t: Int[Tensor, ""] | int, x: Float[Tensor, "B ..."]
    ) -> Step:
        """As `Scheduler.step`."""
        sigma = self._sigma(t)
        then = next(each for each in self._sigmas if each < sigma)
        return Step(x + (then - sigma) * self._slope(predicted, sigma, x))


class Heun(_Sigmas):
    """Along the mean of the slopes at both ends: Karras et al. (2022), algorithm 2.

    All timesteps but the first stand twice in `timesteps`, as each step asks the network at its end, too. So
    a step
    is two calls of `step`, and the object remembers the first until the second.
    """

    def set_timesteps(self, steps: int) -> None:
        """As `Scheduler.set_timesteps`; 2 * steps - 1 calls."""
        super().set_timesteps(steps)
        self.timesteps = torch.cat((self.timesteps[:1], self.timesteps[1:].repeat_interleave(2)))
        self._began: tuple[Tensor, Tensor, float] | None = None  # x, its slope, its sigma

    def step(
        self, predicted: Float[Tensor, "B ..."], t: Int[Tensor, ""] | int, x: Float[Tensor, "B ..."]
    ) -> Step:
        """As `Scheduler.step`; first to the end of the step, then to the same place by the better slope."""
        here = self._sigma(t)
        slope = self._slope(predicted, here, x)
        if self._began is None:
            then = next(each for each in self._sigmas if each < here)
            self._began = (x, slope, here) if then else None
            return Step(x + (then - here) * slope)
        start, first, sigma = self._began
        self._began = None
        return Step(start + (here - sigma) * (first + slope) / 2)
