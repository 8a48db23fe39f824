"""A student's module beside the reference's."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from autograder.contract.line import InProcess
from autograder.contract.student import Student
from autograder.contract.trace import Trace
from autograder.testing import Draw, Mismatch, assert_close, assert_gradients, assert_parameters, twins


class Block(nn.Module):
    """The reference."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.to_out = nn.ModuleList([nn.Linear(width, width)])

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = x + self.to_out[0](self.norm(x))
        return out


class BareBlock(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width + 1)
        self.to_out = nn.Linear(width, width)


class BufferedBlock(Block):
    def __init__(self, width: int) -> None:
        super().__init__(width)
        self.register_buffer("one", torch.ones(()))


class FrozenBlock(Block):
    def __init__(self, width: int) -> None:
        super().__init__(width)
        self.norm.bias.requires_grad_(False)


class DetachedBlock(Block):
    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = x + self.to_out[0](self.norm(x.detach()))
        return out


@pytest.fixture
def draw() -> Draw:
    return Draw(0, "a test")


def student_with(block: Any) -> Student:
    return Student(InProcess({"Block": block}))


def test_weights_are_fresh_everywhere_norms_and_biases_included(draw: Draw) -> None:
    module = draw.weights(Block(4))
    again = draw.weights(Block(4))
    for (name, one), other in zip(module.named_parameters(), again.parameters(), strict=True):
        assert one.dtype == torch.float64, name
        assert not torch.equal(one, other), name
        assert one.detach().std() > 0, name
        assert one.requires_grad, name


def test_weights_keep_the_size_of_what_goes_through(draw: Draw) -> None:
    layer = draw.weights(nn.Linear(400, 400, bias=False))
    kernel = draw.weights(nn.Conv2d(40, 40, 3, bias=False))
    assert layer(draw.normal(100, 400)).std().item() == pytest.approx(1, rel=0.1)
    assert kernel(draw.normal(2, 40, 12, 12)).std().item() == pytest.approx(1, rel=0.1)


@pytest.mark.parametrize("block", [Block, BufferedBlock])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_twins_give_the_same_answers(draw: Draw, block: Any, dtype: torch.dtype) -> None:
    handle, module = twins(student_with(block), draw, Block, 6, dtype=dtype)
    x = draw.normal(3, 6, dtype=dtype)
    assert_close(handle(x), module(x))


def test_the_reference_is_put_together_once_and_has_fresh_weights_each_time() -> None:
    built: list[int] = []

    class Counted(Block):
        def __init__(self, width: int) -> None:
            super().__init__(width)
            built.append(width)

    def weights(seed: int, dtype: torch.dtype) -> Tensor:
        there = Student(InProcess({"Counted": Block}))
        module = twins(there, Draw(seed, "any"), Counted, 3, dtype=dtype)[1]
        return module.to_out[0].weight.detach().clone()

    single, double = weights(1, torch.float32), weights(1, torch.float64)
    assert (single.dtype, double.dtype) == (torch.float32, torch.float64)
    assert_close(single.double(), double, rtol=1e-6)
    assert not torch.allclose(weights(2, torch.float64), double)
    assert built == [3]


def test_parameters_that_fit_are_asked_for_once_and_the_trace_does_not_show_it(draw: Draw) -> None:
    student, traces = student_with(Block), []
    for width in (6, 6, 5):
        student.reset(0)
        student.trace = Trace()
        twins(student, draw, Block, width)[0](draw.normal(2, width))
        asked = [request.kind for request in student.requests].count("parameters")
        traces.append((asked, [request for request, _ in student.trace.entries]))
    assert [asked for asked, _ in traces] == [1, 0, 1]
    assert {tuple(told) for _, told in traces} == {("call Block", "parameters Block", "call Block")}


def test_parameters_that_do_not_fit_are_asked_for_again(draw: Draw) -> None:
    student = student_with(BareBlock)
    for _ in range(2):
        with pytest.raises(Mismatch, match="is missing"):
            twins(student, draw, Block, 6)


def test_parameters_without_a_place_are_named(draw: Draw) -> None:
    with pytest.raises(Mismatch) as raised:
        twins(student_with(BareBlock), draw, Block, 6)
    message = str(raised.value)
    assert "`norm.bias` has the wrong shape, (7,)" in message
    assert "`to_out.0.weight` is missing" in message
    assert "and 2 more" in message


def test_a_parameter_too_many_is_named() -> None:
    handle = student_with(lambda: nn.Linear(2, 3, bias=True)).new("Block")
    with pytest.raises(Mismatch, match="`bias` should not be there"):
        assert_parameters(handle, nn.Linear(2, 3, bias=False))
    assert_parameters(handle, nn.Linear(2, 3))


def test_equal_gradients_pass(draw: Draw) -> None:
    handle, module = twins(student_with(Block), draw, Block, 5)
    assert_gradients(handle, module, draw, draw.normal(3, 5))


@pytest.mark.parametrize(
    ("block", "said"),
    [
        (FrozenBlock, "no gradient reaches `norm.bias`"),
        (DetachedBlock, "the gradient of argument 1: the values are wrong"),
    ],
)
def test_a_gradient_that_is_missing_or_wrong_is_named(draw: Draw, block: Any, said: str) -> None:
    handle, module = twins(student_with(block), draw, Block, 5)
    with pytest.raises(Mismatch, match=said):
        assert_gradients(handle, module, draw, draw.normal(3, 5))


def test_functions_have_gradients_to_their_floating_point_arguments_alone(draw: Draw) -> None:
    def masked(x: Tensor, mask: Tensor, y: Tensor) -> Tensor:
        return x.masked_fill(mask, 0) * y

    x, mask, y = draw.normal(3, 4), draw.mask(3, 4), draw.normal(4)
    assert_gradients(student_with(masked).Block, masked, draw, x, mask, y)
    detached = student_with(lambda x, mask, y: masked(x, mask, y.detach()))
    with pytest.raises(Mismatch, match="no gradient reaches argument 3"):
        assert_gradients(detached.Block, masked, draw, x, mask, y)


def test_an_answer_of_several_tensors_has_gradients_through_all_of_them(draw: Draw) -> None:
    def two(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        return 2 * x, x * y

    x, y = draw.normal(3, 4), draw.normal(3, 4)
    assert_gradients(student_with(two).Block, two, draw, x, y)
    cut = student_with(lambda x, y: (2 * x.detach(), x * y))
    with pytest.raises(Mismatch, match="the gradient of argument 1: the values are wrong"):
        assert_gradients(cut.Block, two, draw, x, y)
    with pytest.raises(Mismatch, match="2 tensors were expected"):
        assert_gradients(student_with(lambda x, y: (x, y, x)).Block, two, draw, x, y)


def test_a_finite_answer_does_not_agree_with_nan() -> None:
    with pytest.raises(Mismatch):
        assert_close(torch.ones(2), torch.tensor([1.0, torch.nan]))
