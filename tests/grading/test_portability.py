"""Which of the calls of passed tests are made once more on the pretended accelerator."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from autograder.contract.line import InProcess
from autograder.contract.student import Request, Student
from autograder.grading.portability import MOST_MADE, check_portability
from autograder.testing import Draw, twins


class Watched(InProcess):
    """Notes what it was asked to do on the accelerator."""

    def __init__(self, **names: Any) -> None:
        super().__init__(names)
        self.pretended: list[dict[str, Any]] = []

    def request(self, kind: str, payload: dict[str, Any]) -> Any:
        if kind == "pretend":
            self.pretended.append(payload)
        return super().request(kind, payload)


def requests_of(line: Watched, *tests: Callable[[Student], object]) -> list[list[Request]]:
    """What tests like these asked for."""
    student, asked = Student(line), []
    for test in tests:
        student.reset(0)
        test(student)
        asked.append(list(student.requests))
    return asked


class Scale(nn.Module):
    """Fails on a GPU where it was made with a shift."""

    def __init__(self, width: int, shift: bool = False) -> None:
        super().__init__()
        self.weight, self.shift = nn.Parameter(torch.ones(width)), shift

    def forward(self, x: Tensor) -> Tensor:
        return x * self.weight + torch.ones(x.shape[-1]) if self.shift else x * self.weight


def test_a_call_is_made_again_for_each_form_of_its_arguments() -> None:
    line = Watched(double=lambda x, n=2: n * x)
    x = torch.ones(2, 3)
    asked = requests_of(
        line,
        lambda student: student.double(x),
        lambda student: student.double(torch.ones(4, 5)),  # other sizes: the same form
        lambda student: student.double(x.double()),  # and another precision
        lambda student: student.double(x[0]),
        lambda student: student.double(x.long()),
        lambda student: student.double(x, n=3),
    )
    found = check_portability(line, asked)
    assert found is not None
    assert found.ok
    assert [tuple(payload["args"][0].shape) for payload in line.pretended] == [(2, 3), (3,), (2, 3), (2, 3)]


def test_of_objects_made_differently_a_few_are_called() -> None:
    line = Watched(Scale=Scale)
    widths = range(1, MOST_MADE + 3)
    asked = requests_of(
        line, *(lambda student, n=n: student.new("Scale", n)(torch.ones(2, n)) for n in widths)
    )
    assert check_portability(line, asked) is not None
    assert [payload["args"][0].shape[1] for payload in line.pretended] == list(widths)[:MOST_MADE]


def test_what_only_one_way_of_making_it_shows_is_found() -> None:
    line = Watched(Scale=Scale)
    asked = requests_of(
        line,
        lambda student: student.new("Scale", 3)(torch.ones(2, 3)),
        lambda student: student.new("Scale", 3, shift=True)(torch.ones(2, 3)),
    )
    found = check_portability(line, asked)
    assert found is not None
    assert not found.ok
    assert "CPU" in found.message


def test_objects_have_the_numbers_that_they_had_in_the_test() -> None:
    """Code may take another path for other numbers: here, for the weights that the test has loaded."""

    class Picky(Scale):
        def forward(self, x: Tensor) -> Tensor:
            return x + (torch.zeros(3) if self.weight[0] != 1 else 0)

    def test(student: Student) -> None:
        twins(student, Draw(0, "any"), Picky, 3)[0](torch.ones(2, 3, dtype=torch.float64))

    line = Watched(Picky=Picky)
    found = check_portability(line, requests_of(line, test))
    assert found is not None
    assert not found.ok
