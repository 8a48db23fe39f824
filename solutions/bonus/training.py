"""Answers to the bonus tasks of the module `training`."""

import torch
from jaxtyping import Float, Int
from torch import Tensor


def stratified_timesteps(count: int, T: int, generator: torch.Generator) -> Int[Tensor, " count"]:
    """A timestep for each sample of a batch, spread out: of `count` equal shares of 0 ... T, one from each.

    Each timestep is as probable as any other, in each place of the batch; only two samples of a batch no
    longer fall into the same share. The shares need not be whole numbers. Returns int64 [count], 0 <= t < T.
    Source: Kingma et al., "Variational Diffusion Models" (2021), appendix I.1, in a similar form.
    """
    ### BEGIN SOLUTION
    where = generator.device
    chance = torch.rand(count, generator=generator, dtype=torch.float64, device=where)
    places = torch.arange(count, device=where) + chance
    t = (places * T / count).long().clamp(max=T - 1)  # rounding could reach T itself
    return t[torch.randperm(count, generator=generator, device=where)]
    ### END SOLUTION


def my_weight(snr: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
    """A weight of your own for the loss of the picture: how much a signal-to-noise ratio counts.

    At least 0 and finite for every snr >= 0; not the same everywhere, and not 0 everywhere between 0.01
    and 100.
    Returns a tensor of snr's shape.
    """
    ### BEGIN SOLUTION
    # A bell over the logarithm of the ratio: neither nearly clean samples nor pure noise, where nothing is
    # learned.
    return torch.exp(-((snr.clamp(min=1e-8).log() + 0.5) ** 2) / 4)
    ### END SOLUTION
