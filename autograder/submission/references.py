"""Follows the names in a notebook's source to what they were imported from, without running anything.

Flow is ignored: a name means everything that is assigned to it anywhere in its scope. Nothing here recurses
with the depth of the code, and every name is followed once: the cost stays near the size of the source.
"""

from __future__ import annotations

import ast
import builtins
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from . import names
from .extract import Cell

_MOST_PATHS = 8  # meanings of one name; `a = b.x; a = b.y` could double them at each step
_MOST_STEPS = 40  # of aliases and attributes; real ones have five
_LONGEST_PATH = 200  # characters

_Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
_NOTHING: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Reference:
    """One place where code names something.

    `paths` are the dotted names that it may mean, where it leads to an import or a builtin. `attribute` is
    the attribute's name where it has one, and `literal` tells that it stood as a string, as in
    `getattr(x, "y")`. `stored` is a place that assigns or deletes rather than reads.
    """

    cell: Cell
    node: ast.AST
    line: int
    paths: frozenset[str] = _NOTHING
    attribute: str = ""
    literal: bool = False
    stored: bool = False


@dataclass(eq=False)
class Scope:
    """A function's, class's or the notebook's names; a value is a dotted path, an expression or unknown."""

    parent: Scope | None = None
    owner: ast.AST | None = None
    bound: dict[str, list[str | ast.expr | None]] = field(default_factory=dict)
    stars: list[str] = field(default_factory=list)
    known: dict[str, frozenset[str]] = field(default_factory=dict)
    attributes: frozenset[str] = _NOTHING  # of a class: those that its code assigns

    def bind(self, statement: ast.AST) -> None:
        """Takes in what one node binds; nested nodes are given one by one."""
        match statement:
            case ast.Import(names=aliases):
                for alias in aliases:
                    # `import torch.nn as n` binds the whole path, `import torch.nn` its first part.
                    name = alias.asname or alias.name.partition(".")[0]
                    self._add(name, alias.name if alias.asname else name)
            case ast.ImportFrom(module=module, names=aliases):
                for alias in aliases:
                    if alias.name == "*":
                        self.stars.append(module or "")
                    else:
                        self._add(alias.asname or alias.name, f"{module or ''}.{alias.name}")
            case ast.Assign(targets=targets, value=value):
                for target in targets:
                    self._assign(target, value)
            case ast.AnnAssign(target=target, value=value) if value:
                self._assign(target, value)
            case ast.NamedExpr(target=ast.Name(id=name), value=value):
                self._add(name, value)
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                self._add(name, None)
            case ast.Name(id=name, ctx=ast.Store()):
                self.bound.setdefault(name, [])
            case ast.arg(arg=name):
                self._add(name, None)

    def _assign(self, target: ast.expr, value: ast.expr) -> None:
        if isinstance(target, ast.Name):
            self._add(target.id, value)
        elif isinstance(target, ast.Tuple | ast.List) and isinstance(value, ast.Tuple | ast.List):
            for one, its_value in zip(target.elts, value.elts, strict=False):
                if isinstance(one, ast.Name):
                    self._add(one.id, its_value)

    def _add(self, name: str, value: str | ast.expr | None) -> None:
        self.bound.setdefault(name, []).append(value)

    def home(self, name: str) -> Scope | None:
        """The scope that the name belongs to; None for a builtin or a star import's."""
        scope: Scope | None = self
        while scope is not None:
            if name in scope.bound and (scope is self or not isinstance(scope.owner, ast.ClassDef)):
                return scope
            scope = scope.parent
        return None

    def paths(self, node: ast.AST, steps: int = _MOST_STEPS) -> frozenset[str]:
        """The dotted names that an expression may mean; none if it leads to no import."""
        if steps <= 0:
            return _NOTHING
        match node:
            case ast.Name(id=name):
                return self._paths_of_name(name, steps - 1)
            case ast.NamedExpr(value=value):
                return self.paths(value, steps - 1)
            case ast.IfExp(body=one, orelse=other):
                return _few(self.paths(one, steps - 1) | self.paths(other, steps - 1))
            case ast.BoolOp(values=values):
                return _few(path for value in values for path in self.paths(value, steps - 1))
        if access := self.access(node, steps):
            owners, attribute, _ = access
            return frozenset(f"{owner}.{attribute}" for owner in owners)
        return self._imported(node, steps)

    def access(self, node: ast.AST, steps: int = _MOST_STEPS) -> tuple[frozenset[str], str, bool] | None:
        """What `node` takes an attribute of, which, and whether as a string; None if it takes none."""
        match node:
            case ast.Attribute(value=value, attr=attribute):
                return self.paths(value, steps - 1), attribute, False
            case ast.Call(func=function, args=[value, name, *_]) if attribute := text(name):
                if self.paths(function, steps - 1) & {"builtins.getattr", "inspect.getattr_static"}:
                    return self.paths(value, steps - 1), attribute, True
            case ast.Subscript(value=ast.Attribute(value=value, attr="__dict__"), slice=name) if text(name):
                return self.paths(value, steps - 1), text(name), True
            case ast.Subscript(value=ast.Call(func=function, args=[value]), slice=name) if text(name):
                if "builtins.vars" in self.paths(function, steps - 1):
                    return self.paths(value, steps - 1), text(name), True
            case ast.Call(func=function, args=[name, *_]) if attribute := text(name):
                if self.paths(function, steps - 1) & {"operator.attrgetter", "operator.methodcaller"}:
                    return _NOTHING, attribute.rpartition(".")[2], True
        return None

    def _imported(self, node: ast.AST, steps: int) -> frozenset[str]:
        match node:
            case ast.Call(func=function, args=[name, *_]) if module := text(name):
                found = self.paths(function, steps - 1)
                if "importlib.import_module" in found:
                    return frozenset({module})
                if "builtins.__import__" in found:
                    return frozenset({module.partition(".")[0]})
            case ast.Subscript(value=value, slice=name) if module := text(name):
                if "sys.modules" in self.paths(value, steps - 1):
                    return frozenset({module})
        return _NOTHING

    def _paths_of_name(self, name: str, steps: int) -> frozenset[str]:
        scope = self.home(name)
        if scope is None:
            return self._paths_from_outside(name)
        if name not in scope.known:
            scope.known[name] = _NOTHING  # what a name that leads back to itself means
            scope.known[name] = _few(
                path
                for value in scope.bound[name]
                for path in (
                    (value,) if isinstance(value, str) else scope.paths(value, steps) if value else ()
                )
            )
        return scope.known[name]

    def _paths_from_outside(self, name: str) -> frozenset[str]:
        if name == "__builtins__":
            return frozenset({"builtins"})
        scope, stars = self, list(self.stars)
        while scope.parent is not None:
            scope = scope.parent
            stars += scope.stars
        found = [f"{module}.{name}" for module in stars]
        return _few([*found, f"builtins.{name}"] if hasattr(builtins, name) else found)


def _few(paths: Iterable[str]) -> frozenset[str]:
    return frozenset(sorted({path for path in paths if len(path) <= _LONGEST_PATH})[:_MOST_PATHS])


def text(node: ast.AST) -> str:
    """The string that a literal, or a sum of a few of them, spells; '' for anything else."""
    match node:
        case ast.Constant(value=str() as value):
            return value
        case ast.BinOp(
            left=ast.Constant(value=str() as left), op=ast.Add(), right=ast.Constant(value=str() as right)
        ):
            return left + right
    return ""


class Source:
    """All cells of a notebook, parsed once."""

    def __init__(self, cells: Sequence[Cell]) -> None:
        self.top = Scope()
        self.statements: list[tuple[Cell, ast.stmt]] = []
        self.changes: dict[str, list[tuple[Cell, ast.stmt]]] = {}
        for cell in cells:
            try:
                tree = names.parsed(cell.source)
            except RecursionError:  # at the brink: it parsed when the stack was a little less deep
                continue
            for node in names.outside_functions(tree, classes=False):
                self.top.bind(node)
            for statement in names.statements(tree):
                self.statements.append((cell, statement))
                if not _uses(statement):
                    for name in names.changed(statement):
                        self.changes.setdefault(name, []).append((cell, statement))

    def references(self) -> Iterator[Reference]:
        """Everything that the notebook names."""
        for cell, statement in self.statements:
            for node, scope in walk(statement, self.top):
                yield from _referred(cell, node, scope)

    def references_of(self, wanted: Iterable[str], foreign: set[str]) -> Iterator[Reference]:
        """What the `wanted` definitions name, and all that they use in the notebook but for the `foreign`."""
        waiting = [found for name in wanted for found in self._in_force(name)]
        seen: set[ast.stmt] = set()
        followed = set(foreign)
        while waiting:
            cell, statement = waiting.pop()
            if statement in seen:
                continue
            seen.add(statement)
            own_names = names.changed(statement)
            for node, scope in walk(statement, self.top):
                yield from _referred(cell, node, scope)
                if not isinstance(node, ast.Name) or node.id in followed or node.id in own_names:
                    continue  # a name that calls itself means its own definition, not one it replaced
                if scope.home(node.id) is self.top:
                    followed.add(node.id)
                    waiting.extend(self.changes.get(node.id, ()))

    def _in_force(self, name: str) -> list[tuple[Cell, ast.stmt]]:
        """The last cell's definitions of the name, and whatever changes it in place."""
        changes = self.changes.get(name, [])
        last = max((cell.number for cell, statement in changes if _binds(statement, name)), default=0)
        return [
            (cell, statement)
            for cell, statement in changes
            if cell.number >= last or not _binds(statement, name)
        ]


def _uses(statement: ast.stmt) -> bool:
    """Whether the statement says nothing of what its names are made of: imports, and calls of methods.

    `torch.testing.assert_close(mine(x), torch.softmax(x, -1))` is a demo, not a part of `torch`.
    """
    match statement:
        case ast.Import() | ast.ImportFrom() | ast.Expr(value=ast.Call(func=ast.Attribute())):
            return True
    return False


def _binds(statement: ast.stmt, name: str) -> bool:
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return statement.name == name
    found = [part for target in names.targets(statement) for part in names.parts(target)]
    return any(isinstance(part, ast.Name) and part.id == name for part in found)


def walk(statement: ast.stmt, scope: Scope) -> Iterator[tuple[ast.AST, Scope]]:
    """Each node of a top-level statement with the scope it stands in; not the statements of its blocks.

    The blocks of an `if` or `for` hold top-level statements of their own, which are walked by themselves.
    """
    inner = {id(child) for block in names.BLOCKS for child in getattr(statement, block, ())}
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        inner = set()
    waiting: list[tuple[ast.AST, Scope]] = [(statement, scope)]
    while waiting:
        node, scope = waiting.pop()
        yield node, scope
        children = [child for child in ast.iter_child_nodes(node) if id(child) not in inner]
        if not isinstance(node, _Function | ast.ClassDef):
            waiting.extend((child, scope) for child in reversed(children))
            continue
        body = node.body if isinstance(node.body, list) else [node.body]
        own = Scope(scope, node)
        if isinstance(node, ast.ClassDef):
            stored = (part for part in ast.walk(node) if isinstance(part, ast.Attribute))
            own.attributes = frozenset(part.attr for part in stored if isinstance(part.ctx, ast.Store))
        else:
            for argument in ast.walk(node.args):
                own.bind(argument)
        for part in body:
            for bound in names.outside_functions(part, classes=False):
                own.bind(bound)
        in_body = set(map(id, body))
        waiting.extend((child, own if id(child) in in_body else scope) for child in reversed(children))


def _referred(cell: Cell, node: ast.AST, scope: Scope) -> Iterator[Reference]:
    line = getattr(node, "lineno", 1)
    stored = isinstance(getattr(node, "ctx", None), ast.Store | ast.Del)
    match node:
        case ast.Import(names=aliases):
            yield Reference(cell, node, line, frozenset(alias.name for alias in aliases))
        case ast.ImportFrom(module=module, names=aliases):
            imported = (f"{module or ''}.{alias.name}".removesuffix(".*") for alias in aliases)
            yield Reference(cell, node, line, frozenset(imported))
        case ast.Name() if not stored:
            yield Reference(cell, node, line, scope.paths(node))
        case ast.Constant(value=str()) | ast.FunctionDef():
            yield Reference(cell, node, line)
        case ast.Attribute() | ast.Subscript() | ast.Call():
            if access := scope.access(node):
                paths = scope.paths(node)
                if paths or not _own(node, scope):
                    yield Reference(cell, node, line, paths, access[1], literal=access[2], stored=stored)
            elif paths := scope.paths(node):
                yield Reference(cell, node, line, paths, stored=stored)
            elif replaced := _replaced(node, scope):
                yield Reference(cell, node, line, replaced, stored=True)


def _replaced(node: ast.AST, scope: Scope) -> frozenset[str]:
    """What `setattr(torch, "softmax", mine)` and `delattr` change."""
    match node:
        case ast.Call(func=function, args=[owner, name, *_]):
            if scope.paths(function) & {"builtins.setattr", "builtins.delattr"}:
                return frozenset(f"{path}.{text(name) or '*'}" for path in scope.paths(owner))
    return _NOTHING


def _own(node: ast.AST, scope: Scope) -> bool:
    """Whether this is `self.x` within a class that defines `x`, as a method or by assigning it."""
    if not (isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)):
        return False
    method = scope.home(node.value.id)
    outer = method.parent if method else None
    if not (
        method and outer and isinstance(method.owner, _Function) and isinstance(outer.owner, ast.ClassDef)
    ):
        return False
    arguments = [*method.owner.args.posonlyargs, *method.owner.args.args]
    is_self = bool(arguments) and arguments[0].arg == node.value.id
    return is_self and (node.attr in outer.bound or node.attr in outer.attributes)
