"""A module's notebook, composed of its lesson, its questions and an answer to each exercise.

The answers are a parameter: stubs make the students' notebook, solutions a solved one, and solutions with
their markers the source notebook that nbgrader releases from. All else is equal in the three.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import nbformat
from nbformat import NotebookNode

from course.catalogue.syllabus import Bonus, Exercise, Module, Quiz, Task

from ..content.course_root import CourseRoot
from ..content.quiz import answers_source, questions_text, read_quiz
from ..errors import ContentError, UsageError
from .first_cell import opened
from .lesson import Code, Piece, Prose, parse
from .stub import Solution, read_solution

NBGRADER_SCHEMA = 3

Style = Literal["stub", "solved", "marked"]


def answers(root: CourseRoot, module: str, style: Style) -> dict[str, str]:
    """Exercise id → the source of its cell; raises ContentError.

    `stub` is what a student first sees; `solved` has the reference solution, and the quiz answered from the
    keys; `marked` is that with the markers left in: nbgrader makes its release from these. It cuts only what
    it grades, so that a bonus stands there as a stub.
    """
    plan = root.module(module)
    solution = read_module_solution(root, plan)
    cut = {"stub": solution.stub, "solved": solution.solved, "marked": solution.marked}[style]
    sources = {exercise.id: cut(exercise.defines) for exercise in plan.exercises}
    if plan.quiz:
        source = answers_source(read_quiz(root, plan), answered=style != "stub")
        if style == "marked":
            source = f"### BEGIN SOLUTION\n{source}\n### END SOLUTION"
        sources[plan.quiz.id] = source
    if plan.bonus:
        extra = read_module_bonus(root, plan)
        cut = extra.solved if style == "solved" else extra.stub
        sources |= {bonus.id: cut(bonus.defines) for bonus in plan.bonus}
    return sources


def compose(root: CourseRoot, module: str, answered: Mapping[str, str] | None = None) -> NotebookNode:
    """The notebook of a module; what is `answered` (exercise id → source of its cell) replaces its stubs.

    The same files and answers give the same notebook: cell ids come from what a cell is for, and no cell has
    outputs. Raises ContentError where the course's files are wrong, UsageError for an answer to no exercise.
    """
    plan = root.module(module)
    answered = answered or {}
    tasks: dict[str, Task] = {task.id: task for task in (*plan.graded, *plan.bonus)}
    if unknown := [id for id in answered if id not in tasks]:
        raise UsageError(
            f"There is no exercise {unknown[0]!r} in module {module!r}: correct the answer's id."
        )
    sources = {**answers(root, module, "stub"), **answered}
    cells = _Cells(module)
    pieces = lesson_pieces(root, plan)
    first = next((piece for piece in pieces if isinstance(piece, Code) and not piece.demo), None)
    for piece in pieces:
        match piece:
            case Prose():
                cells.markdown("prose", piece.source)
            case Code():
                source = opened(piece.source, root.syllabus.start) if piece is first else piece.source
                cells.code(source, demo=piece.demo)
            case _:
                task = tasks[piece.id]
                if isinstance(task, Quiz):
                    text = questions_text(read_quiz(root, plan))
                    cells.markdown("questions", text)
                if isinstance(task, Bonus):
                    cells.bonus(task, sources[task.id])
                elif isinstance(task, Exercise):
                    cells.exercise(task, sources[task.id])
    kernel = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
    metadata = {
        "course": {"module": module, "title": root.syllabus.title},
        "kernelspec": kernel,
        "language_info": {"name": "python"},
    }
    notebook: NotebookNode = nbformat.from_dict(
        {"cells": cells.made, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}
    )
    return notebook


def dump(notebook: NotebookNode) -> bytes:
    """The bytes of a notebook file: keys sorted, one line a source line, a newline at the end."""
    text: str = nbformat.writes(notebook, version=nbformat.NO_CONVERT)
    return (text.rstrip("\n") + "\n").encode()


def check_source(task: Task) -> str:
    """The check cell: `check(NAME, ...)`, or `check(answers, quiz=ID)`."""
    if isinstance(task, Quiz):
        return f'check({", ".join(task.defines)}, quiz="{task.id}")'
    return f"check({', '.join(task.defines)})"


def lesson_pieces(root: CourseRoot, plan: Module) -> tuple[Piece, ...]:
    path = root.lesson(plan.id)
    return parse(root.read(path), plan, root.relative(path))


def read_module_solution(root: CourseRoot, plan: Module) -> Solution:
    """The module's solution; raises ContentError, also for a region that belongs to no exercise."""
    return _read(root, root.solution(plan.id), plan, plan.exercises, "exercise")


def read_module_bonus(root: CourseRoot, plan: Module) -> Solution:
    """The answers to the module's bonus tasks; raises ContentError as `read_module_solution` does."""
    return _read(root, root.bonus_solution(plan.id), plan, plan.bonus, "bonus")


def _read(root: CourseRoot, path: Path, plan: Module, tasks: Sequence[Task], kind: str) -> Solution:
    solution = read_solution(root.read(path), root.relative(path))
    defined = {name for task in tasks for name in task.defines}
    for region in solution.regions:
        if region.name not in defined:
            raise ContentError(
                f"{solution.source}, line {region.begin}: {region.name!r} has a solution region, but no "
                f"{kind} of module {plan.id!r} defines it: add it to the syllabus, or remove the markers."
            )
    return solution


class _Cells:
    """The cells made so far. Ids count from the last exercise, so that an edit renumbers one section only."""

    def __init__(self, module: str) -> None:
        self.module = module
        self.section = module
        self.counts: dict[str, int] = {}
        self.made: list[dict[str, Any]] = []

    def markdown(self, role: str, source: str) -> None:
        self._add(self._numbered(role), "markdown", source, {})

    def code(self, source: str, *, demo: bool) -> None:
        role, metadata = ("demo", {"tags": ["demo"]}) if demo else ("code", {})
        self._add(self._numbered(role), "code", source, metadata)

    def exercise(self, exercise: Exercise, source: str) -> None:
        self.section, self.counts = f"{self.module}-{exercise.id}", {}
        solution = _nbgrader(exercise.id, solution=True)
        self._add(f"{self.section}-solution", "code", source, {"deletable": False, "nbgrader": solution})
        points = int(exercise.points) if exercise.points == int(exercise.points) else exercise.points
        check = {**_nbgrader(f"check_{exercise.id}", grade=True, locked=True), "points": points}
        metadata = {"deletable": False, "editable": False, "nbgrader": check}
        self._add(f"{self.section}-check", "code", check_source(exercise), metadata)

    def bonus(self, bonus: Bonus, source: str) -> None:
        """An exercise to the student, nothing to nbgrader; grading leaves its check out as it does a demo."""
        self.section, self.counts = f"{self.module}-{bonus.id}", {}
        self._add(f"{self.section}-bonus", "code", source, {"tags": ["bonus"]})
        self._add(f"{self.section}-check", "code", check_source(bonus), {"tags": ["bonus", "demo"]})

    def _numbered(self, role: str) -> str:
        self.counts[role] = self.counts.get(role, 0) + 1
        return f"{self.section}-{role}-{self.counts[role]}"

    def _add(self, id: str, kind: Literal["markdown", "code"], source: str, metadata: dict[str, Any]) -> None:
        cell = {"cell_type": kind, "id": _cell_id(id), "metadata": metadata, "source": source}
        self.made.append(cell | ({"execution_count": None, "outputs": []} if kind == "code" else {}))


def _nbgrader(
    grade_id: str, *, grade: bool = False, locked: bool = False, solution: bool = False
) -> dict[str, Any]:
    return {
        "grade": grade,
        "grade_id": grade_id,
        "locked": locked,
        "schema_version": NBGRADER_SCHEMA,
        "solution": solution,
        "task": False,
    }


def _cell_id(id: str) -> str:
    """`id`, or where it is longer than the 64 characters that nbformat allows, its start and a digest."""
    return id if len(id) <= 64 else f"{id[:51]}-{hashlib.sha256(id.encode()).hexdigest()[:12]}"
