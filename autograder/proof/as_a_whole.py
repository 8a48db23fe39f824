"""Which behaviours (`behaviours.py`) a definition may have instead of its own, as its annotations tell."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

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
    tensors = [name for name, annotation in given.items() if _of_tensors(annotation)]
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
        yield "refusing_gaps({})", "refuses arguments that are not contiguous"
    # A module's answer equals what it was given by chance alone.
    if not module and any(_may_equal(given[name], returned) for name in tensors):
        yield "given_back({})", "gives back an argument that its answer equals"
    if module:
        yield from ((f"{name}({{}})", words) for name, words in FOR_MODULES.items())


def _forward(node: ast.ClassDef) -> ast.FunctionDef | None:
    """Of a class of modules the method that answers."""
    methods = (part for part in node.body if isinstance(part, ast.FunctionDef))
    return next((method for method in methods if method.name == "forward"), None)


def _of_tensors(annotation: str) -> bool:
    return "Tensor" in annotation and not annotation.startswith("Callable")


def _may_equal(given: str, returned: str) -> bool:
    """Whether some numbers of these two kinds may be the same: not with another count of dimensions."""
    counts = [
        {len(axes.split()) for axes in re.findall(r"Tensor, '([^']*)'", annotation)}
        for annotation in (given, returned)
    ]
    open_ended = "..." in given or "..." in returned or not all(counts)
    return _differentiable(given) == _differentiable(returned) and (open_ended or bool(counts[0] & counts[1]))


def _differentiable(annotation: str) -> bool:
    whole = annotation.startswith(("Int[", "Bool[", "UInt["))
    return "Tensor" in annotation and not whole
