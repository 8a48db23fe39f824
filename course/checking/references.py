"""Finds what a notebook's source names, and what its answers use of it, without running anything.

Every name is followed once: the cost stays near the size of the source. A `strict` reading (see `scopes`)
also leaves out what only says of which kind something is: annotations, `isinstance`, the type in a comparison
or a `case`; and of several definitions of a name it follows the last.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from course.cells import names
from course.cells.python import Cell
from course.checking.scopes import Scope, text

_Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
_NOTHING: frozenset[str] = frozenset()
_LOOK_UP = frozenset(f"builtins.{name}" for name in ("getattr", "__import__", "vars", "dir")) | {
    *("inspect.getattr_static", "inspect.getmembers", "importlib.import_module"),
    *("operator.attrgetter", "operator.methodcaller"),
}


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
    method: tuple[str, str] = ("", "")  # the class at the top level and its method in which it stands
    own: bool = False  # `self.x` of a class that defines `x`
    looks_up: frozenset[str] = _NOTHING  # the function that looks up a name which no literal spells
    among: frozenset[str] = _NOTHING  # and where


class Source:
    """All cells of a notebook, parsed once. What does not parse is left out."""

    def __init__(self, cells: Sequence[Cell], *, strict: bool = False) -> None:
        self.top = Scope(strict=strict)
        self.own_attributes: set[str] = set()  # of all classes and objects of the notebook
        self.only_said: set[ast.AST] = set()  # strings for people, in the statements that were followed
        self.statements: list[tuple[Cell, ast.stmt]] = []
        self.changes: dict[str, list[tuple[Cell, ast.stmt]]] = {}
        self._said: dict[ast.stmt, tuple[list[Reference], list[str]]] = {}
        for cell in cells:
            try:
                tree = names.parsed(cell.source)
            except (SyntaxError, ValueError, RecursionError, MemoryError):
                continue
            for node in names.outside_functions(tree, classes=False):
                self.top.bind(node)
            for inner in ast.walk(tree):
                if isinstance(inner, ast.ClassDef):
                    self.own_attributes.update(*map(names.all_changed, inner.body))
                elif isinstance(inner, ast.Attribute) and isinstance(inner.ctx, ast.Store):
                    self.own_attributes.add(inner.attr)
            for statement in names.statements(tree):
                self.statements.append((cell, statement))
                if not _uses(statement):
                    for name in names.changed(statement):
                        self.changes.setdefault(name, []).append((cell, statement))

    def references(self) -> Iterator[Reference]:
        """Everything that the notebook names."""
        for cell, statement in self.statements:
            yield from self._said_in(cell, statement)[0]

    def _said_in(self, cell: Cell, statement: ast.stmt) -> tuple[list[Reference], list[str]]:
        """What a statement names, and which names of the top level are among that; looked up once."""
        if statement not in self._said:
            places = list(walk(statement, self.top))
            found = [reference for node, scope in places for reference in _referred(cell, node, scope)]
            own = names.changed(statement)
            named = dict.fromkeys(
                node.id
                for node, scope in places
                if isinstance(node, ast.Name) and node.id not in own and scope.home(node.id) is self.top
            )
            self._said[statement] = found, list(named)
        return self._said[statement]

    def references_of(self, wanted: Iterable[str], foreign: set[str]) -> Iterator[Reference]:
        """What the `wanted` definitions name, and all that they use in the notebook but for the `foreign`."""
        waiting = [found for name in wanted for found in self.in_force(name, self.top.strict)]
        seen: set[ast.stmt] = set()
        followed = set(foreign)
        while waiting:
            cell, statement = waiting.pop()
            if statement in seen:
                continue
            seen.add(statement)
            self.only_said.update(_only_said(statement))
            found, named = self._said_in(cell, statement)
            yield from found
            # A name that calls itself means its own definition, not one it replaced.
            for name in named:
                if name not in followed:
                    followed.add(name)
                    waiting.extend(
                        self.in_force(name, True) if self.top.strict else self.changes.get(name, ())
                    )

    def imported(self, name: str) -> tuple[str, int, int] | None:
        """What an import has bound the name to last, and its cell and line; None if it was no import."""
        path = (self.top.bound.get(name) or [None])[-1]
        if isinstance(path, str):
            for cell, statement in reversed(self.statements):
                if isinstance(statement, ast.Import | ast.ImportFrom) and name in names.changed(statement):
                    return path, cell.number, statement.lineno
        return None

    def in_force(self, name: str, last: bool) -> list[tuple[Cell, ast.stmt]]:
        """What made the name's last meaning: its definition, what that took over, and changes in place.

        All of the definition's cell counts; with `last`, nothing before the definition itself.
        """
        changes = self.changes.get(name, [])
        first = 0
        for place in reversed(range(len(changes))):
            if _binds(changes[place][1], name) and not _takes_over(changes[place][1], name):
                first = place
                break
        return [
            (cell, statement)
            for place, (cell, statement) in enumerate(changes)
            if place >= first
            or not (last or _binds(statement, name))
            or (not last and cell.number == changes[first][0].number)
        ]


def _only_said(statement: ast.stmt) -> Iterator[ast.AST]:
    """The strings of a statement that are for people: docstrings, messages of errors, annotations."""
    for node in ast.walk(statement):
        match node:
            case ast.Expr(value=ast.Constant() as said):
                yield said
            case ast.Raise(exc=said) | ast.Assert(msg=said) if said:
                yield from ast.walk(said)
            case ast.Call(func=ast.Name(id="print"), args=args):
                yield from args
        for kind in _of_types_only(node):
            yield from ast.walk(kind)


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


def _takes_over(statement: ast.stmt, name: str) -> bool:
    """Whether a statement that binds the name uses what it meant before: `f = compiled(f)`, `class A(A)`."""
    before: list[ast.AST] = [statement]
    match statement:
        case ast.FunctionDef() | ast.AsyncFunctionDef():
            arguments = statement.args
            before = [*statement.decorator_list, *arguments.defaults, *filter(None, arguments.kw_defaults)]
        case ast.ClassDef():
            before = [*statement.decorator_list, *statement.bases]
        case ast.AugAssign():
            return True
    return any(
        isinstance(node, ast.Name) and node.id == name and isinstance(node.ctx, ast.Load)
        for part in before
        for node in names.outside_functions(part)
    )


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
        if scope.strict:
            inner.update(map(id, _of_types_only(node)))
        children = [child for child in ast.iter_child_nodes(node) if id(child) not in inner]
        if not isinstance(node, _Function | ast.ClassDef):
            waiting.extend((child, scope) for child in reversed(children))
            continue
        body = node.body if isinstance(node.body, list) else [node.body]
        own = Scope(scope, node, strict=scope.strict)
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


def _of_types_only(node: ast.AST) -> Iterator[ast.AST]:
    """Children of a node that say of which kind something is, and do nothing with it."""
    match node:
        case ast.arg(annotation=kind) | ast.AnnAssign(annotation=kind) if kind:
            yield kind
        case ast.FunctionDef(returns=kind) | ast.AsyncFunctionDef(returns=kind) if kind:
            yield kind
        case ast.Call(func=ast.Name(id="isinstance" | "issubclass"), args=[_, *kinds]):
            yield from kinds
        case ast.Compare(left=ast.Call(func=ast.Name(id="type")), comparators=kinds):
            yield from kinds
        case ast.MatchClass(cls=kind):
            yield kind


def _method(scope: Scope) -> tuple[str, str]:
    """The class at the top level, and its method, that the scope belongs to; empty for any other."""
    while scope.parent and scope.parent.parent:
        outer = scope.parent.owner
        if isinstance(outer, ast.ClassDef) and scope.parent.parent.parent is None:
            return outer.name, getattr(scope.owner, "name", "")
        scope = scope.parent
    return "", ""


def _referred(cell: Cell, node: ast.AST, scope: Scope) -> Iterator[Reference]:
    for reference in _named(cell, node, scope):
        yield replace(reference, method=_method(scope)) if scope.strict else reference


def _named(cell: Cell, node: ast.AST, scope: Scope) -> Iterator[Reference]:
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
                own = not paths and _own(node, scope)
                yield Reference(cell, node, line, paths, access[1], access[2], stored, own=own)
            elif paths := scope.paths(node):
                yield Reference(cell, node, line, paths, stored=stored)
            elif replaced := _replaced(node, scope):
                yield Reference(cell, node, line, replaced, stored=True)
            elif isinstance(node, ast.Call) and (by := scope.paths(node.func) & _LOOK_UP):
                among = scope.paths(node.args[0]) if node.args else _NOTHING
                yield Reference(cell, node, line, looks_up=by, among=among)


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
