"""What a proof says of a suite, a mistake, a variant or a public check that is not as it must be."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import Tensor

from autograder.content.course_root import CourseRoot
from autograder.content.module import GradedModule
from autograder.content.reference import Reference
from autograder.contract.jobs import Proof
from autograder.errors import Fault
from autograder.grading.setting import Setting
from autograder.grading.suite import with_suites
from autograder.proof.finding import KINDS
from autograder.proof.prove import prove
from autograder.testing import Answer, mistake, variant
from course.catalogue.syllabus import Exercise, Module
from course.checking.expect import Work, close, exercise

SUITE = '''
from autograder.testing import assert_close, exercise, rule, value


@exercise("double")
class Double:
    @value()
    def is_twice_the_input(self, student, draw):
        """Gives twice the input."""
        x = draw.normal(3, 5)
        assert_close(student.double(x), 2 * x)

    @value()
    def works_on_a_number(self, student, draw):
        """Works on a tensor without dimensions."""
        x = draw.normal()
        assert_close(student.double(x), 2 * x)

    @rule()
    def adds_up(self, student, draw):
        """Gives for a sum the sum of what it gives for each."""
        x, y = draw.normal(3), draw.normal(3)
        assert_close(student.double(x + y), student.double(x) + student.double(y))
'''


def double(x: Tensor) -> Tensor:
    return x + x


@mistake("double", title="squared", hint="Twice, not squared.")
def squared(x: Tensor) -> Tensor:
    _CALLS.append("squared")
    return x * x


@mistake("double", title="tripled", hint="Twice, not three times.")
@torch.no_grad()
def tripled(x: Tensor) -> Tensor:
    return 3 * x


@mistake("double", title="thrice", hint="Twice, not three times.")
def thrice(x: Tensor) -> Tensor:
    return x + x + x


@mistake("double", title="lost for large numbers", hint="Whatever the size.", only_hidden=True)
def lost_for_large_numbers(x: Tensor) -> Tensor:
    return torch.where(x.abs() > 1e3, x, 2 * x)


@mistake("double", title="of the absolute value", hint="Mind the sign.", only_hidden=True)
def of_the_absolute_value(x: Tensor) -> Tensor:
    return 2 * x.abs()


@variant("double", title="by a product")
def by_a_product(x: Tensor) -> Tensor:
    return x * 2


@variant("double", title="in single precision")
def in_single_precision(x: Tensor) -> Tensor:
    return (x.float() * 2).to(x.dtype)


@variant("double", title="by torch's own")
def by_torchs_own(x: Tensor) -> Tensor:
    return torch.multiply(x, 2)


def factor() -> int:  # not private: it stays behind
    return 2


@variant("double", title="by a factor")
def by_a_factor(x: Tensor) -> Tensor:
    return factor() * x


_CALLS: list[str] = []


@exercise("double")
class PublicDouble:
    def is_twice_the_input(self, student: Work) -> None:
        """Gives 2 and 6 for 1 and 3."""
        close(student.double(torch.tensor([1.0, 3.0])), [2.0, 6.0])


@exercise("double")
class PublicTriple:
    def is_thrice_the_input(self, student: Work) -> None:
        """Gives 3 for 1, which is wrong."""
        close(student.double(torch.tensor([1.0])), [3.0])


@pytest.fixture
def public(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The module's public checks."""
    name = "course.modules.small.checks"
    checks = ModuleType(name)
    checks.__spec__ = ModuleSpec(name, None)
    monkeypatch.setitem(sys.modules, name, checks)
    setattr(checks, "Double", PublicDouble)  # noqa: B010 - mypy does not know it
    return checks


@pytest.fixture(autouse=True)
def no_calls_yet() -> Iterator[None]:
    yield
    _CALLS.clear()


DOUBLE = Exercise(
    id="double", title="Doubling", points=8, minutes=1, difficulty=1, forbidden=("torch.multiply",)
)
SMALL = Module(id="small", title="Small", summary="One exercise.", exercises=(DOUBLE,))


def marked(*answers: Any) -> list[Answer]:
    return [answer.__answer__ for answer in answers]


def proven(
    folder: Path, *answers: Any, suite: str = SUITE, quick: bool = True, seed: int = 0
) -> dict[tuple[str, str], str]:
    """What is found wrong, by kind and id; empty for what is as it must be."""
    known = marked(*answers)
    reference = Reference(
        "small",
        {"double": double},
        {"double": [each for each in known if not each.correct]},
        {"double": [each for each in known if each.correct]},
        {"double": ("double",)},
    )
    solution = folder / "solutions" / "small.py"
    solution.parent.mkdir(exist_ok=True)
    solution.write_text("def double(x):\n    return x + x\n")
    path = folder / f"suite_of_{folder.name}.py"  # pytest keeps what it has imported, by name
    path.write_text(suite)
    module = GradedModule(CourseRoot(folder), SMALL, (), {}, None)
    found: dict[tuple[str, str], str] = {}

    def body(suites: dict[str, Any]) -> None:
        setting = Setting(suites["small"], reference, 99, torch.device("cpu"))
        for finding in prove(module, setting, Proof("double", seed, quick)).findings:
            assert finding.ok == (not finding.said)
            assert finding.seed == seed
            found[finding.kind, finding.id] = finding.said

    with_suites({"small": path}, body)
    return found


def wrong(found: dict[tuple[str, str], str]) -> dict[tuple[str, str], str]:
    return {what: said for what, said in found.items() if said}


def test_a_module_of_which_all_is_right_has_nothing_wrong(tmp_path: Path, public: ModuleType) -> None:
    found = proven(tmp_path, squared, tripled, by_a_product, quick=False)
    assert wrong(found) == {}
    assert {kind for kind, _ in found} == set(KINDS) - {"stub"}
    assert sum(kind == "source" for kind, _ in found) == 3
    assert sum(kind == "public" for kind, _ in found) == 4


def test_a_quick_proof_leaves_out_what_no_seed_changes(tmp_path: Path) -> None:
    found = proven(tmp_path, squared, by_a_product, quick=True, seed=7)
    assert {kind for kind, _ in found} == {"reference", "trivial", "mistake", "variant"}


def test_a_mistake_is_tried_once_for_its_points_and_its_name(tmp_path: Path) -> None:
    proven(tmp_path, squared, tripled)
    assert len(_CALLS) == 5  # two tests call it once, the third three times


def test_a_suite_that_accepts_a_mistake_is_reported(tmp_path: Path) -> None:
    assert wrong(proven(tmp_path, squared, lost_for_large_numbers)) == {
        ("mistake", "lost_for_large_numbers"): "gets full marks"
    }


def test_two_mistakes_that_cannot_be_told_apart_are_reported(tmp_path: Path) -> None:
    found = wrong(proven(tmp_path, squared, tripled, thrice))
    assert found == {
        ("mistake", "tripled"): "is named tripled, thrice",
        ("mistake", "thrice"): "is named tripled, thrice",
    }


def test_a_variant_that_is_refused_is_reported_with_the_test(tmp_path: Path) -> None:
    ((what, said),) = wrong(proven(tmp_path, in_single_precision)).items()
    assert what == ("variant", "in_single_precision")
    assert said.startswith("fails double.is_twice_the_input: the values are close, but not close enough")


def test_a_suite_that_gives_points_for_nothing_is_reported(tmp_path: Path) -> None:
    blind = SUITE.replace("assert_close(student.double(x), 2 * x)", "student.double(x)", 1)
    found = wrong(proven(tmp_path, suite=blind))
    assert found["trivial", "nothing"] == "2.67 points, for double.is_twice_the_input"


def test_a_broken_test_is_a_fault(tmp_path: Path) -> None:
    broken = SUITE.replace("x, y = draw.normal(3)", "x, y = undefined", 1)
    with pytest.raises(Fault, match=r"the hidden test double\.adds_up is broken"):
        proven(tmp_path, suite=broken)


def test_a_source_that_leaves_behind_what_it_needs_is_reported(tmp_path: Path, public: ModuleType) -> None:
    found = wrong(proven(tmp_path, by_a_factor, quick=False))
    assert found["source", "by_a_factor"].startswith("cut out of its file it does otherwise")


# The public checks


def test_a_mistake_that_public_checks_do_not_see_is_reported(tmp_path: Path, public: ModuleType) -> None:
    seen = replace(of_the_absolute_value.__answer__, only_hidden=False)  # type: ignore[attr-defined]
    unmarked = type("Unmarked", (), {"__answer__": seen})
    assert wrong(proven(tmp_path, unmarked, quick=False)) == {
        ("public", "of_the_absolute_value"): "the public checks do not see it: write one that does, or mark "
        "it only_hidden=True"
    }


def test_a_mistake_may_be_left_to_the_hidden_tests(tmp_path: Path, public: ModuleType) -> None:
    assert wrong(proven(tmp_path, of_the_absolute_value, quick=False)) == {}


def test_what_is_left_to_the_hidden_tests_is_not_seen_in_public(tmp_path: Path, public: ModuleType) -> None:
    setattr(public, "Double", PublicTriple)  # noqa: B010
    said = wrong(proven(tmp_path, of_the_absolute_value, quick=False))["public", "of_the_absolute_value"]
    assert said.startswith("is marked only_hidden=True, and the public checks see it: ")


def test_public_checks_that_refuse_what_is_right_are_reported(tmp_path: Path, public: ModuleType) -> None:
    setattr(public, "Double", PublicTriple)  # noqa: B010
    found = wrong(proven(tmp_path, by_a_product, quick=False))
    assert set(found) == {("public", "reference"), ("public", "by_a_product")}
    assert all(said.startswith("the public checks say: ") for said in found.values())


def test_a_variant_that_is_taken_for_a_forbidden_call_is_reported(tmp_path: Path, public: ModuleType) -> None:
    found = wrong(proven(tmp_path, by_a_product, by_torchs_own, quick=False))
    ((what, said),) = found.items()
    assert what == ("public", "by_torchs_own")
    assert said.startswith("is taken for a forbidden call: torch.multiply in cell 2, line ")
