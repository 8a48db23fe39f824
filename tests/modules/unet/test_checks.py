"""What `check` says of usual mistakes in the unet module."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

import solutions.unet as reference

from ..bank import bank

UNET = bank("unet")
SOURCE = Path(reference.__file__).read_text(encoding="utf-8")

SAID = {
    "kernel_flipped": "The kernel was flipped",
    "kernel_transposed": "The kernel was transposed",
    "bias_along_the_width": "Here the bias runs along the width",
    "no_bias": "The bias was left out.",
    "edge_for_padding": "Here the image was continued at its edges",
    "gradient_lost": "no gradient can flow",
    "always_single_precision": "the dtype is float32, it should be float64",
    "unbiased_variance": "with the variance divided by the count minus 1",
    "eps_outside_the_root": "eps was added after the root",
    "eps_fixed": "Here eps was not used",
    "divided_by_the_variance": "divided by the variance, not by its root",
    "per_channel": "Here each channel was normalised by itself",
    "groups_ignored": "Here all channels made one group.",
    "over_the_batch": "mean and variance were taken over the whole batch",
    "weight_first": "by its weight",
    "weight_along_the_width": "bias",
    "sines_first": "Here the sines come first",
    "interleaved": "Here cosines and sines take turns",
    "half_minus_one": "the last frequency is 1/10",
    "rising_frequencies": "Here t was multiplied by 100 instead of 0.01",
    "odd_dim_forgotten": "for dim = 5 the shape is (2, 4)",
    "zeros_first": "✗ An odd dim",
    "double_stays_double": "the dtype is torch.float64, it should be torch.float32",
    "AlwaysAShortcut": "as many channels out as in there is a conv_shortcut",
    "SmallEps": "eps=1e-06, 1e-05",
    "NoResidual": "What came in was not added.",
    "ShortcutOfTheNormalised": "Here x was added as norm1 left it",
    "SiluAfterTheProjection": "SiLU comes first",
    "TimeNotUsed": "The time made no difference",
    "NoSecondSilu": "There is no SiLU between norm2 and conv2.",
    "TimeAfterTheNorm": "Here the time was added after norm2",
    "OneTimeForAll": "other times gave the same",
    "PaddedOnTwoSides": "stands on the pixels 1, 3",
    "SizeKept": "The stride is 1",
    "Bilinear": "Here pixels were mixed",
    "Tiled": "the whole image stands",
    "ConvolutionBeforeEnlarging": "Here the convolution came first",
    "HalvesSwapped": "Here the first half was the gate",
    "TanhGelu": "This is the approximate gelu",
    "SiluGate": "Here the gate is SiLU",
    "SigmoidGate": "Here the gate is a sigmoid",
    "ContextFirst": "✗ All three, one after the other",
    "LargeEps": "eps=1e-05, 1e-06 is",
    "ImageNotAdded": "The image was not added.",
    "NormalisedAdded": "The normalised image was added",
    "NotMovedBack": "On the way back the channels were not moved to the front first.",
    "TurnedOver": "On the way back height and width were swapped.",
    "TokensByReshape": "✗ With the same weights it agrees",
    "SkipFirst": "the skip stands before",
    "OldestSkipFirst": "Sizes of tensors must match except in dimension 1. Expected size 2 but got size 8",
    "OneTimestepForAll": "told the first sample's time",
    "NoLastSilu": "✗ With the trained weights it gives what",
    "SkipsAdded": "parameters are missing",
    "ConvInNotKept": "it raised IndexError: pop from empty list",
    "NoSiluInTheTime": "✗ With the trained",
    "padding_counted_once": "✗ Kernels and images need not be square",
    "TimeTwice": "✗ With the same weights it agrees",
    "NoSecondResidual": "was not added to x",
    "KeptBeforeTheAttention": "✗ With the trained weights it gives what",
    "OneResBlockShort": "there is no `up_blocks.0.resnets.2`",
    "OnlyABatchOfTimesteps": "it raised",
    "DownsampleNotKept": "it raised",
    "patches_in_place": "it changed its argument x",
    "normed_without_gradient": "no gradient can flow back",
    "statistics_detached": "the gradient of x is wrong",
    "timesteps_in_place": "it changed its argument t",
    "SiluInPlace": "it changed its argument time",
    "WrittenIntoTheImage": "it changed its argument x",
    "OutputOfTheInput": "conv_out should lead from c[0] to out_channels",
    "EmbeddingNotCast": "must have the same dtype, but got Float and Double",
}


def with_mistake(right: str, wrong: str) -> dict[str, Any]:
    """The reference's names, with one piece of its source replaced wherever it stands."""
    assert right in SOURCE, right
    names: dict[str, Any] = {}
    exec(SOURCE.replace(right, wrong), names)
    return names


_OF_ANY_LENGTH = "✗ A context of any length; each sample looks at its own"

# Beside those that the hidden tests have a name for.
NAMED: dict[str, list[tuple[str, str, str]]] = {
    "conv2d": [
        ("out = out + bias[:, None]", "out = out + bias", "The size of tensor a (4) must match the size of"),
        ("stride=stride, padding", "stride=1, padding", "it raised RuntimeError: shape '[1, 1, 2, 3]' is"),
    ],
    "group_norm": [
        ("(grouped - mean)", "grouped", "The mean was not taken away."),
        (
            "mean = grouped.mean(-1, keepdim=True)",
            "mean = grouped.mean(-1)",
            "The size of tensor a (30) must",
        ),
        ("variance = grouped", "variance = grouped.detach()", "the gradient of x is wrong"),
    ],
    "timestep_embedding": [
        (
            "torch.cat([angles.cos(), angles.sin()], dim=1)",
            "torch.stack([angles.sin(), angles.cos()], dim=2).flatten(1)",
            "Here they take turns, the sine first",
        ),
        ("t.float()[:, None]", "t.float()", "The size of tensor a (3) must match the size of tensor b (2)"),
        ("t.float()", "t.long().float()", "t was rounded to whole numbers"),
    ],
    "ResBlock": [
        (
            "nn.GroupNorm(groups, out_channels)",
            "nn.GroupNorm(4 * groups // 2 // 2 * 2 // 4, out_channels)",
            "groups; groups=4 was asked for",
        ),
        (
            "[:, :, None, None]\n        h = self.conv2",
            "\n        h = self.conv2",
            "The size of tensor a (3) must match the size of tensor b (2)",
        ),
        ("self.conv1(F.silu(self.norm1(x)))", "self.conv1(F.silu(self.norm1(x.float())))", "mixed dtype"),
    ],
    "Downsample": [
        (
            "3, stride=2, padding=1)",
            "3, stride=2, padding=1, bias=False)",
            "there is no parameter `conv.bias`",
        ),
        ('F.interpolate(x, scale_factor=2.0, mode="nearest")', "x", "The size stayed as it was."),
        ("self.conv(x)", "self.conv(x.float())", "Input type (float) and bias type (double)"),
        (
            "nn.Conv2d(channels, channels, 3, padding=1)",
            "nn.Conv2d(channels, channels, 3)",
            "the shape is (1, 1, 2, 2), it should be (1, 1, 4, 4)",
        ),
    ],
    "TransformerBlock": [
        ("self.norm1(x)", "self.norm1(x.float())", "mixed dtype"),
        (
            "self.attn2(self.norm2(x), context)",
            "self.attn2(self.norm2(x))",
            "missing 1 required positional argument: 'context'",
        ),
        ("self.attn1(self.norm1(x))", "self.attn1(x)", "the step was given x without norm1"),
        ("self.norm3(x)", "self.norm2(x)", "Here norm2 was used in the place of norm3"),
        ("x = x + self.attn2(self.norm2(x), context)", "pass", "Nothing was added to x"),
        (
            "nn.ModuleList([gate, nn.Identity(), nn.Linear(4 * dim, dim)])",
            "nn.ModuleList([gate, nn.Linear(4 * dim, dim), nn.Linear(4 * dim, dim)])",
            "there is a parameter too many, `net.1.weight`",
        ),
    ],
    "SpatialTransformer": [
        (
            ".flatten(2).transpose(1, 2)",
            ".flatten(2)",
            "expected input with shape [*, 4], but got input of size[2",
        ),
        (
            "nn.ModuleList([TransformerBlock(channels, context_dim, heads)])",
            "nn.ModuleList()",
            "`transformer_blocks` should have one TransformerBlock",
        ),
    ],
    "UNet": [
        ("torch.cat([h, skips.pop()], dim=1)", "torch.cat([h, 0 * skips.pop()], dim=1)", "through the skips"),
        ("[angles.cos(), angles.sin()]", "[angles.sin(), angles.cos()]", "sines come before their cosines"),
        ("self.time_emb_proj(F.silu(time))", "self.time_emb_proj(time)", "into time_emb_proj without SiLU"),
        ("hidden * F.gelu(gate)", "F.gelu(hidden) * gate", "the first half of the feed-forward's channels"),
        ("attentions[0](h, context)", "attentions[0](h, context[:1].expand_as(context))", _OF_ANY_LENGTH),
        (
            "level.attentions[number](h, context)",
            "level.attentions[number](h, context[:1].expand_as(context))",
            _OF_ANY_LENGTH,
        ),
        (
            "(h, context)",
            "(h, context[:1].expand_as(context))",
            "Here both samples were told the first one's",
        ),
        ("(h, context)", "(h, 0 * context)", _OF_ANY_LENGTH),
        (
            "            if number > 0:\n",
            "            if True:\n",
            "0 parameters are missing and 2 are too many",
        ),
        (
            "if number > 0:",
            "if number == 1:",
            "`upsamplers` should have entries in up_blocks.0, up_blocks.1; yours has some in up_blocks.1",
        ),
        (
            "level.resnets.append(ResBlock(width + skips.pop(), channels",
            "level.resnets.append(ResBlock(width + channels, channels",
            "`up_blocks.0.resnets.1.norm1.weight` has shape (128,), (96,)",
        ),
    ],
}


@pytest.mark.parametrize(
    ("exercise", "right", "wrong", "said"),
    [(exercise, *mistake) for exercise, mistakes in NAMED.items() for mistake in mistakes],
)
def test_a_mistake_is_named(exercise: str, right: str, wrong: str, said: str) -> None:
    text = UNET.report(exercise, **with_mistake(right, wrong))
    assert "✗" in text
    assert said in text, text


def test_groups_that_take_turns_are_named() -> None:
    def group_norm(x: Tensor, groups: int, *rest: Any, **options: Any) -> Tensor:
        order = torch.arange(x.shape[1]).reshape(-1, groups).T.flatten()
        return reference.group_norm(x[:, order], groups, *rest, **options)[:, order.argsort()]

    assert "Here the groups take turns" in UNET.report("group_norm", group_norm=group_norm)


def test_an_untouched_class_is_not_written_yet() -> None:
    stub = type("ResBlock", (torch.nn.Module,), {"__init__": _stub})
    assert "Not written yet" in UNET.report("ResBlock", ResBlock=stub)


def _stub(self: torch.nn.Module, *args: int, **options: int) -> None:
    raise NotImplementedError("write ResBlock.__init__")


def test_frequencies_left_on_the_cpu_would_fail_on_a_gpu() -> None:
    text = UNET.report("timestep_embedding", **with_mistake("half, device=t.device,", "half,"))
    assert "✗" not in text
    assert "! This would fail on a GPU." in text


def test_a_time_made_on_the_cpu_would_fail_on_a_gpu() -> None:
    wrong = "t = torch.as_tensor(t).expand(x.shape[0])"
    text = UNET.report(
        "UNet", **with_mistake("t = torch.as_tensor(t, device=x.device).expand(x.shape[0])", wrong)
    )
    assert "✗" not in text
    assert "! This would fail on a GPU." in text
