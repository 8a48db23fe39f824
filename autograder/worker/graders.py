"""What stays with the grader, seen from the student's code: functions, and classes of modules."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import torch
from torch import Tensor, nn


class Asks(Protocol):
    """What these need of a session."""

    pretended: Any  # while a call's inputs are on the pretended accelerator

    def question(self, kind: str, value: Any) -> Any:
        """Puts a question to the grader, and gives its answer."""


class GradersCallable:
    """A callable of the grader's."""

    def __init__(self, session: Asks, id: int, grad: bool) -> None:
        self._session, self.id, self.grad = session, id, grad

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        pretended = self._session.pretended
        if pretended is not None:  # the grader has no such device: its inputs come off, its answer goes on
            args, kwargs = pretended.take((args, kwargs), had_inputs=False)
            return pretended.put(self._session.question("callback", self._question(args, kwargs)))
        if self.grad and torch.is_grad_enabled():
            # Named arguments among the others: autograd follows only those.
            through: Any = _ThroughTheGrader.apply  # which torch leaves without types
            return through(self, tuple(kwargs), *args, *kwargs.values())
        return self._session.question("callback", self._question(args, kwargs))

    def _question(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
        return {"callback": self.id, "args": list(args), "kwargs": kwargs}


# In Python's messages, which students read, it is what it stands for.
GradersCallable.__name__ = GradersCallable.__qualname__ = "function"
GradersCallable.__module__ = "__main__"


class _ThroughTheGrader(torch.autograd.Function):
    """Forward is computed by the grader; so is the vector-Jacobian product."""

    @staticmethod
    def forward(ctx: Any, callable: GradersCallable, names: tuple[str, ...], *values: Any) -> Any:
        unnamed = len(values) - len(names)
        kwargs = dict(zip(names, values[unnamed:], strict=True))
        question = callable._question(values[:unnamed], kwargs)
        output, ctx.token = callable._session.question("callback_with_grad", question)
        ctx.callable = callable
        return output

    @staticmethod
    def backward(ctx: Any, *cotangents: Tensor) -> Any:
        question = {"token": ctx.token, "cotangent": cotangents[0]}
        return (None, None, *ctx.callable._session.question("vector_jacobian", question))


def graders_class(name: str, build: Callable[..., Any]) -> type[nn.Module]:
    """A class of modules that keep their parameters here, and have the grader do their work.

    `build(*args, **kwargs)` gives a new module's parameters by their names, and a callable that takes inputs
    and those parameters.
    """

    class GradersModule(nn.Module):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__()
            made = build(*args, **kwargs)
            self.__dict__["_work"] = made["work"]
            for path, value in made["parameters"].items():
                _register(self, path, nn.Parameter(value))

        def forward(self, *args: Any, **kwargs: Any) -> Any:
            return self.__dict__["_work"](*args, **kwargs, **dict(self.named_parameters()))

    GradersModule.__name__ = GradersModule.__qualname__ = name
    GradersModule.__module__ = "__main__"
    return GradersModule


def _register(module: nn.Module, path: str, parameter: nn.Parameter) -> None:
    """As the parameter `path` of the module, `to_out.0.weight` for one, with empty modules on the way."""
    *folders, name = path.split(".")
    for folder in folders:
        if folder not in module._modules:
            module.add_module(folder, nn.Module())
        module = module.get_submodule(folder)
    module.register_parameter(name, parameter)
