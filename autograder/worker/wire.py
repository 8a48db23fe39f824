"""The only language spoken between the grader and a worker: frames of JSON and raw tensor bytes.

A frame is `FRAME` (magic, header length, payload length), a JSON header and the tensors' bytes one
after another. `decode` is what the trusted side runs on bytes that a student's code may have forged:
it gives plain data and tensors or raises `WireError`, and checks every limit before it takes memory.
Nothing is ever unpickled.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import msgspec
import torch
from torch import Tensor

MAGIC = b"DCG1"
FRAME = struct.Struct("<4sIQ")

MAX_HEADER = 1 << 20  # bytes of JSON
MAX_PAYLOAD = 64 << 20  # bytes of tensors in one message
MAX_TENSORS = 1024
MAX_DIMENSIONS = 12
MAX_NODES = 50_000
MAX_DEPTH = 24
MAX_INT = 1 << 62
MAX_TEXT = 1 << 16
PLAIN = (str, int, float, bool, type(None))  # what a dictionary's key and a set's element may be
SMALL = 1 << 18  # bytes that are rather copied once more than written in many calls
NODE_BYTES, TENSOR_BYTES = 256, 1024  # what a part and a tensor take in memory at most, besides its numbers

DTYPES: dict[str, torch.dtype] = {
    str(dtype).removeprefix("torch."): dtype
    for dtype in (
        *(torch.float32, torch.float64, torch.float16, torch.bfloat16),
        *(torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8, torch.bool),
        *(torch.complex64, torch.complex128),
    )
}
DTYPE_NAMES = {dtype: name for name, dtype in DTYPES.items()}
ITEM_SIZE = {name: torch.empty((), dtype=dtype).element_size() for name, dtype in DTYPES.items()}


class WireError(Exception):
    """Bytes that are no valid message."""


class Unsendable(Exception):
    """A value that has no place on the wire; the message says why."""


@dataclass(frozen=True)
class Token:
    """Stands for an object that stays in the worker."""

    id: int
    type_name: str
    made_with: str = ""  # the arguments of its class, as far as the grader gave them


Token.__name__ = Token.__qualname__ = "object"  # what Python's own messages call it, and students may read


class TensorHeader(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    dtype: str
    shape: list[int]
    order: list[int]  # dimensions from the slowest to the fastest in memory; empty: as listed
    accelerated: bool = False  # lives on the accelerator


class ErrorHeader(msgspec.Struct, forbid_unknown_fields=True):
    type: str
    message: str
    trace: str


class Header(msgspec.Struct, forbid_unknown_fields=True):
    kind: str
    id: int
    value: Any = None
    tensors: list[TensorHeader] = []
    error: ErrorHeader | None = None


@dataclass
class Message:
    kind: str
    id: int
    value: Any = None
    error: ErrorHeader | None = None
    overhead: int = 0  # bytes that its parts take in memory, besides those that came


@dataclass
class Encoded:
    """A message ready to be written: the frame's head and header, then each tensor's bytes."""

    head: bytes
    buffers: list[memoryview] = field(default_factory=list)

    @property
    def size(self) -> int:
        return sum(map(len, (self.head, *self.buffers)))

    def __bytes__(self) -> bytes:
        return b"".join((self.head, *self.buffers))

    def pieces(self) -> list[memoryview]:
        """What to write, piece by piece: a small message in one, so that one call wakes the reader."""
        if self.size <= SMALL:
            return [memoryview(bytes(self))]
        return [memoryview(self.head), *self.buffers]


_read_header = msgspec.json.Decoder(Header)
_write_header = msgspec.json.Encoder()

Extend = Callable[[Any], "dict[str, Any] | None"]


class _Packer:
    """Turns a value into JSON nodes and a list of tensors; one tensor met twice is sent once."""

    def __init__(self, extend: Extend | None) -> None:
        self.extend = extend
        self.tensors: list[Tensor] = []
        self._index: dict[int, int] = {}
        self._nodes = 0

    def pack(self, value: Any, depth: int = 0) -> Any:
        self._nodes += 1
        if depth > MAX_DEPTH or self._nodes > MAX_NODES:
            raise Unsendable("the value is nested too deeply or has too many parts")
        kind = type(value)
        if value is None or kind is bool:
            return value
        # What derives from a plain kind, a named tuple for one, is a value of that kind.
        if isinstance(value, str):
            if len(value) > MAX_TEXT:
                raise Unsendable(f"a text of {len(value):,} characters is too long")
            return value.encode("utf-8", "replace").decode("utf-8")
        if isinstance(value, int):
            if abs(value) >= MAX_INT:
                raise Unsendable("an integer is too large")
            return int(value)
        if isinstance(value, float):
            return float(value) if math.isfinite(value) else {"f": str(float(value))}
        if isinstance(value, Tensor):
            return {"x": self._tensor(value)}
        if isinstance(value, (list, tuple)):
            return {"l" if isinstance(value, list) else "t": [self.pack(item, depth + 1) for item in value]}
        if isinstance(value, (set, frozenset)):
            return {"s": [self.pack(self._key(item), depth + 1) for item in value]}
        if isinstance(value, dict):
            return {
                "d": [
                    [self.pack(self._key(key), depth + 1), self.pack(item, depth + 1)]
                    for key, item in value.items()
                ]
            }
        if isinstance(value, torch.dtype) and value in DTYPE_NAMES:
            return {"dt": DTYPE_NAMES[value]}
        extended = self.extend(value) if self.extend else None
        if extended is None:
            raise Unsendable(f"a {kind.__name__} cannot be sent")
        return extended

    @staticmethod
    def _key(key: Any) -> Any:
        if not isinstance(key, PLAIN):
            raise Unsendable(f"a {type(key).__name__} cannot be a key of a dictionary or a set's element")
        return key

    def _tensor(self, tensor: Tensor) -> int:
        index = self._index.get(id(tensor))
        if index is None:
            index = self._index[id(tensor)] = len(self.tensors)
            self.tensors.append(tensor)
        return index


def _memory_order(tensor: Tensor) -> list[int]:
    """Dimensions from the slowest to the fastest, empty when that is how they are listed."""
    strides = tensor.stride()
    order = sorted(range(tensor.dim()), key=lambda d: (-strides[d], d))
    return [] if order == list(range(tensor.dim())) else order


def _raw(tensor: Tensor) -> tuple[TensorHeader, memoryview]:
    tensor = tensor.detach()
    if tensor.layout is not torch.strided:
        raise Unsendable(f"a tensor with layout {tensor.layout} cannot be sent")
    if tensor.dtype not in DTYPE_NAMES:
        raise Unsendable(f"a tensor of {tensor.dtype} cannot be sent")
    if tensor.dim() > MAX_DIMENSIONS:
        raise Unsendable(f"a tensor with {tensor.dim()} dimensions cannot be sent")
    nbytes = tensor.numel() * tensor.element_size()
    if nbytes > MAX_PAYLOAD:
        raise Unsendable(f"a tensor of shape {tuple(tensor.shape)} is too large to be sent")
    accelerated = tensor.device.type not in ("cpu", "meta")
    if tensor.device.type == "meta":
        raise Unsendable("a tensor on the meta device has no values to send")
    tensor = tensor.cpu().resolve_conj().resolve_neg()
    order = _memory_order(tensor) if tensor.numel() else []
    header = TensorHeader(DTYPE_NAMES[tensor.dtype], list(tensor.shape), order, accelerated)
    dense = (tensor.permute(order) if order else tensor).contiguous()
    if dense.numel() == 0:
        return header, memoryview(b"")
    # A single number counts as contiguous, whatever its stride: hence the stride by name.
    flat = dense.as_strided((dense.numel(),), (1,))
    return header, memoryview(flat.view(torch.uint8).numpy().data)


def encode(
    kind: str,
    id: int,
    value: Any = None,
    *,
    error: ErrorHeader | None = None,
    extend: Extend | None = None,
) -> Encoded:
    """A message as bytes. `extend(value)` gives the node for a handle, a callback or a generator, or None.

    Raises Unsendable.
    """
    packer = _Packer(extend)
    tree = packer.pack(value)
    if len(packer.tensors) > MAX_TENSORS:
        raise Unsendable(f"{len(packer.tensors)} tensors are too many for one message")
    raws = [_raw(tensor) for tensor in packer.tensors]
    payload = sum(len(buffer) for _, buffer in raws)
    if payload > MAX_PAYLOAD:
        raise Unsendable(f"tensors of {payload >> 20} MiB are too large for one message")
    header = _write_header.encode(Header(kind, id, tree, [header for header, _ in raws], error))
    if len(header) > MAX_HEADER:
        raise Unsendable("the value has too many parts")
    return Encoded(FRAME.pack(MAGIC, len(header), payload) + header, [buffer for _, buffer in raws])


def frame_lengths(head: bytes | bytearray) -> tuple[int, int]:
    """Lengths of header and payload from a frame's first `FRAME.size` bytes; raises WireError."""
    magic, header, payload = FRAME.unpack(head)
    if magic != MAGIC or header > MAX_HEADER or payload > MAX_PAYLOAD:
        raise WireError("not a frame of this protocol, or one over its limits")
    return header, payload


TOGETHER = "together"


def together(id: int, frames: bytes) -> Encoded:
    """One message for many; they are answered one after another, with numbers from `id` on."""
    return encode(TOGETHER, id, torch.frombuffer(bytearray(frames), dtype=torch.uint8))


def frames_in(frames: bytes | memoryview) -> Iterator[tuple[bytes, bytearray]]:
    """Header and payload of each; raises WireError."""
    view = memoryview(frames)
    while len(view):
        header, payload = frame_lengths(bytes(view[: FRAME.size]))
        start, end = FRAME.size + header, FRAME.size + header + payload
        yield bytes(view[FRAME.size : start]), bytearray(view[start:end])
        view = view[end:]


Resolve = Callable[[str, int, Any], Any]


def decode(
    header: bytes | bytearray,
    payload: bytearray,
    resolve: Resolve | None = None,
    accelerator: torch.device | None = None,
) -> Message:
    """The message in these bytes, which must belong to the caller (no shared memory).

    `resolve(tag, id, extra)` gives the object for a handle ("h"), a callback ("cb") or a generator of random
    numbers ("g"); without it all three are refused. Tensors marked as accelerated go to `accelerator`;
    without one they are refused.
    Raises WireError for anything that is not exactly a message, MemoryError where there is no room for it.
    """
    if len(header) > MAX_HEADER or len(payload) > MAX_PAYLOAD:
        raise WireError("message over its limits")
    try:
        message = _read_header.decode(header)
        tensors = _tensors(message.tensors, payload, accelerator)
        unpacker = _Unpacker(tensors, resolve)
        value = unpacker.unpack(message.value)
    except (msgspec.MsgspecError, RecursionError, ValueError, TypeError, OverflowError) as error:
        raise WireError(f"malformed message: {type(error).__name__}") from None
    except RuntimeError as error:  # torch refusing a shape that the checks above let through
        if "can't allocate memory" in str(error):
            raise MemoryError from None
        raise WireError(f"malformed tensor: {type(error).__name__}") from None
    overhead = unpacker.nodes * NODE_BYTES + len(tensors) * TENSOR_BYTES
    return Message(message.kind, message.id, value, message.error, overhead)


def _tensors(
    headers: list[TensorHeader], payload: bytearray, accelerator: torch.device | None
) -> list[Tensor]:
    if len(headers) > MAX_TENSORS:
        raise WireError("too many tensors")
    tensors, offset = [], 0
    for header in headers:
        if header.dtype not in DTYPES:
            raise WireError("unknown dtype")
        if len(header.shape) > MAX_DIMENSIONS or any(not 0 <= n <= MAX_PAYLOAD for n in header.shape):
            raise WireError("impossible shape")
        size = ITEM_SIZE[header.dtype]
        # Fuzzing the experiment found [0, 2, 2**31, 2**31]: no elements, but strides that overflow.
        if math.prod(max(n, 1) for n in header.shape) * size > MAX_PAYLOAD:
            raise WireError("shape too large")
        if header.order and sorted(header.order) != list(range(len(header.shape))):
            raise WireError("order is not a permutation")
        if header.accelerated and accelerator is None:
            raise WireError("a tensor on an accelerator that this run does not have")
        nbytes = math.prod(header.shape) * size
        if offset + nbytes > len(payload):
            raise WireError("payload too short")
        tensors.append(_tensor(header, memoryview(payload)[offset : offset + nbytes], accelerator))
        offset += nbytes
    if offset != len(payload):
        raise WireError("payload too long")
    return tensors


def _tensor(header: TensorHeader, raw: memoryview, accelerator: torch.device | None) -> Tensor:
    shape = [header.shape[d] for d in header.order] if header.order else header.shape
    if not len(raw):
        tensor = torch.empty(shape, dtype=DTYPES[header.dtype])
    elif header.dtype == "bool":  # a byte of 2 is no bool: normalise
        tensor = torch.frombuffer(bytearray(raw), dtype=torch.uint8).ne(0).reshape(shape)
    else:
        # A copy, so that each tensor owns its memory: in-place operations on one leave the others alone.
        tensor = torch.frombuffer(bytearray(raw), dtype=DTYPES[header.dtype]).reshape(shape)
    if header.order:
        inverse = [0] * len(header.order)
        for position, dimension in enumerate(header.order):
            inverse[dimension] = position
        tensor = tensor.permute(inverse)
    return tensor.to(accelerator) if header.accelerated and accelerator is not None else tensor


class _Unpacker:
    def __init__(self, tensors: list[Tensor], resolve: Resolve | None) -> None:
        self.tensors, self.resolve, self.nodes = tensors, resolve, 0

    def unpack(self, node: Any, depth: int = 0) -> Any:
        self.nodes += 1
        if depth > MAX_DEPTH or self.nodes > MAX_NODES:
            raise WireError("value nested too deeply or with too many parts")
        if node is None or type(node) in (bool, float):
            return node
        if type(node) is str:
            if len(node) > MAX_TEXT:
                raise WireError("text too long")
            return node
        if type(node) is int:
            if abs(node) > MAX_INT:
                raise WireError("integer too large")
            return node
        if type(node) is not dict or len(node) != 1:
            raise WireError("unknown node")
        ((tag, content),) = node.items()
        match tag, content:
            case (("l" | "t" | "s"), list()):
                items = [self.unpack(item, depth + 1) for item in content]
                return items if tag == "l" else tuple(items) if tag == "t" else self._set(items)
            case "d", list():
                return dict(self._pair(pair, depth) for pair in content)
            case "x", int() if 0 <= content < len(self.tensors) and type(content) is int:
                return self.tensors[content]
            case "f", "nan" | "inf" | "-inf":
                return float(content)
            case "dt", str() if content in DTYPES:
                return DTYPES[content]
            case (("h" | "cb" | "cls" | "g"), [int() as id, extra]) if self.resolve and type(id) is int:
                return self.resolve(tag, id, extra)
        raise WireError("unknown node")

    def _pair(self, pair: Any, depth: int) -> tuple[Any, Any]:
        if type(pair) is not list or len(pair) != 2:
            raise WireError("a dictionary's entry is not a pair")
        key = self.unpack(pair[0], depth + 1)
        if not isinstance(key, PLAIN):
            raise WireError("a dictionary's key is not plain")
        return key, self.unpack(pair[1], depth + 1)

    @staticmethod
    def _set(items: list[Any]) -> set[Any]:
        if any(type(item) not in PLAIN for item in items):
            raise WireError("a set's element is not plain")
        return set(items)
