"""Albums of small pictures for the demos, and the best guess of whoever knows an album by heart.

Numbers go from -1 to 1, as in the pictures that diffusion models are trained on.
"""

from __future__ import annotations

import random

import torch
from jaxtyping import Float
from torch import Tensor

from course.lab.scene import COLOURS, KINDS, Shape, coverage, draw

BRIGHT = tuple(name for name in COLOURS if name not in ("black", "white", "grey"))


def to_signed(picture: Float[Tensor, " ..."]) -> Float[Tensor, " ..."]:
    """From 0 ... 1 to -1 ... 1."""
    return 2 * picture - 1


def pictures(count: int, height: int, width: int, seed: int = 0) -> Float[Tensor, "count 3 height width"]:
    """One shape each: kind, colour, size and place by chance, before black and white in turn."""
    chance = random.Random(seed)
    drawn = []
    for number in range(count):
        size = chance.uniform(0.16, 0.32)
        x = chance.uniform(size, width / height - size)
        shape = Shape(chance.choice(KINDS), chance.choice(BRIGHT), x, chance.uniform(size, 1 - size), size)
        drawn.append(draw((shape,), height, width, ("black", "white")[number % 2]))
    return to_signed(torch.stack(drawn))


def in_every_light(height: int, width: int, levels: int = 33) -> Float[Tensor, "levels 3 height width"]:
    """One red circle before a background that goes from black to white in equal steps."""
    circle = Shape("circle", "red", width / height / 2, 0.5, 0.28)
    covered = coverage(circle, height, width)
    ground = torch.linspace(0, 1, levels)[:, None, None, None]
    red = torch.tensor(COLOURS["red"])[:, None, None]
    return to_signed(ground * (1 - covered) + red * covered)


def best_guess(
    xt: Float[Tensor, "B C H W"], alpha_cumprod: Tensor | float, album: Float[Tensor, "N C H W"]
) -> Float[Tensor, "B C H W"]:
    """The mean of x0, given xt, for whoever knows that x0 is a picture of the album: the perfect denoiser.

    How likely a picture is depends on how far from xt it lies, once faded by sqrt(alpha_cumprod): a softmax
    over the album. The guess is the average with these weights. So it is an attention, whose query is xt and
    whose keys and values are the pictures.
    """
    abar = float(alpha_cumprod)
    flat = album.flatten(1)
    # |xt - sqrt(abar) picture|^2, without |xt|^2, which is the same for all, over twice the noise's variance
    scores = (abar**0.5 * xt.flatten(1) @ flat.T - abar * flat.square().sum(1) / 2) / (1 - abar)
    guess: Tensor = scores.softmax(-1) @ flat
    return guess.view_as(xt)
