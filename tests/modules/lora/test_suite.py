"""What only the hidden suite of `lora` has: later exercises ask what a layer holds, not what it does."""

from __future__ import annotations

import inspect
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from solutions import lora as reference

from ..bank import bank

LORA = bank("lora")
LATER = list(LORA.exercises)[2:]


class Unscaled(reference.LoRALinear):
    """alpha / r is left out, and not even kept; merged is not looked at."""

    def __init__(self, base: nn.Linear, r: int, alpha: float) -> None:
        super().__init__(base, r, alpha)
        del self.scaling
        del self.merged

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.base_layer(x)
        return out + self.lora_B(self.lora_A(x))


class Unusable(reference.LoRALinear):
    """Nothing can be computed with it."""

    def forward(self, x: Tensor) -> Tensor:
        raise ValueError("not yet")


class ByProperty(nn.Module):
    """Right, with a scaling that is computed and cannot be set."""

    def __init__(self, base: nn.Linear, r: int, alpha: float) -> None:
        super().__init__()
        self.base_layer, self.alpha, self.merged = base, alpha, False
        self.lora_A = nn.Linear(base.in_features, r, bias=False).to(base.weight)
        self.lora_B = nn.Linear(r, base.out_features, bias=False).to(base.weight)
        nn.init.zeros_(self.lora_B.weight)

    @property
    def scaling(self) -> float:
        return self.alpha * (1 / self.lora_A.out_features)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.base_layer(x)
        return out if self.merged else out + self.scaling * self.lora_B(self.lora_A(x))


class Biased(reference.LoRALinear):
    """A parameter too many."""

    def __init__(self, base: nn.Linear, r: int, alpha: float) -> None:
        super().__init__(base, r, alpha)
        self.lora_A.bias = nn.Parameter(torch.zeros(r))


def notebook_with(layer: type[nn.Module]) -> dict[str, Any]:
    """The names of a notebook whose LoRALinear is `layer`, and whose other cells are the reference's."""
    namespace: dict[str, Any] = {"__name__": "notebook"}
    exec(compile(inspect.getsource(reference), "notebook", "exec", dont_inherit=True), namespace)
    namespace["LoRALinear"] = layer
    return {name: namespace[name] for id in LORA.exercises for name in LORA.exercises[id].defines}


@pytest.mark.parametrize("layer", [Unscaled, Unusable, ByProperty])
@pytest.mark.parametrize("exercise", LATER)
def test_a_later_exercise_does_not_ask_what_a_layer_computes(exercise: str, layer: type[nn.Module]) -> None:
    assert LORA.failed_tests(exercise, notebook_with(layer)) == {}


@pytest.mark.parametrize("layer", [Unscaled, Unusable])
def test_the_exercise_of_the_layer_itself_does(layer: type[nn.Module]) -> None:
    assert "agrees_with_the_formula" in LORA.failed_tests("LoRALinear", notebook_with(layer))


def test_a_layer_by_property_is_right() -> None:
    assert LORA.failed_tests("LoRALinear", notebook_with(ByProperty)) == {}


def test_inject_lora_is_held_to_the_students_own_layer() -> None:
    assert LORA.failed_tests("inject_lora", notebook_with(Biased)) == {}


def loads_and_refuses_with(error: type[Exception]) -> dict[str, Any]:
    def load_lora(model: nn.Module, state_dict: dict[str, Tensor], *args: Any, **kwargs: Any) -> None:
        try:
            reference.load_lora(model, state_dict, *args, **kwargs)
        except (KeyError, ValueError):
            raise error("does not fit") from None

    return {"load_lora": load_lora}


@pytest.mark.parametrize("error", [KeyError, ValueError, RuntimeError, type("WrongFile", (ValueError,), {})])
def test_a_file_may_be_refused_with_each_of_the_errors_and_ones_own(error: type[Exception]) -> None:
    assert LORA.failed_tests("lora_state_dict", loads_and_refuses_with(error)) == {}


def test_an_error_that_nobody_meant_to_raise_is_no_refusal() -> None:
    failed = LORA.failed_tests("lora_state_dict", loads_and_refuses_with(IndexError))
    assert failed.keys() == {name for name, _, _ in LORA.tests["lora_state_dict"] if "refuses" in name}


def layers(model: nn.Module) -> list[Any]:
    kinds = (reference.LoRALinear, reference.LoRAConv2d)
    return [module for module in model.modules() if isinstance(module, kinds)]


def test_unmerge_may_put_back_weights_that_merge_has_kept() -> None:
    kept: dict[int, Tensor] = {}

    def merge(model: nn.Module) -> None:
        for layer in layers(model):
            if not layer.merged:
                kept[id(layer)] = layer.base_layer.weight.detach().clone()
        reference.merge(model)

    def unmerge(model: nn.Module) -> None:
        for layer in layers(model):
            if layer.merged:
                layer.base_layer.weight.data.copy_(kept.pop(id(layer)))
                layer.merged = False

    assert LORA.failed_tests("merge", {"merge": merge, "unmerge": unmerge}) == {}


def test_merge_may_refuse_a_model_of_which_one_layer_is_merged() -> None:
    def merge(model: nn.Module) -> None:
        for layer in layers(model):  # those before it are merged all the same
            if layer.merged:
                raise RuntimeError("merged already")
            reference.merge(layer)

    assert LORA.failed_tests("merge", {"merge": merge}) == {}


def test_a_pair_of_merge_and_unmerge_that_does_nothing_passes_no_value_test() -> None:
    def nothing(model: nn.Module) -> None:
        """Leaves everything as it is."""

    failed = LORA.failed_tests("merge", {"merge": nothing, "unmerge": nothing})
    assert all(name in failed for name, _, mark in LORA.tests["merge"] if mark.kind == "value")


def test_another_scaling_of_the_layer_is_as_good_as_another_lora_B() -> None:
    def load_lora(
        model: nn.Module, state_dict: dict[str, Tensor], prefix: str = "unet.", scaling: float = 1.0
    ) -> None:
        reference.load_lora(model, state_dict, prefix, scaling)
        for layer in layers(model):
            layer.lora_B.weight.data *= layer.scaling / scaling
            layer.scaling = scaling

    assert LORA.failed_tests("lora_state_dict", {"load_lora": load_lora}) == {}
