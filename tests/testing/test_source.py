"""A known answer as a student would have handed it in."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

import torch
from torch import Tensor

from autograder.testing import mistake
from autograder.testing.source import as_submitted

_FACTOR: int = 2


@contextmanager
def _counting(calls: list[int]) -> Iterator[None]:
    calls.append(_FACTOR)
    yield


def _context() -> AbstractContextManager[None]:
    return _counting([])


@mistake("double", title="without a gradient", hint="A gradient has to come through.")
@torch.no_grad()
def without_gradient(x: Tensor) -> Tensor:
    with _context():
        return _FACTOR * x


def test_of_the_decorators_only_the_mark_goes() -> None:
    namespace: dict[str, object] = {}
    source = as_submitted(without_gradient, "double")
    exec(source, namespace)
    double = namespace["double"]
    assert callable(double)
    assert "@mistake" not in source
    assert not double(torch.ones(2, requires_grad=True)).requires_grad


def test_what_it_uses_comes_along_and_nothing_of_the_graders() -> None:
    source = as_submitted(without_gradient, "double")
    assert "_FACTOR: int = 2" in source
    assert "def _counting" in source  # which only `_context` uses
    assert "autograder" not in source
