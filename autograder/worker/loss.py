"""Backpropagation from a tensor of any shape, without what torch would import for it."""

from __future__ import annotations

import torch
from torch import Tensor


def loss_of(output: Tensor, cotangent: Tensor) -> Tensor:
    """A number whose gradient for `output` is `cotangent`, of the same shape.

    torch that is handed the cotangent itself imports sympy, which takes half a second of each process.
    """
    if output.shape != cotangent.shape:
        raise ValueError(
            f"the output has the shape {tuple(output.shape)}, its gradient {tuple(cotangent.shape)}"
        )
    with torch.enable_grad():
        return (output * cotangent.conj()).sum().real
