"""What a worker sends is what was asked for, or tampering: nothing else is ever gone through."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from autograder.contract.line import Ahead, Line, texts
from autograder.contract.student import Handle, Student
from autograder.errors import ProtocolViolation
from autograder.worker import wire

MANY = torch.zeros(5)  # each of its elements would become a tensor


class Forging(Line):
    """A line on which every request has the same answer."""

    def __init__(self, answer: Any) -> None:
        super().__init__()
        self.answer = answer

    def _put(self, kind: str, payload: dict[str, Any]) -> Any:
        return self.answer

    def together(self, frames: bytes, count: int) -> Ahead:
        raise NotImplementedError

    def close(self) -> None: ...


def gradients(**changed: Any) -> dict[str, Any]:
    return {"output": MANY, "inputs": [MANY, None], "parameters": {"weight": MANY}} | changed


def handle(line: Line) -> Handle:
    return Handle(Student(line), 1, "Theirs", "")


@pytest.mark.parametrize(
    ("answer", "ask"),
    [
        *(
            (answer, lambda line: Student(line).f.gradients(MANY))
            for answer in (
                MANY,
                {},
                gradients(inputs=MANY),
                gradients(inputs=(MANY,)),
                gradients(inputs=[[MANY]]),
                gradients(parameters=[("weight", MANY)]),
                gradients(parameters={"weight": [MANY]}),
            )
        ),
        *(
            (answer, lambda line: handle(line).parameters())
            for answer in (
                MANY,
                [("weight", ((2,), torch.float32, True, "cpu"))],
                {"weight": MANY},
                {"weight": (MANY, torch.float32, True, "cpu")},
                {"weight": ((MANY,), torch.float32, True, "cpu")},
                {"weight": ((2,), torch.float32, True, MANY)},
            )
        ),
        (MANY, lambda line: handle(line).attributes("a")),
        (MANY, lambda line: Student(line).f.keep(1)),
    ],
)
def test_an_answer_of_another_shape_is_tampering(answer: Any, ask: Callable[[Line], object]) -> None:
    with pytest.raises(ProtocolViolation, match="not what was asked for"):
        ask(Forging(answer))


def test_what_was_asked_for_is_taken() -> None:
    assert Student(Forging(gradients())).f.gradients(MANY).inputs[1] is None
    found = handle(Forging({"weight": ((2, 3), torch.float32, True, "cpu")})).parameters()
    assert found["weight"].shape == (2, 3)


@pytest.mark.parametrize("value", [MANY, "abc", ["a", MANY], [["a"]], ("a", "b"), {"a": "b"}, None])
def test_texts_are_texts_and_as_many_as_wanted(value: Any) -> None:
    assert texts(["a", "b", "c"], 3) == texts(("a", "b", "c")) == ["a", "b", "c"]
    with pytest.raises(ProtocolViolation):
        texts(value, 3)


def test_each_part_of_a_message_is_charged_for_what_it_takes() -> None:
    few, many = (bytes(wire.encode("answer", 1, [[]] * count)) for count in (10, 10_000))
    overhead = [wire.decode(one[wire.FRAME.size :], bytearray()).overhead for one in (few, many)]
    assert overhead[1] - overhead[0] == 9_990 * wire.NODE_BYTES
    assert wire.decode(few[wire.FRAME.size :], bytearray()).overhead < 1 << 12
    (empty,) = [bytes(wire.encode("answer", 1, [torch.empty(0) for _ in range(1000)]))]
    assert wire.decode(empty[wire.FRAME.size :], bytearray()).overhead > 1000 * wire.TENSOR_BYTES
