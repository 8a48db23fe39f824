"""Colours without a network: which of the palette is nearest to what a picture shows."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from course.lab.shapes import BACKGROUNDS, COLOURS


@dataclass(frozen=True)
class Palette:
    """What each picture's shape and background are made of.

    shape, ground        red, green and blue from 0 to 255, the median over the pixels of each
    colour, background   the nearest of the COLOURS and BACKGROUNDS of `course.lab.shapes`, as its place there
    """

    shape: Float[Tensor, "B 3"]
    ground: Float[Tensor, "B 3"]
    colour: Int[Tensor, " B"]
    background: Int[Tensor, " B"]


def palette(pictures: Float[Tensor, "B 3 H W"]) -> Palette:
    """Looks at the corners for the background, and at what differs most from it for the shape.

    pictures  numbers from -1 to 1. For shapes smaller than the picture, as `course.lab.shapes` draws them.
    """
    coloured = (pictures.detach().float().clamp(-1, 1) + 1) * 127.5
    corners = coloured[:, :, [0, 0, -1, -1], [0, -1, 0, -1]]
    ground = corners.median(-1).values  # of four: the lower one in the middle
    away = (coloured - ground[:, :, None, None]).square().sum(1).sqrt().flatten(1)  # [B, H*W]
    inside = away >= 0.6 * away.amax(1, keepdim=True)
    pixels = coloured.flatten(2).masked_fill(~inside[:, None], torch.nan)
    shape = pixels.nanmedian(-1).values
    return Palette(
        shape,
        ground,
        _nearest(shape, COLOURS),
        _nearest(ground, BACKGROUNDS),
    )


def _nearest(colours: Float[Tensor, "B 3"], among: dict[str, tuple[int, int, int]]) -> Int[Tensor, " B"]:
    return torch.cdist(colours, torch.tensor(list(among.values()), dtype=torch.float32)).argmin(1)
