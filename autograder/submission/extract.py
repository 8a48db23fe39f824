"""Takes the code cells out of a notebook as plain Python, and says what became of each exercise.

A released demo or check is known by its statements, whatever id its cell has and whatever stands around it
(`released.py`), and is left out: what students were given never costs them anything. All else that is code
runs, moved, copied, split and merged cells too; the definition that runs last counts, but for a stub that
stands below an answer. A cell that is no Python is reported, and the others go on.

Cells are parsed here and never compiled: Python's compiler recurses without a check in places, and a
comprehension with 80,000 `for` would end the trusted process [seen, 3.11]. What only the compiler finds
(`break` outside of a loop) is the worker's to report.
"""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from course.catalogue.syllabus import Exercise, Module
from course.cells import names
from course.cells.magics import blocks, to_python
from course.cells.notebook import Notebook, NotebookCell
from course.cells.python import Cell, explained, raise_left_behind

from ..contract.front_end import FrontEnd
from ..errors import Unreadable
from ..results import CellError, ErrorExcerpt, Flag
from .parts import MOST_PADDING, Part, answers_in, parts_of
from .released import Released

State = Literal["answered", "untouched", "missing"]

MAX_CELL = 100_000  # characters; more is data, and Python's parser takes quadratic time on an f-string of it


@dataclass(frozen=True)
class Extracted:
    """What goes to the worker (`cells`), and what is known before anything has run.

    `notes` has, by exercise, what the student is to know of where the answer stood; only of answered ones.
    """

    cells: list[Cell]
    states: dict[str, State]
    flags: list[Flag]
    cell_errors: list[CellError]
    notes: dict[str, list[str]]


def extract(
    notebook: Notebook,
    released: Notebook,
    module: Module,
    others: Iterable[Module] = (),
    front_ends: Iterable[FrontEnd] = (),
) -> Extracted:
    """The cells of `notebook` to run, held against the `released` notebook of `module`.

    Cells of one of the `front_ends` are left out as released ones are.

    Raises `errors.Unreadable` for a notebook that has nothing of this module in it. Where it is another one
    of the course, the message says which: by what the notebook says of itself, or by the names that it
    defines and one of the `others` asks for.
    """
    original = Released.of(released, module, tuple(front_ends))
    read = _Read(notebook, original, module)
    changes = [change for part in read.parts for change in part.changes()]
    _refuse_another_notebook(notebook, original, {name for name, _ in changes}, module, others)
    notes: dict[str, list[str]] = {}
    states: dict[str, State] = {}
    for exercise in module.graded:
        mine = [(name, statement) for name, statement in changes if name in exercise.defines]
        state: State = "untouched" if mine else "missing"
        if exercise.id in read.attempted or not all(original.is_stub(*change) for change in mine):
            state = "answered"
        states[exercise.id] = state
        found = _notes(exercise, read, original)
        if found and state == "answered":
            notes[exercise.id] = found
    cells = [Cell(part.cell.number, part.source, exercise) for part, exercise in read.to_run()]
    return Extracted(cells, states, _flags(notebook, original, module, read), read.errors, notes)


class _Read:
    """The code of a notebook, cell by cell: the parts to run, and what is no Python."""

    def __init__(self, notebook: Notebook, original: Released, module: Module) -> None:
        self._original, self._module = original, module
        self._python = notebook.python
        self._asked_for = [set(exercise.defines) for exercise in module.graded]
        self.parts: list[Part] = []
        self.errors: list[CellError] = []
        self.attempted: set[str] = set()  # exercises whose answer is no Python
        self.as_released: set[int] = set()  # numbers of cells of which nothing is to be run
        self.not_code: dict[str, NotebookCell] = {}  # exercise → the Markdown or raw cell that answers it
        for cell in notebook.cells:
            if cell.kind == "code":
                self._take(cell)
        for cell in notebook.cells:
            if cell.kind != "code" and cell.source:
                self._take_if_an_answer(cell)
        self.parts.sort(key=lambda part: part.cell.number)
        self.errors.sort(key=lambda error: error.cell)

    def to_run(self) -> Iterator[tuple[Part, str | None]]:
        """Each part with the exercise it answers, by its cell's nbgrader id or else by the names it binds."""
        parts = Counter(part.cell.number for part in self.parts)
        for part in self.parts:
            if part.statements:
                whole = parts[part.cell.number] == 1
                known = self._original.solutions.get(part.cell.grade_id) if whole else None
                yield part, known or _answered({name for name, _ in part.changes()}, self._module)

    def _take(self, cell: NotebookCell) -> None:
        if cell.source in self._original.as_released:
            self.as_released.add(cell.number)
            return
        source = whole = to_python(cell.source) if len(cell.source) <= MAX_CELL else cell.source
        tree = _parsed(source, cell.number, self._python)
        if isinstance(tree, CellError):
            self.errors.append(tree)
            begun = _begun(source, self._module)
            source = self._legible(cell, source) if len(begun) > 1 else ""
            tree = names.parsed(source)
            known = self._original.solutions.get(cell.grade_id)
            self.attempted |= {known} if known and not source else begun - _begun(source, self._module)
        elif not tree.body and (unread := _begun(cell.source, self._module)):
            line = cell.source.strip().split("\n")[0][:80]
            message = f"`{line}` keeps this cell from being run as Python: take that line out"
            self.errors.append(_cell_error(cell.number, "NotRun", message))
            self.attempted |= unread
        found = parts_of(cell, source, tree, self._original, self._asked_for)
        self.parts += found
        if not found and source == whole:
            self.as_released.add(cell.number)

    def _legible(self, cell: NotebookCell, source: str) -> str:
        """The blocks that are Python, of several cells in one: what is broken must not cost the others."""
        pieces = blocks(source) if len(source) <= MAX_CELL else []
        if len(pieces) * source.count("\n") > MOST_PADDING:
            return ""
        read = (piece for piece in pieces if isinstance(_parsed(piece, cell.number), ast.Module))
        lines = [""] * (source.count("\n") + 1)
        for piece in read:
            for number, line in enumerate(piece.split("\n")):
                lines[number] = line or lines[number]
        legible = "\n".join(lines)
        return legible if isinstance(_parsed(legible, cell.number), ast.Module) else ""

    def _take_if_an_answer(self, cell: NotebookCell) -> None:
        """nbgrader makes its solution cells code again; so does grading with all that answers one."""
        text = _FENCE.sub("", cell.source) if cell.source.lstrip().startswith("```") else cell.source
        known = self._original.solutions.get(cell.grade_id)
        meant = {known} if known else _begun(text, self._module)
        here = {exercise.id: exercise for exercise in self._module.graded if exercise.id in meant}
        if not here or not _begun(text, self._module) or any(map(self._is_answered, here.values())):
            return
        self._take(replace(cell, kind="code", source=text))
        self.not_code |= dict.fromkeys(here, cell)

    def _is_answered(self, exercise: Exercise) -> bool:
        answers = (answers_in(self.parts, name, self._original) for name in exercise.defines)
        return exercise.id in self.attempted or any(any(True for _ in found) for found in answers)


_FENCE = re.compile(r"^[ \t]*```.*$", re.MULTILINE)


def _notes(exercise: Exercise, read: _Read, original: Released) -> list[str]:
    """What stood in the way of the exercise's answer; stubs that would replace it are taken out."""
    found: list[str] = []
    if cell := read.not_code.get(exercise.id):
        kind = "Markdown" if cell.kind == "markdown" else "raw"
        found.append(
            f"The answer stands in cell {cell.number}, which is a {kind} cell, and was graded as code all "
            "the same: make it a code cell again (in Jupyter, select it and press Esc, then Y)."
        )
    for name in exercise.defines:
        answers = list(answers_in(read.parts, name, original))
        if not answers:
            continue
        if below := list(_stubs_below(*answers[0], name, read.parts, original)):
            part, statement = below[0]
            found.append(
                f"`{name}` stands once more below its answer, not yet written, in cell {part.cell.number}, "
                f"line {statement.lineno}. The answer was graded; delete the other."
            )
            for part, statement in below:
                part.leave_out(statement)
        part, statement = answers[-1]
        if left := raise_left_behind(statement):
            found.append(
                "The line `raise NotImplementedError` is still there, in "
                f"cell {part.cell.number}, line {left.lineno}: delete it."
            )
    return found


def _stubs_below(
    answer: Part, its: ast.stmt, name: str, parts: Sequence[Part], original: Released
) -> Iterator[tuple[Part, ast.stmt]]:
    for part in parts[parts.index(answer) :]:
        for statement in part.statements:
            below = part is not answer or statement.lineno > its.lineno
            if below and names.binds_anew(statement, name) and original.is_stub(name, statement):
                yield part, statement


def _answered(bound: set[str], module: Module) -> str | None:
    """The exercise that a cell without a known grade id answers, by the names that it binds."""
    return next((exercise.id for exercise in module.graded if bound & set(exercise.defines)), None)


def _begun(source: str, module: Module) -> set[str]:
    """The exercises that a cell which is no Python seems to answer."""
    begun = re.findall(r"^[ \t]*(?:def|class)[ \t]+(\w+)|^(\w+)[ \t]*=", source, re.MULTILINE)
    words = {word for pair in begun for word in pair}
    return {exercise.id for exercise in module.graded if words & set(exercise.defines)}


def _parsed(source: str, number: int, written_with: tuple[int, ...] = ()) -> ast.Module | CellError:
    if len(source) > MAX_CELL:
        message = f"this cell has {len(source):,} characters (the limit is {MAX_CELL:,}): keep data in files"
        return _cell_error(number, "TooLong", message)
    try:
        tree = names.parsed(source)
    except SyntaxError as error:
        # IndentationError and TabError say more than their parent.
        message = explained(error, source, written_with)
        return _cell_error(number, type(error).__name__, message, source, error.lineno, error.offset)
    except (RecursionError, MemoryError):
        return _cell_error(number, "SyntaxError", "this cell is nested too deeply")
    except (ValueError, OverflowError) as error:
        return _cell_error(number, "SyntaxError", f"this cell is not Python: {error}")
    for node in names.outside_functions(tree):
        line, offset = getattr(node, "lineno", 1), getattr(node, "col_offset", 0) + 1
        if isinstance(node, ast.Return | ast.Yield | ast.YieldFrom):
            word = "return" if isinstance(node, ast.Return) else "yield"
            return _cell_error(number, "SyntaxError", f"'{word}' outside function", source, line, offset)
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
    notebook: Notebook, original: Released, bound: set[str], module: Module, others: Iterable[Module]
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
    raise Unreadable(f"This is not the notebook of module {module.id!r}: {reason}.")


def _asked_for(module: Module) -> set[str]:
    """The names that tell this module; not those of its quiz, which every notebook of the course binds."""
    return {name for exercise in module.exercises for name in exercise.defines}


def _flags(notebook: Notebook, original: Released, module: Module, read: _Read) -> list[Flag]:
    code = [cell for cell in notebook.cells if cell.kind == "code" and cell.number not in read.as_released]
    flags = []
    if notebook.module not in (None, module.id):
        message = f"The notebook says that it is the one of module {notebook.module!r}."
        flags.append(Flag(kind="other-course", message=message))
    for grade_id, places in _by_grade_id(code, original.checks).items():
        exercise = original.checks[grade_id]
        message = f"The check cell of {exercise!r} was edited and ran as other code does ({_listed(places)})."
        flags.append(Flag(kind="edited-cell", exercise=exercise, message=message))
    for exercise, cell in read.not_code.items():
        message = f"The answer to {exercise!r} is in cell {cell.number}, a {cell.kind} cell: graded as code."
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
