"""A network for small pictures, light enough to be trained while one watches, and pictures to train it on.

No convolutions and no attention: layers of numbers, each connected with all of the layer before. It is
narrower than a picture has numbers, so that it cannot hand on what it is given as it stands.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from course.lab import shapes

SIZE = 12  # pixels in height and in width
FREQUENCIES = 16


def pictures(count: int, generator: torch.Generator | None = None) -> Float[Tensor, "count 3 12 12"]:
    """Large shapes on black, from -1 to 1: six shapes, eight colours, no two in the same place and shade."""
    any_of = shapes.sample_attributes(count, generator)
    large = torch.full_like(any_of.size, shapes.SIZES.index("large"))
    on_black = torch.full_like(any_of.background, list(shapes.BACKGROUNDS).index("black"))
    chosen = shapes.Attributes(large, any_of.colour, any_of.shape, on_black)
    return shapes.draw(chosen, SIZE, SIZE, generator=generator)


class _Block(nn.Module):
    """Two layers around the time, beside a way straight through, which is all there is at the start."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.first, self.last = nn.Linear(width, width), nn.Linear(width, width)
        self.time = nn.Linear(2 * FREQUENCIES, width)
        nn.init.zeros_(self.last.weight)

    def forward(
        self, x: Float[Tensor, "B width"], time: Float[Tensor, "B waves"]
    ) -> Float[Tensor, "B width"]:
        changed: Tensor = self.last(F.silu(self.first(self.norm(x)) + self.time(time)))
        return x + changed


class PictureNet(nn.Module):
    """Predicts something about noisy pictures and their timesteps: what, is for the loss to say.

    width   numbers in each layer; a picture has 432.
    blocks  how many pairs of layers.
    """

    def __init__(self, width: int = 256, blocks: int = 3) -> None:
        super().__init__()
        numbers = 3 * SIZE * SIZE
        self.into = nn.Linear(numbers, width)
        self.blocks = nn.ModuleList(_Block(width) for _ in range(blocks))
        self.norm, self.out = nn.LayerNorm(width), nn.Linear(width, numbers)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(self, x: Float[Tensor, "B 3 12 12"], t: Int[Tensor, " B"]) -> Float[Tensor, "B 3 12 12"]:
        powers = torch.arange(FREQUENCIES, device=x.device) / FREQUENCIES
        angles = torch.outer(t.to(x.dtype), 10_000**-powers)
        time = torch.cat([angles.cos(), angles.sin()], dim=1)
        hidden = self.into(x.flatten(1))
        for block in self.blocks:
            hidden = block(hidden, time)
        answer: Tensor = self.out(self.norm(hidden))
        return answer.view_as(x)
