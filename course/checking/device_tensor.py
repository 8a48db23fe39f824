"""Tensors with real values that say they are on another device, and the rules of which may meet.

They are a wrapper subclass whose device is torch's "meta". Nothing reaches the meta kernels, since the
wrapper (for operations on its tensors) and a dispatch mode (for those that make a tensor out of nothing)
answer first. Of all devices, meta is the one that needs no backend to be registered and that autograd runs in
the calling thread. A backend of one's own (`PrivateUse1`) makes autograd's engine start threads, and breaks
it if it has run before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NoReturn

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode, resolve_name
from torch.utils._python_dispatch import TorchDispatchMode

DEVICE = torch.device("meta")


class DeviceMismatch(RuntimeError):
    """What ran would fail on a GPU; the message says which operation, devices and shapes."""


class DeviceTensor(Tensor):
    """A tensor that says it is on the device; its values are in `on_cpu`."""

    on_cpu: Tensor

    @staticmethod
    def __new__(cls, on_cpu: Tensor) -> DeviceTensor:
        wrapper: DeviceTensor = Tensor._make_wrapper_subclass(
            cls,
            on_cpu.size(),
            strides=on_cpu.stride(),
            storage_offset=on_cpu.storage_offset(),
            dtype=on_cpu.dtype,
            layout=on_cpu.layout,
            device=DEVICE,
            requires_grad=False,
        )
        wrapper.on_cpu = on_cpu
        return wrapper

    # Python functions of torch need no special treatment: what they do to values arrives below.
    __torch_function__ = torch._C._disabled_torch_function_impl  # type: ignore[assignment]  # as torch does

    @classmethod
    def __torch_dispatch__(  # type: ignore[override]  # torch declares none of its parameters
        cls, operation: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        return _run(operation, args, kwargs or {})

    def __repr__(self, **_: Any) -> str:  # type: ignore[override]  # torch's takes one by name
        return f"{self.on_cpu!r} on the GPU"

    def __format__(self, spec: str) -> str:
        return format(self.on_cpu, spec)

    def tolist(self) -> Any:
        return self.on_cpu.tolist()

    # A GPU's tensor refuses these with a TypeError of its own.
    def numpy(self, *_: Any, **__: Any) -> NoReturn:
        raise DeviceMismatch(
            f"numpy cannot read a tensor of shape {shape_of(self)} that is on the GPU: stay with torch, "
            "or call .cpu() first"
        )

    __array__ = numpy


class DeviceGenerator(torch.Generator):
    """A generator of random numbers that says it is on the device; it draws what it would draw on the CPU."""

    @property
    def device(self) -> torch.device:  # type: ignore[override]  # torch declares an attribute
        return DEVICE


def generator_to_device(generator: torch.Generator) -> torch.Generator:
    """A copy on the device, in the same state: drawing from it leaves the original as it was."""
    if isinstance(generator, DeviceGenerator):
        return generator
    return DeviceGenerator().set_state(generator.get_state())


def to_device(tensor: Tensor) -> Tensor:
    if isinstance(tensor, DeviceTensor):
        return tensor
    return DeviceTensor(tensor.detach().clone()).requires_grad_(tensor.requires_grad)


def to_cpu(tensor: Tensor) -> Tensor:
    return tensor.on_cpu.detach().clone() if isinstance(tensor, DeviceTensor) else tensor.detach()


# What a nest mostly holds besides tensors: asked first, since `isinstance` is slow for torch's classes.
_PLAIN = frozenset({int, float, bool, str, type(None), torch.dtype, torch.device, torch.layout})
_MAPPED = (Tensor, nn.Module, torch.Generator)


def map_tree(function: Callable[[Any], Any], tree: Any) -> Any:
    """A nest of lists, tuples and dicts with `function` applied to its tensors, modules and generators."""
    kind = type(tree)
    if kind in _PLAIN:
        return tree
    if kind is DeviceTensor or isinstance(tree, _MAPPED):
        return function(tree)
    if isinstance(tree, dict):
        return _rebuilt(tree, {key: map_tree(function, value) for key, value in tree.items()})
    if isinstance(tree, list | tuple):
        items = [map_tree(function, item) for item in tree]
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


def tensors_of(tree: Any, path: str) -> Iterator[tuple[str, Tensor]]:
    """Every tensor of a nest, with words for where it is."""
    if type(tree) in _PLAIN:
        return
    if isinstance(tree, Tensor):
        yield path, tree
    elif isinstance(tree, dict):
        for key, value in tree.items():
            yield from tensors_of(value, f"{path}[{key!r}]")
    elif isinstance(tree, list | tuple):
        for position, value in enumerate(tree):
            yield from tensors_of(value, f"{path}[{position}]")


def shape_of(tensor: Tensor) -> str:
    return str(tuple(tensor.shape))


# --- Which may meet -----------------------------------------------------------------------------------------

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
    tensors: list[Tensor] = []
    inside: dict[int, DeviceTensor] = {}

    def inner(thing: Any) -> Any:
        kind = type(thing)
        if kind in _PLAIN:
            return thing
        if kind is DeviceTensor:
            tensors.append(thing)
            inside[id(thing.on_cpu)] = thing
            return thing.on_cpu
        if kind is list or kind is tuple:  # sizes and strides, all numbers, are most of them
            return thing if thing and type(thing[0]) is int else kind([inner(item) for item in thing])
        if isinstance(thing, Tensor):
            tensors.append(thing)
        return thing

    args_on_cpu = [inner(arg) for arg in args]
    kwargs_on_cpu = {name: inner(arg) for name, arg in kwargs.items()}
    on_device = bool(inside)
    if operation in (_aten.copy_.default, _aten.copy.default):
        on_device = isinstance(args[0], DeviceTensor)
    elif 0 < len(inside) < len(tensors) and operation not in _CROSSINGS:
        _check_devices(operation, args, tensors)
    if kwargs.get("device") is not None:
        on_device = torch.device(kwargs["device"]).type == DEVICE.type
        kwargs_on_cpu["device"] = torch.device("cpu") if on_device else kwargs["device"]

    def outer(tensor: Any) -> Any:
        # What was changed in place, or written to by `out=`, is the same object afterwards.
        return inside[id(tensor)] if id(tensor) in inside else DeviceTensor(tensor)

    result = operation(*args_on_cpu, **kwargs_on_cpu)
    if operation._schema.is_mutable:
        for wrapper in inside.values():
            _follow_shape(wrapper)
    if not on_device:
        return result
    return outer(result) if type(result) is Tensor else map_tree(outer, result)


def _inner(tensor: Any) -> Any:
    return tensor.on_cpu if isinstance(tensor, DeviceTensor) else tensor


def _check_devices(operation: Any, args: tuple[Any, ...], tensors: list[Tensor]) -> None:
    """Raises DeviceMismatch if these tensors, one of which is on the device, may not meet there."""
    if operation in _INDEXING:
        target, values = args[0], args[2:3]
        if not isinstance(target, DeviceTensor):
            raise DeviceMismatch(
                f"{_name_of(operation)}: the tensor of shape {shape_of(target)} is on the CPU, what indexes "
                "it or is written to it is on the GPU; move the tensor first, with .to(x.device)"
            )
        tensors = [target, *(value for value in values if isinstance(value, Tensor))]
    for position, tensor in enumerate(tensors):
        is_written_to = position == 0 and operation._schema.is_mutable
        if not isinstance(tensor, DeviceTensor) and (
            tensor.dim() > 0 or is_written_to or operation in _NO_NUMBERS
        ):
            other = next(tensor for tensor in tensors if isinstance(tensor, DeviceTensor))
            here, there = _as_called(tensor, other)
            raise DeviceMismatch(
                f"{_name_of(operation)}: a tensor of shape {shape_of(here)} on the CPU met a tensor of shape "
                f"{shape_of(there)} on the GPU; give the first one the second one's device, with "
                "device=x.device or .to(x.device)"
            )


def _check_generator(generator: object, drawn: object) -> None:
    """Raises DeviceMismatch if what was drawn is not where its generator is.

    Asked of the function that was called, not of the operation below it: there, any generator is a plain one.
    """
    if not isinstance(generator, torch.Generator) or not isinstance(drawn, Tensor):
        return
    if isinstance(generator, DeviceGenerator) and not isinstance(drawn, DeviceTensor):
        raise DeviceMismatch(
            f"{_name_of(None)}: the generator is on the GPU, but it is to draw on the CPU; say where, with "
            "device=generator.device"
        )
    if isinstance(drawn, DeviceTensor) and not isinstance(generator, DeviceGenerator):
        raise DeviceMismatch(
            f"{_name_of(None)}: the generator is on the CPU, but it is to draw on the GPU; make it with "
            "torch.Generator(device=x.device)"
        )


def _as_called(here: Tensor, there: Tensor) -> tuple[Tensor, Tensor]:
    """The two tensors as the student passed them: einsum, say, has turned them round before they meet."""
    tensors = [tensor for _, tensor in tensors_of(FunctionMode.called[1], "")]
    on_cpu = [tensor for tensor in tensors if not isinstance(tensor, DeviceTensor) and tensor.dim() > 0]
    on_device = [tensor for tensor in tensors if isinstance(tensor, DeviceTensor)]
    return (on_cpu[0], on_device[0]) if on_cpu and on_device else (here, there)


def _follow_shape(wrapper: DeviceTensor) -> None:
    """Gives the wrapper the shape that an operation in place (`unsqueeze_`, `out=`) gave its values."""
    values = wrapper.on_cpu
    if (wrapper.shape, wrapper.stride()) != (values.shape, values.stride()):
        with torch._C._DisableTorchDispatch():
            wrapper.resize_(values.shape)
            wrapper.as_strided_(values.shape, values.stride(), values.storage_offset())


class DispatchMode(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch's __init_subclass__ has no types
    """Sees operations without a tensor of the device among their arguments: torch.zeros(device=...)."""


def _dispatch(
    self: DispatchMode,
    operation: Any,
    types: Any,
    args: tuple[Any, ...] = (),
    kwargs: dict[str, Any] | None = None,
) -> Any:
    return _run(operation, args, kwargs or {})


# Not in the class's body: there, torch (from 2.8 on) wraps it in a call that imports torch._dynamo, a second.
DispatchMode.__torch_dispatch__ = _dispatch  # type: ignore[method-assign, assignment]  # see above


class FunctionMode(TorchFunctionMode):
    """Remembers which function of torch was called, and mends those that would not reach the dispatcher."""

    called: tuple[Callable[..., Any] | None, Any] = (None, ())  # and its arguments

    def __torch_function__(
        self, function: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        before = FunctionMode.called
        FunctionMode.called = function, (args, kwargs)
        try:
            result = _MENDED.get(function, function)(*args, **kwargs)
            _check_generator(kwargs.get("generator"), result)
            return result
        finally:
            FunctionMode.called = before


def _mend_construction(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """`torch.tensor` and its like build a tensor where it shall live, so on "meta" without any values."""

    def build_on_cpu_then_move(*args: Any, device: Any = None, **kwargs: Any) -> Tensor:
        on_device = device is not None and torch.device(device).type == DEVICE.type
        # `torch.tensor(x)` stays where x is; `torch.tensor([x[0], x[1]])` reads numbers and is on the CPU.
        if device is None and args and isinstance(args[0], DeviceTensor):
            on_device = True
        result = function(*map_tree(_inner, args), device=None if on_device else device, **kwargs)
        return to_device(result) if on_device else result

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
    _DATA.__set__(tensor, value)
    if isinstance(tensor, DeviceTensor) and isinstance(value, DeviceTensor):
        tensor.on_cpu = value.on_cpu


_DATA: Any = Tensor.data  # a descriptor, which torch declares as the tensor that it gives
_MENDED: dict[Any, Callable[..., Any]] = {_DATA.__set__: _set_data}
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
    function, _ = FunctionMode.called
    if function is None:
        return "an operation" if operation is None else str(operation.overloadpacket.__name__).strip("_")
    name = str(resolve_name(function) or getattr(function, "__name__", function))
    own, last = name.startswith("torch.Tensor."), name.rsplit(".", 1)[-1]
    if own and (symbol := _SYMBOLS.get(last.strip("_"))):
        return symbol
    return f".{last}()" if own else name.replace("torch.functional.", "torch.")
