"""Answers to the bonus tasks of the module `score`."""

import math
from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor


def predictor_corrector(
    score: Callable[..., Tensor],
    x: Float[Tensor, "B ..."],
    sigmas: Sequence[float],
    scale: float,
    noises: Float[Tensor, "N B ..."],
) -> Float[Tensor, "B ..."]:
    """From level to level: predict what is there with less noise, then correct by a step of Langevin's.

    score   score(x, sigma) -> the score of data noised by sigma; sigma is [B], filled with the level.
    sigmas  the levels, falling, L of them. From s to the next one s':
            predict   x + (s^2 - s'^2) score(x, s) + sqrt(s^2 - s'^2) noise
            correct   a Langevin step at level s', with a step of scale * s'^2
    noises  N = 2 (L - 1), two for each pair of levels, first the prediction's.

    Returns where the samples end, of x's shape and dtype.
    Source: Song et al. (2021), algorithm 2; the prediction is their "reverse diffusion".
    """
    ### BEGIN SOLUTION
    fresh = iter(noises)
    for here, there in pairwise(sigmas):
        less = here**2 - there**2
        x = x + less * score(x, x.new_full((len(x),), here)) + math.sqrt(less) * next(fresh)
        step = scale * there**2
        x = x + step / 2 * score(x, x.new_full((len(x),), there)) + math.sqrt(step) * next(fresh)
    return x
    ### END SOLUTION


def my_levels(count: int) -> list[float]:
    """Levels of noise of your own for Langevin's walk on the arms, falling, `count` of them (6 or more).

    The first is from 2 to 20, the last at most 0.15, each above 0. Of ten, none is below a quarter of the one
    before.
    """
    ### BEGIN SOLUTION
    # Equal ratios, a little more of them where the arms come apart.
    place = torch.linspace(0, 1, count, dtype=torch.float64)
    levels: list[float] = torch.exp(math.log(4) - place**0.9 * math.log(4 / 0.05)).tolist()
    return levels
    ### END SOLUTION
