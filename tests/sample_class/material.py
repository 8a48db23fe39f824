"""What a student's notebook is written from: the released notebook, right answers, and the banks' answers."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass

import nbformat
from nbformat import NotebookNode

from autograder.build import answers, dump
from autograder.content.course_root import CourseRoot
from autograder.content.reference import load_reference
from autograder.testing import Answer
from course.catalogue.syllabus import Module

MODULE = "attention"


@dataclass(frozen=True)
class Material:
    """`solved`: exercise id → its cell with the reference's answer. The banks are by the answers' ids."""

    module: Module
    released: NotebookNode
    solved: Mapping[str, str]
    mistakes: Mapping[str, Answer]
    variants: Mapping[str, Answer]

    def draft(self) -> Draft:
        """The released notebook, as it is when a student opens it."""
        return Draft(self, copy.deepcopy(self.released))


def load_material(root: CourseRoot) -> Material:
    """Raises ContentError, and FileNotFoundError where `autograder build` was not run."""
    module, reference = root.module(MODULE), load_reference(root, MODULE)
    solved = answers(root, MODULE, "solved")
    return Material(
        module,
        nbformat.read(root.exercise_notebook(MODULE), as_version=nbformat.NO_CONVERT),
        {exercise.id: solved[exercise.id] for exercise in module.graded},
        {answer.id: answer for answers in reference.mistakes.values() for answer in answers},
        {answer.id: answer for answers in reference.variants.values() for answer in answers},
    )


@dataclass
class Draft:
    """A notebook that a student works on. Cells are found by what nbgrader calls them."""

    material: Material
    notebook: NotebookNode

    def solve(self, *exercises: str) -> None:
        """Answers these exercises rightly, by default all, the quiz included."""
        for exercise in exercises or tuple(self.material.solved):
            self.answer(exercise, self.material.solved[exercise])

    def answer(self, exercise: str, source: str) -> None:
        """Writes the exercise's cell anew."""
        self.cell(exercise).source = source

    def mistake(self, *ids: str) -> None:
        """Answers an exercise with a known mistake; what else the exercise defines stays right."""
        for id in ids:
            self._use(self.material.mistakes[id])

    def variant(self, *ids: str) -> None:
        """Answers an exercise rightly, in another way than the reference."""
        for id in ids:
            self._use(self.material.variants[id])

    def _use(self, answer: Answer) -> None:
        others = [name for name in self.exercise_names(answer.exercise) if name != answer.defines]
        before = f"{self.cell(answer.exercise).source}\n\n\n" if others else ""
        self.answer(answer.exercise, before + answer.source)

    def exercise_names(self, exercise: str) -> list[str]:
        return list(self.material.module.exercise(exercise).defines)

    def cell(self, grade_id: str) -> NotebookNode:
        return self.notebook.cells[self._place(grade_id)]

    def check_cell(self, exercise: str) -> NotebookNode:
        return self.cell(f"check_{exercise}")

    def demo_cell(self, exercise: str) -> NotebookNode:
        """The first demo after the exercise."""
        place = self._place(exercise)
        return next(c for c in self.notebook.cells[place:] if "demo" in c.metadata.get("tags", []))

    def insert_before(self, exercise: str, source: str) -> None:
        """A cell of the student's own."""
        cell = nbformat.v4.new_code_cell(source, id=f"own-{len(self.notebook.cells)}")
        self.notebook.cells.insert(self._place(exercise), cell)

    def delete(self, exercise: str) -> None:
        del self.notebook.cells[self._place(exercise)]

    def replace(self, exercise: str, old: str, new: str) -> None:
        """Changes a part of the exercise's cell, which must have it exactly once."""
        source = self.cell(exercise).source
        if source.count(old) != 1:
            raise LookupError(f"{exercise} has {source.count(old)} times {old!r}; change tests/sample_class")
        self.answer(exercise, source.replace(old, new))

    def bytes(self) -> bytes:
        """The file as it is handed in."""
        return dump(self.notebook)

    def _place(self, grade_id: str) -> int:
        for place, cell in enumerate(self.notebook.cells):
            if cell.metadata.get("nbgrader", {}).get("grade_id") == grade_id:
                return place
        raise LookupError(f"the released notebook has no cell {grade_id!r}; change tests/sample_class")
