"""Finds, on a machine without a GPU, what would fail on one.

A `PretendedAccelerator` holds real values behind tensors that say they live somewhere else. Every
operation runs on the real values, so `.item()`, `if`, boolean indexing and autograd all work; only where a
GPU would refuse, because a tensor on the CPU meets one on the GPU, it raises `DeviceMismatch`:

    with PretendedAccelerator() as gpu:
        result = gpu.take(function(*gpu.put(arguments)))

It registers no backend and starts no thread, so it works in a process of one thread and after a fork;
`course/checking/device_tensor.py` says how.

Only `DeviceMismatch` means "would fail on a GPU". Any other exception that code raises in here and not on
the CPU (`torch.Generator(device=x.device)`, say) is a limit of the pretence.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from contextlib import ExitStack
from functools import cache
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.overrides import resolve_name
from torch.utils._python_dispatch import _disable_current_modes

from course.checking.device_tensor import (
    DeviceMismatch,
    DeviceTensor,
    DispatchMode,
    FunctionMode,
    generator_to_device,
    map_tree,
    shape_of,
    tensors_of,
    to_cpu,
    to_device,
)

__all__ = ["DeviceMismatch", "PretendedAccelerator", "prepare"]

T = TypeVar("T")
Movable = Tensor | nn.Module | torch.Generator


class PretendedAccelerator:
    """Inside `with`, a GPU as far as code that is given its tensors can tell.

    One instance can be entered again and again, though not twice at a time. Raises whatever the code in
    its body raises; `DeviceMismatch` where that code would fail on a GPU for the sake of devices.
    """

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._has_inputs = False

    def __enter__(self) -> PretendedAccelerator:
        self._has_inputs = False
        self._stack.enter_context(warnings.catch_warnings())
        # load_state_dict believes that it cannot copy to this device; it can.
        warnings.filterwarnings("ignore", message=".*copying from a non-meta parameter")
        self._stack.enter_context(FunctionMode())
        self._stack.enter_context(DispatchMode())  # type: ignore[no-untyped-call]  # torch: no types
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def put(self, tree: T) -> T:
        """A copy of a nest of lists, tuples and dicts with its tensors on the pretended device.

        Shapes, strides, dtypes and `requires_grad` are kept; a tensor that stands in it twice is one tensor
        afterwards too. A generator of random numbers becomes one on the device, in the same state. Modules
        move in place, as with `module.to("cuda")`: parameters and buffers, the same objects before and
        after. Everything else is passed on as it is, functions included: one that makes or keeps tensors
        has to `take` and `put` them itself.
        """
        moved: dict[int, Tensor] = {}
        generators: dict[int, torch.Generator] = {}

        def put_one(thing: Movable) -> Movable:
            if isinstance(thing, torch.Generator):
                return generators.setdefault(id(thing), generator_to_device(thing))
            if isinstance(thing, nn.Module):
                return _moved(thing, put_tensor)
            return put_tensor(thing)

        def put_tensor(tensor: Tensor) -> Tensor:
            self._has_inputs = True
            if id(tensor) not in moved:
                moved[id(tensor)] = to_device(tensor)
            return moved[id(tensor)]

        moved_tree: T = map_tree(put_one, tree)
        return moved_tree

    def take(self, tree: T, *, had_inputs: bool | None = None) -> T:
        """The same nest with ordinary CPU tensors, detached; modules come back in place.

        Raises DeviceMismatch if a tensor in it is on the CPU although an input was on the GPU. Whether
        one was: `had_inputs`, or by default whether `put` has moved any tensor since `with` began.
        """
        if self._has_inputs if had_inputs is None else had_inputs:
            for path, tensor in tensors_of(tree, "the result"):
                if not isinstance(tensor, DeviceTensor):
                    raise DeviceMismatch(
                        f"{path} is on the CPU, the input was on the GPU ({path} has shape "
                        f"{shape_of(tensor)}): make new tensors with device=x.device, or from the input, as "
                        "torch.zeros_like(x) does"
                    )
        taken_tree: T = map_tree(_taken, tree)
        return taken_tree

    def call(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        """`take(function(*put(args), **put(kwargs)))` in one, entered for this call alone.

        Answers for an input on the GPU only if this call had one: a tensor among the arguments, or in the
        module that `function` is (or is a method of). Modules are moved for the call and back after it.
        """
        module = function if isinstance(function, nn.Module) else getattr(function, "__self__", None)
        given: list[nn.Module] = []

        def note(thing: Movable) -> Movable:
            if isinstance(thing, nn.Module):
                given.append(thing)
            return thing

        map_tree(note, (module, args, kwargs))
        with self:
            if isinstance(module, nn.Module):
                self.put(module)
            try:
                args, kwargs = self.put((args, kwargs))
                return self.take(function(*args, **kwargs))
            finally:
                for one in given:
                    _taken(one)


@cache
def prepare() -> None:
    """Runs everything once, so that nothing is imported later; starts no thread and registers no backend.

    For a process that will be locked (no files, no threads) or forked: call it before.
    """
    with PretendedAccelerator() as accelerator, torch.enable_grad():
        layer, x = accelerator.put((nn.Linear(2, 2), torch.ones(1, 2)))
        loss: Tensor = nn.functional.silu(layer(x)).square().mean() + torch.ones(2, device=x.device).sum()
        loss.backward()  # type: ignore[no-untyped-call]  # as above
        accelerator.take((loss, layer))
    _applied(_applied(nn.Linear(2, 2), to_device), to_cpu)
    resolve_name(torch.add)


def _taken(thing: Movable) -> Movable:
    if isinstance(thing, torch.Generator):
        return thing
    return _moved(thing, to_cpu) if isinstance(thing, nn.Module) else to_cpu(thing)


def _moved(module: nn.Module, move: Callable[[Tensor], Tensor]) -> nn.Module:
    """The module, its parameters and buffers moved in place: the same objects before and after."""
    if _is_plain(module):
        # To note each of the functions of torch that are called on the way would take ten times as long.
        with torch._C.DisableTorchFunction(), _disable_current_modes(), torch.no_grad():
            try:
                _swap(module, move)
                return module
            except RuntimeError:  # a parameter still held by an older graph cannot be swapped
                pass
    return _applied(module, move)


def _is_plain(module: nn.Module) -> bool:
    """Whether nothing in it has its own way to be moved, and no parameter is held by a graph."""
    return all(type(part)._apply is nn.Module._apply for part in module.modules()) and not any(
        parameter.grad is not None for parameter in module.parameters()
    )


def _swap(module: nn.Module, move: Callable[[Tensor], Tensor]) -> None:
    """What `_apply` comes to for swapped parameters, in half the time."""
    done: set[int] = set()  # tied weights are moved once
    for part in module.modules():
        for parameter in part._parameters.values():
            if parameter is None or id(parameter) in done:
                continue
            done.add(id(parameter))
            moved = move(parameter)
            if type(moved) is Tensor:
                moved = nn.Parameter(moved, requires_grad=parameter.requires_grad)
            else:
                moved.requires_grad_(parameter.requires_grad)._is_param = True
            if moved is not parameter:
                torch.utils.swap_tensors(parameter, moved)  # type: ignore[no-untyped-call]
        for name, buffer in part._buffers.items():
            if buffer is not None:
                part._buffers[name] = move(buffer)


def _applied(module: nn.Module, move: Callable[[Tensor], Tensor]) -> nn.Module:
    """The module, its parameters and buffers moved in place through `_apply`, on which an LSTM relies."""
    swap = torch.__future__.get_swap_module_params_on_conversion()
    overwrite = torch.__future__.get_overwrite_module_params_on_conversion()
    try:
        # Swapping keeps each parameter the same object: tied weights stay tied, an optimiser keeps them.
        torch.__future__.set_swap_module_params_on_conversion(True)
        # To note each of the functions of torch that are called on the way would take ten times as long.
        with torch._C.DisableTorchFunction(), _disable_current_modes():
            try:
                module._apply(move)  # type: ignore[no-untyped-call]
            except RuntimeError:  # a parameter still held by an older graph cannot be swapped, only replaced
                torch.__future__.set_swap_module_params_on_conversion(False)
                torch.__future__.set_overwrite_module_params_on_conversion(True)
                module._apply(move)  # type: ignore[no-untyped-call]
    finally:
        torch.__future__.set_swap_module_params_on_conversion(swap)
        torch.__future__.set_overwrite_module_params_on_conversion(overwrite)
    return module
