"""`check(...)`: what holds passes, what is wrong is named, and nothing that an answer does breaks it."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import course
import solutions.attention as reference
from course import CheckFailed, check
from course.catalogue.syllabus import load
from course.checking import examine, expect

ATTENTION = load().module("attention")


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def report_of(*functions: Any, quiz: str | None = None) -> str:
    """What is printed; CheckFailed must be raised exactly when something is crossed."""
    (report,) = examine.reports_on(functions, quiz)
    text = report.text()
    assert report.passed == ("✗" not in text and report.state != "untouched")
    assert report.passed == (not report.problem)
    return text


def named(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    function.__name__ = name
    return function


# --- Right answers -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("exercise", ATTENTION.exercises, ids=lambda exercise: exercise.id)
def test_the_reference_passes(exercise: Any, capsys: pytest.CaptureFixture[str]) -> None:
    check(*(getattr(reference, name) for name in exercise.defines))
    printed = capsys.readouterr().out
    assert printed.startswith(f"{exercise.id} · {exercise.title}\n")
    assert "✗" not in printed
    assert "!" not in printed


def test_every_exercise_has_several_checks_with_a_rule_each() -> None:
    from course.modules.attention import checks as attention

    for exercise in ATTENTION.exercises:
        checks = expect.checks_of(attention, exercise.id)
        assert len(checks) >= 4
        assert all(len(check.rule) > 20 for check in checks)


def softmax_with_item(x: Tensor, dim: int) -> Tensor:
    e = torch.exp(x - x.max(dim, keepdim=True).values)
    return torch.where(e > -1, e, e.max().item()) / e.sum(dim, keepdim=True)


def attention_by_loops(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> Tensor:
    B, h, L, d = q.shape
    out = q.new_zeros(B, h, L, v.shape[-1])
    allowed = torch.ones(L, k.shape[2], dtype=torch.bool, device=q.device) if mask is None else mask
    allowed = allowed.broadcast_to(B, h, L, k.shape[2])
    for b in range(B):
        for head in range(h):
            scores = torch.einsum("ld,sd->ls", q[b, head], k[b, head]) / math.sqrt(d)
            scores[~allowed[b, head]] = -math.inf
            out[b, head] = scores.softmax(-1) @ v[b, head]
    return out


def attention_of_torch(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> Tensor:
    return F.scaled_dot_product_attention(q, k, v, mask)


@pytest.mark.parametrize(
    "function",
    [
        named("stable_softmax", softmax_with_item),
        named("stable_softmax", lambda x, dim: torch.softmax(x, dim)),
        named("scaled_dot_product_attention", attention_by_loops),
        named("scaled_dot_product_attention", attention_of_torch),
    ],
)
def test_what_is_written_differently_passes(function: Callable[..., Any]) -> None:
    text = report_of(function)
    assert "✗" not in text
    assert "GPU" not in text


# --- Typical mistakes, and what is said about them ---------------------------------------------------------


def softmax_without_maximum(x: Tensor, dim: int) -> Tensor:
    """there is NaN in the result, first at [0], where 0.25 is right"""
    return x.exp() / x.exp().sum(dim, keepdim=True)


def softmax_with_one_maximum(x: Tensor, dim: int) -> Tensor:
    """there is NaN in the result, first at [0, 0], where 0.5 is right"""
    e = (x - x.max()).exp()
    return e / e.sum(dim, keepdim=True)


def softmax_over_the_last_dimension(x: Tensor, dim: int) -> Tensor:
    """These add up to 1 along dim=1, but dim=0 was asked for."""
    return torch.softmax(x, -1)


def softmax_over_everything(x: Tensor, dim: int) -> Tensor:
    """Here all six numbers together add up to 1: sum along `dim` only."""
    return torch.softmax(x.flatten(), 0).reshape(x.shape)


def softmax_without_sum(x: Tensor, dim: int) -> Tensor:
    """These are exp(x - max), not yet divided by their sum."""
    return (x - x.amax(dim, keepdim=True)).exp()


def softmax_in_place(x: Tensor, dim: int) -> Tensor:
    """it changed its argument x: make a new tensor instead"""
    x -= x.amax(dim, keepdim=True)
    return torch.softmax(x, dim)


def softmax_without_keepdim(x: Tensor, dim: int) -> Tensor:
    """e = (x - x.amax(dim)).exp()"""
    e = (x - x.amax(dim)).exp()
    return e / e.sum(dim, keepdim=True)


def softmax_in_float32(x: Tensor, dim: int) -> Tensor:
    """the dtype is float32, it should be float64, as that of the input"""
    return torch.softmax(x.float(), dim)


def softmax_without_return(x: Tensor, dim: int) -> None:
    """it returned None: does it end with `return ...`?"""
    torch.softmax(x, dim)


def softmax_a_little_off(x: Tensor, dim: int) -> Tensor:
    """the largest error is 0.01, at [1]: 0.74 instead of 0.75"""
    out = torch.softmax(x, dim)
    return out - 0.01 * (out == out.amax(dim, keepdim=True))


def softmax_of_another_shape(x: Tensor, dim: int) -> Tensor:
    """the shape is (1, 2), it should be (2,)"""
    return torch.softmax(x, dim)[None]


def sdpa(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    mask: Tensor | None = None,
    *,
    scale: Callable[[int, int], float] = lambda d, e: d**-0.5,
    dim: int = -1,
    fill: float = -math.inf,
    allow: bool = True,
    late: bool = False,
) -> Tensor:
    """Attention with a switch for each usual mistake."""
    scores = q @ k.mT * scale(q.shape[-1], v.shape[-1])
    if mask is not None and not late:
        scores = scores.masked_fill(mask != allow, fill)
    weights = scores.softmax(dim)
    if mask is not None and late:
        weights = weights * mask
    return weights @ v


def attention_without_scale(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> Tensor:
    """This is what comes out without the division by sqrt(d)."""
    return sdpa(q, k, v, mask, scale=lambda d, e: 1.0)


def attention_divided_by_d(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> Tensor:
    """divided by d instead of sqrt(d)"""
    return sdpa(q, k, v, mask, scale=lambda d, e: 1 / d)


def attention_over_the_queries(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> Tensor:
    """the softmax runs over the queries"""
    return sdpa(q, k, v, mask, dim=-2)


def attention_with_the_mask_inverted(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> Tensor:
    """Here True forbids: the mask is read the wrong way round."""
    return sdpa(q, k, v, mask, allow=False)


def attention_inverted_and_finite(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> Tensor:
    """Here True forbids: the mask is read the wrong way round (and a query"""
    return sdpa(q, k, v, mask, allow=False, fill=-1e4)


def attention_masked_too_late(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> Tensor:
    """the weights were masked after the softmax"""
    return sdpa(q, k, v, mask, late=True)


def attention_without_mask(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> Tensor:
    """The mask had no effect."""
    return sdpa(q, k, v)


def attention_too_large_for_float16(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> Tensor:
    """it raised RuntimeError: value cannot be converted to type"""
    return sdpa(q, k, v, mask, fill=-1e9)


@pytest.mark.parametrize(
    ("name", "function"),
    [
        ("stable_softmax", softmax_without_maximum),
        ("stable_softmax", softmax_with_one_maximum),
        ("stable_softmax", softmax_over_the_last_dimension),
        ("stable_softmax", softmax_over_everything),
        ("stable_softmax", softmax_without_sum),
        ("stable_softmax", softmax_in_place),
        ("stable_softmax", softmax_without_keepdim),
        ("stable_softmax", softmax_in_float32),
        ("stable_softmax", softmax_without_return),
        ("stable_softmax", softmax_a_little_off),
        ("stable_softmax", softmax_of_another_shape),
        ("scaled_dot_product_attention", attention_without_scale),
        ("scaled_dot_product_attention", attention_divided_by_d),
        ("scaled_dot_product_attention", attention_over_the_queries),
        ("scaled_dot_product_attention", attention_with_the_mask_inverted),
        ("scaled_dot_product_attention", attention_inverted_and_finite),
        ("scaled_dot_product_attention", attention_masked_too_late),
        ("scaled_dot_product_attention", attention_without_mask),
        ("scaled_dot_product_attention", attention_too_large_for_float16),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_mistake_in_a_function_is_named(name: str, function: Callable[..., Any]) -> None:
    text = report_of(named(name, function))
    assert str(function.__doc__) in text
    assert "you returned" in text or "called with" in text


def split(x: Tensor, heads: int) -> Tensor:
    return x.unflatten(-1, (heads, -1)).transpose(1, 2)


def merge(x: Tensor) -> Tensor:
    return x.transpose(1, 2).flatten(2)


def split_by_view(x: Tensor, heads: int) -> Tensor:
    """a head mixes the numbers of several tokens"""
    return x.reshape(x.shape[0], heads, x.shape[1], -1)


def split_in_turns(x: Tensor, heads: int) -> Tensor:
    """Here the heads take turns, channel by channel"""
    return x.unflatten(-1, (-1, heads)).permute(0, 3, 1, 2)


def split_without_swap(x: Tensor, heads: int) -> Tensor:
    """This is [B, L, heads, d]: the heads still have to come before the tokens."""
    return x.unflatten(-1, (heads, -1))


def merge_by_reshape(x: Tensor) -> Tensor:
    """the numbers of different tokens are mixed: the dimensions must be swapped back"""
    return x.reshape(x.shape[0], x.shape[2], -1)


def merge_by_view(x: Tensor) -> Tensor:
    """it raised RuntimeError: view size is not compatible"""
    return x.transpose(1, 2).view(x.shape[0], x.shape[2], -1)


def merge_in_turns(x: Tensor) -> Tensor:
    """the largest error is 1, at [0, 0, 1]: 2 instead of 1"""
    return x.permute(0, 2, 3, 1).flatten(2)


def merge_into_floats(x: Tensor) -> Tensor:
    """the dtype is float32, it should be int32"""
    return merge(x).float()


@pytest.mark.parametrize(
    ("first", "second", "said"),
    [
        (split_by_view, merge, split_by_view.__doc__),
        (split_in_turns, merge, split_in_turns.__doc__),
        (split_without_swap, merge, split_without_swap.__doc__),
        (split, merge_by_view, merge_by_view.__doc__),
        (split, merge_by_reshape, merge_by_reshape.__doc__),
        (split, merge_in_turns, merge_in_turns.__doc__),
        (split, merge_into_floats, merge_into_floats.__doc__),
    ],
)
def test_a_mistake_with_heads_is_named(first: Any, second: Any, said: str) -> None:
    assert said in report_of(named("split_heads", first), named("merge_heads", second))


class Attention(nn.Module):
    """Self- and cross-attention with a switch for each usual mistake."""

    heads: int

    def __init__(self, dim: int, context_dim: int, heads: int, inner: int, **switches: Any) -> None:
        super().__init__()
        self.heads, self.switches = 1 if "one_head" in switches else heads, switches
        self.to_q = nn.Linear(dim, inner, bias="bias" in switches)
        self.to_k = nn.Linear(context_dim, inner, bias=False)
        self.to_v = nn.Linear(context_dim, inner, bias=False)
        out = nn.Linear(inner, dim, bias="no_out_bias" not in switches)
        self.to_out = out if "bare" in switches else [out] if "list" in switches else nn.ModuleList([out])

    def attend(self, x: Tensor, context: Tensor) -> Tensor:
        if "context_ignored" in self.switches:
            context = x
        cut, join = split, merge_by_reshape if "mixed" in self.switches else merge
        if "in_turns" in self.switches:
            cut, join = split_in_turns, merge_in_turns
        q, k, v = (
            cut(layer(y), self.heads)
            for layer, y in ((self.to_q, x), (self.to_k, context), (self.to_v, context))
        )
        d = q.shape[-1] * (self.heads if "model_scale" in self.switches else 1)
        scale = 1.0 if "no_scale" in self.switches else 1 / d if "scale_twice" in self.switches else d**-0.5
        out = join(sdpa(q, k, v, scale=lambda *_: scale))
        if "no_out" in self.switches:
            return out
        return (self.to_out if "bare" in self.switches else self.to_out[0])(out)


def self_attention(**switches: Any) -> type[nn.Module]:
    class MultiHeadSelfAttention(Attention):
        def __init__(self, dim: int, heads: int) -> None:
            super().__init__(dim, dim, heads, dim, **switches)

        def forward(self, x: Tensor) -> Tensor:
            return self.attend(x, x)

    return MultiHeadSelfAttention


def cross_attention(**switches: Any) -> type[nn.Module]:
    class CrossAttention(Attention):
        def __init__(self, query_dim: int, context_dim: int, heads: int, head_dim: int) -> None:
            inner = query_dim if "assumed" in switches else heads * head_dim
            super().__init__(query_dim, context_dim, heads, inner, **switches)

        def forward(self, x: Tensor, context: Tensor) -> Tensor:
            return self.attend(x, context)

    return CrossAttention


def spatial_attention(**switches: Any) -> type[nn.Module]:
    class SpatialSelfAttention(nn.Module):
        def __init__(self, channels: int, groups: int = 32) -> None:
            super().__init__()
            self.group_norm = nn.GroupNorm(groups, channels, eps=switches.get("eps", 1e-6))
            self.to_q, self.to_k, self.to_v = (nn.Linear(channels, channels) for _ in range(3))
            self.to_out = nn.ModuleList([nn.Linear(channels, channels)])

        def forward(self, x: Tensor) -> Tensor:
            B, C, H, W = x.shape
            normed = self.group_norm(x)
            tokens = normed.reshape(B, H * W, C) if "reshaped" in switches else normed.flatten(2).mT
            scale = 1.0 if "no_scale" in switches else C**-0.5
            q, k, v = self.to_q(tokens), self.to_k(tokens), self.to_v(tokens)
            out = self.to_out[0](sdpa(q, k, v, scale=lambda *_: scale))
            if "swapped" in switches:
                image = out.mT.reshape(B, C, W, H).mT
            else:
                image = (
                    out.reshape(B, C, H, W)
                    if switches.keys() & {"reshaped", "back"}
                    else out.mT.reshape(B, C, H, W)
                )
            return image if "alone" in switches else (normed if "normed" in switches else x) + image

    return SpatialSelfAttention


@pytest.mark.parametrize(
    ("module", "said"),
    [
        (self_attention(no_out=True), "This is what comes out before to_out: it was not applied."),
        (self_attention(one_head=True), "This is what one head over all the channels gives"),
        (self_attention(model_scale=True), "The scale is 1 / sqrt(dim) instead of 1 / sqrt(dim / heads)."),
        (self_attention(scale_twice=True), "The scores were divided by sqrt(d) twice."),
        (self_attention(no_scale=True), "The scores were not divided by sqrt(d)."),
        (self_attention(in_turns=True), "it should have the first d channels, not every other one."),
        (self_attention(bias=True), "a parameter too many, `to_q.bias`: that layer has no bias (bias=False)"),
        (
            self_attention(bare=True),
            "there is no parameter `to_out.0.weight`; yours are to_q.weight, to_k.weight",
        ),
        (self_attention(list=True), "there is no parameter `to_out.0.weight`"),
        (cross_attention(context_ignored=True), "keys and values come from the context, not from x"),
        (
            cross_attention(model_scale=True),
            "The scale is that of all heads together: it is 1 / sqrt(head_dim).",
        ),
        (cross_attention(mixed=True), "Here heads and tokens were mixed when the heads were joined"),
        (cross_attention(one_head=True), "This is what one head over all the channels gives"),
        (cross_attention(bias=True), "a parameter too many, `to_q.bias`"),
        (cross_attention(assumed=True), "`to_q.weight` has shape (5, 5), (6, 5) is expected"),
        (cross_attention(no_out_bias=True), "there is no parameter `to_out.0.bias`"),
        (spatial_attention(alone=True), "The attention alone came back: the image was not added."),
        (spatial_attention(normed=True), "The normalised image came back: add to the image as it was."),
        (spatial_attention(reshaped=True), "the largest error is"),
        (spatial_attention(swapped=True), "Height and width were swapped on the way back"),
        (spatial_attention(back=True), "the channels were not moved to the front first"),
        (spatial_attention(no_scale=True), "The scores were not divided by sqrt(C)."),
        (spatial_attention(eps=1e-5), "`group_norm` has eps=1e-05, 1e-6 is expected"),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else "",
)
def test_a_mistake_in_a_module_is_named(module: type[nn.Module], said: str) -> None:
    assert said in report_of(module)


@pytest.mark.parametrize("module", [self_attention(), cross_attention(), spatial_attention()])
def test_these_modules_are_right_without_their_mistakes(module: type[nn.Module]) -> None:
    assert "✗" not in report_of(module)


def test_only_the_first_problem_is_shown_in_full() -> None:
    text = report_of(named("stable_softmax", lambda x, dim: x))
    assert text.count("you returned") == 1
    assert text.count("✗") == 6
    assert text.endswith("0 of 6 checks hold.")


# --- On a GPU ----------------------------------------------------------------------------------------------


def softmax_with_a_table_on_the_cpu(x: Tensor, dim: int) -> Tensor:
    return torch.softmax(x + torch.zeros(x.shape, dtype=x.dtype), dim)


def test_what_would_fail_on_a_gpu_is_said_and_still_passes(capsys: pytest.CaptureFixture[str]) -> None:
    check(named("stable_softmax", softmax_with_a_table_on_the_cpu))
    printed = capsys.readouterr().out
    assert (
        "! This would fail on a GPU. +: a tensor of shape (2,) on the CPU met a tensor of shape (2,)"
        in printed
    )
    assert "All 6 checks hold." in printed


def test_a_module_that_would_fail_on_a_gpu_is_found_and_left_on_the_cpu() -> None:
    made: list[nn.Module] = []

    class SpatialSelfAttention(spatial_attention()):  # type: ignore[misc]
        def __init__(self, channels: int, groups: int = 32) -> None:
            super().__init__(channels, groups)
            self.shift = torch.zeros(channels, 1, 1)  # no buffer: stays behind
            made.append(self)

        def forward(self, x: Tensor) -> Tensor:
            return super().forward(x + self.shift)

    assert "fail on a GPU. +: a tensor of shape (2, 1, 1) on the CPU met" in report_of(SpatialSelfAttention)
    assert {parameter.device.type for module in made for parameter in module.parameters()} == {"cpu"}


# --- Stubs, odd answers, misuse ----------------------------------------------------------------------------


def test_a_stub_gets_one_kind_line(capsys: pytest.CaptureFixture[str]) -> None:
    def stable_softmax(x: Tensor, dim: int) -> Tensor:
        raise NotImplementedError("write the softmax")

    with pytest.raises(CheckFailed, match=r"^stable_softmax: not written yet$"):
        check(stable_softmax)
    assert examine.reports_on([stable_softmax], None)[0].state == "untouched"
    assert capsys.readouterr().out.splitlines()[1:] == [
        "  Not written yet. Have a go: this cell tells you how far you have come."
    ]


def test_a_module_of_which_only_the_half_is_written_says_which_checks_hold() -> None:
    class MultiHeadSelfAttention(self_attention()):  # type: ignore[misc]
        def forward(self, x: Tensor) -> Tensor:
            raise NotImplementedError("write the forward pass")

    text = report_of(MultiHeadSelfAttention)
    assert "✓ Its parameters have diffusers' names and shapes" in text
    assert "this part is not written yet" in text
    assert "1 of 4 checks hold." in text


def test_a_not_implemented_error_of_torchs_own_is_an_error() -> None:
    def stable_softmax(x: Tensor, dim: int) -> Tensor:
        return torch.empty(2, device="meta").cpu()

    assert "it raised NotImplementedError: Cannot copy out of meta tensor" in report_of(stable_softmax)


class Odd(Tensor):
    @classmethod
    def __torch_function__(cls, *args: Any, **kwargs: Any) -> Any:
        raise RuntimeError("I am odd")


class Unprintable:
    def __repr__(self) -> str:
        raise ValueError("no")

    __str__ = __repr__


class UnprintableError(Exception):
    def __str__(self) -> str:
        raise ValueError("no")


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (None, "it returned None"),
        (0.5, "a tensor is expected, a float was returned"),
        ([0.25, 0.75], "a tensor is expected, a list was returned"),
        (np.array([0.25, 0.75]), "a tensor is expected, an ndarray was returned"),
        ((torch.ones(2),), "a tensor is expected, a tuple was returned"),
        (Unprintable(), "a tensor is expected, an Unprintable was returned"),
        (nn.Linear(2, 2), "a tensor is expected, a Linear was returned"),
        (torch.full((2,), math.nan), "there is NaN in the result, first at [0]"),
        (torch.tensor([math.inf, 0.75]), "there is infinity in the result, first at [0]"),
        (torch.tensor([1e38, 1e38]), "the largest error is 1e+38, at [0]"),
        (torch.zeros(0), "the shape is (0,), it should be (2,)"),
        (torch.tensor(1.0), "the shape is (), it should be (2,)"),
        (torch.zeros(300, 300), "the shape is (300, 300), it should be (2,)"),
        (torch.tensor([1, 3]), "the dtype is int64, it should be float32"),
        (torch.tensor([True, False]), "the dtype is bool, it should be float32"),
        (torch.tensor([0.25, 0.75j]), "the dtype is complex64, it should be float32"),
        (torch.ones(2, device="meta"), "that cannot be read"),
        (torch.eye(2).to_sparse(), "a Tensor was returned that cannot be read"),
        (torch.ones(2).as_subclass(Odd), "an Odd was returned that cannot be read"),
        (nn.Parameter(torch.ones(2)), "the largest error is 0.75"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_whatever_is_returned_is_answered_in_a_sentence(answer: Any, said: str) -> None:
    assert said in report_of(named("stable_softmax", lambda x, dim: answer))


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ValueError("wrong\n  shape"), "it raised ValueError: wrong shape"),
        (UnprintableError(), "it raised UnprintableError"),
        (SystemExit(3), "it raised SystemExit: 3"),
        (RecursionError("deep"), "it raised RecursionError: deep"),
        (StopIteration(), "it raised StopIteration"),
        (expect.Broken("forged"), "it raised Broken: forged"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_whatever_is_raised_is_answered_with_the_students_own_line(error: BaseException, said: str) -> None:
    def stable_softmax(x: Tensor, dim: int) -> Tensor:
        raise error  # the line to show

    text = report_of(stable_softmax)
    assert said in text
    assert ": raise error  # the line to show" in text
    assert "site-packages" not in text
    assert "examine.py" not in text


def test_an_error_inside_of_torch_is_shown_at_the_students_line() -> None:
    def stable_softmax(x: Tensor, dim: int) -> Tensor:
        return F.linear(x, torch.ones(7, 7))  # the line to show

    assert "return F.linear(x, torch.ones(7, 7))  # the line to show" in report_of(stable_softmax)


def test_wrong_parameters_are_said_without_a_line() -> None:
    text = report_of(named("stable_softmax", lambda x: x))
    assert "it raised TypeError" in text
    assert "in your line" not in text


def test_a_class_that_is_no_module_is_said_to_be_none() -> None:
    class CrossAttention:
        def __init__(self, query_dim: int, context_dim: int, heads: int, head_dim: int) -> None:
            pass

    assert "CrossAttention must be a subclass of nn.Module" in report_of(CrossAttention)


@pytest.mark.parametrize(
    ("things", "options", "said"),
    [
        ((), {}, "Nothing to check: pass the function that you wrote"),
        ((len,), {}, "No exercise asks for 'len'. Exercises ask for stable_softmax, scaled_dot"),
        (("stable_softmax",), {}, "without quotes: check(stable_softmax)"),
        ((3,), {}, "this is an int"),
        (({},), {}, 'Then check(answers, quiz="...")'),
        ((lambda x, dim: x,), {}, "No exercise asks for '<lambda>'"),
        (
            (reference.split_heads,),
            {},
            "merge_heads is missing: this is checked with check(split_heads, merge_heads)",
        ),
        (({},), {"quiz": "no_quiz"}, "There is no quiz 'no_quiz'. There are: attention_quiz"),
        ((), {"quiz": "attention_quiz"}, 'check(answers, quiz="attention_quiz")'),
        ((None,), {"quiz": "attention_quiz"}, "`answers` is None: keep the dictionary"),
        ((Unprintable(),), {"quiz": "attention_quiz"}, "`answers` is an Unprintable"),
    ],
)
def test_a_misunderstanding_is_answered_in_a_sentence(things: Any, options: Any, said: str) -> None:
    with pytest.raises(CheckFailed) as error:
        check(*things, **options)
    assert said in str(error.value)


# --- A quiz ------------------------------------------------------------------------------------------------

QUIZ = examine.quiz_of("attention").questions
RIGHT_IN_FORM = {
    question.id: {"number": 2.5, "single": "a", "multiple": ["a", "b"]}[question.kind] for question in QUIZ
}


def test_a_quiz_in_the_right_form_passes_whatever_the_answers(capsys: pytest.CaptureFixture[str]) -> None:
    check(RIGHT_IN_FORM, quiz="attention_quiz")
    assert f"{len(QUIZ)} of {len(QUIZ)} questions are answered." in capsys.readouterr().out


def test_a_quiz_says_what_is_missing_or_malformed_and_nothing_else(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(CheckFailed, match="attention_quiz: q1: not answered yet"):
        check({**RIGHT_IN_FORM, "q1": None, "q2": "2.5", "qq": 1}, quiz="attention_quiz")
    printed = capsys.readouterr().out
    assert "✗ q1: not answered yet" in printed
    assert "✗ q2: a plain number is expected, without quotes; this is the text '2.5'" in printed
    assert "✗ 'qq': there is no such question" in printed
    assert printed.count("✗") == 3
    assert f"{len(QUIZ) - 2} of {len(QUIZ)} questions are answered." in printed


def test_an_untouched_quiz_gets_one_kind_line(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(CheckFailed, match="not answered yet"):
        check(dict.fromkeys(RIGHT_IN_FORM), quiz="attention_quiz")
    assert capsys.readouterr().out.splitlines()[1:] == [
        "  Not answered yet: put your answers in place of None."
    ]


# --- Where it runs -----------------------------------------------------------------------------------------


def test_the_notebooks_random_numbers_stay_as_they_were() -> None:
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    check(reference.CrossAttention)
    assert torch.equal(torch.rand(2), expected)


def test_ipython_shows_one_line_instead_of_a_traceback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from IPython.core.interactiveshell import InteractiveShell
    from traitlets.config import Config

    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    shell = InteractiveShell(config=Config({"HistoryManager": {"enabled": False}}))
    shell.run_cell("from course import check\ndef stable_softmax(x, dim):\n    return x.foo()")
    result = shell.run_cell("check(stable_softmax)")
    assert isinstance(result.error_in_exec, CheckFailed)
    lines = result.error_in_exec._render_traceback_()
    assert lines == [
        "CheckFailed: stable_softmax: it raised AttributeError: 'Tensor' object has no attribute 'foo'"
    ]
    assert "in your line 3: return x.foo()" in report_of(shell.user_ns["stable_softmax"])


def test_a_terminal_without_ticks_gets_letters() -> None:
    source = (
        "import torch\nfrom course import check\ndef stable_softmax(x, dim): return torch.softmax(x, dim)\n"
    )
    environment = {
        **os.environ,
        "PYTHONIOENCODING": "ascii",
        "PYTHONPATH": str(Path(course.__path__[0]).parent),
    }
    run = subprocess.run(
        [sys.executable, "-c", source + "check(stable_softmax)"],
        capture_output=True, text=True, env=environment, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    assert "  + Scores become shares" in run.stdout
