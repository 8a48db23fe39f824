"""What may stand in a solution instead of one of its nodes: slips of the kind that programs have."""

from __future__ import annotations

import ast
import copy
from collections.abc import Callable, Collection, Iterator
from typing import Any, NamedTuple


class Alternative(NamedTuple):
    """What stands there instead, and what is said of the change."""

    node: ast.AST
    before: str
    after: str


# By what an operator may be replaced.
_OPERATORS: dict[type[ast.AST], tuple[Callable[[], Any], ...]] = {
    ast.Add: (ast.Sub,),
    ast.Sub: (ast.Add,),
    ast.Mult: (ast.Div, ast.Add),
    ast.Div: (ast.Mult, ast.FloorDiv),
    ast.FloorDiv: (ast.Div,),
    ast.Mod: (ast.Mult,),
    ast.Pow: (ast.Mult,),
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
    ast.And: (ast.Or,),
    ast.Or: (ast.And,),
}
_COMMUTE = (ast.Add, ast.Mult, ast.BitOr, ast.BitAnd, ast.BitXor)
_SYMMETRIC = frozenset({"transpose", "swapaxes", "swapdims"})  # the last two arguments may change places
_NAMES = {
    "sin": "cos",
    "min": "max",
    "floor": "ceil",
    "sum": "mean",
    "exp": "expm1",
    "any": "all",
    "zeros": "ones",
    "zeros_like": "ones_like",
    "float32": "float64",
}
_OTHER_NAMES = _NAMES | {other: name for name, other in _NAMES.items()}
_DROPPED = (ast.Assign, ast.AugAssign, ast.Expr, ast.Raise, ast.Assert, ast.Delete, ast.Continue, ast.Break)


def alternatives(node: ast.AST, imported: Collection[str] = ()) -> Iterator[Alternative]:
    """Everything that may stand in the place of `node`; `imported` are the names that the file imports."""
    if isinstance(node, _DROPPED) or (isinstance(node, ast.AnnAssign) and node.value):
        yield Alternative(ast.Pass(), said(node), "pass")
    match node:
        case ast.Constant() | ast.UnaryOp(op=ast.USub(), operand=ast.Constant()):
            yield from _each(node, map(ast.Constant, _other_numbers(ast.literal_eval(node))))
        case ast.UnaryOp():
            yield from _each(node, [node.operand])
        case ast.BinOp():
            others = [_with(node, op=op()) for op in _OPERATORS.get(type(node.op), ())]
            turned = [] if isinstance(node.op, _COMMUTE) else [_with(node, left=node.right, right=node.left)]
            yield from _each(node, [*others, *turned, node.left, node.right])
        case ast.AugAssign():
            yield from _each(node, [_with(node, op=op()) for op in _OPERATORS.get(type(node.op), ())])
        case ast.BoolOp():
            yield from _each(node, [_with(node, op=op()) for op in _OPERATORS[type(node.op)]])
            yield from _each(node, [_with(node, values=rest) for rest in _without_one(node.values)])
        case ast.Compare(ops=[op]):
            yield from _each(node, [_with(node, ops=[other()]) for other in _OPERATORS.get(type(op), ())])
        case ast.If() | ast.While() | ast.IfExp():
            for value in (True, False):
                yield Alternative(_with(node, test=ast.Constant(value)), said(node.test), str(value))
        case ast.For() | ast.comprehension():
            for cut in ("[1:]", "[:-1]"):
                shorter = ast.parse(f"list({ast.unparse(node.iter)}){cut}", mode="eval").body
                yield Alternative(_with(node, iter=shorter), said(node.iter), said(shorter))
            if isinstance(node, ast.comprehension) and node.ifs:
                yield Alternative(_with(node, ifs=[]), f"if {said(node.ifs[0])}", "")
        case ast.With():
            yield Alternative(ast.If(ast.Constant(True), node.body, []), said(node), "")
        case ast.Slice():
            for bound in ("lower", "upper"):
                if getattr(node, bound) is not None:
                    yield from _each(node, [_with(node, **{bound: None})])
        case ast.Tuple(elts=[first, second], ctx=ast.Load()):
            yield from _each(node, [_with(node, elts=[second, first])])
        case ast.Attribute(attr=attr) if attr in _OTHER_NAMES:
            yield Alternative(_with(node, attr=_OTHER_NAMES[attr]), attr, _OTHER_NAMES[attr])
        case ast.Call():
            yield from _of_call(node, imported)
        case ast.arguments():
            for at, (one, other) in enumerate(zip(node.args, node.args[1:], strict=False)):
                if (
                    one.annotation
                    and other.annotation
                    and ast.dump(one.annotation) == ast.dump(other.annotation)
                ):
                    turned_args = [*node.args[:at], other, one, *node.args[at + 2 :]]
                    names = f"{one.arg}, {other.arg}", f"{other.arg}, {one.arg}"
                    yield Alternative(_with(node, args=turned_args), *names)
        case ast.FunctionDef() | ast.ClassDef():
            for decorator, rest in zip(node.decorator_list, _without_one(node.decorator_list), strict=True):
                yield Alternative(_with(node, decorator_list=rest), f"@{said(decorator)}", "")


def said(node: ast.AST, most: int = 48) -> str:
    """A node in a few words: its first line, and of a long operation both ends of both sides."""
    if isinstance(node, ast.BinOp) and len(ast.unparse(node)) > most:
        names = [ast.Name(_in_brackets(side, most // 2)) for side in (node.left, node.right)]
        return ast.unparse(ast.BinOp(names[0], node.op, names[1]))
    return _short(headline(node), most)


def headline(node: ast.AST) -> str:
    """The first line of a node, decorators left out."""
    lines = ast.unparse(node).splitlines() or [""]
    return next((line for line in lines if not line.startswith("@")), lines[0])


def _in_brackets(node: ast.expr, most: int) -> str:
    text = _short(ast.unparse(node), most)
    return f"({text})" if isinstance(node, ast.BinOp) else text


def _short(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 12]}…{text[-11:]}"


def _each(node: ast.AST, others: Any) -> Iterator[Alternative]:
    for other in others:
        yield Alternative(other, said(node), said(other))


def _with(node: ast.AST, **changed: Any) -> Any:
    new = copy.copy(node)
    for name, value in changed.items():
        setattr(new, name, value)
    return new


def _without_one(entries: list[Any]) -> list[list[Any]]:
    return [entries[:at] + entries[at + 1 :] for at in range(len(entries))]


def _other_numbers(value: object) -> list[bool | int | float]:
    """For a number those beside it, 0, and it with the other sign; for anything else nothing."""
    match value:
        case bool():
            return [not value]
        case int():
            others: list[int | float] = [value + 1, value - 1, 0, -value]
        case float():
            others = [float(f"{value * 1.1:.6g}"), value + 1, 0.0, -value]
        case _:
            return []
    return [other for other in dict.fromkeys(others) if other != value]


def _of_call(call: ast.Call, imported: Collection[str]) -> Iterator[Alternative]:
    """Without the call, without one of its keywords or its last argument, with two neighbours exchanged."""
    receiver = call.func.value if isinstance(call.func, ast.Attribute) else None
    method = receiver is not None and _root(receiver) not in {*imported, "self", ""}
    if method and receiver is not None:
        yield from _each(call, [receiver])
    elif call.args and not isinstance(call.args[0], (ast.Starred, ast.GeneratorExp)):
        yield from _each(call, [call.args[0]])
    for keyword, rest in zip(call.keywords, _without_one(call.keywords), strict=True):
        yield Alternative(_with(call, keywords=rest), said(keyword), "")
    if len(call.args) > (0 if method else 1):
        yield Alternative(
            _with(call, args=call.args[:-1]), said(call), said(_with(call, args=call.args[:-1]))
        )
    pairs = list(enumerate(zip(call.args, call.args[1:], strict=False)))
    if isinstance(call.func, ast.Attribute) and call.func.attr in _SYMMETRIC:
        pairs = pairs[:-1]
    for at, (one, other) in pairs:
        exchanged = [*call.args[:at], other, one, *call.args[at + 2 :]]
        names = said(one, 24), said(other, 24)
        yield Alternative(_with(call, args=exchanged), ", ".join(names), ", ".join(names[::-1]))


def _root(node: ast.AST) -> str:
    """The name that a path of attributes begins with; of anything else that stands for a value, `-`."""
    while isinstance(node, ast.Attribute):
        node = node.value
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "super":
        return ""
    return node.id if isinstance(node, ast.Name) else "-"
