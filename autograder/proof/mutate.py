"""The mutants of an exercise: its answer in the solution with one place changed.

Nothing is imported or run here: the parent of a run lists them, and a grader takes the one that it is to try.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from course.catalogue.syllabus import Module

from .alternatives import alternatives, headline, said
from .as_a_whole import as_a_whole

# What people read, or the checker of types. What an error says is the author's own.
_LEFT_ALONE = frozenset({"annotation", "returns", "type_params", "ctx", "exc", "cause", "msg"})
UNCHANGED = "unchanged"
# A number or a name says little without what stands around it.
_WITH_WORDS = (ast.expr, ast.keyword, ast.Slice)


@dataclass(frozen=True)
class Mutant:
    """An exercise's answer with one change in it.

    `id` says where what has become what. It has no line's number, so that it stays as long as the code there.
    `source` is all that the exercise defines, and the helpers that it uses: run it in the reference's names.
    """

    id: str
    line: int  # in the solution's file
    before: str  # the statement there
    after: str
    source: str


def of_exercise(module: Module, exercise: str, solution: str) -> dict[str, Mutant]:
    """The mutants of a module's exercise; those of a helper come with every exercise that uses it."""
    others = {name for other in module.exercises if other.id != exercise for name in other.defines}
    return mutants(solution, module.exercise(exercise).defines, frozenset(others))


@cache
def mutants(
    solution: str, defines: tuple[str, ...], others: frozenset[str] = frozenset()
) -> dict[str, Mutant]:
    """Every mutant of what an exercise `defines` in the solution's source, by its id, in the file's order.

    First comes the answer as it is, `UNCHANGED`, which shows that it can be tried like this at all.
    `others` are the names of the module's other exercises: what this one builds on is theirs to prove.
    Left out is what does not compile, and what has the same source as another.
    """
    tree = _without_docstrings(ast.parse(solution))
    imported = {alias.asname or alias.name.split(".")[0] for node in tree.body for alias in _aliases(node)}
    own = _own(tree, defines, others)
    parts = [ast.unparse(statement) for statement in own]
    seen, named = set(parts), Counter[str]()
    found = {UNCHANGED: Mutant(UNCHANGED, 1, "", "", "\n".join(parts))}
    for at, statement in enumerate(own):
        alone = ast.Module([statement], [])
        for slot, name, around in _slots(alone, "", _Slot(alone, "body", 0)):
            original = slot.node
            bare = _is_bare(original) and isinstance(slot.owner, _WITH_WORDS)
            beside = said(slot.owner) if bare else ""
            line, before = around.node.lineno, headline(around.node)
            for new, was, becomes in alternatives(original, imported):
                slot.put(new)
                changed, after = ast.unparse(alone), headline(around.node)
                there = said(slot.owner) if bare else ""
                slot.put(original)
                if beside != there:
                    was, becomes = beside, there
                if changed in seen or not _compiles(changed):
                    continue
                seen.add(changed)
                id = f"{name} '{was}' -> '{becomes}'"
                named[id] += 1
                id += f" ({named[id]})" if named[id] > 1 else ""
                source = "\n".join([*parts[:at], changed, *parts[at + 1 :]])
                found[id] = Mutant(id, line, before, after, source)
        if isinstance(statement, (ast.FunctionDef, ast.ClassDef)) and statement.name in defines:
            for call, words in as_a_whole(statement):
                behaves = f"{statement.name} = behaviours.{call.format(statement.name)}"
                source = "\n".join([*parts, "from autograder.proof import behaviours", behaves])
                id = f"{statement.name} {words}"
                found[id] = Mutant(
                    id, statement.lineno, headline(statement), f"the same, but {words}", source
                )
    return found


def _own(tree: ast.Module, defines: Collection[str], others: Collection[str]) -> list[ast.stmt]:
    """The statements of these names and, in turn, of the file's other names in them; none of an import's."""
    named = {name: node for node in tree.body for name in _names(node) if name not in others}
    reached, waiting = set(defines), list(defines)
    while waiting:
        for part in ast.walk(named[waiting.pop()]):
            if isinstance(part, ast.Name) and part.id in named and part.id not in reached:
                reached.add(part.id)
                waiting.append(part.id)
    return [node for node in tree.body if reached.intersection(_names(node)) or _is_future(node)]


def _is_future(node: ast.stmt) -> bool:
    return isinstance(node, ast.ImportFrom) and node.module == "__future__"


def _names(node: ast.stmt) -> list[str]:
    match node:
        case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
            return [name]
        case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
            return [name]
    return []


def _aliases(node: ast.stmt) -> list[ast.alias]:
    return node.names if isinstance(node, (ast.Import, ast.ImportFrom)) else []


@dataclass(frozen=True)
class _Slot:
    """A place in the tree, in which a node stands."""

    owner: ast.AST
    field: str
    index: int | None

    @property
    def node(self) -> Any:
        held = getattr(self.owner, self.field)
        return held if self.index is None else held[self.index]

    def put(self, node: ast.AST) -> None:
        if self.index is None:
            setattr(self.owner, self.field, node)
        else:
            getattr(self.owner, self.field)[self.index] = node


def _slots(node: ast.AST, name: str, around: _Slot) -> Iterator[tuple[_Slot, str, _Slot]]:
    """Each place below a node, with the name of what it belongs to and the place of its statement."""
    for field, value in ast.iter_fields(node):
        if field in _LEFT_ALONE or isinstance(node, ast.JoinedStr):
            continue
        for index, child in enumerate(value) if isinstance(value, list) else [(None, value)]:
            if not isinstance(child, ast.AST):
                continue
            slot = _Slot(node, field, index)
            its = ".".join(filter(None, (name, *(_names(child) if isinstance(child, ast.stmt) else ()))))
            inner = its if isinstance(node, (ast.Module, ast.ClassDef)) else name
            statement = slot if isinstance(child, ast.stmt) else around
            yield slot, inner, statement
            if not _is_bare(child):
                yield from _slots(child, inner, statement)


def _is_bare(node: ast.AST) -> bool:
    """Whether it is a number or text, negative ones too, or a name in a module."""
    number = node.operand if isinstance(node, ast.UnaryOp) else node
    return isinstance(number, ast.Constant) or (
        isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)
    )


def _without_docstrings(tree: ast.Module) -> ast.Module:
    for node in ast.walk(tree):
        if (
            isinstance(node, (ast.FunctionDef, ast.ClassDef))
            and ast.get_docstring(node, clean=False) is not None
        ):
            node.body[0] = ast.Pass(lineno=node.lineno)
    return tree


def _compiles(source: str) -> bool:
    try:
        compile(source, "<mutant>", "exec", dont_inherit=True)
    except (SyntaxError, ValueError):
        return False
    return True
