"""The public checks of the LoRA module: right answers pass, and the usual mistakes are named."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import solutions.lora as reference
from autograder.testing import Answer
from autograder.testing.marks import answers_in
from course.catalogue.syllabus import load
from course.checking import examine, expect
from course.modules.lora import checks
from solutions.lora import LoRAConv2d, LoRALinear

LORA = load().module("lora")
EXERCISE_OF = {name: exercise for exercise in LORA.exercises for name in exercise.defines}
HIDDEN = Path(__file__).parents[3] / "autograder" / "hidden"


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def _answers(kind: str) -> list[Answer]:
    path = HIDDEN / "lora" / f"{kind}.py"
    spec = importlib.util.spec_from_file_location(f"{kind}_of_lora_in_checks", path)
    assert spec is not None
    assert spec.loader is not None
    module: ModuleType = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return answers_in(module)


def report_on(name: str, answer: Callable[..., Any]) -> str:
    """What is printed for the exercise, with `answer` for this name and the reference's others."""
    functions = []
    for each in EXERCISE_OF[name].defines:
        function = answer if each == name else getattr(reference, each)
        function.__name__ = each
        functions.append(function)
    (report,) = examine.reports_on(functions, None)
    text: str = report.text()
    assert report.passed == ("✗" not in text)
    return text


@pytest.mark.parametrize("exercise", LORA.exercises, ids=lambda exercise: exercise.id)
def test_the_reference_passes_and_would_run_on_a_gpu(exercise: Any) -> None:
    text = report_on(exercise.id, getattr(reference, exercise.id))
    assert "✗" not in text
    assert "!" not in text


@pytest.mark.parametrize("exercise", LORA.exercises, ids=lambda exercise: exercise.id)
def test_an_exercise_has_several_checks_with_a_rule_each(exercise: Any) -> None:
    found = expect.checks_of(checks, exercise.id)
    assert len(found) >= 5
    assert all(len(check.rule) > 20 for check in found)


@pytest.mark.parametrize("variant", _answers("variants"), ids=lambda variant: variant.id)
def test_what_is_written_differently_passes(variant: Answer) -> None:
    text = report_on(variant.defines, variant.object)
    assert "✗" not in text
    assert "GPU" not in text


LEFT_TO_THE_HIDDEN_TESTS: set[str] = set()


@pytest.mark.parametrize("mistake", _answers("mistakes"), ids=lambda mistake: mistake.id)
def test_a_known_mistake_does_not_pass(mistake: Answer) -> None:
    text = report_on(mistake.defines, mistake.object)
    assert ("✗" in text) == (mistake.id not in LEFT_TO_THE_HIDDEN_TESTS), text


# --- Named by what it gives -------------------------------------------------------------------------------


def linear(**options: Any) -> type[nn.Module]:
    """A LoRALinear that is right, but for the options."""

    class Written(LoRALinear):
        def __init__(self, base: nn.Linear, r: int, alpha: float) -> None:
            super().__init__(base, r, alpha)
            for name, change in options.items():
                if name != "forward":
                    change(self)

        def forward(self, x: Tensor) -> Tensor:
            forward = options.get("forward")
            return forward(self, x) if forward else super().forward(x)

    return Written


def update(layer: Any, x: Tensor) -> Tensor:
    answer: Tensor = layer.lora_B(layer.lora_A(x))
    return answer


def set_scaling(value: Callable[[Any], Any]) -> Callable[[Any], None]:
    def change(layer: Any) -> None:
        layer.scaling = value(layer)

    return change


def with_bias(layer: Any) -> None:
    layer.lora_B = nn.Linear(layer.lora_B.in_features, layer.lora_B.out_features)


def all_random(layer: Any) -> None:
    nn.init.normal_(layer.lora_B.weight)


def all_zero(layer: Any) -> None:
    nn.init.zeros_(layer.lora_A.weight)


def copied(layer: Any) -> None:
    import copy

    layer.base_layer = copy.deepcopy(layer.base_layer)


def in_single(layer: Any) -> None:
    layer.lora_A, layer.lora_B = layer.lora_A.float(), layer.lora_B.float()


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (linear(bias=with_bias), "a parameter too many, `lora_B.bias`: that layer has no bias (bias=False)"),
        (linear(B=all_random), "lora_B is not zero: the layer would change what a trained network does"),
        (linear(A=all_zero), "lora_A is all zeros: with both zero, no gradient would ever reach either"),
        (linear(base=copied), "`base_layer` is not the layer that was given, but another one"),
        (linear(scaling=set_scaling(lambda layer: torch.tensor(4.0))), "`scaling` is a Tensor"),
        (linear(scaling=set_scaling(lambda layer: 0.25)), "`scaling` is 0.25; for r = 2 and alpha = 8 it"),
        (linear(scaling=lambda layer: delattr(layer, "merged")), "there is no attribute `merged`"),
        (
            linear(forward=lambda layer, x: layer.base_layer(x) + update(layer, x)),
            "This is what comes out without the scale",
        ),
        (
            linear(forward=lambda layer, x: layer.scaling * (layer.base_layer(x) + update(layer, x))),
            "What the base gives was scaled, too: only the update is.",
        ),
        (
            linear(forward=lambda layer, x: layer.scaling * update(layer, x) + 0 * layer.base_layer(x)),
            "what the base gives is missing",
        ),
        (
            linear(forward=lambda layer, x: layer.base_layer(x) + layer.scaling * update(layer, x)),
            "The update was added, although `merged` is True.",
        ),
        (
            linear(
                forward=lambda layer, x: (
                    layer.base_layer(x) + (0 if layer.merged else layer.scaling * update(layer, x).detach())
                )
            ),
            "no gradient reaches lora_A",
        ),
        (linear(dtype=in_single), "it raised RuntimeError"),
    ],
    ids=[
        "bias",
        "random",
        "zeros",
        "copied",
        "tensor",
        "upside down",
        "no flag",
        "not scaled",
        "all scaled",
        "no base",
        "twice",
        "detached",
        "single",
    ],
)
def test_a_mistake_in_the_linear_layer_is_named(answer: type[nn.Module], said: str) -> None:
    assert said in report_on("LoRALinear", answer)


def test_layers_left_on_the_cpu_are_told_to_fail_on_a_gpu() -> None:
    class OnTheCPU(LoRALinear):
        def __init__(self, base: nn.Linear, r: int, alpha: float) -> None:
            super().__init__(base, r, alpha)
            kind = base.weight.dtype
            self.lora_A = nn.Linear(base.in_features, r, bias=False, dtype=kind)

    text = report_on("LoRALinear", OnTheCPU)
    assert "✗" not in text
    assert "This would fail on a GPU" in text


def convolution(change: Callable[[Any], None]) -> type[nn.Module]:
    class Written(LoRAConv2d):
        def __init__(self, base: nn.Conv2d, r: int, alpha: float) -> None:
            super().__init__(base, r, alpha)
            change(self)

    return Written


def without(name: str, value: Any) -> Callable[[Any], None]:
    def change(layer: Any) -> None:
        setattr(layer.lora_A, name, value)

    return change


def padded_twice(layer: Any) -> None:
    layer.lora_B.padding = (1, 1)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (without("stride", (1, 1)), "for kernel_size=3, stride=2, padding=1 the update has another height"),
        (
            without("dilation", (1, 1)),
            "for kernel_size=3, padding=2, dilation=2 the update has another height",
        ),
        (padded_twice, "must match the size"),
    ],
    ids=["stride", "dilation", "padding"],
)
def test_a_mistake_in_the_convolution_is_named(change: Callable[[Any], None], said: str) -> None:
    assert said in report_on("LoRAConv2d", convolution(change))


def put_in(model: nn.Module, targets: Any, r: int, alpha: float, **options: Any) -> list[str]:
    """inject_lora, with another idea of which names are meant, or of what is put in."""
    meant = options.get("meant", lambda name, target: name == target or name.endswith("." + target))
    kinds = options.get("kinds", (nn.Linear, nn.Conv2d))
    found = [
        (name, module)
        for name, module in model.named_modules()
        if isinstance(module, kinds) and any(meant(name, target) for target in targets)
    ]
    for name, module in found:
        parent, _, own = name.rpartition(".")
        new: nn.Module = LoRALinear(module, r, alpha) if isinstance(module, nn.Linear) else module
        if isinstance(module, nn.Conv2d):
            new = LoRAConv2d(module, r, alpha)
        setattr(model.get_submodule(parent), own, options.get("change", lambda new: new)(new))
    names = [name for name, _ in found]
    return options.get("returned", lambda names: names)(names)  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"meant": lambda name, target: target in name}, "before it there must be a dot, or nothing"),
        ({"meant": lambda name, target: name.endswith(target)}, "before it there must be a dot, or nothing"),
        ({"meant": lambda name, target: name.endswith("." + target)}, "`to_q` was not replaced"),
        (
            {"meant": lambda name, target: name.split(".")[-1] == target},
            "`blocks.0.to_out.0` was not replaced",
        ),
        ({"kinds": nn.Linear}, "`blocks.0.conv` was not replaced"),
        ({"returned": lambda names: None}, "it returned None"),
        ({"returned": len}, "a list of names is expected, an int was returned"),
        ({"returned": sorted}, "in another order than that of named_modules()"),
        ({}, "lies inside a LoRA layer, and is to be left alone"),
        ({"change": lambda new: new.base_layer}, "is a Linear, it should be a LoRALinear"),
    ],
    ids=["in", "ends", "dot", "last", "linear", "none", "number", "sorted", "inside", "the old"],
)
def test_a_mistake_in_putting_in_is_named(options: dict[str, Any], said: str) -> None:
    def inject_lora(model: nn.Module, targets: Any, r: int, alpha: float) -> Any:
        return put_in(model, targets, r, alpha, **options)

    assert said in report_on("inject_lora", inject_lora)


def test_a_wrong_rank_and_a_wrong_alpha_are_named() -> None:
    def other_rank(model: nn.Module, targets: Any, r: int, alpha: float) -> Any:
        return put_in(model, targets, 1, alpha)

    def other_alpha(model: nn.Module, targets: Any, r: int, alpha: float) -> Any:
        return put_in(model, targets, r, float(r))

    assert "has 1 channels out, r is 2" in report_on("inject_lora", other_rank)
    assert "has the scaling 1.0, alpha / r is 3" in report_on("inject_lora", other_alpha)


def marked(model: nn.Module, **options: Any) -> list[nn.Parameter]:
    if options.get("freezes", True):
        model.requires_grad_(False)
    found: list[nn.Parameter] = []
    for name, each in model.named_parameters():
        if any(part in name for part in options.get("parts", ("lora_A", "lora_B"))):
            each.requires_grad_(options.get("marks", True))
            found.append(each)
    return options.get("returned", lambda found: found)(found)  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"freezes": False}, "would still be trained"),
        ({"parts": ("lora_",), "marks": False}, "would not be trained: its requires_grad is False"),
        ({"parts": ("lora_B",)}, "`first.lora_A.weight` would not be trained"),
        ({"parts": ("lora_", "bias")}, "the list has 2 entries; 0 weights are to be trained"),
        ({"returned": lambda found: [each.clone() for each in found]}, "is not the model's own parameter"),
        ({"returned": lambda found: found[::-1]}, "in another order than that of model.parameters()"),
        ({"returned": tuple}, "a list of parameters is expected, a tuple was returned"),
    ],
    ids=["unfrozen", "all frozen", "B only", "bias", "copies", "reversed", "tuple"],
)
def test_a_mistake_in_what_is_trained_is_named(options: dict[str, Any], said: str) -> None:
    def mark_trainable(model: nn.Module) -> Any:
        return marked(model, **options)

    assert said in report_on("mark_trainable", mark_trainable)


def merged_with(product: Callable[[Any], Tensor], guarded: bool = True, marks: bool = True) -> Any:
    @torch.no_grad()
    def merge(model: nn.Module) -> None:
        for layer in model.modules():
            if isinstance(layer, LoRALinear | LoRAConv2d) and not (guarded and layer.merged):
                layer.base_layer.weight += product(layer).view_as(layer.base_layer.weight)
                layer.merged = marks

    return merge


def product(layer: Any) -> Tensor:
    answer: Tensor = layer.lora_B.weight.flatten(1) @ layer.lora_A.weight.flatten(1)
    return answer


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (merged_with(product), "This is what comes out without the scaling."),
        (merged_with(lambda layer: -layer.scaling * product(layer)), "Here the update was subtracted."),
        (merged_with(lambda layer: 2 * layer.scaling * product(layer)), "The update was added twice."),
        (merged_with(lambda layer: 0 * product(layer)), "The weight has not changed."),
        (
            merged_with(lambda layer: layer.scaling * product(layer), guarded=False),
            "The update is in it twice.",
        ),
        (
            merged_with(lambda layer: layer.scaling * product(layer), marks=False),
            "`merged` of `first` is False",
        ),
    ],
    ids=["no scaling", "minus", "doubled", "nothing", "twice", "not noted"],
)
def test_a_mistake_in_merging_is_named(answer: Any, said: str) -> None:
    assert said in report_on("merge", answer)


def test_a_b_is_told_from_b_a() -> None:
    def either_way(layer: Any) -> Tensor:
        a, b = layer.lora_A.weight.flatten(1), layer.lora_B.weight.flatten(1)
        wrong = a.shape == b.shape
        answer: Tensor = layer.scaling * (a @ b if wrong else b @ a)
        return answer

    assert "This is A B: first A is applied" in report_on("merge", merged_with(either_way))


def test_a_refused_second_merge_is_right() -> None:
    def merge(model: nn.Module) -> None:
        if any(getattr(layer, "merged", False) for layer in model.modules()):
            raise RuntimeError("merged already")
        reference.merge(model)

    assert "✗" not in report_on("merge", merge)


def test_an_unmerge_that_asks_nothing_is_found() -> None:
    @torch.no_grad()
    def unmerge(model: nn.Module) -> None:
        for layer in model.modules():
            if isinstance(layer, LoRALinear | LoRAConv2d):
                layer.base_layer.weight -= layer.scaling * product(layer).view_as(layer.base_layer.weight)
                layer.merged = False

    assert "✗ `unmerge` takes the update out again, and only where it is in." in report_on("unmerge", unmerge)


def saved(
    value: Callable[[Any, str], Tensor], key: str = "{prefix}{name}.{part}.weight", more: bool = False
) -> Any:
    def lora_state_dict(model: nn.Module, prefix: str = "unet.") -> dict[str, Tensor]:
        state = {}
        for name, layer in model.named_modules():
            if isinstance(layer, LoRALinear | LoRAConv2d):
                for part in ("lora_A", "lora_B"):
                    state[key.format(prefix=prefix, name=name, part=part)] = value(layer, part)
                if more:
                    state[f"{prefix}{name}.base_layer.weight"] = layer.base_layer.weight.detach().clone()
        return state

    return lora_state_dict


def weight(layer: Any, part: str) -> Tensor:
    own: Tensor = getattr(layer, part).weight.detach()
    return own


def right(layer: Any, part: str) -> Tensor:
    return weight(layer, part) * (layer.scaling if part == "lora_B" else 1)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (
            saved(lambda layer, part: weight(layer, part).clone()),
            "lora_B is as it was. A file without alpha is",
        ),
        (saved(lambda layer, part: weight(layer, part) * layer.scaling), "The scaling belongs to lora_B."),
        (saved(right, "unet.{name}.{part}.weight"), "it has an entry too many, 'unet.first.lora_A.weight'"),
        (saved(right, "{prefix}{name}.{part}.default.weight"), "an entry too many"),
        (saved(right, more=True), "it has an entry too many, 'unet.first.base_layer.weight'"),
        (
            saved(lambda layer, part: right(layer, part) if part == "lora_B" else weight(layer, part)),
            "own weight",
        ),
    ],
    ids=["alpha lost", "both scaled", "prefix", "default", "base", "shared"],
)
def test_a_mistake_in_saving_is_named(answer: Any, said: str) -> None:
    assert said in report_on("lora_state_dict", answer)


def loaded(factor: Callable[[float, float], float], strict: bool = True, shares: bool = False) -> Any:
    @torch.no_grad()
    def load_lora(model: nn.Module, state_dict: Any, prefix: str = "unet.", scaling: float = 1.0) -> None:
        if strict:
            reference.load_lora(model, state_dict, prefix, scaling)
        for name, layer in model.named_modules():
            for part in ("lora_A", "lora_B"):
                key = f"{prefix}{name}.{part}.weight"
                if hasattr(layer, part) and key in state_dict:
                    times = factor(layer.scaling, scaling) if part == "lora_B" else 1
                    getattr(layer, part).weight.copy_(times * state_dict[key])

    return load_lora


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (loaded(lambda own, scaling: scaling), "lora_B was loaded as it stands in the file."),
        (
            loaded(lambda own, scaling: own * scaling),
            "multiplied by this layer's scaling, it should be divided",
        ),
        (loaded(lambda own, scaling: 1 / own), "`scaling` had no effect."),
        (loaded(lambda own, scaling: 1 / own / scaling), "`scaling` was divided by"),
        (loaded(lambda own, scaling: scaling / own, strict=False), "was loaded without a word"),
    ],
    ids=["as it is", "multiplied", "ignored", "divided", "lenient"],
)
def test_a_mistake_in_loading_is_named(answer: Any, said: str) -> None:
    assert said in report_on("load_lora", answer)


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
