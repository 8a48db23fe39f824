"""What `check` says of usual mistakes in the lora module."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import solutions.lora as reference
from course.checking import examine
from course.checking.expect import checks_of
from course.modules.lora import checks
from solutions.lora import LoRAConv2d, LoRALinear

from ..bank import bank

LORA = bank("lora")

SAID = {
    "ConvBiased": "a parameter too many, `lora_B.bias`: that layer has no bias (bias=False)",
    "BRandom": "lora_B is not zero: the layer would change what a trained network does",
    "AZero": "lora_A is all zeros: with both zero, no gradient would ever reach either",
    "BaseCopied": "`base_layer` is not the layer that was given, but another one",
    "ScaledByAlpha": "`scaling` is 8; for r = 2 and alpha = 8 it should be 4",
    "WithoutScaling": "This is what comes out without the scale",
    "IgnoresMerged": "The update was added, although `merged` is True.",
    "DetachedA": "no gradient reaches lora_A",
    "WithoutGradient": "no gradient can flow back through what it returns",
    "ScaledInPlace": "it changed its argument x: make a new tensor instead",
    "DefaultDtype": "it raised RuntimeError",
    "NoStride": "for kernel_size=3, stride=2, padding=1 the update has another height",
    "NoDilation": "for kernel_size=3, padding=2, dilation=2 the update has another height",
    "PaddingInB": "must match the size",
    "anywhere_in_the_name": "before it there must be a dot, or nothing",
    "end_of_a_word": "before it there must be a dot, or nothing",
    "never_at_the_top": "`to_q` was not replaced",
    "last_part_only": "`blocks.0.to_out.0` was not replaced",
    "linear_only": "`blocks.0.conv` was not replaced",
    "in_the_order_of_targets": "in another order than that of named_modules()",
    "wraps_the_inside": "lies inside a LoRA layer, and is to be left alone",
    "changes_a_copy": "is a Linear, it should be a LoRALinear",
    "nothing_frozen": "would still be trained",
    "all_frozen": "would not be trained: its requires_grad is False",
    "only_B": "`first.lora_A.weight` would not be trained",
    "returns_all": "the list has 4 entries; 0 weights are to be trained",
    "returns_copies": "is not the model's own parameter",
    "in_another_order": "in another order than that of model.parameters()",
    "merges_unscaled": "This is what comes out without the scaling.",
    "merges_twice": "The update is in it twice.",
    "merges_without_a_word": "`merged` of `first` is False",
    "alpha_lost": "lora_B is as it was. A file without alpha is",
    "scaled_twice": "The scaling belongs to lora_B.",
    "divided_by_scaling": "lora_B was divided by the scaling.",
    "prefix_forgotten": "it has an entry too many, 'first.lora_A.weight'",
    "dot_behind_the_prefix": "it has an entry too many, 'unet..first.lora_A.weight'",
    "base_saved": "it has an entry too many, 'unet.first.base_layer.weight'",
    "views_saved": "own weight",
    "not_detached": "'unet.first.lora_A.weight' still asks for gradients: detach it",
    "ignores_own_scaling": "lora_B was loaded as it stands in the file.",
    "multiplies_by_own_scaling": "multiplied by this layer's scaling, it should be divided",
    "ignores_scaling": "`scaling` had no effect.",
    "divides_by_scaling": "`scaling` was divided by",
    "skips_the_unknown": "was loaded without a word",
    "shares_tensors": "The model shares its tensors with the file: copy them.",
}


@pytest.mark.parametrize("exercise", LORA.exercises)
def test_an_exercise_has_at_least_five_checks(exercise: str) -> None:
    assert len(checks_of(checks, exercise)) >= 5


# --- Beside those that the hidden tests have a name for ---------------------------------------------------


class ScalingIsATensor(LoRALinear):
    """`scaling` is a Tensor"""

    def __init__(self, base: nn.Linear, r: int, alpha: float) -> None:
        super().__init__(base, r, alpha)
        scaling: Any = torch.tensor(4.0)
        self.scaling = scaling


class NoFlag(LoRALinear):
    """there is no attribute `merged`"""

    def __init__(self, base: nn.Linear, r: int, alpha: float) -> None:
        super().__init__(base, r, alpha)
        del self.merged


class AllScaled(LoRALinear):
    """What the base gives was scaled, too: only the update is."""

    def forward(self, x: Tensor) -> Tensor:
        return self.scaling * (self.base_layer(x) + self.lora_B(self.lora_A(x)))


class NoBase(LoRALinear):
    """what the base gives is missing"""

    def forward(self, x: Tensor) -> Tensor:
        return self.scaling * self.lora_B(self.lora_A(x)) + 0 * self.base_layer(x)


ALSO_NAMED = [("LoRALinear", answer) for answer in (ScalingIsATensor, NoFlag, AllScaled, NoBase)]


def test_who_writes_into_an_input_finds_the_checks_as_they_were() -> None:
    LORA.said_of("ScaledInPlace")
    assert "✗" not in LORA.report("LoRALinear", LoRALinear=LoRALinear)


def test_layers_left_on_the_cpu_are_told_to_fail_on_a_gpu() -> None:
    class OnTheCPU(LoRALinear):
        def __init__(self, base: nn.Linear, r: int, alpha: float) -> None:
            super().__init__(base, r, alpha)
            self.lora_A = nn.Linear(base.in_features, r, bias=False, dtype=base.weight.dtype)

    text = LORA.report("LoRALinear", LoRALinear=OnTheCPU)
    assert "✗" not in text
    assert "This would fail on a GPU" in text


@pytest.mark.parametrize(
    ("returned", "said"),
    [
        (lambda names: None, "it returned None"),
        (len, "a list of names is expected, an int was returned"),
    ],
)
def test_a_mistake_in_what_putting_in_returns_is_named(returned: Callable[[Any], Any], said: str) -> None:
    def inject_lora(model: nn.Module, targets: Any, r: int, alpha: float) -> Any:
        return returned(reference.inject_lora(model, targets, r, alpha))

    assert said in LORA.report("inject_lora", inject_lora=inject_lora)


def test_a_wrong_rank_and_a_wrong_alpha_are_named() -> None:
    def other_rank(model: nn.Module, targets: Any, r: int, alpha: float) -> Any:
        return reference.inject_lora(model, targets, 1, alpha)

    def other_alpha(model: nn.Module, targets: Any, r: int, alpha: float) -> Any:
        return reference.inject_lora(model, targets, r, float(r))

    assert "has 1 channels out, r is 2" in LORA.report("inject_lora", inject_lora=other_rank)
    assert "has the scaling 1.0, alpha / r is 3" in LORA.report("inject_lora", inject_lora=other_alpha)


def test_a_list_of_what_is_trained_is_expected() -> None:
    def mark_trainable(model: nn.Module) -> Any:
        return tuple(reference.mark_trainable(model))

    said = LORA.report("mark_trainable", mark_trainable=mark_trainable)
    assert "a list of parameters is expected, a tuple was returned" in said


def merged_with(product: Callable[[Any], Tensor]) -> Any:
    @torch.no_grad()
    def merge(model: nn.Module) -> None:
        for layer in model.modules():
            if isinstance(layer, LoRALinear | LoRAConv2d) and not layer.merged:
                layer.base_layer.weight += product(layer).view_as(layer.base_layer.weight)
                layer.merged = True

    return merge


def update(layer: Any) -> Tensor:
    answer: Tensor = layer.scaling * layer.lora_B.weight.flatten(1) @ layer.lora_A.weight.flatten(1)
    return answer


def either_way(layer: Any) -> Tensor:
    a, b = layer.lora_A.weight.flatten(1), layer.lora_B.weight.flatten(1)
    answer: Tensor = layer.scaling * (a @ b if a.shape == b.shape else b @ a)
    return answer


@pytest.mark.parametrize(
    ("product", "said"),
    [
        (lambda layer: -update(layer), "Here the update was subtracted."),
        (lambda layer: 2 * update(layer), "The update was added twice."),
        (lambda layer: 0 * update(layer), "The weight has not changed."),
        (either_way, "This is A B: first A is applied"),
    ],
)
def test_a_mistake_in_merging_is_named(product: Callable[[Any], Tensor], said: str) -> None:
    assert said in LORA.report("merge", merge=merged_with(product))


def test_a_refused_second_merge_is_right() -> None:
    def merge(model: nn.Module) -> None:
        if any(getattr(layer, "merged", False) for layer in model.modules()):
            raise RuntimeError("merged already")
        reference.merge(model)

    assert "✗" not in LORA.report("merge", merge=merge)


def test_an_unmerge_that_asks_nothing_is_found() -> None:
    @torch.no_grad()
    def unmerge(model: nn.Module) -> None:
        for layer in model.modules():
            if isinstance(layer, LoRALinear | LoRAConv2d):
                layer.base_layer.weight -= update(layer).view_as(layer.base_layer.weight)
                layer.merged = False

    assert "✗ `unmerge` takes the update out again, and only where it is in." in LORA.report(
        "unmerge", unmerge=unmerge
    )


# --- What is not written yet ------------------------------------------------------------------------------


def in_a_notebook(source: str, *names: str) -> str:
    """The report on what a notebook's cell with this source defines."""
    notebook: dict[str, Any] = {"nn": nn, "torch": torch}
    exec(compile(source, "<cell 1>", "exec"), notebook)
    (report,) = examine.reports_on([notebook[name] for name in names], None)
    text: str = report.text()
    return text


STUB = "def mark_trainable(model):\n    raise NotImplementedError('write mark_trainable')\n"
DONE = "def mark_trainable(model):\n    model.requires_grad_(False)\n    return []\n"


def test_an_untouched_stub_is_no_mistake_whatever_the_classes_are() -> None:
    assert "Not written yet" in in_a_notebook(STUB, "mark_trainable")


def test_a_class_that_is_missing_or_does_not_work_is_named() -> None:
    assert "this needs your LoRALinear: run the cell that defines it first" in in_a_notebook(
        DONE, "mark_trainable"
    )
    stub = (
        "class LoRALinear(nn.Module):\n"
        "    def __init__(self, base, r, alpha):\n"
        "        raise NotImplementedError\n"
    )
    text = in_a_notebook(stub + DONE, "mark_trainable")
    assert "this needs a LoRALinear that works: see that its own check passes first" in text


def test_an_answer_in_a_notebook_is_checked_with_the_notebooks_own_classes() -> None:
    classes = (
        "import solutions.lora as reference\n"
        "class LoRALinear(reference.LoRALinear): pass\n"
        "class LoRAConv2d(reference.LoRAConv2d): pass\n"
        "def mark_trainable(model):\n"
        "    model.requires_grad_(False)\n"
        "    own = [m for m in model.modules() if type(m) in (LoRALinear, LoRAConv2d)]\n"
        "    return [p.requires_grad_(True) for m in own for p in (m.lora_A.weight, m.lora_B.weight)]\n"
    )
    assert "✗" not in in_a_notebook(classes, "mark_trainable")
