"""One code cell as what is to be run of it: whole, or in parts where it is several cells in one.

Colab's `.py`, a merge of cells and a pasted notebook make one cell of many. It is cut where they began, so
that an error in one of them costs what it cost there: no more than the rest of that one.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from course.cells.notebook import NotebookCell

from . import names
from .released import Released, is_import

MOST_PARTS = 500  # of one cell
MOST_PADDING = 2_000_000  # blank lines in all parts of a cell, which keep its lines where they were


@dataclass
class Part:
    """Consecutive statements of a cell; line n of `source` is line n of the cell."""

    cell: NotebookCell
    source: str
    statements: list[ast.stmt]

    def bound(self) -> set[str]:
        """The top-level names that it binds or changes."""
        return {name for statement in self.statements for name in names.all_changed(statement)}

    def leave_out(self, statement: ast.stmt) -> bool:
        """Takes out one of its statements; not where another one stands on the same line."""
        lines = set(_lines(statement))
        rest = [one for one in self.statements if one is not statement]
        if any(lines & {*_ends(one)} for one in rest):
            return False
        self.statements = rest
        self.source = _without(self.source.split("\n"), [statement])
        return True


def parts_of(
    cell: NotebookCell, source: str, tree: ast.Module, original: Released, asked_for: Sequence[set[str]]
) -> tuple[list[Part], bool]:
    """What is to be run of a cell that has been parsed, and whether a released demo or check was left out.

    `asked_for` has the names of each exercise.
    """
    lines = source.split("\n")
    runs = list(original.found_in(tree.body))
    used = _used({id(one) for _, statements in runs for one in statements}, tree.body)
    cuts: list[ast.stmt] = []
    stand_ins: list[tuple[int, str]] = []
    for run, statements in runs:
        bound = {name for one in statements for name in names.all_changed(one)}
        if _stands_alone(statements, tree.body) and not bound & used:
            cuts += statements
            if run.stand_in:
                stand_ins.append((statements[0].lineno, run.stand_in))
    left_out = set(map(id, cuts))
    kept = [statement for statement in tree.body if id(statement) not in left_out]
    answered = {index for one in kept for index, ids in enumerate(asked_for) if names.all_changed(one) & ids}
    groups = _groups(tree.body, left_out, set().union(*asked_for)) if cuts or len(answered) > 1 else [kept]
    if len(groups) > MOST_PARTS or len(groups) * len(lines) > MOST_PADDING:
        groups = [kept]
    whole = len(groups) == 1
    found = [
        Part(cell, _without(lines, cuts) if whole else _only(lines, group), group)
        for group in groups
        if group
    ]
    for line, stand_in in stand_ins:
        there = "\n" * (line - 1) + stand_in
        found.append(Part(cell, there, names.parsed(there).body))
    return sorted(found, key=lambda part: part.statements[0].lineno), bool(cuts)


def _groups(body: Iterable[ast.stmt], left_out: set[int], asked_for: set[str]) -> list[list[ast.stmt]]:
    """Statements that belonged together: parted by what is left out, by prose, imports and answers."""
    groups: list[list[ast.stmt]] = [[]]
    apart, last_line = False, 0
    for statement in body:
        if id(statement) in left_out or _is_prose(statement):
            apart, last_line = True, 0
            continue
        alone = is_import(statement) or bool(names.all_changed(statement) & asked_for)
        if (apart or alone) and statement.lineno != last_line:
            groups.append([])
        groups[-1].append(statement)
        apart, last_line = alone, statement.end_lineno or statement.lineno
    return groups


def _is_prose(statement: ast.stmt) -> bool:
    match statement:
        case ast.Expr(value=ast.Constant(value=str())):
            return True
    return False


def _stands_alone(statements: Sequence[ast.stmt], body: Iterable[ast.stmt]) -> bool:
    """Whether no other statement of the cell is on a line of these."""
    these = set(map(id, statements))
    ends = {line for one in body if id(one) not in these for line in _ends(one)}
    return not any(line in ends for one in statements for line in _ends(one))


def _used(left_out: set[int], body: Iterable[ast.stmt]) -> set[str]:
    """The names that a cell's other statements use, outside of functions, and do not bind themselves."""
    rest = [one for one in body if id(one) not in left_out]
    nodes = (node for one in rest for node in names.outside_functions(one))
    loaded = {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}
    return loaded - {name for one in rest for name in names.all_changed(one)}


def _ends(statement: ast.stmt) -> tuple[int, int]:
    return statement.lineno, statement.end_lineno or statement.lineno


def _lines(statement: ast.stmt) -> range:
    """Its lines, decorators included."""
    first = min([statement.lineno, *(one.lineno for one in getattr(statement, "decorator_list", ()))])
    return range(first, (statement.end_lineno or statement.lineno) + 1)


def _without(lines: Sequence[str], statements: Iterable[ast.stmt]) -> str:
    blank = {line for statement in statements for line in _lines(statement)}
    return "\n".join("" if number in blank else line for number, line in enumerate(lines, 1))


def _only(lines: Sequence[str], statements: Sequence[ast.stmt]) -> str:
    first, last = _lines(statements[0])[0], _lines(statements[-1])[-1]
    return "\n" * (first - 1) + "\n".join(lines[first - 1 : last])


def answers_in(parts: Iterable[Part], name: str, original: Released) -> Iterator[tuple[Part, ast.stmt]]:
    """Each statement that binds the name to something of the student's own, in order."""
    for part in parts:
        for statement in part.statements:
            for inner in names.statements(ast.Module([statement], [])):
                if names.binds_anew(inner, name) and not original.is_stub(name, inner):
                    yield part, inner
