"""What the public checks (`course/modules/*/checks.py`) are written with.

    @exercise("stable_softmax")
    class StableSoftmax:
        def shares_add_up_to_one(self, student: Work) -> None:
            \"\"\"Scores become shares: 0 and ln 3 are in the ratio 1 : 3.\"\"\"
            close(student.stable_softmax(tensor([0.0, LN3]), dim=0), [0.25, 0.75])

The docstring is the rule; a student reads it whether it holds or not. A check is public: it has numbers
worked out by hand, and no solution. `close` names the usual mistakes by what they give (`symptoms`).
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from course.checking import show

C = TypeVar("C", bound=type)

# Relative to the largest expected value: what rounding can do to a small example, and not more.
TOLERANCE = {
    torch.float64: 1e-7,
    torch.float32: 1e-4,
    torch.float16: 4e-3,
    torch.bfloat16: 3e-2,
    torch.complex128: 1e-7,
    torch.complex64: 1e-4,
}


class Broken(AssertionError):
    """A rule that does not hold: one sentence, and further lines that show it."""

    def __init__(self, sentence: str, *lines: str) -> None:
        super().__init__(sentence)
        self.sentence, self.lines = sentence, lines


class Untouched(Exception):
    """The stub is as it was: nothing to check yet."""


class Raised(Exception):
    """The student's code raised; `error` is what it raised."""

    def __init__(self, error: BaseException, call: Call) -> None:
        super().__init__()
        self.error, self.call = error, call


@dataclass(frozen=True)
class Check:
    """One rule of one exercise; `name` is its method's, by which a hint knows it."""

    name: str
    rule: str
    run: Callable[[Work], None]


def exercise(id: str) -> Callable[[C], C]:
    """Marks a class whose public methods, in their order, are the checks of this exercise."""

    def mark(checks: C) -> C:
        marked: Any = checks
        marked._exercise = id
        return checks

    return mark


def checks_of(module: ModuleType, exercise: str) -> list[Check]:
    """The checks of an exercise that stand in the `checks.py` of a module."""
    found = [value for value in vars(module).values() if getattr(value, "_exercise", None) == exercise]
    return [
        Check(name, " ".join(str(method.__doc__).split()), getattr(collection(), name))
        for collection in found
        for name, method in vars(collection).items()
        if inspect.isfunction(method) and not name.startswith("_")
    ]


# --- Calling the student ----------------------------------------------------------------------------------


@dataclass
class Call:
    """One call of the student's code."""

    name: str
    function: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]

    def arguments(self) -> dict[str, Any]:
        """The arguments by name, as far as the names can be told."""
        target = self.function.forward if isinstance(self.function, nn.Module) else self.function
        try:
            return dict(inspect.signature(target).bind(*self.args, **self.kwargs).arguments)
        except (TypeError, ValueError):
            return {**{f"argument {i}": value for i, value in enumerate(self.args, 1)}, **self.kwargs}

    def lines(self) -> list[str]:
        """The arguments, each on a line with its name."""
        return [f"{name} = {show.value(value)}" for name, value in self.arguments().items()]


@dataclass
class Work:
    """What a student has written, as a check sees it: functions and classes as attributes; notes the calls.

    A call raises Raised for what the student's code raises, and Broken if it returns nothing or changes its
    arguments. An instance of a module class comes back as a `Layer`.
    """

    _names: Mapping[str, Any]
    _calls: list[Call] = field(default_factory=list)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name.startswith("_"):
            raise AttributeError(name)
        target = self._names[name]

        def call(*args: Any, **kwargs: Any) -> Any:
            result = self._call(Call(name, target, args, kwargs))
            if not isinstance(target, type):
                return result
            if not isinstance(result, nn.Module):
                raise Broken(f"{name} must be a subclass of nn.Module")
            return Layer(self, name, result)

        return call

    def in_place(self, name: str) -> Callable[..., None]:
        """As the attribute of this name, for a function that returns nothing."""

        def call(*args: Any, **kwargs: Any) -> None:
            self._call(Call(name, self._names[name], args, kwargs), returns=False)

        return call

    def beside(self, name: str) -> Any:
        """What the student has defined under another exercise's name, in the notebook of this function.

        Raises Broken if there is nothing of this name.
        """
        function = inspect.unwrap(next(iter(self._names.values())))  # without decorators
        place = getattr(function, "__globals__", {})
        if name not in place:
            raise Broken(f"this needs your {name}: run the cell that defines it first")
        return place[name]

    def _call(self, call: Call, returns: bool = True) -> Any:
        self._calls.append(call)
        arguments = call.arguments().items()
        before = [(name, value, value.clone()) for name, value in arguments if isinstance(value, Tensor)]
        try:
            result = call.function(*call.args, **call.kwargs)
        except (Exception, SystemExit) as error:
            raise Raised(error, call) from error
        finally:
            changed = [name for name, value, copy in before if _restored(value, copy)]
        if result is None and returns:
            raise Broken("it returned None: does it end with `return ...`?")
        if changed:
            raise Broken(f"it changed its argument {changed[0]}: make a new tensor instead")
        return result


class Layer:
    """An instance of a student's module, whose weights can be set to numbers worked out by hand."""

    def __init__(self, student: Work, name: str, module: nn.Module) -> None:
        self._student, self._name, self.module = student, name, module

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._student._call(Call(self._name, self.module, args, kwargs))

    def has_parameters(self, shapes: Mapping[str, Sequence[int]]) -> None:
        """Its parameters have these names and shapes, and there are no others."""
        own = {name: tuple(parameter.shape) for name, parameter in self.module.named_parameters()}
        for name, shape in shapes.items():
            if name not in own:
                raise Broken(f"there is no parameter `{name}`; yours are {_listed(own)}")
            if own[name] != tuple(shape):
                raise Broken(f"`{name}` has shape {own[name]}, {tuple(shape)} is expected")
        if extra := [name for name in own if name not in shapes]:
            raise Broken(f"there is a parameter too many, `{extra[0]}`{_why_extra(extra[0])}")

    def set(self, weights: Mapping[str, Any]) -> Layer:
        """Gives each parameter a value (`{"to_q.weight": [[1, 0], [0, 1]]}`; one number fills it all).

        Parameters that are not named stay as they are. Returns the layer.
        """
        own = dict(self.module.named_parameters())
        with torch.no_grad():
            for name, value in weights.items():
                if name not in own:
                    raise Broken(f"there is no parameter `{name}`; yours are {_listed(own)}")
                new = torch.as_tensor(value, dtype=own[name].dtype)
                if new.dim() and new.shape != own[name].shape:
                    raise Broken(
                        f"`{name}` has shape {tuple(own[name].shape)}, {tuple(new.shape)} is expected"
                    )
                own[name].copy_(new)
        return self


def _restored(value: Tensor, copy: Tensor) -> bool:
    """Whether it had to be: the report shows what it was called with, and the next call finds it so.

    Its numbers are put back where they lay: they may be part of what other checks are called with.
    """
    if _same(value, copy):
        return False
    if value.shape == copy.shape and value.is_contiguous():
        value.detach().copy_(copy)
    else:
        value.data = copy
    return True


def _same(one: Tensor, other: Tensor) -> bool:
    return one.shape == other.shape and bool(((one == other) | ((one != one) & (other != other))).all())


def _listed(names: Mapping[str, Any]) -> str:
    return ", ".join(names) or "none: is each layer assigned to `self`?"


def _why_extra(name: str) -> str:
    return ": that layer has no bias (bias=False)" if name.endswith(".bias") else ""


# --- What may be asked of an answer -----------------------------------------------------------------------


def close(
    answer: Any,
    expected: Tensor | Sequence[Any],
    *,
    symptoms: Mapping[str, Tensor | Sequence[Any]] | None = None,
    tolerance: float | None = None,
) -> None:
    """The answer is an ordinary tensor of the expected shape, dtype and values.

    A list stands for a tensor of the default dtype. `symptoms` are what known mistakes give instead: a
    sentence for each, said if the answer is that. `tolerance` is relative to the largest expected value; by
    default it is the dtype's, and more is needed where one may compute in another dtype on the way.
    """
    expected = torch.as_tensor(expected)
    own = ordinary(answer)
    if own.shape != expected.shape:
        raise Broken(
            *_named(own, expected, symptoms),
            f"the shape is {tuple(own.shape)}, it should be {tuple(expected.shape)}",
            f"you returned  {show.value(own)}",
            f"expected      {show.value(expected)}",
        )
    if own.dtype != expected.dtype:
        raise Broken(
            f"the dtype is {show.dtype(own)}, it should be {show.dtype(expected)}, as that of the input"
        )
    if _apart(own, expected, tolerance) <= 1:
        return
    raise Broken(
        *_named(own, expected, symptoms),
        show.difference(own, expected),
        f"you returned  {show.value(own)}  {show.kind(own)}",
        f"expected      {show.value(expected)}",
    )


def ordinary(answer: Any) -> Tensor:
    """The answer as a plain tensor; raises Broken if it is none."""
    if not isinstance(answer, Tensor):
        raise Broken(
            f"a tensor is expected, {show.a(answer)} was returned", f"you returned  {show.value(answer)}"
        )
    try:
        plain = answer.detach().as_subclass(Tensor)
        plain.isnan().any().item()
    except Exception as error:
        raise Broken(
            f"an ordinary tensor is expected, {show.a(answer)} was returned that cannot be read "
            f"({type(error).__name__})"
        ) from None
    return plain


def holds(condition: object, sentence: str) -> None:
    """Raises Broken with the sentence if the condition is false."""
    if not condition:
        raise Broken(sentence)


def _apart(own: Tensor, expected: Tensor, tolerance: float | None = None) -> float:
    """How far an answer is off, in tolerances: 1 is still right. Infinite where it cannot be counted."""
    if own.shape != expected.shape:
        return math.inf
    own, expected = own.detach(), expected.detach()
    wide = torch.promote_types(own.dtype, expected.dtype)
    if not expected.is_floating_point() and not expected.is_complex():
        return 0.0 if torch.equal(own.to(wide), expected.to(wide)) else math.inf
    if not expected.numel():
        return 0.0
    scale = float(expected.abs().nan_to_num(posinf=0, neginf=0).max())
    allowed = (tolerance or TOLERANCE.get(expected.dtype, 1e-4)) * max(scale, 1e-3)
    wide = torch.promote_types(wide, torch.float64)
    own, expected = own.to(wide), expected.to(wide)
    error = (own - expected).abs().masked_fill((own == expected) | (own.isnan() & expected.isnan()), 0)
    return float(error.nan_to_num(nan=math.inf).max()) / allowed


def _named(
    own: Tensor, expected: Tensor, symptoms: Mapping[str, Tensor | Sequence[Any]] | None
) -> Iterator[str]:
    """The sentence of the mistake that gives this, if one does."""
    for sentence, values in (symptoms or {}).items():
        if _apart(own, torch.as_tensor(values, dtype=expected.dtype)) <= 1:
            yield sentence
            return
