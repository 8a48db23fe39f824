"""The decorators of hidden suites: which class tests which exercise, which function is which mistake."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Literal, TypeVar

from ..errors import ContentError

C = TypeVar("C", bound=type)
F = TypeVar("F", bound=Callable[..., Any])

Kind = Literal["value", "rule"]
Stakes = Literal["", "trap", "slip"]


@dataclass(frozen=True)
class TestMark:
    """What `value` and `rule` note about a test."""

    __test__ = False

    kind: Kind
    weight: float


def exercise(id: str) -> Callable[[C], C]:
    """Marks a class as the tests of the exercise `id`."""

    def mark(cls: C) -> C:
        marked: Any = cls
        marked.__exercise__ = id
        marked.__test__ = True  # how pytest is told, whatever the name
        return cls

    return mark


def value(weight: float = 1) -> Callable[[F], F]:
    """Marks a test that compares with the reference, torch or a closed form."""
    return _test("value", weight)


def rule(weight: float = 1) -> Callable[[F], F]:
    """Marks a test of a property; it counts only once a value test of the exercise passes."""
    return _test("rule", weight)


def _test(kind: Kind, weight: float) -> Callable[[F], F]:
    def mark(function: F) -> F:
        if not (function.__doc__ or "").strip():
            raise ContentError(f"the test {function.__name__!r} has no docstring: students read it")
        marked: Any = function
        marked.__mark__ = TestMark(kind, weight)
        marked.__test__ = True
        return function

    return mark


@dataclass(frozen=True)
class Answer:
    """A known mistake or a correct variant: something that a student might write.

    `defines` is the name that it stands in for; the exercise's other names come from the reference.
    """

    exercise: str
    id: str
    title: str
    hint: str
    defines: str
    object: Any
    correct: bool
    only_hidden: bool = False  # a mistake that the public checks do not see
    stakes: Stakes = ""  # of a mistake: how much of the points it may keep

    @property
    def source(self) -> str:
        """Its source as a student would have written it: under the expected name, with what it needs."""
        from .source import as_submitted

        return as_submitted(self.object, self.defines)


def mistake(
    exercise: str,
    *,
    title: str,
    hint: str,
    defines: str = "",
    only_hidden: bool = False,
    stakes: Stakes = "",
) -> Callable[[F], F]:
    """Marks a function or class as a known mistake. `hint` is what the student reads, below `title`.

    only_hidden  The public checks hold for it, and it is for the hidden tests to find.
    stakes       "trap": what the exercise is there to teach, which costs a third of its points or more;
                 "slip": right but for how the answer is given, which costs half of them or less.
    """
    return _answer(exercise, title, hint, defines, False, only_hidden, stakes)


def variant(exercise: str, *, title: str, defines: str = "") -> Callable[[F], F]:
    """Marks a function or class as a correct answer, written in another way than the reference."""
    return _answer(exercise, title, "", defines, True)


def _answer(
    exercise: str,
    title: str,
    hint: str,
    defines: str,
    correct: bool,
    only_hidden: bool = False,
    stakes: Stakes = "",
) -> Callable[[F], F]:
    def mark(object: F) -> F:
        name, stands_for = object.__name__, defines or exercise
        answer = Answer(exercise, name, title, hint, stands_for, object, correct, only_hidden, stakes)
        marked: Any = object
        marked.__answer__ = answer
        return object

    return mark


def answers_in(module: ModuleType) -> list[Answer]:
    """All the marked functions and classes of a module, in the order in which it defines them."""
    return [
        member.__answer__
        for member in vars(module).values()
        if getattr(member, "__module__", None) == module.__name__ and "__answer__" in vars(member)
    ]
