"""A module's hidden suite with its mistakes and variants, as the tests of all suites take it."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

import torch

from autograder.contract.line import InProcess
from autograder.contract.student import Student
from autograder.errors import StudentFailure
from autograder.testing import Answer, Draw
from autograder.testing.marks import TestMark, answers_in
from course.catalogue.syllabus import Exercise, load

HIDDEN = Path(__file__).parents[2] / "autograder" / "hidden"
SEED = 3

torch.set_num_threads(1)

Test = tuple[str, Callable[[Student, Draw], None], TestMark]


@dataclass(frozen=True)
class Bank:
    """All that is hidden of one module."""

    module: str
    exercises: dict[str, Exercise]
    reference: ModuleType
    suite: ModuleType
    tests: dict[str, list[Test]]
    mistakes: list[Answer]
    variants: list[Answer]

    def failed_tests(self, exercise: str, names: dict[str, Any]) -> dict[str, BaseException]:
        """The exercise's tests that fail when `names` take the place of the reference's."""
        student = Student(InProcess({**vars(self.reference), **names}))
        failed: dict[str, BaseException] = {}
        for name, test, _ in self.tests[exercise]:
            draw = Draw(SEED, f"{exercise}.{name}")
            student.reset(draw.seed)
            try:
                test(student, draw)
            except (AssertionError, StudentFailure) as failure:
                failed[name] = failure
        return failed

    def defined_by(self, answer: Answer) -> dict[str, Any]:
        """What a notebook has whose other cells are the reference's, and one is this answer's source."""
        public = {name: value for name, value in vars(self.reference).items() if not name.startswith("__")}
        exec(compile(answer.source, answer.id, "exec", dont_inherit=True), public)
        return {answer.defines: public[answer.defines]}

    def mistake(self, id: str) -> Answer:
        return next(mistake for mistake in self.mistakes if mistake.id == id)


@cache
def bank(module: str) -> Bank:
    """Everything of a module, imported once."""
    suite = _import(HIDDEN / module / "suite.py")
    tests = {
        getattr(cls, "__exercise__"): [  # noqa: B009 - mypy does not know it
            (name, getattr(cls(), name), function.__mark__)
            for name, function in vars(cls).items()
            if hasattr(function, "__mark__")
        ]
        for cls in vars(suite).values()
        if inspect.isclass(cls) and "__exercise__" in vars(cls)
    }
    return Bank(
        module,
        {exercise.id: exercise for exercise in load().module(module).exercises},
        import_module(f"solutions.{module}"),
        suite,
        tests,
        answers_in(_import(HIDDEN / module / "mistakes.py")),
        answers_in(_import(HIDDEN / module / "variants.py")),
    )


def _import(path: Path) -> ModuleType:
    spec = spec_from_file_location(f"tested_{path.parent.name}_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    sys.modules[spec.name] = module  # where inspect looks for a class's source
    spec.loader.exec_module(module)
    return module
