"""One module of the course with all that belongs to it: read once, and its parts held against one another."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from course.catalogue import hints as catalogue
from course.catalogue.syllabus import Module
from course.cells.notebook import Notebook

from ..errors import ContentError
from ..submission.read import read
from . import self_check
from .course_root import SYLLABUS, CourseRoot
from .imports import imported
from .quiz import KeyedQuestion, read_quiz

if TYPE_CHECKING:
    from .reference import Reference


@dataclass(frozen=True)
class GradedModule:
    """What students get of a module (`entry`, `questions`, `hints`), what checks them, and what grades them.

    The reference with its mistakes and variants needs PyTorch, and is loaded when it is first asked for.
    """

    root: CourseRoot
    entry: Module
    questions: tuple[KeyedQuestion, ...]
    hints: Mapping[str, catalogue.Hints]
    self_check: self_check.SelfCheck | None

    @classmethod
    def load(cls, root: CourseRoot, id: str) -> GradedModule:
        """Raises UsageError where the course has no such module, ContentError where it is wrong."""
        entry = root.module(id)
        has_self_check = root.self_check(id).is_file()
        return cls(
            root,
            entry,
            read_quiz(root, entry),
            _hints(root, entry),
            self_check.load(root, id) if has_self_check else None,
        )

    @property
    def id(self) -> str:
        return self.entry.id

    @cached_property
    def released(self) -> Notebook:
        """The notebook that students were given; raises ContentError if it cannot be read."""
        path = self.root.exercise_notebook(self.id)
        if not path.is_file():
            raise ContentError(f"{self.root.relative(path)} is missing: run `autograder build`.")
        return read(path)

    @cached_property
    def reference(self) -> Reference:
        """The reference with the known mistakes and variants; raises ContentError."""
        from .reference import load_reference

        return load_reference(self.root, self.id)

    # Its files

    def files_to_grade_with(self) -> dict[str, Path]:
        """Name below the course's folder → path, of what grading this module reads.

        Of the other modules there are only their entries in the syllabus, to tell whose a notebook is.
        """
        entries = [self.root.entry(other.id) for other in self.root.syllabus.modules]
        own = [*self._deciding, self.root.mistakes(self.id)]
        paths = [self.root.path / SYLLABUS, *entries, *(path for path in own if path.is_file())]
        solutions = {name: path for name, path in self._imported.items() if name.startswith("solutions/")}
        return solutions | {self.root.relative(path): path for path in paths}

    @cached_property
    def digest(self) -> str:
        """Changes with whatever decides a grade: the syllabus, `_deciding` with its imports, borrowed parts.

        A new hint, a mistake's new title or another lesson is no reason to grade a class again.
        """
        decide = (*self._deciding, *self._lent)
        files = {self.root.relative(path): path for path in decide} | self._imported
        digest = hashlib.sha256(self.entry.model_dump_json(exclude={"bonus"}).encode())
        for name, path in sorted(files.items()):
            digest.update(name.encode() + b"\0" + (path.read_bytes() if path.is_file() else b"-") + b"\0")
        return digest.hexdigest()

    @property
    def _deciding(self) -> tuple[Path, ...]:
        """Suite, reference, quiz, keys and released notebook, where they belong."""
        root = self.root
        places = (root.suite, root.solution, root.quiz, root.keys, root.exercise_notebook)
        return tuple(place(self.id) for place in places)

    @property
    def _lent(self) -> tuple[Path, ...]:
        """What the course lends of the modules that this one takes parts from."""
        places = (self.root.public(id) / "lent.py" for id in self.entry.takes)
        return tuple(path for path in places if path.is_file())

    @cached_property
    def _imported(self) -> dict[str, Path]:
        """What suite, reference and borrowed parts import of ours."""
        files = (*self._deciding[:2], *self._lent)
        return imported(self.root.path, [path for path in files if path.is_file()])


def _hints(root: CourseRoot, module: Module) -> Mapping[str, catalogue.Hints]:
    path = root.hints(module.id)
    if not path.is_file():
        return {}
    source = root.relative(path)
    try:
        hints = catalogue.parse(root.read(path), source)
    except catalogue.HintError as error:
        raise ContentError(str(error)) from None
    known = [exercise.id for exercise in module.exercises]
    if strange := [id for id in hints if id not in known]:
        raise ContentError(
            f"{source}: there is no exercise {strange[0]!r}: choose one of {', '.join(known)}."
        )
    return hints
