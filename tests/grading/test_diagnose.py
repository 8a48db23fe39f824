"""A mistake is named only when it gives exactly the student's answers."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from autograder.contract.trace import Trace, alike, same_behaviour
from autograder.errors import StudentError
from autograder.grading import diagnose
from autograder.worker import wire

from .small_course import MISTAKES, Scale, by_product, grade, squared, tripled


def named(graded: Any) -> list[str]:
    return [mistake.id for mistake in graded.result.mistakes]


class Noted:
    """A function that notes what it is asked."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        self.function, self.asked = function, list[Tensor]()

    def __call__(self, x: Tensor) -> Tensor:
        self.asked.append(x.clone())
        return self.function(x)


def test_what_failed_is_run_once_more_on_draws_that_no_round_changes(tmp_path: Path) -> None:
    """Twice the value tests and the rule, which a tripled zero passes and which is not asked again."""
    rounds = []
    for seed in (5, 6):
        noted = Noted(tripled)
        assert named(grade(tmp_path, "double", seed=seed, double=noted)) == ["tripled"]
        rounds.append(noted.asked)
    assert [len(asked) for asked in rounds] == [5, 5]
    same = [torch.equal(one, other) for one, other in zip(*rounds, strict=True)]
    assert same == [False, False, True, True, True]


def test_a_test_that_a_mistake_fails_only_with_some_draws_hides_no_name(tmp_path: Path) -> None:
    passed = []
    for seed in range(4):
        for diagnosis in range(4):
            graded = grade(tmp_path, "tenfold", seed=seed, diagnosis=diagnosis, tenfold=lambda x: x + 8 * x)
            assert named(graded) == ["ninefold"]
        passed.append(graded.result.tests[1].passed)
    assert set(passed) == {True, False}


def test_what_no_mistake_fits_is_asked_only_once_more(tmp_path: Path) -> None:
    noted = Noted(lambda x: 5 * x)
    assert named(grade(tmp_path, "double", double=noted)) == []
    assert len(noted.asked) == 4


def test_no_points_hang_on_it(tmp_path: Path) -> None:
    noted = Noted(lambda x: (3 if len(noted.asked) <= 3 else 2) * x)
    graded = grade(tmp_path, "double", double=noted)
    assert (graded.result.points, named(graded)) == (0, [])


def test_each_known_mistake_is_named(tmp_path: Path) -> None:
    assert named(grade(tmp_path, "double", double=squared)) == ["squared"]
    assert named(grade(tmp_path, "double", double=tripled)) == ["tripled"]


def test_the_same_mistake_written_otherwise_is_named_too(tmp_path: Path) -> None:
    assert named(grade(tmp_path, "double", double=lambda x: x + x + x)) == ["tripled"]


def test_another_mistake_is_not_named(tmp_path: Path) -> None:
    assert named(grade(tmp_path, "double", double=lambda x: 5 * x)) == []


def test_a_mistake_and_a_bug_together_are_not_named(tmp_path: Path) -> None:
    def tripled_in_double_precision(x: Tensor) -> Tensor:
        return 3 * x.double()

    assert named(grade(tmp_path, "double", double=tripled_in_double_precision)) == []


def test_a_mistake_that_would_fail_more_is_not_named(tmp_path: Path) -> None:
    def tripled_in_single_precision(x: Tensor) -> Tensor:
        return (3 if x.dtype == torch.float32 else 2) * x

    graded = grade(tmp_path, "double", double=tripled_in_single_precision)
    assert 0 < graded.result.points < graded.result.max_points
    assert named(graded) == []


def test_a_correct_variant_has_no_mistake(tmp_path: Path) -> None:
    assert named(grade(tmp_path, "double", double=by_product)) == []


def test_an_error_is_not_a_mistake_that_answers(tmp_path: Path) -> None:
    def raises(x: Tensor) -> Tensor:
        raise RuntimeError

    assert named(grade(tmp_path, "double", double=raises)) == []


def test_mistakes_that_cannot_be_told_apart_are_all_named(tmp_path: Path) -> None:
    twin = MISTAKES["double"][1].__class__(
        "double", "also_tripled", "tripled again", "hint", "double", lambda x: x * 3, False
    )
    MISTAKES["double"].append(twin)
    try:
        assert named(grade(tmp_path, "double", double=tripled)) == ["tripled", "also_tripled"]
    finally:
        MISTAKES["double"].remove(twin)


def test_a_machine_that_stands_still_hides_no_mistake(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stands_still(x: Tensor) -> Tensor:
        time.sleep(2)
        return x

    late = replace(MISTAKES["double"][0], id="late", object=stands_still)
    monkeypatch.setattr(diagnose, "SECONDS", 1.0)
    monkeypatch.setitem(MISTAKES, "double", [late, *MISTAKES["double"]])
    assert named(grade(tmp_path, "double", double=tripled)) == ["tripled"]


def test_a_module_is_named_whatever_its_untouched_weights_are(tmp_path: Path) -> None:
    class DividedWithOtherStart(Scale):
        def __init__(self, n: int) -> None:
            super().__init__(n)
            torch.nn.init.uniform_(self.weight, 1, 2)

        def forward(self, x: Tensor) -> Tensor:
            return x / self.weight

    assert named(grade(tmp_path, "Scale", Scale=DividedWithOtherStart)) == ["Divided"]


def test_another_error_of_the_same_type_is_another_mistake() -> None:
    def failed(message: str) -> Trace:
        trace = Trace()
        trace.failed("call f", StudentError("RuntimeError", message))
        return trace

    shapes = "The size of tensor a (3) must match the size of tensor b (5)"
    assert same_behaviour(failed(shapes), failed(shapes.replace("5", "12")))
    assert not same_behaviour(failed(shapes), failed("element 0 of tensors does not require grad"))


def test_an_error_that_names_a_class_is_the_same_in_a_class_of_another_name() -> None:
    def failed(name: str) -> Trace:
        trace = Trace()
        trace.answered("build Block", wire.Token(1, name))
        trace.failed(
            "call Block", StudentError("RuntimeError", f"Error(s) in loading state_dict for {name}: no")
        )
        return trace

    assert same_behaviour(failed("LoRAConv2d"), failed("KernelInB"))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_what_is_0_but_for_rounding_is_alike(dtype: torch.dtype) -> None:
    eps = torch.finfo(dtype).eps
    assert alike(torch.tensor([eps, 0], dtype=dtype), torch.tensor([0, -eps], dtype=dtype))
    assert not alike(torch.tensor([1e4 * eps], dtype=dtype), torch.tensor([0], dtype=dtype))


@pytest.mark.parametrize(
    ("one", "other", "are"),
    [
        (1.0, 1 + 1e-9, True),
        (1.0, 1.1, False),
        (torch.inf, 1.0, False),
        (torch.inf, -torch.inf, False),
        (torch.nan, torch.nan, True),
        (1j, 1j + 1e-9, True),
    ],
)
def test_numbers_alike(one: complex, other: complex, are: bool) -> None:
    assert alike(one, other) is are
