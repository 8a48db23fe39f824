"""A known mistake's source, cut out of its file so that it can stand alone in a notebook."""

from __future__ import annotations

import ast
import copy
import inspect
from functools import cache
from types import ModuleType
from typing import Any


def as_submitted(marked: Any, name: str) -> str:
    """The file's imports from torch and friends, the private names it uses, and itself, renamed to `name`.

    Of its decorators only the mark is left out: what `@torch.no_grad()` does is part of the answer.
    """
    module = inspect.getmodule(marked)
    assert module is not None
    imports: list[ast.stmt] = []
    private: dict[str, ast.stmt] = {}
    chosen: ast.FunctionDef | ast.ClassDef | None = None
    for node in _statements(module):
        if isinstance(node, ast.Import) or (
            isinstance(node, ast.ImportFrom)
            and node.level == 0
            and (node.module or "").split(".")[0] not in ("autograder", "solutions", "__future__")
        ):
            imports.append(node)
        elif isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            if node.name == marked.__name__:
                chosen = copy.copy(node)
            elif node.name.startswith("_"):
                private[node.name] = node
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            private[node.targets[0].id] = node
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            private[node.target.id] = node
    assert chosen is not None, f"{marked.__name__} is not at the top level of its file"
    chosen.decorator_list = [each for each in chosen.decorator_list if not _is_mark(each)]
    chosen.name = name
    needed = [private[name] for name in private if name in _reached(chosen, private)]
    return "\n\n".join(ast.unparse(node) for node in (*imports, *needed, chosen)) + "\n"


def _is_mark(decorator: ast.expr) -> bool:
    return (
        isinstance(decorator, ast.Call)
        and isinstance(decorator.func, ast.Name)
        and decorator.func.id in ("mistake", "variant")
    )


@cache
def _statements(module: ModuleType) -> list[ast.stmt]:
    return ast.parse(inspect.getsource(module)).body


def _reached(node: ast.AST, private: dict[str, ast.stmt]) -> set[str]:
    """The private names that `node` uses, and those that they use in turn."""
    reached: set[str] = set()
    waiting = [node]
    while waiting:
        for part in ast.walk(waiting.pop()):
            if isinstance(part, ast.Name) and part.id in private and part.id not in reached:
                reached.add(part.id)
                waiting.append(private[part.id])
    return reached
