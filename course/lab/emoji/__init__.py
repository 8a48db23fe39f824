"""131 emoji of 32 x 32 pixels with their names, and as many in other colours as there are colours.

    from course.lab import emoji

    pictures = emoji.pictures(["fox face", "blue fox face"])  # [2, 3, 32, 32], on white, from -1 to 1

A caption is a name, or a colour and a name. The pictures are Google's Noto Emoji; `NOTICE.md` beside this
file has their licence, and `make.py` took them out of the package that carries them.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

HERE = Path(__file__).parent
SHEET, NAMES_FILE = HERE / "emoji.png", HERE / "names.txt"
SIDE, COLUMNS = 32, 16  # pixels of a picture; pictures in a row of the sheet

# Hues from 0 to 1, as in HSV; grey has none.
COLOURS: dict[str, float | None] = {
    "red": 0.0,
    "orange": 0.075,
    "yellow": 0.15,
    "green": 0.33,
    "blue": 0.6,
    "purple": 0.76,
    "pink": 0.9,
    "grey": None,
}


@cache
def names() -> tuple[str, ...]:
    """The names, in the order of the sheet."""
    return tuple(line.split("\t")[0] for line in NAMES_FILE.read_text("utf-8").splitlines())


@cache
def sprites() -> Float[Tensor, "N 4 32 32"]:
    """Red, green, blue and how much of the background is hidden, from 0 to 1, in the order of the sheet."""
    from PIL import Image

    with Image.open(SHEET) as image:
        sheet = torch.from_numpy(np.array(image)).float() / 255
    tiles = sheet.reshape(-1, SIDE, COLUMNS, SIDE, 4)  # [rows, SIDE, columns, SIDE, 4]
    return tiles.permute(0, 2, 4, 1, 3).flatten(0, 1)[: len(names())].contiguous()


def pictures(captions: Sequence[str]) -> Float[Tensor, "B 3 32 32"]:
    """The emoji of these captions on white, from -1 to 1; raises ValueError for one that there is not."""
    parsed = [parse(caption) for caption in captions]
    chosen = sprites()[[number for number, _ in parsed]]
    colour, shown = chosen[:, :3].clone(), chosen[:, 3:]
    for at, (_, tint) in enumerate(parsed):
        if tint:
            colour[at] = tinted(colour[at], COLOURS[tint])
    return (colour * shown + 1 - shown) * 2 - 1


def parse(caption: str) -> tuple[int, str]:
    """The number of a caption's emoji, and its colour, "" for its own; raises ValueError for no caption."""
    if caption in names():
        return names().index(caption), ""
    colour, _, name = caption.partition(" ")
    for number, known in enumerate(names()):
        if colour in COLOURS and name in (known, plain(known)):
            return number, colour
    raise ValueError(
        f"there is no emoji {caption!r}: take one of emoji.names(), such as {names()[0]!r}, "
        f"with or without one of the colours {', '.join(COLOURS)} before it"
    )


def plain(name: str) -> str:
    """The name without a colour of its own: "apple" for "red apple"."""
    return " ".join(word for word in name.split() if word not in COLOURS) or name


def recoloured(colour: str, name: str) -> str:
    """The caption of an emoji in another colour: "blue apple" for blue and "red apple"."""
    return f"{colour} {plain(name)}"


def held_out(caption: str) -> bool:
    """Whether the tiny latent model was never shown this: a sixth of all with a colour, and a few more.

    Each of the two words it has seen with others.
    """
    number, colour = parse(caption)
    if not colour or caption in names():
        return False
    return caption in NEVER_SHOWN or zlib.crc32(recoloured(colour, names()[number]).encode()) % 6 == 0


NEVER_SHOWN = {
    "blue apple", "purple cat face", "green pig face", "blue tiger face", "green unicorn face", "red banana",
    "blue strawberry", "pink penguin", "yellow octopus", "purple fox face", "pink elephant", "blue lemon",
}  # fmt: skip


def tinted(colours: Float[Tensor, "3 H W"], hue: float | None) -> Float[Tensor, "3 H W"]:
    """The picture in one hue, colours from 0 to 1: light and dark stay, pale becomes a little stronger."""
    high, low = colours.amax(0), colours.amin(0)
    saturation = torch.zeros_like(high) if hue is None else 0.3 + 0.7 * (high - low) / (high + 1e-6)
    place = (torch.tensor([5.0, 3.0, 1.0]).view(3, 1, 1) + 6 * (hue or 0.0)) % 6
    return high * (1 - saturation * torch.minimum(place, 4 - place).clamp(0, 1))


@cache
def every_caption() -> tuple[str, ...]:
    """The names, then each of them in each colour: what `is_drawn` chooses from."""
    return (*names(), *(recoloured(colour, name) for colour in COLOURS for name in names()))


def is_drawn(drawn: Float[Tensor, "B 3 32 32"], captions: Sequence[str]) -> Bool[Tensor, " B"]:
    """Whether each picture is nearer to its caption's than to any other emoji in any colour.

    Pictures are compared at half their size, either way round. Raises ValueError for an unknown caption.
    """
    bank, wanted = _bank(), _small(pictures(captions))
    found = torch.minimum(*(torch.cdist(_small(way), bank) for way in (drawn, drawn.flip(3)))).argmin(1)
    return (bank[found] - wanted).abs().mean(1) < ALIKE


ALIKE = 0.02  # a yellow heart, and a blue one in yellow


@cache
def _bank() -> Float[Tensor, "N numbers"]:
    return _small(pictures(every_caption()))


def _small(shown: Float[Tensor, "N 3 32 32"]) -> Float[Tensor, "N numbers"]:
    return torch.nn.functional.avg_pool2d(shown, 2).flatten(1)
