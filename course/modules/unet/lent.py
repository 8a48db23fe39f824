"""What later modules take from `unet`, for who has not written it: the tiny trained network's own class."""

from __future__ import annotations

from typing import Any

import torch

from course.lab import tiny_sd
from course.lab.tiny_sd.network import TinyUNet

__all__ = ["UNet"]


class UNet(TinyUNet):
    """The exercise's UNet in its default size, the only one that the course lends."""


@torch.no_grad()
def fits(name: str, own: Any) -> None:
    """Raises whatever keeps a student's UNet from drawing with the trained weights as this one does."""
    theirs, ours = own(), UNet()
    x, t, context = torch.ones(1, 3, 16, 16), torch.tensor([500]), torch.ones(1, 7, 64)
    for network in (theirs, ours):
        network.load_state_dict(tiny_sd.weights())
        network.eval()
    if not torch.allclose(theirs(x, t, context), ours(x, t, context), atol=1e-3):
        raise ValueError("with the trained weights it predicts another noise")
