"""How a solution is held against the library that everyone uses."""

from __future__ import annotations

import torch
from torch import Tensor, nn

DTYPES = [torch.float64, torch.float32]


def agree(ours: Tensor, theirs: Tensor, single: float = 3e-6) -> None:
    """Up to rounding, which in float32 may come to `single`."""
    tolerance = 1e-12 if ours.dtype == torch.float64 else single
    torch.testing.assert_close(ours, theirs, rtol=tolerance, atol=tolerance)


def agree_in_scale(ours: Tensor, theirs: Tensor, single: float = 2e-6) -> None:
    """Up to rounding, relative to the largest number."""
    scale = theirs.abs().max().clamp(min=1e-30)
    tolerance = 1e-12 if ours.dtype == torch.float64 else single
    torch.testing.assert_close(ours / scale, theirs / scale, rtol=0, atol=tolerance)


def with_weights_of(layer: nn.Module, oracle: nn.Module) -> nn.Module:
    """The oracle with our layer's weights; strict, so that names and shapes are the same on both sides."""
    with torch.no_grad():
        for parameter in layer.parameters():  # biases too: what starts at zero or one would hide a mistake
            fan_in = parameter[0].numel() if parameter.dim() > 1 else 1
            parameter.normal_(std=fan_in**-0.5)
    oracle.to(next(layer.parameters()).dtype).load_state_dict(layer.state_dict(), strict=True)
    return oracle.eval()


def leaves_its_inputs(layer: nn.Module, *shapes: tuple[int, ...]) -> Tensor:
    """What it makes of random inputs, which must stay as they were."""
    given = [torch.randn(shape) for shape in shapes]
    before = [x.clone() for x in given]
    out: Tensor = layer(*given)
    assert all(torch.equal(x, y) for x, y in zip(given, before, strict=True))
    return out
