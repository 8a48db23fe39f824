"""What a submission is compared with: the released notebook of its module, and other front ends' cells."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from course.catalogue.syllabus import Module
from course.cells.magics import to_python
from course.cells.notebook import Notebook
from course.cells.python import is_stub

from ..contract.front_end import FrontEnd
from . import names

Tokens = tuple[object, ...]


@dataclass(frozen=True)
class Run:
    """The statements of a released demo or check, its imports apart; what runs in its place, if anything."""

    statements: tuple[Tokens, ...]
    imports: frozenset[Tokens]
    imported: frozenset[str]
    stand_in: str = ""


@dataclass
class Released:
    """The cells that students were given.

    `solutions` and `checks` lead from nbgrader's grade ids to exercises, `runs` from the first statement of
    each demo and check to all of it, `stubs` from a name to the statements that the notebook binds it with.
    """

    ids: frozenset[str]
    solutions: dict[str, str] = field(default_factory=dict)
    checks: dict[str, str] = field(default_factory=dict)
    stubs: dict[str, list[Tokens]] = field(default_factory=dict)
    runs: dict[Tokens, list[Run]] = field(default_factory=dict)
    kept: set[str] = field(default_factory=set)  # the names that the set-up binds

    @classmethod
    def of(cls, notebook: Notebook, module: Module, front_ends: Sequence[FrontEnd]) -> Released:
        it = cls(frozenset(cell.id for cell in notebook.cells) - {""})
        exercises = {exercise.id for exercise in module.graded}
        left_out: list[str] = []
        stand_ins: Mapping[str, str] = {}
        for front_end in front_ends:
            left_out += front_end.own_cells(module.id).values()
            stand_ins = {**stand_ins, **front_end.stand_ins}
        current = ""
        for cell in notebook.cells:
            if cell.kind != "code":
                continue
            if cell.grade_id in exercises:
                current = it.solutions[cell.grade_id] = cell.grade_id
                for name, statement in names.changes(_tree(cell.source)):
                    it.stubs.setdefault(name, []).append(names.tokens(statement))
            elif cell.grade:
                it.checks[cell.grade_id] = current
                left_out += [cell.source, *(one.check_source(module.id, current) for one in front_ends)]
            elif "demo" in cell.tags:
                left_out.append(cell.source)
            else:
                it.kept |= {name for name, _ in names.changes(_tree(cell.source))}
        for source in dict.fromkeys([*left_out, *stand_ins]):
            it._add(source, stand_ins.get(source, ""))
        return it

    def _add(self, source: str, stand_in: str) -> None:
        body = _tree(source).body
        imports = [statement for statement in body if is_import(statement)]
        statements = tuple(names.tokens(statement) for statement in body if not is_import(statement))
        if statements:
            found = self.runs.setdefault(statements[0], [])
            imported = frozenset(name for one in imports for name in names.changed(one))
            found.append(Run(statements, frozenset(map(names.tokens, imports)), imported, stand_in))
            found.sort(key=lambda run: len(run.statements), reverse=True)

    def is_stub(self, name: str, statement: ast.stmt) -> bool:
        """Whether the statement binds `name` as the released notebook does, or to what only says so."""
        return is_stub(statement) or names.tokens(statement) in self.stubs.get(name, ())

    def found_in(self, body: Sequence[ast.stmt]) -> Iterator[tuple[Run, list[ast.stmt]]]:
        """Each demo and check that stands whole in a cell, with its statements and its imports there.

        An import from the course is a demo's also where another edition of the course had it elsewhere.
        """
        code = [(index, names.tokens(one)) for index, one in enumerate(body) if not is_import(one)]
        at = 0
        while at < len(code):
            run = next((run for run in self.runs.get(code[at][1], ()) if self._is_at(run, code, at)), None)
            if run is None:
                at += 1
                continue
            begin = code[at - 1][0] + 1 if at else 0
            at += len(run.statements)
            there = body[begin : code[at - 1][0] + 1]
            yield run, [one for one in there if not is_import(one) or self._is_of(run, one)]

    @staticmethod
    def _is_at(run: Run, code: Sequence[tuple[int, Tokens]], at: int) -> bool:
        found = code[at : at + len(run.statements)]
        return tuple(one for _, one in found) == run.statements

    def _is_of(self, run: Run, statement: ast.stmt) -> bool:
        """Whether the import is the run's, and not one that the rest of the notebook needs."""
        bound = names.changed(statement)
        if not bound <= run.imported or bound & self.kept:
            return False
        module = getattr(statement, "module", None) or ""
        return names.tokens(statement) in run.imports or module.partition(".")[0] == "course"


def is_import(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Import | ast.ImportFrom)


def _tree(source: str) -> ast.Module:
    return names.parsed(to_python(source))
