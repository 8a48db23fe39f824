"""All that belongs to one module, as its tests take it: the reference, the hidden suite, known answers."""

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

from autograder.content.course_root import CourseRoot
from autograder.content.reference import load_reference
from autograder.contract.line import InProcess
from autograder.contract.student import Student
from autograder.errors import StudentFailure
from autograder.testing import Answer, Draw
from autograder.testing.marks import TestMark
from course.catalogue.syllabus import Exercise, Module, load
from course.checking import examine

ROOT = Path(__file__).parents[2]
MODULES = [module.id for module in load().modules]
SEED = 3

Test = tuple[str, Callable[[Student, Draw], None], TestMark]


@dataclass(frozen=True)
class Bank:
    """What students get to see of a module, and what is hidden from them."""

    module: Module
    exercises: dict[str, Exercise]
    reference: ModuleType
    suite: ModuleType
    tests: dict[str, list[Test]]
    mistakes: list[Answer]
    variants: list[Answer]

    def mistake(self, id: str) -> Answer:
        return next(mistake for mistake in self.mistakes if mistake.id == id)

    def failed_tests(self, exercise: str, names: dict[str, Any]) -> dict[str, BaseException]:
        """The exercise's hidden tests that fail when `names` take the place of the reference's."""
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

    def report(self, name: str, /, **answers: Any) -> str:
        """What `check` prints for the exercise that asks for `name`; the rest is the reference's."""
        (exercise,) = [each for each in self.exercises.values() if name in (each.id, *each.defines)]
        names = {each: answers.get(each, getattr(self.reference, each)) for each in exercise.defines}
        report = examine.on_exercise(self.module, exercise, names)
        text = report.text()
        assert report.passed == ("✗" not in text and report.state != "untouched")
        assert report.passed == (not report.problem)
        return text

    def said_of(self, mistake: str) -> str:
        """What `check` prints for an answer with this known mistake."""
        answer = self.mistake(mistake)
        return self.report(answer.defines, **{answer.defines: answer.object})


@cache
def bank(module: str) -> Bank:
    """Everything of a module, imported once."""
    root = CourseRoot(ROOT)
    suite, known = _import(root.suite(module)), load_reference(root, module)
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
        load().module(module),
        {exercise.id: exercise for exercise in load().module(module).exercises},
        import_module(f"solutions.{module}"),
        suite,
        tests,
        [answer for answers in known.mistakes.values() for answer in answers],
        [answer for answers in known.variants.values() for answer in answers],
    )


def _import(path: Path) -> ModuleType:
    spec = spec_from_file_location(f"tested_{path.parent.name}_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    sys.modules[spec.name] = module  # where inspect looks for a class's source
    spec.loader.exec_module(module)
    return module
