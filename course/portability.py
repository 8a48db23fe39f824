"""Finds, on a machine without a GPU, what would fail on one.

A `PretendedAccelerator` holds real values behind tensors that say they live somewhere else. Every
operation runs on the real values, so `.item()`, `if`, boolean indexing and autograd all work; only where a
GPU would refuse, because a tensor on the CPU meets one on the GPU, it raises `DeviceMismatch`:

    with PretendedAccelerator() as gpu:
        result = gpu.take(function(*gpu.put(arguments)))

How it works: the tensors are a wrapper subclass whose device is torch's "meta". Nothing reaches the meta
kernels, since the wrapper (for operations on its tensors) and a dispatch mode (for those that make a tensor
out of nothing) answer first. Of all devices, meta is the one that needs no backend to be registered and that
autograd runs in the calling thread. A backend of one's own (`PrivateUse1`) makes autograd's engine start
threads, and breaks it if it has run before. So this works in a process of one thread, and after a fork.

Only `DeviceMismatch` means "would fail on a GPU". Any other exception that code raises in here and not on
the CPU (`torch.Generator(device=x.device)`, say) is a limit of the pretence.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache
from typing import Any, NoReturn, TypeVar

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode, resolve_name
from torch.utils._python_dispatch import TorchDispatchMode

T = TypeVar("T")

_DEVICE = torch.device("meta")


class DeviceMismatch(RuntimeError):
    """What ran would fail on a GPU; the message says which operation, devices and shapes."""


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
        self._stack.enter_context(_FunctionMode())
        self._stack.enter_context(_DispatchMode())  # type: ignore[no-untyped-call]
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def put(self, tree: T) -> T:
        """A copy of a nest of lists, tuples and dicts with its tensors on the pretended device.

        Shapes, strides, dtypes and `requires_grad` are kept; a tensor that stands in it twice is one tensor
        afterwards too. Modules move in place, as with `module.to("cuda")`: parameters and buffers, the
        same objects before and after. Everything else is passed on as it is, functions included: one that
        makes or keeps tensors has to `take` and `put` them itself.
        """
        moved: dict[int, Tensor] = {}

        def put_tensor(tensor: Tensor) -> Tensor:
            self._has_inputs = True
            if id(tensor) not in moved:
                moved[id(tensor)] = _to_device(tensor)
            return moved[id(tensor)]

        moved_tree: T = _map_tree(put_tensor, tree)
        return moved_tree

    def take(self, tree: T, *, had_inputs: bool | None = None) -> T:
        """The same nest with ordinary CPU tensors, detached; modules come back in place.

        Raises DeviceMismatch if a tensor in it is on the CPU although an input was on the GPU. Whether
        one was: `had_inputs`, or by default whether `put` has moved any tensor since `with` began.
        """
        if self._has_inputs if had_inputs is None else had_inputs:
            for path, tensor in _tensors(tree, "the result"):
                if not isinstance(tensor, _DeviceTensor):
                    raise DeviceMismatch(
                        f"{path} is on the CPU, the input was on the GPU ({path} has shape "
                        f"{_shape(tensor)}): make new tensors with device=x.device, or from the input, as "
                        "torch.zeros_like(x) does"
                    )
        taken_tree: T = _map_tree(_to_cpu, tree)
        return taken_tree

    def call(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        """`take(function(*put(args), **put(kwargs)))` in one, entered for this call alone.

        Answers for an input on the GPU only if this call had one: a tensor among the arguments, or in the
        module that `function` is (or is a method of), which is moved for the call and back after it.
        """
        module = function if isinstance(function, nn.Module) else getattr(function, "__self__", None)
        with self:
            if isinstance(module, nn.Module):
                self.put(module)
            try:
                args, kwargs = self.put((args, kwargs))
                return self.take(function(*args, **kwargs))
            finally:
                if isinstance(module, nn.Module):
                    _map_tree(_to_cpu, module)


@cache
def prepare() -> None:
    """Runs everything once, so that nothing is imported later; starts no thread and registers no backend.

    For a process that will be locked (no files, no threads) or forked: call it before.
    """
    with PretendedAccelerator() as accelerator, torch.enable_grad():
        layer, x = accelerator.put((nn.Linear(2, 2), torch.ones(1, 2)))
        loss: Tensor = nn.functional.silu(layer(x)).square().mean() + torch.ones(2, device=x.device).sum()
        loss.backward()  # type: ignore[no-untyped-call]
        accelerator.take((loss, layer))
    resolve_name(torch.add)


class _DeviceTensor(Tensor):
    """A tensor that says it is on the device; its values are in `on_cpu`."""

    on_cpu: Tensor

    @staticmethod
    def __new__(cls, on_cpu: Tensor) -> _DeviceTensor:
        wrapper: _DeviceTensor = Tensor._make_wrapper_subclass(
            cls,
            on_cpu.size(),
            strides=on_cpu.stride(),
            storage_offset=on_cpu.storage_offset(),
            dtype=on_cpu.dtype,
            layout=on_cpu.layout,
            device=_DEVICE,
            requires_grad=False,
        )
        wrapper.on_cpu = on_cpu
        return wrapper

    # Python functions of torch need no special treatment: what they do to values arrives below.
    __torch_function__ = torch._C._disabled_torch_function_impl  # type: ignore[assignment]

    @classmethod
    def __torch_dispatch__(  # type: ignore[override]
        cls, operation: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        return _run(operation, args, kwargs or {})

    def __repr__(self, **_: Any) -> str:  # type: ignore[override]
        return f"{self.on_cpu!r} on the GPU"

    def __format__(self, spec: str) -> str:
        return format(self.on_cpu, spec)

    def tolist(self) -> Any:
        return self.on_cpu.tolist()

    # A GPU's tensor refuses these with a TypeError of its own.
    def numpy(self, *_: Any, **__: Any) -> NoReturn:
        raise DeviceMismatch(
            f"numpy cannot read a tensor of shape {_shape(self)} that is on the GPU: stay with torch, "
            "or call .cpu() first"
        )

    __array__ = numpy


# --- Moving ---------------------------------------------------------------------------------------------


def _to_device(tensor: Tensor) -> Tensor:
    if isinstance(tensor, _DeviceTensor):
        return tensor
    return _DeviceTensor(tensor.detach().clone()).requires_grad_(tensor.requires_grad)


def _to_cpu(tensor: Tensor) -> Tensor:
    return tensor.on_cpu.detach().clone() if isinstance(tensor, _DeviceTensor) else tensor.detach()


def _map_tree(function: Callable[[Tensor], Tensor], tree: Any) -> Any:
    """`tree` with `function` applied to its tensors; modules are changed in place."""
    if isinstance(tree, Tensor):
        return function(tree)
    if isinstance(tree, nn.Module):
        _move_module(tree, function)
        return tree
    if isinstance(tree, dict):
        return _rebuilt(tree, {key: _map_tree(function, value) for key, value in tree.items()})
    if isinstance(tree, list | tuple):
        items = [_map_tree(function, item) for item in tree]
        if hasattr(tree, "_make"):  # a named tuple
            return tree._make(items)
        return items if type(tree) is list else tuple(items) if type(tree) is tuple else _rebuilt(tree, items)
    return tree


def _rebuilt(original: Any, content: Any) -> Any:
    """`content` as the type of `original` (an OrderedDict, a torch.return_types), if that type allows."""
    try:
        return type(original)(content)
    except TypeError:
        return content if isinstance(content, dict) else tuple(content)


def _move_module(module: nn.Module, function: Callable[[Tensor], Tensor]) -> None:
    """Parameters and buffers, in place, through `_apply` as `module.to` does: an LSTM relies on that."""
    swap = torch.__future__.get_swap_module_params_on_conversion()
    overwrite = torch.__future__.get_overwrite_module_params_on_conversion()
    try:
        # Swapping keeps each parameter the same object: tied weights stay tied, an optimiser keeps them.
        torch.__future__.set_swap_module_params_on_conversion(True)
        try:
            module._apply(function)  # type: ignore[no-untyped-call]
        except RuntimeError:  # a parameter still held by an older graph cannot be swapped, only replaced
            torch.__future__.set_swap_module_params_on_conversion(False)
            torch.__future__.set_overwrite_module_params_on_conversion(True)
            module._apply(function)  # type: ignore[no-untyped-call]
    finally:
        torch.__future__.set_swap_module_params_on_conversion(swap)
        torch.__future__.set_overwrite_module_params_on_conversion(overwrite)


def _tensors(tree: Any, path: str) -> Iterator[tuple[str, Tensor]]:
    """Every tensor of a nest, with words for where it is."""
    if isinstance(tree, Tensor):
        yield path, tree
    elif isinstance(tree, dict):
        for key, value in tree.items():
            yield from _tensors(value, f"{path}[{key!r}]")
    elif isinstance(tree, list | tuple):
        for position, value in enumerate(tree):
            yield from _tensors(value, f"{path}[{position}]")


def _shape(tensor: Tensor) -> str:
    return str(tuple(tensor.shape))


# --- Running --------------------------------------------------------------------------------------------

_aten = torch.ops.aten

# These are for crossing from one device to the other, or only ask whether it is possible.
_CROSSINGS = {
    _aten.copy_.default,
    _aten.copy.default,
    _aten._to_copy.default,
    _aten._foreach_copy_.default,
    _aten._has_compatible_shallow_copy_type.default,
}

# A CUDA tensor may be indexed by CPU tensors (not the other way round); the values must be where it is.
_INDEXING = {
    _aten.index.Tensor,
    _aten.index_put.default,
    _aten.index_put_.default,
    _aten._index_put_impl_.default,
}

# CUDA's kernels take a CPU tensor without dimensions for a number, but not these, which copy elements.
_NO_NUMBERS = {_aten.cat.default, _aten.stack.default, _aten.mm.default, _aten.bmm.default}


def _run(operation: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Carries out one operation of torch on the real values; raises DeviceMismatch as a GPU would."""
    tensors = [tensor for _, tensor in _tensors((args, kwargs), "")]
    inside = {id(tensor.on_cpu): tensor for tensor in tensors if isinstance(tensor, _DeviceTensor)}
    on_device = bool(inside)
    if operation in (_aten.copy_.default, _aten.copy.default):
        on_device = isinstance(args[0], _DeviceTensor)
    elif inside and operation not in _CROSSINGS:
        _check_devices(operation, args, tensors)
    if kwargs.get("device") is not None:
        on_device = torch.device(kwargs["device"]).type == _DEVICE.type
        kwargs = {**kwargs, "device": torch.device("cpu") if on_device else kwargs["device"]}

    def outer(tensor: Tensor) -> Tensor:
        # What was changed in place, or written to by `out=`, is the same object afterwards.
        return inside[id(tensor)] if id(tensor) in inside else _DeviceTensor(tensor)

    result = operation(*_map_tree(_inner, args), **_map_tree(_inner, kwargs))
    if operation._schema.is_mutable:
        for wrapper in inside.values():
            _follow_shape(wrapper)
    return _map_tree(outer, result) if on_device else result


def _inner(tensor: Tensor) -> Tensor:
    return tensor.on_cpu if isinstance(tensor, _DeviceTensor) else tensor


def _check_devices(operation: Any, args: tuple[Any, ...], tensors: list[Tensor]) -> None:
    """Raises DeviceMismatch if these tensors, one of which is on the device, may not meet there."""
    if operation in _INDEXING:
        target, values = args[0], args[2:3]
        if not isinstance(target, _DeviceTensor):
            raise DeviceMismatch(
                f"{_name_of(operation)}: the tensor of shape {_shape(target)} is on the CPU, what indexes it "
                "or is written to it is on the GPU; move the tensor first, with .to(x.device)"
            )
        tensors = [target, *(value for value in values if isinstance(value, Tensor))]
    for position, tensor in enumerate(tensors):
        is_written_to = position == 0 and operation._schema.is_mutable
        if not isinstance(tensor, _DeviceTensor) and (
            tensor.dim() > 0 or is_written_to or operation in _NO_NUMBERS
        ):
            other = next(tensor for tensor in tensors if isinstance(tensor, _DeviceTensor))
            here, there = _as_called(tensor, other)
            raise DeviceMismatch(
                f"{_name_of(operation)}: a tensor of shape {_shape(here)} on the CPU met a tensor of shape "
                f"{_shape(there)} on the GPU; give the first one the second one's device, with "
                "device=x.device or .to(x.device)"
            )


def _as_called(here: Tensor, there: Tensor) -> tuple[Tensor, Tensor]:
    """The two tensors as the student passed them: einsum, say, has turned them round before they meet."""
    _, tensors = _FunctionMode.called
    on_cpu = [tensor for tensor in tensors if not isinstance(tensor, _DeviceTensor) and tensor.dim() > 0]
    on_device = [tensor for tensor in tensors if isinstance(tensor, _DeviceTensor)]
    return (on_cpu[0], on_device[0]) if on_cpu and on_device else (here, there)


def _follow_shape(wrapper: _DeviceTensor) -> None:
    """Gives the wrapper the shape that an operation in place (`unsqueeze_`, `out=`) gave its values."""
    values = wrapper.on_cpu
    if (wrapper.shape, wrapper.stride()) != (values.shape, values.stride()):
        with torch._C._DisableTorchDispatch():
            wrapper.resize_(values.shape)
            wrapper.as_strided_(values.shape, values.stride(), values.storage_offset())


class _DispatchMode(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Sees operations without a tensor of the device among their arguments: torch.zeros(device=...)."""


def _dispatch(
    self: _DispatchMode,
    operation: Any,
    types: Any,
    args: tuple[Any, ...] = (),
    kwargs: dict[str, Any] | None = None,
) -> Any:
    return _run(operation, args, kwargs or {})


# Not in the class's body: there, torch (from 2.8 on) wraps it in a call that imports torch._dynamo, a second.
_DispatchMode.__torch_dispatch__ = _dispatch  # type: ignore[method-assign, assignment]


class _FunctionMode(TorchFunctionMode):
    """Remembers which function of torch was called, and mends those that would not reach the dispatcher."""

    called: tuple[Callable[..., Any] | None, list[Tensor]] = (None, [])

    def __torch_function__(
        self, function: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        before = _FunctionMode.called
        _FunctionMode.called = function, [tensor for _, tensor in _tensors((args, kwargs), "")]
        try:
            return _MENDED.get(function, function)(*args, **kwargs)
        finally:
            _FunctionMode.called = before


def _mend_construction(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """`torch.tensor` and its like build a tensor where it shall live, so on "meta" without any values."""

    def build_on_cpu_then_move(*args: Any, device: Any = None, **kwargs: Any) -> Tensor:
        on_device = device is not None and torch.device(device).type == _DEVICE.type
        # `torch.tensor(x)` stays where x is; `torch.tensor([x[0], x[1]])` reads numbers and is on the CPU.
        if device is None and args and isinstance(args[0], _DeviceTensor):
            on_device = True
        result = function(*_map_tree(_inner, args), device=None if on_device else device, **kwargs)
        return _to_device(result) if on_device else result

    return build_on_cpu_then_move


def _mend_indexing(function: Callable[..., Any]) -> Callable[..., Any]:
    """`x[[0, 2]]` makes a tensor of the list where x is: make it on the CPU, where indices may be."""

    def with_tensors(index: Any) -> Any:
        if isinstance(index, list) and index and all(isinstance(item, bool | int) for item in index):
            return torch.tensor(index)
        if isinstance(index, range):
            return torch.tensor(list(index), dtype=torch.long)
        return type(index)(map(with_tensors, index)) if type(index) in (list, tuple) else index

    def index_with_tensors(tensor: Tensor, index: Any, *value: Any) -> Any:
        return function(tensor, with_tensors(index), *value)

    return index_with_tensors


def _set_data(tensor: Tensor, value: Tensor) -> None:
    """`x.data = y` gives the wrapper another wrapper's outside; its values have to follow."""
    Tensor.data.__set__(tensor, value)  # type: ignore[attr-defined]
    if isinstance(tensor, _DeviceTensor) and isinstance(value, _DeviceTensor):
        tensor.on_cpu = value.on_cpu


_MENDED: dict[Any, Callable[..., Any]] = {Tensor.data.__set__: _set_data}  # type: ignore[attr-defined]
_function: Any
for _function in (torch.tensor, torch.as_tensor, torch.asarray, Tensor.new_tensor, Tensor.new):
    _MENDED[_function] = _mend_construction(_function)
for _function in (Tensor.__getitem__, Tensor.__setitem__):
    _MENDED[_function] = _mend_indexing(_function)

_SYMBOLS = {
    "add": "+", "sub": "-", "rsub": "-", "mul": "*", "div": "/", "pow": "**", "matmul": "@", "iadd": "+=",
    "isub": "-=", "imul": "*=", "itruediv": "/=", "truediv": "/", "radd": "+", "rmul": "*", "rdiv": "/",
    "rpow": "**", "rmatmul": "@", "floordiv": "//", "mod": "%", "eq": "==", "ne": "!=", "lt": "<", "le": "<=",
    "gt": ">", "ge": ">=", "and": "&", "or": "|", "xor": "^", "getitem": "indexing with [...]",
    "setitem": "assigning with [...] = ...",
}  # fmt: skip


def _name_of(operation: Any) -> str:
    """What the student wrote, as far as it can be told: `torch.einsum`, `+`, `.masked_fill()`."""
    function, _ = _FunctionMode.called
    if function is None:
        return str(operation.overloadpacket.__name__).strip("_")
    name = str(resolve_name(function) or getattr(function, "__name__", function))
    own, last = name.startswith("torch.Tensor."), name.rsplit(".", 1)[-1]
    if own and (symbol := _SYMBOLS.get(last.strip("_"))):
        return symbol
    return f".{last}()" if own else name.replace("torch.functional.", "torch.")
