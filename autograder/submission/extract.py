"""Takes the code cells out of a notebook as plain Python, and says what became of each exercise.

A demo or check cell is left out only if both its id and its source are the released ones: what a student
wrote into one must run. Everything else that is code runs, moved, copied and split cells too; the
definition that runs last counts. A cell that is no Python is reported, and the others go on.

`await` outside of a function, which Jupyter allows, is reported in the same way and its cell is not run: the
worker has no event loop, and nothing in the course has a use for one.

Cells are parsed here and never compiled: Python's compiler recurses without a check in places, and a
comprehension with 80,000 `for` would end the trusted process [seen, 3.11]. What only the compiler finds
(`break` outside of a loop) is the worker's to report.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from course.catalogue.syllabus import Module

from ..contract.front_end import FrontEnd
from ..results import CellError, ErrorExcerpt, Flag
from . import names
from .magics import to_python
from .notebook import BrokenNotebook, Notebook, NotebookCell

State = Literal["answered", "untouched", "missing"]

MAX_CELL = 100_000  # characters; more is data, and Python's parser takes quadratic time on an f-string of it


@dataclass(frozen=True)
class Cell:
    """A code cell that parses. Line n of `source` is line n of the cell as the student sees it.

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
    notebook: Notebook,
    released: Notebook,
    module: Module,
    others: Iterable[Module] = (),
    front_ends: Iterable[FrontEnd] = (),
) -> Extracted:
    """The cells of `notebook` to run, held against the `released` notebook of `module`.

    Cells of one of the `front_ends` are left out as released ones are.

    Raises `BrokenNotebook` (an `errors.Unreadable`) for a notebook that has nothing of this module in it.
    Where it is another one of the course, the message says which: by what the notebook says of itself, or
    by the names that it defines and one of the `others` asks for.
    """
    original = _Released(released, module, tuple(front_ends))
    cells: list[Cell] = []
    changes: list[tuple[str, ast.stmt]] = []
    cell_errors: list[CellError] = []
    attempted: set[str] = set()
    for cell in notebook.cells:
        if cell.kind != "code":
            continue
        if original.leaves_out(cell):
            if stand_in := original.stand_ins.get(_layout(cell.source)):
                cells.append(Cell(cell.number, stand_in))
            continue
        source = to_python(cell.source) if len(cell.source) <= MAX_CELL else cell.source
        tree = _parsed(source, cell.number)
        exercise = original.solutions.get(cell.grade_id)
        if isinstance(tree, CellError):
            cell_errors.append(tree)
            attempted |= {exercise} if exercise else _begun(source, module)
        elif tree.body:
            changes_here = names.changes(tree)
            exercise = exercise or _answered({name for name, _ in changes_here}, module)
            cells.append(Cell(cell.number, source, exercise))
            changes += changes_here
    _refuse_another_notebook(notebook, original, {name for name, _ in changes}, module, others)
    states: dict[str, State] = {}
    for exercise_ in module.graded:
        mine = [(name, statement) for name, statement in changes if name in exercise_.defines]
        states[exercise_.id] = "answered" if exercise_.id in attempted else original.state(mine)
    return Extracted(cells, states, _flags(notebook, original, module), cell_errors)


class _Released:
    """What a submission is compared with."""

    def __init__(self, notebook: Notebook, module: Module, front_ends: Sequence[FrontEnd]) -> None:
        self.ids = {cell.id for cell in notebook.cells} - {""}
        self.solutions: dict[str, str] = {}  # grade id -> exercise
        self.checks: dict[str, str] = {}  # grade id -> exercise
        self.check_sources: set[tuple[str, str]] = set()
        self.demo_sources: dict[str, set[str]] = {}  # source -> ids
        self.stand_ins: dict[str, str] = {}  # source -> what runs in its place
        self.stubs: dict[str, list[ast.stmt]] = {}
        exercises = {exercise.id for exercise in module.graded}
        for front_end in front_ends:
            for id, source in front_end.own_cells(module.id).items():
                self.demo_sources.setdefault(_layout(source), set()).add(id)
            for source, stand_in in front_end.stand_ins.items():
                self.stand_ins[_layout(source)] = stand_in
        current = ""
        for cell in notebook.cells:
            if cell.kind != "code":
                continue
            if cell.grade_id in exercises:
                current = self.solutions[cell.grade_id] = cell.grade_id
                for name, statement in names.changes(ast.parse(to_python(cell.source))):
                    self.stubs.setdefault(name, []).append(statement)
            elif cell.grade:
                self.checks[cell.grade_id] = current
                theirs = (front_end.check_source(module.id, current) for front_end in front_ends)
                for source in (cell.source, *theirs):
                    self.check_sources.add((cell.grade_id, _layout(source)))
            elif "demo" in cell.tags:
                self.demo_sources.setdefault(_layout(cell.source), set()).add(cell.id)

    def leaves_out(self, cell: NotebookCell) -> bool:
        """Whether the cell is a released demo or check, as it was."""
        source = _layout(cell.source)
        if (cell.grade_id, source) in self.check_sources:
            return True
        # Colab saves no cell ids at all; a demo without one is known by its source alone.
        return source in self.demo_sources and cell.id in self.demo_sources[source] | {""}

    def state(self, changes: list[tuple[str, ast.stmt]]) -> State:
        """What became of an exercise, by the statements that change one of its names."""
        if not changes:
            return "missing"
        untouched = all(
            any(names.same(statement, stub) for stub in self.stubs.get(name, ()))
            for name, statement in changes
        )
        return "untouched" if untouched else "answered"


def _layout(source: str) -> str:
    """The source without what editors change on their own: blanks at the ends of lines and of the cell."""
    return "\n".join(line.rstrip() for line in source.split("\n")).strip("\n")


def _answered(bound: set[str], module: Module) -> str | None:
    """The exercise that a cell without a known grade id answers, by the names that it binds."""
    return next((exercise.id for exercise in module.graded if bound & set(exercise.defines)), None)


def _begun(source: str, module: Module) -> set[str]:
    """The exercises that a cell which is no Python seems to answer."""
    begun = re.findall(r"^[ \t]*(?:def|class)[ \t]+(\w+)|^(\w+)[ \t]*=", source, re.MULTILINE)
    words = {word for pair in begun for word in pair}
    return {exercise.id for exercise in module.graded if words & set(exercise.defines)}


def _parsed(source: str, number: int) -> ast.Module | CellError:
    if len(source) > MAX_CELL:
        message = f"this cell has {len(source):,} characters (the limit is {MAX_CELL:,}): keep data in files"
        return _cell_error(number, "TooLong", message)
    try:
        tree = names.parsed(source)
    except SyntaxError as error:
        # IndentationError and TabError say more than their parent.
        return _cell_error(number, type(error).__name__, error.msg, source, error.lineno, error.offset)
    except (RecursionError, MemoryError):
        return _cell_error(number, "SyntaxError", "this cell is nested too deeply")
    except (ValueError, OverflowError) as error:
        return _cell_error(number, "SyntaxError", f"this cell is not Python: {error}")
    for node in names.outside_functions(tree):
        line, offset = getattr(node, "lineno", 1), getattr(node, "col_offset", 0) + 1
        if isinstance(node, ast.Return | ast.Yield | ast.YieldFrom):
            word = "return" if isinstance(node, ast.Return) else "yield"
            return _cell_error(number, "SyntaxError", f"'{word}' outside function", source, line, offset)
        if isinstance(node, ast.Await | ast.AsyncFor | ast.AsyncWith) or getattr(node, "is_async", False):
            message = "`await` outside of a function is not run when grading: put it into a function"
            return _cell_error(number, "SyntaxError", message, source, line, offset)
    return tree


def _cell_error(
    number: int, kind: str, message: str, source: str = "", line: int | None = 1, offset: int | None = 1
) -> CellError:
    line = line or 1
    lines = source.split("\n")
    text = lines[line - 1] if 0 < line <= len(lines) else ""
    trace = f"cell {number}, line {line}"
    if text.strip():
        margin = len(text) - len(text.lstrip())
        caret = min(max((offset or 1) - 1 - margin, 0), 119)
        trace += f":\n    {text.strip()[:120]}\n    {' ' * caret}^"
    return CellError(cell=number, error=ErrorExcerpt(type=kind, message=message[:300], trace=trace))


def _refuse_another_notebook(
    notebook: Notebook, original: _Released, bound: set[str], module: Module, others: Iterable[Module]
) -> None:
    if bound & _asked_for(module):
        return
    if {cell.grade_id for cell in notebook.cells} & (original.solutions | original.checks).keys():
        return
    says_ours = notebook.module in (None, module.id)
    if says_ours and {cell.id for cell in notebook.cells} & original.ids:
        return
    reason = "it has none of its cells and defines none of the names that it asks for"
    if not says_ours:
        reason = f"it says that it is the one of module {notebook.module!r}"
    elif answered := [other.id for other in others if other.id != module.id and bound & _asked_for(other)]:
        reason = f"it answers exercises of module {answered[0]!r}"
    raise BrokenNotebook(f"This is not the notebook of module {module.id!r}: {reason}.", notebook.sha256)


def _asked_for(module: Module) -> set[str]:
    """The names that tell this module; not those of its quiz, which every notebook of the course binds."""
    return {name for exercise in module.exercises for name in exercise.defines}


def _flags(notebook: Notebook, original: _Released, module: Module) -> list[Flag]:
    code = [cell for cell in notebook.cells if cell.kind == "code"]
    flags = []
    if notebook.module not in (None, module.id):
        message = f"The notebook says that it is the one of module {notebook.module!r}."
        flags.append(Flag(kind="other-course", message=message))
    edited = [cell for cell in code if cell.grade_id in original.checks and not original.leaves_out(cell)]
    for grade_id, places in _by_grade_id(edited, original.checks).items():
        exercise = original.checks[grade_id]
        message = f"The check cell of {exercise!r} was edited and ran as other code does ({_listed(places)})."
        flags.append(Flag(kind="edited-cell", exercise=exercise, message=message))
    known = original.solutions | original.checks
    for grade_id, places in _by_grade_id(code, known).items():
        if len(places) > 1:
            message = (
                f"{len(places)} cells have the id {grade_id!r} ({_listed(places)}); what ran last counts."
            )
            flags.append(Flag(kind="duplicate-id", exercise=known[grade_id], message=message))
    return flags


def _by_grade_id(cells: list[NotebookCell], known: Mapping[str, str]) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for cell in cells:
        if cell.grade_id in known:
            found.setdefault(cell.grade_id, []).append(cell.number)
    return found


def _listed(numbers: list[int]) -> str:
    shown = ", ".join(map(str, numbers[:5])) + (", ..." if len(numbers) > 5 else "")
    return f"cell{'s' if len(numbers) > 1 else ''} {shown}"
