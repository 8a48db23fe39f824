"""A suite of two exercises, a reference and two mistakes, small enough to see through."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from autograder.content.reference import Reference
from autograder.contract.line import InProcess
from autograder.grading.exercise import Graded, grade_exercise, name_mistakes
from autograder.grading.setting import Setting
from autograder.grading.suite import with_suites
from autograder.testing import mistake, variant
from autograder.testing.marks import Answer
from course.catalogue.syllabus import Exercise

T = TypeVar("T")

SUITE = '''
import torch
from autograder.testing import assert_close, assert_holds, exercise, rule, value


@exercise("double")
class Double:
    @value(weight=2)
    def is_twice_the_input(self, student, draw):
        """Gives twice the input."""
        x = draw.normal(3, 5)
        assert_close(student.double(x), 2 * x)

    @value()
    def keeps_single_precision(self, student, draw):
        """Keeps float32."""
        x = draw.normal(4, dtype=torch.float32)
        assert_close(student.double(x), 2 * x)

    @rule()
    def gives_zero_for_zero(self, student, draw):
        """Gives zero for zero."""
        assert_close(student.double(torch.zeros(3)), torch.zeros(3))


@exercise("quadruple")
class Quadruple:
    @value()
    def is_four_times_the_input(self, student, draw):
        """Gives four times the input."""
        x = draw.normal(3)
        assert_close(student.quadruple(x), 4 * x)


@exercise("odd")
class Odd:
    @value()
    def is_careless(self, student, draw):
        """Trusts the answer to be a tensor."""
        assert_holds(student.odd(draw.normal(2)).shape == (2,))


@exercise("much")
class Much:
    @value(weight=4)
    def is_more_than_twice_the_input(self, student, draw):
        """Gives more than twice the input."""
        assert_holds((student.much(torch.ones(3)) > 2.5).all())

    @rule()
    def is_twice_one(self, student, draw):
        """Gives two for one."""
        assert_close(student.much(torch.ones(1)), 2 * torch.ones(1))

    @rule()
    def is_twice_two(self, student, draw):
        """Gives four for two."""
        assert_close(student.much(2 * torch.ones(1)), 4 * torch.ones(1))


@exercise("tenfold")
class Tenfold:
    @value()
    def is_ten_times_one(self, student, draw):
        """Gives ten for one."""
        assert_close(student.tenfold(torch.ones(1)), 10 * torch.ones(1))

    @rule()
    def is_about_ten_times(self, student, draw):
        """Gives ten times the input, or half of one less."""
        x = draw.uniform(1)
        assert_holds((student.tenfold(x) > 10 * x - 0.5).all())

    @value()
    def is_zero_for_zero(self, student, draw):
        """Gives zero for zero."""
        assert_close(student.tenfold(torch.zeros(1)), torch.zeros(1))


@exercise("broken")
class Broken:
    @value()
    def is_wrong_itself(self, student, draw):
        """Cannot pass."""
        raise KeyError("a bug of ours")


@exercise("Scale")
class ScaleTests:
    @value()
    def scales(self, student, draw):
        """Multiplies by its weight."""
        layer = student.new("Scale", 3)
        layer.load_state_dict({"weight": torch.tensor([1.0, 2.0, 3.0])})
        assert_close(layer(torch.ones(3)), torch.tensor([1.0, 2.0, 3.0]))

    @rule()
    def starts_anywhere(self, student, draw):
        """Has a finite answer from the start."""
        assert_holds(torch.isfinite(student.new("Scale", 3)(torch.ones(3))).all())
'''


def double(x: Tensor) -> Tensor:
    return x + x


def quadruple(x: Tensor) -> Tensor:
    return 4 * x


def odd(x: Tensor) -> Tensor:
    return x


def tenfold(x: Tensor) -> Tensor:
    return 10 * x


class Scale(nn.Module):
    def __init__(self, n: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(n))

    def forward(self, x: Tensor) -> Tensor:
        return self.weight * x


@mistake("double", title="squared", hint="Twice, not squared.")
def squared(x: Tensor) -> Tensor:
    return x * x


@mistake("double", title="tripled", hint="Twice, not three times.")
def tripled(x: Tensor) -> Tensor:
    return 3 * x


@mistake("tenfold", title="nine times", hint="Ten, not nine times.")
def ninefold(x: Tensor) -> Tensor:
    return 9 * x


@variant("double", title="by a product")
def by_product(x: Tensor) -> Tensor:
    return x * 2


@mistake("Scale", title="divided", hint="Multiply.")
class Divided(Scale):
    def forward(self, x: Tensor) -> Tensor:
        return x / self.weight


NAMESPACE: dict[str, Any] = {
    "double": double,
    "quadruple": quadruple,
    "odd": odd,
    "tenfold": tenfold,
    "broken": odd,
    "Scale": Scale,
    "torch": torch,
}
MISTAKES: dict[str, list[Answer]] = {
    "double": [squared.__answer__, tripled.__answer__],  # type: ignore[attr-defined]
    "tenfold": [ninefold.__answer__],  # type: ignore[attr-defined]
    "Scale": [Divided.__answer__],  # type: ignore[attr-defined]
}
EXERCISES = {
    name: Exercise(id=name, title=name, points=8, minutes=1, difficulty=1)
    for name in ("double", "quadruple", "odd", "much", "tenfold", "broken", "Scale")
}


def within_suite(folder: Path, use: Callable[[Setting], T], seed: int = 5, diagnosis: int = 0) -> T:
    """What `use` gives, called while the suite is collected."""
    path = folder / "hidden_small.py"
    path.write_text(SUITE)
    found: list[T] = []
    reference = Reference("small", NAMESPACE, MISTAKES, {})

    def body(suites: dict[str, Any]) -> None:
        found.append(use(Setting(suites["small"], reference, seed, torch.device("cpu"), diagnosis)))

    with_suites({"small": path}, body)
    return found[0]


def grade(
    folder: Path,
    exercise: str,
    failed_before: tuple[str, ...] = (),
    seed: int = 5,
    diagnosis: int = 0,
    **names: Any,
) -> Graded:
    """The exercise graded for a student whose names are the reference's but for `names`."""

    def use(setting: Setting) -> Graded:
        line = InProcess({**NAMESPACE, **names})
        before = [EXERCISES[id] for id in failed_before]
        graded = grade_exercise(setting, line, EXERCISES[exercise], before)
        name_mistakes(setting, EXERCISES[exercise], graded)
        return graded

    return within_suite(folder, use, seed, diagnosis)
