"""Assertions whose messages a student may read: about their own answer, never about the hidden test."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

# Relative to the size of the expected values. Both correct orders of summation must pass; a wrong formula
# is off by much more. A GPU sums in another order, and in TF32 off still differs in the last bits.
TOLERANCE: dict[tuple[torch.dtype, str], float] = {
    (torch.float64, "cpu"): 1e-9,
    (torch.float32, "cpu"): 1e-5,
    (torch.float16, "cpu"): 4e-3,
    (torch.bfloat16, "cpu"): 3e-2,
    (torch.float64, "cuda"): 1e-9,
    (torch.float32, "cuda"): 3e-5,
    (torch.float16, "cuda"): 8e-3,
    (torch.bfloat16, "cuda"): 5e-2,
}


class Mismatch(AssertionError):
    """A property that does not hold; the message may be shown to the student."""


def assert_holds(condition: bool | Tensor, message: str = "") -> None:
    """Fails with a message for the student: about their answer, without inputs or expected values."""
    if not bool(condition):
        raise Mismatch(message)


def assert_tensor(
    answer: Any, *, shape: tuple[int, ...] | None = None, dtype: torch.dtype | None = None
) -> Tensor:
    """The answer, if it is a tensor of this shape and dtype."""
    if not isinstance(answer, Tensor):
        kind = getattr(answer, "type_name", None) or type(answer).__name__
        raise Mismatch(f"a tensor was expected; you returned {_article(kind)}")
    if shape is not None and tuple(answer.shape) != tuple(shape):
        raise Mismatch(f"the result's shape is wrong: yours has shape {tuple(answer.shape)}")
    if dtype is not None and answer.dtype != dtype:
        raise Mismatch(f"the result's dtype is wrong: yours is {str(answer.dtype).removeprefix('torch.')}")
    return answer


def assert_close(
    answer: Any,
    expected: Tensor,
    *,
    rtol: float | None = None,
    atol: float | None = None,
    check_dtype: bool = True,
) -> None:
    """The answer is a tensor with the shape, dtype, device and values of `expected`.

    Tolerances are relative to the largest expected magnitude (at least `atol`, by default 1e-3 of `rtol`),
    from one table by dtype and device, so that one small element is not held to an impossible precision.
    """
    answer = assert_tensor(answer, shape=tuple(expected.shape), dtype=expected.dtype if check_dtype else None)
    if answer.device.type != expected.device.type:
        raise Mismatch(f"the result is on the wrong device: yours is on {answer.device.type}")
    if expected.numel() == 0:
        return
    both = torch.promote_types(answer.dtype, expected.dtype)  # without `check_dtype` they may differ
    if not expected.is_floating_point() and not expected.is_complex():
        if not torch.equal(answer.to(both), expected.to(both)):
            raise Mismatch("the values are wrong")
        return
    if not torch.isfinite(answer).all():
        what = "NaN" if torch.isnan(answer).any() else "infinity"
        raise Mismatch(f"the result contains {what}")
    tolerance = rtol if rtol is not None else TOLERANCE[expected.dtype.to_real(), expected.device.type]
    scale = expected.abs().max().double().item()
    allowed = max(tolerance * scale, atol if atol is not None else tolerance * 1e-3)
    wide = torch.promote_types(both, torch.float64)
    error = (answer.to(wide) - expected.to(wide)).abs().max().item()
    if not error <= allowed:  # NaN, too: a rule may compare two answers with one another
        relative = error / scale if scale else float("inf")
        raise Mismatch(
            "the values are wrong"
            if relative > 0.01
            else "the values are close, but not close enough: "
            f"the largest error is {relative:.1e} of the largest value"
        )


def _article(kind: str) -> str:
    return "None" if kind == "NoneType" else f"{'an' if kind[:1].lower() in 'aeiou' else 'a'} {kind}"
