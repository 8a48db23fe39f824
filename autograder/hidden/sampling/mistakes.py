"""Known mistakes of the module `sampling`: code that students write, and what to tell them."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from autograder.testing import mistake


def _ends(abar: Tensor, t: int, t_next: int) -> tuple[float, float]:
    return float(abar[t]), float(abar[t_next]) if t_next >= 0 else 1.0


def _x0(xt: Tensor, eps: Tensor, now: float) -> Tensor:
    return (xt - (1 - now) ** 0.5 * eps) / now**0.5


# --- ddpm_step ------------------------------------------------------------------------------------------


@mistake(
    "ddpm_step",
    title="the variance multiplies the noise",
    hint="Noise that is multiplied by s has the standard deviation s. What you have computed is a variance: "
    "which function makes the one of the other?",
)
def ddpm_by_variance(
    xt: Tensor, eps: Tensor, t: int, t_next: int, noise: Tensor, alphas_cumprod: Tensor, clip: bool = False
) -> Tensor:
    now, after = _ends(alphas_cumprod, t, t_next)
    x0 = _x0(xt, eps, now).clamp(-1, 1) if clip else _x0(xt, eps, now)
    mean = (after**0.5 * (1 - now / after) * x0 + (now / after) ** 0.5 * (1 - after) * xt) / (1 - now)
    return mean + (1 - now / after) * (1 - after) / (1 - now) * noise


@mistake(
    "ddpm_step",
    title="beta itself is the variance",
    hint="That is the larger of the paper's two choices. Ours is the posterior's: beta times (1 - "
    "abar_next) / (1 - abar), and so 0 at the last step.",
)
def ddpm_fixed_large(
    xt: Tensor, eps: Tensor, t: int, t_next: int, noise: Tensor, alphas_cumprod: Tensor, clip: bool = False
) -> Tensor:
    now, after = _ends(alphas_cumprod, t, t_next)
    x0 = _x0(xt, eps, now).clamp(-1, 1) if clip else _x0(xt, eps, now)
    mean = (after**0.5 * (1 - now / after) * x0 + (now / after) ** 0.5 * (1 - after) * xt) / (1 - now)
    return mean + (1 - now / after) ** 0.5 * noise


@mistake(
    "ddpm_step",
    title="the last step ends at timestep 0 instead of the clean sample",
    hint="Call it with t = 0 and t_next = -1: does anything happen to xt? Where nothing is noisy any more, "
    "abar is 1, which no entry of the table is.",
)
def ddpm_stops_at_zero(
    xt: Tensor, eps: Tensor, t: int, t_next: int, noise: Tensor, alphas_cumprod: Tensor, clip: bool = False
) -> Tensor:
    now, after = _ends(alphas_cumprod, t, max(t_next, 0))
    x0 = _x0(xt, eps, now).clamp(-1, 1) if clip else _x0(xt, eps, now)
    mean = (after**0.5 * (1 - now / after) * x0 + (now / after) ** 0.5 * (1 - after) * xt) / (1 - now)
    return mean + ((1 - now / after) * (1 - after) / (1 - now)) ** 0.5 * noise


@mistake(
    "ddpm_step",
    title="a jump has the beta of a single timestep",
    hint="Over several timesteps more noise was added than over the last of them. The share that the whole "
    "jump leaves is abar_t / abar_next.",
)
def ddpm_beta_of_one_step(
    xt: Tensor, eps: Tensor, t: int, t_next: int, noise: Tensor, alphas_cumprod: Tensor, clip: bool = False
) -> Tensor:
    now, after = _ends(alphas_cumprod, t, t_next)
    x0 = _x0(xt, eps, now).clamp(-1, 1) if clip else _x0(xt, eps, now)
    alpha = now / (float(alphas_cumprod[t - 1]) if t > 0 else 1.0)
    mean = (after**0.5 * (1 - alpha) * x0 + alpha**0.5 * (1 - after) * xt) / (1 - now)
    return mean + ((1 - alpha) * (1 - after) / (1 - now)) ** 0.5 * noise


@mistake(
    "ddpm_step",
    title="at the last step the table is read from its end",
    hint="alphas_cumprod[-1] is Python's way to say the last entry, which is the noisiest. What should "
    "stand there for a sample without noise?",
)
def ddpm_wraps(
    xt: Tensor, eps: Tensor, t: int, t_next: int, noise: Tensor, alphas_cumprod: Tensor, clip: bool = False
) -> Tensor:
    now, after = alphas_cumprod[t], alphas_cumprod[t_next]
    x0 = (xt - (1 - now).sqrt().to(xt.dtype) * eps) / now.sqrt().to(xt.dtype)
    if clip:
        x0 = x0.clamp(-1, 1)
    alpha = now / after
    of_x0, of_xt = after.sqrt() * (1 - alpha) / (1 - now), alpha.sqrt() * (1 - after) / (1 - now)
    deviation = ((1 - alpha) * (1 - after) / (1 - now)).sqrt()
    return of_x0.to(xt.dtype) * x0 + of_xt.to(xt.dtype) * xt + deviation.to(xt.dtype) * noise


@mistake(
    "ddpm_step",
    title="the factors of x0 and xt are exchanged",
    hint="Make the step tiny: then nearly all of the mean must come from xt, as nothing has happened. Which "
    "of your two factors becomes 1?",
)
def ddpm_factors_exchanged(
    xt: Tensor, eps: Tensor, t: int, t_next: int, noise: Tensor, alphas_cumprod: Tensor, clip: bool = False
) -> Tensor:
    now, after = _ends(alphas_cumprod, t, t_next)
    x0 = _x0(xt, eps, now).clamp(-1, 1) if clip else _x0(xt, eps, now)
    mean = (after**0.5 * (1 - now / after) * xt + (now / after) ** 0.5 * (1 - after) * x0) / (1 - now)
    return mean + ((1 - now / after) * (1 - after) / (1 - now)) ** 0.5 * noise


@mistake(
    "ddpm_step",
    title="the noise stands where the clean sample should",
    hint="The posterior's mean mixes xt with x0. What the network gives you is eps: how do you get from one "
    "to the other?",
)
def ddpm_eps_for_x0(
    xt: Tensor, eps: Tensor, t: int, t_next: int, noise: Tensor, alphas_cumprod: Tensor, clip: bool = False
) -> Tensor:
    now, after = _ends(alphas_cumprod, t, t_next)
    x0 = eps.clamp(-1, 1) if clip else eps
    mean = (after**0.5 * (1 - now / after) * x0 + (now / after) ** 0.5 * (1 - after) * xt) / (1 - now)
    return mean + ((1 - now / after) * (1 - after) / (1 - now)) ** 0.5 * noise


@mistake(
    "ddpm_step",
    title="noise of its own is drawn",
    hint="Call it twice with the same arguments: the answers differ. The fresh noise is an argument, so "
    "that a walk can be repeated; nothing is drawn inside.",
)
def ddpm_own_noise(
    xt: Tensor, eps: Tensor, t: int, t_next: int, noise: Tensor, alphas_cumprod: Tensor, clip: bool = False
) -> Tensor:
    now, after = _ends(alphas_cumprod, t, t_next)
    x0 = _x0(xt, eps, now).clamp(-1, 1) if clip else _x0(xt, eps, now)
    mean = (after**0.5 * (1 - now / after) * x0 + (now / after) ** 0.5 * (1 - after) * xt) / (1 - now)
    return mean + ((1 - now / after) * (1 - after) / (1 - now)) ** 0.5 * torch.randn_like(xt)


@mistake(
    "ddpm_step",
    title="the old noise is kept whole, and fresh noise is added to it",
    hint="This is a step of DDIM with noise on top: too noisy for its timestep. DDPM's mean already has "
    "less of the old noise in it; it mixes x0 with xt.",
)
def ddpm_ddim_and_noise(
    xt: Tensor, eps: Tensor, t: int, t_next: int, noise: Tensor, alphas_cumprod: Tensor, clip: bool = False
) -> Tensor:
    now, after = _ends(alphas_cumprod, t, t_next)
    x0 = _x0(xt, eps, now).clamp(-1, 1) if clip else _x0(xt, eps, now)
    moved = after**0.5 * x0 + (1 - after) ** 0.5 * eps
    return moved + ((1 - now / after) * (1 - after) / (1 - now)) ** 0.5 * noise


@mistake(
    "ddpm_step",
    title="clip limits the answer instead of the predicted clean sample",
    hint="On the way a sample is noisy, and noise reaches beyond 1. Only the clean sample is known to lie "
    "between -1 and 1: where in your lines is that?",
)
def ddpm_answer_clipped(
    xt: Tensor, eps: Tensor, t: int, t_next: int, noise: Tensor, alphas_cumprod: Tensor, clip: bool = False
) -> Tensor:
    now, after = _ends(alphas_cumprod, t, t_next)
    x0 = _x0(xt, eps, now)
    mean = (after**0.5 * (1 - now / after) * x0 + (now / after) ** 0.5 * (1 - after) * xt) / (1 - now)
    out = mean + ((1 - now / after) * (1 - after) / (1 - now)) ** 0.5 * noise
    return out.clamp(-1, 1) if clip else out


@mistake(
    "ddpm_step",
    title="the predicted clean sample is always limited",
    hint="clip is False unless somebody asks for it: latents and points in the plane reach well beyond 1. "
    "Does your function look at the argument?",
)
def ddpm_always_clipped(
    xt: Tensor, eps: Tensor, t: int, t_next: int, noise: Tensor, alphas_cumprod: Tensor, clip: bool = False
) -> Tensor:
    now, after = _ends(alphas_cumprod, t, t_next)
    x0 = _x0(xt, eps, now).clamp(-1, 1)
    mean = (after**0.5 * (1 - now / after) * x0 + (now / after) ** 0.5 * (1 - after) * xt) / (1 - now)
    return mean + ((1 - now / after) * (1 - after) / (1 - now)) ** 0.5 * noise


@mistake(
    "ddpm_step",
    title="the clean sample is computed without roots",
    hint="abar and 1 - abar are variances, and what multiplies a sample is a standard deviation. Noise "
    "something of your own with q_sample and see whether it comes back.",
)
def ddpm_no_roots(
    xt: Tensor, eps: Tensor, t: int, t_next: int, noise: Tensor, alphas_cumprod: Tensor, clip: bool = False
) -> Tensor:
    now, after = _ends(alphas_cumprod, t, t_next)
    x0 = (xt - (1 - now) * eps) / now
    if clip:
        x0 = x0.clamp(-1, 1)
    mean = (after**0.5 * (1 - now / after) * x0 + (now / after) ** 0.5 * (1 - after) * xt) / (1 - now)
    return mean + ((1 - now / after) * (1 - after) / (1 - now)) ** 0.5 * noise


@mistake(
    "ddpm_step",
    title="no gradient gets through a step",
    hint="@torch.no_grad() above a step cuts the way back for everybody who builds on it. The loop around "
    "the steps is its place, or the caller.",
    only_hidden=True,
)
@torch.no_grad()
def ddpm_without_gradient(
    xt: Tensor, eps: Tensor, t: int, t_next: int, noise: Tensor, alphas_cumprod: Tensor, clip: bool = False
) -> Tensor:
    now, after = _ends(alphas_cumprod, t, t_next)
    x0 = _x0(xt, eps, now).clamp(-1, 1) if clip else _x0(xt, eps, now)
    mean = (after**0.5 * (1 - now / after) * x0 + (now / after) ** 0.5 * (1 - after) * xt) / (1 - now)
    return mean + ((1 - now / after) * (1 - after) / (1 - now)) ** 0.5 * noise


# --- sample ---------------------------------------------------------------------------------------------

_Model = Callable[..., Tensor]


@mistake(
    "sample",
    title="the timesteps are gone through from the last to the first",
    hint="Print t at each turn of your loop. The list falls: its first entry is the noisiest, and there x "
    "stands when the loop begins.",
)
def sampled_rising(model: _Model, x: Tensor, timesteps: list[int], step: _Model) -> Tensor:
    with torch.no_grad():
        rising = sorted(timesteps)
        for t, t_next in zip(rising, [*rising[1:], -1], strict=True):
            x = step(x, model(x, torch.full((len(x),), t, device=x.device)), t, t_next)
    return x


@mistake(
    "sample",
    title="the model is told a bare int",
    hint="Print type(t) and t's shape where you call the model: it wants a tensor with a timestep for each "
    "sample, [B], of whole numbers. step is the one that wants ints.",
)
def told_an_int(model: _Model, x: Tensor, timesteps: list[int], step: _Model) -> Tensor:
    with torch.no_grad():
        for t, t_next in zip(timesteps, [*timesteps[1:], -1], strict=True):
            x = step(x, model(x, t), t, t_next)
    return x


@mistake(
    "sample",
    title="the last step is left out",
    hint="Pairs of neighbours are one fewer than the timesteps. What comes after the last one has no entry "
    "in the list: the clean sample, -1.",
)
def last_step_left_out(model: _Model, x: Tensor, timesteps: list[int], step: _Model) -> Tensor:
    with torch.no_grad():
        for t, t_next in pairwise(timesteps):
            x = step(x, model(x, torch.full((len(x),), t, device=x.device)), t, t_next)
    return x


@mistake(
    "sample",
    title="every step goes down by one timestep",
    hint="Print where each step leads for the list 9, 5, 0. After 9 the model is asked at 5, so that is "
    "where the first step has to arrive.",
)
def down_by_one(model: _Model, x: Tensor, timesteps: list[int], step: _Model) -> Tensor:
    with torch.no_grad():
        for t in timesteps:
            x = step(x, model(x, torch.full((len(x),), t, device=x.device)), t, t - 1)
    return x


@mistake(
    "sample",
    title="the model is asked once, about the noise at the start",
    hint="Which x is your eps about? After a step x is another, and so is the noise in it: the model is to "
    "be asked again, in the loop.",
)
def asked_once(model: _Model, x: Tensor, timesteps: list[int], step: _Model) -> Tensor:
    with torch.no_grad():
        eps = model(x, torch.full((len(x),), timesteps[0], device=x.device))
        for t, t_next in zip(timesteps, [*timesteps[1:], -1], strict=True):
            x = step(x, eps, t, t_next)
    return x


@mistake(
    "sample",
    title="the model is always asked about the noise at the start",
    hint="Print what goes into the model at the second turn: it should be what the first step gave. Does "
    "the result of a step take the place of x?",
)
def asked_about_the_start(model: _Model, x: Tensor, timesteps: list[int], step: _Model) -> Tensor:
    now = x
    with torch.no_grad():
        for t, t_next in zip(timesteps, [*timesteps[1:], -1], strict=True):
            now = step(now, model(x, torch.full((len(x),), t, device=x.device)), t, t_next)
    return now


@mistake(
    "sample",
    title="the walk starts from noise of its own",
    hint="Call it twice with the same x: the answers differ. Where the walk starts is an argument, so that "
    "the same noise can be given to another sampler.",
)
def own_start(model: _Model, x: Tensor, timesteps: list[int], step: _Model) -> Tensor:
    x = torch.randn_like(x)
    with torch.no_grad():
        for t, t_next in zip(timesteps, [*timesteps[1:], -1], strict=True):
            x = step(x, model(x, torch.full((len(x),), t, device=x.device)), t, t_next)
    return x


@mistake(
    "sample",
    title="the model is told the timestep that it goes to",
    hint="The model is shown x as it is now, and is told how noisy that is: t, not t_next. Print both "
    "beside what the model is told.",
)
def told_where_it_goes(model: _Model, x: Tensor, timesteps: list[int], step: _Model) -> Tensor:
    with torch.no_grad():
        for t, t_next in zip(timesteps, [*timesteps[1:], -1], strict=True):
            x = step(x, model(x, torch.full((len(x),), max(t_next, 0), device=x.device)), t, t_next)
    return x


@mistake(
    "sample",
    title="x is written to",
    hint="Print x before and after a call: the noise is gone, and the next sampler starts from a picture. "
    "`x[...] = ` and copy_ write into what you were given; `x = ` does not.",
)
def start_written_to(model: _Model, x: Tensor, timesteps: list[int], step: _Model) -> Tensor:
    with torch.no_grad():
        for t, t_next in zip(timesteps, [*timesteps[1:], -1], strict=True):
            x.copy_(step(x, model(x, torch.full((len(x),), t, device=x.device)), t, t_next))
    return x.clone()


@mistake(
    "sample",
    title="every step of the way is kept for gradients",
    hint="Print .requires_grad of the result. With fifty calls of a large network in one graph, memory is "
    "full long before there is a picture: which context says that no gradient is wanted?",
)
def graph_kept(model: _Model, x: Tensor, timesteps: list[int], step: _Model) -> Tensor:
    for t, t_next in zip(timesteps, [*timesteps[1:], -1], strict=True):
        x = step(x, model(x, torch.full((len(x),), t, device=x.device)), t, t_next)
    return x


# --- ddim_timesteps -------------------------------------------------------------------------------------


@mistake(
    "ddim_timesteps",
    title="evenly spaced from the last timestep to 0, both included",
    hint="That is a third spacing, `linspace`. Of 1000 and 20, leading has the stride 50 and begins at 950; "
    "trailing begins at 999 and ends at 49.",
)
def both_ends(T: int, n: int, spacing: str = "leading") -> list[int]:
    if spacing not in ("leading", "trailing"):
        raise ValueError(spacing)
    return [round((T - 1) * k / max(n - 1, 1)) for k in range(n - 1, -1, -1)]


@mistake(
    "ddim_timesteps",
    title="they rise",
    hint="A sampler begins where all is noise. Print the first and the last of your list: the larger one "
    "should come first.",
)
def times_rising(T: int, n: int, spacing: str = "leading") -> list[int]:
    if spacing == "leading":
        return [T // n * k for k in range(n)]
    if spacing == "trailing":
        return [round(T * k / n) - 1 for k in range(1, n + 1)]
    raise ValueError(spacing)


@mistake(
    "ddim_timesteps",
    title="leading has a stride that is no whole number",
    hint="Try T = 10 and n = 3: the stride is 3, a whole number, and the timesteps are its multiples. Where "
    "do you round down, before or after you multiply?",
)
def broken_stride(T: int, n: int, spacing: str = "leading") -> list[int]:
    if spacing == "leading":
        return [int(T / n * k) for k in reversed(range(n))]
    if spacing == "trailing":
        return [round(T * k / n) - 1 for k in range(n, 0, -1)]
    raise ValueError(spacing)


@mistake(
    "ddim_timesteps",
    title="leading is moved up by one",
    hint="Stable Diffusion's own configuration adds 1 (`steps_offset`). Here leading ends at 0, the least "
    "noisy timestep; print the last of your list.",
)
def moved_by_one(T: int, n: int, spacing: str = "leading") -> list[int]:
    if spacing == "leading":
        return [T // n * k + 1 for k in reversed(range(n))]
    if spacing == "trailing":
        return [round(T * k / n) - 1 for k in range(n, 0, -1)]
    raise ValueError(spacing)


@mistake(
    "ddim_timesteps",
    title="trailing counts from 1",
    hint="There are T timesteps, and the last one is T - 1. What does your list begin with for T = 10? The "
    "table has no entry there.",
)
def trailing_from_one(T: int, n: int, spacing: str = "leading") -> list[int]:
    if spacing == "leading":
        return [T // n * k for k in reversed(range(n))]
    if spacing == "trailing":
        return [round(T * k / n) for k in range(n, 0, -1)]
    raise ValueError(spacing)


@mistake(
    "ddim_timesteps",
    title="one too many where n does not divide T",
    hint="range(0, T, stride) has as many entries as fit below T, and for T = 10 and a stride of 3 that is "
    "one more than 3. Count what comes out.",
)
def as_many_as_fit(T: int, n: int, spacing: str = "leading") -> list[int]:
    if spacing == "leading":
        return list(range(0, T, T // n))[::-1]
    if spacing == "trailing":
        return [round(T * k / n) - 1 for k in range(n, 0, -1)]
    raise ValueError(spacing)


@mistake(
    "ddim_timesteps",
    title="the spacing is not looked at",
    hint="Call it with both spacings and compare: the lists should differ. The argument says which of the "
    "two formulas is wanted.",
)
def spacing_ignored(T: int, n: int, spacing: str = "leading") -> list[int]:
    if spacing not in ("leading", "trailing"):
        raise ValueError(spacing)
    return [T // n * k for k in reversed(range(n))]


@mistake(
    "ddim_timesteps",
    title="trailing goes down by a stride that was rounded before",
    hint="Try T = 10 and n = 3: 9, 6, 2. For trailing T * k / n is rounded at the end, each timestep by "
    "itself, so that no error piles up.",
)
def trailing_by_strides(T: int, n: int, spacing: str = "leading") -> list[int]:
    if spacing == "leading":
        return [T // n * k for k in reversed(range(n))]
    if spacing == "trailing":
        return [T - 1 - T // n * k for k in range(n)]
    raise ValueError(spacing)


@mistake(
    "ddim_timesteps",
    title="a spacing that does not exist is taken for trailing",
    hint="Call it with spacing='linspace': whoever mistypes a word wants to be told, and not to get other "
    "pictures. The docstring names the exception.",
)
def no_word_about_it(T: int, n: int, spacing: str = "leading") -> list[int]:
    if spacing == "leading":
        return [T // n * k for k in reversed(range(n))]
    return [round(T * k / n) - 1 for k in range(n, 0, -1)]


@mistake(
    "ddim_timesteps",
    title="a tensor comes back instead of a list of ints",
    hint="Print type(...) of the answer and of its first entry. A loop over a tensor gives tensors, and "
    "`t_next >= 0` or a list's `+` then mean something else; .tolist() makes ints.",
)
def times_in_a_tensor(T: int, n: int, spacing: str = "leading") -> Tensor:
    if spacing == "leading":
        return torch.arange(n - 1, -1, -1) * (T // n)
    if spacing == "trailing":
        return torch.arange(n, 0, -1).mul(T / n).round().long() - 1
    raise ValueError(spacing)


# --- ddim_step ------------------------------------------------------------------------------------------


def _fresh(now: float, after: float, eta: float) -> float:
    return eta**2 * (1 - after) / (1 - now) * (1 - now / after)


@mistake(
    "ddim_step",
    title="after clipping the noise is still that of before",
    hint="Put the limited x0 and eps together again at timestep t: is it xt? If not, a part of xt is "
    "counted in neither, step by step, until pictures turn into their negatives.",
    stakes="trap",
)
def stale_noise(
    xt: Tensor,
    eps: Tensor,
    t: int,
    t_next: int,
    alphas_cumprod: Tensor,
    eta: float = 0.0,
    noise: Tensor | None = None,
    clip: bool = False,
) -> Tensor:
    now, after = _ends(alphas_cumprod, t, t_next)
    x0 = _x0(xt, eps, now)
    if clip:
        x0 = x0.clamp(-1, 1)
    fresh = _fresh(now, after, eta)
    out = after**0.5 * x0 + max(1 - after - fresh, 0) ** 0.5 * eps
    return out if noise is None else out + fresh**0.5 * noise


@mistake(
    "ddim_step",
    title="the old noise makes no room for the fresh noise",
    hint="At t_next all noise together has the variance 1 - abar_next. If the fresh noise takes a part of "
    "that, what is left for the old noise?",
)
def no_room(
    xt: Tensor,
    eps: Tensor,
    t: int,
    t_next: int,
    alphas_cumprod: Tensor,
    eta: float = 0.0,
    noise: Tensor | None = None,
    clip: bool = False,
) -> Tensor:
    now, after = _ends(alphas_cumprod, t, t_next)
    x0 = _x0(xt, eps, now)
    if clip:
        x0 = x0.clamp(-1, 1)
        eps = (xt - now**0.5 * x0) / (1 - now) ** 0.5
    out = after**0.5 * x0 + (1 - after) ** 0.5 * eps
    return out if noise is None else out + _fresh(now, after, eta) ** 0.5 * noise


@mistake(
    "ddim_step",
    title="eta multiplies the variance",
    hint="eta = 0.5 is to halve the standard deviation of the fresh noise, and so to quarter its variance. "
    "Which of the two do you multiply?",
)
def eta_not_squared(
    xt: Tensor,
    eps: Tensor,
    t: int,
    t_next: int,
    alphas_cumprod: Tensor,
    eta: float = 0.0,
    noise: Tensor | None = None,
    clip: bool = False,
) -> Tensor:
    now, after = _ends(alphas_cumprod, t, t_next)
    x0 = _x0(xt, eps, now)
    if clip:
        x0 = x0.clamp(-1, 1)
        eps = (xt - now**0.5 * x0) / (1 - now) ** 0.5
    fresh = eta * (1 - after) / (1 - now) * (1 - now / after)
    out = after**0.5 * x0 + max(1 - after - fresh, 0) ** 0.5 * eps
    return out if noise is None else out + fresh**0.5 * noise


@mistake(
    "ddim_step",
    title="as much of the old noise as there was at t",
    hint="The sample moves to t_next, and both of its parts get the factors of t_next. Which of yours are "
    "still those of t?",
)
def noise_of_before(
    xt: Tensor,
    eps: Tensor,
    t: int,
    t_next: int,
    alphas_cumprod: Tensor,
    eta: float = 0.0,
    noise: Tensor | None = None,
    clip: bool = False,
) -> Tensor:
    now, after = _ends(alphas_cumprod, t, t_next)
    x0 = _x0(xt, eps, now)
    if clip:
        x0 = x0.clamp(-1, 1)
        eps = (xt - now**0.5 * x0) / (1 - now) ** 0.5
    fresh = _fresh(now, after, eta)
    out = after**0.5 * x0 + max(1 - now - fresh, 0) ** 0.5 * eps
    return out if noise is None else out + fresh**0.5 * noise


@mistake(
    "ddim_step",
    title="at -1 the table is read from its end",
    hint="alphas_cumprod[-1] is the last entry, nearly nothing but noise. Call it with t = 0 and t_next = "
    "-1: what should abar be where no noise is left?",
)
def ddim_wraps(
    xt: Tensor,
    eps: Tensor,
    t: int,
    t_next: int,
    alphas_cumprod: Tensor,
    eta: float = 0.0,
    noise: Tensor | None = None,
    clip: bool = False,
) -> Tensor:
    now, after = float(alphas_cumprod[t]), float(alphas_cumprod[t_next])
    x0 = _x0(xt, eps, now)
    if clip:
        x0 = x0.clamp(-1, 1)
        eps = (xt - now**0.5 * x0) / (1 - now) ** 0.5
    fresh = max(_fresh(now, after, eta), 0)
    out = after**0.5 * x0 + max(1 - after - fresh, 0) ** 0.5 * eps
    return out if noise is None else out + fresh**0.5 * noise


@mistake(
    "ddim_step",
    title="clip limits what comes out, not the clean sample",
    hint="What comes out is noisy, and noise may reach beyond 1. It is the predicted clean sample that is "
    "limited, before anything is put together.",
)
def ddim_answer_clipped(
    xt: Tensor,
    eps: Tensor,
    t: int,
    t_next: int,
    alphas_cumprod: Tensor,
    eta: float = 0.0,
    noise: Tensor | None = None,
    clip: bool = False,
) -> Tensor:
    now, after = _ends(alphas_cumprod, t, t_next)
    fresh = _fresh(now, after, eta)
    out = after**0.5 * _x0(xt, eps, now) + max(1 - after - fresh, 0) ** 0.5 * eps
    out = out if noise is None else out + fresh**0.5 * noise
    return out.clamp(-1, 1) if clip else out


@mistake(
    "ddim_step",
    title="the fresh noise is multiplied by its variance",
    hint="The formula of the docstring is a standard deviation, with a root over all of it. Print yours for "
    "eta = 1 beside the formula's.",
)
def ddim_by_variance(
    xt: Tensor,
    eps: Tensor,
    t: int,
    t_next: int,
    alphas_cumprod: Tensor,
    eta: float = 0.0,
    noise: Tensor | None = None,
    clip: bool = False,
) -> Tensor:
    now, after = _ends(alphas_cumprod, t, t_next)
    x0 = _x0(xt, eps, now)
    if clip:
        x0 = x0.clamp(-1, 1)
        eps = (xt - now**0.5 * x0) / (1 - now) ** 0.5
    fresh = _fresh(now, after, eta)
    out = after**0.5 * x0 + max(1 - after - fresh, 0) ** 0.5 * eps
    return out if noise is None else out + fresh * noise


@mistake(
    "ddim_step",
    title="clip is not looked at",
    hint="Give it a sample whose predicted x0 is 3, and clip=True: the answer should be that of a predicted "
    "x0 of 1. Where do you use the argument?",
)
def clip_ignored(
    xt: Tensor,
    eps: Tensor,
    t: int,
    t_next: int,
    alphas_cumprod: Tensor,
    eta: float = 0.0,
    noise: Tensor | None = None,
    clip: bool = False,
) -> Tensor:
    now, after = _ends(alphas_cumprod, t, t_next)
    fresh = _fresh(now, after, eta)
    out = after**0.5 * _x0(xt, eps, now) + max(1 - after - fresh, 0) ** 0.5 * eps
    return out if noise is None else out + fresh**0.5 * noise


@mistake(
    "ddim_step",
    title="fresh noise is drawn where none is given",
    hint="noise=None counts as zeros, so that the same call gives the same answer. Whoever wants fresh "
    "noise brings it along.",
)
def drawn_inside(
    xt: Tensor,
    eps: Tensor,
    t: int,
    t_next: int,
    alphas_cumprod: Tensor,
    eta: float = 0.0,
    noise: Tensor | None = None,
    clip: bool = False,
) -> Tensor:
    now, after = _ends(alphas_cumprod, t, t_next)
    x0 = _x0(xt, eps, now)
    if clip:
        x0 = x0.clamp(-1, 1)
        eps = (xt - now**0.5 * x0) / (1 - now) ** 0.5
    fresh = _fresh(now, after, eta)
    out = after**0.5 * x0 + max(1 - after - fresh, 0) ** 0.5 * eps
    return out + fresh**0.5 * (torch.randn_like(xt) if noise is None else noise)


@mistake(
    "ddim_step",
    title="without noise eta has no effect",
    hint="noise=None counts as zeros: with eta above 0 a part of the old noise makes room all the same, and "
    "nothing takes its place. Try eta = 1 and no noise.",
)
def no_noise_no_eta(
    xt: Tensor,
    eps: Tensor,
    t: int,
    t_next: int,
    alphas_cumprod: Tensor,
    eta: float = 0.0,
    noise: Tensor | None = None,
    clip: bool = False,
) -> Tensor:
    now, after = _ends(alphas_cumprod, t, t_next)
    x0 = _x0(xt, eps, now)
    if clip:
        x0 = x0.clamp(-1, 1)
        eps = (xt - now**0.5 * x0) / (1 - now) ** 0.5
    if noise is None:
        return after**0.5 * x0 + (1 - after) ** 0.5 * eps
    fresh = _fresh(now, after, eta)
    return after**0.5 * x0 + max(1 - after - fresh, 0) ** 0.5 * eps + fresh**0.5 * noise


@mistake(
    "ddim_step",
    title="gradients end at the step",
    hint="@torch.no_grad() above a step, or .detach() in it, cuts the way back. Guidance by a gradient, and "
    "training through a few steps, both need it.",
    only_hidden=True,
)
@torch.no_grad()
def ddim_without_gradient(
    xt: Tensor,
    eps: Tensor,
    t: int,
    t_next: int,
    alphas_cumprod: Tensor,
    eta: float = 0.0,
    noise: Tensor | None = None,
    clip: bool = False,
) -> Tensor:
    now, after = _ends(alphas_cumprod, t, t_next)
    x0 = _x0(xt, eps, now)
    if clip:
        x0 = x0.clamp(-1, 1)
        eps = (xt - now**0.5 * x0) / (1 - now) ** 0.5
    fresh = _fresh(now, after, eta)
    out = after**0.5 * x0 + max(1 - after - fresh, 0) ** 0.5 * eps
    return out if noise is None else out + fresh**0.5 * noise


# --- ddim_invert ----------------------------------------------------------------------------------------


def _moved(x: Tensor, eps: Tensor, now: float, after: float) -> Tensor:
    return after**0.5 * _x0(x, eps, now) + (1 - after) ** 0.5 * eps


@mistake(
    "ddim_invert",
    title="the model is told where the sample is",
    hint="Nearly as good, and another convention than diffusers' and the docstring's: the model is told the "
    "timestep that the step leads to. At the first step there is no other, either.",
)
def told_where_it_is(model: _Model, x0: Tensor, timesteps: list[int], alphas_cumprod: Tensor) -> Tensor:
    x, t = x0, -1
    with torch.no_grad():
        for t_next in timesteps[::-1]:
            eps = model(x, torch.full((len(x),), max(t, 0), device=x.device))
            x = _moved(x, eps, float(alphas_cumprod[t]) if t >= 0 else 1.0, float(alphas_cumprod[t_next]))
            t = t_next
    return x


@mistake(
    "ddim_invert",
    title="the clean sample is taken for one at the last timestep",
    hint="Count the calls of the model: one for each timestep. The first step leads from the clean sample, "
    "where abar is 1, to the last timestep of the list.",
)
def first_step_left_out(model: _Model, x0: Tensor, timesteps: list[int], alphas_cumprod: Tensor) -> Tensor:
    x, rising = x0 + 0, timesteps[::-1]
    with torch.no_grad():
        for t, t_next in pairwise(rising):
            eps = model(x, torch.full((len(x),), t_next, device=x.device))
            x = _moved(x, eps, *_ends(alphas_cumprod, t, t_next))
    return x


@mistake(
    "ddim_invert",
    title="the timesteps are gone through from the noisiest down",
    hint="Print the timesteps in the order in which you meet them. The clean sample becomes a little noisy "
    "first: the list is the sampler's, and here it is read from its end.",
)
def inverted_falling(model: _Model, x0: Tensor, timesteps: list[int], alphas_cumprod: Tensor) -> Tensor:
    x, t = x0, -1
    with torch.no_grad():
        for t_next in timesteps:
            eps = model(x, torch.full((len(x),), t_next, device=x.device))
            x = _moved(x, eps, float(alphas_cumprod[t]) if t >= 0 else 1.0, float(alphas_cumprod[t_next]))
            t = t_next
    return x


@mistake(
    "ddim_invert",
    title="the clean sample is taken for the noisiest",
    hint="At the first step t is -1, and alphas_cumprod[-1] is the last entry of the table. What is abar of "
    "a sample without noise?",
)
def invert_wraps(model: _Model, x0: Tensor, timesteps: list[int], alphas_cumprod: Tensor) -> Tensor:
    x, t = x0, -1
    with torch.no_grad():
        for t_next in timesteps[::-1]:
            eps = model(x, torch.full((len(x),), t_next, device=x.device))
            x = _moved(x, eps, float(alphas_cumprod[t]), float(alphas_cumprod[t_next]))
            t = t_next
    return x


@mistake(
    "ddim_invert",
    title="the model is asked about the clean sample at each step",
    hint="Print what goes into the model at the second step: the sample as the first step has left it, and "
    "not x0 once more.",
)
def always_about_x0(model: _Model, x0: Tensor, timesteps: list[int], alphas_cumprod: Tensor) -> Tensor:
    x, t = x0, -1
    with torch.no_grad():
        for t_next in timesteps[::-1]:
            eps = model(x0, torch.full((len(x),), t_next, device=x.device))
            x = _moved(x, eps, float(alphas_cumprod[t]) if t >= 0 else 1.0, float(alphas_cumprod[t_next]))
            t = t_next
    return x


@mistake(
    "ddim_invert",
    title="the predicted clean sample is limited to -1 ... 1",
    hint="Nothing was said of clip here. What is cut off on the way up is missing on the way down; try it "
    "on a sample that reaches to 3.",
)
def invert_clipped(model: _Model, x0: Tensor, timesteps: list[int], alphas_cumprod: Tensor) -> Tensor:
    x, now = x0, 1.0
    with torch.no_grad():
        for t_next in timesteps[::-1]:
            eps = model(x, torch.full((len(x),), t_next, device=x.device))
            after = float(alphas_cumprod[t_next])
            x, now = after**0.5 * _x0(x, eps, now).clamp(-1, 1) + (1 - after) ** 0.5 * eps, after
    return x


@mistake(
    "ddim_invert",
    title="noise is drawn instead of asked for",
    hint="Call it twice: the answers differ. That is q_sample, and a sampler comes back to some other "
    "sample from there; the way back to this one has the noise that the model sees in it.",
)
def noised_by_chance(model: _Model, x0: Tensor, timesteps: list[int], alphas_cumprod: Tensor) -> Tensor:
    abar = float(alphas_cumprod[timesteps[0]])
    return abar**0.5 * x0 + (1 - abar) ** 0.5 * torch.randn_like(x0)


@mistake(
    "ddim_invert",
    title="the whole way up is kept for gradients",
    hint="Print .requires_grad of the result, for a model with parameters. Every call of the network stays "
    "in memory for a backward pass that nobody will make.",
)
def invert_graph_kept(model: _Model, x0: Tensor, timesteps: list[int], alphas_cumprod: Tensor) -> Tensor:
    x, t = x0, -1
    for t_next in timesteps[::-1]:
        eps = model(x, torch.full((len(x),), t_next, device=x.device))
        x = _moved(x, eps, float(alphas_cumprod[t]) if t >= 0 else 1.0, float(alphas_cumprod[t_next]))
        t = t_next
    return x


# --- dpm_solver_step ------------------------------------------------------------------------------------


def _level(abar: Tensor, t: int) -> float:
    now = float(abar[t])
    return math.log(now / (1 - now)) / 2


def _arrive(xt: Tensor, D: Tensor, t: int, t_next: int, abar: Tensor) -> Tensor:
    now, after = float(abar[t]), float(abar[t_next])
    h = _level(abar, t_next) - _level(abar, t)
    return ((1 - after) / (1 - now)) ** 0.5 * xt - after**0.5 * math.expm1(-h) * D


@mistake(
    "dpm_solver_step",
    title="r is upside down",
    hint="r is the step before, measured in steps of now: (lambda_t - lambda_before) / h. With a long step "
    "before, the line is to be followed for a small part of it only.",
)
def r_upside_down(
    xt: Tensor,
    x0_now: Tensor,
    x0_before: Tensor | None,
    t_before: int | None,
    t: int,
    t_next: int,
    alphas_cumprod: Tensor,
) -> Tensor:
    if t_next < 0:
        return x0_now.clone()
    D = x0_now
    if x0_before is not None and t_before is not None:
        here = _level(alphas_cumprod, t)
        r = (_level(alphas_cumprod, t_next) - here) / (here - _level(alphas_cumprod, t_before))
        D = x0_now + (x0_now - x0_before) / (2 * r)
    return _arrive(xt, D, t, t_next, alphas_cumprod)


@mistake(
    "dpm_solver_step",
    title="the steps are measured in timesteps",
    hint="The solver's time is lambda, half the logarithm of the signal-to-noise ratio; that is where the "
    "curve is nearly a line. t_before - t says nothing of it.",
)
def r_in_timesteps(
    xt: Tensor,
    x0_now: Tensor,
    x0_before: Tensor | None,
    t_before: int | None,
    t: int,
    t_next: int,
    alphas_cumprod: Tensor,
) -> Tensor:
    if t_next < 0:
        return x0_now.clone()
    D = x0_now
    if x0_before is not None and t_before is not None:
        D = x0_now + (x0_now - x0_before) / (2 * (t_before - t) / (t - t_next))
    return _arrive(xt, D, t, t_next, alphas_cumprod)


@mistake(
    "dpm_solver_step",
    title="the line is followed to the end of the step",
    hint="Over the step the prediction changes from what it is now to what it will be. The middle of the "
    "step stands for all of it: where is the 2 of 2 r?",
)
def to_the_end_of_the_line(
    xt: Tensor,
    x0_now: Tensor,
    x0_before: Tensor | None,
    t_before: int | None,
    t: int,
    t_next: int,
    alphas_cumprod: Tensor,
) -> Tensor:
    if t_next < 0:
        return x0_now.clone()
    D = x0_now
    if x0_before is not None and t_before is not None:
        here = _level(alphas_cumprod, t)
        r = (here - _level(alphas_cumprod, t_before)) / (_level(alphas_cumprod, t_next) - here)
        D = x0_now + (x0_now - x0_before) / r
    return _arrive(xt, D, t, t_next, alphas_cumprod)


@mistake(
    "dpm_solver_step",
    title="the prediction of before is not used",
    hint="This is the first order, a step of DDIM. Call it with another x0_before: the answer should change.",
    stakes="trap",
)
def first_order_only(
    xt: Tensor,
    x0_now: Tensor,
    x0_before: Tensor | None,
    t_before: int | None,
    t: int,
    t_next: int,
    alphas_cumprod: Tensor,
) -> Tensor:
    return x0_now.clone() if t_next < 0 else _arrive(xt, x0_now, t, t_next, alphas_cumprod)


@mistake(
    "dpm_solver_step",
    title="lambda is the whole logarithm",
    hint="lambda is half the logarithm of abar / (1 - abar), the logarithm of a ratio of standard "
    "deviations. In r the half cancels; in exp(-h) it does not.",
)
def lambda_without_half(
    xt: Tensor,
    x0_now: Tensor,
    x0_before: Tensor | None,
    t_before: int | None,
    t: int,
    t_next: int,
    alphas_cumprod: Tensor,
) -> Tensor:
    if t_next < 0:
        return x0_now.clone()
    now, after = float(alphas_cumprod[t]), float(alphas_cumprod[t_next])
    here = 2 * _level(alphas_cumprod, t)
    h = 2 * _level(alphas_cumprod, t_next) - here
    D = x0_now
    if x0_before is not None and t_before is not None:
        r = (here - 2 * _level(alphas_cumprod, t_before)) / h
        D = x0_now + (x0_now - x0_before) / (2 * r)
    return ((1 - after) / (1 - now)) ** 0.5 * xt - after**0.5 * math.expm1(-h) * D


@mistake(
    "dpm_solver_step",
    title="the two predictions are exchanged",
    hint="The line leads on from the newer prediction, away from the older one. With x0_now = 2 and "
    "x0_before = 0, D should be beyond 2.",
)
def predictions_exchanged(
    xt: Tensor,
    x0_now: Tensor,
    x0_before: Tensor | None,
    t_before: int | None,
    t: int,
    t_next: int,
    alphas_cumprod: Tensor,
) -> Tensor:
    if t_next < 0:
        return x0_now.clone()
    D = x0_now
    if x0_before is not None and t_before is not None:
        here = _level(alphas_cumprod, t)
        r = (here - _level(alphas_cumprod, t_before)) / (_level(alphas_cumprod, t_next) - here)
        D = x0_before + (x0_before - x0_now) / (2 * r)
    return _arrive(xt, D, t, t_next, alphas_cumprod)


@mistake(
    "dpm_solver_step",
    title="the prediction is subtracted instead of added",
    hint="exp(-h) - 1 is negative, and a minus stands before it: the factor of D is positive. Try xt = 0 "
    "and see whether the answer has the sign of D.",
)
def sign_of_the_prediction(
    xt: Tensor,
    x0_now: Tensor,
    x0_before: Tensor | None,
    t_before: int | None,
    t: int,
    t_next: int,
    alphas_cumprod: Tensor,
) -> Tensor:
    if t_next < 0:
        return x0_now.clone()
    D = x0_now
    if x0_before is not None and t_before is not None:
        here = _level(alphas_cumprod, t)
        r = (here - _level(alphas_cumprod, t_before)) / (_level(alphas_cumprod, t_next) - here)
        D = x0_now + (x0_now - x0_before) / (2 * r)
    return _arrive(xt, -D, t, t_next, alphas_cumprod)


@mistake(
    "dpm_solver_step",
    title="the last step reads the table from its end",
    hint="Where no noise is left, lambda is infinite, and alphas_cumprod[-1] is the noisiest entry. The "
    "docstring says what comes out at t_next = -1.",
)
def dpm_wraps(
    xt: Tensor,
    x0_now: Tensor,
    x0_before: Tensor | None,
    t_before: int | None,
    t: int,
    t_next: int,
    alphas_cumprod: Tensor,
) -> Tensor:
    D = x0_now
    if x0_before is not None and t_before is not None:
        here = _level(alphas_cumprod, t)
        r = (here - _level(alphas_cumprod, t_before)) / (_level(alphas_cumprod, t_next) - here)
        D = x0_now + (x0_now - x0_before) / (2 * r)
    return _arrive(xt, D, t, t_next, alphas_cumprod)


@mistake(
    "dpm_solver_step",
    title="the first step, with nothing before it, is not provided for",
    hint="At the first step x0_before and t_before are None: there is no line yet, and D is x0_now. Ask "
    "`x0_before is None` before you subtract.",
)
def always_something_before(
    xt: Tensor,
    x0_now: Tensor,
    x0_before: Any,
    t_before: Any,
    t: int,
    t_next: int,
    alphas_cumprod: Tensor,
) -> Tensor:
    if t_next < 0:
        return x0_now.clone()
    here = _level(alphas_cumprod, t)
    r = (here - _level(alphas_cumprod, t_before)) / (_level(alphas_cumprod, t_next) - here)
    return _arrive(xt, x0_now + (x0_now - x0_before) / (2 * r), t, t_next, alphas_cumprod)


@mistake(
    "dpm_solver_step",
    title="at the end the prediction itself comes back, not a new tensor",
    hint="Write into what the last step has returned, and look at x0_now: it has changed, too. A new tensor "
    "is promised.",
    only_hidden=True,
    stakes="slip",
)
def prediction_itself(
    xt: Tensor,
    x0_now: Tensor,
    x0_before: Tensor | None,
    t_before: int | None,
    t: int,
    t_next: int,
    alphas_cumprod: Tensor,
) -> Tensor:
    if t_next < 0:
        return x0_now
    D = x0_now
    if x0_before is not None and t_before is not None:
        here = _level(alphas_cumprod, t)
        r = (here - _level(alphas_cumprod, t_before)) / (_level(alphas_cumprod, t_next) - here)
        D = x0_now + (x0_now - x0_before) / (2 * r)
    return _arrive(xt, D, t, t_next, alphas_cumprod)


# --- karras_sigmas and heun_step ------------------------------------------------------------------------


@mistake(
    "heun_step",
    title="the standard deviations rise",
    hint="A sampler begins with much noise. Print the first and the last number: sigma_max stands first, "
    "and 0 last.",
    defines="karras_sigmas",
)
def sigmas_rising(n: int, sigma_min: float, sigma_max: float, rho: float = 7.0) -> Tensor:
    low, high = sigma_min ** (1 / rho), sigma_max ** (1 / rho)
    share = torch.linspace(0, 1, n, dtype=torch.float64)
    return torch.cat([torch.zeros(1, dtype=torch.float64), (low + share * (high - low)) ** rho])


@mistake(
    "heun_step",
    title="there is no 0 at the end",
    hint="Count the numbers: n + 1. A walk that ends at sigma_min leaves a little noise in its pictures; "
    "the last step leads to none.",
    defines="karras_sigmas",
)
def no_zero_at_the_end(n: int, sigma_min: float, sigma_max: float, rho: float = 7.0) -> Tensor:
    low, high = sigma_min ** (1 / rho), sigma_max ** (1 / rho)
    out: Tensor = (high + torch.linspace(0, 1, n, dtype=torch.float64) * (low - high)) ** rho
    return out


@mistake(
    "heun_step",
    title="the standard deviations are evenly spaced",
    hint="What is evenly spaced are their roots, sigma^(1/rho): so the steps become finer where there is "
    "little noise. With rho = 1 yours would be right.",
    defines="karras_sigmas",
)
def evenly_spaced(n: int, sigma_min: float, sigma_max: float, rho: float = 7.0) -> Tensor:
    sigmas = torch.linspace(sigma_max, sigma_min, n, dtype=torch.float64)
    return torch.cat([sigmas, torch.zeros(1, dtype=torch.float64)])


@mistake(
    "heun_step",
    title="the logarithms are evenly spaced, whatever rho is",
    hint="That is what rho = infinity would give. Try rho = 2 from 9 to 1 in three numbers: their roots are "
    "3, 2, 1.",
    defines="karras_sigmas",
)
def evenly_spaced_logarithms(n: int, sigma_min: float, sigma_max: float, rho: float = 7.0) -> Tensor:
    sigmas = torch.linspace(math.log(sigma_max), math.log(sigma_min), n, dtype=torch.float64).exp()
    return torch.cat([sigmas, torch.zeros(1, dtype=torch.float64)])


@mistake(
    "heun_step",
    title="the roots come back, not their powers",
    hint="You have spaced sigma^(1/rho) evenly. What makes sigmas of them again? Print the first number: it "
    "should be sigma_max.",
    defines="karras_sigmas",
)
def power_not_undone(n: int, sigma_min: float, sigma_max: float, rho: float = 7.0) -> Tensor:
    roots = torch.linspace(sigma_max ** (1 / rho), sigma_min ** (1 / rho), n, dtype=torch.float64)
    return torch.cat([roots, torch.zeros(1, dtype=torch.float64)])


@mistake(
    "heun_step",
    title="n numbers lie between the ends instead of n in all",
    hint="i goes from 0 to n - 1, and is divided by n - 1: so the last of the n is sigma_min. How many do "
    "you have before the 0?",
    defines="karras_sigmas",
)
def divided_by_n(n: int, sigma_min: float, sigma_max: float, rho: float = 7.0) -> Tensor:
    low, high = sigma_min ** (1 / rho), sigma_max ** (1 / rho)
    share = torch.arange(n, dtype=torch.float64) / n
    return torch.cat([(high + share * (low - high)) ** rho, torch.zeros(1, dtype=torch.float64)])


@mistake(
    "heun_step",
    title="rho and its reciprocal are exchanged",
    hint="First the roots, sigma^(1/rho), then back by the power rho. With yours the steps are finest where "
    "there is most noise; print them.",
    defines="karras_sigmas",
)
def rho_exchanged(n: int, sigma_min: float, sigma_max: float, rho: float = 7.0) -> Tensor:
    low, high = sigma_min**rho, sigma_max**rho
    share = torch.linspace(0, 1, n, dtype=torch.float64)
    return torch.cat([(high + share * (low - high)) ** (1 / rho), torch.zeros(1, dtype=torch.float64)])


_Denoise = Callable[[Tensor, float], Tensor]


@mistake(
    "heun_step",
    title="only Euler's step",
    hint="Count the calls of denoise: two, unless sigma_next is 0. Euler's step shows where to look at the "
    "slope a second time.",
    stakes="trap",
)
def only_euler(denoise: _Denoise, x: Tensor, sigma: float, sigma_next: float) -> Tensor:
    return x + (sigma_next - sigma) * (x - denoise(x, sigma)) / sigma


@mistake(
    "heun_step",
    title="only the slope at the end",
    hint="The slope changes along the step, from the one at its start to the one at its end. Heun takes the "
    "mean of both, and you take the second alone.",
)
def slope_of_the_end(denoise: _Denoise, x: Tensor, sigma: float, sigma_next: float) -> Tensor:
    x_next = x + (sigma_next - sigma) * (x - denoise(x, sigma)) / sigma
    if sigma_next == 0:
        return x_next
    return x + (sigma_next - sigma) * (x_next - denoise(x_next, sigma_next)) / sigma_next


@mistake(
    "heun_step",
    title="the sum of both slopes instead of their mean",
    hint="With two equal slopes the step should be Euler's. Yours is twice as long: what makes a mean of a "
    "sum?",
)
def slopes_added(denoise: _Denoise, x: Tensor, sigma: float, sigma_next: float) -> Tensor:
    slope = (x - denoise(x, sigma)) / sigma
    x_next = x + (sigma_next - sigma) * slope
    if sigma_next == 0:
        return x_next
    return x + (sigma_next - sigma) * (slope + (x_next - denoise(x_next, sigma_next)) / sigma_next)


@mistake(
    "heun_step",
    title="the second step goes on from where the first has led",
    hint="Euler's step was a trial, to see the slope there. The step itself starts from x again, with the "
    "mean of both slopes.",
)
def on_from_there(denoise: _Denoise, x: Tensor, sigma: float, sigma_next: float) -> Tensor:
    slope = (x - denoise(x, sigma)) / sigma
    x_next = x + (sigma_next - sigma) * slope
    if sigma_next == 0:
        return x_next
    slope_next = (x_next - denoise(x_next, sigma_next)) / sigma_next
    return x_next + (sigma_next - sigma) * (slope + slope_next) / 2


@mistake(
    "heun_step",
    title="the second slope is taken at the old sigma",
    hint="Where Euler's step has led there is less noise. Both the question and the division need the "
    "standard deviation of there, sigma_next.",
)
def second_at_the_old_sigma(denoise: _Denoise, x: Tensor, sigma: float, sigma_next: float) -> Tensor:
    slope = (x - denoise(x, sigma)) / sigma
    x_next = x + (sigma_next - sigma) * slope
    if sigma_next == 0:
        return x_next
    return x + (sigma_next - sigma) * (slope + (x_next - denoise(x_next, sigma)) / sigma) / 2


@mistake(
    "heun_step",
    title="the second slope is taken at the old point",
    hint="With less noise, but at the same x: there the sample never is. The second question is about what "
    "Euler's step has given.",
)
def second_at_the_old_point(denoise: _Denoise, x: Tensor, sigma: float, sigma_next: float) -> Tensor:
    slope = (x - denoise(x, sigma)) / sigma
    x_next = x + (sigma_next - sigma) * slope
    if sigma_next == 0:
        return x_next
    return x + (sigma_next - sigma) * (slope + (x - denoise(x, sigma_next)) / sigma_next) / 2


@mistake(
    "heun_step",
    title="the step leads away from the prediction",
    hint="sigma falls, so sigma_next - sigma is negative, and the sample moves against the slope: towards "
    "denoise(x). Is yours further from it than before?",
)
def heun_backwards(denoise: _Denoise, x: Tensor, sigma: float, sigma_next: float) -> Tensor:
    slope = (x - denoise(x, sigma)) / sigma
    x_next = x + (sigma - sigma_next) * slope
    if sigma_next == 0:
        return x_next
    return x + (sigma - sigma_next) * (slope + (x_next - denoise(x_next, sigma_next)) / sigma_next) / 2


@mistake(
    "heun_step",
    title="at sigma_next = 0 a second slope is asked for",
    hint="The slope is divided by sigma, and at the end that is 0. There the step stays with Euler's, and "
    "denoise is asked once.",
)
def slope_at_zero(denoise: _Denoise, x: Tensor, sigma: float, sigma_next: float) -> Tensor:
    slope = (x - denoise(x, sigma)) / sigma
    x_next = x + (sigma_next - sigma) * slope
    slope_next = (x_next - denoise(x_next, sigma_next)) / sigma_next
    return x + (sigma_next - sigma) * (slope + slope_next) / 2


# --- flow matching --------------------------------------------------------------------------------------


def _own(sigma: Tensor, x0: Tensor) -> Tensor:
    return sigma.to(x0.dtype).reshape(-1, *[1] * (x0.ndim - 1))


@mistake(
    "flow_matching_step",
    title="sigma counts the share of the clean sample",
    hint="Papers often let time run the other way. Here, as in diffusers, sigma is the share of noise: at "
    "sigma = 0 the sample itself comes out.",
    defines="flow_matching_pair",
)
def time_reversed(x0: Tensor, noise: Tensor, sigma: Tensor) -> tuple[Tensor, Tensor]:
    share = _own(sigma, x0)
    return share * x0 + (1 - share) * noise, noise - x0


@mistake(
    "flow_matching_step",
    title="the velocity points to the clean sample",
    hint="The velocity says how xt moves as sigma grows, and sigma grows towards the noise. From x0 = 2 to "
    "noise = 4 it is +2.",
    defines="flow_matching_pair",
)
def velocity_turned_round(x0: Tensor, noise: Tensor, sigma: Tensor) -> tuple[Tensor, Tensor]:
    share = _own(sigma, x0)
    return (1 - share) * x0 + share * noise, x0 - noise


@mistake(
    "flow_matching_step",
    title="the clean sample has the factor of diffusion, with a root",
    hint="On a straight line both shares add up to 1. sqrt(1 - sigma^2) belongs to another path, on which "
    "their squares do.",
    defines="flow_matching_pair",
)
def on_a_circle(x0: Tensor, noise: Tensor, sigma: Tensor) -> tuple[Tensor, Tensor]:
    share = _own(sigma, x0)
    return (1 - share**2).sqrt() * x0 + share * noise, noise - x0


@mistake(
    "flow_matching_step",
    title="the velocity is the target of v-prediction",
    hint="That one turns as sigma grows. On a straight line the velocity is the same everywhere: noise - "
    "x0, without any factor.",
    defines="flow_matching_pair",
)
def v_prediction_instead(x0: Tensor, noise: Tensor, sigma: Tensor) -> tuple[Tensor, Tensor]:
    share = _own(sigma, x0)
    return (1 - share) * x0 + share * noise, (1 - share) * noise - share * x0


@mistake(
    "flow_matching_step",
    title="the first sigma is everybody's",
    hint="Each sample has a sigma of its own. Give it two samples, with sigma 0 and 1: one should come out "
    "as it is, the other as its noise.",
    defines="flow_matching_pair",
)
def first_sigma_for_all(x0: Tensor, noise: Tensor, sigma: Tensor) -> tuple[Tensor, Tensor]:
    share = sigma.to(x0.dtype)[0]
    return (1 - share) * x0 + share * noise, noise - x0


@mistake(
    "flow_matching_step",
    title="the velocity is multiplied by sigma",
    hint="sigma (noise - x0) is the way that the point has come. The velocity is how fast it goes, and that "
    "is the same at each sigma.",
    defines="flow_matching_pair",
)
def way_instead_of_velocity(x0: Tensor, noise: Tensor, sigma: Tensor) -> tuple[Tensor, Tensor]:
    share = _own(sigma, x0)
    return (1 - share) * x0 + share * noise, share * (noise - x0)


@mistake(
    "flow_matching_step",
    title="sigma lines up with the last dimension",
    hint="Broadcasting lines shapes up from the right, so [B] meets the width. As with extract: B, and then "
    "ones, as many as the sample has dimensions.",
    defines="flow_matching_pair",
)
def last_dimension(x0: Tensor, noise: Tensor, sigma: Tensor) -> tuple[Tensor, Tensor]:
    share = sigma.to(x0.dtype)
    return (1 - share) * x0 + share * noise, noise - x0


@mistake(
    "flow_matching_step",
    title="the step goes the other way",
    hint="From sigma = 0.5 to 0 the sample is to become cleaner, against the velocity: sigma_next - sigma "
    "is negative. Which sign has your step?",
)
def flow_backwards(xt: Tensor, v: Tensor, sigma: float, sigma_next: float) -> Tensor:
    return xt + (sigma - sigma_next) * v


@mistake(
    "flow_matching_step",
    title="the step has the length of sigma, wherever it ends",
    hint="Yours always leads to the clean sample. A step ends at sigma_next: how long is the way from sigma "
    "to there?",
)
def all_the_way(xt: Tensor, v: Tensor, sigma: float, sigma_next: float) -> Tensor:
    return xt - sigma * v


@mistake(
    "flow_matching_step",
    title="the step has the length of sigma_next",
    hint="With sigma_next = 0 yours stays where it is, although that is the longest step of all. The length "
    "is a difference.",
)
def length_of_the_end(xt: Tensor, v: Tensor, sigma: float, sigma_next: float) -> Tensor:
    return xt - sigma_next * v


@mistake(
    "flow_matching_step",
    title="sigma is multiplied by the shift, and no more",
    hint="Shares cannot be above 1, and 1 is to stay 1. What do you divide by, so that it does?",
    defines="shift_sigmas",
)
def shift_multiplied(sigmas: Tensor, shift: float) -> Tensor:
    return shift * sigmas


@mistake(
    "flow_matching_step",
    title="the divisor lacks its minus one",
    hint="Try a shift of 1: nothing should change. Yours divides by 1 + shift sigma; for the odds to be "
    "multiplied by the shift it takes shift - 1.",
    defines="shift_sigmas",
)
def divisor_too_large(sigmas: Tensor, shift: float) -> Tensor:
    return shift * sigmas / (1 + shift * sigmas)


@mistake(
    "flow_matching_step",
    title="sigmas are shifted towards the clean end",
    hint="A shift of 3 takes 0.5 to 0.75, to more noise: large pictures need more to hide what they show. "
    "Yours takes it to 0.25.",
    defines="shift_sigmas",
)
def shifted_back(sigmas: Tensor, shift: float) -> Tensor:
    return sigmas / (shift - (shift - 1) * sigmas)


@mistake(
    "flow_matching_step",
    title="what goes beyond 1 is cut off",
    hint="Multiplied and then limited, many sigmas become 1 and their steps 0. The formula bends towards 1 "
    "without reaching it.",
    defines="shift_sigmas",
)
def shift_cut_off(sigmas: Tensor, shift: float) -> Tensor:
    return (shift * sigmas).clamp(max=1)


@mistake(
    "flow_matching_step",
    title="the shift is a power",
    hint="A power moves sigmas towards 1, too, but not by the odds. Try 0.5 and a shift of 3: the odds are "
    "1 : 1 before and should be 3 : 1 after.",
    defines="shift_sigmas",
)
def shifted_by_a_power(sigmas: Tensor, shift: float) -> Tensor:
    return sigmas ** (1 / shift)
