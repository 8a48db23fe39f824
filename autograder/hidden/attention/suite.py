"""Hidden tests of the module `attention`. Shapes use the letters of `solutions/attention.py`."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from autograder.testing import (
    Draw,
    Example,
    Student,
    any_layout,
    as_torch_initialises,
    assert_close,
    assert_holds,
    assert_parameters,
    assert_tensor,
    by_position_and_name,
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
from solutions import attention as reference

# A correct answer may keep sqrt(d) in a float32 tensor, which costs 3e-8 of every score in float64 too.
# A wrong formula is off by far more than this.
RTOL = 1e-5
RTOL_SINGLE = 1e-4  # float32: the errors of several layers add up
RTOL_HALF = 2e-2
ROUNDED = {torch.float32: RTOL_SINGLE, torch.float16: RTOL_HALF}
IN_ANY_DTYPE = dtypes(torch.float32, torch.float16, rtol=ROUNDED)


def _cut(x: Tensor, heads: int) -> Tensor:
    """[B, L, C] -> [B, heads, L, d], head by head."""
    return torch.stack(torch.chunk(x, heads, dim=-1), dim=1)


def _attention(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> Tensor:
    """PyTorch's own attention, computed in float64, in the dtype of v."""
    attended: Tensor = F.scaled_dot_product_attention(q.double(), k.double(), v.double(), mask)
    return attended.to(v.dtype)


def _near(answer: Any, expected: Tensor, rtol: float = RTOL) -> None:
    """Right to some digits, in whatever dtype: `dtypes` asks for that."""
    assert_close(answer, expected, rtol=rtol, check_dtype=False)


def _checked(answer: Any, like: Tensor) -> Tensor:
    """An answer that other answers may be compared with: finite, of this shape, dtype and device."""
    tensor = assert_tensor(answer, shape=tuple(like.shape), dtype=like.dtype)
    assert_holds(tensor.device == like.device, f"the result is on the wrong device: {tensor.device}")
    assert_holds(torch.isfinite(tensor).all(), "the result contains NaN or infinity")
    return tensor


def _of_stable_softmax(draw: Draw) -> Iterator[Example]:
    yield Example(reference.stable_softmax, draw.normal(3, 4, 2), 1)


def _with_one_score(draw: Draw) -> Iterator[Example]:
    """A lone score has the weight 1, whatever it is: also where it is 1."""
    yield from _of_stable_softmax(draw)
    yield Example(reference.stable_softmax, torch.ones(3, 1, dtype=torch.float64, device=draw.device), 1)


@exercise("stable_softmax")
@promises(
    _of_stable_softmax,
    untouched(rtol=RTOL),
    new_tensor(rtol=RTOL, examples=_with_one_score),
    any_layout(rtol=RTOL),
    by_position_and_name(rtol=RTOL),
    IN_ANY_DTYPE,
    gradients(weight=8, rtol=RTOL),
)
class StableSoftmax:
    @value(weight=2)
    def agrees_with_pytorch(self, student: Student, draw: Draw) -> None:
        """Agrees with PyTorch's softmax along the last dimension, for one row and for many."""
        for shape in [(7,), (3, 5), (3, 2, 4)]:
            x = 2 * draw.normal(*shape)
            found = student.stable_softmax(x, dim=-1)
            assert_close(found, torch.softmax(x, -1), rtol=RTOL, check_dtype=False)

    @value(weight=2)
    def any_dimension(self, student: Student, draw: Draw) -> None:
        """Works along whichever dimension is asked for, counted from the front or from the back."""
        for shape in [(4, 4), (3, 4, 2)]:
            x = draw.normal(*shape)
            for dim in (0, 1, -2):
                found = student.stable_softmax(x, dim=dim)
                assert_close(found, torch.softmax(x, dim), rtol=RTOL, check_dtype=False)

    @value(weight=8)
    def survives_huge_scores(self, student: Student, draw: Draw) -> None:
        """Gives the right weights for huge scores, positive or negative: no overflow, no 0/0."""
        spread = draw.uniform(3, 6, low=-1e4, high=1e4)
        near = draw.normal(3, 6).abs()
        for x in (spread, 1e4 - near, near - 1e4):
            found = student.stable_softmax(x, dim=-1)
            assert_close(found, torch.softmax(x, -1), rtol=5e-3, check_dtype=False)
            single = x.float()
            expected = torch.softmax(single.double(), -1).float()
            # exp(x - logsumexp(x)) is right too, and loses digits: x has few of them after the point.
            assert_close(student.stable_softmax(single, dim=-1), expected, rtol=5e-3)
        order = draw.permutation(8)
        half = (2000 * order - 7000).to(torch.float16)
        found = student.stable_softmax(half, dim=0)
        assert_close(found, (order == 7).to(torch.float16), check_dtype=False)

    @value(weight=2)
    def slices_far_apart(self, student: Student, draw: Draw) -> None:
        """Gets every slice right, even if all of its scores lie far below those of another slice."""
        x = draw.normal(5, 3) + 5000 * (draw.permutation(5)[:, None] - 2)
        found = student.stable_softmax(x, dim=1)
        assert_close(found, torch.softmax(x, 1), check_dtype=False)

    @value()
    def minus_infinity(self, student: Student, draw: Draw) -> None:
        """Gives a score of minus infinity the weight 0; the other weights of its slice add up to 1."""
        x = draw.normal(4, 6).masked_fill(~draw.mask(4, 6), -math.inf)
        found = student.stable_softmax(x, dim=-1)
        assert_close(found, torch.softmax(x, -1), rtol=RTOL, check_dtype=False)

    @rule()
    def weights_add_up(self, student: Student, draw: Draw) -> None:
        """The weights are never negative, and those of each slice add up to 1."""
        x = 3 * draw.normal(3, 5, 2)
        weights = assert_tensor(student.stable_softmax(x, dim=1), shape=(3, 5, 2))
        assert_holds(not weights.is_complex() and (weights >= 0).all(), "some weights are negative")
        assert_close(weights.sum(1), torch.ones_like(x[:, 0]), rtol=RTOL, check_dtype=False)

    @rule()
    def shift_invariance(self, student: Student, draw: Draw) -> None:
        """Adding one number to all the scores of a slice changes nothing."""
        x = draw.normal(4, 3)
        weights = _checked(student.stable_softmax(x, dim=0), like=x)
        shift = draw.uniform(3, low=-10, high=10)
        assert_close(student.stable_softmax(x + shift, dim=0), weights, rtol=RTOL)


def _of_attention(draw: Draw) -> Iterator[Example]:
    q, k, v = draw.normal(3, 2, 4, 6), draw.normal(3, 2, 5, 6), draw.normal(3, 2, 5, 3)
    yield Example(reference.scaled_dot_product_attention, q, k, v, draw.mask(4, 5))


def _of_itself(draw: Draw) -> Iterator[Example]:
    yield from _of_attention(draw)
    x = draw.normal(3, 2, 4, 5)
    yield Example(reference.scaled_dot_product_attention, x, x, x, draw.mask(4, 4))


def _with_one_key(draw: Draw) -> Iterator[Example]:
    """All of a query's attention goes to the one key: its value is the answer."""
    for L in (1, 3):
        q, k, v = draw.normal(2, 3, L, 4), draw.normal(2, 3, 1, 4), draw.normal(2, 3, 1, 5)
        yield Example(reference.scaled_dot_product_attention, q, k, v)


@exercise("scaled_dot_product_attention")
@promises(
    _of_attention,
    untouched(rtol=RTOL, examples=_of_itself),
    new_tensor(rtol=RTOL, examples=_with_one_key),
    any_layout(rtol=RTOL),
    by_position_and_name(rtol=RTOL),
    IN_ANY_DTYPE,
    gradients(weight=9, rtol=RTOL),
)
class ScaledDotProductAttention:
    @value(weight=3)
    def agrees_with_pytorch(self, student: Student, draw: Draw) -> None:
        """Agrees with PyTorch, also with more or fewer keys than queries and with values of another width."""
        for B, h, L, S, d, e in [(3, 2, 5, 7, 8, 4), (1, 3, 4, 2, 5, 6)]:
            q, k, v = draw.normal(B, h, L, d), draw.normal(B, h, S, d), draw.normal(B, h, S, e)
            _near(student.scaled_dot_product_attention(q, k, v), _attention(q, k, v))

    @value(weight=6)
    def equal_lengths(self, student: Student, draw: Draw) -> None:
        """Without a mask every query attends to every key, also if there are as many keys as queries."""
        for B, h, L, d in [(3, 2, 5, 4), (4, 4, 4, 4)]:
            q, k, v = (draw.normal(B, h, L, d) for _ in range(3))
            _near(student.scaled_dot_product_attention(q, k, v), _attention(q, k, v))

    @value()
    def sizes_of_one(self, student: Student, draw: Draw) -> None:
        """Is right with one query, one key, one head, one channel, one sample, and with a mask for each."""
        for B, h, L, S, d, e in [
            (1, 1, 1, 4, 3, 2),
            (2, 1, 3, 1, 4, 1),
            (1, 3, 2, 3, 1, 2),
            (1, 1, 1, 1, 1, 1),
        ]:
            q, k, v = draw.normal(B, h, L, d), draw.normal(B, h, S, d), draw.normal(B, h, S, e)
            for mask in (None, draw.mask(L, S)):
                found = student.scaled_dot_product_attention(q, k, v, mask=mask)
                _near(found, _attention(q, k, v, mask))

    @value(weight=2)
    def mask(self, student: Student, draw: Draw) -> None:
        """With a mask, a query attends to the keys where the mask is True, with weights that add up to 1."""
        q, k, v = draw.normal(3, 2, 5, 6), draw.normal(3, 2, 7, 6), draw.normal(3, 2, 7, 4)
        mask = draw.mask(3, 2, 5, 7)
        found = student.scaled_dot_product_attention(q, k, v, mask=mask)
        _near(found, _attention(q, k, v, mask))

    @value()
    def mask_broadcasts(self, student: Student, draw: Draw) -> None:
        """A mask may have fewer dimensions, or some of size 1, as long as it broadcasts to [B, h, L, S]."""
        q, k, v = draw.normal(3, 2, 3, 6), draw.normal(3, 2, 5, 6), draw.normal(3, 2, 5, 4)
        for shape in [(3, 5), (3, 1, 1, 5), (2, 3, 5), (1, 2, 1, 5)]:
            mask = draw.mask(*shape)
            found = student.scaled_dot_product_attention(q, k, v, mask=mask)
            _near(found, _attention(q, k, v, mask))

    @value()
    def forbidden_keys_have_no_weight(self, student: Student, draw: Draw) -> None:
        """A forbidden key has no weight at all, even if its score is far above those of the allowed keys."""
        mask = draw.mask(3, 1, 1, 5)
        q, k, v = draw.normal(3, 2, 4, 4), draw.normal(3, 2, 5, 4), draw.normal(3, 2, 5, 3)
        q[..., 0] = 100
        k[..., 0] = torch.where(mask[:, :, 0], -200, 200)  # scores near -1e4 and 1e4
        found = student.scaled_dot_product_attention(q, k, v, mask=mask)
        _near(found, _attention(q, k, v, mask))

    @value()
    def huge_scores(self, student: Student, draw: Draw) -> None:
        """With huge scores the best key takes all the weight, in half precision too: no NaN, no infinity."""
        best = draw.integers(6, high=4)
        v = draw.normal(1, 1, 4, 3)
        q = (200 * F.one_hot(best, 4) - 100)[None, None]
        k = 200 * torch.eye(4).to(v)[None, None]  # scores of -1e4 and 1e4, exact in float16
        for dtype in (torch.float64, torch.float32, torch.float16):
            found = student.scaled_dot_product_attention(q.to(dtype), k.to(dtype), v.to(dtype))
            assert_close(found, v[:, :, best].to(dtype))

    @value()
    def equal_keys_average(self, student: Student, draw: Draw) -> None:
        """If all keys are alike, every query gets the mean of the values."""
        q, k, v = draw.normal(2, 3, 4, 5), draw.normal(2, 3, 1, 5), draw.normal(2, 3, 6, 2)
        expected = v.mean(-2, keepdim=True).expand(2, 3, 4, 2)
        _near(student.scaled_dot_product_attention(q, k.repeat(1, 1, 6, 1), v), expected)

    @rule()
    def order_of_keys(self, student: Student, draw: Draw) -> None:
        """Reordering the keys and the values, both in the same way, changes nothing."""
        q, k, v = draw.normal(2, 1, 3, 4), draw.normal(2, 1, 6, 4), draw.normal(2, 1, 6, 4)
        answer = _checked(student.scaled_dot_product_attention(q, k, v), like=q)
        order = draw.permutation(6)
        _near(student.scaled_dot_product_attention(q, k[:, :, order], v[:, :, order]), answer, rtol=RTOL)

    @rule()
    def queries_are_separate(self, student: Student, draw: Draw) -> None:
        """A query's answer depends on no other query, on no other head and on no other sample."""
        q, k, v = draw.normal(3, 3, 4, 4), draw.normal(3, 3, 5, 4), draw.normal(3, 3, 5, 4)
        answer = _checked(student.scaled_dot_product_attention(q, k, v), like=q)
        parts = (slice(1, 2), slice(0, 2), slice(1, 3))
        found = student.scaled_dot_product_attention(q[parts], k[parts[:2]], v[parts[:2]])
        _near(found, answer[parts])


def _of_heads(draw: Draw) -> Iterator[Example]:
    yield Example(reference.split_heads, draw.normal(3, 5, 6), 2)
    yield Example(reference.merge_heads, draw.normal(3, 2, 5, 4))


@exercise("split_heads")
@promises(_of_heads, untouched(), any_layout(), by_position_and_name(), gradients(weight=5))
class SplitHeads:
    @value(weight=3)
    def split_cuts_the_channels(self, student: Student, draw: Draw) -> None:
        """split_heads gives head 0 the first channels of every token, head 1 the next ones, and so on."""
        for B, L, heads, d in [(3, 5, 2, 4), (1, 4, 4, 3)]:
            x = draw.normal(B, L, heads * d)
            assert_close(student.split_heads(x, heads), _cut(x, heads))

    @value(weight=3)
    def merge_joins_the_heads(self, student: Student, draw: Draw) -> None:
        """merge_heads puts the heads' channels side by side again, for every token."""
        for B, heads, L, d in [(3, 2, 5, 4), (1, 4, 4, 3)]:
            x = draw.normal(B, heads, L, d)
            assert_close(student.merge_heads(x), torch.cat(x.unbind(1), dim=-1))

    @value()
    def smallest_heads(self, student: Student, draw: Draw) -> None:
        """Both work with a single head, and with heads of one channel each."""
        x = draw.normal(3, 4, 5)
        assert_close(student.split_heads(x, 1), x[:, None])
        assert_close(student.split_heads(x, 5), x.transpose(1, 2)[..., None])
        assert_close(student.merge_heads(x[:, None]), x)
        assert_close(student.merge_heads(x[..., None]), x.transpose(1, 2))

    @value()
    def keeps_the_dtype(self, student: Student, draw: Draw) -> None:
        """Both keep numbers and dtype exactly as they are, whatever the dtype."""
        for dtype in (torch.float32, torch.float16, torch.int64):
            x = (1000 * draw.normal(2, 3, 6)).to(dtype)
            assert_close(student.split_heads(x, 3), _cut(x, 3), rtol=0)
            x = (1000 * draw.normal(2, 3, 2, 2)).to(dtype)
            assert_close(student.merge_heads(x), torch.cat(x.unbind(1), dim=-1), rtol=0)

    @rule()
    def round_trip(self, student: Student, draw: Draw) -> None:
        """Splitting and then merging gives back what went in."""
        x = draw.normal(3, 5, 8)
        split = _checked(student.split_heads(x, 2), like=x.reshape(3, 2, 5, 4))
        assert_close(student.merge_heads(split), x)

    @rule()
    def round_trip_from_heads(self, student: Student, draw: Draw) -> None:
        """Merging and then splitting gives back what went in."""
        x = draw.normal(3, 2, 5, 4)
        merged = _checked(student.merge_heads(x), like=x.reshape(3, 5, 8))
        assert_close(student.split_heads(merged, 2), x)


def _of_self_attention(draw: Draw) -> Iterator[Example]:
    yield Example(reference.MultiHeadSelfAttention, draw.normal(3, 4, 6), made_with=(6, 3))


@exercise("MultiHeadSelfAttention")
@promises(
    _of_self_attention,
    untouched(rtol=RTOL),
    new_tensor(rtol=RTOL),
    any_layout(rtol=RTOL),
    same_in_eval(weight=5, rtol=RTOL),
    IN_ANY_DTYPE,
    gradients(weight=8, rtol=RTOL),
    as_torch_initialises(reference.MultiHeadSelfAttention, 48, 4, weight=3),
)
class MultiHeadSelfAttention:
    @value(weight=4)
    def agrees_with_the_reference(self, student: Student, draw: Draw) -> None:
        """With the same weights, gives the same answer as the course's own layer."""
        for B, L, dim, heads in [(3, 5, 12, 3), (3, 5, 10, 2), (4, 4, 4, 2)]:
            handle, module = twins(student, draw, reference.MultiHeadSelfAttention, dim, heads)
            x = draw.normal(B, L, dim)
            assert_close(handle(x), module(x), rtol=RTOL)

    @value()
    def any_number_of_heads(self, student: Student, draw: Draw) -> None:
        """Works with a single head, with heads of one channel each, and with one channel in all."""
        for dim, heads in [(5, 1), (5, 5), (1, 1)]:
            handle, module = twins(student, draw, reference.MultiHeadSelfAttention, dim, heads)
            x = draw.normal(1, 4, dim)
            assert_close(handle(x), module(x), rtol=RTOL)

    @value()
    def lone_token(self, student: Student, draw: Draw) -> None:
        """A lone token can only attend to itself: the answer is its value, projected by to_out."""
        handle, module = twins(student, draw, reference.MultiHeadSelfAttention, 6, 2)
        x = draw.normal(3, 1, 6)
        assert_close(handle(x), module.to_out[0](module.to_v(x)), rtol=RTOL)

    @value()
    def huge_scores(self, student: Student, draw: Draw) -> None:
        """Is right for inputs so large that the exponentials of the scores would overflow."""
        handle, module = twins(student, draw, reference.MultiHeadSelfAttention, 8, 2)
        x = 100 * draw.normal(3, 5, 8)
        assert_close(handle(x), module(x), rtol=RTOL)

    @rule()
    def parameters(self, student: Student, draw: Draw) -> None:
        """Has the named parameters in the given shapes, and no others: pretrained weights fit in."""
        assert_parameters(
            student.new("MultiHeadSelfAttention", 12, 3), reference.MultiHeadSelfAttention(12, 3)
        )

    @rule(weight=2)
    def permutation_equivariance(self, student: Student, draw: Draw) -> None:
        """Reordering the tokens reorders the answer in the same way, and changes nothing else."""
        handle, _ = twins(student, draw, reference.MultiHeadSelfAttention, 8, 2)
        x, order = draw.normal(3, 5, 8), draw.permutation(5)
        answer = _checked(handle(x), like=x)
        assert_close(handle(x[:, order]), answer[:, order], rtol=RTOL)

    @rule()
    def samples_are_separate(self, student: Student, draw: Draw) -> None:
        """A sample's answer does not depend on the other samples of the batch."""
        handle, _ = twins(student, draw, reference.MultiHeadSelfAttention, 8, 4)
        x = draw.normal(3, 5, 8)
        answer = _checked(handle(x), like=x)
        assert_close(handle(x[1:2]), answer[1:2], rtol=RTOL)


def _of_cross_attention(draw: Draw) -> Iterator[Example]:
    x, context = draw.normal(3, 4, 6), draw.normal(3, 3, 5)
    yield Example(reference.CrossAttention, x, context, made_with=(6, 5, 2, 4))


def _of_x_and_x(draw: Draw) -> Iterator[Example]:
    yield from _of_cross_attention(draw)
    x = draw.normal(3, 4, 6)
    yield Example(reference.CrossAttention, x, x, made_with=(6, 6, 2, 4))


@exercise("CrossAttention")
@promises(
    _of_cross_attention,
    untouched(rtol=RTOL, examples=_of_x_and_x),
    new_tensor(rtol=RTOL),
    any_layout(rtol=RTOL),
    by_position_and_name(rtol=RTOL),
    same_in_eval(weight=5, rtol=RTOL),
    IN_ANY_DTYPE,
    gradients(weight=8, rtol=RTOL),
    as_torch_initialises(reference.CrossAttention, 48, 40, 4, 8, weight=2),
)
class CrossAttention:
    @value(weight=4)
    def agrees_with_the_reference(self, student: Student, draw: Draw) -> None:
        """With the same weights, gives the same answer as the course's own layer."""
        for B, L, S in [(3, 5, 7), (1, 4, 2)]:
            handle, module = twins(student, draw, reference.CrossAttention, 10, 6, heads=3, head_dim=4)
            x, context = draw.normal(B, L, 10), draw.normal(B, S, 6)
            assert_close(handle(x, context), module(x, context), rtol=RTOL)

    @value()
    def equal_widths(self, student: Student, draw: Draw) -> None:
        """Is right where queries, context and all heads together have equally many channels, or one."""
        for dim, heads in [(6, 2), (1, 1)]:
            handle, module = twins(
                student, draw, reference.CrossAttention, dim, dim, heads=heads, head_dim=dim // heads
            )
            for S in (4, 5):  # as many as there are queries, for one
                x, context = draw.normal(3, 5, dim), draw.normal(3, S, dim)
                assert_close(handle(x, context), module(x, context), rtol=RTOL)

    @value()
    def context_of_one_token(self, student: Student, draw: Draw) -> None:
        """With one token of context, every query gets that token's value, projected by to_out."""
        handle, module = twins(student, draw, reference.CrossAttention, 5, 7, heads=2, head_dim=4)
        x, context = draw.normal(3, 4, 5), draw.normal(3, 1, 7)
        expected = module.to_out[0](module.to_v(context)).expand(3, 4, 5)
        assert_close(handle(x, context), expected, rtol=RTOL)

    @value()
    def huge_scores(self, student: Student, draw: Draw) -> None:
        """Is right for inputs so large that the exponentials of the scores would overflow."""
        handle, module = twins(student, draw, reference.CrossAttention, 7, 5, heads=3, head_dim=4)
        x, context = 100 * draw.normal(3, 4, 7), 100 * draw.normal(3, 6, 5)
        assert_close(handle(x, context), module(x, context), rtol=RTOL)

    @rule()
    def parameters(self, student: Student, draw: Draw) -> None:
        """Has the named parameters in the given shapes, and no others: pretrained weights fit in."""
        assert_parameters(
            student.new("CrossAttention", 10, 6, heads=3, head_dim=4),
            reference.CrossAttention(10, 6, heads=3, head_dim=4),
        )

    @rule()
    def order_of_the_context(self, student: Student, draw: Draw) -> None:
        """Reordering the tokens of the context changes nothing."""
        handle, _ = twins(student, draw, reference.CrossAttention, 6, 5, heads=2, head_dim=4)
        x, context = draw.normal(3, 4, 6), draw.normal(3, 5, 5)
        answer = _checked(handle(x, context), like=x)
        assert_close(handle(x, context[:, draw.permutation(5)]), answer, rtol=RTOL)

    @rule()
    def depends_on_the_context(self, student: Student, draw: Draw) -> None:
        """Changing one token of the context changes the answer of every query."""
        handle, _ = twins(student, draw, reference.CrossAttention, 6, 6, heads=2, head_dim=4)
        x, context = draw.normal(3, 4, 6), draw.normal(3, 3, 6)
        before = _checked(handle(x, context), like=x)
        context[:, 1] += draw.normal(3, 6)
        after = _checked(handle(x, context), like=x)
        assert_holds((before != after).any(-1).all(), "the answers of some queries stay the same")

    @rule()
    def queries_are_separate(self, student: Student, draw: Draw) -> None:
        """A query's answer depends on no other query and on no other sample."""
        handle, _ = twins(student, draw, reference.CrossAttention, 6, 5, heads=2, head_dim=4)
        x, context = draw.normal(3, 4, 6), draw.normal(3, 5, 5)
        answer = _checked(handle(x, context), like=x)
        assert_close(handle(x[1:2, 1:], context[1:2]), answer[1:2, 1:], rtol=RTOL)


def _of_spatial_attention(draw: Draw) -> Iterator[Example]:
    yield Example(reference.SpatialSelfAttention, draw.normal(3, 6, 2, 3), made_with=(6, 3))


@exercise("SpatialSelfAttention")
@promises(
    _of_spatial_attention,
    untouched(rtol=RTOL),
    new_tensor(rtol=RTOL),
    any_layout(rtol=RTOL),
    same_in_eval(weight=5, rtol=RTOL),
    IN_ANY_DTYPE,
    gradients(weight=8, rtol=RTOL),
    as_torch_initialises(reference.SpatialSelfAttention, 48, 4, weight=2),
)
class SpatialSelfAttention:
    @value(weight=4)
    def agrees_with_the_reference(self, student: Student, draw: Draw) -> None:
        """With the same weights, gives the same answer as the course's own layer, on images of any shape."""
        for H, W in [(3, 5), (4, 2), (3, 3), (3, 4)]:
            handle, module = twins(student, draw, reference.SpatialSelfAttention, 12, groups=3)
            x = draw.normal(3, 12, H, W)
            assert_close(handle(x), module(x), rtol=RTOL)

    @value()
    def default_groups(self, student: Student, draw: Draw) -> None:
        """Has the stated number of groups when none is given."""
        handle, module = twins(student, draw, reference.SpatialSelfAttention, 64)
        x = draw.normal(1, 64, 2, 3)
        assert_close(handle(x), module(x), rtol=RTOL)

    @value()
    def faint_images(self, student: Student, draw: Draw) -> None:
        """Is right for images of very low contrast, where the norm's eps shows."""
        handle, module = twins(student, draw, reference.SpatialSelfAttention, 6, groups=2)
        x = 0.003 * draw.normal(3, 6, 3, 4)
        assert_close(handle(x), module(x), rtol=RTOL)

    @value()
    def lone_pixel(self, student: Student, draw: Draw) -> None:
        """Takes images of one pixel, one row or one column."""
        handle, module = twins(student, draw, reference.SpatialSelfAttention, 6, groups=2)
        for H, W in [(1, 1), (1, 4), (3, 1)]:
            x = draw.normal(3, 6, H, W)
            assert_close(handle(x), module(x), rtol=RTOL)

    @value()
    def huge_scores(self, student: Student, draw: Draw) -> None:
        """Is right for weights so large that the exponentials of the scores would overflow."""
        handle, module = twins(student, draw, reference.SpatialSelfAttention, 4, groups=2)
        state = {**module.state_dict(), "to_q.weight": 1e4 * module.to_q.weight.detach()}
        handle.load_state_dict(state, strict=False)
        module.load_state_dict(state)
        x = draw.normal(3, 4, 2, 3)
        assert_close(handle(x), module(x), rtol=RTOL)

    @rule()
    def parameters(self, student: Student, draw: Draw) -> None:
        """Has the named parameters in the given shapes, and no others: pretrained weights fit in."""
        assert_parameters(
            student.new("SpatialSelfAttention", 12, groups=4), reference.SpatialSelfAttention(12, groups=4)
        )

    @rule()
    def starts_from_the_image(self, student: Student, draw: Draw) -> None:
        """If to_out is all zeros, the image comes back as it went in."""
        handle, module = twins(student, draw, reference.SpatialSelfAttention, 6, groups=2)
        off = {name: torch.zeros_like(p) for name, p in module.state_dict().items() if "to_out" in name}
        handle.load_state_dict({**module.state_dict(), **off}, strict=False)
        x = draw.normal(3, 6, 3, 2)
        assert_close(handle(x), x)

    @rule(weight=2)
    def order_of_the_pixels(self, student: Student, draw: Draw) -> None:
        """Rearranging the pixels, or swapping height and width, rearranges the answer in the same way."""
        handle, _ = twins(student, draw, reference.SpatialSelfAttention, 6, groups=2)
        x, order = draw.normal(3, 6, 3, 4), draw.permutation(4)
        answer = _checked(handle(x), like=x)
        assert_close(handle(x[..., order]), answer[..., order], rtol=RTOL)
        turned = x.transpose(2, 3).contiguous()
        assert_close(handle(turned), answer.transpose(2, 3), rtol=RTOL)

    @rule()
    def samples_are_separate(self, student: Student, draw: Draw) -> None:
        """A sample's answer does not depend on the other samples of the batch."""
        handle, _ = twins(student, draw, reference.SpatialSelfAttention, 6, groups=2)
        x = draw.normal(3, 6, 3, 4)
        answer = _checked(handle(x), like=x)
        assert_close(handle(x[1:2]), answer[1:2], rtol=RTOL)
