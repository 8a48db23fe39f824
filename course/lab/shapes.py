"""Captioned pictures without end, and without a download: "a large red circle on black".

Six shapes, eight colours, two sizes, three backgrounds; place, exact size and exact shade by chance. They are
drawn from signed distances, at any resolution, ten thousand of 16 x 16 in about a second. Numbers go from -1
to 1, as in the pictures that diffusion models are trained on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor

SHAPES = ("circle", "square", "triangle", "cross", "ring", "diamond")
COLOURS = {
    "red": (220, 40, 40),
    "green": (40, 180, 60),
    "blue": (50, 80, 230),
    "yellow": (240, 220, 40),
    "purple": (150, 50, 190),
    "cyan": (50, 210, 220),
    "orange": (245, 140, 30),
    "pink": (245, 130, 190),
}
SIZES = ("small", "large")
BACKGROUNDS = {"black": (15, 15, 15), "white": (240, 240, 240), "grey": (128, 128, 128)}

# What a caption may say, in the order in which it says it.
ATTRIBUTES = ("size", "colour", "shape", "background")
CHOICES: dict[str, tuple[str, ...]] = {
    "size": SIZES,
    "colour": tuple(COLOURS),
    "shape": SHAPES,
    "background": tuple(BACKGROUNDS),
}
Style = Literal["plain", "pastel", "striped"]

_SHADE = 8.0  # the standard deviation of a colour's shade, of 255
_FORGOTTEN = {"size": 0.3, "colour": 0.1, "background": 0.3}  # how often a caption leaves a word out


@dataclass(frozen=True)
class Attributes:
    """What is to be seen in N pictures: for each attribute, which of its CHOICES."""

    size: Int[Tensor, " N"]
    colour: Int[Tensor, " N"]
    shape: Int[Tensor, " N"]
    background: Int[Tensor, " N"]

    def __len__(self) -> int:
        return len(self.shape)

    def captions(self) -> list[str]:
        """All four attributes in words: "a large red circle on black"."""
        return [
            _words(*(CHOICES[name][int(getattr(self, name)[i])] for name in ATTRIBUTES))
            for i in range(len(self))
        ]


def sample_attributes(count: int, generator: torch.Generator | None = None) -> Attributes:
    """Every combination is equally likely."""
    return Attributes(
        **{name: torch.randint(len(CHOICES[name]), (count,), generator=generator) for name in ATTRIBUTES}
    )


def attributes_of(captions: Sequence[str]) -> Attributes:
    """The attributes that full captions name; raises ValueError for one that leaves something open."""
    rows = []
    for caption in captions:
        words = caption.lower().replace("gray", "grey").split()
        found = [
            [CHOICES[name].index(word) for word in words if word in CHOICES[name]] for name in ATTRIBUTES
        ]
        for name, places in zip(ATTRIBUTES, found, strict=True):
            if len(places) != 1:
                raise ValueError(
                    f"the caption {caption!r} should name one {name}: one of {', '.join(CHOICES[name])}"
                )
        rows.append([places[0] for places in found])
    return Attributes(**dict(zip(ATTRIBUTES, torch.tensor(rows).reshape(-1, len(ATTRIBUTES)).T, strict=True)))


def draw(
    attributes: Attributes,
    height: int = 16,
    width: int = 16,
    *,
    style: Style = "plain",
    generator: torch.Generator | None = None,
) -> Float[Tensor, "N 3 height width"]:
    """The pictures, from -1 to 1; where, how large exactly and in which shade is drawn from `generator`.

    style  "pastel": colours half-way to white. "striped": every other row of pixels shows the background.
    """
    count, scale = len(attributes), min(height, width) / 16
    large = (attributes.size == SIZES.index("large")).view(count, 1, 1)

    def between(low: float, high: float) -> Float[Tensor, "N 1 1"]:
        return low + (high - low) * torch.rand(count, 1, 1, generator=generator)

    radius = scale * torch.where(large, between(5.4, 6.6), between(3.0, 3.8))
    room_y, room_x = ((side / 2 - radius - 0.3 * scale).clamp(min=0.2 * scale) for side in (height, width))
    y = (torch.arange(height) + 0.5 - height / 2).view(1, -1, 1) - between(-1, 1) * room_y
    x = (torch.arange(width) + 0.5 - width / 2).view(1, 1, -1) - between(-1, 1) * room_x
    x, y = x.expand(-1, height, -1), y.expand(-1, -1, width)
    inside = (_distance(attributes.shape, x, y, radius) + 0.5).clamp(0, 1)
    if style == "striped":
        inside = inside * (y.div(scale).floor() % 2 == 0)
    colours = torch.tensor(list(COLOURS.values()), dtype=torch.float32)
    if style == "pastel":
        colours = (colours + 240) / 2
    grounds = torch.tensor(list(BACKGROUNDS.values()), dtype=torch.float32)
    front, ground = (
        (palette[chosen] + _SHADE * torch.randn(count, 3, generator=generator))[:, :, None, None]
        for palette, chosen in ((colours, attributes.colour), (grounds, attributes.background))
    )
    covered = inside[:, None]
    return ((front * covered + ground * (1 - covered)) / 127.5 - 1).clamp(-1, 1)


def batch(
    count: int,
    height: int = 16,
    width: int = 16,
    *,
    style: Style = "plain",
    forget: bool = True,
    generator: torch.Generator | None = None,
) -> tuple[Float[Tensor, "N 3 height width"], list[str]]:
    """Pictures and captions to train on.

    forget  leave words out of some captions, so that a model learns what "a circle" means: any circle.
    """
    attributes = sample_attributes(count, generator)
    pictures = draw(attributes, height, width, style=style, generator=generator)
    captions = attributes.captions()
    if forget:
        chance = torch.tensor(list(_FORGOTTEN.values()))
        forgotten = torch.rand(count, len(chance), generator=generator) < chance
        captions = [_without(words, gone) for words, gone in zip(captions, forgotten.tolist(), strict=True)]
    return pictures, captions


def _words(size: str, colour: str, shape: str, background: str) -> str:
    said = " ".join(word for word in ("a", size, colour, shape) if word)
    return f"{said} on {background}" if background else said


def _without(caption: str, gone: Sequence[bool]) -> str:
    _, size, colour, shape, _, background = caption.split()
    no_size, no_colour, no_background = gone
    return _words(
        "" if no_size else size, "" if no_colour else colour, shape, "" if no_background else background
    )


def _distance(
    shape: Int[Tensor, " N"],
    x: Float[Tensor, "N H W"],
    y: Float[Tensor, "N H W"],
    radius: Float[Tensor, "N 1 1"],
) -> Float[Tensor, "N H W"]:
    """How deep inside its shape each pixel lies, in pixels; negative outside. y points down."""
    across, down, away = x.abs(), y.abs(), torch.hypot(x, y)
    bar, slope = 0.34 * radius, 0.559 * (0.62 * radius + y) + 0.05 * radius
    distances = {
        "circle": radius - away,
        "square": 0.86 * radius - torch.maximum(across, down),
        "triangle": torch.minimum(0.62 * radius - y, slope - 0.894 * across),
        "cross": torch.maximum(
            torch.minimum(bar - across, radius - down), torch.minimum(bar - down, radius - across)
        ),
        "ring": torch.minimum(radius - away, away - 0.52 * radius),
        "diamond": (1.05 * radius - across - down) * 0.707,
    }
    stacked = torch.stack([distances[name] for name in SHAPES])
    return stacked[shape, torch.arange(len(shape))]
