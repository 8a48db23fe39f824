"""A training step small enough to be followed by hand: a line for a model, and plain gradient descent.

`Descent` has the methods of torch's optimizers that a training loop calls. The first one of torch's own takes
two seconds to import; this one takes none, and its arithmetic fits into a line.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn


class Line(nn.Module):
    """Predicts `weight x + bias + slope t` for samples [B, C]; a buffer `seen` counts how often it was asked.

    channels  C; weight is [C, C], bias and slope are [C]. It starts as weight 1, bias 0, slope 0.
    """

    seen: Tensor

    def __init__(self, channels: int = 1) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.eye(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.slope = nn.Parameter(torch.zeros(channels))
        self.register_buffer("seen", torch.zeros((), dtype=torch.long))

    def forward(self, x: Float[Tensor, "B C"], t: Int[Tensor, " B"]) -> Float[Tensor, "B C"]:
        self.seen += 1
        return x @ self.weight.T + self.bias + t.to(x.dtype)[:, None] * self.slope


class Descent:
    """Gradient descent with momentum: m <- momentum m + gradient, parameter <- parameter - lr m.

    As torch.optim.SGD, with the same methods and `param_groups`.
    """

    def __init__(self, parameters: Iterable[nn.Parameter], lr: float, momentum: float = 0.0) -> None:
        self.param_groups: list[dict[str, Any]] = [
            {"params": list(parameters), "lr": lr, "momentum": momentum}
        ]
        self.steps = 0
        self._moving: dict[nn.Parameter, Tensor] = {}

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forgets the gradients that the parameters have."""
        for parameter in self._parameters():
            if set_to_none or parameter.grad is None:
                parameter.grad = None
            else:
                parameter.grad = torch.zeros_like(parameter)

    def step(self, closure: Callable[[], Tensor] | None = None) -> Tensor | None:
        """One step with the gradients that the parameters have, or those that `closure` makes; its answer."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        (group,) = self.param_groups
        with torch.no_grad():
            for parameter in self._parameters():
                if parameter.grad is None:
                    continue
                moving = parameter.grad.clone()
                if parameter in self._moving:
                    # Where the parameter is now: a model may move from one device to another.
                    moving += group["momentum"] * self._moving[parameter].to(moving)
                self._moving[parameter] = moving
                parameter.sub_(group["lr"] * moving)
        self.steps += 1
        return loss

    def _parameters(self) -> list[nn.Parameter]:
        parameters: list[nn.Parameter] = self.param_groups[0]["params"]
        return parameters


def descent_on(model: nn.Module, lr: float, momentum: float = 0.0) -> Descent:
    """Gradient descent on all the parameters of a model."""
    return Descent(model.parameters(), lr, momentum)
