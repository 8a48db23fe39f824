"""Hidden tests of the module `attention`. Shapes use the letters of `solutions/attention.py`."""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from autograder.testing import (
    Draw,
    Student,
    assert_close,
    assert_gradients,
    assert_holds,
    assert_parameters,
    assert_tensor,
    exercise,
    rule,
    twins,
    value,
)
from solutions import attention as reference

# A correct answer may keep sqrt(d) in a float32 tensor, which costs 3e-8 of every score in float64 too.
# A wrong formula is off by far more than this.
RTOL = 1e-5
RTOL_SINGLE = 1e-4  # float32: the errors of several layers add up
RTOL_HALF = 2e-2


def _cut(x: Tensor, heads: int) -> Tensor:
    """[B, L, C] -> [B, heads, L, d], head by head."""
    return torch.stack(torch.chunk(x, heads, dim=-1), dim=1)


def _attention(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> Tensor:
    """PyTorch's own attention, computed in float64, in the dtype of v."""
    attended: Tensor = F.scaled_dot_product_attention(q.double(), k.double(), v.double(), mask)
    return attended.to(v.dtype)


def _checked(answer: Any, like: Tensor) -> Tensor:
    """An answer that other answers may be compared with: finite, of this shape, dtype and device."""
    tensor = assert_tensor(answer, shape=tuple(like.shape), dtype=like.dtype)
    assert_holds(tensor.device == like.device, f"the result is on the wrong device: {tensor.device}")
    assert_holds(torch.isfinite(tensor).all(), "the result contains NaN or infinity")
    return tensor


@exercise("stable_softmax")
class StableSoftmax:
    @value(weight=2)
    def agrees_with_pytorch(self, student: Student, draw: Draw) -> None:
        """Agrees with PyTorch's softmax along the last dimension, for one row and for many."""
        for shape in [(7,), (3, 5), (3, 2, 4)]:
            x = 2 * draw.normal(*shape)
            assert_close(student.stable_softmax(x, dim=-1), torch.softmax(x, -1))

    @value(weight=2)
    def any_dimension(self, student: Student, draw: Draw) -> None:
        """Works along whichever dimension is asked for, counted from the front or from the back."""
        for shape in [(4, 4), (3, 4, 2)]:
            x = draw.normal(*shape)
            for dim in (0, 1, -2):
                assert_close(student.stable_softmax(x, dim=dim), torch.softmax(x, dim))

    @value(weight=4)
    def survives_huge_scores(self, student: Student, draw: Draw) -> None:
        """Gives the right weights for huge scores, positive or negative: no overflow, no 0/0."""
        spread = draw.uniform(3, 6, low=-1e4, high=1e4)
        near = draw.normal(3, 6).abs()
        for x in (spread, 1e4 - near, near - 1e4):
            assert_close(student.stable_softmax(x, dim=-1), torch.softmax(x, -1))
            single = x.float()
            expected = torch.softmax(single.double(), -1).float()
            # exp(x - logsumexp(x)) is right too, and loses digits: x has few of them after the point.
            assert_close(student.stable_softmax(single, dim=-1), expected, rtol=5e-3)
        order = draw.permutation(8)
        half = (2000 * order - 7000).to(torch.float16)
        assert_close(student.stable_softmax(half, dim=0), (order == 7).to(torch.float16))

    @value(weight=2)
    def slices_far_apart(self, student: Student, draw: Draw) -> None:
        """Gets every slice right, even if all of its scores lie far below those of another slice."""
        x = draw.normal(5, 3) + 5000 * (draw.permutation(5)[:, None] - 2)
        assert_close(student.stable_softmax(x, dim=1), torch.softmax(x, 1))

    @value()
    def minus_infinity(self, student: Student, draw: Draw) -> None:
        """Gives a score of minus infinity the weight 0; the other weights of its slice add up to 1."""
        x = draw.normal(4, 6).masked_fill(~draw.mask(4, 6), -math.inf)
        assert_close(student.stable_softmax(x, dim=-1), torch.softmax(x, -1))

    @value()
    def keeps_the_dtype(self, student: Student, draw: Draw) -> None:
        """Returns the dtype that it was given, and is as exact as that dtype allows."""
        for dtype, rtol in ((torch.float32, 1e-5), (torch.float16, RTOL_HALF)):
            x = draw.normal(3, 5, dtype=dtype)
            assert_close(student.stable_softmax(x, dim=0), torch.softmax(x.double(), 0).to(dtype), rtol=rtol)

    @value()
    def leaves_the_scores_alone(self, student: Student, draw: Draw) -> None:
        """Gives the same answer when it is called again on the same tensor, however that lies in memory."""
        for x in (draw.normal(3, 4), draw.normal(4, 5, 3).transpose(0, 2)):
            assert_close(student.stable_softmax.twice(x, dim=1), torch.softmax(x, 1))

    @value()
    def gradients(self, student: Student, draw: Draw) -> None:
        """Lets gradients flow back to the scores, which must not be changed in place."""
        assert_gradients(student.stable_softmax, torch.softmax, draw, 2 * draw.normal(3, 5), 1)

    @rule()
    def weights_add_up(self, student: Student, draw: Draw) -> None:
        """The weights are never negative, and those of each slice add up to 1."""
        x = 3 * draw.normal(3, 5, 2)
        weights = _checked(student.stable_softmax(x, dim=1), like=x)
        assert_holds((weights >= 0).all(), "some weights are negative")
        assert_close(weights.sum(1), torch.ones_like(x[:, 0]))

    @rule()
    def shift_invariance(self, student: Student, draw: Draw) -> None:
        """Adding one number to all the scores of a slice changes nothing."""
        x = draw.normal(4, 3)
        weights = _checked(student.stable_softmax(x, dim=0), like=x)
        shift = draw.uniform(3, low=-1000, high=1000)
        assert_close(student.stable_softmax(x + shift, dim=0), weights)


@exercise("scaled_dot_product_attention")
class ScaledDotProductAttention:
    @value(weight=3)
    def agrees_with_pytorch(self, student: Student, draw: Draw) -> None:
        """Agrees with PyTorch, also with more or fewer keys than queries and with values of another width."""
        for B, h, L, S, d, e in [(3, 2, 5, 7, 8, 4), (1, 3, 4, 2, 5, 6)]:
            q, k, v = draw.normal(B, h, L, d), draw.normal(B, h, S, d), draw.normal(B, h, S, e)
            assert_close(student.scaled_dot_product_attention(q, k, v), _attention(q, k, v), rtol=RTOL)

    @value(weight=2)
    def mask(self, student: Student, draw: Draw) -> None:
        """With a mask, a query attends to the keys where the mask is True, with weights that add up to 1."""
        q, k, v = draw.normal(3, 2, 5, 6), draw.normal(3, 2, 7, 6), draw.normal(3, 2, 7, 4)
        mask = draw.mask(3, 2, 5, 7)
        found = student.scaled_dot_product_attention(q, k, v, mask=mask)
        assert_close(found, _attention(q, k, v, mask), rtol=RTOL)

    @value()
    def mask_broadcasts(self, student: Student, draw: Draw) -> None:
        """A mask may have fewer dimensions, or some of size 1, as long as it broadcasts to [B, h, L, S]."""
        q, k, v = draw.normal(3, 2, 3, 6), draw.normal(3, 2, 5, 6), draw.normal(3, 2, 5, 4)
        for shape in [(3, 5), (3, 1, 1, 5), (2, 3, 5), (1, 2, 1, 5)]:
            mask = draw.mask(*shape)
            found = student.scaled_dot_product_attention(q, k, v, mask=mask)
            assert_close(found, _attention(q, k, v, mask), rtol=RTOL)

    @value()
    def forbidden_keys_have_no_weight(self, student: Student, draw: Draw) -> None:
        """A forbidden key has no weight at all, even if its score is far above those of the allowed keys."""
        mask = draw.mask(3, 1, 1, 5)
        q, k, v = draw.normal(3, 2, 4, 4), draw.normal(3, 2, 5, 4), draw.normal(3, 2, 5, 3)
        q[..., 0] = 100
        k[..., 0] = torch.where(mask[:, :, 0], -200, 200)  # scores near -1e4 and 1e4
        found = student.scaled_dot_product_attention(q, k, v, mask=mask)
        assert_close(found, _attention(q, k, v, mask), rtol=RTOL)

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
    def keeps_the_dtype(self, student: Student, draw: Draw) -> None:
        """Returns the queries' dtype, also in half precision with a mask."""
        for dtype, rtol in ((torch.float32, RTOL_SINGLE), (torch.float16, RTOL_HALF)):
            q, k, v = (draw.normal(2, 3, length, 4, dtype=dtype) for length in (3, 5, 5))
            mask = draw.mask(3, 5)
            found = student.scaled_dot_product_attention(q, k, v, mask=mask)
            assert_close(found, _attention(q, k, v, mask), rtol=rtol)

    @value()
    def equal_keys_average(self, student: Student, draw: Draw) -> None:
        """If all keys are alike, every query gets the mean of the values."""
        q, k, v = draw.normal(2, 3, 4, 5), draw.normal(2, 3, 1, 5), draw.normal(2, 3, 6, 2)
        expected = v.mean(-2, keepdim=True).expand(2, 3, 4, 2)
        assert_close(student.scaled_dot_product_attention(q, k.repeat(1, 1, 6, 1), v), expected, rtol=RTOL)

    @value()
    def leaves_its_inputs_alone(self, student: Student, draw: Draw) -> None:
        """Gives the same answer when called again, also if q, k and v are one and the same tensor."""
        x, mask = draw.normal(3, 2, 4, 5), draw.mask(4, 4)
        found = student.scaled_dot_product_attention.twice(x, x, x, mask=mask)
        assert_close(found, _attention(x, x, x, mask), rtol=RTOL)

    @value()
    def any_memory_layout(self, student: Student, draw: Draw) -> None:
        """Takes tensors that are not contiguous in memory, such as transposed ones."""
        q, v = draw.normal(3, 5, 2, 6).transpose(1, 2), draw.normal(3, 7, 2, 4).transpose(1, 2)
        k = draw.normal(3, 2, 6, 7).transpose(2, 3)
        assert_close(student.scaled_dot_product_attention(q, k, v), _attention(q, k, v), rtol=RTOL)

    @value()
    def gradients(self, student: Student, draw: Draw) -> None:
        """Lets gradients flow back to queries, keys and values, past a mask too."""
        q, k, v = draw.normal(1, 2, 3, 4), draw.normal(1, 2, 5, 4), draw.normal(1, 2, 5, 2)
        attention = student.scaled_dot_product_attention
        assert_gradients(attention, _attention, draw, q, k, v, draw.mask(3, 5), rtol=RTOL)

    @rule()
    def order_of_keys(self, student: Student, draw: Draw) -> None:
        """Reordering the keys and the values, both in the same way, changes nothing."""
        q, k, v = draw.normal(2, 1, 3, 4), draw.normal(2, 1, 6, 4), draw.normal(2, 1, 6, 4)
        answer = _checked(student.scaled_dot_product_attention(q, k, v), like=q)
        order = draw.permutation(6)
        assert_close(
            student.scaled_dot_product_attention(q, k[:, :, order], v[:, :, order]), answer, rtol=RTOL
        )

    @rule()
    def queries_are_separate(self, student: Student, draw: Draw) -> None:
        """A query's answer depends on no other query, on no other head and on no other sample."""
        q, k, v = draw.normal(3, 3, 4, 4), draw.normal(3, 3, 5, 4), draw.normal(3, 3, 5, 4)
        answer = _checked(student.scaled_dot_product_attention(q, k, v), like=q)
        parts = (slice(1, 2), slice(0, 2), slice(1, 3))
        found = student.scaled_dot_product_attention(q[parts], k[parts[:2]], v[parts[:2]])
        assert_close(found, answer[parts], rtol=RTOL)


@exercise("split_heads")
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
    def any_memory_layout(self, student: Student, draw: Draw) -> None:
        """Both take tensors that are not contiguous in memory, and leave them as they are."""
        x = draw.normal(3, 6, 5).transpose(1, 2)
        assert_close(student.split_heads.twice(x, 3), _cut(x, 3))
        for x in (draw.normal(3, 5, 2, 4).transpose(1, 2), draw.normal(4, 2, 3, 5).transpose(0, 3)):
            assert_close(student.merge_heads.twice(x), torch.cat(x.unbind(1), dim=-1))

    @value()
    def keeps_the_dtype(self, student: Student, draw: Draw) -> None:
        """Both keep numbers and dtype exactly as they are, whatever the dtype."""
        for dtype in (torch.float32, torch.float16):
            x = draw.normal(2, 3, 6, dtype=dtype)
            assert_close(student.split_heads(x, 3), _cut(x, 3), rtol=0)
            x = draw.normal(2, 3, 2, 2, dtype=dtype)
            assert_close(student.merge_heads(x), torch.cat(x.unbind(1), dim=-1), rtol=0)

    @value()
    def gradients(self, student: Student, draw: Draw) -> None:
        """Both let gradients flow back to their input."""
        assert_gradients(student.split_heads, reference.split_heads, draw, draw.normal(2, 3, 6), 2)
        assert_gradients(student.merge_heads, reference.merge_heads, draw, draw.normal(2, 3, 4, 2))

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


@exercise("MultiHeadSelfAttention")
class MultiHeadSelfAttention:
    @value(weight=4)
    def agrees_with_the_reference(self, student: Student, draw: Draw) -> None:
        """With the same weights, gives the same answer as the course's own layer."""
        for dim, heads in [(12, 3), (10, 2)]:
            handle, module = twins(student, draw, reference.MultiHeadSelfAttention, dim, heads)
            x = draw.normal(3, 5, dim)
            assert_close(handle(x), module(x), rtol=RTOL)

    @value()
    def any_number_of_heads(self, student: Student, draw: Draw) -> None:
        """Works with a single head, and with heads of one channel each."""
        for heads in (1, 5):
            handle, module = twins(student, draw, reference.MultiHeadSelfAttention, 5, heads)
            x = draw.normal(1, 4, 5)
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

    @value()
    def single_precision(self, student: Student, draw: Draw) -> None:
        """Works in float32, and returns float32."""
        handle, module = twins(student, draw, reference.MultiHeadSelfAttention, 12, 4, dtype=torch.float32)
        x = draw.normal(3, 5, 12, dtype=torch.float32)
        assert_close(handle(x), module(x), rtol=RTOL_SINGLE)

    @value()
    def leaves_its_input_alone(self, student: Student, draw: Draw) -> None:
        """Gives the same answer when called again on the same input, however that lies in memory."""
        handle, module = twins(student, draw, reference.MultiHeadSelfAttention, 6, 3)
        x = draw.normal(3, 6, 4).transpose(1, 2)
        assert_close(handle.twice(x), module(x), rtol=RTOL)

    @value()
    def gradients(self, student: Student, draw: Draw) -> None:
        """The right gradients reach the input and every parameter."""
        handle, module = twins(student, draw, reference.MultiHeadSelfAttention, 6, 2)
        assert_gradients(handle, module, draw, draw.normal(3, 4, 6), rtol=RTOL)

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


@exercise("CrossAttention")
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
        """Is right where queries, context and all heads together have equally many channels."""
        handle, module = twins(student, draw, reference.CrossAttention, 6, 6, heads=2, head_dim=3)
        x, context = draw.normal(3, 5, 6), draw.normal(3, 4, 6)
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

    @value()
    def single_precision(self, student: Student, draw: Draw) -> None:
        """Works in float32, and returns float32."""
        handle, module = twins(
            student, draw, reference.CrossAttention, 8, 5, heads=2, head_dim=6, dtype=torch.float32
        )
        x, context = draw.normal(3, 4, 8, dtype=torch.float32), draw.normal(3, 6, 5, dtype=torch.float32)
        assert_close(handle(x, context), module(x, context), rtol=RTOL_SINGLE)

    @value()
    def leaves_its_inputs_alone(self, student: Student, draw: Draw) -> None:
        """Gives the same answer when called again, also if x and the context are one and the same tensor."""
        handle, module = twins(student, draw, reference.CrossAttention, 6, 6, heads=2, head_dim=4)
        x = draw.normal(3, 6, 4).transpose(1, 2)
        assert_close(handle.twice(x, x), module(x, x), rtol=RTOL)

    @value()
    def gradients(self, student: Student, draw: Draw) -> None:
        """The right gradients reach x, the context and every parameter."""
        handle, module = twins(student, draw, reference.CrossAttention, 6, 5, heads=2, head_dim=4)
        assert_gradients(handle, module, draw, draw.normal(3, 4, 6), draw.normal(3, 3, 5), rtol=RTOL)

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


@exercise("SpatialSelfAttention")
class SpatialSelfAttention:
    @value(weight=4)
    def agrees_with_the_reference(self, student: Student, draw: Draw) -> None:
        """With the same weights, gives the same answer as the course's own layer, on wide and tall images."""
        for H, W in [(3, 5), (4, 2)]:
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

    @value()
    def single_precision(self, student: Student, draw: Draw) -> None:
        """Works in float32, and returns float32."""
        handle, module = twins(
            student, draw, reference.SpatialSelfAttention, 8, groups=4, dtype=torch.float32
        )
        x = draw.normal(3, 8, 3, 2, dtype=torch.float32)
        assert_close(handle(x), module(x), rtol=RTOL_SINGLE)

    @value()
    def leaves_its_input_alone(self, student: Student, draw: Draw) -> None:
        """Gives the same answer when called again on the same image, even with channels last in memory."""
        handle, module = twins(student, draw, reference.SpatialSelfAttention, 6, groups=2)
        x = draw.normal(3, 2, 4, 6).permute(0, 3, 1, 2)
        assert_close(handle.twice(x), module(x), rtol=RTOL)

    @value()
    def gradients(self, student: Student, draw: Draw) -> None:
        """The right gradients reach the image and every parameter."""
        handle, module = twins(student, draw, reference.SpatialSelfAttention, 6, groups=3)
        assert_gradients(handle, module, draw, draw.normal(3, 6, 2, 3), rtol=RTOL)

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
