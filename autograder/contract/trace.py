"""What a submission answered, call by call: the evidence from which a mistake is named."""

from __future__ import annotations

import cmath
import re
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from ..errors import StudentError, StudentFailure
from ..worker import wire

# Two programs with the same mistake may sum in another order.
SAME = {
    torch.float64: 1e-7,
    torch.float32: 1e-4,
    torch.float16: 1e-2,
    torch.bfloat16: 5e-2,
}
MAX_ENTRIES = 400
NUMBER, WORD = re.compile(r"\d+"), re.compile(r"\w+")


@dataclass
class Trace:
    """Pairs of a request and its outcome: a value, or the name of the failure."""

    entries: list[tuple[str, Any]] = field(default_factory=list)
    classes: set[str] = field(default_factory=set)  # of the objects that were made; a class may have any name

    def answered(self, request: str, value: Any) -> None:
        if isinstance(value, wire.Token):
            self.classes.add(value.type_name)
        if len(self.entries) < MAX_ENTRIES:
            self.entries.append((request, value))

    def failed(self, request: str, failure: StudentFailure) -> None:
        if isinstance(failure, StudentError):
            said = WORD.sub(lambda word: "object" if word[0] in self.classes else word[0], failure.message)
            self.answered(request, Failed(failure.type, NUMBER.sub("#", said)))
        else:
            self.answered(request, Failed(type(failure).__name__))


def outline(value: Any) -> Any:
    """A value without its numbers, for answers that depend on untouched random initialisation."""
    if isinstance(value, Tensor):
        return ("tensor", tuple(value.shape), value.dtype)
    if isinstance(value, (list, tuple)):
        return [outline(item) for item in value]
    if isinstance(value, dict):
        return {key: outline(item) for key, item in value.items()}
    return value


@dataclass(frozen=True)
class Failed:
    """How a call ended that did not give a value.

    An error is told from another by what it says, but for its numbers: code of one mistake may meet them
    elsewhere, code of two mistakes may raise the same type.
    """

    kind: str
    said: str = ""


def alike(one: Any, other: Any) -> bool:
    """Whether two outcomes are the same, up to the order of summation."""
    if isinstance(one, Tensor) and isinstance(other, Tensor):
        return _tensors_alike(one, other)
    if isinstance(one, wire.Token) and isinstance(other, wire.Token):
        return True  # an object's class may have any name
    if type(one) is not type(other):
        return False
    if isinstance(one, (float, complex)):
        return cmath.isclose(one, other, rel_tol=1e-7) or (one != one and other != other)
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(alike(a, b) for a, b in zip(one, other, strict=True))
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(alike(one[key], other[key]) for key in one)
    return bool(one == other)


def _tensors_alike(one: Tensor, other: Tensor) -> bool:
    if one.shape != other.shape or one.dtype != other.dtype:
        return False
    if not one.is_floating_point() and not one.is_complex():
        return torch.equal(one, other)
    dtype, tolerance = one.dtype, SAME.get(one.dtype.to_real(), 1e-7)
    wide = torch.promote_types(one.dtype, torch.float64)
    one, other = one.to("cpu", wide), other.to("cpu", wide)
    if not torch.equal(torch.isfinite(one), torch.isfinite(other)):
        return False
    if not torch.equal(torch.isnan(one), torch.isnan(other)):
        return False
    finite = torch.isfinite(one)
    if not finite.any():
        return True
    # What is 0 in theory, a gradient say, is whatever the rounding left.
    allowed = max(tolerance * other[finite].abs().max().item(), 20 * torch.finfo(dtype).eps)
    return bool((one[finite] - other[finite]).abs().max().item() <= allowed)


def same_behaviour(one: Trace, other: Trace) -> bool:
    return len(one.entries) == len(other.entries) and all(
        request == request_ and alike(outcome, outcome_)
        for (request, outcome), (request_, outcome_) in zip(one.entries, other.entries, strict=True)
    )
