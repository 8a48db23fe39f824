"""Takes the code cells out of a notebook, in order and as plain Python, and says what became of each exercise.

A demo or check cell is left out only if both its id and its source are the released ones: what a student
wrote into one must run. Everything else that is code runs, moved, copied and split cells too; the
definition that runs last counts. A cell that is no Python is reported, and the others go on.

`await` outside of a function, which Jupyter allows, is reported in the same way and its cell is not run: the
worker has no event loop, and nothing in the course has a use for one.
"""

from __future__ import annotations

import ast
import warnings
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from autograder import errors
from autograder.results import CellError, ErrorExcerpt, Flag
from autograder.submission import names
from autograder.submission.magics import to_python
from autograder.submission.read import Notebook, NotebookCell
from course.syllabus import Module

State = Literal["answered", "untouched", "missing"]


@dataclass(frozen=True)
class Cell:
    """A code cell that can be compiled. Line n of `source` is line n of the cell as the student sees it.

    `number` is its 1-based place among all cells of the notebook; `exercise` is the id of the exercise
    that it answers, or None.
    """

    number: int
    source: str
    exercise: str | None = None


@dataclass(frozen=True)
class Extracted:
    """What goes to the worker (`cells`), and what is known before anything has run."""

    cells: list[Cell]
    states: dict[str, State]
    flags: list[Flag]
    cell_errors: list[CellError]


def extract(
    notebook: Notebook, released: Notebook, module: Module, others: Iterable[Module] = ()
) -> Extracted:
    """The cells of `notebook` to run, held against the `released` notebook of `module`.

    Raises `errors.Unreadable` for a notebook that has nothing of this module in it; where it is another
    one of the course (`others` are looked at, and what the notebook says of itself), the message says which.
    """
    course = _Released(released, module)
    cells: list[Cell] = []
    trees: list[ast.Module] = []
    cell_errors: list[CellError] = []
    attempted: set[str] = set()
    for cell in notebook.cells:
        if cell.kind != "code" or course.leaves_out(cell):
            continue
        source = to_python(cell.source)
        tree = _compiled(source, cell.number)
        if isinstance(tree, CellError):
            cell_errors.append(tree)
            attempted.add(course.solutions.get(cell.grade_id, ""))
        elif tree.body:
            answers = course.solutions.get(cell.grade_id) or _answers(tree, module)
            cells.append(Cell(cell.number, source, answers))
            trees.append(tree)
    _refuse_another_notebook(notebook, course, module, others, trees)
    states = {exercise.id: _state(exercise.defines, trees, course) for exercise in module.graded}
    for exercise in attempted & states.keys():
        states[exercise] = "answered"
    return Extracted(cells, states, _flags(notebook, course), cell_errors)


class _Released:
    """What a submission is compared with."""

    def __init__(self, notebook: Notebook, module: Module) -> None:
        self.ids = {cell.id for cell in notebook.cells} - {""}
        self.solutions: dict[str, str] = {}  # grade id -> exercise
        self.checks: dict[str, str] = {}  # grade id -> exercise
        self.check_sources: set[tuple[str, str]] = set()
        self.demo_sources: dict[str, set[str]] = {}  # source -> ids
        self.stubs: dict[str, list[ast.stmt]] = {}
        exercises = {exercise.id for exercise in module.graded}
        names_asked = {name for exercise in module.graded for name in exercise.defines}
        current = ""
        for cell in notebook.cells:
            if cell.kind != "code":
                continue
            if cell.grade_id in exercises:
                current = self.solutions[cell.grade_id] = cell.grade_id
                for statement in names.statements(ast.parse(to_python(cell.source))):
                    for name in names.changed(statement) & names_asked:
                        self.stubs.setdefault(name, []).append(statement)
            elif cell.grade:
                self.checks[cell.grade_id] = current
                self.check_sources.add((cell.grade_id, _layout(cell.source)))
            elif "demo" in cell.tags:
                self.demo_sources.setdefault(_layout(cell.source), set()).add(cell.id)

    def leaves_out(self, cell: NotebookCell) -> bool:
        """Whether the cell is a released demo or check, as it was."""
        source = _layout(cell.source)
        if (cell.grade_id, source) in self.check_sources:
            return True
        # Colab saves no cell ids at all; a demo without one is known by its source alone.
        return source in self.demo_sources and cell.id in self.demo_sources[source] | {""}


def _layout(source: str) -> str:
    """The source without what editors change on their own: blanks at the ends of lines and of the cell."""
    return "\n".join(line.rstrip() for line in source.split("\n")).strip("\n")


def _compiled(source: str, number: int) -> ast.Module | CellError:
    """The tree of a cell that the worker will be able to compile, or the error that it has."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            tree = ast.parse(source)
            compile(source, f"cell {number}", "exec", dont_inherit=True)
        except SyntaxError as error:
            return _syntax_error(error, source, number)
        except (ValueError, RecursionError, MemoryError, OverflowError) as error:
            message = f"This cell cannot be compiled: {str(error) or 'it is nested too deeply'}"[:300]
            return CellError(cell=number, error=ErrorExcerpt(type="SyntaxError", message=message))
    return tree


def _syntax_error(error: SyntaxError, source: str, number: int) -> CellError:
    message, line = str(error.msg)[:300], error.lineno or 1
    if _awaits(source):
        message = "`await` outside of a function is not run when grading: put it into a function"
    lines = source.split("\n")
    text = lines[line - 1] if 0 < line <= len(lines) else ""
    trace = f"cell {number}, line {line}"
    if text.strip():
        margin = len(text) - len(text.lstrip())
        caret = min(max((error.offset or 1) - 1 - margin, 0), 119)
        trace += f":\n    {text.strip()[:120]}\n    {' ' * caret}^"
    error_type = type(error).__name__  # IndentationError and TabError say more than their parent
    return CellError(cell=number, error=ErrorExcerpt(type=error_type, message=message, trace=trace))


def _awaits(source: str) -> bool:
    try:
        compile(source, "cell", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError, MemoryError, OverflowError):
        return False
    return True


def _answers(tree: ast.Module, module: Module) -> str | None:
    """The exercise that a cell without a known grade id answers, by the names that it binds."""
    bound = {name for statement in names.statements(tree) for name in names.changed(statement)}
    return next((exercise.id for exercise in module.graded if bound & set(exercise.defines)), None)


def _state(defines: tuple[str, ...], trees: list[ast.Module], released: _Released) -> State:
    found = [
        (name, statement)
        for tree in trees
        for statement in names.statements(tree)
        for name in names.changed(statement) & set(defines)
    ]
    if not found:
        return "missing"
    untouched = all(
        any(names.same(statement, stub) for stub in released.stubs.get(name, ())) for name, statement in found
    )
    return "untouched" if untouched else "answered"


def _refuse_another_notebook(
    notebook: Notebook, released: _Released, module: Module, others: Iterable[Module], trees: list[ast.Module]
) -> None:
    bound = {
        name for tree in trees for statement in names.statements(tree) for name in names.changed(statement)
    }
    # `answers` is bound in every notebook of the course: a quiz tells nothing.
    if bound & {name for exercise in module.exercises for name in exercise.defines}:
        return
    if any(
        cell.grade_id in released.solutions or cell.grade_id in released.checks
        for cell in notebook.cells
        if cell.grade_id
    ):
        return
    if notebook.module in (None, module.id) and released.ids & {cell.id for cell in notebook.cells}:
        return
    sentence = f"This is not the notebook of module {module.id!r}"
    if notebook.module not in (None, module.id):
        raise errors.Unreadable(f"{sentence}: it says that it is the one of module {notebook.module!r}.")
    for other in others:
        if other.id != module.id and bound & {
            name for exercise in other.exercises for name in exercise.defines
        }:
            raise errors.Unreadable(f"{sentence}: it answers exercises of module {other.id!r}.")
    raise errors.Unreadable(
        f"{sentence}: it has none of its cells, and defines none of the names it asks for."
    )


def _flags(notebook: Notebook, released: _Released) -> list[Flag]:
    flags = []
    code = [cell for cell in notebook.cells if cell.kind == "code"]
    for cell in code:
        if cell.grade_id in released.checks and not released.leaves_out(cell):
            exercise = released.checks[cell.grade_id]
            flags.append(
                Flag(
                    kind="edited-cell",
                    exercise=exercise,
                    message=f"The check cell of {exercise!r} (cell {cell.number}) was edited; it ran as other code does.",
                )
            )
    known = released.solutions | released.checks
    for grade_id, count in Counter(cell.grade_id for cell in code).items():
        if count > 1 and grade_id in known:
            places = [str(cell.number) for cell in code if cell.grade_id == grade_id]
            shown = ", ".join(places[:5]) + (", ..." if count > 5 else "")
            message = f"{count} cells have the id {grade_id!r} (cells {shown}); what runs last counts."
            flags.append(Flag(kind="duplicate-id", exercise=known[grade_id], message=message))
    return flags
