"""Hidden tests of the module `vision_transformers`. Shapes use the letters of its solutions."""

from __future__ import annotations

from collections.abc import Iterator
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
from solutions import vision_transformers as reference

# A correct answer may keep a constant in a float32 tensor, which costs 3e-8 of everything in float64 too; the
# other gelu costs 1e-4, and a wrong eps is asked for where it shows.
RTOL = 1e-6
RTOL_PROMISE = 1e-3  # of layers: what has a test of its own is not to break every promise
RTOL_SINGLE = 1e-4
RTOL_HALF = 3e-2
ROUNDED = {torch.float32: RTOL_SINGLE, torch.float16: RTOL_HALF}
OF_LAYERS = dtypes(torch.float32, torch.float16, rtol=ROUNDED)  # all else is asked in float64
# Waves in float32: two right ways to the frequencies differ by 1e-7 of an angle.
ATOL_WAVES = 2e-5
RTOL_NETWORK = 3e-5  # t below 30, where float32 is exact enough
RTOL_LATE = 3e-4


def _checked(answer: Any, like: Tensor) -> Tensor:
    """An answer that other answers may be compared with: finite, of this shape and dtype."""
    tensor = assert_tensor(answer, shape=tuple(like.shape), dtype=like.dtype)
    assert_holds(torch.isfinite(tensor).all(), "the result contains NaN or infinity")
    return tensor


def _load(handle: Handle, module: nn.Module, changed: dict[str, Tensor]) -> None:
    """Gives both modules some other weights."""
    handle.load_state_dict(changed, strict=False)
    module.load_state_dict(changed, strict=False)


def _scaled(module: nn.Module, factor: float, *names: str) -> dict[str, Tensor]:
    """The module's parameters in whose names one of these stands, times a factor."""
    own = dict(module.named_parameters())
    return {name: factor * own[name].detach() for name in own if any(each in name for each in names)}


def _changes_all(before: Tensor, after: Tensor, what: str) -> None:
    """Every number is another than before, by more than rounding: nearly all is not enough to be luck."""
    assert_holds(((before - after).abs() > 1e-9).all(), f"{what} leaves some of the answer as it was")


# --- patchify -------------------------------------------------------------------------------------------

# Samples, channels, patch, rows and columns of patches: no two alike, and then some alike.
SIZES = [(3, 2, 3, 4, 5), (2, 3, 2, 2, 2), (1, 4, 1, 2, 3), (2, 1, 4, 1, 3), (5, 3, 2, 3, 1)]


def _cut(x: Tensor, p: int) -> Tensor:
    """Patch by patch."""
    H, W = x.shape[2:]
    rows = [x[:, :, i : i + p, j : j + p] for i in range(0, H, p) for j in range(0, W, p)]
    return torch.stack([row.movedim(1, 3).flatten(1) for row in rows], dim=1)


def _picture(draw: Draw, B: int, C: int, p: int, rows: int, columns: int) -> Tensor:
    return draw.normal(B, C, p * rows, p * columns)


def _of_patchify(draw: Draw) -> Iterator[Example]:
    x = _picture(draw, 3, 2, 2, 3, 4)
    yield Example(reference.patchify, x, 2)
    yield Example(reference.unpatchify, _cut(x, 2), 2, 6, 8)


@exercise("patchify")
@promises(
    _of_patchify,
    untouched(),
    any_layout(weight=2),
    by_position_and_name(),
    dtypes(torch.float32, torch.float16),
    gradients(weight=8),
)
class Patchify:
    @value(weight=4)
    def cuts(self, student: Student, draw: Draw) -> None:
        """patchify cuts row by row, and in each patch lists pixel by pixel all channels."""
        for B, C, p, rows, columns in SIZES:
            x = _picture(draw, B, C, p, rows, columns)
            assert_close(student.patchify(x, p), _cut(x, p))

    @value(weight=4)
    def puts_together(self, student: Student, draw: Draw) -> None:
        """unpatchify puts patches together again, whatever the height and the width."""
        for B, C, p, rows, columns in SIZES:
            x = _picture(draw, B, C, p, rows, columns)
            assert_close(student.unpatchify(_cut(x, p), p, p * rows, p * columns), x)

    @value(weight=2)
    def wide_and_tall(self, student: Student, draw: Draw) -> None:
        """As many patches make a wide picture or a tall one: unpatchify makes the one that is asked for."""
        tokens = draw.normal(2, 12, 12)
        for height, width in [(4, 12), (12, 4), (2, 24), (8, 6)]:
            expected = reference.unpatchify(tokens, 2, height, width)
            assert_close(student.unpatchify(tokens, 2, height, width), expected)

    @value()
    def whole_numbers(self, student: Student, draw: Draw) -> None:
        """Cuts pictures of whole numbers too, and leaves them whole."""
        x = draw.integers(3, 2, 4, 6, high=256)
        assert_close(student.patchify(x, 2), _cut(x, 2))
        assert_close(student.unpatchify(_cut(x, 2), 2, 4, 6), x)

    @value()
    def one_patch(self, student: Student, draw: Draw) -> None:
        """A patch may be as large as the picture, or a single pixel."""
        for p, rows, columns in [(4, 1, 1), (1, 3, 5)]:
            x = _picture(draw, 2, 3, p, rows, columns)
            assert_close(student.patchify(x, p), _cut(x, p))
            assert_close(student.unpatchify(_cut(x, p), p, p * rows, p * columns), x)

    @rule()
    def there_and_back(self, student: Student, draw: Draw) -> None:
        """unpatchify undoes patchify: not a number is lost or moved."""
        x = _picture(draw, 3, 2, 3, 2, 4)
        tokens = _checked(student.patchify(x, 3), x.new_zeros(3, 8, 18))
        assert_close(student.unpatchify(tokens, 3, 6, 12), x)

    @rule()
    def each_patch_by_itself(self, student: Student, draw: Draw) -> None:
        """What changes within one patch of the picture changes one token, and no other."""
        x = _picture(draw, 2, 3, 2, 3, 4)
        before = _checked(student.patchify(x, 2), x.new_zeros(2, 12, 12))
        x[1, :, 2:4, 4:6] += 1
        after = _checked(student.patchify(x, 2), before)
        changed = (before != after).any(2)
        assert_holds(changed.sum() == 1 and changed[1, 6], "other tokens change than the one patch's")


# --- PatchEmbed and sincos_2d ---------------------------------------------------------------------------


def _of_patch_embed(draw: Draw) -> Iterator[Example]:
    yield Example(reference.PatchEmbed, draw.normal(3, 2, 4, 6), made_with=(2, 5, 2))


def _positions(dim: int, height: int, width: int) -> Tensor:
    """Number by number, as the formula has it."""
    quarter = dim // 4
    table = torch.zeros(height * width, dim, dtype=torch.float64)
    for row in range(height):
        for column in range(width):
            for half, position in enumerate((column, row)):
                for i in range(quarter):
                    angle = torch.tensor(position * 10_000.0 ** (-i / quarter), dtype=torch.float64)
                    table[row * width + column, half * 2 * quarter + i] = angle.sin()
                    table[row * width + column, half * 2 * quarter + quarter + i] = angle.cos()
    return table.float()


def _table(answer: Any, dim: int, height: int, width: int) -> Tensor:
    return _checked(answer, torch.zeros(height * width, dim))


@exercise("PatchEmbed")
@promises(
    _of_patch_embed,
    untouched(rtol=RTOL_PROMISE),
    new_tensor(rtol=RTOL_PROMISE),
    any_layout(rtol=RTOL_PROMISE),
    by_position_and_name(rtol=RTOL_PROMISE),
    same_in_eval(weight=4, rtol=RTOL_PROMISE),
    OF_LAYERS,
    gradients(weight=9, rtol=RTOL_PROMISE),
    as_torch_initialises(reference.PatchEmbed, 4, 24, 3),
)
class PatchEmbed:
    @value(weight=3)
    def agrees_with_the_reference(self, student: Student, draw: Draw) -> None:
        """With the same weights, PatchEmbed gives the tokens of the course's own, whatever the sizes."""
        for channels, dim, patch, rows, columns in [(2, 5, 2, 3, 4), (3, 4, 3, 2, 1), (1, 6, 1, 2, 3)]:
            handle, module = twins(student, draw, reference.PatchEmbed, channels, dim, patch)
            x = _picture(draw, 3, channels, patch, rows, columns)
            assert_close(handle(x), module(x), rtol=RTOL)

    @value(weight=3)
    def positions(self, student: Student, draw: Draw) -> None:
        """sincos_2d has, row by row, the waves of a token's column and then of its row, sines first."""
        for dim, height, width in [(8, 3, 4), (12, 4, 2)]:
            assert_close(
                student.sincos_2d(dim, height, width),
                _positions(dim, height, width),
                atol=ATOL_WAVES,
            )

    @value(weight=2)
    def square_grids(self, student: Student, draw: Draw) -> None:
        """Positions are counted 0, 1, 2, ...: a larger grid begins as a small one does."""
        for side in (2, 5):
            assert_close(student.sincos_2d(16, side, side), _positions(16, side, side), atol=ATOL_WAVES)

    @value()
    def far_positions(self, student: Student, draw: Draw) -> None:
        """Is exact far out in a long row or column, too, and for many numbers a token."""
        for dim, height, width in [(8, 1, 40), (20, 40, 1)]:
            assert_close(
                student.sincos_2d(dim, height, width), _positions(dim, height, width), atol=ATOL_WAVES
            )

    @value()
    def smallest(self, student: Student, draw: Draw) -> None:
        """Works with four numbers a token, and with a grid of a single token."""
        for dim, height, width in [(4, 2, 3), (8, 1, 1), (4, 1, 1)]:
            assert_close(
                student.sincos_2d(dim, height, width), _positions(dim, height, width), atol=ATOL_WAVES
            )

    @rule()
    def arguments_by_name(self, student: Student, draw: Draw) -> None:
        """sincos_2d takes its arguments by name as well."""
        answer = student.sincos_2d(width=3, height=2, dim=8)
        assert_close(answer, _positions(8, 2, 3), atol=ATOL_WAVES)

    @rule()
    def parameters(self, student: Student, draw: Draw) -> None:
        """PatchEmbed has the named parameters in the given shapes, and no others."""
        assert_parameters(student.new("PatchEmbed", 3, 8, 4), reference.PatchEmbed(3, 8, 4))

    @rule()
    def is_linear_in_a_patch(self, student: Student, draw: Draw) -> None:
        """A token is the same wherever its patch lies: moving the picture by a patch moves the tokens."""
        handle, _ = twins(student, draw, reference.PatchEmbed, 2, 5, 2)
        x = draw.normal(2, 2, 2, 8)
        answer = _checked(handle(x), x.new_zeros(2, 4, 5))
        assert_close(handle(x[..., 2:].clone()), answer[:, 1:], rtol=RTOL)

    @rule()
    def turned_grid(self, student: Student, draw: Draw) -> None:
        """If rows become columns, the two halves of each token change places."""
        one = _table(student.sincos_2d(8, 2, 3), 8, 2, 3).view(2, 3, 2, 4)
        other = _table(student.sincos_2d(8, 3, 2), 8, 3, 2).view(3, 2, 2, 4)
        assert_close(other.transpose(0, 1).flip(2), one, atol=ATOL_WAVES)


# --- ViT ------------------------------------------------------------------------------------------------

# size, patch, channels, dim, heads, layers, hidden, classes
SMALL_VIT = (4, 2, 3, 8, 2, 1, 10, 5)
OTHER_VIT = (6, 2, 2, 6, 3, 2, 7, 4)


def _of_vit(draw: Draw) -> Iterator[Example]:
    yield Example(reference.ViTBlock, draw.normal(3, 5, 6), made_with=(6, 2, 7))
    yield Example(reference.ViT, draw.normal(2, 3, 4, 4), made_with=SMALL_VIT)


@exercise("ViT")
@promises(
    _of_vit,
    untouched(rtol=RTOL_PROMISE),
    new_tensor(rtol=RTOL_PROMISE),
    any_layout(rtol=RTOL_PROMISE),
    by_position_and_name(rtol=RTOL_PROMISE),
    same_in_eval(weight=5, rtol=RTOL_PROMISE),
    OF_LAYERS,
    gradients(weight=10, rtol=RTOL_PROMISE),
    as_torch_initialises(reference.ViT, 8, 2, 3, 24, 2, 1, 30, 20, weight=2),
)
class ViT:
    @value(weight=4)
    def block_agrees(self, student: Student, draw: Draw) -> None:
        """With the same weights, ViTBlock gives the answer of the course's own, of few tokens and many."""
        for dim, heads, hidden, B, L in [(6, 2, 7, 3, 5), (4, 1, 9, 1, 1), (8, 4, 8, 2, 8)]:
            handle, module = twins(student, draw, reference.ViTBlock, dim, heads, hidden)
            x = draw.normal(B, L, dim)
            assert_close(handle(x), module(x), rtol=RTOL)

    @value(weight=4)
    def agrees_with_the_reference(self, student: Student, draw: Draw) -> None:
        """With the same weights, ViT gives the scores of the course's own."""
        for made_with in (SMALL_VIT, OTHER_VIT):
            handle, module = twins(student, draw, reference.ViT, *made_with)
            size, _, channels = made_with[:3]
            x = draw.normal(3, channels, size, size)
            assert_close(handle(x), module(x), rtol=RTOL)

    @value()
    def lone_picture(self, student: Student, draw: Draw) -> None:
        """Works for a batch of one, a picture of a single patch, and no blocks at all."""
        for made_with in [(2, 2, 3, 6, 3, 1, 5, 4), (4, 2, 1, 4, 2, 0, 3, 6)]:
            handle, module = twins(student, draw, reference.ViT, *made_with)
            x = draw.normal(1, made_with[2], made_with[0], made_with[0])
            assert_close(handle(x), module(x), rtol=RTOL)

    @value()
    def faint_tokens(self, student: Student, draw: Draw) -> None:
        """The eps of both norms of ViTBlock shows where tokens have hardly any contrast."""
        handle, module = twins(student, draw, reference.ViTBlock, 6, 2, 7)
        _load(handle, module, _scaled(module, 1e-6, "attn.to_out"))
        x = 1e-6 * draw.normal(3, 4, 6)
        assert_close(handle(x), module(x), rtol=RTOL)

    @value()
    def faint_pictures(self, student: Student, draw: Draw) -> None:
        """The eps of the last norm shows where all before it adds next to nothing."""
        handle, module = twins(student, draw, reference.ViT, *SMALL_VIT)
        faint = "patch_embed", "cls_token", "pos_embed", "attn.to_out", "fc2"
        _load(handle, module, _scaled(module, 1e-6, *faint))
        x = draw.normal(3, 3, 4, 4)
        assert_close(handle(x), module(x), rtol=RTOL)

    @rule()
    def parameters(self, student: Student, draw: Draw) -> None:
        """Both have the named parameters in the given shapes, and no others."""
        assert_parameters(student.new("ViTBlock", 6, 2, 7), reference.ViTBlock(6, 2, 7))
        assert_parameters(student.new("ViT", *OTHER_VIT), reference.ViT(*OTHER_VIT))

    @rule()
    def order_of_the_tokens(self, student: Student, draw: Draw) -> None:
        """ViTBlock knows no places: reordering the tokens reorders the answer alike."""
        handle, _ = twins(student, draw, reference.ViTBlock, 6, 2, 7)
        x, order = draw.normal(3, 5, 6), draw.permutation(5)
        answer = _checked(handle(x), x)
        assert_close(handle(x[:, order]), answer[:, order], rtol=RTOL)

    @rule()
    def small_numbers_at_the_start(self, student: Student, draw: Draw) -> None:
        """The class token and the positions start as normal numbers as far from 0 as is said."""
        state = student.new("ViT", 1, 1, 1, 6000, 1, 0, 1, 1).state_dict()
        for name, shape in (("cls_token", (1, 1, 6000)), ("pos_embed", (1, 2, 6000))):
            found = assert_tensor(state.get(name), shape=shape).double()
            # Of 6000 numbers the deviation is known to 1 %, and their mean to 1 % of it.
            assert_holds(abs(float(found.std()) / 0.02 - 1) < 0.05, f"`{name}` starts with another deviation")
            assert_holds(abs(float(found.mean())) < 0.0015, f"`{name}` starts with another mean than 0")

    @rule()
    def without_positions(self, student: Student, draw: Draw) -> None:
        """With pos_embed at zero, patches in another order give the same scores."""
        handle, module = twins(student, draw, reference.ViT, *SMALL_VIT)
        handle.load_state_dict(_scaled(module, 0.0, "pos_embed"), strict=False)
        x, order = draw.normal(2, 3, 4, 4), draw.permutation(4)
        moved = reference.unpatchify(reference.patchify(x, 2)[:, order], 2, 4, 4)
        answer = _checked(handle(x), x.new_zeros(2, 5))
        assert_close(handle(moved), answer, rtol=RTOL)

    @rule()
    def every_patch_counts(self, student: Student, draw: Draw) -> None:
        """Another number in any patch of one picture changes all its scores, and no other picture's."""
        handle, _ = twins(student, draw, reference.ViT, *SMALL_VIT)
        x = draw.normal(2, 3, 4, 4)
        before = _checked(handle(x), x.new_zeros(2, 5))
        for row, column in [(0, 1), (1, 2), (2, 0), (3, 3)]:
            changed = x.clone()
            changed[1, 2, row, column] += 2
            after = _checked(handle(changed), before)
            _changes_all(before[1], after[1], "another pixel")
            assert_close(after[0], before[0], rtol=RTOL)


# --- modulate and DiTBlock ------------------------------------------------------------------------------


def _of_dit_block(draw: Draw) -> Iterator[Example]:
    yield Example(reference.modulate, draw.normal(3, 4, 5), draw.normal(3, 5), draw.normal(3, 5))
    yield Example(reference.DiTBlock, draw.normal(3, 4, 6), draw.normal(3, 6), made_with=(6, 2, 7))


def _of_nothing_to_do(draw: Draw) -> Iterator[Example]:
    yield from _of_dit_block(draw)
    x = draw.normal(3, 4, 5)
    yield Example(reference.modulate, x, x.new_zeros(3, 5), x.new_zeros(3, 5))


@exercise("DiTBlock")
@promises(
    _of_dit_block,
    untouched(rtol=RTOL_PROMISE),
    new_tensor(rtol=RTOL_PROMISE, examples=_of_nothing_to_do),
    any_layout(rtol=RTOL_PROMISE),
    by_position_and_name(rtol=RTOL_PROMISE),
    same_in_eval(weight=6, rtol=RTOL_PROMISE),
    OF_LAYERS,
    gradients(weight=11, rtol=RTOL_PROMISE),
    as_torch_initialises(reference.DiTBlock, 24, 2, 30, weight=2),
)
class DiTBlock:
    @value(weight=3)
    def shift_and_scale(self, student: Student, draw: Draw) -> None:
        """modulate is right for as many samples as tokens or channels, and for other numbers of them."""
        for B, L, D in [(3, 4, 5), (4, 4, 4), (1, 3, 2), (2, 1, 6), (5, 2, 5)]:
            x, shift, scale = draw.normal(B, L, D), draw.normal(B, D), draw.normal(B, D)
            assert_close(student.modulate(x, shift, scale), x * (1 + scale[:, None]) + shift[:, None])

    @value(weight=5)
    def agrees_with_the_reference(self, student: Student, draw: Draw) -> None:
        """With the same weights, DiTBlock gives the answer of the course's own."""
        for dim, heads, hidden, B, L in [(6, 3, 7, 3, 5), (4, 1, 9, 1, 1), (8, 2, 8, 2, 8)]:
            handle, module = twins(student, draw, reference.DiTBlock, dim, heads, hidden)
            x, c = draw.normal(B, L, dim), draw.normal(B, dim)
            assert_close(handle(x, c), module(x, c), rtol=RTOL)

    @value()
    def conditions_of_any_size(self, student: Student, draw: Draw) -> None:
        """Is right for a condition that is zero, very small or very large."""
        handle, module = twins(student, draw, reference.DiTBlock, 6, 2, 7)
        x = draw.normal(3, 4, 6)
        for size in (0.0, 0.01, 30.0):
            c = size * draw.normal(3, 6)
            assert_close(handle(x, c), module(x, c), rtol=RTOL)

    @value(weight=2)
    def each_of_six(self, student: Student, draw: Draw) -> None:
        """Each sixth of what modulation makes is what the exercise says: shift, scale, gate, twice."""
        handle, module = twins(student, draw, reference.DiTBlock, 4, 2, 5)
        x, c = draw.normal(2, 3, 4), draw.normal(2, 4)
        for sixth in range(6):
            bias = module.modulation.bias.detach().clone()
            bias[4 * sixth : 4 * sixth + 4] += draw.normal(4)
            _load(handle, module, {"modulation.bias": bias})
            assert_close(handle(x, c), module(x, c), rtol=RTOL)

    @value()
    def faint_tokens(self, student: Student, draw: Draw) -> None:
        """The eps of both norms shows where tokens have little contrast."""
        handle, module = twins(student, draw, reference.DiTBlock, 6, 2, 7)
        x, c = 0.001 * draw.normal(3, 4, 6), draw.normal(3, 6)
        assert_close(handle(x, c), module(x, c), rtol=RTOL)
        bias = draw.normal(36)
        bias[12:18] = 0  # the first gate is shut: the second norm sees the faint tokens
        _load(handle, module, {"modulation.weight": torch.zeros(36, 6).to(bias), "modulation.bias": bias})
        assert_close(handle(x, c), module(x, c), rtol=RTOL)

    @rule()
    def parameters(self, student: Student, draw: Draw) -> None:
        """DiTBlock has the named parameters in the given shapes, and no others: its norms have none."""
        assert_parameters(student.new("DiTBlock", 6, 2, 7), reference.DiTBlock(6, 2, 7))

    @rule(weight=2)
    def a_new_block_changes_nothing(self, student: Student, draw: Draw) -> None:
        """As it is made, DiTBlock gives back x to the bit, whatever the condition."""
        handle = student.new("DiTBlock", 8, 2, 12)
        x, c = draw.normal(3, 4, 8, dtype=torch.float32), draw.normal(3, 8, dtype=torch.float32)
        assert_holds(torch.equal(_checked(handle(x, c), x), x), "a new block changes what goes through it")

    @rule()
    def shut_gates(self, student: Student, draw: Draw) -> None:
        """Where modulation makes gates of zero, x comes back, and with it the shifts and scales go unseen."""
        handle, module = twins(student, draw, reference.DiTBlock, 6, 2, 7)
        weight, bias = module.modulation.weight.detach().clone(), module.modulation.bias.detach().clone()
        for gate in (2, 5):
            weight[6 * gate : 6 * gate + 6] = 0
            bias[6 * gate : 6 * gate + 6] = 0
        handle.load_state_dict({"modulation.weight": weight, "modulation.bias": bias}, strict=False)
        x, c = draw.normal(3, 4, 6), draw.normal(3, 6)
        assert_close(handle(x, c), x)

    @rule()
    def each_its_own_condition(self, student: Student, draw: Draw) -> None:
        """Another condition for one sample changes all of its tokens, and no other sample."""
        handle, _ = twins(student, draw, reference.DiTBlock, 6, 2, 7)
        x, c = draw.normal(3, 4, 6), draw.normal(3, 6)
        before = _checked(handle(x, c), x)
        c[1] = draw.normal(6)
        after = _checked(handle(x, c), x)
        _changes_all(before[1], after[1], "another condition")
        assert_close(after[[0, 2]], before[[0, 2]], rtol=RTOL)

    @rule()
    def order_of_the_tokens(self, student: Student, draw: Draw) -> None:
        """Reordering the tokens reorders the answer alike."""
        handle, _ = twins(student, draw, reference.DiTBlock, 6, 2, 7)
        x, c, order = draw.normal(3, 5, 6), draw.normal(3, 6), draw.permutation(5)
        answer = _checked(handle(x, c), x)
        assert_close(handle(x[:, order], c), answer[:, order], rtol=RTOL)


# --- DiT ------------------------------------------------------------------------------------------------

# channels, patch, dim, heads, layers, classes
SMALL_DIT = (2, 2, 8, 2, 1, 5)
OTHER_DIT = (3, 1, 12, 3, 2, 4, 7)


def _noisy(
    draw: Draw, B: int = 3, C: int = 2, H: int = 4, W: int = 6, classes: int = 5
) -> tuple[Tensor, Tensor, Tensor]:
    """x, t and labels: early times, no two alike, and the label that means none among the labels."""
    labels = draw.integers(B, high=classes)
    labels[-1] = classes
    return draw.normal(B, C, H, W), draw.permutation(30)[:B], labels


def _of_dit(draw: Draw) -> Iterator[Example]:
    yield Example(reference.DiT, *_noisy(draw, 3, 2, 2, 4), made_with=SMALL_DIT)


def _of_dit_with_hidden(draw: Draw) -> Iterator[Example]:
    yield Example(reference.DiT, *_noisy(draw, 2, 3, 1, 2, 4), made_with=OTHER_DIT)


@exercise("DiT")
@promises(
    _of_dit,
    untouched(rtol=RTOL_PROMISE),
    new_tensor(rtol=RTOL_PROMISE),
    any_layout(rtol=RTOL_PROMISE),
    by_position_and_name(rtol=RTOL_PROMISE, examples=_of_dit_with_hidden),
    same_in_eval(weight=6, rtol=RTOL_PROMISE),
    dtypes(torch.float32, torch.float16, rtol={torch.float32: RTOL_LATE, torch.float16: 5e-2}),
    gradients(weight=11, rtol=RTOL_PROMISE),
    as_torch_initialises(reference.DiT, 2, 2, 24, 2, 1, 20, weight=2),
)
class DiT:
    @value(weight=5)
    def agrees_with_the_reference(self, student: Student, draw: Draw) -> None:
        """With the same weights, gives the answer of the course's own, of wide pictures and tall ones."""
        handle, module = twins(student, draw, reference.DiT, *SMALL_DIT)
        for B, H, W in [(3, 4, 6), (1, 6, 2), (2, 2, 2)]:
            inputs = _noisy(draw, B, 2, H, W)
            assert_close(handle(*inputs), module(*inputs), rtol=RTOL_NETWORK)

    @value(weight=3)
    def other_sizes(self, student: Student, draw: Draw) -> None:
        """Works with other patches, heads, layers and hidden channels."""
        handle, module = twins(student, draw, reference.DiT, *OTHER_DIT)
        inputs = _noisy(draw, 2, 3, 2, 3, 4)
        assert_close(handle(*inputs), module(*inputs), rtol=RTOL_NETWORK)
        handle, module = twins(student, draw, reference.DiT, 1, 3, 4, 1, 2, 3, hidden=6)
        inputs = _noisy(draw, 2, 1, 3, 6, 3)
        assert_close(handle(*inputs), module(*inputs), rtol=RTOL_NETWORK)

    @value()
    def late_and_between(self, student: Student, draw: Draw) -> None:
        """Takes times up to the last, and times between whole numbers."""
        handle, module = twins(student, draw, reference.DiT, *SMALL_DIT)
        x, _, labels = _noisy(draw)
        for t in (draw.integers(3, low=900, high=1000), draw.uniform(3, low=0, high=30)):
            assert_close(handle(x, t, labels), module(x, t, labels), rtol=RTOL_LATE)

    @value()
    def every_label(self, student: Student, draw: Draw) -> None:
        """Each label has a row of its own in the table, and "no label" is the last one."""
        handle, module = twins(student, draw, reference.DiT, *SMALL_DIT)
        labels = draw.permutation(6)
        x, t = draw.normal(1, 2, 2, 2).expand(6, -1, -1, -1), draw.integers(1, high=30).expand(6)
        assert_close(handle(x, t, labels), module(x, t, labels), rtol=RTOL_NETWORK)

    @value()
    def faint_tokens(self, student: Student, draw: Draw) -> None:
        """The eps of the last norm shows where all that reaches it has little contrast."""
        handle, module = twins(student, draw, reference.DiT, *SMALL_DIT)
        zero = {name: torch.zeros_like(w) for name, w in _scaled(module, 0, "blocks.0.modulation").items()}
        place = -reference.sincos_2d(8, 1, 1)[0].to(module.proj_out.bias)
        faint = _scaled(module, 0.001, "patch_embed.proj.weight")
        _load(handle, module, {**zero, **faint, "patch_embed.proj.bias": place})
        inputs = _noisy(draw, 3, 2, 2, 2)
        assert_close(handle(*inputs), module(*inputs), rtol=RTOL_NETWORK)

    @rule()
    def parameters(self, student: Student, draw: Draw) -> None:
        """Has the named parameters in the given shapes, and no others: trained weights fit in."""
        assert_parameters(student.new("DiT", *OTHER_DIT), reference.DiT(*OTHER_DIT))

    @rule(weight=2)
    def a_new_network_answers_zero(self, student: Student, draw: Draw) -> None:
        """As it is made, it answers 0 everywhere, for any picture, time and label."""
        handle = student.new("DiT", *SMALL_DIT)
        x, t, labels = _noisy(draw)
        answer = _checked(handle(x.float(), t, labels), x.float())
        assert_holds((answer == 0).all(), "a new network does not answer 0")

    @rule()
    def depends_on_time_and_label(self, student: Student, draw: Draw) -> None:
        """Another time, or another label, for one sample changes all of its pixels, and no other sample."""
        handle, _ = twins(student, draw, reference.DiT, *SMALL_DIT)
        x, t, labels = _noisy(draw)
        before = _checked(handle(x, t, labels), x)
        later, other = t.clone(), labels.clone()
        later[1], other[1] = t[1] + 3, (labels[1] + 1) % 5
        for answer, what in (
            (handle(x, later, labels), "another time"),
            (handle(x, t, other), "another label"),
        ):
            after = _checked(answer, x)
            _changes_all(before[1], after[1], what)
            assert_close(after[[0, 2]], before[[0, 2]], rtol=RTOL)

    @rule()
    def knows_places(self, student: Student, draw: Draw) -> None:
        """Two equal patches get different answers, as they lie in different places."""
        handle, _ = twins(student, draw, reference.DiT, *SMALL_DIT)
        x, t, labels = _noisy(draw)
        x[..., 4:6] = x[..., 0:2]
        x[:, :, 2:4] = x[:, :, 0:2]
        answer = _checked(handle(x, t, labels), x)
        _changes_all(answer[:, :, :2, 0:2], answer[:, :, :2, 4:6], "another column")
        _changes_all(answer[:, :, 0:2], answer[:, :, 2:4], "another row")


# --- rms_norm and rotate --------------------------------------------------------------------------------


def _turned(x: Tensor, positions: Tensor, base: float = 10_000.0) -> Tensor:
    """With complex numbers."""
    pairs = torch.view_as_complex(x.double().reshape(*x.shape[:-1], -1, 2).contiguous())
    i = torch.arange(pairs.shape[-1], dtype=torch.float64, device=x.device)
    angles = positions.to(x.device).double()[:, None] * base ** (-2 * i / x.shape[-1])
    return torch.view_as_real(pairs * torch.polar(torch.ones_like(angles), angles)).flatten(-2).to(x.dtype)


def _of_rotate(draw: Draw) -> Iterator[Example]:
    yield Example(reference.rms_norm, draw.normal(3, 4, 6), draw.normal(6))
    yield Example(reference.rotate, draw.normal(2, 3, 4, 6), draw.integers(4, low=1, high=20))


def _of_rotate_with_all(draw: Draw) -> Iterator[Example]:
    yield Example(reference.rms_norm, draw.normal(3, 4, 6), draw.normal(6), 0.5)
    yield Example(reference.rotate, draw.normal(2, 3, 4, 6), draw.integers(4, high=20), 100.0)


def _of_rotate_by_nothing(draw: Draw) -> Iterator[Example]:
    yield from _of_rotate(draw)
    x = draw.normal(2, 3, 4, 6)
    yield Example(reference.rotate, x, torch.zeros(4, dtype=torch.int64, device=x.device))
    yield Example(reference.rms_norm, torch.zeros_like(x), x.new_ones(6))


@exercise("rotate")
@promises(
    _of_rotate,
    untouched(rtol=RTOL_PROMISE),
    new_tensor(rtol=RTOL_PROMISE, examples=_of_rotate_by_nothing),
    any_layout(rtol=RTOL_PROMISE),
    by_position_and_name(rtol=RTOL_PROMISE, examples=_of_rotate_with_all),
    dtypes(torch.float32, torch.float16, rtol={torch.float32: 1e-5, torch.float16: 1e-2}),
    gradients(weight=9, rtol=RTOL_PROMISE),
)
class Rotate:
    @value(weight=3)
    def norm(self, student: Student, draw: Draw) -> None:
        """rms_norm divides by the root of the mean of the squares of the last dimension, and weighs."""
        for shape in [(3, 4, 6), (2, 5), (4, 4, 4), (2, 3, 1, 5)]:
            x, weight = draw.normal(*shape) + 1, draw.normal(shape[-1])
            expected = F.rms_norm(x, (shape[-1],), weight, 1e-6)
            assert_close(student.rms_norm(x, weight), expected, rtol=RTOL)

    @value(weight=2)
    def eps(self, student: Student, draw: Draw) -> None:
        """rms_norm adds eps to the mean of the squares, whatever its value and theirs."""
        for eps, size in [(0.5, 1.0), (1e-6, 1e-3), (1e-3, 0.01)]:
            x, weight = size * draw.normal(3, 4, 6), draw.normal(6)
            expected = F.rms_norm(x, (6,), weight, eps)
            assert_close(student.rms_norm(x, weight, eps), expected, rtol=RTOL)
        x, weight = 1e-3 * draw.normal(2, 5), draw.normal(5)
        assert_close(student.rms_norm(x, weight), F.rms_norm(x, (5,), weight, 1e-6), rtol=RTOL)

    @value()
    def nothing_to_divide_by(self, student: Student, draw: Draw) -> None:
        """A token of zeros stays zero, and becomes no NaN."""
        x = draw.normal(2, 3, 4)
        x[1, 2] = 0
        weight = draw.normal(4)
        assert_close(student.rms_norm(x, weight), F.rms_norm(x, (4,), weight, 1e-6), rtol=RTOL)

    @value(weight=4)
    def turns(self, student: Student, draw: Draw) -> None:
        """rotate turns each pair of neighbours by its own angle, which grows with the position."""
        for B, h, L, d in [(2, 3, 4, 6), (1, 2, 5, 8), (4, 4, 4, 4)]:
            x, positions = draw.normal(B, h, L, d), torch.arange(L, device=draw.device)
            assert_close(student.rotate(x, positions), _turned(x, positions), rtol=RTOL)

    @value(weight=2)
    def any_positions(self, student: Student, draw: Draw) -> None:
        """Positions may come in any order, between whole numbers, or below 0."""
        x = draw.normal(2, 1, 5, 4)
        for positions in (draw.integers(5, high=40), draw.uniform(5, low=-9, high=9)):
            assert_close(student.rotate(x, positions), _turned(x, positions), rtol=RTOL)

    @value()
    def other_bases(self, student: Student, draw: Draw) -> None:
        """Takes the base that it is given, and has the stated one when none is given."""
        x, positions = draw.normal(2, 2, 3, 8), draw.integers(3, low=5, high=40)
        for base in (100.0, 500_000.0):
            assert_close(student.rotate(x, positions, base), _turned(x, positions, base), rtol=RTOL)

    @value()
    def far_positions(self, student: Student, draw: Draw) -> None:
        """Is exact at far positions, in float32 as well: the angles are float64."""
        positions = draw.integers(4, low=100_000, high=1_000_000)
        x = draw.normal(1, 2, 4, 6)
        assert_close(student.rotate(x, positions), _turned(x, positions), rtol=RTOL)
        assert_close(student.rotate(x.float(), positions), _turned(x, positions).float(), rtol=RTOL_SINGLE)

    @value()
    def single_pair(self, student: Student, draw: Draw) -> None:
        """Works with one pair of numbers, one token or one head."""
        for B, h, L, d in [(3, 2, 4, 2), (2, 1, 1, 6), (1, 1, 1, 2)]:
            x, positions = draw.normal(B, h, L, d), draw.integers(L, low=1, high=9)
            assert_close(student.rotate(x, positions), _turned(x, positions), rtol=RTOL)

    @rule()
    def keeps_lengths(self, student: Student, draw: Draw) -> None:
        """Turning makes nothing longer or shorter, pair by pair."""
        x, positions = draw.normal(2, 2, 4, 6), draw.integers(4, low=1, high=50)
        answer = _checked(student.rotate(x, positions), x)
        own, given = (each.reshape(2, 2, 4, 3, 2).norm(dim=-1) for each in (answer, x))
        assert_close(own, given, rtol=RTOL)

    @rule(weight=2)
    def differences_alone_count(self, student: Student, draw: Draw) -> None:
        """The product of a query and a key depends on how far apart their positions are, no more."""
        q, k = draw.normal(1, 1, 1, 6), draw.normal(1, 1, 1, 6)

        def product(at: int, other: int) -> Tensor:
            places = [torch.tensor([place], device=draw.device) for place in (at, other)]
            turned = [_checked(student.rotate(x, place), x) for x, place in zip((q, k), places, strict=True)]
            return (turned[0] * turned[1]).sum()

        near, far = product(3, 10), product(103, 110)
        assert_close(far, near, rtol=RTOL)


# --- JointAttention -------------------------------------------------------------------------------------


def _of_joint(draw: Draw) -> Iterator[Example]:
    yield Example(reference.JointAttention, draw.normal(3, 5, 6), draw.normal(3, 4, 6), made_with=(6, 2))


def _two(answer: Any) -> tuple[Any, Any]:
    assert_holds(isinstance(answer, (tuple, list)) and len(answer) == 2, "two tensors were expected")
    return answer[0], answer[1]


def _both_close(answer: Any, expected: tuple[Tensor, Tensor]) -> None:
    for own, wanted in zip(_two(answer), expected, strict=True):
        assert_close(own, wanted, rtol=RTOL)


@exercise("JointAttention")
@promises(
    _of_joint,
    untouched(rtol=RTOL_PROMISE),
    new_tensor(rtol=RTOL_PROMISE),
    any_layout(rtol=RTOL_PROMISE),
    by_position_and_name(rtol=RTOL_PROMISE),
    same_in_eval(weight=6, rtol=RTOL_PROMISE),
    OF_LAYERS,
    gradients(weight=9, rtol=RTOL_PROMISE),
    as_torch_initialises(reference.JointAttention, 24, 2),
)
class JointAttention:
    @value(weight=5)
    def agrees_with_the_reference(self, student: Student, draw: Draw) -> None:
        """With the same weights, gives both answers of the course's own, for any numbers of tokens."""
        for dim, heads, B, L, S in [(6, 3, 3, 5, 4), (4, 2, 2, 2, 7), (8, 2, 1, 3, 3)]:
            handle, module = twins(student, draw, reference.JointAttention, dim, heads)
            image, text = draw.normal(B, L, dim), draw.normal(B, S, dim)
            _both_close(handle(image, text), module(image, text))

    @value()
    def lone_tokens(self, student: Student, draw: Draw) -> None:
        """Works with a single token of either, and with a single head."""
        handle, module = twins(student, draw, reference.JointAttention, 6, 1)
        for L, S in [(1, 3), (4, 1), (1, 1)]:
            image, text = draw.normal(2, L, 6), draw.normal(2, S, 6)
            _both_close(handle(image, text), module(image, text))

    @value()
    def loud_tokens(self, student: Student, draw: Draw) -> None:
        """Is right where scores are large, and a few tokens get all the attention."""
        handle, module = twins(student, draw, reference.JointAttention, 8, 2)
        image, text = 6 * draw.normal(2, 4, 8), 6 * draw.normal(2, 3, 8)
        _both_close(handle(image, text), module(image, text))

    @rule()
    def parameters(self, student: Student, draw: Draw) -> None:
        """Has the named parameters in the given shapes, and no others: diffusers' weights fit in."""
        assert_parameters(student.new("JointAttention", 6, 2), reference.JointAttention(6, 2))

    @rule()
    def order_of_the_text(self, student: Student, draw: Draw) -> None:
        """Reordering the text's tokens reorders the text's answer alike, and leaves the picture's."""
        handle, _ = twins(student, draw, reference.JointAttention, 6, 2)
        image, text, order = draw.normal(2, 4, 6), draw.normal(2, 5, 6), draw.permutation(5)
        own, told = _two(handle(image, text))
        own, told = _checked(own, image), _checked(told, text)
        again, moved = _two(handle(image, text[:, order]))
        assert_close(again, own, rtol=RTOL)
        assert_close(moved, told[:, order], rtol=RTOL)

    @rule()
    def both_hear_both(self, student: Student, draw: Draw) -> None:
        """Another picture changes the text's answer, another text the picture's, of that sample alone."""
        handle, _ = twins(student, draw, reference.JointAttention, 6, 2)
        image, text = draw.normal(2, 4, 6), draw.normal(2, 3, 6)
        own, told = _two(handle(image, text))
        own, told = _checked(own, image), _checked(told, text)
        other_image, other_text = image.clone(), text.clone()
        other_image[1, 2], other_text[1, 0] = draw.normal(6), draw.normal(6)
        _, after_image = _two(handle(other_image, text))
        after_text, _ = _two(handle(image, other_text))
        for before, after, what in (
            (told, after_image, "another picture"),
            (own, after_text, "another text"),
        ):
            changed = _checked(after, before)
            _changes_all(before[1], changed[1], what)
            assert_close(changed[0], before[0], rtol=RTOL)
