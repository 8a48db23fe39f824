"""The course's schedulers: what each promises.

That their numbers are diffusers' is shown in tests/modules/stable_diffusion/test_oracles.py.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from course.lab import schedulers

ABAR = (1 - torch.linspace(0.00085**0.5, 0.012**0.5, 1000, dtype=torch.float64) ** 2).cumprod(0)
KINDS = [schedulers.DDIM, schedulers.Euler, schedulers.Heun]
each_kind = pytest.mark.parametrize("kind", KINDS)
X0 = torch.linspace(-1, 1, 24, dtype=torch.float64).view(1, 2, 3, 4)


def knows(x0: Tensor, prediction: str) -> Callable[[Tensor, int], Tensor]:
    """A network that sees one picture in everything: the noise is all that is not it."""

    def network(x: Tensor, t: int) -> Tensor:
        abar = ABAR[t]
        eps = (x - abar.sqrt() * x0) / (1 - abar).sqrt()
        return eps if prediction == "eps" else abar.sqrt() * eps - (1 - abar).sqrt() * x0

    return network


def drawn(
    kind: Any,
    network: Callable[[Tensor, int], Tensor],
    steps: int,
    prediction: str = "eps",
    first: float | None = None,
) -> Tensor:
    """`first` is the standard deviation of the first noise, in the place of the scheduler's own."""
    scheduler = kind(ABAR, prediction)
    scheduler.set_timesteps(steps)
    noise = torch.randn(X0.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    x = (first or scheduler.init_noise_sigma) * noise
    for t in scheduler.timesteps:
        x = scheduler.step(network(scheduler.scale_model_input(x, t), int(t)), t, x).prev_sample
    return x


@each_kind
@pytest.mark.parametrize("prediction", ["eps", "v"])
@pytest.mark.parametrize("steps", [1, 2, 7])
def test_a_network_that_knows_the_picture_gets_it(kind: Any, prediction: str, steps: int) -> None:
    torch.testing.assert_close(drawn(kind, knows(X0, prediction), steps, prediction), X0)


def test_euler_is_ddim_in_other_letters() -> None:
    """x / sqrt(abar) in the place of x, if the first noise is that, too."""

    def network(x: Tensor, t: int) -> Tensor:
        return torch.sin(2 * x + t / 300)

    one = drawn(schedulers.DDIM, network, 10)
    other = drawn(schedulers.Euler, network, 10, first=float(ABAR[-1]) ** -0.5)
    torch.testing.assert_close(one, other)


def test_heun_comes_nearer_with_as_many_steps() -> None:
    """Pictures that are normally distributed: the best guess of the noise is known."""

    def network(x: Tensor, t: int) -> Tensor:
        return (1 - ABAR[t]).sqrt() * x / (0.25 * ABAR[t] + 1 - ABAR[t])

    finest = drawn(schedulers.Euler, network, 1000)
    euler, heun = (
        (drawn(kind, network, 20) - finest).abs().max() for kind in (schedulers.Euler, schedulers.Heun)
    )
    assert heun < 0.7 * euler  # both take their last step, to no noise at all, straight ahead


@each_kind
def test_timesteps_fall_from_the_noisiest_and_all_calls_are_there(kind: Any) -> None:
    scheduler = kind(ABAR)
    scheduler.set_timesteps(20)
    times = scheduler.timesteps.tolist()
    assert scheduler.timesteps.dtype == torch.int64
    assert times == sorted(times, reverse=True)
    assert (times[0], times[-1], len(set(times))) == (999, 49, 20)
    assert len(times) == (39 if kind is schedulers.Heun else 20)


@each_kind
def test_what_the_network_sees_has_the_size_that_it_was_trained_with(kind: Any) -> None:
    scheduler = kind(ABAR)
    scheduler.set_timesteps(20)
    noise = torch.randn(1, 4, 64, 64, generator=torch.Generator().manual_seed(0))
    seen = scheduler.scale_model_input(scheduler.init_noise_sigma * noise, scheduler.timesteps[0])
    assert abs(float(seen.std()) - 1) < 0.02


@each_kind
@pytest.mark.parametrize("steps", [0, 1001])
def test_a_number_of_steps_that_there_is_not_is_refused(kind: Any, steps: int) -> None:
    with pytest.raises(ValueError, match=f"{steps} steps were asked for; the schedule has 1000"):
        kind(ABAR).set_timesteps(steps)


def test_another_prediction_is_refused() -> None:
    wrong: Any = "x0"
    with pytest.raises(ValueError, match='prediction is "eps" or "v", not \'x0\''):
        schedulers.DDIM(ABAR, wrong)


@each_kind
def test_it_keeps_the_dtype_of_what_it_is_given(kind: Any) -> None:
    scheduler = kind(ABAR)
    scheduler.set_timesteps(3)
    x = torch.ones(1, 2, 2, 2)
    for t in scheduler.timesteps:
        x = scheduler.step(scheduler.scale_model_input(x, t), t, x).prev_sample
        assert x.dtype == torch.float32


def test_heun_begins_anew_where_the_timesteps_are_set_again() -> None:
    scheduler = schedulers.Heun(ABAR)
    scheduler.set_timesteps(3)
    x = torch.ones(1, 1, 2, 2)
    first = scheduler.step(0.5 * x, scheduler.timesteps[0], x).prev_sample
    scheduler.set_timesteps(3)
    assert torch.equal(scheduler.step(0.5 * x, scheduler.timesteps[0], x).prev_sample, first)
