"""One code cell as what is to be run of it: whole, or in parts where it is several cells in one.

Colab's `.py`, a merge of cells and a pasted notebook make one cell of many. It is cut where they began, so
that an error in one of them costs what it cost there: no more than the rest of that one. Imports go by
themselves in every cell, since `from google.colab import drive` fails here and never failed there.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from course.cells import names
from course.cells.notebook import NotebookCell

from .released import Released, is_import

MOST_PARTS = 500  # of one cell
MOST_PADDING = 2_000_000  # blank lines in all parts of a cell, which keep its lines where they were


@dataclass
class Part:
    """Consecutive statements of a cell; line n of `source` is line n of the cell."""

    cell: NotebookCell
    source: str
    statements: list[ast.stmt]

    def changes(self) -> list[tuple[str, ast.stmt]]:
        """Each top-level name that it binds or changes, with the statement that does."""
        return names.changes(ast.Module(self.statements, []))

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
) -> list[Part]:
    """What is to be run of a cell, or of a block of one, that has been parsed.

    `source` is the whole cell's; `asked_for` has the names of each exercise.
    """
    lines = source.split("\n")
    changed = {id(one): names.all_changed(one) for one in tree.body}
    cuts, stand_ins = _cuts(cell, tree.body, original, changed)
    left_out = set(map(id, cuts))
    kept = [one for one in tree.body if id(one) not in left_out]
    answered = {index for one in kept for index, ids in enumerate(asked_for) if changed[id(one)] & ids}
    several = bool(cuts) or len(answered) > 1
    if several:
        left_out |= {id(one) for one in kept if _is_prose(one)}
    names_asked_for = set().union(*asked_for) if several else set()
    alone = {id(one) for one in kept if is_import(one) or changed[id(one)] & names_asked_for}
    groups = _groups(tree.body, left_out, alone)
    if len(groups) > MOST_PARTS or len(groups) * len(lines) > MOST_PADDING:
        groups = [kept]
    if len(groups) == 1:
        found = [Part(cell, _without(lines, cuts), groups[0])] if groups[0] else []
    else:
        found = [Part(cell, _only(lines, group), group) for group in groups]
    return sorted([*found, *stand_ins], key=lambda part: part.statements[0].lineno)


def _cuts(
    cell: NotebookCell, body: Sequence[ast.stmt], original: Released, changed: Mapping[int, set[str]]
) -> tuple[list[ast.stmt], list[Part]]:
    """The statements of released demos and checks, and what runs in the place of some.

    Not of those that share a line with another statement, or whose names the cell uses elsewhere.
    """
    ends = Counter(line for one in body for line in {*_ends(one)})
    runs = [
        (run, statements)
        for run, statements in original.found_in(body)
        if all(ends[line] == 1 for one in statements for line in _ends(one))
    ]
    of_runs = {id(one) for _, statements in runs for one in statements}
    rest = [one for one in body if id(one) not in of_runs] if runs else []
    nodes = (node for one in rest for node in names.outside_functions(one))
    used = {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}
    used -= {name for one in rest for name in changed[id(one)]}
    cuts: list[ast.stmt] = []
    stand_ins: list[Part] = []
    for run, statements in runs:
        if used.isdisjoint(name for one in statements for name in changed[id(one)]):
            cuts += statements
            if run.stand_in:
                there = "\n" * (statements[0].lineno - 1) + run.stand_in
                stand_ins.append(Part(cell, there, names.parsed(there).body))
    return cuts, stand_ins


def _groups(body: Iterable[ast.stmt], left_out: set[int], alone: set[int]) -> list[list[ast.stmt]]:
    """Statements that belonged together, in order: parted by those left out, and by those that go `alone`.

    What shares a line stays together. One group at least, which may be empty.
    """
    groups: list[list[ast.stmt]] = []
    apart, last_line = True, 0
    for statement in body:
        if id(statement) in left_out:
            apart, last_line = True, 0
            continue
        if (apart or id(statement) in alone) and statement.lineno != last_line:
            groups.append([])
        groups[-1].append(statement)
        apart, last_line = id(statement) in alone, statement.end_lineno or statement.lineno
    return groups or [[]]


def _is_prose(statement: ast.stmt) -> bool:
    match statement:
        case ast.Expr(value=ast.Constant(value=str())):
            return True
    return False


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
