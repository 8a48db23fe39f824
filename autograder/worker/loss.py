"""Backpropagation from a tensor of any shape, without what torch would import for it."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


def leaf(value: Any) -> Any:
    """A copy that gradients flow to, of a tensor of floating point; anything else as it is."""
    if isinstance(value, Tensor) and value.is_floating_point():
        return value.detach().clone().requires_grad_(True)
    return value


def pull_back(output: Any, cotangent: Tensor | list[Tensor]) -> None:
    """As `output.backward(cotangent)`; what fits no such call, torch itself says.

    Of an answer of several tensors, with a list of cotangents: all at once, as many as there are of both.
    """
    if isinstance(output, (tuple, list)) and isinstance(cotangent, list):
        losses = [loss_of(*pair) for pair in zip(output, cotangent, strict=False)]
        torch.stack(losses).sum().backward()  # type: ignore[no-untyped-call]  # torch gives it no types
    elif isinstance(output, Tensor) and isinstance(cotangent, Tensor) and output.shape == cotangent.shape:
        loss_of(output, cotangent).backward()  # type: ignore[no-untyped-call]
    else:
        output.backward(cotangent)


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
