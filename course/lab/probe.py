"""Reads the attention weights out of a layer that returns only its output."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn


@torch.no_grad()
def attention_weights(layer: nn.Module, *inputs: Tensor, heads: int = 1) -> Float[Tensor, "B heads L S"]:
    """Who attends to whom in `layer(*inputs)`: each query's weights over the keys.

    The trick is the one of the lesson: if the value of key j is the unit vector e_j, the output *is* the
    weights. What `to_v` returns is replaced by unit vectors, as many at a time as a head has channels, and
    what reaches `to_out[0]` is written down. The layer itself is unchanged.

    Raises ValueError if the layer has no `to_v` and `to_out`, or does not call them.
    """
    to_v, to_out = getattr(layer, "to_v", None), getattr(layer, "to_out", None)
    if not isinstance(to_v, nn.Module) or not isinstance(to_out, nn.ModuleList):
        raise ValueError(f"{type(layer).__name__} has no to_v and to_out to read the attention from")

    seen: list[Tensor] = []
    first = keys = 0

    def put_unit_vectors(_module: nn.Module, _inputs: Any, values: Tensor) -> Tensor:
        nonlocal keys
        keys = values[0, ..., 0].numel()
        d = values.shape[-1] // heads
        unit = torch.eye(keys, dtype=values.dtype, device=values.device)[:, first : first + d]
        unit = nn.functional.pad(unit, (0, d - unit.shape[1])).repeat(1, heads)  # each head has the same d
        return unit.reshape(values.shape[1:]).expand_as(values)

    def write_down(_module: nn.Module, arguments: tuple[Tensor, ...]) -> None:
        merged = arguments[0].flatten(1, -2)  # [B, L, heads * d]
        seen.append(merged.reshape(*merged.shape[:2], heads, -1))

    hooks = [to_v.register_forward_hook(put_unit_vectors), to_out[0].register_forward_pre_hook(write_down)]
    try:
        while first == 0 or first < keys:
            layer(*inputs)
            if not seen or not keys:
                raise ValueError(f"{type(layer).__name__} does not call its to_v and to_out[0]")
            first += seen[-1].shape[-1]
    finally:
        for hook in hooks:
            hook.remove()
    return torch.cat(seen, dim=-1)[..., :keys].transpose(1, 2)
