"""Small pictures of a few plain shapes, for the demos: drawn here, from signed distances, at any size."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

COLOURS = {
    "black": (0.05, 0.05, 0.08),
    "white": (0.97, 0.97, 0.95),
    "grey": (0.55, 0.55, 0.55),
    "red": (0.84, 0.15, 0.16),
    "orange": (0.95, 0.60, 0.10),
    "yellow": (0.96, 0.86, 0.20),
    "green": (0.10, 0.62, 0.40),
    "blue": (0.13, 0.35, 0.80),
    "purple": (0.55, 0.30, 0.70),
    "pink": (0.93, 0.55, 0.72),
}
KINDS = ("circle", "square", "triangle")


@dataclass(frozen=True)
class Shape:
    """One shape; x to the right and y down from the upper left corner, in units of the picture's height."""

    kind: str
    colour: str
    x: float
    y: float
    size: float

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"there is no shape {self.kind!r}; take one of {', '.join(KINDS)}")
        if self.colour not in COLOURS:
            raise ValueError(f"there is no colour {self.colour!r}; take one of {', '.join(COLOURS)}")


# Two red circles, so that a pixel of one can find the other across the picture.
TWO_CIRCLES = (
    Shape("circle", "red", 0.35, 0.40, 0.26),
    Shape("square", "blue", 1.00, 0.65, 0.20),
    Shape("circle", "red", 1.25, 0.20, 0.13),
)
ONE_OF_EACH = (
    Shape("circle", "red", 0.34, 0.36, 0.24),
    Shape("square", "blue", 1.12, 0.36, 0.20),
    Shape("triangle", "yellow", 0.74, 0.68, 0.24),
)


def in_one_colour(shapes: tuple[Shape, ...], colour: str) -> tuple[Shape, ...]:
    """The same shapes, all of one colour."""
    return tuple(replace(shape, colour=colour) for shape in shapes)


def coverage(shape: Shape, height: int, width: int) -> Float[Tensor, "height width"]:
    """How much of each pixel the shape covers, from 0 to 1: its signed distance, over one pixel."""
    y, x = torch.meshgrid(
        (torch.arange(height) + 0.5) / height - shape.y,
        (torch.arange(width) + 0.5) / height - shape.x,
        indexing="ij",
    )
    if shape.kind == "circle":
        distance = torch.hypot(x, y) - shape.size
    elif shape.kind == "square":
        distance = torch.maximum(x.abs(), y.abs()) - shape.size
    else:  # a triangle that stands on its base: below its two slopes, and above its base
        slope = (2 * x.abs() - y - shape.size) / 5**0.5
        distance = torch.maximum(slope, y - shape.size)
    return (0.5 - distance * height).clamp(0, 1)


def draw(
    shapes: tuple[Shape, ...] = TWO_CIRCLES,
    height: int = 20,
    width: int = 30,
    background: str = "black",
    noise: float = 0.0,
    seed: int = 0,
) -> Float[Tensor, "3 height width"]:
    """The picture of `shapes`, colours from 0 to 1; `noise` is the standard deviation of what is added."""
    picture = torch.tensor(COLOURS[background])[:, None, None].expand(3, height, width)
    for shape in shapes:
        covered = coverage(shape, height, width)
        picture = picture * (1 - covered) + torch.tensor(COLOURS[shape.colour])[:, None, None] * covered
    return picture + noise * torch.randn(picture.shape, generator=torch.Generator().manual_seed(seed))


def kinds(
    shapes: tuple[Shape, ...] = ONE_OF_EACH, height: int = 20, width: int = 30
) -> Float[Tensor, "4 height width"]:
    """Which kind of shape covers a pixel: one channel for each of KINDS, and one last for the background."""
    found = torch.stack(
        [
            torch.stack(
                [coverage(s, height, width) for s in shapes if s.kind == kind] or [torch.zeros(height, width)]
            ).amax(0)
            for kind in KINDS
        ]
    )
    return torch.cat([found, (1 - found.sum(0, keepdim=True)).clamp(0, 1)])


def patches(picture: Float[Tensor, "C H W"], size: int = 3) -> Float[Tensor, "C*size*size H W"]:
    """Every pixel together with its neighbours, as channels: `size` x `size` numbers for each colour."""
    _, height, width = picture.shape
    edge = size // 2
    padded = F.pad(picture[None], (edge, edge, edge, edge), mode="replicate")
    return F.unfold(padded, size).view(-1, height, width)


def centre_of_patches(channels: Float[Tensor, "C*size*size H W"], size: int = 3) -> Float[Tensor, "C H W"]:
    """The pixels in the middle of their patches: undoes `patches`."""
    return channels.reshape(-1, size * size, *channels.shape[1:])[:, size * size // 2]
