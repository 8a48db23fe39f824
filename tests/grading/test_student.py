"""What crosses the line to a student's code and back: callables that stay here, generators, gradients."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from autograder.contract.line import InProcess, differentiable
from autograder.contract.student import Student, part
from autograder.contract.trace import Trace
from autograder.errors import StudentError
from autograder.testing import Draw, assert_close, assert_gradients, twins
from autograder.worker import wire


def student(**names: Any) -> Student:
    return Student(InProcess(names))


def asked_twice(model: Callable[..., Tensor], x: Tensor) -> Tensor:
    return model(model(x))


def test_a_callable_stays_here_and_is_called_back() -> None:
    seen: list[Tensor] = []

    def model(x: Tensor) -> Tensor:
        seen.append(x)
        return x + 1

    answer = student(asked_twice=asked_twice).asked_twice(model, torch.zeros(2))
    assert torch.equal(answer, torch.full((2,), 2.0))
    assert [float(x[0]) for x in seen] == [0, 1]


def test_a_callable_that_refuses_is_the_students_error_with_its_words() -> None:
    def model(x: Tensor) -> Tensor:
        raise ValueError("one call is enough")

    with pytest.raises(StudentError, match="one call is enough"):
        student(asked_twice=asked_twice).asked_twice(model, torch.zeros(2))


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("model.eval()", "AttributeError: 'function' object has no attribute 'eval'"),
        ("torch.matmul(torch.ones(1), model)", "must be Tensor, not function"),
        ("model(print)", "TypeError: unsupported operand type(s) for +: 'object' and 'int'"),
        ("10**30", "what your code hands over cannot be read: an integer is too large"),
        ("{(1, 2): 3}", "a tuple cannot be a key of a dictionary or a set's element"),
        ("{(1, 2)}", "a tuple cannot be a key of a dictionary or a set's element"),
        ("Layer(3).weight", "AttributeError: 'Identity' object has no attribute 'weight'"),
        ("1 / len(repr(type(Layer(3))).split('autograder')[1:])", "ZeroDivisionError"),
    ],
)
def test_no_name_of_ours_stands_in_what_a_student_reads(source: str, said: str) -> None:
    line = InProcess({})
    line.session.do_load(cell=1, source=f"import torch\ndef f(model):\n    return {source}")
    theirs = Student(line)
    theirs.replace("Layer", nn.Identity)
    with pytest.raises(StudentError) as error:
        theirs.f(differentiable(lambda x: x + 1))
    assert said in str(error.value)
    ours = ("Grader", "Token", "Handle", "Unsendable", "Staying", "wire")
    assert not [name for name in ours if name in f"{error.value}{error.value.trace}"]


def test_a_callable_comes_home_where_the_reference_stands_in_for_a_function_that_is_given_it() -> None:
    line = InProcess({})
    line.session.do_load(
        1, "def inner(model, x): raise SystemExit\ndef outer(model, x): return 10 * inner(model, x)"
    )
    helped = Student(line)
    asked = []

    def model(x: Tensor) -> Tensor:
        asked.append(x)
        return x + 1

    helped.replace("inner", lambda model, x: model(x) * 2)
    assert torch.equal(helped.outer(model, torch.ones(2)), torch.full((2,), 40.0))
    assert len(asked) == 1


def test_a_callable_that_is_returned_is_an_odd_answer_and_no_attack() -> None:
    def model(x: Tensor) -> Tensor:
        return x

    assert student(same=lambda model: model).same(model) is model


@pytest.mark.parametrize("id", [0, 2, -1, 1 << 40])
def test_a_callable_that_was_never_handed_over_is_refused(id: int) -> None:
    line = InProcess({})
    line.extend(len)
    with pytest.raises(wire.WireError):
        line.resolve("cb", id, False)


@pytest.mark.parametrize("ask", [lambda model, x, y: model(x, y), lambda model, x, y: model(y=y, x=x)])
def test_gradients_flow_through_a_callable_whether_its_arguments_are_named_or_not(ask: Any) -> None:
    model = differentiable(lambda x, y: x**2 * y)
    found = student(asked=ask).asked.gradients(model, torch.tensor(3.0), torch.tensor(5.0))
    assert [float(gradient) for gradient in found.inputs[1:]] == [30, 9]


def drawn(generator: torch.Generator) -> Tensor:
    return torch.rand(3, generator=generator)


def test_a_generator_arrives_as_a_new_one_with_its_seed_each_time() -> None:
    generator = torch.Generator().manual_seed(5)
    expected = torch.rand(3, generator=torch.Generator().manual_seed(5))
    there = student(drawn=drawn)
    for _ in range(2):
        assert torch.equal(there.drawn(generator), expected)
    assert torch.equal(torch.rand(3, generator=generator), expected)  # and this one is where it was


def test_called_twice_a_generator_goes_on() -> None:
    expected = torch.rand(6, generator=torch.Generator().manual_seed(5))[3:]
    assert torch.equal(student(drawn=drawn).drawn.twice(torch.Generator().manual_seed(5)), expected)


def test_a_generator_that_is_returned_stays_there() -> None:
    answer = student(same=lambda generator: generator).same(torch.Generator())
    assert isinstance(answer, wire.Token)
    assert answer.type_name == "Generator"


def test_a_worker_cannot_send_a_generator() -> None:
    with pytest.raises(wire.WireError):
        InProcess({}).resolve("g", 1, False)


class Doubling(nn.Module):
    """What a student was to write first."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(width, width)])

    def forward(self, x: Tensor, by: Tensor) -> Tensor:
        return by * self.layers[0](x)


BUILT_ON_IT = """
from torch import nn
class Doubling(nn.Module):
    def __init__(self, width):
        super().__init__()
class Outer(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.inner = Doubling(width)
        self.scale = nn.Linear(1, 1)
    def forward(self, x, by):
        return self.scale(self.inner(x, by=by).sum(-1, keepdim=True))
"""


class Outer(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.inner = Doubling(width)
        self.scale = nn.Linear(1, 1)

    def forward(self, x: Tensor, by: Tensor) -> Tensor:
        return self.scale(self.inner(x, by=by).sum(-1, keepdim=True))


def helped_by_a_class() -> Student:
    line = InProcess({})
    line.session.do_load(1, BUILT_ON_IT)
    helped = Student(line)
    helped.replace("Doubling", Doubling)
    return helped


def test_a_class_of_ours_stands_in_for_one_that_the_students_class_is_built_on() -> None:
    draw = Draw(1, "test")
    handle, module = twins(helped_by_a_class(), draw, Outer, 3)
    assert list(handle.parameters()) == [name for name, _ in module.named_parameters()]
    x, by = draw.normal(2, 3), draw.normal(2, 3)
    assert_close(handle(x, by), module(x, by))
    assert_gradients(handle, module, draw, x, by)


def test_no_more_than_parameters_of_a_class_of_ours_is_there() -> None:
    line = InProcess({})
    line.session.do_load(1, BUILT_ON_IT)
    helped = Student(line)
    helped.replace("Doubling", Doubling)
    inner = helped.new("Outer", 3).submodule("inner")
    assert list(inner.state_dict()) == ["layers.0.weight", "layers.0.bias"]
    (made,) = [made for made in line.session.handles.values() if type(made).__name__ == "Doubling"]
    assert not any(isinstance(part, nn.Linear) for part in made.modules())


def test_it_is_gone_after_the_test() -> None:
    helped = helped_by_a_class()
    helped.reset(0)
    assert list(helped.new("Outer", 3).parameters()) == ["scale.weight", "scale.bias"]


def test_layers_are_built_for_the_students_functions_to_work_on() -> None:
    there = student(count=lambda model: sum(p.numel() for p in model.parameters()))
    layers = {"first": there.build("torch.nn.Linear", 2, 3), "then": there.build("torch.nn.Tanh")}
    model = there.build("torch.nn.Sequential", layers)
    assert there.function("count")(model) == 9
    assert list(model.state_dict()) == ["first.weight", "first.bias"]
    assert model.attribute("first.out_features") == 3
    assert model.submodule("first").parameters().keys() == {"weight", "bias"}
    model.set_attribute("kept", 7)
    assert model.attribute("kept") == 7
    with pytest.raises(StudentError, match="not a module"):
        model.submodule("kept")


class Around(nn.Module):
    """A student's class that is given a layer."""

    def __init__(self, base: nn.Linear, by: float) -> None:
        super().__init__()
        self.base, self.by = base, by


def test_parts_are_built_with_what_they_are_part_of_and_may_be_of_the_students_classes() -> None:
    there = student(Around=Around)
    layers = {"first": part("Around", part("torch.nn.Linear", 2, 3, bias=False), 0.5)}
    model = there.build("torch.nn.Sequential", {"deep": part("torch.nn.Sequential", layers)})
    assert model.attributes("deep.first.by", "deep.first.base.out_features") == {
        "deep.first.by": 0.5,
        "deep.first.base.out_features": 3,
    }
    assert len(there.requests) == 2
    with pytest.raises(StudentError, match="`Inside` is not defined"):
        there.build("torch.nn.Sequential", {"first": part("Inside", 2)})


def test_weights_may_be_loaded_in_another_dtype() -> None:
    layer = student().build("torch.nn.Linear", 2, 1, bias=False)
    exact = torch.tensor([[0.1, 1 / 3]], dtype=torch.float64)
    layer.load_state_dict({"weight": exact}, dtype=torch.float64)
    assert torch.equal(layer.attribute("weight"), exact)


def test_an_answer_that_is_kept_is_what_the_next_call_takes() -> None:
    there = student(chosen=lambda model: list(model.parameters()))
    layer = there.build("torch.nn.Linear", 2, 3)
    layer.load_state_dict({"weight": torch.ones(3, 2), "bias": torch.zeros(3)})
    chosen = there.chosen.keep(layer)
    layer.gradients(torch.ones(1, 2))
    there.step(chosen, lr=0.5)
    assert torch.equal(layer.attribute("weight"), torch.full((3, 2), 0.5))


def test_what_is_built_stays_there_even_if_it_could_be_sent() -> None:
    there = student(fill=lambda given: given.update(a=given["a"].add_(1)))
    given = there.build("builtins.dict", {"a": torch.zeros(2)})
    there.fill(given)
    assert torch.equal(given.method("copy")["a"], torch.ones(2))


def test_what_is_kept_of_a_module_with_untouched_weights_is_as_random_as_they_are() -> None:
    there = Student(InProcess({}), Trace())
    layer = there.build("torch.nn.Linear", 2, 3)
    layer.keep(torch.ones(2)).method("sum")
    assert there.trace is not None
    assert there.trace.entries[-1][1] == ("tensor", (), torch.float32)


def test_the_device_of_a_parameter_is_known() -> None:
    there = student()
    for device in ("cpu", "meta"):
        layer = there.build("torch.nn.Linear", 2, 3, device=device)
        assert [parameter.device for parameter in layer.parameters().values()] == [device, device]


def test_a_test_starts_anew_with_its_first_request() -> None:
    """No request of its own is spent on it; objects and replacements of the test before are gone."""
    line = InProcess({"Layer": lambda: nn.Linear(2, 2), "draw": lambda: torch.rand(3)})
    asked: list[str] = []
    answers = line.session.answers
    line.session.answers = lambda *message: asked.append("one") or answers(*message)  # type: ignore
    there = Student(line)
    there.reset(7)
    there.new("Layer")
    assert len(line.session.handles) == 1
    first = there.function("draw")()
    there.reset(7)
    assert torch.equal(there.function("draw")(), first) is False  # one number was drawn by the layer before
    assert not line.session.handles
    there.reset(7)
    second = there.function("draw")()
    there.reset(7)
    assert torch.equal(there.function("draw")(), second)
    assert len(asked) == 5


def test_weights_can_be_loaded_with_the_next_request() -> None:
    there = student(Layer=lambda: nn.Linear(2, 1))
    layer = there.new("Layer")
    state = {"weight": torch.full((1, 2), 3.0), "bias": torch.zeros(1)}
    layer.load_state_dict(state, dtype=torch.float64, wait=False)
    assert float(layer(torch.ones(2, dtype=torch.float64))) == 6


def test_weights_without_a_place_fail_the_next_request() -> None:
    there = student(Layer=lambda: nn.Linear(2, 1))
    layer = there.new("Layer")
    layer.load_state_dict({"other": torch.ones(1)}, wait=False)
    with pytest.raises(StudentError, match="other"):
        layer(torch.ones(2))
    layer.load_state_dict({"other": torch.ones(1)}, wait=False)
    there.reset(0)  # a test that asks for nothing more leaves nothing to the next one
    assert there.new("Layer")(torch.ones(2)).shape == (1,)
