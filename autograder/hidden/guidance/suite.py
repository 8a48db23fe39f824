"""Hidden tests of the module `guidance`. `B` is the batch; what a sample is made of does not matter."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from autograder.testing import (
    Draw,
    Example,
    Mismatch,
    Student,
    any_layout,
    as_torch_initialises,
    assert_close,
    assert_holds,
    assert_parameters,
    assert_tensor,
    by_position_and_name,
    differentiable,
    dtypes,
    exercise,
    gradients,
    new_tensor,
    promises,
    rule,
    same_in_eval,
    twins,
    untouched,
    value,
)
from solutions import guidance as reference

RTOL = 1e-5
RTOL_SINGLE = 1e-4
RTOL_HALF = 2e-2
ROUNDED = {torch.float32: RTOL_SINGLE, torch.float16: RTOL_HALF}
IN_ANY_DTYPE = dtypes(torch.float64, torch.float32, torch.float16, rtol=ROUNDED)
# A correct answer may guard its divisions with a number such as 1e-12; 1e-8 and more is not needed.
RTOL_RATIO = 1e-6


class Denoiser:
    """Stands for a network: a smooth function of each sample, its own timestep and its own condition.

    `once`: it may be asked once only, as an expensive network should be; `rows`: for so many samples only.
    """

    def __init__(self, *, once: bool = False, rows: int | None = None) -> None:
        self.once, self.rows = once, rows
        self.batches: list[int] = []

    def __call__(self, x: Tensor, t: Tensor, cond: Tensor) -> Tensor:
        self.batches.append(len(x))
        if self.once and len(self.batches) > 1:
            raise RuntimeError("the model was called a second time; one call is enough")
        if self.rows is not None and len(x) != self.rows:
            raise RuntimeError(f"the model is to get {self.rows} samples at once; it was given {len(x)}")
        for what, given in (("timesteps", t), ("conditions", cond)):
            if given.dim() == 0 or len(given) != len(x):
                count = len(given) if given.dim() else "one for all"
                raise RuntimeError(f"the model was given {len(x)} samples, but of {what} {count}")
        own = [-1, *[1] * (x.dim() - 1)]
        dtype, x = x.dtype, x.double()  # of what it is given nothing is lost but in its answer
        features = cond.reshape(len(cond), -1).to(x)
        weights = torch.linspace(0.5, 1.5, features.shape[1], dtype=x.dtype, device=x.device)
        told = (features * weights).sum(1).reshape(own)
        time = 1 + t.to(x).reshape(own) / 10
        return (torch.sin(x * time) + torch.cos(x - told) / time + told / 7).to(dtype)

    def assert_asked_once(self, batch: int) -> None:
        assert_holds(
            len(self.batches) == 1,
            f"the model is to be called exactly once; yours called it {len(self.batches)} times",
        )
        assert_holds(
            self.batches == [2 * batch],
            f"the model is to get both predictions' inputs at once, twice the batch; it got {self.batches[0]}"
            f" samples for a batch of {batch}",
        )


def _guided(x: Tensor, t: Tensor, cond: Tensor, null: Tensor, w: float) -> Tensor:
    """Guidance from two separate calls."""
    uncond = Denoiser()(x, t, null.expand_as(cond))
    return uncond + w * (Denoiser()(x, t, cond) - uncond)


def _near(answer: Any, expected: Tensor, rtol: float = RTOL) -> None:
    """Right to some digits, in whatever dtype: `dtypes` asks for all digits and for the dtype."""
    assert_close(answer, expected, rtol=rtol, check_dtype=False)


def _checked(answer: Any, like: Tensor) -> Tensor:
    """An answer that other answers may be compared with: finite, of this shape, dtype and device."""
    tensor = assert_tensor(answer, shape=tuple(like.shape), dtype=like.dtype)
    assert_holds(tensor.device == like.device, f"the result is on the wrong device: {tensor.device}")
    assert_holds(torch.isfinite(tensor).all(), "the result contains NaN or infinity")
    return tensor


# --- ClassEmbedding -------------------------------------------------------------------------------------


def _of_class_embedding(draw: Draw) -> Iterator[Example]:
    labels = torch.tensor([4, 1, 4, 0, 1], device=draw.device)
    yield Example(reference.ClassEmbedding, labels, made_with=(4, 3))


@exercise("ClassEmbedding")
@promises(
    _of_class_embedding,
    any_layout(),
    same_in_eval(weight=3),
    gradients(weight=6),
    as_torch_initialises(reference.ClassEmbedding, 39, 80, weight=2),
)
class ClassEmbedding:
    @value(weight=3)
    def gives_the_rows_of_its_table(self, student: Student, draw: Draw) -> None:
        """With the same table, gives each label's own row, for batches of any size and in any order."""
        for classes, dim, batch in [(5, 4, 7), (3, 6, 1)]:
            handle, module = twins(student, draw, reference.ClassEmbedding, classes, dim)
            labels = draw.integers(batch, high=classes + 1)
            assert_close(handle(labels), module.weight[labels])

    @value(weight=2)
    def the_null_label(self, student: Student, draw: Draw) -> None:
        """The null label, one above the last class, has the last row of the table."""
        handle, module = twins(student, draw, reference.ClassEmbedding, 4, 5)
        labels = torch.tensor([4, 3, 4], device=draw.device)
        assert_close(handle(labels), module.weight[labels])

    @value()
    def every_label(self, student: Student, draw: Draw) -> None:
        """Asked for all labels in order, the null label last, gives the whole table."""
        for classes in (1, 6):
            handle, module = twins(student, draw, reference.ClassEmbedding, classes, 3)
            assert_close(handle(torch.arange(classes + 1, device=draw.device)), module.weight)

    @value()
    def single_precision(self, student: Student, draw: Draw) -> None:
        """Works in float32, and returns float32, with small and large numbers in the table."""
        handle, module = twins(student, draw, reference.ClassEmbedding, 3, 4, dtype=torch.float32)
        scale = torch.tensor([[1e-6], [1.0], [1e6], [1e3]], device=draw.device)
        state = {"weight": (module.weight * scale).detach()}
        handle.load_state_dict(state, strict=False)
        labels = torch.tensor([0, 1, 3, 0], device=draw.device)
        assert_close(handle(labels), state["weight"][labels], rtol=0)

    @value()
    def half_precision(self, student: Student, draw: Draw) -> None:
        """Works in float16, and returns float16."""
        handle, module = twins(student, draw, reference.ClassEmbedding, 3, 4, dtype=torch.float16)
        labels = draw.integers(5, high=4)
        assert_close(handle(labels), module.weight[labels], rtol=0)

    @value()
    def each_call_by_itself(self, student: Student, draw: Draw) -> None:
        """Gives the same answer when called again on the same labels, and others for others."""
        handle, module = twins(student, draw, reference.ClassEmbedding, 4, 3)
        labels = draw.integers(9, high=5)
        assert_close(handle.twice(labels), module.weight[labels])
        assert_close(handle(4 - labels), module.weight[4 - labels])

    @rule()
    def parameters(self, student: Student, draw: Draw) -> None:
        """Has the one parameter that the exercise names, with a row for each class and one more."""
        assert_parameters(student.new("ClassEmbedding", 7, 4), reference.ClassEmbedding(7, 4))

    @rule()
    def rows_start_apart(self, student: Student, draw: Draw) -> None:
        """At the start all rows differ, the null label's too."""
        table = student.new("ClassEmbedding", 39, 80)(torch.arange(40, device=draw.device))
        table = _checked(table, like=torch.zeros(40, 80, device=draw.device))
        nearest = (torch.cdist(table, table) + 1e3 * torch.eye(40, device=draw.device)).min()
        assert_holds(nearest > 1, "two rows of the table are alike, or nearly so")


# --- drop_condition -------------------------------------------------------------------------------------


def _dropped(answer: Any, cond: Tensor, null: Tensor) -> Tensor:
    """Which samples have null instead of their condition; fails for a sample that has neither, whole."""
    own = assert_tensor(answer, shape=tuple(cond.shape), dtype=cond.dtype)
    assert_holds(own.device == cond.device, f"the result is on the wrong device: {own.device}")
    is_null = (own == null.expand_as(cond)).reshape(len(cond), -1).all(1)
    is_kept = (own == cond).reshape(len(cond), -1).all(1)
    if not (is_null | is_kept).all():
        raise Mismatch("some samples have neither their own condition nor null, whole and unchanged")
    return is_null


def _assert_rate(dropped: Tensor, p: float) -> None:
    """About as many as p says, within six standard deviations: one in a billion correct answers fails."""
    count, rate = len(dropped), dropped.double().mean().item()
    allowed = 6 * (p * (1 - p) / count) ** 0.5
    assert_holds(
        abs(rate - p) <= allowed, f"of {count} samples, a share of {rate:.2f} was dropped, for p = {p:g}"
    )


def _of_drop_condition(draw: Draw) -> Iterator[Example]:
    """Where p leaves nothing to chance: conditions stay, or all become null."""
    for p in (0.0, 1.0):
        yield Example(reference.drop_condition, draw.normal(3, 4, 2), draw.normal(4, 2), p, draw.seeded())


def _of_half_a_chance(draw: Draw) -> Iterator[Example]:
    cond, null = draw.integers(64, high=4), torch.tensor(4, device=draw.device)
    yield Example(reference.drop_condition, cond, null, 0.5, draw.seeded())
    yield Example(reference.drop_condition, draw.normal(65, 2), draw.normal(2), 0.5, draw.seeded())


@exercise("drop_condition")
@promises(
    _of_drop_condition,
    untouched(repeatable=False, examples=_of_half_a_chance),
    new_tensor(),
    any_layout(),
    by_position_and_name(),
)
class DropCondition:
    @value(weight=2)
    def none_and_all(self, student: Student, draw: Draw) -> None:
        """With p = 0 every condition stays, and with p = 1 every one becomes null."""
        for cond, null in [
            (draw.integers(5, high=7), torch.tensor(7, device=draw.device)),
            (draw.normal(3, 4, 2), draw.normal(4, 2)),
        ]:
            assert_close(student.drop_condition(cond, null, 0.0, draw.seeded()), cond, rtol=0)
            found = student.drop_condition(cond, null, 1.0, draw.seeded())
            assert_close(found, null.expand_as(cond).clone(), rtol=0)

    @value(weight=3)
    def how_many(self, student: Student, draw: Draw) -> None:
        """Of many labels, the share that becomes null is close to p, for small p and for large."""
        for p in (0.1, 0.35, 0.8):
            cond, null = draw.integers(3001, high=10), torch.tensor(10, device=draw.device)
            _assert_rate(_dropped(student.drop_condition(cond, null, p, draw.seeded()), cond, null), p)

    @value(weight=3)
    def whole_samples(self, student: Student, draw: Draw) -> None:
        """Of embeddings, each sample keeps all of its numbers or gets all of null's, one by one."""
        for shape, null in [((75, 3, 4), draw.normal(3, 4)), ((75, 6), draw.normal(6))]:
            cond = draw.normal(*shape)
            dropped = _dropped(student.drop_condition(cond, null, 0.5, draw.seeded()), cond, null)
            assert_holds(dropped.any(), "no sample of a large batch was dropped, for p = 0.5")
            assert_holds(not dropped.all(), "every sample of a large batch was dropped, for p = 0.5")

    @value()
    def square_batches(self, student: Student, draw: Draw) -> None:
        """Is right where a condition has as many numbers as the batch has samples."""
        cond, null = draw.normal(64, 64), draw.normal(64)
        dropped = _dropped(student.drop_condition(cond, null, 0.5, draw.seeded()), cond, null)
        _assert_rate(dropped, 0.5)

    @value()
    def null_broadcasts(self, student: Student, draw: Draw) -> None:
        """Takes a null with fewer dimensions than a condition, or with some of size 1."""
        for null in (draw.normal(4), draw.normal(1, 4), draw.normal(3, 1), draw.normal(1)):
            cond = draw.normal(75, 3, 4)
            dropped = _dropped(student.drop_condition(cond, null, 0.4, draw.seeded()), cond, null)
            _assert_rate(dropped, 0.4)

    @value()
    def keeps_the_dtype(self, student: Student, draw: Draw) -> None:
        """Returns conditions of the dtype it was given, labels and embeddings, exact to the last bit."""
        for dtype in (torch.int64, torch.int32, torch.float32, torch.float16):
            cond, null = (1000 * draw.normal(65, 2)).to(dtype), draw.integers(2, high=9).to(dtype)
            _assert_rate(_dropped(student.drop_condition(cond, null, 0.5, draw.seeded()), cond, null), 0.5)

    @value()
    def large_numbers(self, student: Student, draw: Draw) -> None:
        """Is exact where a condition is huge and null is tiny, or the other way round."""
        for large, small in ((1e9, 1e-9), (1e-9, 1e9)):
            cond, null = large * draw.normal(65, 3, 2), small * draw.normal(3, 2)
            found = student.drop_condition(cond, null, 0.5, draw.seeded())
            _assert_rate(_dropped(found, cond, null), 0.5)

    @value(weight=8)
    def gradients(self, student: Student, draw: Draw) -> None:
        """Gradients flow into the conditions that were kept, and into null from those that were dropped."""
        cond, null, cotangent = draw.normal(65, 3), draw.normal(3), draw.normal(65, 3)
        found = student.drop_condition.gradients(cond, null, 0.5, draw.seeded(), cotangent=cotangent)
        dropped = _dropped(found.output, cond, null)[:, None]
        expected = [cotangent.masked_fill(dropped, 0), cotangent.masked_fill(~dropped, 0).sum(0)]
        for name, gradient, wanted in zip(("cond", "null"), found.inputs, expected, strict=False):
            assert_holds(gradient is not None, f"no gradient reaches {name}")
            assert_close(gradient, wanted)

    @rule()
    def the_generator_decides(self, student: Student, draw: Draw) -> None:
        """The same seed drops the same samples again, and another seed drops others."""
        cond, null = draw.normal(75, 2), draw.normal(2)
        first, other = draw.seeded(), draw.seeded()
        found = [student.drop_condition(cond, null, 0.5, each) for each in (first, other, first)]
        dropped = [_dropped(each, cond, null) for each in found]
        assert_holds(torch.equal(dropped[0], dropped[2]), "the same seed did not drop the same samples")
        assert_holds(not torch.equal(dropped[0], dropped[1]), "two seeds dropped the very same samples")

    @rule()
    def the_next_call_drops_others(self, student: Student, draw: Draw) -> None:
        """Called again with the same generator, it drops other samples."""
        cond, null, generator = draw.normal(75, 2), draw.normal(2), draw.seeded()
        once = _dropped(student.drop_condition(cond, null, 0.5, generator), cond, null)
        again = _dropped(student.drop_condition.twice(cond, null, 0.5, generator), cond, null)
        assert_holds(not torch.equal(once, again), "two calls in a row dropped the very same samples")

    @rule()
    def lone_samples(self, student: Student, draw: Draw) -> None:
        """A sample that is alone in its batch is sometimes dropped and sometimes kept."""
        cond, null = draw.normal(1, 2), draw.normal(2)
        found = [student.drop_condition(cond, null, 0.5, draw.seeded()) for _ in range(40)]
        dropped = sum(int(_dropped(each, cond, null)) for each in found)
        assert_holds(dropped > 0, "a lone sample was never dropped, for p = 0.5")
        assert_holds(dropped < 40, "a lone sample was always dropped, for p = 0.5")

    @rule()
    def every_place(self, student: Student, draw: Draw) -> None:
        """In a batch of several, each place is sometimes dropped and sometimes kept, the first one too."""
        cond, null = draw.normal(4, 2), draw.normal(2)
        found = [student.drop_condition(cond, null, 0.5, draw.seeded()) for _ in range(40)]
        dropped = torch.stack([_dropped(each, cond, null) for each in found])
        assert_holds(dropped.any(0).all(), "one place of the batch was never dropped, for p = 0.5")
        assert_holds(not dropped.all(0).any(), "one place of the batch was always dropped, for p = 0.5")

    @rule(weight=2)
    def independently(self, student: Student, draw: Draw) -> None:
        """Whether a sample is dropped says nothing about another one, next to it or further away."""
        count = 3000
        cond, null = draw.integers(count, high=10), torch.tensor(10, device=draw.device)
        dropped = _dropped(student.drop_condition(cond, null, 0.5, draw.seeded()), cond, null)
        for apart in (1, 2, 3, 4, count // 2):
            agree = (dropped == dropped.roll(apart)).double().mean()
            far = (count // 2 if apart == count // 2 else count) ** -0.5  # of half of them: pairs count twice
            # Six standard deviations of a share of 1/2.
            assert_holds((agree - 0.5).abs() < 3 * far, f"samples {apart} apart decide alike, or never do")


# --- guide ----------------------------------------------------------------------------------------------


def _guide(uncond: Tensor, cond: Tensor, w: float) -> Tensor:
    return (1 - w) * uncond + w * cond


def _of_guide(draw: Draw) -> Iterator[Example]:
    yield Example(reference.guide, draw.normal(3, 2, 4), draw.normal(3, 2, 4), 7.5)


def _where_one_is_the_answer(draw: Draw) -> Iterator[Example]:
    for w in (0.0, 1.0):
        yield Example(reference.guide, draw.normal(3, 4), draw.normal(3, 4), w)


@exercise("guide")
@promises(
    _of_guide,
    untouched(rtol=RTOL),
    new_tensor(rtol=RTOL, examples=_where_one_is_the_answer),
    any_layout(rtol=RTOL),
    by_position_and_name(rtol=RTOL),
    IN_ANY_DTYPE,
    gradients(weight=6, rtol=RTOL),
)
class Guide:
    @value(weight=4)
    def agrees_with_the_formula(self, student: Student, draw: Draw) -> None:
        """Agrees with the formula, for scales below 0, between 0 and 1, and far above."""
        for w in (7.5, 3.0, 0.25, -2.0, 40.0):
            uncond, cond = draw.normal(3, 2, 4, 5), draw.normal(3, 2, 4, 5)
            _near(student.guide(uncond, cond, w), _guide(uncond, cond, w))

    @value()
    def any_shape(self, student: Student, draw: Draw) -> None:
        """Takes predictions of any shape: a batch of one, points, pictures, even single numbers."""
        for shape in [(1, 3, 2, 5), (5, 2), (7,), (3, 1, 2, 2, 2)]:
            uncond, cond = draw.normal(*shape), draw.normal(*shape)
            _near(student.guide(uncond, cond, 2.5), _guide(uncond, cond, 2.5))

    @value()
    def whole_numbers(self, student: Student, draw: Draw) -> None:
        """Takes a scale that is an int as well as one that is a float."""
        uncond, cond = draw.normal(3, 4), draw.normal(3, 4)
        _near(student.guide(uncond, cond, 3), _guide(uncond, cond, 3))

    @value()
    def large_numbers(self, student: Student, draw: Draw) -> None:
        """Is right for predictions that are very large or very small."""
        for scale in (1e8, 1e-8):
            uncond, cond = scale * draw.normal(3, 2, 4), scale * draw.normal(3, 2, 4)
            _near(student.guide(uncond, cond, 9.0), _guide(uncond, cond, 9.0))

    @rule(weight=2)
    def nought_and_one(self, student: Student, draw: Draw) -> None:
        """A scale of 0 gives the unconditional prediction, and a scale of 1 the conditional one."""
        uncond, cond = draw.normal(3, 2, 5), draw.normal(3, 2, 5)
        _near(student.guide(uncond, cond, 0.0), uncond)
        _near(student.guide(uncond, cond, 1.0), cond)

    @rule()
    def even_steps(self, student: Student, draw: Draw) -> None:
        """Equal steps of the scale move the result by equal steps."""
        uncond, cond = draw.normal(3, 5), draw.normal(3, 5)
        at = [_checked(student.guide(uncond, cond, w), like=uncond) for w in (1.5, 4.0, 6.5)]
        _near(at[2] - at[1], at[1] - at[0])

    @rule()
    def where_both_agree(self, student: Student, draw: Draw) -> None:
        """Where the two predictions agree, no scale changes anything."""
        cond = draw.normal(3, 5)
        for w in (-1.0, 0.5, 8.0):
            _near(student.guide(cond, cond.clone(), w), cond)


# --- guided_eps -----------------------------------------------------------------------------------------


def _of_guided_eps(draw: Draw) -> Iterator[Example]:
    model, x, t = differentiable(Denoiser()), draw.normal(3, 2, 4), draw.integers(3, high=10)
    yield Example(reference.guided_eps, model, x, t, draw.normal(3, 5), draw.normal(5), 2.5)


@exercise("guided_eps")
@promises(
    _of_guided_eps,
    untouched(rtol=RTOL),
    any_layout(rtol=RTOL),
    by_position_and_name(rtol=RTOL),
    IN_ANY_DTYPE,
    gradients(weight=6, rtol=RTOL),
)
class GuidedEps:
    @value(weight=4)
    def agrees_with_two_calls(self, student: Student, draw: Draw) -> None:
        """Gives what two separate calls and the formula give, each sample with its own time and condition."""
        for w in (3.5, 7.0, -0.5):
            x, t = draw.normal(3, 2, 4, 5), draw.integers(3, high=10)
            cond, null = draw.normal(3, 4, 6), draw.normal(4, 6)
            found = student.guided_eps(Denoiser(), x, t, cond, null, w)
            _near(found, _guided(x, t, cond, null, w))

    @value(weight=2)
    def labels(self, student: Student, draw: Draw) -> None:
        """Works with labels for conditions and a single null label."""
        x, t = draw.normal(5, 2), draw.integers(5, high=10)
        cond, null = draw.permutation(5), torch.tensor(5, device=draw.device)
        _near(student.guided_eps(Denoiser(), x, t, cond, null, 3.0), _guided(x, t, cond, null, 3.0))

    @value(weight=3)
    def one_call(self, student: Student, draw: Draw) -> None:
        """Calls the model exactly once, with twice the batch."""
        for batch, w in ((3, 5.0), (1, 2.0)):
            model = Denoiser(once=True)
            x, t = draw.normal(batch, 2, 3, 4), draw.integers(batch, high=10)
            cond, null = draw.normal(batch, 6), draw.normal(6)
            _near(student.guided_eps(model, x, t, cond, null, w), _guided(x, t, cond, null, w))
            model.assert_asked_once(batch)

    @value()
    def one_call_for_every_scale(self, student: Student, draw: Draw) -> None:
        """Calls the model once, with twice the batch, also where the scale needs only one prediction."""
        for w in (0.0, 1.0):
            # Whoever asks for one prediction only has the right values: the batch is what tells.
            model = Denoiser(once=True, rows=6)
            x, t = draw.normal(3, 2), draw.integers(3, high=10)
            cond, null = draw.normal(3, 4), draw.normal(4)
            _near(student.guided_eps(model, x, t, cond, null, w), _guided(x, t, cond, null, w))
            model.assert_asked_once(3)

    @value()
    def a_null_for_each(self, student: Student, draw: Draw) -> None:
        """Takes a null that has the shape of all conditions, or fewer dimensions than one of them."""
        x, t, cond = draw.normal(3, 2, 3), draw.integers(3, high=10), draw.normal(3, 4, 6)
        for null in (draw.normal(3, 4, 6), draw.normal(6), draw.normal(1, 4, 1)):
            found = student.guided_eps(Denoiser(), x, t, cond, null, 2.5)
            _near(found, _guided(x, t, cond, null, 2.5))

    @value()
    def huge_scales(self, student: Student, draw: Draw) -> None:
        """Is right for huge scales and for samples far out."""
        x, t = 1e3 * draw.normal(3, 2, 3, 2), draw.integers(3, high=10)
        cond, null = draw.normal(3, 6), draw.normal(6)
        found = student.guided_eps(Denoiser(), x, t, cond, null, 1e4)
        _near(found, _guided(x, t, cond, null, 1e4), rtol=1e-8)

    @rule()
    def nothing_to_guide_by(self, student: Student, draw: Draw) -> None:
        """If the condition is null itself, the scale makes no difference."""
        x, t, cond = draw.normal(3, 4, 2), draw.integers(3, high=10), draw.normal(3, 5)
        plain = Denoiser()(x, t, cond)
        for w in (0.5, 6.0):
            _near(student.guided_eps(Denoiser(), x, t, cond, cond.clone(), w), plain)

    @rule()
    def samples_are_separate(self, student: Student, draw: Draw) -> None:
        """A sample's answer does not depend on the other samples of the batch."""
        x, t, cond = draw.normal(5, 2, 3), draw.integers(5, high=10), draw.normal(5, 4)
        null = draw.normal(4)
        answer = _checked(student.guided_eps(Denoiser(), x, t, cond, null, 4.0), like=x)
        for part in (slice(1, 2), slice(2, 5)):
            found = student.guided_eps(Denoiser(), x[part], t[part], cond[part], null, 4.0)
            _near(found, answer[part])


# --- negative_prompt_eps --------------------------------------------------------------------------------


def _of_negative_prompt_eps(draw: Draw) -> Iterator[Example]:
    for negative in (None, draw.normal(5)):
        model, x, t = differentiable(Denoiser()), draw.normal(3, 2, 4), draw.integers(3, high=10)
        cond, null = draw.normal(3, 5), draw.normal(5)
        yield Example(reference.negative_prompt_eps, model, x, t, cond, null, 2.5, negative)


@exercise("negative_prompt_eps")
@promises(
    _of_negative_prompt_eps,
    untouched(rtol=RTOL),
    any_layout(rtol=RTOL),
    by_position_and_name(rtol=RTOL),
    IN_ANY_DTYPE,
    gradients(weight=6, rtol=RTOL),
)
class NegativePromptEps:
    @value(weight=4)
    def starts_from_the_negative(self, student: Student, draw: Draw) -> None:
        """Guides from the prediction for the negative to the one for the condition."""
        for w in (3.5, 0.5, 7.0):
            x, t = draw.normal(3, 2, 4, 5), draw.integers(3, high=10)
            cond, null, negative = draw.normal(3, 4, 6), draw.normal(4, 6), draw.normal(4, 6)
            found = student.negative_prompt_eps(Denoiser(), x, t, cond, null, w, negative)
            _near(found, _guided(x, t, cond, negative, w))

    @value(weight=2)
    def without_a_negative(self, student: Student, draw: Draw) -> None:
        """Without a negative, left out or None, it is plain guidance."""
        for given in ((), (None,)):
            x, t = draw.normal(3, 4, 2), draw.integers(3, high=10)
            cond, null = draw.normal(3, 5), draw.normal(5)
            found = student.negative_prompt_eps(Denoiser(), x, t, cond, null, 3.0, *given)
            _near(found, _guided(x, t, cond, null, 3.0))

    @value(weight=2)
    def one_call(self, student: Student, draw: Draw) -> None:
        """Calls the model exactly once, with twice the batch, with a negative and without."""
        for batch, given in ((3, (draw.normal(6),)), (5, ())):
            model = Denoiser(once=True)
            x, t = draw.normal(batch, 3, 4), draw.integers(batch, high=10)
            cond, null = draw.normal(batch, 6), draw.normal(6)
            found = student.negative_prompt_eps(model, x, t, cond, null, 4.0, *given)
            _near(found, _guided(x, t, cond, given[0] if given else null, 4.0))
            model.assert_asked_once(batch)

    @value()
    def labels(self, student: Student, draw: Draw) -> None:
        """Works with labels: one negative for all samples, or one for each; label 0 is one like others."""
        x, t, null = draw.normal(5, 2), draw.integers(5, high=10), torch.tensor(5, device=draw.device)
        cond = draw.permutation(5)
        for negative in (torch.tensor(0, device=draw.device), draw.permutation(5)):
            found = student.negative_prompt_eps(Denoiser(), x, t, cond, null, 2.5, negative)
            _near(found, _guided(x, t, cond, negative, 2.5))

    @value()
    def far_out(self, student: Student, draw: Draw) -> None:
        """Is right in float32, for samples far out and large scales, too."""
        x, t = 10 * draw.normal(3, 2, 3, dtype=torch.float32), draw.integers(3, high=10)
        cond, null, negative = (draw.normal(*shape, dtype=torch.float32) for shape in ((3, 4), (4,), (4,)))
        found = student.negative_prompt_eps(Denoiser(), x, t, cond, null, 100.0, negative)
        _near(found, _guided(x, t, cond, negative, 100.0), rtol=RTOL_SINGLE)

    @rule()
    def what_is_asked_for_and_not_wanted(self, student: Student, draw: Draw) -> None:
        """If the negative is the condition itself, all scales give the plain conditional prediction."""
        x, t, cond, null = draw.normal(3, 4, 2), draw.integers(3, high=10), draw.normal(3, 5), draw.normal(5)
        for w in (0.0, 2.0, 7.0):
            found = student.negative_prompt_eps(Denoiser(), x, t, cond, null, w, cond.clone())
            _near(found, Denoiser()(x, t, cond))

    @rule()
    def an_empty_negative(self, student: Student, draw: Draw) -> None:
        """A negative that is null changes nothing against none at all."""
        x, t, cond, null = draw.normal(3, 4, 2), draw.integers(3, high=10), draw.normal(3, 5), draw.normal(5)
        answer = _checked(student.negative_prompt_eps(Denoiser(), x, t, cond, null, 5.0), like=x)
        _near(student.negative_prompt_eps(Denoiser(), x, t, cond, null, 5.0, null.clone()), answer)

    @rule()
    def a_scale_of_one(self, student: Student, draw: Draw) -> None:
        """At a scale of 1 no negative makes a difference."""
        x, t, cond, null = draw.normal(3, 4, 2), draw.integers(3, high=10), draw.normal(3, 5), draw.normal(5)
        for _ in range(2):
            found = student.negative_prompt_eps(Denoiser(), x, t, cond, null, 1.0, draw.normal(5))
            _near(found, Denoiser()(x, t, cond))


# --- rescale_guidance -----------------------------------------------------------------------------------


def _rescaled(guided: Tensor, cond: Tensor, phi: float) -> Tensor:
    ratios = [
        c.var(correction=0).sqrt() / g.var(correction=0).sqrt() for g, c in zip(guided, cond, strict=True)
    ]
    return torch.stack([(phi * ratio + 1 - phi) * g for g, ratio in zip(guided, ratios, strict=True)])


def _predictions(draw: Draw, *shape: int, dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor]:
    """Two predictions whose samples have standard deviations and means of their own."""
    own = [shape[0], *[1] * (len(shape) - 1)]
    guided = (1 + 4 * draw.uniform(*own)) * draw.normal(*shape) + 2 * draw.normal(*own)
    cond = (0.5 + draw.uniform(*own)) * draw.normal(*shape) + draw.normal(*own)
    return guided.to(dtype), cond.to(dtype)


def _of_rescale_guidance(draw: Draw) -> Iterator[Example]:
    yield Example(reference.rescale_guidance, *_predictions(draw, 3, 2, 4), 0.7)


def _where_nothing_changes(draw: Draw) -> Iterator[Example]:
    yield Example(reference.rescale_guidance, *_predictions(draw, 3, 2, 4), 0.0)
    guided, _ = _predictions(draw, 3, 4)
    yield Example(reference.rescale_guidance, guided, guided, 1.0)


@exercise("rescale_guidance")
@promises(
    _of_rescale_guidance,
    untouched(rtol=RTOL_RATIO),
    new_tensor(rtol=RTOL_RATIO, examples=_where_nothing_changes),
    any_layout(rtol=RTOL_RATIO),
    by_position_and_name(rtol=RTOL_RATIO),
    IN_ANY_DTYPE,
    gradients(weight=6, rtol=RTOL_RATIO),
)
class RescaleGuidance:
    @value(weight=4)
    def agrees_with_the_formula(self, student: Student, draw: Draw) -> None:
        """Agrees with the formula on pictures, each sample with a standard deviation of its own."""
        for phi in (0.7, 0.3):
            guided, cond = _predictions(draw, 3, 2, 4, 5)
            found = student.rescale_guidance(guided, cond, phi)
            _near(found, _rescaled(guided, cond, phi), rtol=RTOL_RATIO)

    @value(weight=2)
    def all_of_it(self, student: Student, draw: Draw) -> None:
        """With phi = 1 each sample has the standard deviation of its conditional prediction."""
        guided, cond = _predictions(draw, 5, 3, 2, 4)
        found = student.rescale_guidance(guided, cond, 1.0)
        _near(found, _rescaled(guided, cond, 1.0), rtol=RTOL_RATIO)

    @value()
    def any_shape(self, student: Student, draw: Draw) -> None:
        """Takes samples of any shape: vectors, sequences, pictures, videos, and a batch of one."""
        for shape in [(3, 7), (1, 4, 5), (3, 2, 1, 6), (2, 2, 3, 2, 2)]:
            guided, cond = _predictions(draw, *shape)
            found = student.rescale_guidance(guided, cond, 0.6)
            _near(found, _rescaled(guided, cond, 0.6), rtol=RTOL_RATIO)

    @value()
    def samples_unlike_each_other(self, student: Student, draw: Draw) -> None:
        """Is right where the samples of a batch have very different standard deviations."""
        guided, cond = _predictions(draw, 4, 2, 3, 3)
        scale = torch.tensor([0.01, 1.0, 30.0, 1e3], dtype=guided.dtype, device=guided.device)
        guided, cond = (each * scale.reshape(4, 1, 1, 1) for each in (guided, cond.flip(0)))
        expected = _rescaled(guided, cond, 0.7)
        found = _checked(student.rescale_guidance(guided, cond, 0.7), like=expected)
        for one, wanted in zip(found, expected, strict=True):  # the small ones measured by themselves
            _near(one, wanted, rtol=RTOL_RATIO)

    @value()
    def tiny_and_huge(self, student: Student, draw: Draw) -> None:
        """Is right for predictions that are tiny, and for huge ones."""
        for scale in (1e-4, 1e4):
            guided, cond = (scale * each for each in _predictions(draw, 3, 4, 2))
            found = student.rescale_guidance(guided, cond, 0.8)
            _near(found, _rescaled(guided, cond, 0.8), rtol=RTOL_RATIO)

    @rule()
    def none_of_it(self, student: Student, draw: Draw) -> None:
        """With phi = 0 the guided prediction comes back as it was."""
        guided, cond = _predictions(draw, 3, 2, 4, 5)
        _near(student.rescale_guidance(guided, cond, 0.0), guided)

    @rule()
    def nothing_to_repair(self, student: Student, draw: Draw) -> None:
        """Where the standard deviations agree already, nothing changes, whatever phi is."""
        guided, _ = _predictions(draw, 3, 2, 4)
        for phi in (0.5, 1.0):
            _near(student.rescale_guidance(guided, 3 - guided, phi), guided, rtol=RTOL_RATIO)

    @rule()
    def samples_are_separate(self, student: Student, draw: Draw) -> None:
        """A sample's answer does not depend on the other samples of the batch."""
        guided, cond = _predictions(draw, 5, 2, 3)
        answer = _checked(student.rescale_guidance(guided, cond, 0.7), like=guided)
        found = student.rescale_guidance(guided[1:3], cond[1:3], 0.7)
        _near(found, answer[1:3], rtol=RTOL_RATIO)
