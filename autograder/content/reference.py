"""A module's reference, its known mistakes and its variants, loaded from the course's folder."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

from course.desk import lent

from ..errors import ContentError
from ..testing import Answer
from ..testing.marks import answers_in
from .course_root import CourseRoot


@dataclass(frozen=True)
class Reference:
    """The reference's names, and every known way of answering an exercise wrongly or otherwise rightly."""

    module: str
    namespace: dict[str, Any]
    mistakes: dict[str, list[Answer]]
    variants: dict[str, list[Answer]]
    defines: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # the names of each exercise

    def with_answer(self, answer: Answer) -> dict[str, Any]:
        """The reference's names with one of them answered otherwise.

        What the reference has under the exercise's other names is defined anew, so that it uses the answer
        where it uses that name: in a notebook a wrong `FeedForward` makes `TransformerBlock` wrong too.
        """
        namespace = {**self.namespace, answer.defines: answer.object}
        for name in self.defines.get(answer.exercise, ()):
            if name != answer.defines:
                exec(_definition(self.namespace[name]), namespace)
        return namespace


def load_reference(root: CourseRoot, module: str) -> Reference:
    """Raises ContentError when a file is missing or cannot be imported."""
    lent.for_good()  # whose `mine/` may lie about, a reference is made of the course's parts
    if str(root.path) not in sys.path:
        sys.path.append(str(root.path))  # behind everything else: only `solutions` is found here
    solution = _import(root.solution(module), f"solutions.{module}")
    defines = {exercise.id: exercise.defines for exercise in root.syllabus.module(module).exercises}

    def by_exercise(path: Path, name: str) -> dict[str, list[Answer]]:
        found: dict[str, list[Answer]] = {id: [] for id in defines}
        for answer in answers_in(_import(path, name)) if path.is_file() else []:
            if answer.exercise not in found:
                raise ContentError(
                    f"{path}: {answer.id} belongs to {answer.exercise!r}, which is no exercise"
                )
            found[answer.exercise].append(answer)
        return found

    return Reference(
        module,
        dict(vars(solution)),
        by_exercise(root.mistakes(module), f"hidden_mistakes_{module}"),
        by_exercise(root.variants(module), f"hidden_variants_{module}"),
        defines,
    )


@cache
def _definition(defined: Any) -> CodeType:
    """The statement that defines a function or class."""
    return compile(inspect.getsource(defined), inspect.getfile(defined), "exec", dont_inherit=True)


def _import(path: Path, name: str) -> ModuleType:
    if not path.is_file():
        raise ContentError(f"{path}: there is no such file")
    try:
        if name.startswith("solutions."):
            return importlib.import_module(name)
        spec = importlib.util.spec_from_file_location(name, path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
        return module
    except Exception as error:
        raise ContentError(f"{path}: cannot be imported: {type(error).__name__}: {error}") from error
