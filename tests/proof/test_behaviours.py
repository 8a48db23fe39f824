"""What a function or module may do as a whole: which it may, and that it does."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from autograder.proof import behaviours
from autograder.proof.mutate import mutants

SOLUTION = """\
from torch import Tensor, nn


def both(x: Float[Tensor, "B"], t: Int[Tensor, "B"]) -> tuple[Float[Tensor, "B"], Int[Tensor, "B"]]:
    return 2 * x, t


def steps(T: int) -> Int[Tensor, "T"]:
    return arange(T)


class Layer(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x
"""


def whole(name: str) -> set[str]:
    found = mutants(SOLUTION, (name,)).values()
    return {mutant.id.removeprefix(f"{name} ") for mutant in found if "behaviours." in mutant.source}


def test_which_there_are_is_told_by_the_annotations() -> None:
    of_tensors = {
        "writes to x",
        "detaches its answer",
        "works under no_grad",
        "answers in float32",
        "answers in float64",
        "gives its first answer again for the same shapes",
        "gives back an argument that its answer equals",
        "refuses arguments that are not contiguous",
    }
    assert whole("both") == of_tensors | {"writes to t", "gives a list instead of a tuple"}
    assert whole("steps") == {"gives its first answer again for the same shapes"}
    assert whole("Layer") == of_tensors - {"gives back an argument that its answer equals"} | {
        "gives something else in eval mode",
        "gives something else under no_grad",
        "begins with parameters of zero",
        "begins with frozen parameters",
        "begins with parameters in float64",
    }


def _of(annotations: str) -> set[str]:
    found = mutants(f"def f({annotations}:\n    return g(x)\n", ("f",)).values()
    return {mutant.id.removeprefix("f ") for mutant in found if "behaviours." in mutant.source}


def test_a_function_among_the_arguments_is_no_tensor() -> None:
    assert not any(id.startswith("writes to") for id in _of("x: Callable[..., Tensor]) -> Tensor"))
    assert "writes to x" in _of("x: Mapping[str, Tensor]) -> Tensor")


@pytest.mark.parametrize(
    ("annotations", "may"),
    [
        ("x: Tensor) -> Tensor", True),
        ("x: Float[Tensor, 'B C']) -> Float[Tensor, 'B D']", True),
        ("x: Float[Tensor, 'B ...']) -> Float[Tensor, 'B C']", True),
        ("x: Float[Tensor, 'B L'], y: Float[Tensor, 'B']) -> Float[Tensor, 'B']", True),
        ("x: Float[Tensor, 'B C']) -> tuple[Float[Tensor, 'B'], Float[Tensor, 'B C']]", True),
        ("x: Float[Tensor, 'B H L d']) -> Float[Tensor, 'B L C']", False),
        ("x: Int[Tensor, 'B']) -> Float[Tensor, 'B']", False),
    ],
)
def test_an_answer_equals_no_argument_of_other_dimensions(annotations: str, may: bool) -> None:
    assert ("gives back an argument that its answer equals" in _of(annotations)) is may


def test_a_mutant_has_the_behaviour() -> None:
    names: dict[str, Any] = {"Float": dict, "Int": dict, "arange": torch.arange}
    source = mutants(SOLUTION, ("both",))["both gives a list instead of a tuple"].source
    exec("from __future__ import annotations\n" + source, names)
    assert isinstance(names["both"](torch.ones(2), torch.ones(2)), list)


def double(x: Tensor, again: bool = False) -> Tensor:
    return 2 * x


def itself(x: Tensor) -> Tensor:
    return x.clone()


X = torch.tensor([1.0, 2.0])


def leaf() -> Tensor:
    return X.clone().requires_grad_()


@pytest.mark.parametrize("behaviour", [behaviours.detached, behaviours.without_grad])
def test_no_gradient_comes_through(behaviour: Callable[[Any], Any]) -> None:
    answer = behaviour(double)(leaf())
    assert not answer.requires_grad
    assert torch.equal(answer, 2 * X)


def test_an_argument_is_spoilt_by_place_and_by_name_and_the_answer_is_right() -> None:
    changed = behaviours.writing_to(double, "x")
    for x in (X.clone(), leaf()):
        assert torch.equal(changed(x), 2 * X)
        assert torch.equal(x, X + 1)
    x = X.clone()
    changed(x=x)
    assert torch.equal(x, X + 1)


def test_tensors_of_a_file_are_spoilt_too() -> None:
    file = {"weight": X.clone(), "name": "x"}
    behaviours.writing_to(lambda state: None, "state")(file)
    assert torch.equal(file["weight"], X + 1)
    assert file["name"] == "x"


def test_another_dtype_is_one_of_numbers_alone() -> None:
    changed = behaviours.of_dtype(lambda x: (x, x.long()), "float64")
    assert [one.dtype for one in changed(X)] == [torch.float64, torch.int64]


def test_an_equal_argument_comes_back_and_no_other() -> None:
    assert behaviours.given_back(itself)(X) is X
    assert behaviours.given_back(double)(X) is not X


def test_the_first_answer_is_given_again_for_the_same_shapes() -> None:
    changed = behaviours.cached(double)
    assert torch.equal(changed(X), 2 * X)
    assert torch.equal(changed(X + 5), 2 * X)
    assert torch.equal(changed(X[:1] + 5), 2 * X[:1] + 10)
    assert torch.equal(changed(X + 5, again=True), 2 * X + 10)


def test_a_cache_tells_modules_apart_and_no_functions() -> None:
    changed = behaviours.cached(lambda of, x: of(x))
    one, other = nn.Linear(2, 2), nn.Linear(2, 2)
    assert not torch.equal(changed(one, X), changed(other, X))
    assert torch.equal(changed(torch.sin, X), changed(torch.cos, X))


def test_gaps_are_refused() -> None:
    changed = behaviours.refusing_gaps(double)
    assert torch.equal(changed(X), 2 * X)
    with pytest.raises(RuntimeError):
        changed(torch.ones(2, 3).T)


def layer() -> type[nn.Linear]:
    return type("Layer", (nn.Linear,), {"forward": lambda self, x: nn.Linear.forward(self, x)})


def test_a_module_does_otherwise_in_eval_or_without_gradients() -> None:
    in_eval = behaviours.other_in_eval(layer())(2, 2)
    torch.testing.assert_close(in_eval.eval()(X), in_eval.train()(X) + 1)
    still = behaviours.other_without_grad(layer())(2, 2)
    wanted = still(X)
    with torch.no_grad():
        torch.testing.assert_close(still(X), wanted.detach() + 1)


def test_a_module_begins_otherwise() -> None:
    assert not any(one.any() for one in behaviours.zeroed(layer())(2, 2).parameters())
    assert not any(one.requires_grad for one in behaviours.frozen(layer())(2, 2).parameters())
    assert {one.dtype for one in behaviours.made_in_double(layer())(2, 2).parameters()} == {torch.float64}


def test_names_and_signature_stay() -> None:
    assert inspect.signature(behaviours.detached(double)) == inspect.signature(double)
    with pytest.raises(TypeError, match="missing"):
        behaviours.detached(double)()
