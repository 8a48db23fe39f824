"""Writes `exercises/*.ipynb`, or says which of them are not what their sources make."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import nbformat

from ..atomic import write_atomically
from ..content.course_root import CourseRoot
from ..errors import ContentError
from .notebook import compose, dump
from .standalone import check_standalone


@dataclass(frozen=True)
class Stale:
    """A notebook in `exercises/` that was not what lesson, solution, questions and syllabus make."""

    path: Path
    reason: str

    def __str__(self) -> str:
        return f"{self.path.name} {self.reason}"


def build(root: CourseRoot, modules: Iterable[str] | None = None, *, check: bool = False) -> list[Stale]:
    """Write the notebooks of `modules` (by default all) that are out of date; return those.

    With `check`, nothing is written, and without `modules` a notebook of no module counts as well. Every
    notebook is composed and validated before the first is written, and replaced whole. Raises ContentError,
    UsageError.
    """
    chosen = [module.id for module in root.syllabus.modules] if modules is None else list(modules)
    made = {root.exercise_notebook(module): render(root, module) for module in chosen}
    stale = [Stale(path, reason) for path, content in made.items() if (reason := _difference(path, content))]
    if check:
        return stale + (list(_strays(root)) if modules is None else [])
    for each in stale:
        write_atomically(each.path, made[each.path])
    return stale


def render(root: CourseRoot, module: str) -> bytes:
    """The bytes of the students' notebook, composed, validated and found to stand alone."""
    notebook = compose(root, module)
    check_standalone(root, module)
    try:
        nbformat.validate(notebook)
    except nbformat.ValidationError as error:
        raise ContentError(
            f"The notebook of module {module!r} is not valid: {str(error).splitlines()[0]}"
        ) from None
    return dump(notebook)


def _difference(path: Path, content: bytes) -> str:
    if not path.is_file():
        return "is missing"
    return "" if path.read_bytes() == content else "is not what its lesson and solution make now"


def _strays(root: CourseRoot) -> Iterator[Stale]:
    known = {root.exercise_notebook(module.id) for module in root.syllabus.modules}
    for path in sorted(root.exercises.glob("*.ipynb")):
        if path not in known:
            yield Stale(path, "belongs to no module of the syllabus")
