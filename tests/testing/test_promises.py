"""Each promise holds for what keeps it, and tells whoever breaks it how."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from autograder.contract.line import InProcess
from autograder.contract.student import Student
from autograder.contract.trace import Trace
from autograder.testing import (
    Draw,
    Example,
    Mismatch,
    StudentError,
    any_layout,
    as_torch_initialises,
    by_position_and_name,
    differentiable,
    dtypes,
    gradients,
    new_tensor,
    part,
    promises,
    same_in_eval,
    untouched,
)
from autograder.testing.promises import Promise

HALVES = dtypes(torch.float32, torch.float16, keep=["table"])
LAST: list[Tensor] = []


def scaled(x: Tensor, table: Tensor) -> Tensor:
    """The reference."""
    return x * table.to(x.dtype) + x


def examples(draw: Draw) -> Iterator[Example]:
    yield Example(scaled, draw.normal(3, 4), draw.uniform(3, 1, low=0.5))


class Gate(nn.Module):
    """The reference."""

    def __init__(self, width: int, out: int) -> None:
        super().__init__()
        self.proj = nn.Linear(width, out)
        self.norm = nn.LayerNorm(out)
        self.names = nn.Embedding(30, out)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        answer: Tensor = self.norm(self.proj(x) + self.names.weight[0]) * y
        return answer


def gates(draw: Draw) -> Iterator[Example]:
    yield Example(Gate, draw.normal(2, 5), draw.normal(2, 3), made_with=(5, 3))


class Around(nn.Module):
    """The reference: a layer that was there already, and what is trained beside it."""

    def __init__(self, base: nn.Linear) -> None:
        super().__init__()
        self.base = base
        self.own = nn.Linear(base.in_features, base.out_features)

    def forward(self, x: Tensor) -> Tensor:
        answer: Tensor = self.base(x) + self.own(x)
        return answer


class FrozenBase(Around):
    def __init__(self, base: nn.Linear) -> None:
        super().__init__(base.requires_grad_(False))


class ZeroOwn(Around):
    def __init__(self, base: nn.Linear) -> None:
        super().__init__(base)
        nn.init.zeros_(self.own.weight)


def around(draw: Draw) -> Iterator[Example]:
    yield Example(Around, draw.normal(2, 5), made_with=(part("torch.nn.Linear", 5, 3),))


def ask(promise: Promise, name: str, answer: Any, of: Callable[[Draw], Iterator[Example]]) -> None:
    class Suite:
        pass

    student = Student(InProcess({name: answer}))
    test = getattr(promises(of, promise)(Suite), promise.name)
    student.reset(1)
    test(None, student, Draw(0, "a test"))


def in_place(x: Tensor, table: Tensor) -> Tensor:
    answer = scaled(x, table)
    x.mul_(1)
    table.add_(1)
    return answer


def an_argument(x: Tensor, table: Tensor) -> Tensor:
    return x.copy_(scaled(x, table))


def kept(x: Tensor, table: Tensor) -> Tensor:
    LAST[:] = LAST or [scaled(x, table)]
    return LAST[0]


def swapped(table: Tensor, x: Tensor) -> Tensor:
    return scaled(table, x)


def in_a_column(x: Tensor, table: Tensor) -> Tensor:
    return scaled(x.view(-1).view(x.shape), table)


def without_half(x: Tensor, table: Tensor) -> Tensor:
    if x.dtype == torch.float16:
        raise RuntimeError("\"scaled\" not implemented for 'Half'")
    return scaled(x, table)


def always_wide(x: Tensor, table: Tensor) -> Tensor:
    return x * table + x


def of_its_shape(x: Tensor, table: Tensor) -> Tensor:
    """What it worked out first for x of this shape."""
    LAST[:] = LAST or [scaled(x, table)]
    return LAST[0].clone()


@torch.no_grad()
def without_gradient(x: Tensor, table: Tensor) -> Tensor:
    return scaled(x, table)


class InTrainingAlone(Gate):
    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return super().forward(x, y) if self.training else torch.zeros_like(y)


class NeedsAGraph(Gate):
    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        answer = super().forward(x, y)
        return answer if answer.requires_grad else answer * 2


class Zeros(Gate):
    def __init__(self, width: int, out: int) -> None:
        super().__init__(width, out)
        nn.init.zeros_(self.proj.weight)


class ZeroRow(Gate):
    def __init__(self, width: int, out: int) -> None:
        super().__init__(width, out)
        nn.init.zeros_(self.proj.weight[-1])


class ZeroColumn(Gate):
    def __init__(self, width: int, out: int) -> None:
        super().__init__(width, out)
        nn.init.zeros_(self.proj.weight[:, 0])


class Shifted(Gate):
    def __init__(self, width: int, out: int) -> None:
        super().__init__(width, out)
        nn.init.normal_(self.names.weight, mean=0.5)


class Xavier(Gate):
    def __init__(self, width: int, out: int) -> None:
        super().__init__(width, out)
        nn.init.xavier_uniform_(self.proj.weight)


class Normal(Gate):
    def __init__(self, width: int, out: int) -> None:
        super().__init__(width, out)
        nn.init.normal_(self.proj.weight, std=(3 * width) ** -0.5)  # of the same variance


class Seeded(Gate):
    def __init__(self, width: int, out: int) -> None:
        torch.manual_seed(0)
        super().__init__(width, out)


class Double(Gate):
    def __init__(self, width: int, out: int) -> None:
        super().__init__(width, out)
        self.double()


class NormOfZeros(Gate):
    def __init__(self, width: int, out: int) -> None:
        super().__init__(width, out)
        nn.init.zeros_(self.norm.weight)


FUNCTIONS = (
    untouched(),
    new_tensor(),
    any_layout(),
    by_position_and_name(),
    HALVES,
    gradients(to=["x"]),
    gradients(),
)
MODULES = (
    untouched(),
    new_tensor(),
    any_layout(),
    by_position_and_name(),
    gradients(),
    same_in_eval(),
    dtypes(torch.float32, torch.float16, rtol={torch.float16: 2e-2}),
    as_torch_initialises(Gate, 50, 40),
)


@pytest.fixture(autouse=True)
def _nothing_kept() -> None:
    LAST.clear()


@pytest.mark.parametrize("promise", FUNCTIONS, ids=lambda promise: promise.name)
def test_a_function_keeps_it(promise: Promise) -> None:
    ask(promise, "scaled", scaled, examples)


@pytest.mark.parametrize("promise", MODULES, ids=lambda promise: promise.name)
def test_a_module_keeps_it(promise: Promise) -> None:
    ask(promise, "Gate", Gate, gates)


@pytest.mark.parametrize(
    ("promise", "answer", "said"),
    [
        (untouched(), in_place, "`table` is not what it was before the call: it was changed in place"),
        (untouched(), an_argument, "`x` is not what it was before the call"),
        (untouched(), of_its_shape, "the values are wrong"),
        (new_tensor(), kept, "is kept, and returned again by the next call"),
        (by_position_and_name(), swapped, "values are wrong|shape is wrong"),
        (any_layout(), in_a_column, "view size is not compatible"),
        (HALVES, without_half, "not implemented for 'Half'"),
        (HALVES, always_wide, "the result's dtype is wrong"),
        (gradients(), without_gradient, "does not require grad"),
    ],
)
def test_a_function_breaks_it(promise: Promise, answer: Any, said: str) -> None:
    with pytest.raises((Mismatch, StudentError), match=said):
        ask(promise, "scaled", answer, examples)


def test_an_argument_that_comes_back_is_no_new_tensor() -> None:
    def nothing_to_do(draw: Draw) -> Iterator[Example]:
        yield Example(scaled, draw.normal(3, 4), torch.zeros(3, 1, dtype=torch.float64))

    with pytest.raises(Mismatch, match="shares its memory with `x`: to change one changes both"):
        ask(
            new_tensor(),
            "scaled",
            lambda x, table: x if (table == 0).all() else scaled(x, table),
            nothing_to_do,
        )


@pytest.mark.parametrize(
    ("promise", "answer", "said"),
    [
        (same_in_eval(), InTrainingAlone, "the values are wrong"),
        (same_in_eval(), NeedsAGraph, "the values are wrong"),
        *(
            (as_torch_initialises(Gate, 50, 40), answer, said)
            for answer, said in (
                (Zeros, "`proj.weight` starts with one number everywhere, 0: torch draws them"),
                (ZeroRow, "`proj.weight` starts with one number all along row 39, 0"),
                (ZeroColumn, "`proj.weight` starts with one number all along column 0, 0"),
                (Shifted, "`names.weight` does not start as torch initialises it: the mean is another"),
                (
                    Xavier,
                    "`proj.weight` does not start as torch initialises it: the numbers lie further apart",
                ),
                (Normal, "`proj.weight` does not start as torch initialises it: .* another shape"),
                (Seeded, "starts with the same numbers in every module"),
                (Double, "the result's dtype is wrong"),
                (NormOfZeros, "`norm.weight` does not start as torch initialises it"),
            )
        ),
    ],
)
def test_a_module_breaks_it(promise: Promise, answer: Any, said: str) -> None:
    with pytest.raises((Mismatch, StudentError), match=said):
        ask(promise, "Gate", answer, gates)


def test_torchs_own_start_is_never_refused() -> None:
    """Whatever is drawn: a class is graded with other draws each time, and few numbers may look odd."""
    for width, out in ((30, 26), (50, 40)):
        starts = as_torch_initialises(Gate, width, out).starts
        assert starts is not None
        for seed in range(150):
            torch.manual_seed(seed)
            starts(Student(InProcess({"Gate": Gate})), Draw(seed, "a test"))


def test_of_several_classes_each_is_asked() -> None:
    starts = as_torch_initialises([Gate, nn.Linear], 50, 40).starts
    assert starts is not None
    starts(Student(InProcess({"Gate": Gate, "Linear": nn.Linear})), Draw(0, "a test"))

    class Doubled(nn.Linear):
        def __init__(self, *args: int) -> None:
            super().__init__(*args)
            self.weight.data *= 2

    with pytest.raises(Mismatch, match="`weight` does not start as torch initialises it"):
        starts(Student(InProcess({"Gate": Gate, "Linear": Doubled})), Draw(0, "a test"))


def test_a_start_that_is_wrong_is_told_apart_by_its_trace() -> None:
    """Of untouched weights a trace has no numbers: two wrong starts would be one mistake."""

    def said(answer: Any) -> str:
        student = Student(InProcess({"Gate": answer}), Trace())
        starts = MODULES[-1].starts
        assert starts is not None
        with pytest.raises(Mismatch):
            starts(student, Draw(0, "a test"))
        assert student.trace is not None
        return str(student.trace.entries[-1])

    assert len({said(answer) for answer in (Zeros, ZeroRow, Xavier, Seeded)}) == 4
    assert said(Xavier) == said(Xavier)


def test_a_model_is_an_argument_like_others() -> None:
    def asked(model: Callable[..., Tensor], x: Tensor, w: float) -> Tensor:
        return x + w * model(x)

    def calls(draw: Draw) -> Iterator[Example]:
        yield Example(asked, differentiable(torch.sin), draw.normal(3, 2), 2.0)

    every = untouched(), any_layout(), by_position_and_name(), dtypes(torch.float16), gradients()
    for promise in every:
        ask(promise, "asked", asked, calls)
    with pytest.raises(StudentError, match="does not require grad"):
        ask(gradients(), "asked", torch.no_grad()(asked), calls)


def test_a_module_may_be_made_of_a_layer() -> None:
    starts = as_torch_initialises(Around, part("torch.nn.Linear", 50, 40))
    for promise in (untouched(), dtypes(torch.float16), gradients(), starts):
        ask(promise, "Around", Around, around)
    with pytest.raises(Mismatch, match=r"`own\.weight` starts with one number everywhere"):
        ask(starts, "Around", ZeroOwn, around)


def test_what_no_gradient_needs_to_reach_may_be_frozen() -> None:
    ask(gradients(to=["x", "own.weight"]), "Around", FrozenBase, around)
    for all_parameters in (gradients(), gradients(to=["x"])):
        with pytest.raises(Mismatch, match=r"no gradient reaches `base\.weight`"):
            ask(all_parameters, "Around", FrozenBase, around)


def test_what_only_leaves_its_inputs_alone_has_earned_nothing_yet() -> None:
    assert (untouched().kind, untouched(repeatable=False).kind) == ("value", "rule")
    ask(untouched(repeatable=False), "scaled", lambda x, table: torch.rand(2), examples)


def test_a_promise_is_a_test_with_a_sentence_and_a_weight() -> None:
    @promises(examples, gradients(weight=4, to=["x", "table"]))
    class Suite:
        pass

    test: Any = Suite.gradients  # type: ignore[attr-defined]
    assert test.__doc__ == "Lets the right gradients flow back to x and table."
    assert (test.__mark__.kind, test.__mark__.weight) == ("value", 4)
    assert Suite.__promises__ == ("gradients",)  # type: ignore[attr-defined]
