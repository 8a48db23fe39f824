"""The wire: what honest values become, and that forged bytes give a WireError and nothing else."""

from __future__ import annotations

import json
import math
import tracemalloc
from collections import OrderedDict, defaultdict
from enum import IntEnum
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from autograder.worker import wire

PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**61), 2**61)
    | st.floats()
    | st.text(max_size=20).map(lambda text: text.encode("utf-8", "replace").decode()),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text(max_size=5, alphabet="abc"), inner, max_size=3)
    ),
    max_leaves=12,
)


def parts(encoded: wire.Encoded) -> tuple[bytes, bytearray]:
    return encoded.head[wire.FRAME.size :], bytearray(b"".join(encoded.buffers))


def round_trip(value: Any) -> Any:
    return wire.decode(*parts(wire.encode("answer", 7, value))).value


def same(one: Any, other: Any) -> bool:
    if type(one) is not type(other):
        return False
    if isinstance(one, float):
        return one == other or (math.isnan(one) and math.isnan(other))
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    return bool(one == other)


@given(PLAIN)
def test_plain_values_come_back_as_they_were(value: Any) -> None:
    assert same(round_trip(value), value)


class Pair(NamedTuple):
    mean: int
    variance: list[int]


class Text(str):
    __slots__ = ()


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (Pair(1, [2]), (1, [2])),
        (OrderedDict(a=1), {"a": 1}),
        (defaultdict(list, a=[Pair(1, [])]), {"a": [(1, [])]}),
        (torch.Size([2, 3]), (2, 3)),
        (Text("a"), "a"),
        (IntEnum("Number", "one").one, 1),
        (np.float64(0.5), 0.5),
    ],
    ids=repr,
)
def test_what_derives_from_a_plain_kind_arrives_as_that_kind(value: Any, plain: Any) -> None:
    assert same(round_trip(value), plain)


@pytest.mark.parametrize("dtype", list(wire.DTYPES.values()), ids=list(wire.DTYPES))
@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 0, 3), (2, 3, 5)])
def test_tensors_come_back_with_shape_dtype_and_values(dtype: torch.dtype, shape: tuple[int, ...]) -> None:
    tensor = torch.arange(math.prod(shape)).reshape(shape).to(dtype)
    back = round_trip(tensor)
    assert back.dtype == dtype
    assert torch.equal(back, tensor)


def test_a_transposed_tensor_keeps_its_memory_order() -> None:
    tensor = torch.randn(2, 3, 5).permute(2, 0, 1)
    back = round_trip(tensor)
    assert back.stride() == tensor.stride()
    assert torch.equal(back, tensor)


def test_a_single_number_that_was_expanded_is_sent_as_one() -> None:
    """The gradient of a sum over a batch of one has a stride of 0, and torch calls it contiguous."""
    back = round_trip(torch.tensor(3.0, dtype=torch.float64).expand(1))
    assert torch.equal(back, torch.tensor([3.0], dtype=torch.float64))


def test_a_single_number_out_of_a_table_travels_whatever_its_stride() -> None:
    one = torch.arange(4, dtype=torch.float64).view(1, 4).T[2]
    assert one.stride() == (4,)
    assert torch.equal(round_trip(one), one)


def test_one_tensor_sent_twice_is_one_tensor_there() -> None:
    tensor = torch.ones(2)
    first, second = round_trip([tensor, tensor])
    assert first is second


def test_two_tensors_do_not_share_memory() -> None:
    first, second = round_trip([torch.ones(2), torch.ones(2)])
    first.zero_()
    assert torch.equal(second, torch.ones(2))


def test_sets_and_dtypes_travel() -> None:
    assert round_trip({"a", "c"}) == {"a", "c"}
    assert round_trip(torch.float16) is torch.float16


@pytest.mark.parametrize(
    "value",
    [
        1 << 62,
        object(),
        b"bytes",
        "x" * (wire.MAX_TEXT + 1),
        torch.ones(2).to_sparse(),
        torch.ones(2, device="meta"),
        [0] * (wire.MAX_NODES + 1),
    ],
    ids=["huge integer", "object", "bytes", "long text", "sparse", "meta", "too many parts"],
)
def test_what_has_no_place_on_the_wire_is_refused_by_the_sender(value: Any) -> None:
    with pytest.raises(wire.Unsendable):
        wire.encode("answer", 1, value)


def test_a_self_containing_list_is_refused_by_the_sender() -> None:
    endless: list[Any] = []
    endless.append(endless)
    with pytest.raises(wire.Unsendable):
        wire.encode("answer", 1, endless)


# Forged bytes


def forged(value: Any = None, tensors: list[Any] | None = None, **more: Any) -> bytes:
    return json.dumps({"kind": "answer", "id": 1, "value": value, "tensors": tensors or [], **more}).encode()


@pytest.mark.parametrize(
    ("header", "payload"),
    [
        (b"", b""),
        (b"{", b""),
        (b"\xff\xfe", b""),
        (b"[" * 100_000, b""),
        (forged({"x": 0}), b""),
        (forged({"x": -1}, [["float32", [1], []]]), bytes(4)),
        (forged({"x": True}, [["float32", [1], []]]), bytes(4)),
        (forged({"d": [[{"l": []}, 1]]}), b""),
        (forged({"d": [[1]]}), b""),
        (forged({"s": [{"l": []}]}), b""),
        (forged({"h": [1, "Tensor"]}), b""),
        (forged({"cb": [1, False]}), b""),
        (forged({"g": [1, False]}), b""),
        (forged({"f": "Infinity"}), b""),
        (forged({"dt": "__class__"}), b""),
        (forged({"l": [1], "t": [2]}), b""),
        (forged({"unknown": 1}), b""),
        (forged(1 << 70), b""),
        (forged(None, [["float32", [1 << 40], []]]), b""),
        (forged(None, [["float32", [-1], []]]), b""),
        (forged(None, [["float32", [0, 2, 2**31, 2**31], []]]), b""),  # found by fuzzing
        (forged(None, [["float32", [2], []]]), bytes(4)),
        (forged(None, [["float32", [1], []]]), bytes(8)),
        (forged(None, [["object", [1], []]]), bytes(8)),
        (forged(None, [["float32", [1, 2], [0, 0]]]), bytes(8)),
        (forged(None, [["float32", [1, 2], [0, 5]]]), bytes(8)),
        (forged(None, [["float32", [1, 2], [0]]]), bytes(8)),
        (forged(None, [["float32", [1] * 40, []]]), bytes(4)),
        (forged(None, [["float32", [1], [], True]]), bytes(4)),  # an accelerator that is not there
        (forged(None, [["float32", [0], []]] * 2000), b""),
        (forged(extra=1), b""),
        (forged(error={"type": "E", "message": "m"}), b""),
    ],
)
def test_a_forged_message_is_refused(header: bytes, payload: bytes) -> None:
    with pytest.raises(wire.WireError):
        wire.decode(header, bytearray(payload))


def test_a_shape_whose_strides_would_overflow_is_refused_before_torch_sees_it() -> None:
    with pytest.raises(wire.WireError, match="shape too large"):
        wire.decode(forged(None, [["float32", [0, 1 << 26, 1 << 26, 1 << 26], []]]), bytearray())


def test_deep_nesting_is_refused() -> None:
    value: Any = None
    for _ in range(wire.MAX_DEPTH + 2):
        value = {"l": [value]}
    with pytest.raises(wire.WireError):
        wire.decode(forged(value), bytearray())


def test_a_byte_of_two_is_a_plain_true() -> None:
    tensor = wire.decode(forged({"x": 0}, [["bool", [2], []]]), bytearray([2, 0])).value
    assert tensor.tolist() == [True, False]
    assert tensor.view(torch.uint8).tolist() == [1, 0]


def test_a_huge_shape_takes_no_memory_before_it_is_refused() -> None:
    header = forged(None, [["float64", [1 << 22, 1 << 22], []]])
    tracemalloc.start()
    with pytest.raises(wire.WireError):
        wire.decode(header, bytearray())
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1 << 20


@pytest.mark.parametrize(
    "head",
    [
        wire.FRAME.pack(b"EVIL", 0, 0),
        wire.FRAME.pack(wire.MAGIC, wire.MAX_HEADER + 1, 0),
        wire.FRAME.pack(wire.MAGIC, 0, wire.MAX_PAYLOAD + 1),
    ],
)
def test_a_frame_over_its_limits_is_refused_by_its_first_bytes(head: bytes) -> None:
    with pytest.raises(wire.WireError):
        wire.frame_lengths(head)


@settings(max_examples=300)
@given(st.binary(max_size=400), st.binary(max_size=64))
def test_any_bytes_are_a_message_or_a_wire_error(header: bytes, payload: bytes) -> None:
    try:
        wire.decode(header, bytearray(payload))
    except wire.WireError:
        return


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["l", "t", "s", "d", "x", "f", "dt", "h", "cb", "g", "?"]), inner, max_size=2
        )
    ),
    max_leaves=15,
)
TENSORS = st.lists(
    st.tuples(
        st.sampled_from([*wire.DTYPES, "object", ""]),
        st.lists(st.integers(-2, 2**34), max_size=5),
        st.lists(st.integers(-1, 5), max_size=5),
        st.booleans(),
    ),
    max_size=4,
)


@settings(max_examples=400)
@given(JSON, TENSORS, st.binary(max_size=64))
def test_any_well_formed_header_is_a_message_or_a_wire_error(
    value: Any, tensors: list[Any], payload: bytes
) -> None:
    try:
        message = wire.decode(forged(value, tensors), bytearray(payload), lambda tag, id, extra: (tag, id))
    except wire.WireError:
        return
    assert message.kind == "answer"


@settings(max_examples=300)
@given(PLAIN, st.data())
def test_a_message_with_one_byte_changed_is_a_message_or_a_wire_error(
    value: Any, data: st.DataObject
) -> None:
    header, payload = parts(wire.encode("answer", 3, [value, torch.ones(2, 3).T]))
    whole = bytearray(header)
    whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    try:
        wire.decode(bytes(whole), payload)
    except wire.WireError:
        return
