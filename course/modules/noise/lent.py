"""What later modules take from `noise`, for who has not written it."""

from __future__ import annotations

from jaxtyping import Float, Int
from torch import Tensor

__all__ = ["q_sample"]


def q_sample(
    x0: Float[Tensor, "B ..."],
    t: Int[Tensor, " B"],
    noise: Float[Tensor, "B ..."],
    alphas_cumprod: Float[Tensor, " T"],
) -> Float[Tensor, "B ..."]:
    """Each sample noised up to its own timestep, as the exercise has it: a new tensor of x0's dtype."""
    abar = alphas_cumprod[t].to(x0).reshape(-1, *[1] * (x0.ndim - 1))
    noised: Tensor = abar.sqrt() * x0 + (1 - abar).sqrt() * noise
    return noised
