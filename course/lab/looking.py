"""Teaches a network to name the shape in a picture, within seconds: large shapes on black, in any colour."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from course.lab import shapes

Pictures = tuple[Float[Tensor, "N 3 16 16"], Int[Tensor, " N"]]


def pictures(count: int, generator: torch.Generator) -> Pictures:
    """Pictures of 16 x 16 pixels, and the number of the shape in each, 0 to 5."""
    asked = shapes.sample_attributes(count, generator)
    nothing = torch.zeros_like(asked.size)
    large_on_black = shapes.Attributes(
        size=nothing + shapes.SIZES.index("large"),
        colour=asked.colour,
        shape=asked.shape,
        background=nothing,
    )
    return shapes.draw(large_on_black, generator=generator), asked.shape


def learn(
    network: nn.Module,
    steps: int,
    *,
    batch: int = 64,
    learning_rate: float = 2e-3,
    change: Callable[[Tensor], Tensor] = lambda x: x,
) -> Iterator[float]:
    """Trains the network, which gives a score for each of six shapes; after each step gives the loss.

    change  what is done to the pictures before the network sees them
    """
    generator = torch.Generator().manual_seed(0)
    optimizer = torch.optim.AdamW(network.parameters(), learning_rate)
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate * min(1.0, (step + 1) / 20) * (1 - 0.95 * step / steps)
        x, shape = pictures(batch, generator)
        loss = F.cross_entropy(network(change(x)), shape)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        yield loss.item()


@torch.no_grad()
def right(
    network: Callable[[Tensor], Tensor], count: int = 600, change: Callable[[Tensor], Tensor] = lambda x: x
) -> float:
    """The share of new pictures whose shape has the highest score."""
    x, shape = pictures(count, torch.Generator().manual_seed(1))
    return (network(change(x)).argmax(1) == shape).double().mean().item()
