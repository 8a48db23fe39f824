"""What a whole function or module may do otherwise, whatever its source: what docstrings forbid any answer.

Each takes a function, or a class of modules, whose `forward` is meant, and gives it changed; the class itself
is changed, so let it be the mutant's own. Which of them a definition may have: `as_a_whole.py`.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

Call = Callable[[], Any]
Given = Mapping[str, Any]


def detached(target: Any) -> Any:
    return _answering(target, lambda call, given: _each(call(), Tensor.detach))


def without_grad(target: Any) -> Any:
    return _answering(target, lambda call, given: torch.no_grad()(call)())


def writing_to(target: Any, name: str) -> Any:
    """Its answer is right, and then it spoils an argument."""

    def answer(call: Call, given: Given) -> Any:
        made, argument = call(), given.get(name)
        for spoilt in argument.values() if isinstance(argument, Mapping) else [argument]:
            if isinstance(spoilt, Tensor):
                with torch.no_grad():
                    spoilt.logical_not_() if spoilt.dtype == torch.bool else spoilt.add_(1)
        return made

    return _answering(target, answer)


def of_dtype(target: Any, name: str) -> Any:
    dtype = getattr(torch, name)
    return _answering(target, lambda call, given: _each_number(call(), lambda x: x.to(dtype)))


def given_back(target: Any) -> Any:
    """Where its answer equals an argument, it is that argument."""

    def answer(call: Call, given: Given) -> Any:
        def same(made: Tensor) -> Tensor:
            tensors = (one for one in given.values() if isinstance(one, Tensor) and one.dtype == made.dtype)
            return next((one for one in tensors if torch.equal(one, made)), made)

        return _each(call(), same)

    return _answering(target, answer)


def cached(target: Any) -> Any:
    """For arguments of the same shapes it gives its first answer again."""
    kept: dict[Any, Any] = {}

    def answer(call: Call, given: Given) -> Any:
        key = tuple(map(_likeness, given.values()))
        if key not in kept:
            kept[key] = call()
        return kept[key]

    return _answering(target, answer)


def _likeness(given: Any) -> object:
    """What a cache would tell it by: each call gets a new stand-in for a function, so by nothing."""
    if isinstance(given, Tensor):
        return given.shape, given.dtype
    if isinstance(given, nn.Module):
        return id(given)
    return "function" if callable(given) else repr(given)


def refusing_gaps(target: Any) -> Any:
    """As `view` does, it takes no argument that is transposed or part of a larger one."""

    def answer(call: Call, given: Given) -> Any:
        if any(isinstance(one, Tensor) and not one.is_contiguous() for one in given.values()):
            raise RuntimeError("view size is not compatible with input tensor's size and stride")
        return call()

    return _answering(target, answer)


def as_list(target: Any) -> Any:
    return _answering(target, lambda call, given: list(call()))


def other_in_eval(target: Any) -> Any:
    def answer(call: Call, given: Given) -> Any:
        return call() if given["self"].training else _each_number(call(), lambda x: x + 1)

    return _answering(target, answer)


def other_without_grad(target: Any) -> Any:
    def answer(call: Call, given: Given) -> Any:
        return call() if torch.is_grad_enabled() else _each_number(call(), lambda x: x + 1)

    return _answering(target, answer)


def zeroed(target: Any) -> Any:
    return _made(target, lambda parameter: parameter.detach().zero_())


def frozen(target: Any) -> Any:
    return _made(target, lambda parameter: parameter.requires_grad_(False))


def made_in_double(target: Any) -> Any:
    return _made(target, lambda parameter: setattr(parameter, "data", parameter.data.double()))


def _answering(target: Any, answer: Callable[[Call, Given], Any]) -> Any:
    """The target with `answer` in the place of a call of it."""
    function = getattr(target, "forward", target)
    signature = inspect.signature(function)

    @functools.wraps(function)
    def changed(*args: Any, **kwargs: Any) -> Any:
        return answer(lambda: function(*args, **kwargs), signature.bind(*args, **kwargs).arguments)

    if not isinstance(target, type):
        return changed
    target.forward = changed  # type: ignore[attr-defined]  # a class of modules has one
    return target


def _made(target: Any, change: Callable[[nn.Parameter], Any]) -> Any:
    """The class with something done to each parameter as soon as there is a module."""
    init = target.__init__

    @functools.wraps(init)
    def changed(self: nn.Module, *args: Any, **kwargs: Any) -> None:
        init(self, *args, **kwargs)
        for parameter in self.parameters():
            change(parameter)

    target.__init__ = changed
    return target


def _each(made: Any, change: Callable[[Tensor], Any]) -> Any:
    """An answer with each of its tensors changed."""
    if isinstance(made, Tensor):
        return change(made)
    if isinstance(made, (tuple, list)):
        return type(made)(_each(one, change) for one in made)
    return {name: _each(one, change) for name, one in made.items()} if isinstance(made, dict) else made


def _each_number(made: Any, change: Callable[[Tensor], Tensor]) -> Any:
    return _each(made, lambda tensor: change(tensor) if tensor.is_floating_point() else tensor)
