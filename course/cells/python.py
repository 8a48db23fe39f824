"""Python as it stands in cells: parsed and never run; what of it is a stub; what newer Pythons brought."""

from __future__ import annotations

import ast
import re
import sys
import warnings
from collections.abc import Iterator
from dataclasses import dataclass

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
HERE = "Python {}.{}".format(*sys.version_info)


@dataclass(frozen=True)
class Cell:
    """Code that parses: a cell, or a part of one. Line n of `source` is line n of the cell as it was written.

    `number` is the cell's 1-based place among all cells of the notebook; `exercise` is the id of the exercise
    that it answers, or None.
    """

    number: int
    source: str
    exercise: str | None = None


def parsed(source: str) -> ast.Module:
    """`ast.parse` without its warnings (`"\\d"`, `x is 1`): they would go to the reader's own output."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ast.parse(source)


# ------------------------------------------------------------------------------------------ what is a stub


def is_stub(statement: ast.stmt) -> bool:
    """Whether a function does nothing but raise NotImplementedError, or each of a class's methods."""
    match statement:
        case ast.FunctionDef() | ast.AsyncFunctionDef():
            return len(body := _without_docstring(statement)) == 1 and _raises(body[0])
        case ast.ClassDef():
            methods = [part for part in _without_docstring(statement) if isinstance(part, Definition)]
            return bool(methods) and all(_is_stub_of_method(method) for method in methods)
    return False


def raise_left_behind(statement: ast.stmt) -> ast.Raise | None:
    """The `raise NotImplementedError` that keeps a function or method with code of its own from returning."""
    if is_stub(statement):
        return None
    parts = statement.body if isinstance(statement, ast.ClassDef) else [statement]
    for part in parts:
        if isinstance(part, ast.FunctionDef | ast.AsyncFunctionDef):
            for line in part.body:
                if _raises(line):
                    assert isinstance(line, ast.Raise)
                    return line
                if any(isinstance(inner, ast.Return | ast.Raise | ast.Yield) for inner in _inside(line)):
                    break  # what stands below may never run
    return None


def _is_stub_of_method(method: ast.stmt) -> bool:
    match _without_docstring(method):
        case [ast.Expr(value=ast.Call(func=ast.Attribute(attr="__init__"))), ast.Raise() as end]:
            return _raises(end)  # below `super().__init__()`
    return is_stub(method)


def _without_docstring(definition: ast.stmt) -> list[ast.stmt]:
    assert isinstance(definition, Definition)
    match definition.body:
        case [ast.Expr(value=ast.Constant(value=str())), *rest]:
            return rest
    return definition.body


def _raises(statement: ast.stmt) -> bool:
    match statement:
        case ast.Raise(exc=ast.Name(id=name) | ast.Call(func=ast.Name(id=name))):
            return name == "NotImplementedError"
    return False


def _inside(statement: ast.stmt) -> Iterator[ast.AST]:
    """Each node of a statement that is in no function or class within it."""
    waiting: list[ast.AST] = [statement]
    while waiting:
        node = waiting.pop()
        if not isinstance(node, Definition | ast.Lambda):
            yield node
            waiting.extend(ast.iter_child_nodes(node))


# ------------------------------------------------------------------------------------------ what is no Python

_CONFLICT = re.compile(r"(?:<{7}|={7}|>{7}|\|{7})(?: |$)")
_OF_NEWER_PYTHONS = (
    (
        (3, 12),
        re.compile(r"""\b[rR]?[fF][rR]?(["'])[^"'\n]*\{[^}\n]*(?:\1|\\|\#)"""),
        "quotes of the same kind, backslashes and comments inside the braces of an f-string",
    ),
    ((3, 12), re.compile(r"^\s*type\s+\w+\s*(?:\[.*)?="), "lines like `type X = ...`"),
    ((3, 12), re.compile(r"^\s*(?:async\s+def|def|class)\s+\w+\s*\["), "type parameters in square brackets"),
    ((3, 14), re.compile(r"""(?<![\w"'])(?:[tT][rR]?|[rR][tT])["']"""), "t-strings"),
    ((3, 14), re.compile(r"^\s*except\*?\s+[\w.]+\s*,[^:(]*:"), "several exceptions without brackets"),
)


def explained(error: SyntaxError, source: str, written_with: tuple[int, ...] = ()) -> str:
    """The error's message, and which Python this is; where another one would take it, that too.

    `written_with` is the Python that the notebook was last run with, where its file says so.
    """
    lines = source.split("\n")
    line = lines[error.lineno - 1] if error.lineno and error.lineno <= len(lines) else ""
    if _CONFLICT.match(line):
        return "this line is a mark of an unfinished git merge: keep one of the two versions without it"
    for since, looks_like, what in _OF_NEWER_PYTHONS:
        of_f_string = "f-string" in what and error.msg.startswith("f-string")
        if sys.version_info < since and (of_f_string or looks_like.search(line)):
            return f"{error.msg} (read by {HERE}: {what} are understood from {since[0]}.{since[1]} on)"
    if written_with[:2] > sys.version_info[:2]:
        theirs = ".".join(map(str, written_with[:2]))
        return f"{error.msg} (read by {HERE}, and written with {theirs}: use what both understand)"
    return f"{error.msg} (read by {HERE})"
