"""A sampler that turns noise into samples by asking a model again and again: DDIM (Song et al. 2021).

You will write samplers of your own in the module `sampling`; until then, this is one to use. It is written to
be read: `trajectory` is the whole of it.
"""

from collections.abc import Callable

import torch
from jaxtyping import Float, Int
from torch import Tensor

Eps = Callable[[Float[Tensor, "B ..."], Int[Tensor, "B"]], Float[Tensor, "B ..."]]


def timesteps(T: int, steps: int) -> list[int]:
    """`steps` of T timesteps at even distances, the noisiest first: 980, 960, ..., 20, 0 for 50 of 1000."""
    if not 1 <= steps <= T:
        raise ValueError(f"{steps} steps were asked for; the schedule has {T}, so take from 1 to {T}")
    return [T // steps * k for k in reversed(range(steps))]


def sample(
    eps: Eps,
    noise: Float[Tensor, "B ..."],
    alphas_cumprod: Float[Tensor, "T"],
    steps: int = 50,
    *,
    clip: bool = False,
) -> Float[Tensor, "B ..."]:
    """Where `noise` ends up after so many steps; see `trajectory`."""
    return trajectory(eps, noise, alphas_cumprod, steps, clip=clip)[-1]


@torch.no_grad()
def trajectory(
    eps: Eps,
    noise: Float[Tensor, "B ..."],
    alphas_cumprod: Float[Tensor, "T"],
    steps: int = 50,
    *,
    clip: bool = False,
) -> Float[Tensor, "steps+1 B ..."]:
    """All the stations on the way from `noise` to a sample, both ends included.

    eps             eps(x, t) predicts the noise in x at timesteps t [B]
    alphas_cumprod  the schedule; its steps are asked for at even distances, the noisiest first, 0 last
    clip            limit each prediction of the clean sample to -1 ... 1, as diffusers' DDIMScheduler does
                    unless told otherwise (clip_sample=True)

    Deterministic: the same noise gives the same sample (eta = 0). Source: equation 12 of the paper.
    """
    times = timesteps(len(alphas_cumprod), steps)
    abar = [float(alphas_cumprod[t]) for t in times] + [1.0]  # after the last step there is no noise left
    x = noise
    stations = [x]
    for t, now, after in zip(times, abar, abar[1:], strict=False):
        e = eps(x, torch.full((len(x),), t, device=x.device))
        x0 = (x - (1 - now) ** 0.5 * e) / now**0.5  # the clean sample, if all the noise in x were e
        if clip:
            x0 = x0.clamp(-1, 1)  # and e stays as it was: the two no longer belong together
        x = after**0.5 * x0 + (1 - after) ** 0.5 * e  # the same sample, with less of the same noise
        stations.append(x)
    return torch.stack(stations)
