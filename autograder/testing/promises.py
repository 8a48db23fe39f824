"""What the docstrings of many exercises promise in the same words, each tested in one way.

    def examples(draw):
        yield Example(reference.q_sample, draw.normal(3, 2, 4, 5), t, noise, alphas_cumprod)

    @exercise("q_sample")
    @promises(examples, untouched(), new_tensor(), gradients(weight=4, to=["x0", "noise"]))
    class QSample:
        ...

Each becomes a hidden test of the exercise, under its own name; what is expected is what the reference gives.
An exercise declares what its docstring promises: `tests/modules/test_promises.py` holds the two together.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

import torch
from torch import Tensor, nn

from ..contract.line import Kept
from ..contract.student import Function, Handle, Student
from .assertions import Mismatch, assert_close, assert_tensor
from .draw import Draw
from .marks import Kind, rule, value
from .modules import assert_gradients, made, twins

C = TypeVar("C", bound=type)


class Example:
    """A call as a notebook might make it, with all its arguments in their order.

    of         the reference's function, or its class of modules: of that one is made, and called.
    args       of the call; a model that gradients flow through is `differentiable(model)`.
    made_with  of the class, in their order; a layer among them is a `part`.
    """

    def __init__(self, of: Callable[..., Any], *args: Any, made_with: Sequence[Any] = ()) -> None:
        self.of, self.args, self.made_with = of, args, tuple(made_with)

    def asked(self, student: Student, draw: Draw) -> Asked:
        """The example, put to a student; a module of theirs has the reference's weights."""
        of: Any = self.of
        if not isinstance(of, type):
            return Asked(student.function(of.__name__), self.of, self.args)
        handle, module = twins(student, draw, cast(Any, of), *self.made_with, dtype=self._dtype())
        return Asked(handle, module, self.args)

    def _dtype(self) -> torch.dtype:
        floats = [arg.dtype for arg in self.args if isinstance(arg, Tensor) and arg.is_floating_point()]
        return floats[0] if floats else torch.float64


@dataclass
class Asked:
    """The student's function or module, the reference's, and what both are called with."""

    student: Function
    reference: Callable[..., Any]
    args: tuple[Any, ...]
    names: list[str] = field(init=False)

    def __post_init__(self) -> None:
        of: Any = self.reference
        of = of.forward if isinstance(of, nn.Module) else of
        self.names = list(inspect.signature(of).parameters)[: len(self.args)]

    @property
    def expected(self) -> Any:
        return self.expected_of(self.args)

    def expected_of(self, args: Sequence[Any]) -> Any:
        """What the reference gives for these, and changes nothing of them."""
        with torch.no_grad():
            return self.reference(*(_own(arg) for arg in args))


def _own(arg: Any) -> Any:
    if isinstance(arg, Kept):
        return arg.function
    return arg.clone() if isinstance(arg, Tensor) else arg


Examples = Callable[[Draw], Iterator[Example]]


@dataclass(frozen=True)
class Promise:
    """`holds` raises Mismatch for an example for which it does not; `starts` does without one."""

    name: str
    says: str  # the test's sentence for the student
    holds: Callable[[Asked, Draw], None] | None = None
    starts: Callable[[Student, Draw], None] | None = None
    kind: Kind = "value"
    weight: float = 1
    examples: Examples | None = None  # of its own, where the exercise's will not do


def promises(examples: Examples, *declared: Promise) -> Callable[[C], C]:
    """Gives the class of an exercise's tests one more for each promise."""

    def add(cls: C) -> C:
        for promise in declared:
            setattr(cls, promise.name, _test(promise, promise.examples or examples))
        marked: Any = cls
        marked.__promises__ = tuple(promise.name for promise in declared)
        return cls

    return add


def _test(promise: Promise, examples: Examples) -> Any:
    def test(self: object, student: Student, draw: Draw) -> None:
        if promise.starts:
            promise.starts(student, draw)
        if promise.holds:
            for example in examples(draw):
                promise.holds(example.asked(student, draw), draw)

    test.__name__ = test.__qualname__ = promise.name
    test.__doc__ = promise.says
    return (value if promise.kind == "value" else rule)(promise.weight)(test)


def same(found: Any, expected: Any, rtol: float | None = None, check_dtype: bool = True) -> None:
    """The answer is the expected tensor, or tuple of tensors."""
    tensors = expected if isinstance(expected, tuple) else (expected,)
    answers = found if isinstance(expected, tuple) else (found,)
    if not isinstance(answers, (tuple, list)) or len(answers) != len(tensors):
        raise Mismatch(f"{len(tensors)} tensors were expected")
    for own, wanted in zip(answers, tensors, strict=True):
        assert_close(own, wanted, rtol=rtol, check_dtype=check_dtype)


def _same_numbers(found: Any, expected: Any, rtol: float | None) -> None:
    """As `same`, in whatever dtype: that is for `dtypes` to ask, so that one slip breaks one promise."""
    same(found, expected, rtol, check_dtype=False)


# --- The promises -----------------------------------------------------------------------------------------


def untouched(
    *,
    weight: float = 1,
    rtol: float | None = None,
    repeatable: bool = True,
    examples: Examples | None = None,
) -> Promise:
    """ "None is modified." `repeatable`: a second call gives the same, as nothing random is in it.

    Then a call with other numbers is tried, too: an answer may have been kept for tensors of this shape.
    """

    def holds(asked: Asked, draw: Draw) -> None:
        seen = asked.student.observe(*asked.args)
        for name, before, after in zip(asked.names, asked.args, seen.inputs, strict=True):
            if isinstance(before, Tensor) and not _same_bits(before, after):
                raise Mismatch(f"`{name}` is not what it was before the call: it was changed in place")
        if repeatable:
            _same_numbers(seen.again, asked.expected, rtol)
            others = tuple(0.75 * arg if _floating(arg) else arg for arg in asked.args)
            _same_numbers(asked.student(*others), asked.expected_of(others), rtol)

    says = "Leaves what it is given as it is" + (
        ", and is right when it is called again, with the same or with other numbers."
        if repeatable
        else ": no number in it is another after the call."
    )
    kind: Kind = "value" if repeatable else "rule"  # without an expected answer, doing nothing would do
    return Promise("untouched", says, holds, kind=kind, weight=weight, examples=examples)


def _same_bits(before: Tensor, after: Any) -> bool:
    return (
        isinstance(after, Tensor)
        and after.dtype == before.dtype
        and after.shape == before.shape
        and bool(torch.equal(torch.nan_to_num(after), torch.nan_to_num(before)))
    )


def new_tensor(*, weight: float = 1, rtol: float | None = None, examples: Examples | None = None) -> Promise:
    """ "Returns a new tensor": not an argument, no view of one, and not the answer of the call before."""

    def holds(asked: Asked, draw: Draw) -> None:
        seen = asked.student.observe(*asked.args)
        same(seen.answer, asked.expected, rtol)
        shared = seen.shared
        for name in (each for at, each in enumerate(asked.names) if at in shared):
            raise Mismatch(f"what it returns shares its memory with `{name}`: to change one changes both")
        if "again" in shared:
            raise Mismatch("what it returns is kept, and returned again by the next call")
        if "weights" in shared:
            raise Mismatch("what it returns shares its memory with a weight of the module")

    says = "Returns a new tensor, which changes nothing else when it is changed."
    return Promise("new_tensor", says, holds, weight=weight, examples=examples)


def same_in_eval(*, weight: float = 1, rtol: float | None = None) -> Promise:
    """What a module does in training, it does in eval mode and under no_grad, too."""

    def holds(asked: Asked, draw: Draw) -> None:
        _same_numbers(asked.student.observe(*asked.args, still=True).again, asked.expected, rtol)

    says = "Gives the same in eval mode and under torch.no_grad() as in training."
    return Promise("same_in_eval", says, holds, weight=weight)


def any_layout(*, weight: float = 1, rtol: float | None = None) -> Promise:
    """Arguments may lie in memory with gaps, and in another order than that of their dimensions."""

    def holds(asked: Asked, draw: Draw) -> None:
        turned = tuple(_turned(arg) if isinstance(arg, Tensor) else arg for arg in asked.args)
        expected = asked.expected
        _same_numbers(asked.student(*turned), expected, rtol)
        _same_numbers(asked.student.observe(*asked.args, apart=True).answer, expected, rtol)

    says = "Takes tensors that are not contiguous in memory: transposed ones, or parts of larger ones."
    return Promise("any_layout", says, holds, weight=weight)


def _turned(tensor: Tensor) -> Tensor:
    """The same numbers in the opposite order of dimensions in memory."""
    order = list(reversed(range(tensor.dim())))
    return tensor.permute(order).contiguous().permute(order)


def by_position_and_name(
    *, weight: float = 1, rtol: float | None = None, examples: Examples | None = None
) -> Promise:
    """The signature's order and names are as the exercise states them."""

    def holds(asked: Asked, draw: Draw) -> None:
        expected = asked.expected
        _same_numbers(asked.student(*asked.args), expected, rtol)
        named = dict(zip(asked.names, asked.args, strict=True))
        _same_numbers(asked.student(**named), expected, rtol)

    says = "Takes its arguments in the stated order, and by the stated names."
    return Promise("by_position_and_name", says, holds, weight=weight, examples=examples)


def gradients(
    *, weight: float = 1, rtol: float | None = None, to: Sequence[str] = (), examples: Examples | None = None
) -> Promise:
    """ "Gradients flow through it." `to`: what they reach, by default all arguments of floating point.

    A module's parameters are reached, too: those that `to` names, or all of them.
    """

    def holds(asked: Asked, draw: Draw) -> None:
        fixed = [at for at, name in enumerate(asked.names) if to and name not in to]
        of, module = {}, asked.reference
        if isinstance(module, nn.Module):
            of = {name: parameter for name, parameter in module.named_parameters() if name in to}
        assert_gradients(
            asked.student, module, draw, *asked.args, rtol=rtol, parameters=of or None, but=fixed
        )

    says = f"Lets the right gradients flow back to {_listed(to) or 'all that it is given'}."
    return Promise("gradients", says, holds, weight=weight, examples=examples)


def _listed(names: Sequence[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def dtypes(
    *kinds: torch.dtype,
    keep: Sequence[str] = (),
    weight: float = 1,
    rtol: Mapping[torch.dtype, float] | None = None,
    examples: Examples | None = None,
) -> Promise:
    """Works in these dtypes, too, half precision for one; the arguments in `keep` stay as they are.

    Expected is what the reference gives for the same numbers in float64, rounded once, at the end. A module
    and its weights are taken to the dtype, too.
    """

    def holds(asked: Asked, draw: Draw) -> None:
        for kind in kinds:
            args = [
                arg.to(kind) if name not in keep and _floating(arg) else arg
                for name, arg in zip(asked.names, asked.args, strict=True)
            ]
            wide = [arg.double() if _floating(arg) else arg for arg in args]
            put = asked
            if isinstance(asked.student, Handle) and isinstance(asked.reference, nn.Module):
                # Both in place, so that both are rounded as often: give the wider dtypes first.
                put = Asked(asked.student.to(kind), asked.reference.to(kind).double(), asked.args)
            same(put.student(*args), _as_kind(put.expected_of(wide), kind), (rtol or {}).get(kind))

    said = [str(kind).removeprefix("torch.") for kind in kinds]
    says = f"Works in {_listed(said)}, and returns what it was given, as exact as that allows."
    return Promise("dtypes", says, holds, weight=weight, examples=examples)


def _floating(arg: Any) -> bool:
    return isinstance(arg, Tensor) and arg.is_floating_point()


def _as_kind(answer: Any, kind: torch.dtype) -> Any:
    return tuple(each.to(kind) for each in answer) if isinstance(answer, tuple) else answer.to(kind)


def as_torch_initialises(
    of: type[nn.Module] | Sequence[type[nn.Module]], *made_with: Any, weight: float = 1
) -> Promise:
    """Parameters are left as torch initialises them; `made_with` makes them of a hundred numbers or more.

    What torch makes constant is so to the bit. Of what it draws, mean, spread and shape of the distribution
    are the reference's, also in each row and column; another module has other numbers, and the dtype is
    torch's default. `of` may be several classes, made with the same.
    """

    def starts(student: Student, draw: Draw) -> None:
        for cls in [of] if isinstance(of, type) else of:
            first, second = (student.new(cls.__name__, *made_with).state_dict() for _ in range(2))
            with torch.random.fork_rng(devices=[]):
                # Not torch.manual_seed: it notes a stack trace for each accelerator that is not there.
                torch.default_generator.manual_seed(draw.integer(0, 1 << 31))
                usual = cls(*map(made, made_with)).state_dict()
            for name, wanted in usual.items():
                found = assert_tensor(first.get(name), shape=tuple(wanted.shape), dtype=wanted.dtype)
                if wrong := _wrong_start(found.cpu(), second.get(name), wanted):
                    if student.trace is not None:  # of untouched weights it has the outline only
                        student.trace.answered(f"start of {name}", wrong)
                    raise Mismatch(f"`{name}` {wrong}")

    says = "Its parameters start as torch initialises such layers, and differently in each module."
    return Promise("as_torch_initialises", says, starts=starts, kind="rule", weight=weight)


FEW = 24  # of fewer numbers too little can be said
ENOUGH = 400  # from so many on, the shape of a distribution can be told


def _wrong_start(found: Tensor, second: Any, wanted: Tensor) -> str:
    if wanted.numel() == 1 or wanted.std() == 0:
        return "" if torch.equal(found, wanted) else "does not start as torch initialises it"
    if found.min() == found.max():
        return f"starts with one number everywhere, {found.flatten()[0].item():g}: torch draws them"
    if isinstance(second, Tensor) and torch.equal(found, second.cpu()):
        return "starts with the same numbers in every module"
    found, wanted = found.double(), wanted.double()
    for dim in range(min(found.dim(), 2) if found.dim() > 1 else 0):
        own, usual = (each.movedim(dim, 0).flatten(1) for each in (found, wanted))
        if own.shape[1] < FEW:
            continue
        alike = own.amin(1) == own.amax(1)
        for at in (alike | _are_spread_otherwise(own, usual)).nonzero().flatten().tolist()[:1]:
            if alike[at]:
                line = f"{('row', 'column')[dim]} {at}, {own[at, 0].item():g}"
                return f"starts with one number all along {line}"
            return "does not start as torch initialises it: " + _how_spread(own[at], usual[at])
    if _are_spread_otherwise(found.flatten(), wanted.flatten()):
        return "does not start as torch initialises it: " + _how_spread(found, wanted)
    if (found.mean() - wanted.mean()).abs() > 6 * wanted.std() * (2 / wanted.numel()) ** 0.5:
        return "does not start as torch initialises it: the mean is another"
    # The largest number, in standard deviations, tells a uniform distribution (1.73) from a normal one where
    # there are enough: of 400 uniform ones it is above 2, and of 400 normal ones below, once in 10^8.
    uniform = [bool(each.abs().max() < 2 * each.square().mean().sqrt()) for each in (found, wanted)]
    if found.numel() >= ENOUGH and uniform[0] != uniform[1]:
        return "does not start as torch initialises it: the distribution has another shape"
    return ""


def _are_spread_otherwise(found: Tensor, wanted: Tensor) -> Tensor:
    """Which rows are, by more than chance makes likely: of normal numbers seven deviations are allowed."""
    otherwise: Tensor = (found.std(-1) / wanted.std(-1)).log().abs() > 7 / wanted.shape[-1] ** 0.5
    return otherwise


def _how_spread(found: Tensor, wanted: Tensor) -> str:
    return f"the numbers lie {'further apart' if found.std() > wanted.std() else 'closer together'}"
