"""Answers to the bonus tasks of the module `noise`."""

import torch
from jaxtyping import Float, Int
from torch import Tensor


def v_target(
    x0: Float[Tensor, "B ..."],
    noise: Float[Tensor, "B ..."],
    t: Int[Tensor, " B"],
    alphas_cumprod: Float[Tensor, " T"],
) -> Float[Tensor, "B ..."]:
    """What a network that predicts v is asked for: sqrt(abar) noise - sqrt(1 - abar) x0.

    Each sample has its own timestep. Returns a new tensor with x0's dtype.
    Source: Salimans & Ho (2022), "Progressive Distillation for Fast Sampling of Diffusion Models", section 4.
    """
    ### BEGIN SOLUTION
    abar = alphas_cumprod[t].reshape(-1, *[1] * (x0.ndim - 1))
    return abar.sqrt().to(x0.dtype) * noise - (1 - abar).sqrt().to(x0.dtype) * x0
    ### END SOLUTION


def x0_from_v(
    xt: Float[Tensor, "B ..."],
    v: Float[Tensor, "B ..."],
    t: Int[Tensor, " B"],
    alphas_cumprod: Float[Tensor, " T"],
) -> Float[Tensor, "B ..."]:
    """The picture that is in xt, if v is what `v_target` says; also where alphas_cumprod is 0.

    Each sample has its own timestep. Returns a new tensor with xt's dtype.
    """
    ### BEGIN SOLUTION
    abar = alphas_cumprod[t].reshape(-1, *[1] * (xt.ndim - 1))
    return abar.sqrt().to(xt.dtype) * xt - (1 - abar).sqrt().to(xt.dtype) * v
    ### END SOLUTION


def my_schedule(T: int) -> Float[Tensor, " T"]:
    """Betas of a noise schedule of your own, float64, for any T >= 20.

    Each lies between 0 and 1 (0 excluded). The first step leaves at least 99% of the variance, all together
    leave at most 1%.
    """
    ### BEGIN SOLUTION
    # The logarithm of the signal-to-noise ratio falls evenly: every step destroys as much as any other.
    alphas_cumprod = torch.sigmoid(torch.linspace(9, -9, T, dtype=torch.float64))
    before = torch.cat([torch.ones_like(alphas_cumprod[:1]), alphas_cumprod[:-1]])
    return 1 - alphas_cumprod / before
    ### END SOLUTION
