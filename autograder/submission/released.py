"""What a submission is compared with: the released notebook of its module, and other front ends' cells."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from course.catalogue.syllabus import Module
from course.cells import names
from course.cells.magics import to_python
from course.cells.notebook import Notebook
from course.cells.python import is_stub

from ..contract.front_end import FrontEnd


@dataclass(frozen=True)
class Run:
    """The statements of a released demo or check, its imports apart; what runs in its place, if anything."""

    statements: tuple[ast.stmt, ...]
    imports: tuple[ast.stmt, ...]
    imported: frozenset[str]
    stand_in: str = ""


@dataclass
class Released:
    """The cells that students were given.

    `solutions` and `checks` lead from nbgrader's grade ids to exercises, `runs` from the kind of the first
    statement of a demo or check to all of them, `stubs` from a name to the statements that bind it.
    """

    ids: frozenset[str]
    solutions: dict[str, str] = field(default_factory=dict)
    checks: dict[str, str] = field(default_factory=dict)
    stubs: dict[str, list[ast.stmt]] = field(default_factory=dict)
    runs: dict[tuple[object, ...], list[Run]] = field(default_factory=dict)
    kept: set[str] = field(default_factory=set)  # the names that the set-up binds
    as_released: set[str] = field(default_factory=set)  # sources of which nothing is to be run, as they stand

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
                    it.stubs.setdefault(name, []).append(statement)
            elif cell.grade:
                it.checks[cell.grade_id] = current
                left_out += [cell.source, *(one.check_source(module.id, current) for one in front_ends)]
            elif "demo" in cell.tags:
                left_out.append(cell.source)
            else:
                it.kept |= {name for name, _ in names.changes(_tree(cell.source))}
        for source in dict.fromkeys([*left_out, *stand_ins]):
            it._add(source, stand_ins.get(source, ""))
        it.as_released |= set(left_out) - stand_ins.keys()
        return it

    def _add(self, source: str, stand_in: str) -> None:
        body = _tree(source).body
        imports = tuple(statement for statement in body if is_import(statement))
        statements = tuple(statement for statement in body if not is_import(statement))
        if statements:
            found = self.runs.setdefault(_kind(statements[0]), [])
            imported = frozenset(name for one in imports for name in names.changed(one))
            found.append(Run(statements, imports, imported, stand_in))
            found.sort(key=lambda run: len(run.statements), reverse=True)

    def is_stub(self, name: str, statement: ast.stmt) -> bool:
        """Whether the statement binds `name` as the released notebook does, or to what only says so."""
        return is_stub(statement) or any(names.same(statement, stub) for stub in self.stubs.get(name, ()))

    def found_in(self, body: Sequence[ast.stmt]) -> Iterator[tuple[Run, list[ast.stmt]]]:
        """Each demo and check that stands whole in a cell, with its statements and its imports there.

        An import from the course is a demo's also where another edition of the course had it elsewhere.
        """
        code = [(index, one) for index, one in enumerate(body) if not is_import(one)]
        at = 0
        while at < len(code):
            runs = self.runs.get(_kind(code[at][1]), ())
            run = next((run for run in runs if _is_at(run, code, at)), None)
            if run is None:
                at += 1
                continue
            begin = code[at - 1][0] + 1 if at else 0
            at += len(run.statements)
            there = body[begin : code[at - 1][0] + 1]
            yield run, [one for one in there if not is_import(one) or self._is_of(run, one)]

    def _is_of(self, run: Run, statement: ast.stmt) -> bool:
        """Whether the import is the run's, and not one that the rest of the notebook needs."""
        bound = names.changed(statement)
        if not bound <= run.imported or bound & self.kept:
            return False
        module = getattr(statement, "module", None) or ""
        of_course = module.partition(".")[0] == "course"
        return of_course or any(names.same(statement, one) for one in run.imports)


def _is_at(run: Run, code: Sequence[tuple[int, ast.stmt]], at: int) -> bool:
    found = code[at : at + len(run.statements)]
    return len(found) == len(run.statements) and all(
        names.same(one, other) for (_, one), other in zip(found, run.statements, strict=True)
    )


def _kind(statement: ast.stmt) -> tuple[object, ...]:
    """What two statements share that are the same, told at a glance."""
    return type(statement), getattr(statement, "name", None)


def is_import(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Import | ast.ImportFrom)


@lru_cache(maxsize=1000)  # of what was released, the same for every submission
def _tree(source: str) -> ast.Module:
    return names.parsed(to_python(source))
