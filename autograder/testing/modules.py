"""A student's module beside the reference's: the same weights, so the same answers and gradients."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from importlib import import_module
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from ..contract.line import Kept
from ..contract.student import Function, Handle, Part, Student
from ..worker.loss import leaf, loss_of
from .assertions import Mismatch, assert_close
from .draw import Draw

M = TypeVar("M", bound=nn.Module)


def twins(
    student: Student,
    draw: Draw,
    reference: Callable[..., M],
    *args: Any,
    dtype: torch.dtype = torch.float64,
    **kwargs: Any,
) -> tuple[Handle, M]:
    """The student's module of the reference's name, and the reference's, both with the same fresh weights.

    What it is made of, if it is made of other layers, is a `part("torch.nn.Linear", 4, 2)`.
    Fails as `assert_parameters` does when the weights have no place in the student's module.
    """
    module = draw.weights(_built(reference, args, kwargs), dtype)
    handle = student.new(reference.__name__, *args, **kwargs)
    if not handle.is_known_to_fit():
        assert_parameters(handle, module)
        handle.fits()
    copy_weights(handle, module, dtype)
    return handle, module


def copy_weights(handle: Handle, module: nn.Module, dtype: torch.dtype) -> None:
    """Gives the student's module the weights of this one, with the next request.

    A buffer that a student registered, for a constant, is no parameter: hence not strict.
    """
    handle.load_state_dict(module.state_dict(), strict=False, dtype=dtype, wait=False)


def _built(reference: Callable[..., M], args: tuple[Any, ...], kwargs: dict[str, Any]) -> M:
    """The reference's module, put together once for all students: its weights are about to be drawn anew."""
    if any(isinstance(arg, nn.Module) for arg in (*args, *kwargs.values())):
        return reference(*args, **kwargs)
    known = (reference, repr((args, kwargs)))
    if known not in _modules:
        _modules[known] = reference(*map(made, args), **kwargs)
    module: M = _modules[known]
    return module


def made(arg: Any) -> Any:
    """The module, of a public class, that a part describes; anything else as it is."""
    if not isinstance(arg, Part):
        return arg
    module, _, name = arg.path.rpartition(".")
    return getattr(import_module(module), name)(*map(made, arg.args), **arg.kwargs)


_modules: dict[Any, Any] = {}


def assert_parameters(handle: Handle, module: nn.Module) -> None:
    """The parameters have the names and shapes of the reference's: no more, no fewer."""
    found = {name: parameter.shape for name, parameter in handle.parameters().items()}
    expected = {name: tuple(parameter.shape) for name, parameter in module.named_parameters()}
    wrong = [f"`{name}` is missing" for name in expected.keys() - found.keys()]
    wrong += [f"`{name}` should not be there" for name in found.keys() - expected.keys()]
    wrong += [
        f"`{name}` has the wrong shape, {found[name]}"
        for name in found.keys() & expected.keys()
        if str(found[name]) != str(expected[name])  # as text: whatever it is, it can be compared
    ]
    if wrong:
        more = f"; and {len(wrong) - 4} more" if len(wrong) > 4 else ""
        listed = "; ".join(sorted(wrong)[:4])
        raise Mismatch(f"the module's parameters are not those that the exercise names: {listed}{more}")


def assert_gradients(
    answers: Function,
    function: Callable[..., Any],
    draw: Draw,
    *args: Any,
    rtol: float | None = None,
    parameters: Mapping[str, Tensor] | None = None,
    but: Collection[int] = (),
) -> None:
    """The output, and its gradients to all floating-point arguments and all parameters, are `function`'s.

    An output of several tensors is a tuple.

    parameters  those to be compared, by their names; without, all that `function` has.
    but         places of arguments that no gradient needs to reach.
    """
    leaves = [
        arg.function if isinstance(arg, Kept) else arg if index in but else leaf(arg)
        for index, arg in enumerate(args)
    ]
    if parameters is None:
        parameters = dict(function.named_parameters()) if isinstance(function, nn.Module) else {}
    output = function(*leaves)
    several = isinstance(output, tuple)
    outputs: tuple[Tensor, ...] = output if several else (output,)
    cotangents = [draw.normal(*each.shape, dtype=each.dtype) for each in outputs]
    inputs = {
        index: each for index, each in enumerate(leaves) if isinstance(each, Tensor) and each.requires_grad
    }
    leading = [*inputs.values(), *parameters.values()]
    found = answers.gradients(*args, cotangent=cotangents if several else cotangents[0])
    answer = found.output if several else (found.output,)
    if not isinstance(answer, (tuple, list)) or len(answer) != len(outputs):
        raise Mismatch(f"{len(outputs)} tensors were expected")
    for own, one in zip(answer, outputs, strict=True):
        assert_close(own, one.detach(), rtol=rtol)
    loss = torch.stack([loss_of(*pair) for pair in zip(outputs, cotangents, strict=True)]).sum()
    expected: Sequence[Tensor | None] = torch.autograd.grad(loss, leading, allow_unused=True)
    received = [found.inputs[index] if index < len(found.inputs) else None for index in inputs]
    received += [found.parameters.get(name) for name in parameters]
    places = [f"argument {index + 1}" for index in inputs] + [f"`{name}`" for name in parameters]
    for place, gradient, wanted, of in zip(places, received, expected, leading, strict=True):
        if wanted is None:  # it is not used
            if gradient is not None:
                assert_close(gradient, torch.zeros_like(of), rtol=rtol)
            continue
        if gradient is None:
            raise Mismatch(f"no gradient reaches {place}")
        try:
            assert_close(gradient, wanted, rtol=rtol)
        except Mismatch as mismatch:
            raise Mismatch(f"the gradient of {place}: {mismatch}") from None
