"""What the docstrings of a module's exercises promise, its suite declares, and the other way round."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from typing import Any

import pytest

from .bank import MODULES, bank

# What a docstring says, and the promise that is to test it.
SAYS = {
    "untouched": r"\bnot modified|\b(neither|none|nothing) (of them )?is modified",
    "new_tensor": r"\bnew tensors?\b",
    "as_torch_initialises": r"\bas torch initialises|\bIts start:.*as in nn\.",
}
# A docstring that promises these is held to them; that a layer can learn, and is the same in eval mode, goes
# without saying.
ALSO = {"gradients": r"\bGradients flow\b"}


def _classes(module: str) -> Iterator[tuple[str, type]]:
    for cls in vars(bank(module).suite).values():
        if inspect.isclass(cls) and "__exercise__" in vars(cls):
            yield vars(cls)["__exercise__"], cls


WITH_PROMISES = [
    module for module in MODULES if any(hasattr(cls, "__promises__") for _, cls in _classes(module))
]
EXERCISES = [(module, exercise, cls) for module in WITH_PROMISES for exercise, cls in _classes(module)]
each_exercise = pytest.mark.parametrize(
    ("module", "exercise", "cls"),
    EXERCISES,
    ids=[f"{module}.{exercise}" for module, exercise, _ in EXERCISES],
)


def said(module: str, name: str) -> str:
    """All docstrings of a function or a class, and of the function that it refers to for the rest."""
    reference: Any = getattr(bank(module).reference, name)
    parts = [reference]
    if inspect.isclass(reference) and "forward" in vars(reference):  # or it is torch's own
        parts.append(vars(reference)["forward"])
    text = " ".join(" ".join((part.__doc__ or "").split()) for part in parts)
    other = re.search(r"Everything else is as in `(\w+)`", text)
    return f"{text} {said(module, other[1])}" if other else text


def of_exercise(module: str, exercise: str) -> str:
    return " ".join(said(module, name) for name in bank(module).exercises[exercise].defines)


@each_exercise
@pytest.mark.parametrize("promise", [*SAYS, *ALSO])
def test_a_docstrings_promise_is_tested(module: str, exercise: str, cls: type, promise: str) -> None:
    if re.search({**SAYS, **ALSO}[promise], of_exercise(module, exercise), re.IGNORECASE):
        assert promise in vars(cls), (
            f"the docstring of {exercise} promises what no test of this name asks for"
        )


@each_exercise
@pytest.mark.parametrize("promise", SAYS)
def test_what_is_tested_is_promised(module: str, exercise: str, cls: type, promise: str) -> None:
    if promise in vars(cls):
        assert re.search(SAYS[promise], of_exercise(module, exercise), re.IGNORECASE), (
            f"{promise} is asked of {exercise}, whose docstring does not promise it"
        )


@each_exercise
def test_a_class_of_modules_is_asked_in_eval_mode(module: str, exercise: str, cls: type) -> None:
    it = bank(module)
    if any(inspect.isclass(getattr(it.reference, name)) for name in it.exercises[exercise].defines):
        assert "same_in_eval" in vars(cls)


@each_exercise
def test_without_gradients_a_quarter_is_lost(module: str, exercise: str, cls: type) -> None:
    """What cannot be trained is no small slip."""
    weights = {name: mark.weight for name, _, mark in bank(module).tests[exercise]}
    if "gradients" in weights:
        assert weights["gradients"] >= sum(weights.values()) / 4
