"""Which behaviours (`behaviours.py`) a definition may have instead of its own, as its annotations tell."""

from __future__ import annotations

import ast
from collections.abc import Iterator

FOR_TENSORS = {
    "given_back": "gives back an argument that its answer equals",
    "refusing_gaps": "refuses arguments that are not contiguous",
}
FOR_MODULES = {
    "other_in_eval": "gives something else in eval mode",
    "other_without_grad": "gives something else under no_grad",
    "zeroed": "begins with parameters of zero",
    "frozen": "begins with frozen parameters",
    "made_in_double": "begins with parameters in float64",
}


def as_a_whole(node: ast.FunctionDef | ast.ClassDef) -> Iterator[tuple[str, str]]:
    """For each behaviour what calls it, the definition's name left out, and what it is in words."""
    function = node if isinstance(node, ast.FunctionDef) else _forward(node)
    if function is None:
        return
    module = function is not node
    given = {arg.arg: ast.unparse(arg.annotation) for arg in function.args.args if arg.annotation}
    returned = ast.unparse(function.returns) if function.returns else ""
    tensors = [name for name, annotation in given.items() if "Tensor" in annotation]
    for name in tensors:
        yield f"writing_to({{}}, {name!r})", f"writes to {name}"
    if "Tensor" in returned:
        if module or any(_differentiable(annotation) for annotation in given.values()):
            yield "detached({})", "detaches its answer"
            yield "without_grad({})", "works under no_grad"
        if _differentiable(returned):
            for dtype in ("float32", "float64"):
                yield f"of_dtype({{}}, {dtype!r})", f"answers in {dtype}"
        if given:
            yield "cached({})", "gives its first answer again for the same shapes"
    if returned.startswith("tuple["):
        yield "as_list({})", "gives a list instead of a tuple"
    if tensors and "Tensor" in returned:
        yield from ((f"{name}({{}})", words) for name, words in FOR_TENSORS.items())
    if module:
        yield from ((f"{name}({{}})", words) for name, words in FOR_MODULES.items())


def _forward(node: ast.ClassDef) -> ast.FunctionDef | None:
    """Of a class of modules the method that answers."""
    methods = (part for part in node.body if isinstance(part, ast.FunctionDef))
    return next((method for method in methods if method.name == "forward"), None)


def _differentiable(annotation: str) -> bool:
    whole = annotation.startswith(("Int[", "Bool[", "UInt["))
    return "Tensor" in annotation and not whole
