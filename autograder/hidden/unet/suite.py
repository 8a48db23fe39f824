"""Hidden tests of the module `unet`. Shapes use the letters of `solutions/unet.py`."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from autograder.testing import (
    Draw,
    Example,
    Handle,
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
from solutions import unet as reference

# A correct answer may keep a constant in a float32 tensor, which costs 3e-8 of everything in float64 too.
# A wrong formula is off by far more than this.
RTOL = 1e-5
RTOL_PROMISE = 1e-3  # of layers: a wrong eps, say, has a test of its own, and is not to break every promise
RTOL_SINGLE = 1e-4  # float32: the errors of several layers add up
RTOL_HALF = 2e-2
ROUNDED = {torch.float32: RTOL_SINGLE, torch.float16: RTOL_HALF}
IN_ANY_DTYPE = dtypes(torch.float64, torch.float32, torch.float16, rtol=ROUNDED)
OF_LAYERS = dtypes(torch.float32, torch.float16, rtol=ROUNDED)  # all else is asked in float64
# The time's embedding is float32. Two right ways to its frequencies differ by 1e-6 of an angle: seen as 6e-5
# at t = 999, and by far less with as few frequencies as the tests of the whole network have.
ATOL_EMBEDDING = 2e-4
RTOL_NETWORK = 2e-4
RTOL_NETWORK_GRADIENT = 1e-3
ROUNDED_NETWORK = {torch.float64: RTOL_NETWORK, torch.float16: 5e-2}


def _near(answer: Any, expected: Tensor) -> None:
    """Right to some digits, in whatever dtype: `dtypes` asks for that."""
    assert_close(answer, expected, rtol=RTOL, check_dtype=False)


def _checked(answer: Any, like: Tensor) -> Tensor:
    """An answer that other answers may be compared with: finite, of this shape, dtype and device."""
    tensor = assert_tensor(answer, shape=tuple(like.shape), dtype=like.dtype)
    assert_holds(tensor.device == like.device, f"the result is on the wrong device: {tensor.device}")
    assert_holds(torch.isfinite(tensor).all(), "the result contains NaN or infinity")
    return tensor


def _load(handle: Handle, module: nn.Module, changed: dict[str, Tensor]) -> None:
    """Gives both modules some other weights."""
    handle.load_state_dict(changed, strict=False)
    module.load_state_dict(changed, strict=False)


def _scaled(module: nn.Module, factor: float, *names: str) -> dict[str, Tensor]:
    """The module's parameters whose name begins with one of these, times a factor."""
    chosen = {name: value for name, value in module.state_dict().items() if name.startswith(names)}
    return {name: factor * value for name, value in chosen.items()}


def _changes_all(before: Tensor, after: Tensor, what: str) -> None:
    """Every number is another than before, by more than rounding: nearly all is not enough to be luck."""
    assert_holds(((before - after).abs() > 1e-9).all(), f"{what} leaves some of the answer as it was")


# --- conv2d ---------------------------------------------------------------------------------------------


# What has a test of its own is left out of most promises: one slip is not to cost everything.
def _of_conv2d(draw: Draw) -> Iterator[Example]:
    yield Example(reference.conv2d, draw.normal(3, 2, 4, 5), draw.normal(4, 2, 3, 2))


def _of_conv2d_with_bias(draw: Draw) -> Iterator[Example]:
    x, weight, bias = draw.normal(3, 2, 4, 5), draw.normal(4, 2, 3, 2), draw.normal(4)
    yield Example(reference.conv2d, x, weight, bias)


def _of_conv2d_with_all(draw: Draw) -> Iterator[Example]:
    yield Example(reference.conv2d, draw.normal(3, 2, 4, 5), draw.normal(3, 2, 3, 2), draw.normal(3), 2, 1)


def _of_conv2d_that_changes_nothing(draw: Draw) -> Iterator[Example]:
    yield from _of_conv2d(draw)
    x = draw.normal(3, 2, 4, 5)
    yield Example(reference.conv2d, x, torch.eye(2)[:, :, None, None].to(x))


@exercise("conv2d")
@promises(
    _of_conv2d,
    untouched(rtol=RTOL, examples=_of_conv2d_with_bias),
    new_tensor(rtol=RTOL, examples=_of_conv2d_that_changes_nothing),
    any_layout(rtol=RTOL),
    by_position_and_name(rtol=RTOL, examples=_of_conv2d_with_all),
    IN_ANY_DTYPE,
    gradients(weight=8, rtol=RTOL, examples=_of_conv2d_with_bias),
)
class Conv2d:
    @value(weight=3)
    def agrees_with_pytorch(self, student: Student, draw: Draw) -> None:
        """Agrees with PyTorch's convolution, for square kernels on images that are not square."""
        for B, C, D, k, H, W in [(3, 2, 4, 3, 5, 7), (1, 3, 2, 2, 6, 4)]:
            x, weight = draw.normal(B, C, H, W), draw.normal(D, C, k, k)
            _near(student.conv2d(x, weight), F.conv2d(x, weight))

    @value(weight=2)
    def kernels_need_not_be_square(self, student: Student, draw: Draw) -> None:
        """Takes kernels that are wider than high, or higher than wide, or a single number."""
        for kh, kw in [(2, 3), (3, 1), (1, 1)]:
            x, weight = draw.normal(3, 2, 5, 6), draw.normal(3, 2, kh, kw)
            _near(student.conv2d(x, weight), F.conv2d(x, weight))

    @value(weight=2)
    def bias(self, student: Student, draw: Draw) -> None:
        """Adds to everything that a kernel gives the bias of that kernel."""
        for D, W in [(3, 5), (4, 6)]:  # once as many kernels as columns in the result, once not
            x, weight, bias = draw.normal(3, 2, 4, W), draw.normal(D, 2, 3, 3), draw.normal(D)
            _near(student.conv2d(x, weight, bias), F.conv2d(x, weight, bias))
        x, weight, bias = draw.normal(3, 2, 4, 6), draw.normal(3, 2, 3, 3), draw.normal(3)
        _near(student.conv2d(x, weight, bias), F.conv2d(x, weight, bias))

    @value(weight=2)
    def stride(self, student: Student, draw: Draw) -> None:
        """With a stride, moves by that many rows and columns; what does not fit in at the end is left out."""
        for stride, H, W in [(2, 7, 6), (3, 6, 8), (2, 4, 9)]:
            x, weight = draw.normal(3, 2, H, W), draw.normal(3, 2, 3, 2)
            _near(student.conv2d(x, weight, stride=stride), F.conv2d(x, weight, stride=stride))

    @value(weight=2)
    def padding(self, student: Student, draw: Draw) -> None:
        """With padding, puts that many rows and columns of zeros on all four sides."""
        for padding, kh, kw in [(1, 3, 3), (2, 3, 4), (1, 2, 1)]:
            x, weight = draw.normal(3, 2, 4, 5), draw.normal(2, 2, kh, kw)
            _near(student.conv2d(x, weight, padding=padding), F.conv2d(x, weight, padding=padding))

    @value(weight=2)
    def all_together(self, student: Student, draw: Draw) -> None:
        """Bias, stride and padding work together: as when an image is halved, whatever its size."""
        for H, W in [(8, 7), (1, 6), (5, 1)]:
            x, weight, bias = draw.normal(3, 2, H, W), draw.normal(4, 2, 3, 3), draw.normal(4)
            _near(student.conv2d(x, weight, bias, stride=2, padding=1), F.conv2d(x, weight, bias, 2, 1))

    @value()
    def sizes_of_one(self, student: Student, draw: Draw) -> None:
        """Is right where there is one sample, one channel or one kernel, or one number at the end."""
        for B, C, D, H, W, kh, kw in [(1, 1, 3, 4, 5, 2, 2), (2, 3, 1, 1, 4, 1, 2), (3, 2, 5, 4, 3, 4, 3)]:
            x, weight, bias = draw.normal(B, C, H, W), draw.normal(D, C, kh, kw), draw.normal(D)
            _near(student.conv2d(x, weight, bias), F.conv2d(x, weight, bias))

    @rule()
    def linear_in_x(self, student: Student, draw: Draw) -> None:
        """Without a bias it is linear: a sum of images gives the sum of their results."""
        x, y, weight = draw.normal(3, 2, 4, 5), draw.normal(3, 2, 4, 5), draw.normal(3, 2, 3, 3)
        like = x.new_zeros(3, 3, 4, 5)
        one = _checked(student.conv2d(x, weight, padding=1), like)
        two = _checked(student.conv2d(y, weight, padding=1), like)
        _near(student.conv2d(2 * x - 3 * y, weight, padding=1), 2 * one - 3 * two)

    @rule()
    def moves_with_the_image(self, student: Student, draw: Draw) -> None:
        """If the image is moved by a row or a column, the result moves along with it."""
        x, weight = draw.normal(3, 2, 6, 5), draw.normal(2, 2, 2, 3)
        answer = _checked(student.conv2d(x, weight), x.new_zeros(3, 2, 5, 3))
        _near(student.conv2d(x[:, :, 1:], weight), answer[:, :, 1:])
        _near(student.conv2d(x[..., 1:], weight), answer[..., 1:])

    @rule()
    def samples_are_separate(self, student: Student, draw: Draw) -> None:
        """A sample's result does not depend on the other samples of the batch."""
        x, weight = draw.normal(3, 2, 4, 5), draw.normal(4, 2, 3, 3)
        answer = _checked(student.conv2d(x, weight, padding=1), x.new_zeros(3, 4, 4, 5))
        _near(student.conv2d(x[1:2], weight, padding=1), answer[1:2])


# --- group_norm -----------------------------------------------------------------------------------------


def _of_group_norm(draw: Draw) -> Iterator[Example]:
    yield Example(reference.group_norm, draw.normal(3, 6, 2, 3) + draw.normal(3, 6, 1, 1), 3)


def _of_group_norm_with_weights(draw: Draw) -> Iterator[Example]:
    x, weight, bias = draw.normal(3, 6, 2, 3) + draw.normal(3, 6, 1, 1), draw.normal(6), draw.normal(6)
    yield Example(reference.group_norm, x, 3, weight, bias)


def _of_group_norm_with_eps(draw: Draw) -> Iterator[Example]:
    yield Example(reference.group_norm, draw.normal(3, 4, 2, 3), 2, draw.normal(4), draw.normal(4), 0.1)


def _of_group_norm_with_nothing_to_do(draw: Draw) -> Iterator[Example]:
    yield from _of_group_norm(draw)
    yield Example(reference.group_norm, torch.zeros_like(draw.normal(3, 4, 2, 3)), 2)


@exercise("group_norm")
@promises(
    _of_group_norm,
    untouched(rtol=RTOL, examples=_of_group_norm_with_weights),
    new_tensor(rtol=RTOL, examples=_of_group_norm_with_nothing_to_do),
    any_layout(rtol=RTOL),
    by_position_and_name(rtol=RTOL, examples=_of_group_norm_with_eps),
    IN_ANY_DTYPE,
    gradients(weight=7, rtol=RTOL, examples=_of_group_norm_with_weights),
)
class GroupNorm:
    @value(weight=3)
    def agrees_with_pytorch(self, student: Student, draw: Draw) -> None:
        """Agrees with PyTorch's group norm, with weights and biases, for any number of groups."""
        for C, groups in [(6, 2), (6, 3), (4, 4)]:
            x, weight, bias = draw.normal(3, C, 3, 5), draw.normal(C), draw.normal(C)
            x = x * draw.uniform(3, C, 1, 1, low=0.5, high=2) + draw.normal(3, C, 1, 1)
            expected = F.group_norm(x, groups, weight, bias)
            _near(student.group_norm(x, groups, weight, bias), expected)

    @value(weight=2)
    def normalises(self, student: Student, draw: Draw) -> None:
        """Without weight and bias it only brings each group to mean 0 and variance 1."""
        for C, groups in [(4, 2), (8, 2)]:
            x = 3 * draw.normal(3, C, 2, 3) + draw.normal(3, C, 1, 1)
            _near(student.group_norm(x, groups), F.group_norm(x, groups))

    @value()
    def one_of_weight_and_bias(self, student: Student, draw: Draw) -> None:
        """Takes a weight without a bias, and a bias without a weight."""
        x, scale = draw.normal(3, 6, 4, 3), draw.normal(6)
        _near(student.group_norm(x, 3, weight=scale), F.group_norm(x, 3, weight=scale))
        _near(student.group_norm(x, 3, bias=scale), F.group_norm(x, 3, bias=scale))

    @value()
    def one_group(self, student: Student, draw: Draw) -> None:
        """Works with a single group of all channels, as many of them as the image has rows or columns."""
        for H, W in [(4, 5), (3, 4)]:
            x, weight, bias = draw.normal(3, 4, H, W), draw.normal(4), draw.normal(4)
            expected = F.group_norm(x, 1, weight, bias)
            _near(student.group_norm(x, 1, weight, bias), expected)

    @value(weight=2)
    def eps(self, student: Student, draw: Draw) -> None:
        """Adds eps to the variance before the root is taken, whatever its value and size."""
        for eps, size in [(0.5, 1.0), (1e-6, 1e-3), (1e-3, 0.1)]:
            x, weight, bias = size * draw.normal(3, 4, 3, 2), draw.normal(4), draw.normal(4)
            expected = F.group_norm(x, 2, weight, bias, eps)
            _near(student.group_norm(x, 2, weight, bias, eps=eps), expected)

    @value()
    def faint_images(self, student: Student, draw: Draw) -> None:
        """Is right for images of very low contrast, where the eps shows that is used when none is given."""
        x = 0.003 * draw.normal(3, 6, 3, 4)
        _near(student.group_norm(x, 3), F.group_norm(x, 3))

    @value()
    def lone_pixel(self, student: Student, draw: Draw) -> None:
        """Takes images of one pixel, and groups of a single number, of which only the bias is left."""
        x, weight, bias = draw.normal(3, 6, 1, 1), draw.normal(6), draw.normal(6)
        for groups in (2, 6):
            expected = F.group_norm(x, groups, weight, bias)
            _near(student.group_norm(x, groups, weight, bias), expected)

    @value()
    def even_colours(self, student: Student, draw: Draw) -> None:
        """A group whose numbers are all alike has no contrast to divide by: it becomes 0, and never NaN."""
        x, bias = draw.integers(3, 2, high=9).double(), draw.normal(4)
        x = x.repeat_interleave(2, dim=1)[:, :, None, None].repeat(1, 1, 3, 2)
        expected = bias[None, :, None, None].expand(3, 4, 3, 2)
        _near(student.group_norm(x, 2, bias=bias), expected)

    @rule()
    def samples_are_separate(self, student: Student, draw: Draw) -> None:
        """A sample's result does not depend on the other samples of the batch."""
        x = draw.normal(3, 6, 3, 4) + 2 * draw.normal(3, 1, 1, 1)
        answer = _checked(student.group_norm(x, 3), x)
        _near(student.group_norm(x[1:2], 3), answer[1:2])

    @rule()
    def groups_are_separate(self, student: Student, draw: Draw) -> None:
        """What happens to the channels of one group does not change the result of another group."""
        x = draw.normal(3, 6, 3, 4)
        before = _checked(student.group_norm(x, 3), x)
        x[:, 2:4] = 5 * draw.normal(3, 2, 3, 4) + 1
        after = _checked(student.group_norm(x, 3), x)
        _near(after[:, [0, 1, 4, 5]], before[:, [0, 1, 4, 5]])

    @rule()
    def brightness_does_not_matter(self, student: Student, draw: Draw) -> None:
        """Adding one number to all channels of a group changes nothing."""
        x, shift = draw.normal(3, 6, 4, 3), draw.normal(3, 2, 1, 1).repeat_interleave(3, dim=1)
        answer = _checked(student.group_norm(x, 2), x)
        _near(student.group_norm(x + 5 * shift, 2), answer)


# --- timestep_embedding ---------------------------------------------------------------------------------


def _embedding(t: Tensor, dim: int) -> Tensor:
    """In float64, then float32."""
    half = dim // 2
    frequencies = torch.tensor([10_000.0 ** (-i / half) for i in range(half)], dtype=torch.float64)
    angles = t.double()[:, None] * frequencies.to(t.device)
    embedding = torch.cat([angles.cos(), angles.sin(), angles.new_zeros(len(t), dim % 2)], dim=1)
    return embedding.float()


def _of_timestep_embedding(draw: Draw) -> Iterator[Example]:
    yield Example(reference.timestep_embedding, draw.uniform(4, low=1, high=40, dtype=torch.float32), 8)
    yield Example(reference.timestep_embedding, draw.integers(5, high=1000), 10)


@exercise("timestep_embedding")
@promises(
    _of_timestep_embedding,
    untouched(rtol=ATOL_EMBEDDING),
    any_layout(rtol=ATOL_EMBEDDING),
    by_position_and_name(rtol=ATOL_EMBEDDING),
)
class TimestepEmbedding:
    @value(weight=4)
    def agrees_with_the_formula(self, student: Student, draw: Draw) -> None:
        """Has, for whole timesteps, the cosines and then the sines of t times the stated frequencies."""
        for dim in (8, 6, 32):
            t = draw.integers(5, low=1, high=100)
            assert_close(student.timestep_embedding(t, dim), _embedding(t, dim), atol=ATOL_EMBEDDING)

    @value(weight=2)
    def late_timesteps(self, student: Student, draw: Draw) -> None:
        """Is exact for late timesteps and many numbers, too: nothing is computed in half precision."""
        for dim in (32, 320):
            t = 999 - draw.integers(3, high=40)
            assert_close(student.timestep_embedding(t, dim), _embedding(t, dim), atol=ATOL_EMBEDDING)

    @value()
    def the_beginning(self, student: Student, draw: Draw) -> None:
        """At t = 0 all cosines are 1 and all sines are 0."""
        t = torch.zeros(3, dtype=torch.int64, device=draw.device)
        assert_close(student.timestep_embedding(t, 10), _embedding(t, 10), atol=ATOL_EMBEDDING)

    @value(weight=2)
    def odd_dim(self, student: Student, draw: Draw) -> None:
        """If dim is odd, the last column is all zeros, and the others are as for dim - 1."""
        for dim in (7, 3, 33):
            t = draw.integers(3, low=1, high=200)
            assert_close(student.timestep_embedding(t, dim), _embedding(t, dim), atol=ATOL_EMBEDDING)

    @value()
    def smallest_dim(self, student: Student, draw: Draw) -> None:
        """Works from dim = 2 upwards, where there is one frequency only: 1."""
        for dim in (2, 4):
            t = draw.integers(5, low=1, high=50)
            assert_close(student.timestep_embedding(t, dim), _embedding(t, dim), atol=ATOL_EMBEDDING)

    @value(weight=2)
    def between_whole_numbers(self, student: Student, draw: Draw) -> None:
        """Takes timesteps between whole numbers, and always returns float32."""
        for dtype in (torch.float32, torch.float64):
            t = draw.uniform(5, low=0, high=50, dtype=dtype)
            assert_close(student.timestep_embedding(t, 12), _embedding(t, 12), atol=ATOL_EMBEDDING)

    @value()
    def other_dtypes(self, student: Student, draw: Draw) -> None:
        """Is as exact, and still float32, for timesteps of other integer and floating-point dtypes."""
        for dtype in (torch.int32, torch.int16, torch.float16):
            t = draw.integers(5, low=1, high=999).to(dtype)
            assert_close(student.timestep_embedding(t, 16), _embedding(t, 16), atol=ATOL_EMBEDDING)

    @value()
    def lone_sample(self, student: Student, draw: Draw) -> None:
        """Works for a batch of one, and for as many timesteps as there are frequencies."""
        for B, dim in [(1, 8), (4, 8)]:
            t = draw.integers(B, low=1, high=100)
            assert_close(student.timestep_embedding(t, dim), _embedding(t, dim), atol=ATOL_EMBEDDING)

    @rule()
    def each_its_own_row(self, student: Student, draw: Draw) -> None:
        """A timestep's row depends on that timestep only: reordering them reorders the rows."""
        t, order = 3 * draw.permutation(5) + 1, draw.permutation(5)
        rows = _checked(student.timestep_embedding(t, 8), torch.zeros(5, 8, device=draw.device))
        assert_close(student.timestep_embedding(t[order], 8), rows[order], atol=1e-6)

    @rule()
    def cosine_and_sine_of_one_angle(self, student: Student, draw: Draw) -> None:
        """The two halves of a row are cosine and sine of the same angles: their squares add up to 1."""
        t = draw.integers(5, high=1000)
        rows = _checked(student.timestep_embedding(t, 12), torch.zeros(5, 12, device=draw.device))
        assert_close(rows[:, :6] ** 2 + rows[:, 6:] ** 2, torch.ones_like(rows[:, :6]), atol=1e-4)


# --- ResBlock -------------------------------------------------------------------------------------------


def _of_res_block(draw: Draw) -> Iterator[Example]:
    x, time = draw.normal(3, 4, 3, 2), draw.normal(3, 5)
    yield Example(reference.ResBlock, x, time, made_with=(4, 4, 5, 2))


@exercise("ResBlock")
@promises(
    _of_res_block,
    untouched(rtol=RTOL_PROMISE),
    new_tensor(rtol=RTOL_PROMISE),
    any_layout(rtol=RTOL_PROMISE),
    by_position_and_name(rtol=RTOL_PROMISE),
    same_in_eval(weight=5, rtol=RTOL_PROMISE),
    OF_LAYERS,
    gradients(weight=10, rtol=RTOL_PROMISE),
    as_torch_initialises(reference.ResBlock, 12, 16, 30, 2, weight=2),
)
class ResBlock:
    @value(weight=4)
    def agrees_with_the_reference(self, student: Student, draw: Draw) -> None:
        """With the same weights, gives the answer of the course's own block, to more or fewer channels."""
        for i, o, groups in [(4, 6, 2), (6, 3, 1)]:
            handle, module = twins(student, draw, reference.ResBlock, i, o, 5, groups=groups)
            x, time = draw.normal(3, i, 4, 3), draw.normal(3, 5)
            assert_close(handle(x, time), module(x, time), rtol=RTOL)

    @value(weight=2)
    def equal_widths(self, student: Student, draw: Draw) -> None:
        """If the number of channels stays, x itself is added to the result."""
        for H, W in [(4, 4), (3, 5)]:  # once as many rows and columns as there are channels
            handle, module = twins(student, draw, reference.ResBlock, 4, 4, 4, groups=2)
            x, time = draw.normal(3, 4, H, W), draw.normal(3, 4)
            assert_close(handle(x, time), module(x, time), rtol=RTOL)

    @value()
    def default_groups(self, student: Student, draw: Draw) -> None:
        """Has the stated number of groups when none is given."""
        handle, module = twins(student, draw, reference.ResBlock, 32, 32, 3)
        x, time = draw.normal(1, 32, 2, 3), draw.normal(1, 3)
        assert_close(handle(x, time), module(x, time), rtol=RTOL)

    @value()
    def faint_images(self, student: Student, draw: Draw) -> None:
        """Is right for images of very low contrast, where the eps of both norms shows."""
        handle, module = twins(student, draw, reference.ResBlock, 4, 6, 5, groups=2)
        x, time = 0.003 * draw.normal(3, 4, 4, 3), draw.normal(3, 5)
        assert_close(handle(x, time), module(x, time), rtol=RTOL)
        _load(handle, module, _scaled(module, 0.002, "conv1", "time_emb_proj"))
        assert_close(handle(x, time), module(x, time), rtol=RTOL)

    @value()
    def times_of_any_size(self, student: Student, draw: Draw) -> None:
        """Is right for a time whose numbers are all zero, very small or very large."""
        handle, module = twins(student, draw, reference.ResBlock, 4, 4, 5, groups=2)
        x = draw.normal(3, 4, 3, 2)
        for size in (0.0, 0.01, 100.0):
            time = size * draw.normal(3, 5)
            assert_close(handle(x, time), module(x, time), rtol=RTOL)

    @value()
    def lone_pixel(self, student: Student, draw: Draw) -> None:
        """Takes images of one pixel, one row or one column."""
        handle, module = twins(student, draw, reference.ResBlock, 4, 6, 5, groups=2)
        for H, W in [(1, 1), (1, 4), (3, 1)]:
            x, time = draw.normal(3, 4, H, W), draw.normal(3, 5)
            assert_close(handle(x, time), module(x, time), rtol=RTOL)

    @rule()
    def parameters(self, student: Student, draw: Draw) -> None:
        """Has the named parameters in the given shapes, and no others: pretrained weights fit in."""
        for i, o in [(4, 6), (6, 6)]:
            assert_parameters(
                student.new("ResBlock", i, o, 5, groups=2), reference.ResBlock(i, o, 5, groups=2)
            )

    @rule()
    def depends_on_the_time(self, student: Student, draw: Draw) -> None:
        """Another time for one sample changes every pixel of that sample, and no other sample."""
        handle, _ = twins(student, draw, reference.ResBlock, 4, 8, 5, groups=2)
        x, time = draw.normal(3, 4, 2, 3), draw.normal(3, 5)
        like = x.new_zeros(3, 8, 2, 3)
        before = _checked(handle(x, time), like)
        time[1] = draw.normal(5)
        after = _checked(handle(x, time), like)
        _changes_all(before[1], after[1], "another time")
        assert_close(after[[0, 2]], before[[0, 2]], rtol=RTOL)

    @rule()
    def starts_from_the_image(self, student: Student, draw: Draw) -> None:
        """If conv2 is all zeros, the image comes back as it went in, or as conv_shortcut makes it."""
        for i, o in [(4, 4), (4, 6)]:
            handle, module = twins(student, draw, reference.ResBlock, i, o, 5, groups=2)
            handle.load_state_dict(_scaled(module, 0.0, "conv2"), strict=False)
            x, time = draw.normal(3, i, 3, 2), draw.normal(3, 5)
            expected = x if module.conv_shortcut is None else module.conv_shortcut(x)
            assert_close(handle(x, time), expected, rtol=RTOL)

    @rule()
    def samples_are_separate(self, student: Student, draw: Draw) -> None:
        """A sample's answer does not depend on the other samples of the batch."""
        handle, _ = twins(student, draw, reference.ResBlock, 4, 4, 5, groups=2)
        x, time = draw.normal(3, 4, 3, 4), draw.normal(3, 5)
        answer = _checked(handle(x, time), like=x)
        assert_close(handle(x[1:2], time[1:2]), answer[1:2], rtol=RTOL)


# --- Downsample and Upsample ----------------------------------------------------------------------------


def _only_the_middle(channels: int) -> Tensor:
    """The weight of a 3 x 3 convolution that changes nothing."""
    weight = torch.zeros(channels, channels, 3, 3, dtype=torch.float64)
    weight[:, :, 1, 1] = torch.eye(channels)
    return weight


def _of_down_and_up(draw: Draw) -> Iterator[Example]:
    yield Example(reference.Downsample, draw.normal(3, 2, 4, 3), made_with=(2,))
    yield Example(reference.Upsample, draw.normal(3, 2, 2, 3), made_with=(2,))


@exercise("Downsample")
@promises(
    _of_down_and_up,
    untouched(rtol=RTOL_PROMISE),
    new_tensor(rtol=RTOL_PROMISE),
    any_layout(rtol=RTOL_PROMISE),
    same_in_eval(weight=5, rtol=RTOL_PROMISE),
    OF_LAYERS,
    gradients(weight=10, rtol=RTOL_PROMISE),
    as_torch_initialises([reference.Downsample, reference.Upsample], 24),
)
class DownAndUp:
    @value(weight=4)
    def down_agrees_with_the_reference(self, student: Student, draw: Draw) -> None:
        """With the same weights, Downsample gives the same answer as the course's own."""
        handle, module = twins(student, draw, reference.Downsample, 3)
        for H, W in [(4, 6), (6, 2)]:
            x = draw.normal(3, 3, H, W)
            assert_close(handle(x), module(x), rtol=RTOL)

    @value(weight=4)
    def up_agrees_with_the_reference(self, student: Student, draw: Draw) -> None:
        """With the same weights, Upsample gives the same answer as the course's own."""
        handle, module = twins(student, draw, reference.Upsample, 3)
        for H, W in [(2, 3), (5, 3)]:
            x = draw.normal(3, 3, H, W)
            assert_close(handle(x), module(x), rtol=RTOL)

    @value(weight=2)
    def odd_sizes(self, student: Student, draw: Draw) -> None:
        """Downsample rounds odd heights and widths up, and takes a single row or column."""
        handle, module = twins(student, draw, reference.Downsample, 2)
        for H, W in [(5, 4), (4, 7), (1, 3), (1, 1)]:
            x = draw.normal(3, 2, H, W)
            assert_close(handle(x), module(x), rtol=RTOL)

    @value()
    def small_images(self, student: Student, draw: Draw) -> None:
        """Upsample takes images of one pixel, one row or one column."""
        handle, module = twins(student, draw, reference.Upsample, 2)
        for H, W in [(1, 1), (1, 3), (4, 1)]:
            x = draw.normal(3, 2, H, W)
            assert_close(handle(x), module(x), rtol=RTOL)

    @rule()
    def parameters(self, student: Student, draw: Draw) -> None:
        """Both have the named parameters in the given shapes, and no others: pretrained weights fit in."""
        assert_parameters(student.new("Downsample", 4), reference.Downsample(4))
        assert_parameters(student.new("Upsample", 4), reference.Upsample(4))

    @rule()
    def every_second_pixel(self, student: Student, draw: Draw) -> None:
        """If the convolution changes nothing, Downsample keeps every second pixel, the first one too."""
        handle, _ = twins(student, draw, reference.Downsample, 3)
        handle.load_state_dict({"conv.weight": _only_the_middle(3), "conv.bias": torch.zeros(3)})
        x = draw.normal(3, 3, 5, 4)
        assert_close(handle(x), x[:, :, ::2, ::2], rtol=RTOL)

    @rule()
    def every_pixel_four_times(self, student: Student, draw: Draw) -> None:
        """If the convolution changes nothing, Upsample gives every pixel as a square of four."""
        handle, _ = twins(student, draw, reference.Upsample, 3)
        handle.load_state_dict({"conv.weight": _only_the_middle(3), "conv.bias": torch.zeros(3)})
        x = draw.normal(3, 3, 2, 3)
        expected = x.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)
        assert_close(handle(x), expected, rtol=RTOL)


# --- FeedForward and TransformerBlock -------------------------------------------------------------------


def _of_transformer_block(draw: Draw) -> Iterator[Example]:
    yield Example(reference.FeedForward, draw.normal(3, 4, 3), made_with=(3,))
    x, context = draw.normal(3, 4, 6), draw.normal(3, 3, 5)
    yield Example(reference.TransformerBlock, x, context, made_with=(6, 5, 2))


@exercise("TransformerBlock")
@promises(
    _of_transformer_block,
    untouched(rtol=RTOL_PROMISE),
    new_tensor(rtol=RTOL_PROMISE),
    any_layout(rtol=RTOL_PROMISE),
    by_position_and_name(rtol=RTOL_PROMISE),
    same_in_eval(weight=5, rtol=RTOL_PROMISE),
    OF_LAYERS,
    gradients(weight=10, rtol=RTOL_PROMISE),
    as_torch_initialises(reference.TransformerBlock, 24, 30, 2),
)
class TransformerBlock:
    @value(weight=3)
    def feed_forward(self, student: Student, draw: Draw) -> None:
        """With the same weights, FeedForward gives the same answer as the course's own."""
        for dim in (4, 3):
            handle, module = twins(student, draw, reference.FeedForward, dim)
            x = draw.normal(3, 5, dim)
            assert_close(handle(x), module(x), rtol=RTOL)

    @value()
    def open_and_closed_gates(self, student: Student, draw: Draw) -> None:
        """FeedForward is right for very large and very small numbers, where gates are wide open or shut."""
        handle, module = twins(student, draw, reference.FeedForward, 4)
        for size in (100.0, 0.01):
            x = size * draw.normal(3, 5, 4)
            assert_close(handle(x), module(x), rtol=RTOL)

    @value(weight=4)
    def agrees_with_the_reference(self, student: Student, draw: Draw) -> None:
        """With the same weights, TransformerBlock gives the same answer as the course's own."""
        for B, L, S in [(3, 5, 4), (1, 2, 7)]:
            handle, module = twins(student, draw, reference.TransformerBlock, 6, 5, heads=3)
            x, context = draw.normal(B, L, 6), draw.normal(B, S, 5)
            assert_close(handle(x, context), module(x, context), rtol=RTOL)

    @value()
    def equal_widths(self, student: Student, draw: Draw) -> None:
        """Is right where tokens and context have equally many channels, and are equally many."""
        handle, module = twins(student, draw, reference.TransformerBlock, 6, 6, heads=2)
        x, context = draw.normal(3, 4, 6), draw.normal(3, 4, 6)
        assert_close(handle(x, context), module(x, context), rtol=RTOL)

    @value()
    def lone_tokens(self, student: Student, draw: Draw) -> None:
        """Works with a single token, with a context of one token, and with a single head."""
        handle, module = twins(student, draw, reference.TransformerBlock, 6, 5, heads=1)
        for L, S in [(1, 3), (4, 1), (1, 1)]:
            x, context = draw.normal(3, L, 6), draw.normal(3, S, 5)
            assert_close(handle(x, context), module(x, context), rtol=RTOL)

    @value()
    def faint_tokens(self, student: Student, draw: Draw) -> None:
        """Is right for tokens of very low contrast, where the eps of the three norms shows."""
        handle, module = twins(student, draw, reference.TransformerBlock, 4, 5, heads=2)
        _load(handle, module, _scaled(module, 0.002, "attn1.to_out", "attn2.to_out"))
        x, context = 0.003 * draw.normal(3, 4, 4), draw.normal(3, 3, 5)
        assert_close(handle(x, context), module(x, context), rtol=RTOL)

    @rule()
    def parameters(self, student: Student, draw: Draw) -> None:
        """Both have the named parameters and no others: pretrained weights fit in; net[1] does nothing."""
        feed, x = student.new("FeedForward", 6), draw.normal(3, 6)
        assert_parameters(feed, reference.FeedForward(6))
        assert_close(feed.submodule("net.1")(x), x)
        assert_parameters(
            student.new("TransformerBlock", 6, 5, heads=2), reference.TransformerBlock(6, 5, heads=2)
        )

    @rule()
    def each_token_by_itself(self, student: Student, draw: Draw) -> None:
        """FeedForward treats a token alike, whatever the other tokens and samples are."""
        handle, _ = twins(student, draw, reference.FeedForward, 4)
        x = draw.normal(3, 5, 4)
        answer = _checked(handle(x), like=x)
        assert_close(handle(x[1:2, 2:4]), answer[1:2, 2:4], rtol=RTOL)

    @rule()
    def starts_from_the_tokens(self, student: Student, draw: Draw) -> None:
        """If the last layer of each of the three steps is all zeros, the tokens come back as they went in."""
        handle, module = twins(student, draw, reference.TransformerBlock, 4, 5, heads=2)
        off = _scaled(module, 0.0, "attn1.to_out", "attn2.to_out", "ff.net.2")
        handle.load_state_dict(off, strict=False)
        x, context = draw.normal(3, 4, 4), draw.normal(3, 3, 5)
        assert_close(handle(x, context), x)

    @rule()
    def order_of_the_tokens(self, student: Student, draw: Draw) -> None:
        """Reordering the tokens reorders the answer alike; reordering the context changes nothing."""
        handle, _ = twins(student, draw, reference.TransformerBlock, 6, 5, heads=2)
        x, context, order = draw.normal(3, 4, 6), draw.normal(3, 4, 5), draw.permutation(4)
        answer = _checked(handle(x, context), like=x)
        assert_close(handle(x[:, order], context), answer[:, order], rtol=RTOL)
        assert_close(handle(x, context[:, order]), answer, rtol=RTOL)

    @rule()
    def depends_on_the_context(self, student: Student, draw: Draw) -> None:
        """Another context for one sample changes all of that sample's tokens, and no other sample."""
        handle, _ = twins(student, draw, reference.TransformerBlock, 4, 5, heads=2)
        x, context = draw.normal(3, 4, 4), draw.normal(3, 3, 5)
        before = _checked(handle(x, context), like=x)
        context[1] = draw.normal(3, 5)
        after = _checked(handle(x, context), like=x)
        _changes_all(before[1], after[1], "another context")
        assert_close(after[[0, 2]], before[[0, 2]], rtol=RTOL)


# --- SpatialTransformer ---------------------------------------------------------------------------------


def _of_spatial_transformer(draw: Draw) -> Iterator[Example]:
    x, context = draw.normal(3, 6, 2, 3), draw.normal(3, 3, 5)
    yield Example(reference.SpatialTransformer, x, context, made_with=(6, 5, 2, 2))


def _of_spatial_transformer_with_other_groups(draw: Draw) -> Iterator[Example]:
    x, context = draw.normal(3, 6, 2, 3), draw.normal(3, 3, 5)
    yield Example(reference.SpatialTransformer, x, context, made_with=(6, 5, 2, 3))


@exercise("SpatialTransformer")
@promises(
    _of_spatial_transformer,
    untouched(rtol=RTOL_PROMISE),
    new_tensor(rtol=RTOL_PROMISE),
    any_layout(rtol=RTOL_PROMISE),
    by_position_and_name(rtol=RTOL_PROMISE, examples=_of_spatial_transformer_with_other_groups),
    same_in_eval(weight=5, rtol=RTOL_PROMISE),
    OF_LAYERS,
    gradients(weight=10, rtol=RTOL_PROMISE),
    as_torch_initialises(reference.SpatialTransformer, 24, 30, 2, 3),
)
class SpatialTransformer:
    @value(weight=4)
    def agrees_with_the_reference(self, student: Student, draw: Draw) -> None:
        """With the same weights, gives the same answer as the course's own, on wide and tall images."""
        for H, W in [(3, 5), (4, 2)]:
            handle, module = twins(student, draw, reference.SpatialTransformer, 6, 5, heads=2, groups=3)
            x, context = draw.normal(3, 6, H, W), draw.normal(3, 4, 5)
            assert_close(handle(x, context), module(x, context), rtol=RTOL)

    @value()
    def default_groups(self, student: Student, draw: Draw) -> None:
        """Has the stated number of groups when none is given, and works with a single head."""
        handle, module = twins(student, draw, reference.SpatialTransformer, 32, 3, heads=1)
        x, context = draw.normal(1, 32, 2, 2), draw.normal(1, 2, 3)
        assert_close(handle(x, context), module(x, context), rtol=RTOL)

    @value()
    def faint_images(self, student: Student, draw: Draw) -> None:
        """Is right for images of very low contrast, where the norm's eps shows."""
        handle, module = twins(student, draw, reference.SpatialTransformer, 4, 5, heads=2, groups=2)
        x, context = 0.001 * draw.normal(3, 4, 3, 4), draw.normal(3, 2, 5)
        assert_close(handle(x, context), module(x, context), rtol=RTOL)

    @value()
    def lone_pixel(self, student: Student, draw: Draw) -> None:
        """Takes images of one pixel, one row or one column, and a context of one token."""
        handle, module = twins(student, draw, reference.SpatialTransformer, 6, 5, heads=2, groups=3)
        for H, W, S in [(1, 1, 3), (1, 4, 1), (3, 1, 2)]:
            x, context = draw.normal(3, 6, H, W), draw.normal(3, S, 5)
            assert_close(handle(x, context), module(x, context), rtol=RTOL)

    @value()
    def as_many_of_each(self, student: Student, draw: Draw) -> None:
        """Is right where the image has as many channels as rows, columns, or channels of context."""
        handle, module = twins(student, draw, reference.SpatialTransformer, 4, 4, heads=2, groups=2)
        for H, W in [(4, 4), (4, 3)]:
            x, context = draw.normal(3, 4, H, W), draw.normal(3, 3, 4)
            assert_close(handle(x, context), module(x, context), rtol=RTOL)

    @rule()
    def parameters(self, student: Student, draw: Draw) -> None:
        """Has the named parameters in the given shapes, and no others: pretrained weights fit in."""
        assert_parameters(
            student.new("SpatialTransformer", 6, 5, heads=2, groups=3),
            reference.SpatialTransformer(6, 5, heads=2, groups=3),
        )

    @rule()
    def starts_from_the_image(self, student: Student, draw: Draw) -> None:
        """If proj_out is all zeros, the image comes back as it went in."""
        handle, module = twins(student, draw, reference.SpatialTransformer, 4, 5, heads=2, groups=2)
        handle.load_state_dict(_scaled(module, 0.0, "proj_out"), strict=False)
        x, context = draw.normal(3, 4, 3, 2), draw.normal(3, 3, 5)
        assert_close(handle(x, context), x)

    @rule(weight=2)
    def order_of_the_pixels(self, student: Student, draw: Draw) -> None:
        """Rearranging the pixels, or swapping height and width, rearranges the answer in the same way."""
        handle, _ = twins(student, draw, reference.SpatialTransformer, 4, 5, heads=2, groups=2)
        x, context, order = draw.normal(3, 4, 3, 4), draw.normal(3, 3, 5), draw.permutation(4)
        answer = _checked(handle(x, context), like=x)
        assert_close(handle(x[..., order], context), answer[..., order], rtol=RTOL)
        turned = x.transpose(2, 3).contiguous()
        assert_close(handle(turned, context), answer.transpose(2, 3), rtol=RTOL)

    @rule()
    def depends_on_the_context(self, student: Student, draw: Draw) -> None:
        """Another context for one sample changes every pixel of that sample, and no other sample."""
        handle, _ = twins(student, draw, reference.SpatialTransformer, 4, 5, heads=2, groups=2)
        x, context = draw.normal(3, 4, 3, 2), draw.normal(3, 3, 5)
        before = _checked(handle(x, context), like=x)
        context[1] = draw.normal(3, 5)
        after = _checked(handle(x, context), like=x)
        _changes_all(before[1], after[1], "another context")
        assert_close(after[[0, 2]], before[[0, 2]], rtol=RTOL)


# --- UNet -----------------------------------------------------------------------------------------------

# For names and shapes; a million numbers need not be drawn for each student.
_unet = cache(reference.UNet)

# Of heads and groups, and where there are more levels of channels in and out, no two are alike.
SMALL: dict[str, Any] = {
    "in_channels": 3,
    "out_channels": 3,
    "block_out_channels": (4,),
    "attention": (False,),
    "cross_attention_dim": 5,
    "heads": 2,
    "groups": 1,
}
OTHERS = {**SMALL, "in_channels": 2, "out_channels": 5}
TWO_LEVELS = {**OTHERS, "block_out_channels": (4, 8), "attention": (False, True), "groups": 2}
TWO_LAYERS = {**OTHERS, "block_out_channels": [6], "heads": 1, "groups": 3, "layers_per_block": 2}
THREE_LEVELS = {**OTHERS, "block_out_channels": [4, 6, 8], "attention": [True, False, False], "heads": 1}
# What of its ResBlocks on the way up comes from the skip: the last of the channels.
SKIPS = ("up_blocks.0.resnets.0", "up_blocks.0.resnets.1")


def _inputs(
    draw: Draw, B: int = 3, C: int = 3, H: int = 2, W: int = 3, S: int = 2, dtype: torch.dtype = torch.float32
) -> tuple[Tensor, Tensor, Tensor]:
    """x, t and context; timesteps from the first to the last, no two alike."""
    t = draw.permutation(1000)[:B]
    return draw.normal(B, C, H, W, dtype=dtype), t, draw.normal(B, S, 5, dtype=dtype)


def _unet_twins(
    student: Student, draw: Draw, dtype: torch.dtype = torch.float32, **made_with: Any
) -> tuple[Handle, reference.UNet]:
    """In float32, as in the notebook: one that works in no other dtype loses what `dtypes` asks, no more."""
    return twins(student, draw, reference.UNet, **made_with, dtype=dtype)


def _agree(handle: Handle, module: nn.Module, *inputs: Any) -> None:
    assert_close(handle(*inputs), module(*inputs), rtol=RTOL_NETWORK)


def _of_unet(draw: Draw) -> Iterator[Example]:
    """One early timestep for all, for others have tests of their own; and nothing is contiguous."""
    x, _, context = _inputs(draw, H=3, W=2)
    t = draw.integers(1, low=1, high=100).expand(3)
    inputs = x.transpose(2, 3), t, context.transpose(0, 1).contiguous().transpose(0, 1)
    yield Example(reference.UNet, *inputs, made_with=tuple(SMALL.values()))


def _of_unet_with_more_channels_out(draw: Draw) -> Iterator[Example]:
    yield Example(reference.UNet, *_inputs(draw, C=2), made_with=tuple(OTHERS.values()))


@exercise("UNet")
@promises(
    _of_unet,
    untouched(rtol=RTOL_NETWORK),
    new_tensor(rtol=RTOL_NETWORK),
    by_position_and_name(rtol=RTOL_NETWORK, examples=_of_unet_with_more_channels_out),
    same_in_eval(weight=5, rtol=RTOL_NETWORK),
    dtypes(torch.float64, torch.float16, weight=2, rtol=ROUNDED_NETWORK),
    gradients(weight=11, rtol=RTOL_NETWORK_GRADIENT),
    as_torch_initialises(reference.UNet, 16, 16, (16,), (False,), 16, 2, 2),
)
class UNet:
    # First, for it is the cheapest: most of the known mistakes that a student did not make differ here.
    @value(weight=3)
    def timesteps(self, student: Student, draw: Draw) -> None:
        """Takes a timestep for each sample, or one for all: a number, or a tensor without dimensions."""
        handle, module = _unet_twins(student, draw, **SMALL)
        x, t, context = _inputs(draw)
        x, context = x[:1].expand(3, -1, -1, -1), context[:1].expand(3, -1, -1)
        _agree(handle, module, x, t, context)
        for one in (draw.integer(1, 1000), draw.integers(low=1, high=1000), 0):
            _agree(handle, module, x[:2], one, context[:2])

    @value(weight=5)
    def agrees_with_the_reference(self, student: Student, draw: Draw) -> None:
        """With the same weights, gives the same answer as the course's own, of one level and of two."""
        _agree(*_unet_twins(student, draw, **SMALL), *_inputs(draw, S=3))
        handle, module = _unet_twins(student, draw, **TWO_LEVELS)
        for B, H, W, S in [(3, 4, 6, 3), (1, 2, 2, 1)]:  # the second as small as can be
            _agree(handle, module, *_inputs(draw, B, 2, H, W, S))

    @value(weight=3)
    def layers_and_levels(self, student: Student, draw: Draw) -> None:
        """Works with two ResBlocks a level, and with three levels of other widths, attention in the first."""
        _agree(*_unet_twins(student, draw, **TWO_LAYERS), *_inputs(draw, C=2))
        _agree(*_unet_twins(student, draw, **THREE_LEVELS), *_inputs(draw, 2, 2, 4, 8))

    @value(weight=2)
    def defaults(self, student: Student, draw: Draw) -> None:
        """Has the stated heads, groups, layers and eps when none is given; takes x, t and context by name."""
        handle, module = _unet_twins(
            student, draw, block_out_channels=(16,), attention=(False,), cross_attention_dim=5
        )
        x, t, context = _inputs(draw, 2)
        assert_close(handle(x=x, t=t, context=context), module(x, t, context), rtol=RTOL_NETWORK)
        # What reaches the last norm has very low contrast now, so that its eps shows.
        last = f"{SKIPS[-1]}."
        _load(handle, module, _scaled(module, 0.002, f"{last}conv2", f"{last}conv_shortcut"))
        _agree(handle, module, x, t, context)

    @rule()
    def parameters(self, student: Student, draw: Draw) -> None:
        """Has the named parameters in the given shapes, and no others: pretrained weights fit in."""
        assert_parameters(student.new("UNet"), _unet())

    @rule(weight=2)
    def depends_on_each_skip(self, student: Student, draw: Draw) -> None:
        """What each ResBlock on the way up makes of its skip changes the answer: none of them goes unused."""
        handle, module = _unet_twins(student, draw, torch.float64, **SMALL)
        inputs = _inputs(draw, 1, dtype=torch.float64)
        before = _checked(handle(*inputs), inputs[0])
        weights, restored = module.state_dict(), dict[str, Tensor]()
        for block in SKIPS:
            names = f"{block}.conv1.weight", f"{block}.conv_shortcut.weight"
            without = {name: weights[name].clone() for name in names}
            for weight in without.values():
                weight[:, -4:] = 0
            handle.load_state_dict({**restored, **without}, strict=False, wait=False)
            _changes_all(before, _checked(handle(*inputs), before), f"a skip left out in `{block}`")
            restored = {name: weights[name] for name in names}

    @rule(weight=2)
    def depends_on_time_and_context(self, student: Student, draw: Draw) -> None:
        """Another timestep, or context, for one sample changes all of its pixels, and no other sample."""
        handle, _ = _unet_twins(student, draw, torch.float64, **SMALL)
        x, t, context = _inputs(draw, dtype=torch.float64)
        before = _checked(handle(x, t, context), x)
        later, other = t.clone(), context.clone()
        later[1] = (t[1] + 3) % 1000
        other[1] = draw.normal(2, 5)
        for after, what in (
            (handle(x, later, context), "another timestep"),
            (handle(x, t, other), "another context"),
        ):
            changed = _checked(after, before)
            _changes_all(before[1], changed[1], what)
            assert_close(changed[[0, 2]], before[[0, 2]], rtol=RTOL)
