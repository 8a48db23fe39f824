"""Tensors and their differences in the words and numbers of a short report."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

FEW = 16  # so many numbers are shown; of a larger tensor only its shape


def value(thing: Any) -> str:
    """A small tensor's numbers, a large one's shape, anything else in at most 60 characters."""
    if isinstance(thing, Tensor):
        try:
            plain = thing.detach().as_subclass(Tensor)
            return (
                _nested(plain.tolist()) if plain.numel() <= FEW else f"a tensor of shape {tuple(plain.shape)}"
            )
        except Exception:
            return a(thing)
    if isinstance(thing, torch.nn.Module):
        return type(thing).__name__
    if isinstance(thing, torch.Generator):
        return f"a torch.Generator with the seed {thing.initial_seed()}"
    try:
        text = " ".join(repr(thing).split())
    except Exception:
        return a(thing)
    return text if len(text) <= 60 else f"{text[:57]}..."


def a(thing: Any) -> str:
    """'a list', 'an ndarray': the type of a thing."""
    name = type(thing).__name__
    if name == "NoneType":
        return "None"
    return f"{'an' if name[:1].lower() in 'aeiou' or name == 'ndarray' else 'a'} {name}"


def dtype(tensor: Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")


def kind(tensor: Tensor) -> str:
    """'(shape (2, 3), float32)'"""
    return f"(shape {tuple(tensor.shape)}, {dtype(tensor)})"


def difference(own: Tensor, expected: Tensor) -> str:
    """Where and by how much a tensor differs most from another of its shape, in a clause."""
    wide = torch.promote_types(torch.promote_types(own.dtype, expected.dtype), torch.float64)
    own, expected = own.to(wide), expected.to(wide)
    lost = own.isnan() & ~expected.isnan()
    lost |= own.isinf() & (own != expected)
    if lost.any():
        at = tuple(lost.nonzero()[0].tolist())
        what = "NaN" if own[at].isnan() else "infinity"
        right = number(expected[at].item())
        return f"there is {what} in the result, first at {_position(at)}, where {right} is right"
    error = (own - expected).abs().nan_to_num(nan=math.inf)
    at = tuple((error == error.max()).nonzero()[0].tolist())
    largest, yours, right = (number(each[at].item()) for each in (error, own, expected))
    if yours == right:
        yours, right = (f"{each[at].item():.10g}" for each in (own, expected))
    return f"the largest error is {largest}, at {_position(at)}: {yours} instead of {right}"


def number(x: complex) -> str:
    """Up to four digits that matter, and no power of ten below a million: 0.25, 1.099, 10001.1, -inf."""
    if not isinstance(x, float) or (x.is_integer() and abs(x) < 1e9):
        return str(int(x) if isinstance(x, float) else x)
    return f"{x:.1f}" if 1e4 <= abs(x) < 1e6 else f"{x:.4g}"


def _nested(numbers: Any) -> str:
    if isinstance(numbers, list):
        return f"[{', '.join(_nested(item) for item in numbers)}]"
    return number(numbers)


def _position(at: tuple[int, ...]) -> str:
    return f"[{', '.join(map(str, at))}]" if at else "its only element"
