"""What a name in a notebook's source leads to: the import or builtin that it means, through all its aliases.

Flow is ignored: a name means everything that is assigned to it anywhere in its scope. Nothing here recurses
with the depth of the code.

A `strict` reading takes only what leaves no doubt. At the top level the last assignment counts, in a function
all of them must lead to an import, and names given as strings are not followed.
"""

from __future__ import annotations

import ast
import builtins
from collections.abc import Iterable
from dataclasses import dataclass, field

_MOST_PATHS = 8  # meanings of one name; `a = b.x; a = b.y` could double them at each step
_MOST_STEPS = 40  # of aliases and attributes; real ones have five
_LONGEST_PATH = 200  # characters

_NOTHING: frozenset[str] = frozenset()


@dataclass(eq=False)
class Scope:
    """A function's, class's or the notebook's names; a value is a dotted path, an expression or unknown."""

    parent: Scope | None = None
    owner: ast.AST | None = None
    bound: dict[str, list[str | ast.expr | None]] = field(default_factory=dict)
    stars: list[str] = field(default_factory=list)
    known: dict[str, frozenset[str]] = field(default_factory=dict)
    attributes: frozenset[str] = _NOTHING  # of a class: those that its code assigns
    strict: bool = False

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
                return self._any_of([one, other], steps)
            case ast.BoolOp(values=values):
                return self._any_of(values, steps)
        if access := self.access(node, steps):
            owners, attribute, _ = access
            return frozenset(f"{owner}.{attribute}" for owner in owners)
        return self._imported(node, steps)

    def _any_of(self, values: Iterable[str | ast.expr | None], steps: int) -> frozenset[str]:
        """What one of several values may mean; in a strict reading, only if all of them are known."""
        found: set[str] = set()
        for value in values:
            meant = {value} if isinstance(value, str) else self.paths(value, steps - 1) if value else _NOTHING
            if self.strict and not meant:
                return _NOTHING
            found |= meant
        return _few(found)

    def access(self, node: ast.AST, steps: int = _MOST_STEPS) -> tuple[frozenset[str], str, bool] | None:
        """What `node` takes an attribute of, which, and whether as a string; None if it takes none."""
        match node:
            case ast.Attribute(value=value, attr=attribute):
                return self.paths(value, steps - 1), attribute, False
            case _ if self.strict:
                return None
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
            values = scope.bound[name]
            if self.strict and scope.parent is None:
                values = values[-1:]
            scope.known[name] = scope._any_of(values, steps + 1)
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
