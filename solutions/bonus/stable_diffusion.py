"""Answers to the bonus tasks of the module `stable_diffusion`."""

import math

import torch
from jaxtyping import Float
from torch import Tensor


def word_maps(
    q: Float[Tensor, "B heads L d"], k: Float[Tensor, "B heads S d"], height: int, width: int
) -> Float[Tensor, "B S height width"]:
    """How much each word was looked at from each pixel, as a picture for each word.

    q  queries of a cross-attention, from L = height * width pixels, row by row.
    k  keys, from the S words.

    The attention's shares (softmax over the words of q k / sqrt(d)), averaged over the heads.
    """
    ### BEGIN SOLUTION
    shares = torch.softmax(q @ k.mT / math.sqrt(q.shape[-1]), dim=-1).mean(1)  # [B, L, S]
    return shares.mT.reshape(len(q), -1, height, width)
    ### END SOLUTION


def my_walk(shape: tuple[int, ...], generator: torch.Generator) -> Float[Tensor, "stations C H W"]:
    """A walk through noises of this shape, of at least eight stations, the first one drawn from the
    generator.

    Each station could have been drawn by torch.randn (its standard deviation is about 1), neighbours are
    alike, and the walk leads away from where it began. Whether it comes back is up to you.
    """
    ### BEGIN SOLUTION
    # A circle in the plane of two noises: nearly at right angles and equally long, so every station is as
    # long.
    one, other = torch.randn(2, *shape, generator=generator, device=generator.device)
    angles = [2 * math.pi * station / 24 for station in range(24)]
    return torch.stack([math.cos(angle) * one + math.sin(angle) * other for angle in angles])
    ### END SOLUTION
