"""A quiz's cell that raised: its entries once more, each by itself, so that one slip costs one answer.

    answers = {"q1": 12, "q3": c}    # NameError: without this the whole dictionary is lost

`course check` and grading both do this to a cell that has raised; Jupyter shows the error and stops.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from course.catalogue.answers import Other
from course.cells.python import parsed

ANSWERS = "answers"
_EVALUATE = "__by_itself"  # a name of ours among the notebook's, for as long as this runs
_SIMPLE = (ast.Assign, ast.AnnAssign, ast.AugAssign, ast.Expr)
_BOUND_TO_PLACE = (ast.Await, ast.Yield, ast.YieldFrom, ast.NamedExpr)  # mean something else in a lambda


def go_on(error: BaseException, source: str, name: str, namespace: dict[str, Any]) -> None:
    """Goes on where a statement that sets `answers` raised; what cannot be had is an `Other` that says why.

    `source` is the cell and `name` the file name that it ran under. Raises nothing of its own or the cell's.
    """
    if not isinstance(error, Exception) or ANSWERS not in source:
        return
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename != name:
        trace = trace.tb_next
    if trace is None or trace.tb_frame.f_code.co_name != "<module>":
        return
    line = trace.tb_lineno
    with suppress(Exception, SystemExit):
        body = parsed(source).body
        failed = [one for one in body if one.lineno <= line <= (one.end_lineno or 0) and _sets_answers(one)]
        rest = body[body.index(failed[0]) :]
        apart = [_Apart(source).visit(one) if _sets_answers(one) else one for one in rest]
        tree = ast.fix_missing_locations(ast.Module(apart, []))
        namespace[_EVALUATE] = _by_itself
        exec(compile(tree, name, "exec", dont_inherit=True), namespace)
    namespace.pop(_EVALUATE, None)


def _sets_answers(statement: ast.stmt) -> bool:
    """`answers = ...`, `answers["q1"] = ...`, `answers |= ...`, `answers.update(...)`."""
    if not isinstance(statement, _SIMPLE):
        return False
    return any(isinstance(node, ast.Name) and node.id == ANSWERS for node in ast.walk(statement))


def _by_itself(evaluate: Callable[[], Any], source: str) -> Any:
    try:
        return evaluate()
    except NameError as error:
        if error.name == source:
            return Other(f"`{source}`, which is not defined")
        return Other(f"`{source}`, in which {error.name or 'a name'} is not defined")
    except Exception as error:
        return Other(f"`{source}`, which raises {type(error).__name__}")


class _Apart(ast.NodeTransformer):
    """Wraps keys and values of dictionaries, named arguments, and what is assigned to `answers[...]`."""

    def __init__(self, source: str) -> None:
        self._source = source

    def visit_Dict(self, node: ast.Dict) -> ast.Dict:
        keys = [key and self._apart(key) for key in node.keys]
        # None stands before `**others`, of which the entries are not to be seen.
        values = [self._apart(v) if key else v for key, v in zip(node.keys, node.values, strict=True)]
        return ast.copy_location(ast.Dict(keys, values), node)

    def visit_Call(self, node: ast.Call) -> ast.AST:
        for word in node.keywords:
            if word.arg:
                word.value = self._apart(word.value)
        return self.generic_visit(node)

    def visit_Assign(self, node: ast.Assign) -> ast.AST:
        if all(isinstance(target, ast.Subscript) for target in node.targets):
            node.value = self._apart(node.value)
            return node
        return self.generic_visit(node)

    def visit_Lambda(self, node: ast.Lambda) -> ast.AST:
        return node

    visit_DictComp = visit_ListComp = visit_SetComp = visit_GeneratorExp = visit_Lambda  # type: ignore[assignment]  # of other nodes

    def _apart(self, value: ast.expr) -> ast.expr:
        if isinstance(value, ast.Constant) or any(isinstance(n, _BOUND_TO_PLACE) for n in ast.walk(value)):
            return value
        text = " ".join((ast.get_source_segment(self._source, value) or "this").split())
        arguments = ast.arguments([], [], None, [], [], None, [])
        shown = text if len(text) <= 40 else f"{text[:37]}..."
        call = ast.Call(
            ast.Name(_EVALUATE, ast.Load()), [ast.Lambda(arguments, value), ast.Constant(shown)], []
        )
        return ast.copy_location(call, value)
