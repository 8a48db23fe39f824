"""What later modules take from `noise`, for who has not written it."""

from __future__ import annotations

from jaxtyping import Float, Int, Num
from torch import Tensor

__all__ = ["extract", "q_sample"]


def extract(values: Num[Tensor, " T"], t: Int[Tensor, " B"], ndim: int) -> Num[Tensor, "B ..."]:
    """Each sample's value at its own timestep, as the exercise has it: a new tensor [B, 1, ..., 1]."""
    return values.gather(0, t)[(..., *[None] * (ndim - 1))]


def q_sample(
    x0: Float[Tensor, "B ..."],
    t: Int[Tensor, " B"],
    noise: Float[Tensor, "B ..."],
    alphas_cumprod: Float[Tensor, " T"],
) -> Float[Tensor, "B ..."]:
    """Each sample noised up to its own timestep, as the exercise has it: a new tensor of x0's dtype."""
    abar = extract(alphas_cumprod, t, x0.ndim).to(x0)
    noised: Tensor = abar.sqrt() * x0 + (1 - abar).sqrt() * noise
    return noised
