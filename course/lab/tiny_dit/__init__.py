"""A diffusion transformer small enough for a laptop: 700,000 parameters, 16 x 16 pixels, no download.

    from course.lab import tiny_dit

    tiny = tiny_dit.load()
    pictures = tiny.draw(["a large red circle on black", "a large cyan ring on black"])

It draws large shapes on black, six of them in eight colours: it is told which of 48 labels a caption means.
`docs/tiny-dit.md` is its model card; `python -m course.lab.tiny_dit.train` is how it came about.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from course.lab import shapes
from course.lab.stored import read_weights, write_weights
from course.lab.tiny_dit.network import CONFIG, TinyDiT

__all__ = [
    "ANY",
    "CONFIG",
    "WEIGHTS",
    "TinyDiT",
    "Trained",
    "attributes",
    "label",
    "labels_of",
    "load",
    "save",
    "times",
    "weights",
]

WEIGHTS = Path(__file__).with_name("tiny_dit.safetensors")
ANY: int = CONFIG["classes"]  # the label that means "no label": the last row of the table
SHIFT = 2.0  # more steps where there is much noise (Esser et al. 2024, section 5.3.2)

# velocity = network(x [B, 3, H, W], t [B], labels [B])
Network = Callable[[Tensor, Tensor, Tensor], Tensor]


def label(shape: Int[Tensor, " N"], colour: Int[Tensor, " N"]) -> Int[Tensor, " N"]:
    """The label of each picture: its shape and its colour as one number below 48."""
    return shape * len(shapes.COLOURS) + colour


def attributes(labels: Int[Tensor, " N"]) -> shapes.Attributes:
    """What a picture of each label shows: large, and on black."""
    return shapes.Attributes(
        size=torch.full_like(labels, shapes.SIZES.index("large")),
        colour=labels % len(shapes.COLOURS),
        shape=labels // len(shapes.COLOURS),
        background=torch.zeros_like(labels),
    )


def labels_of(captions: Sequence[str]) -> Int[Tensor, " B"]:
    """The label that each caption means; "" means none. ValueError for what the model has not learned."""
    found = []
    for caption in captions:
        if not caption:
            found.append(ANY)
            continue
        asked = shapes.attributes_of([caption])
        number = label(asked.shape, asked.colour)
        if attributes(number).captions() != asked.captions():
            raise ValueError(
                f"the tiny DiT has not learned {caption!r}: it draws large shapes on black, such as "
                f"{attributes(number).captions()[0]!r}"
            )
        found.append(int(number))
    return torch.tensor(found)


def times(steps: int) -> list[float]:
    """Shares of noise from 1 to 0, steps + 1 of them, closer together where there is much noise."""
    even = [1 - k / steps for k in range(steps + 1)]
    return [SHIFT * s / (1 + (SHIFT - 1) * s) for s in even]


@dataclass(frozen=True)
class Trained:
    """The trained network, in eval mode and without gradients: velocity = network(x, t, labels)."""

    network: nn.Module

    @torch.no_grad()
    def draw(
        self,
        captions: str | Sequence[str],
        *,
        guidance_scale: float = 2.5,
        steps: int = 20,
        seed: int = 0,
        height: int = 16,
        width: int = 16,
        network: Network | None = None,
    ) -> Float[Tensor, "B 3 height width"]:
        """Pictures for the captions, with numbers from about -1 to 1, by Euler's steps from noise to none.

        guidance_scale  w in u + w (c - u): 1 draws with the label alone, 0 without it
        seed            of the noise: picture number i starts from the same noise, whatever its caption
        network         another network in place of the trained one
        """
        captions = [captions] if isinstance(captions, str) else list(captions)
        labels = labels_of(captions)
        x = torch.randn(len(captions), 3, height, width, generator=torch.Generator().manual_seed(seed))
        sigmas = times(steps)
        for now, after in pairwise(sigmas):
            v = self.velocity(x, now, labels, guidance_scale, network)
            x = x + (after - now) * v
        return x

    def velocity(
        self,
        x: Float[Tensor, "B 3 H W"],
        sigma: float,
        labels: Int[Tensor, " B"],
        guidance_scale: float,
        network: Network | None = None,
    ) -> Float[Tensor, "B 3 H W"]:
        """The velocity at the share of noise `sigma`, under classifier-free guidance."""
        ask, t = network or self.network, torch.full((len(x),), 1000 * sigma)
        if guidance_scale == 1:
            return ask(x, t, labels)
        away = torch.full_like(labels, ANY)
        both = ask(torch.cat((x, x)), torch.cat((t, t)), torch.cat((away, labels)))
        without, wanted = both.chunk(2)
        return without + guidance_scale * (wanted - without)


def load(network: Callable[[], nn.Module] = TinyDiT, *, path: Path = WEIGHTS) -> Trained:
    """The trained model, from a file of plain numbers: nothing is downloaded, nothing unpickled.

    network  what makes the network that gets the weights, such as the class of a student's
    """
    made = network()
    made.load_state_dict(read_weights(path))
    return Trained(made.eval().requires_grad_(False))


def weights(path: Path = WEIGHTS) -> dict[str, Tensor]:
    """The state dict, for a DiT of your own: `mine.load_state_dict(tiny_dit.weights())`."""
    return read_weights(path)


def save(path: Path, state: dict[str, Tensor]) -> None:
    """Writes a state dict, as 16-bit numbers."""
    write_weights(path, state)
