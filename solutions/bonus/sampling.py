"""Answers to the bonus tasks of the module `sampling`."""

import math

from jaxtyping import Float
from torch import Tensor


def ancestral_step(
    x: Float[Tensor, "B ..."],
    x0: Float[Tensor, "B ..."],
    sigma: float,
    sigma_next: float,
    noise: Float[Tensor, "B ..."],
) -> Float[Tensor, "B ..."]:
    """Euler's step to less noise than is wanted, and as much fresh noise as is missing ("Euler a").

    x            samples at sigma, x = clean + sigma * something; not modified.
    x0           the clean samples predicted from them.
    sigma        the standard deviation of the noise, and sigma_next the one to arrive at:
                 0 <= sigma_next < sigma.
    noise        standard normal numbers of x's shape.

    The fresh noise has the variance up^2 = sigma_next^2 (sigma^2 - sigma_next^2) / sigma^2, and Euler's step
    goes to the standard deviation down, with down^2 + up^2 = sigma_next^2.
    Returns a new tensor with x's dtype.
    Source: `EulerAncestralDiscreteScheduler` in diffusers, after k-diffusion.
    """
    ### BEGIN SOLUTION
    up = sigma_next * math.sqrt(sigma**2 - sigma_next**2) / sigma
    down = sigma_next**2 / sigma  # the root of sigma_next^2 - up^2
    return x + (down - sigma) * (x - x0) / sigma + up * noise
    ### END SOLUTION


def my_timesteps(n: int) -> list[int]:
    """n of the timesteps 0 ... 999 of your choice, falling: where would you ask the network?

    n  from 2 to 50.

    Returns n different Python ints. The first is 900 or more: a walk that begins in pure noise has to begin
    where the network expects it. They are not all at the same distance.
    """
    ### BEGIN SOLUTION
    # Finer where there is little noise: half of the calls are spent on the last third of the way.
    return [round(999 * (k / (n - 1)) ** 1.5) for k in reversed(range(n))]
    ### END SOLUTION
