"""What `check` says of usual mistakes in the attention module."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

import solutions.attention as reference

from ..bank import bank

ATTENTION = bank("attention")

SAID = {
    "no_maximum": "there is NaN in the result, first at [0], where 0.25 is right",
    "one_maximum_for_all": "there is NaN in the result, first at [0, 0], where 0.5 is right",
    "always_the_last_dimension": "These add up to 1 along dim=1, but dim=0 was asked for.",
    "changed_in_place": "it changed its argument x: make a new tensor instead",
    "clamped": "Here the large scores became equal: shift them, do not cut them off.",
    "no_scale": "This is what comes out without the division by sqrt(d).",
    "divided_by_d": "divided by d instead of sqrt(d)",
    "scaled_by_the_values": "Here the scale comes from the values",
    "softmax_over_queries": "the softmax runs over the queries",
    "mask_reversed": "Here True forbids: the mask is read the wrong way round.",
    "masked_after_the_softmax": "the weights were masked after the softmax",
    "minus_a_billion": "it raised RuntimeError: value cannot be converted to type",
    "score_of_zero": "Here a forbidden key has the score 0.",
    "mask_added": "Here the mask was added to the scores: True adds 1, and nothing is forbidden.",
    "split_without_transpose": "a head mixes the numbers of several tokens",
    "split_interleaved": "Here the heads take turns, channel by channel",
    "split_heads_last": "This is [B, L, heads, d]: the heads still have to come before the tokens.",
    "merge_without_transpose": "of different tokens are mixed: the dimensions must be swapped back",
    "merge_by_view": "it raised RuntimeError: view size is not compatible",
    "merge_interleaved": "the largest error is 1, at [0, 0, 1]: 2 instead of 1",
    "NoOutputProjection": "This is what comes out before to_out: it was not applied.",
    "OneBigHead": "This is what one head over all the channels gives",
    "ScaledByAllChannels": "The scale is 1 / sqrt(dim) instead of 1 / sqrt(dim / heads).",
    "ScaledTwice": "The scores were divided by sqrt(d) twice.",
    "InterleavedHeads": "it should have the first d channels, not every other one.",
    "AttendsAcrossHeads": "Every token got its own value: the tokens must attend to one another.",
    "BiasedProjections": "a parameter too many, `to_q.bias`: that layer has no bias (bias=False)",
    "BareOutput": "there is no parameter `to_out.0.weight`; yours are to_q.weight, to_k.weight",
    "KeysFromX": "keys and values come from the context, not from x",
    "RolesSwapped": "each token of x asks",
    "FirstContextForAll": "Here every item of the batch got the context of the first one.",
    "left_in_single": "the dtype is float32, it should be float64",
    "WrittenIntoTheImage": "it changed its argument x: make a new tensor instead",
    "ScaledByAllHeads": "The scale is that of all heads together: it is 1 / sqrt(head_dim).",
    "CrossMergedWithoutTranspose": "Here heads and tokens were mixed when the heads were joined",
    "BiasedCrossProjections": "a parameter too many, `to_q.bias`",
    "HeadsShareTheQueryChannels": "`to_q.weight` has shape (4, 5), (6, 5) is expected",
    "UnbiasedOutput": "there is no parameter `to_out.0.bias`",
    "NoResidual": "The attention alone came back: the image was not added.",
    "NormalisedResidual": "The normalised image came back: add to the image as it was.",
    "ReshapedIntoTokens": "the largest error is",
    "SidesSwapped": "Height and width were swapped on the way back",
    "ReshapedIntoImage": "the channels were not moved to the front first",
    "UnscaledScores": "The scores were not divided by sqrt(C).",
    "DefaultEps": "`group_norm` has eps=1e-05, 1e-6 is expected",
}


def over_everything(x: Tensor, dim: int) -> Tensor:
    """Here all six numbers together add up to 1: sum along `dim` only."""
    return torch.softmax(x.flatten(), 0).reshape(x.shape)


def without_sum(x: Tensor, dim: int) -> Tensor:
    """These are exp(x - max), not yet divided by their sum."""
    return (x - x.amax(dim, keepdim=True)).exp()


def inverted_and_finite(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> Tensor:
    """Here True forbids: the mask is read the wrong way round (and a query"""
    scores = q @ k.mT / math.sqrt(q.shape[-1])
    return (scores if mask is None else scores.masked_fill(mask, -1e4)).softmax(-1) @ v


def without_mask(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> Tensor:
    """The mask had no effect."""
    return reference.scaled_dot_product_attention(q, k, v)


def merged_into_floats(x: Tensor) -> Tensor:
    """the dtype is float32, it should be int32"""
    return reference.merge_heads(x).float()


class Unscaled(reference.MultiHeadSelfAttention):
    """The scores were not divided by sqrt(d)."""

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = (reference.split_heads(layer(x), self.heads) for layer in (self.to_q, self.to_k, self.to_v))
        out: Tensor = self.to_out[0](reference.merge_heads((q @ k.mT).softmax(-1) @ v))
        return out


class PlainList(reference.MultiHeadSelfAttention):
    """there is no parameter `to_out.0.weight`"""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__(dim, heads)
        del self.to_out
        self.to_out: Any = [nn.Linear(dim, dim)]


class OneHead(reference.CrossAttention):
    """This is what one head over all the channels gives"""

    def __init__(self, query_dim: int, context_dim: int, heads: int, head_dim: int) -> None:
        super().__init__(query_dim, context_dim, heads, head_dim)
        self.heads = 1


# What they are told is their docstring.
ALSO_NAMED = [
    ("stable_softmax", over_everything),
    ("stable_softmax", without_sum),
    ("scaled_dot_product_attention", inverted_and_finite),
    ("scaled_dot_product_attention", without_mask),
    ("merge_heads", merged_into_floats),
    ("MultiHeadSelfAttention", Unscaled),
    ("MultiHeadSelfAttention", PlainList),
    ("CrossAttention", OneHead),
]
