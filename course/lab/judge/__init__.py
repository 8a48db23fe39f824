"""Says what is to be seen in a picture of `course.lab.shapes`, so that a model's pictures can be counted.

    from course.lab import judge

    scores = judge.load().scores(pictures, ["a large red circle on black"] * len(pictures))
    print(scores)  # all four right: 96 %, size 99 %, colour 99 %, ...

Two judges that know nothing of one another: a small network for all four attributes, and `palette`, which has
no network and looks at colours only. How often each errs on pictures that `course.lab.shapes` itself has
drawn stands in `docs/tiny-sd.md`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from course.lab import shapes
from course.lab.judge.network import JudgeNetwork
from course.lab.judge.palette import Palette, palette
from course.lab.stored import read_weights

__all__ = ["Judge", "Palette", "Scores", "load", "palette"]

WEIGHTS = Path(__file__).with_name("judge.safetensors")


@dataclass(frozen=True)
class Scores:
    """The part of the pictures that show what their captions say: each attribute, and all four at once."""

    count: int
    size: float
    colour: float
    shape: float
    background: float
    all: float

    def __str__(self) -> str:
        parts = ", ".join(f"{name} {getattr(self, name):.0%}" for name in shapes.ATTRIBUTES)
        return f"all four right: {self.all:.0%} of {self.count} ({parts})"


@dataclass(frozen=True)
class Judge:
    """The trained network."""

    network: JudgeNetwork

    @torch.no_grad()
    def attributes(self, pictures: Float[Tensor, "B 3 H W"]) -> shapes.Attributes:
        """What it sees in each picture. Made for 16 x 16 pixels and numbers from -1 to 1."""
        guesses = self.network(pictures.float().clamp(-1, 1))
        return shapes.Attributes(**{name: guess.argmax(1) for name, guess in guesses.items()})

    def scores(self, pictures: Float[Tensor, "B 3 H W"], captions: Sequence[str]) -> Scores:
        """How many pictures show what their captions say; the captions name all four attributes."""
        if len(pictures) != len(captions):
            raise ValueError(f"there are {len(pictures)} pictures and {len(captions)} captions: one each")
        asked, seen = shapes.attributes_of(captions), self.attributes(pictures)
        right = {name: getattr(asked, name) == getattr(seen, name) for name in shapes.ATTRIBUTES}
        every = torch.stack(list(right.values())).all(0)
        return Scores(
            len(pictures),
            **{name: found.double().mean().item() for name, found in right.items()},
            all=every.double().mean().item(),
        )


def load(path: Path = WEIGHTS) -> Judge:
    """The judge that comes with the course, from a file of plain numbers."""
    network = JudgeNetwork()
    network.load_state_dict(read_weights(path))
    return Judge(network.eval().requires_grad_(False))
