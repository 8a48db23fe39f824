"""What later modules take from `sampling`, for who has not written it: the loop, and plain DDIM.

Names and arguments are those of the exercises. What the loop of a picture does not need, trailing timesteps,
fresh noise and clipping, is not lent.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from course.lab import ddim

__all__ = ["ddim_step", "ddim_timesteps", "sample"]


@torch.no_grad()
def sample(
    model: ddim.Eps,
    x: Float[Tensor, "B ..."],
    timesteps: list[int],
    step: Callable[..., Float[Tensor, "B ..."]],
) -> Float[Tensor, "B ..."]:
    """From x, noise at timesteps[0], to clean samples: step(x, eps, t, t_next) leads on, at last to -1."""
    for t, t_next in pairwise([*timesteps, -1]):
        found = model(x, torch.full(x.shape[:1], t, device=x.device))
        x = step(x, found, t, t_next)
    return x


def ddim_timesteps(T: int, n: int, spacing: Literal["leading", "trailing"] = "leading") -> list[int]:
    """n of T timesteps at even distances, the noisiest first and 0 last."""
    if spacing != "leading":
        raise ValueError(f"only leading timesteps are lent, not {spacing}: write ddim_timesteps in sampling")
    return ddim.timesteps(T, n)


def ddim_step(
    xt: Float[Tensor, "B ..."],
    eps: Float[Tensor, "B ..."],
    t: int,
    t_next: int,
    alphas_cumprod: Float[Tensor, " T"],
    eta: float = 0.0,
    noise: Float[Tensor, "B ..."] | None = None,
    clip: bool = False,
) -> Float[Tensor, "B ..."]:
    """The same sample with less of the same noise; -1 is the clean one."""
    if eta or noise is not None or clip:
        raise ValueError("DDIM is lent without fresh noise and clipping: write ddim_step in sampling")
    now, after = (float(alphas_cumprod[each]) if each >= 0 else 1.0 for each in (t, t_next))
    x0 = (xt - math.sqrt(1 - now) * eps) / math.sqrt(now)
    return math.sqrt(after) * x0 + math.sqrt(1 - after) * eps
