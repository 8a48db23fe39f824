"""Every notebook stands alone: each name that its code uses is made in a cell of its own.

A solution is written as a module, with imports at its top; in the notebook it is cut into cells. A name that
got lost on the way fails only when a student runs the cell, so it is looked for here, without running any.
"""

from __future__ import annotations

import builtins
import symtable
from collections.abc import Iterator
from dataclasses import dataclass

from course.catalogue.syllabus import Task

from ..content.course_root import CourseRoot
from ..errors import ContentError
from .lesson import Code, Prose
from .notebook import answers, check_source, lesson_pieces, read_module_bonus, read_module_solution

# IPython gives every notebook these, on top of Python's own.
_GIVEN = frozenset({*dir(builtins), "__name__", "display", "get_ipython"})


@dataclass(frozen=True)
class _Cell:
    where: str
    source: str
    demo: bool


def check_standalone(root: CourseRoot, module: str) -> None:
    """Raise ContentError, naming file and line, for a name that no cell of the notebook makes.

    What is graded may not rely on a demo cell, which is left out in grading.
    """
    cells = list(_cells(root, module))
    tables = [_table(cell) for cell in cells]
    graded = {
        name for cell, table in zip(cells, tables, strict=True) if not cell.demo for name in _made(table)
    }
    shown = graded.union(*map(_made, tables))
    for cell, table in zip(cells, tables, strict=True):
        known = shown if cell.demo else graded
        if missing := sorted(_used(table) - known - _GIVEN):
            from_demo = " outside the demos" if missing[0] in shown else ""
            raise ContentError(
                f"{cell.where}: the name {missing[0]!r} is made by no code cell of the lesson{from_demo}: "
                "import or define it in one."
            )


def _cells(root: CourseRoot, module: str) -> Iterator[_Cell]:
    plan = root.module(module)
    lesson = root.relative(root.lesson(module))
    solution = read_module_solution(root, plan)
    sources = answers(root, module, "solved")
    tasks: dict[str, Task] = {task.id: task for task in (*plan.graded, *plan.bonus)}
    for piece in lesson_pieces(root, plan):
        if isinstance(piece, Prose):
            continue
        where = f"{lesson}, line {piece.line}"
        if isinstance(piece, Code):
            yield _Cell(where, piece.source, piece.demo)
            continue
        task = tasks[piece.id]
        yield _Cell(where, check_source(task), demo=piece.kind == "bonus")
        if piece.kind != "quiz":
            written = read_module_bonus(root, plan) if piece.kind == "bonus" else solution
            where = f"{written.source}, line {written.line(task.defines[0])}"
        yield _Cell(where, sources[task.id], demo=False)


def _table(cell: _Cell) -> symtable.SymbolTable:
    from IPython.core.inputtransformer2 import TransformerManager

    try:
        return symtable.symtable(TransformerManager().transform_cell(cell.source), cell.where, "exec")
    except SyntaxError as error:
        raise ContentError(
            f"{cell.where}: the code cell from here on is no valid Python: {error.msg}."
        ) from None


def _made(table: symtable.SymbolTable) -> set[str]:
    return {each.get_name() for each in table.get_symbols() if each.is_assigned() or each.is_imported()}


def _used(table: symtable.SymbolTable) -> set[str]:
    """The names that a cell takes from the notebook's globals, in its functions and classes too."""
    top = {each.get_name() for each in table.get_symbols() if each.is_referenced()} - _made(table)
    return top.union(*(_globals(child) for child in table.get_children()))


def _globals(table: symtable.SymbolTable) -> set[str]:
    own = {each.get_name() for each in table.get_symbols() if each.is_global() and each.is_referenced()}
    return own.union(*(_globals(child) for child in table.get_children()))
