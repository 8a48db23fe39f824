"""What later modules take from `unet`, for who has not written it."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from course.lab import tiny_sd
from course.lab.tiny_sd.network import TinyUNet

__all__ = ["UNet", "timestep_embedding"]


def timestep_embedding(t: Int[Tensor, " B"] | Float[Tensor, " B"], dim: int) -> Float[Tensor, "B dim"]:
    """Each timestep as dim numbers, cosines first, as the exercise has it: float32, on t's device."""
    i = torch.arange(dim // 2, dtype=torch.float64, device=t.device)
    turned = torch.polar(torch.ones_like(i), torch.outer(t.double(), 1e4 ** (-2 * i / (dim - dim % 2))))
    last = t.new_zeros(len(t), dim % 2)
    return torch.cat((turned.real, turned.imag, last), 1).float()


class UNet(TinyUNet):
    """The exercise's UNet in its default size, the only one that the course lends."""


@torch.no_grad()
def fits(name: str, own: Any) -> None:
    """Raises whatever keeps a student's part from doing what this one does."""
    if name == "timestep_embedding":
        t = torch.tensor([0.0, 7.5, 999.0])
        if not torch.allclose(own(t, 10), timestep_embedding(t, 10), atol=1e-3):
            raise ValueError("it gives other numbers")
        return
    theirs, ours = own(), UNet()
    x, t, context = torch.ones(1, 3, 16, 16), torch.tensor([500]), torch.ones(1, 7, 64)
    for network in (theirs, ours):
        network.load_state_dict(tiny_sd.weights())
        network.eval()
    if not torch.allclose(theirs(x, t, context), ours(x, t, context), atol=1e-3):
        raise ValueError("with the trained weights it predicts another noise")
