"""What the statements of a cell bind at the notebook's top level, and whether two statements are the same.

Nothing here recurses: a hostile cell can nest deeper than Python's stack.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from itertools import zip_longest

from course.cells.python import parsed as parsed

BLOCKS = ("body", "orelse", "finalbody", "handlers", "cases")


def statements(tree: ast.Module) -> Iterator[ast.stmt]:
    """Each statement that runs at the top level, in order: also those within `if`, `for`, `with`, `try`."""
    waiting: list[ast.AST] = list(reversed(tree.body))
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.stmt):
            yield node
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            inner = [child for block in BLOCKS for child in getattr(node, block, ())]
            waiting.extend(reversed(inner))


def outside_functions(tree: ast.AST, classes: bool = True) -> Iterator[ast.AST]:
    """Each node that is in no function, statements and expressions; nor in a class, unless `classes`.

    The function or class itself is one of them, as it binds its name.
    """
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        yield node
        closed = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        if not closed and (classes or not isinstance(node, ast.ClassDef)):
            waiting.extend(reversed(list(ast.iter_child_nodes(node))))


def all_changed(statement: ast.stmt) -> set[str]:
    """`changed` of a top-level statement and of those in its blocks: `if`, `for`, `with`, `try`."""
    return {name for one in statements(ast.Module([statement], [])) for name in changed(one)}


def changes(tree: ast.Module) -> list[tuple[str, ast.stmt]]:
    """Each top-level name that the cell binds or changes in place, with the statement that does."""
    return [(name, statement) for statement in statements(tree) for name in sorted(changed(statement))]


def changed(statement: ast.stmt) -> set[str]:
    """The top-level names that this one statement binds, or whose object it may change in place.

    `f = g`, `def f`, `class f`, `import f`, `for f in`, `with ... as f`, `(f := g)`; and in place `f.x = y`,
    `f[x] = y`, `del f`, `f.update(...)`, `setattr(f, ...)`, and `global f` within a function.
    """
    match statement:
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            return {name} | _declared_global(statement)
        case ast.Import(names=aliases) | ast.ImportFrom(names=aliases):
            return {alias.asname or alias.name.partition(".")[0] for alias in aliases}
        case ast.Expr(value=ast.Call(func=ast.Attribute() as method)):
            return {root(method)} - {""} | _walrus(statement)
        case ast.Expr(value=ast.Call(func=ast.Name(id="setattr"), args=[first, *_])):
            return {root(first)} - {""}
    found = _walrus(statement)
    for target in targets(statement):
        found |= {root(part) for part in parts(target)}
    if isinstance(statement, ast.Try):
        found |= {handler.name for handler in statement.handlers if handler.name}
    return found - {""}


def binds_anew(statement: ast.stmt, name: str) -> bool:
    """Whether the name means something of its own after the statement, whatever it meant before."""
    match statement:
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
            return statement.name == name
        case ast.Import() | ast.ImportFrom():
            return name in changed(statement)
        case ast.Assign() | ast.AnnAssign():
            found = [part for target in targets(statement) for part in parts(target)]
            return any(isinstance(part, ast.Name) and part.id == name for part in found)
    return False


def targets(statement: ast.stmt) -> list[ast.expr]:
    """What the statement assigns to."""
    match statement:
        case ast.Assign(targets=found) | ast.Delete(targets=found):
            return found
        case ast.AnnAssign() | ast.AugAssign() | ast.For() | ast.AsyncFor():
            return [statement.target]
        case ast.With(items=items) | ast.AsyncWith(items=items):
            return [item.optional_vars for item in items if item.optional_vars]
    return []


def parts(target: ast.expr) -> Iterator[ast.expr]:
    """`a`, `b.x` and `c[0]` of `a, (b.x, *c[0])`."""
    waiting = [target]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Tuple | ast.List):
            waiting.extend(node.elts)
        elif isinstance(node, ast.Starred):
            waiting.append(node.value)
        else:
            yield node


def root(node: ast.AST) -> str:
    """`a` of `a.b[0].c`; empty where that is no name."""
    while isinstance(node, ast.Attribute | ast.Subscript):
        node = node.value
    return node.id if isinstance(node, ast.Name) else ""


def _walrus(statement: ast.stmt) -> set[str]:
    waiting: list[ast.AST] = [child for child in ast.iter_child_nodes(statement) if _is_expression(child)]
    found = set()
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.NamedExpr):
            found.add(node.target.id)
        waiting.extend(ast.iter_child_nodes(node))
    return found


def _is_expression(node: ast.AST) -> bool:
    return isinstance(node, ast.expr | ast.withitem)


def _declared_global(definition: ast.stmt) -> set[str]:
    found: set[str] = set()
    waiting: list[ast.AST] = [definition]  # statements and their blocks alone: expressions declare nothing
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Global):
            found.update(node.names)
        waiting.extend(child for block in BLOCKS for child in getattr(node, block, ()))
    return found


def same(one: ast.AST, other: ast.AST) -> bool:
    """Whether both are the same code, whatever their comments and layout."""
    return all(a == b for a, b in zip_longest(_tokens(one), _tokens(other)))


def _tokens(node: ast.AST) -> Iterator[object]:
    waiting: list[object] = [node]
    while waiting:
        part = waiting.pop()
        yield type(part)
        if isinstance(part, ast.AST):
            waiting.extend(getattr(part, field, None) for field in reversed(part._fields))
        elif isinstance(part, list):
            yield len(part)
            waiting.extend(reversed(part))
        else:
            yield part
