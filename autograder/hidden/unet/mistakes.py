"""Known mistakes of the module `unet`: code that students write, and what to tell them.

What an exercise uses of earlier ones is the reference's; in a notebook, the notebook's own.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from autograder.testing import mistake
from course import parts
from course.lab.layers import Level
from solutions.unet import (
    Downsample,
    FeedForward,
    ResBlock,
    SpatialTransformer,
    TransformerBlock,
    Upsample,
    timestep_embedding,
)

# --- conv2d ---------------------------------------------------------------------------------------------


@mistake(
    "conv2d",
    title="the kernel is flipped",
    hint="Lay a kernel with a single 1 in its upper left corner on an image. Which pixel do you get? In "
    "deep learning the kernel is laid on as it is; only mathematicians turn it round first.",
)
def kernel_flipped(
    x: Tensor, weight: Tensor, bias: Tensor | None = None, stride: int = 1, padding: int = 0
) -> Tensor:
    x = F.pad(x, (padding, padding, padding, padding))
    kh, kw = weight.shape[2:]
    patches = x.unfold(2, kh, stride).unfold(3, kw, stride)
    out = torch.einsum("bchwij,dcij->bdhw", patches, weight.flip(2, 3))
    return out if bias is None else out + bias[:, None, None]


@mistake(
    "conv2d",
    title="the kernel is transposed",
    hint="Use a kernel with a 1 at the right end of its first row. Which way does your image move: sideways "
    "or down? The kernel's height goes with the image's height.",
)
def kernel_transposed(
    x: Tensor, weight: Tensor, bias: Tensor | None = None, stride: int = 1, padding: int = 0
) -> Tensor:
    x = F.pad(x, (padding, padding, padding, padding))
    weight = weight.transpose(2, 3)
    kh, kw = weight.shape[2:]
    patches = x.unfold(2, kh, stride).unfold(3, kw, stride)
    out = torch.einsum("bchwij,dcij->bdhw", patches, weight)
    return out if bias is None else out + bias[:, None, None]


@mistake(
    "conv2d",
    title="height and width of the result are swapped",
    hint="On a square image all is well. Print the shape of your result for an image of 5 x 7, and compare "
    "it with the formula for h and w. Which of the two comes first?",
)
def result_swapped(
    x: Tensor, weight: Tensor, bias: Tensor | None = None, stride: int = 1, padding: int = 0
) -> Tensor:
    B, _, H, W = x.shape
    D, _, kh, kw = weight.shape
    out = weight.flatten(1) @ F.unfold(x, (kh, kw), stride=stride, padding=padding)
    if bias is not None:
        out = out + bias[:, None]
    h = (H + 2 * padding - kh) // stride + 1
    w = (W + 2 * padding - kw) // stride + 1
    return out.reshape(B, D, w, h)


@mistake(
    "conv2d",
    title="the bias runs along the width",
    hint="Broadcasting lines up the last dimensions: your bias of D numbers meets the columns. Which shape "
    "makes it meet the channels, and every row and column alike?",
)
def bias_along_the_width(
    x: Tensor, weight: Tensor, bias: Tensor | None = None, stride: int = 1, padding: int = 0
) -> Tensor:
    x = F.pad(x, (padding, padding, padding, padding))
    kh, kw = weight.shape[2:]
    patches = x.unfold(2, kh, stride).unfold(3, kw, stride)
    out = torch.einsum("bchwij,dcij->bdhw", patches, weight)
    return out if bias is None else out + bias


@mistake(
    "conv2d",
    title="the padding is counted once",
    hint="By how many rows does an image grow that gets `padding` rows above and as many below? Put that "
    "into your formula for the size of the result.",
)
def padding_counted_once(
    x: Tensor, weight: Tensor, bias: Tensor | None = None, stride: int = 1, padding: int = 0
) -> Tensor:
    B, _, H, W = x.shape
    D, _, kh, kw = weight.shape
    x = F.pad(x, (padding, padding, padding, padding))
    h = (H + padding - kh) // stride + 1
    w = (W + padding - kw) // stride + 1
    out = torch.zeros(B, D, h, w, dtype=x.dtype, device=x.device)
    for i in range(h):
        for j in range(w):
            patch = x[:, :, i * stride : i * stride + kh, j * stride : j * stride + kw]
            out[:, :, i, j] = torch.einsum("bcij,dcij->bd", patch, weight)
    return out if bias is None else out + bias[:, None, None]


@mistake(
    "conv2d",
    title="the last row and column are missing",
    hint="In a row of 5 pixels, count the places where a kernel of 3 fits in. Your formula for the size of "
    "the result gives one fewer: the first place counts too.",
)
def last_place_missing(
    x: Tensor, weight: Tensor, bias: Tensor | None = None, stride: int = 1, padding: int = 0
) -> Tensor:
    x = F.pad(x, (padding, padding, padding, padding))
    B, _, H, W = x.shape
    D, _, kh, kw = weight.shape
    h, w = (H - kh) // stride, (W - kw) // stride
    out = torch.zeros(B, D, h, w, dtype=x.dtype, device=x.device)
    for i in range(h):
        for j in range(w):
            patch = x[:, :, i * stride : i * stride + kh, j * stride : j * stride + kw]
            out[:, :, i, j] = torch.einsum("bcij,dcij->bd", patch, weight)
    return out if bias is None else out + bias[:, None, None]


@mistake(
    "conv2d",
    title="the stride is left out in one direction",
    hint="With stride 2, number the pixels of a row with torch.arange and look at which of them your "
    "patches begin at, in each direction. Rows and columns must both move by the stride.",
)
def stride_in_one_direction(
    x: Tensor, weight: Tensor, bias: Tensor | None = None, stride: int = 1, padding: int = 0
) -> Tensor:
    x = F.pad(x, (padding, padding, padding, padding))
    B, _, H, W = x.shape
    D, _, kh, kw = weight.shape
    h, w = (H - kh) // stride + 1, (W - kw) // stride + 1
    out = torch.zeros(B, D, h, w, dtype=x.dtype, device=x.device)
    for i in range(h):
        for j in range(w):
            patch = x[:, :, i * stride : i * stride + kh, j : j + kw]
            out[:, :, i, j] = torch.einsum("bcij,dcij->bd", patch, weight)
    return out if bias is None else out + bias[:, None, None]


@mistake(
    "conv2d",
    title="the image is padded with its edge instead of zeros",
    hint="Convolve an image of ones with a kernel of ones and padding 1. What should the corner be: how "
    "many pixels of the image does the kernel cover there?",
)
def edge_for_padding(
    x: Tensor, weight: Tensor, bias: Tensor | None = None, stride: int = 1, padding: int = 0
) -> Tensor:
    x = F.pad(x, (padding, padding, padding, padding), mode="replicate")
    kh, kw = weight.shape[2:]
    patches = x.unfold(2, kh, stride).unfold(3, kw, stride)
    out = torch.einsum("bchwij,dcij->bdhw", patches, weight)
    return out if bias is None else out + bias[:, None, None]


@mistake(
    "conv2d",
    title="only the width is padded",
    hint="F.pad counts from the last dimension: its first two numbers are left and right, the next two top "
    "and bottom. How many does it need for an image? Print the shape before and after.",
)
def only_the_width_padded(
    x: Tensor, weight: Tensor, bias: Tensor | None = None, stride: int = 1, padding: int = 0
) -> Tensor:
    x = F.pad(x, (padding, padding))
    kh, kw = weight.shape[2:]
    patches = x.unfold(2, kh, stride).unfold(3, kw, stride)
    out = torch.einsum("bchwij,dcij->bdhw", patches, weight)
    return out if bias is None else out + bias[:, None, None]


@mistake(
    "conv2d",
    title="the bias is needed even where there is none",
    hint="What does `bias` hold when the caller leaves it out? Call it without one, and guard the line that "
    "fails.",
)
def bias_needed(
    x: Tensor, weight: Tensor, bias: Tensor | None = None, stride: int = 1, padding: int = 0
) -> Tensor:
    x = F.pad(x, (padding, padding, padding, padding))
    kh, kw = weight.shape[2:]
    patches = x.unfold(2, kh, stride).unfold(3, kw, stride)
    return torch.einsum("bchwij,dcij->bdhw", patches, weight) + bias[:, None, None]


@mistake(
    "conv2d",
    title="the bias is left out",
    hint="Convolve an image of zeros: what should come out at every place? One of the arguments never "
    "reaches your result.",
)
def no_bias(
    x: Tensor, weight: Tensor, bias: Tensor | None = None, stride: int = 1, padding: int = 0
) -> Tensor:
    x = F.pad(x, (padding, padding, padding, padding))
    kh, kw = weight.shape[2:]
    patches = x.unfold(2, kh, stride).unfold(3, kw, stride)
    return torch.einsum("bchwij,dcij->bdhw", patches, weight)


@mistake(
    "conv2d",
    title="the result is always float32",
    hint="torch.zeros(...) makes float32 on the CPU unless it is told otherwise. Where could a new tensor "
    "take dtype and device from? x.new_zeros(...) is one way.",
)
def always_single_precision(
    x: Tensor, weight: Tensor, bias: Tensor | None = None, stride: int = 1, padding: int = 0
) -> Tensor:
    x = F.pad(x, (padding, padding, padding, padding))
    B, _, H, W = x.shape
    D, _, kh, kw = weight.shape
    h, w = (H - kh) // stride + 1, (W - kw) // stride + 1
    out = torch.zeros(B, D, h, w)
    for i in range(h):
        for j in range(w):
            patch = x[:, :, i * stride : i * stride + kh, j * stride : j * stride + kw]
            out[:, :, i, j] = torch.einsum("bcij,dcij->bd", patch, weight)
            if bias is not None:
                out[:, :, i, j] += bias
    return out


@mistake(
    "conv2d",
    title="no gradient gets through",
    hint="`.item()`, `.detach()` and `.data` give numbers that autograd knows nothing of; so does no_grad(). "
    "Call `.backward()` on the sum of your result: does that have a `grad_fn`?",
)
def gradient_lost(
    x: Tensor, weight: Tensor, bias: Tensor | None = None, stride: int = 1, padding: int = 0
) -> Tensor:
    x = F.pad(x, (padding, padding, padding, padding))
    B, _, H, W = x.shape
    D, _, kh, kw = weight.shape
    h, w = (H - kh) // stride + 1, (W - kw) // stride + 1
    out = torch.zeros(B, D, h, w, dtype=x.dtype, device=x.device)
    for b in range(B):
        for d in range(D):
            for i in range(h):
                for j in range(w):
                    patch = x[b, :, i * stride : i * stride + kh, j * stride : j * stride + kw]
                    out[b, d, i, j] = (patch * weight[d]).sum().item()
                    if bias is not None:
                        out[b, d, i, j] += bias[d].item()
    return out


@mistake(
    "conv2d",
    title="only the first channel is looked at",
    hint="Each kernel is C x kh x kw: it has weights for every channel of the image. Give an image two "
    "channels, the first of them all zeros. What does your result see?",
)
def first_channel_only(
    x: Tensor, weight: Tensor, bias: Tensor | None = None, stride: int = 1, padding: int = 0
) -> Tensor:
    x = F.pad(x, (padding, padding, padding, padding))
    kh, kw = weight.shape[2:]
    patches = x[:, 0].unfold(1, kh, stride).unfold(2, kw, stride)
    out = torch.einsum("bhwij,dij->bdhw", patches, weight[:, 0])
    return out if bias is None else out + bias[:, None, None]


@mistake(
    "conv2d",
    title="`stride` and `padding` stand in the wrong order",
    hint="Call it as conv2d(x, weight, None, 2) and print the shape. Whoever leaves the names out relies on "
    "the order of the arguments in the docstring.",
    only_hidden=True,
)
def stride_after_padding(
    x: Tensor, weight: Tensor, bias: Tensor | None = None, padding: int = 0, stride: int = 1
) -> Tensor:
    x = F.pad(x, (padding, padding, padding, padding))
    kh, kw = weight.shape[2:]
    patches = x.unfold(2, kh, stride).unfold(3, kw, stride)
    out = torch.einsum("bchwij,dcij->bdhw", patches, weight)
    return out if bias is None else out + bias[:, None, None]


@mistake(
    "conv2d",
    title="the patches are multiplied in place",
    hint="A patch is no copy: `*=` writes into the image that it was cut out of, which the next patch and "
    "the caller still need. Print x before and after the call.",
)
def patches_in_place(
    x: Tensor, weight: Tensor, bias: Tensor | None = None, stride: int = 1, padding: int = 0
) -> Tensor:
    if padding:
        x = F.pad(x, (padding, padding, padding, padding))
    B, _, H, W = x.shape
    D, _, kh, kw = weight.shape
    h, w = (H - kh) // stride + 1, (W - kw) // stride + 1
    places = []
    for d in range(D):
        for i in range(h):
            for j in range(w):
                patch = x[:, :, i * stride : i * stride + kh, j * stride : j * stride + kw]
                patch *= weight[d]
                places.append(patch.sum((1, 2, 3)))
    out = torch.stack(places, dim=1).reshape(B, D, h, w)
    return out if bias is None else out + bias[:, None, None]


@mistake(
    "conv2d",
    title="dimensions of size 1 are dropped",
    hint="Print the shape of your result for a batch of one, for one kernel, for one as large as the image. "
    "squeeze() drops what it finds; the result has four dimensions, always.",
)
def sizes_of_one_dropped(
    x: Tensor, weight: Tensor, bias: Tensor | None = None, stride: int = 1, padding: int = 0
) -> Tensor:
    x = F.pad(x, (padding, padding, padding, padding))
    kh, kw = weight.shape[2:]
    patches = x.unfold(2, kh, stride).unfold(3, kw, stride)
    out = torch.einsum("bchwij,dcij->bdhw", patches, weight)
    return (out if bias is None else out + bias[:, None, None]).squeeze()


# --- group_norm -----------------------------------------------------------------------------------------


@mistake(
    "group_norm",
    title="the variance is divided by the count less one",
    hint="torch.var divides by n - 1 unless it is told otherwise, and gives NaN for a group of a single "
    "number. Which argument makes it the mean of the squared deviations?",
)
def unbiased_variance(
    x: Tensor, groups: int, weight: Tensor | None = None, bias: Tensor | None = None, eps: float = 1e-5
) -> Tensor:
    B, C, H, W = x.shape
    grouped = x.reshape(B, groups, -1)
    out = (grouped - grouped.mean(-1, keepdim=True)) / torch.sqrt(grouped.var(-1, keepdim=True) + eps)
    out = out.reshape(B, C, H, W)
    if weight is not None:
        out = out * weight[:, None, None]
    if bias is not None:
        out = out + bias[:, None, None]
    return out


@mistake(
    "group_norm",
    title="mean and variance are taken over the batch too",
    hint="Change the second image of a batch. Does the first result change? In a group norm, other than in "
    "a batch norm, every sample is on its own.",
)
def over_the_batch(
    x: Tensor, groups: int, weight: Tensor | None = None, bias: Tensor | None = None, eps: float = 1e-5
) -> Tensor:
    B, C, H, W = x.shape
    grouped = x.reshape(B, groups, -1)
    mean = grouped.mean((0, 2), keepdim=True)
    variance = grouped.var((0, 2), correction=0, keepdim=True)
    out = ((grouped - mean) / torch.sqrt(variance + eps)).reshape(B, C, H, W)
    if weight is not None:
        out = out * weight[:, None, None]
    if bias is not None:
        out = out + bias[:, None, None]
    return out


@mistake(
    "group_norm",
    title="the channels are dealt out to the groups in turn",
    hint="Of 6 channels in 2 groups, group 0 has channels 0, 1 and 2. Which ones does yours have? Number "
    "the channels with torch.arange and print them after your reshape.",
)
def groups_interleaved(
    x: Tensor, groups: int, weight: Tensor | None = None, bias: Tensor | None = None, eps: float = 1e-5
) -> Tensor:
    B, C, H, W = x.shape
    grouped = x.reshape(B, C // groups, groups, H, W)
    mean = grouped.mean((1, 3, 4), keepdim=True)
    variance = grouped.var((1, 3, 4), correction=0, keepdim=True)
    out = ((grouped - mean) / torch.sqrt(variance + eps)).reshape(B, C, H, W)
    if weight is not None:
        out = out * weight[:, None, None]
    if bias is not None:
        out = out + bias[:, None, None]
    return out


@mistake(
    "group_norm",
    title="`groups` is taken for the channels of a group",
    hint="With 6 channels and groups = 2, how many groups do you make, and how large is each of them? "
    "`groups` says how many there are.",
)
def groups_of_that_size(
    x: Tensor, groups: int, weight: Tensor | None = None, bias: Tensor | None = None, eps: float = 1e-5
) -> Tensor:
    B, C, H, W = x.shape
    grouped = x.reshape(B, C // groups, groups, H, W)
    mean = grouped.mean((2, 3, 4), keepdim=True)
    variance = grouped.var((2, 3, 4), correction=0, keepdim=True)
    out = ((grouped - mean) / torch.sqrt(variance + eps)).reshape(B, C, H, W)
    if weight is not None:
        out = out * weight[:, None, None]
    if bias is not None:
        out = out + bias[:, None, None]
    return out


@mistake(
    "group_norm",
    title="eps is added outside the root",
    hint="On ordinary images nobody sees it. What does your denominator come to for a variance of 0, and "
    "what for sqrt(0 + eps)? eps is added to the variance.",
)
def eps_outside_the_root(
    x: Tensor, groups: int, weight: Tensor | None = None, bias: Tensor | None = None, eps: float = 1e-5
) -> Tensor:
    B, C, H, W = x.shape
    grouped = x.reshape(B, groups, -1)
    # The root of 0 has an infinite slope: this one has none.
    deviation = grouped.var(-1, correction=0, keepdim=True).clamp(min=1e-30).sqrt()
    out = ((grouped - grouped.mean(-1, keepdim=True)) / (deviation + eps)).reshape(B, C, H, W)
    if weight is not None:
        out = out * weight[:, None, None]
    if bias is not None:
        out = out + bias[:, None, None]
    return out


@mistake(
    "group_norm",
    title="mean and variance are taken at each pixel by itself",
    hint="Normalise an image with one bright corner. Is the corner still brighter than the rest? They run "
    "over height and width as well as over the channels of the group.",
)
def per_position(
    x: Tensor, groups: int, weight: Tensor | None = None, bias: Tensor | None = None, eps: float = 1e-5
) -> Tensor:
    B, C, H, W = x.shape
    grouped = x.reshape(B, groups, C // groups, H, W)
    mean = grouped.mean(2, keepdim=True)
    variance = grouped.var(2, correction=0, keepdim=True)
    out = ((grouped - mean) / torch.sqrt(variance + eps)).reshape(B, C, H, W)
    if weight is not None:
        out = out * weight[:, None, None]
    if bias is not None:
        out = out + bias[:, None, None]
    return out


@mistake(
    "group_norm",
    title="each channel is a group of its own",
    hint="After the norm, is one channel of a group still brighter than its neighbour, as it was before? "
    "Mean and variance are shared by all channels of a group.",
)
def per_channel(
    x: Tensor, groups: int, weight: Tensor | None = None, bias: Tensor | None = None, eps: float = 1e-5
) -> Tensor:
    mean = x.mean((2, 3), keepdim=True)
    variance = x.var((2, 3), correction=0, keepdim=True)
    out = (x - mean) / torch.sqrt(variance + eps)
    if weight is not None:
        out = out * weight[:, None, None]
    if bias is not None:
        out = out + bias[:, None, None]
    return out


@mistake(
    "group_norm",
    title="all channels are one group",
    hint="Multiply the channels of one group by a hundred. What becomes of the other groups? Each group has "
    "a mean and a variance of its own.",
)
def groups_ignored(
    x: Tensor, groups: int, weight: Tensor | None = None, bias: Tensor | None = None, eps: float = 1e-5
) -> Tensor:
    mean = x.mean((1, 2, 3), keepdim=True)
    variance = x.var((1, 2, 3), correction=0, keepdim=True)
    out = (x - mean) / torch.sqrt(variance + eps)
    if weight is not None:
        out = out * weight[:, None, None]
    if bias is not None:
        out = out + bias[:, None, None]
    return out


@mistake(
    "group_norm",
    title="the weight is applied before normalising",
    hint="Multiply a channel by 3 and then divide by its standard deviation: what has become of the 3? "
    "Weight and bias come last, where the norm cannot undo them.",
)
def weight_first(
    x: Tensor, groups: int, weight: Tensor | None = None, bias: Tensor | None = None, eps: float = 1e-5
) -> Tensor:
    B, C, H, W = x.shape
    if weight is not None:
        x = x * weight[:, None, None]
    if bias is not None:
        x = x + bias[:, None, None]
    grouped = x.reshape(B, groups, -1)
    mean = grouped.mean(-1, keepdim=True)
    variance = grouped.var(-1, correction=0, keepdim=True)
    return ((grouped - mean) / torch.sqrt(variance + eps)).reshape(B, C, H, W)


@mistake(
    "group_norm",
    title="divided by the variance instead of its root",
    hint="Double all the numbers of an image: the result should stay as it is. Does it? What has the unit "
    "of x, the variance or its root?",
)
def divided_by_the_variance(
    x: Tensor, groups: int, weight: Tensor | None = None, bias: Tensor | None = None, eps: float = 1e-5
) -> Tensor:
    B, C, H, W = x.shape
    grouped = x.reshape(B, groups, -1)
    mean = grouped.mean(-1, keepdim=True)
    variance = grouped.var(-1, correction=0, keepdim=True)
    out = ((grouped - mean) / (variance + eps)).reshape(B, C, H, W)
    if weight is not None:
        out = out * weight[:, None, None]
    if bias is not None:
        out = out + bias[:, None, None]
    return out


@mistake(
    "group_norm",
    title="the given eps is not used",
    hint="Somewhere in your code a small number is written out. Call it with eps=1: does the result change? "
    "The caller decides how large eps is.",
)
def eps_fixed(
    x: Tensor, groups: int, weight: Tensor | None = None, bias: Tensor | None = None, eps: float = 1e-5
) -> Tensor:
    B, C, H, W = x.shape
    grouped = x.reshape(B, groups, -1)
    mean = grouped.mean(-1, keepdim=True)
    variance = grouped.var(-1, correction=0, keepdim=True)
    out = ((grouped - mean) / torch.sqrt(variance + 1e-5)).reshape(B, C, H, W)
    if weight is not None:
        out = out * weight[:, None, None]
    if bias is not None:
        out = out + bias[:, None, None]
    return out


@mistake(
    "group_norm",
    title="weight and bias run along the width",
    hint="Broadcasting lines up the last dimensions: a weight of C numbers meets the columns. Which shape "
    "makes it meet the channels?",
)
def weight_along_the_width(
    x: Tensor, groups: int, weight: Tensor | None = None, bias: Tensor | None = None, eps: float = 1e-5
) -> Tensor:
    B, C, H, W = x.shape
    grouped = x.reshape(B, groups, -1)
    mean = grouped.mean(-1, keepdim=True)
    variance = grouped.var(-1, correction=0, keepdim=True)
    out = ((grouped - mean) / torch.sqrt(variance + eps)).reshape(B, C, H, W)
    if weight is not None:
        out = out * weight
    if bias is not None:
        out = out + bias
    return out


@mistake(
    "group_norm",
    title="weight and bias are needed even where there are none",
    hint="What do weight and bias hold when the caller leaves them out? Call it as group_norm(x, 2), and as "
    "group_norm(x, 2, bias=...) too.",
)
def weight_needed(
    x: Tensor, groups: int, weight: Tensor | None = None, bias: Tensor | None = None, eps: float = 1e-5
) -> Tensor:
    B, C, H, W = x.shape
    grouped = x.reshape(B, groups, -1)
    mean = grouped.mean(-1, keepdim=True)
    variance = grouped.var(-1, correction=0, keepdim=True)
    out = ((grouped - mean) / torch.sqrt(variance + eps)).reshape(B, C, H, W)
    return out * weight[:, None, None] + bias[:, None, None]


@mistake(
    "group_norm",
    title="x is changed in place",
    hint="`x -= ...`, and methods whose name ends in `_`, write into the tensor that the caller still "
    "holds. Print x before and after the call, and make new tensors instead.",
)
def changed_in_place(
    x: Tensor, groups: int, weight: Tensor | None = None, bias: Tensor | None = None, eps: float = 1e-5
) -> Tensor:
    B, C = x.shape[:2]
    mean = x.reshape(B, groups, -1).mean(-1).repeat_interleave(C // groups, dim=1)
    x -= mean[:, :, None, None]
    variance = x.reshape(B, groups, -1).square().mean(-1).repeat_interleave(C // groups, dim=1)
    out = x / torch.sqrt(variance + eps)[:, :, None, None]
    if weight is not None:
        out = out * weight[:, None, None]
    if bias is not None:
        out = out + bias[:, None, None]
    return out


@mistake(
    "group_norm",
    title="no gradient gets through",
    hint="@torch.no_grad() above a function, or .detach() inside it, cuts the way back: nothing that this is "
    "a part of can be trained. It belongs around a call that needs no gradients, not into the function.",
)
@torch.no_grad()
def normed_without_gradient(
    x: Tensor, groups: int, weight: Tensor | None = None, bias: Tensor | None = None, eps: float = 1e-5
) -> Tensor:
    B, C, H, W = x.shape
    grouped = x.reshape(B, groups, -1)
    mean = grouped.mean(-1, keepdim=True)
    variance = grouped.var(-1, correction=0, keepdim=True)
    out = ((grouped - mean) / torch.sqrt(variance + eps)).reshape(B, C, H, W)
    if weight is not None:
        out = out * weight[:, None, None]
    if bias is not None:
        out = out + bias[:, None, None]
    return out


@mistake(
    "group_norm",
    title="mean and variance are cut out of the graph",
    hint="Mean and variance are made of x, so what x does to them is a part of its gradient. Compare yours "
    "with that of F.group_norm: what did you detach, or take under no_grad()?",
)
def statistics_detached(
    x: Tensor, groups: int, weight: Tensor | None = None, bias: Tensor | None = None, eps: float = 1e-5
) -> Tensor:
    B, C, H, W = x.shape
    grouped = x.reshape(B, groups, -1)
    mean = grouped.mean(-1, keepdim=True).detach()
    variance = grouped.var(-1, correction=0, keepdim=True).detach()
    out = ((grouped - mean) / torch.sqrt(variance + eps)).reshape(B, C, H, W)
    if weight is not None:
        out = out * weight[:, None, None]
    if bias is not None:
        out = out + bias[:, None, None]
    return out


@mistake(
    "group_norm",
    title="`weight` and `bias` stand in the wrong order",
    hint="Call it without the names: group_norm(x, 2, weight, bias). Which of the two does your function "
    "take first, and which does the docstring?",
)
def bias_before_weight(
    x: Tensor, groups: int, bias: Tensor | None = None, weight: Tensor | None = None, eps: float = 1e-5
) -> Tensor:
    B, C, H, W = x.shape
    grouped = x.reshape(B, groups, -1)
    mean = grouped.mean(-1, keepdim=True)
    variance = grouped.var(-1, correction=0, keepdim=True)
    out = ((grouped - mean) / torch.sqrt(variance + eps)).reshape(B, C, H, W)
    if weight is not None:
        out = out * weight[:, None, None]
    if bias is not None:
        out = out + bias[:, None, None]
    return out


@mistake(
    "group_norm",
    title="the result is always float32",
    hint="Print the dtype of what you return for images in float16 and in float64. What was worked out in "
    "another dtype has to be cast back at the end.",
)
def left_in_single(
    x: Tensor, groups: int, weight: Tensor | None = None, bias: Tensor | None = None, eps: float = 1e-5
) -> Tensor:
    B, C, H, W = x.shape
    grouped = x.float().reshape(B, groups, -1)
    mean = grouped.mean(-1, keepdim=True)
    variance = grouped.var(-1, correction=0, keepdim=True)
    out = ((grouped - mean) / torch.sqrt(variance + eps)).reshape(B, C, H, W)
    if weight is not None:
        out = out * weight.float()[:, None, None]
    if bias is not None:
        out = out + bias.float()[:, None, None]
    return out


# --- timestep_embedding ---------------------------------------------------------------------------------


@mistake(
    "timestep_embedding",
    title="sines first",
    hint="At t = 0 every cosine is 1 and every sine is 0. What does your first column hold there? The paper "
    "and Stable Diffusion differ in the order, and trained weights know only one.",
)
def sines_first(t: Tensor, dim: int) -> Tensor:
    half = dim // 2
    frequencies = 10000.0 ** (-torch.arange(half, device=t.device) / half)
    angles = t.float()[:, None] * frequencies
    return F.pad(torch.cat([angles.sin(), angles.cos()], dim=1), (0, dim % 2))


@mistake(
    "timestep_embedding",
    title="the exponents are divided by half - 1",
    hint="What is your last frequency? It should stay above 1/10000. Some write half - 1 so that they end "
    "there; here the exponent is i / half.",
)
def half_minus_one(t: Tensor, dim: int) -> Tensor:
    half = dim // 2
    frequencies = torch.exp(-math.log(10000) * torch.arange(half, device=t.device) / (half - 1))
    angles = t.float()[:, None] * frequencies
    return F.pad(torch.cat([angles.cos(), angles.sin()], dim=1), (0, dim % 2))


@mistake(
    "timestep_embedding",
    title="the exponents are divided by dim instead of half",
    hint="Print your frequencies. The last one is near 1/100, where it should be near 1/10000: i runs only "
    "up to half. What does the formula divide it by?",
)
def divided_by_dim(t: Tensor, dim: int) -> Tensor:
    half = dim // 2
    frequencies = torch.exp(-math.log(10000) * torch.arange(half, device=t.device) / dim)
    angles = t.float()[:, None] * frequencies
    return F.pad(torch.cat([angles.cos(), angles.sin()], dim=1), (0, dim % 2))


@mistake(
    "timestep_embedding",
    title="cosines and sines take turns",
    hint="Here the first half of the columns are cosines, all of them, and only then come the sines. How do "
    "you put the two together: one after the other, or one between the others?",
)
def interleaved(t: Tensor, dim: int) -> Tensor:
    half = dim // 2
    frequencies = 10000.0 ** (-torch.arange(half, device=t.device) / half)
    angles = t.float()[:, None] * frequencies
    embedding = torch.stack([angles.cos(), angles.sin()], dim=2).flatten(1)
    return F.pad(embedding, (0, dim % 2))


@mistake(
    "timestep_embedding",
    title="the frequencies fall to a thousandth, not to a ten-thousandth",
    hint="There are a thousand timesteps, but that is not the number in the formula. Print your last "
    "frequency for a large dim, and compare.",
)
def base_of_a_thousand(t: Tensor, dim: int) -> Tensor:
    half = dim // 2
    frequencies = 1000.0 ** (-torch.arange(half, device=t.device) / half)
    angles = t.float()[:, None] * frequencies
    return F.pad(torch.cat([angles.cos(), angles.sin()], dim=1), (0, dim % 2))


@mistake(
    "timestep_embedding",
    title="the frequencies rise",
    hint="Print your frequencies: the first should be 1 and each one after it smaller. Which sign does the "
    "exponent have?",
)
def rising_frequencies(t: Tensor, dim: int) -> Tensor:
    half = dim // 2
    frequencies = 10000.0 ** (torch.arange(half, device=t.device) / half)
    angles = t.float()[:, None] * frequencies
    return F.pad(torch.cat([angles.cos(), angles.sin()], dim=1), (0, dim % 2))


@mistake(
    "timestep_embedding",
    title="computed in half precision",
    hint="float16 has three digits or so. At t = 999 the first angle is 999: how exactly is its cosine "
    "known if the angle and the frequencies are rounded to float16?",
)
def half_precision(t: Tensor, dim: int) -> Tensor:
    half = dim // 2
    frequencies = 10000.0 ** (-torch.arange(half, device=t.device) / half)
    angles = t.half()[:, None] * frequencies.half()
    return F.pad(torch.cat([angles.cos(), angles.sin()], dim=1), (0, dim % 2)).float()


@mistake(
    "timestep_embedding",
    title="the frequencies are rounded to the timestep's dtype",
    hint="Timesteps are often integers. What is left of a frequency of 0.01 in an integer dtype? Bring t to "
    "float32 instead.",
)
def rounded_to_the_dtype_of_t(t: Tensor, dim: int) -> Tensor:
    half = dim // 2
    frequencies = (10000.0 ** (-torch.arange(half, device=t.device) / half)).to(t.dtype)
    angles = (t[:, None] * frequencies).float()
    return F.pad(torch.cat([angles.cos(), angles.sin()], dim=1), (0, dim % 2))


@mistake(
    "timestep_embedding",
    title="the result has the timestep's dtype",
    hint="An integer holds no cosine. Print the dtype of what you return for integer timesteps and for "
    "float64 ones: it should be float32 for both.",
)
def dtype_of_t(t: Tensor, dim: int) -> Tensor:
    half = dim // 2
    frequencies = 10000.0 ** (-torch.arange(half, device=t.device) / half)
    angles = t.float()[:, None] * frequencies
    return F.pad(torch.cat([angles.cos(), angles.sin()], dim=1), (0, dim % 2)).to(t.dtype)


@mistake(
    "timestep_embedding",
    title="float64 timesteps give a float64 result",
    hint="float64 times float32 is float64. For which timesteps does your result become float64, and where "
    "can you settle the dtype once and for all?",
)
def double_stays_double(t: Tensor, dim: int) -> Tensor:
    half = dim // 2
    frequencies = 10000.0 ** (-torch.arange(half, device=t.device) / half)
    angles = t[:, None] * frequencies
    return F.pad(torch.cat([angles.cos(), angles.sin()], dim=1), (0, dim % 2))


@mistake(
    "timestep_embedding",
    title="the column of zeros comes first",
    hint="F.pad takes how much to add before and after, in this order. If dim is odd, where should the "
    "zeros stand?",
)
def zeros_first(t: Tensor, dim: int) -> Tensor:
    half = dim // 2
    frequencies = 10000.0 ** (-torch.arange(half, device=t.device) / half)
    angles = t.float()[:, None] * frequencies
    return F.pad(torch.cat([angles.cos(), angles.sin()], dim=1), (dim % 2, 0))


@mistake(
    "timestep_embedding",
    title="an odd dim is not thought of",
    hint="Ask for 7 numbers: how many do you return? Two halves of dim // 2 leave one column over.",
)
def odd_dim_forgotten(t: Tensor, dim: int) -> Tensor:
    half = dim // 2
    frequencies = 10000.0 ** (-torch.arange(half, device=t.device) / half)
    angles = t.float()[:, None] * frequencies
    return torch.cat([angles.cos(), angles.sin()], dim=1)


@mistake(
    "timestep_embedding",
    title="an odd dim gets one cosine more",
    hint="If dim is odd, half is rounded down, and the column that is left over at the end is all zeros. "
    "Which way do you round, and do the frequencies change with it?",
)
def odd_dim_rounded_up(t: Tensor, dim: int) -> Tensor:
    half = (dim + 1) // 2
    frequencies = 10000.0 ** (-torch.arange(half, device=t.device) / half)
    angles = t.float()[:, None] * frequencies
    return torch.cat([angles.cos(), angles.sin()], dim=1)[:, :dim]


@mistake(
    "timestep_embedding",
    title="the timesteps are changed in place",
    hint="For timesteps in float32, t.float() is t itself, and `/=` writes into what the caller still holds. "
    "Print t before and after the call.",
)
def timesteps_in_place(t: Tensor, dim: int) -> Tensor:
    half = dim // 2
    frequencies = 10000.0 ** (-torch.arange(half, device=t.device) / half)
    t = t.float()
    t /= 1024
    angles = t[:, None] * (1024 * frequencies)
    return F.pad(torch.cat([angles.cos(), angles.sin()], dim=1), (0, dim % 2))


# --- ResBlock -------------------------------------------------------------------------------------------


class _ResBlock(nn.Module):
    eps = 1e-5

    def __init__(self, in_channels: int, out_channels: int, time_dim: int, groups: int = 32) -> None:
        super().__init__()
        self.norm1 = nn.GroupNorm(groups, in_channels, eps=self.eps)
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, padding=1)
        self.time_emb_proj = nn.Linear(time_dim, out_channels)
        self.norm2 = nn.GroupNorm(groups, out_channels, eps=self.eps)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1)
        self.conv_shortcut = nn.Conv2d(in_channels, out_channels, 1) if in_channels != out_channels else None

    def told(self, time: Tensor) -> Tensor:
        return self.time_emb_proj(F.silu(time))[:, :, None, None]

    def shortcut(self, x: Tensor) -> Tensor:
        return x if self.conv_shortcut is None else self.conv_shortcut(x)

    def residual(self, x: Tensor, time: Tensor) -> Tensor:
        h = self.conv1(F.silu(self.norm1(x))) + self.told(time)
        return self.conv2(F.silu(self.norm2(h)))

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        return self.shortcut(x) + self.residual(x, time)


@mistake(
    "ResBlock",
    title="no SiLU before time_emb_proj",
    hint="The embedding comes out of a linear layer and goes into another one. What stands in between, so "
    "that the two are not a single linear layer?",
)
class NoSiluOnTheTime(_ResBlock):
    def told(self, time: Tensor) -> Tensor:
        return self.time_emb_proj(time)[:, :, None, None]


@mistake(
    "ResBlock",
    title="SiLU after time_emb_proj instead of before",
    hint="Which way round are the two steps for the embedding: the projection of an activation, or the "
    "activation of a projection?",
)
class SiluAfterTheProjection(_ResBlock):
    def told(self, time: Tensor) -> Tensor:
        return F.silu(self.time_emb_proj(time))[:, :, None, None]


@mistake(
    "ResBlock",
    title="the time is not used",
    hint="Call the block with two different times. What changes? The embedding has to be added to the "
    "channels between the two convolutions.",
)
class TimeNotUsed(_ResBlock):
    def residual(self, x: Tensor, time: Tensor) -> Tensor:
        return self.conv2(F.silu(self.norm2(self.conv1(F.silu(self.norm1(x))))))


@mistake(
    "ResBlock",
    title="no convolution on the way round",
    hint="An image of 4 channels cannot be added to one of 6. What makes 6 of 4 at each pixel, and what "
    "does the docstring call it?",
)
class NoShortcut(_ResBlock):
    def __init__(self, in_channels: int, out_channels: int, time_dim: int, groups: int = 32) -> None:
        super().__init__(in_channels, out_channels, time_dim, groups)
        self.conv_shortcut = None


@mistake(
    "ResBlock",
    title="a convolution on the way round even where nothing changes",
    hint="If the number of channels stays, x itself is added, without a layer. Build a block for 6 channels "
    "in and 6 out, and list its parameters.",
)
class AlwaysAShortcut(_ResBlock):
    def __init__(self, in_channels: int, out_channels: int, time_dim: int, groups: int = 32) -> None:
        super().__init__(in_channels, out_channels, time_dim, groups)
        self.conv_shortcut = nn.Conv2d(in_channels, out_channels, 1)


@mistake(
    "ResBlock",
    title="an eps of 1e-6 in the norms",
    hint="Your block is right until the numbers get small. Transformers over images have 1e-6 in their "
    "norm; which eps does the docstring state here?",
)
class SmallEps(_ResBlock):
    eps = 1e-6


@mistake(
    "ResBlock",
    title="the time is added after norm2",
    hint="Where exactly does the embedding come in: before or after the second norm? Before it, what is "
    "added changes how the channels of a group compare.",
)
class TimeAfterTheNorm(_ResBlock):
    def residual(self, x: Tensor, time: Tensor) -> Tensor:
        h = self.conv1(F.silu(self.norm1(x)))
        return self.conv2(F.silu(self.norm2(h) + self.told(time)))


@mistake(
    "ResBlock",
    title="the way round starts from the normalised x",
    hint="Set conv2 to zero: the block should give back x as it was. Did you assign the norm's result to x "
    "before x was needed again?",
)
class ShortcutOfTheNormalised(_ResBlock):
    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        x = self.norm1(x)
        h = self.conv1(F.silu(x)) + self.told(time)
        return self.shortcut(x) + self.conv2(F.silu(self.norm2(h)))


@mistake(
    "ResBlock",
    title="SiLU before the norm instead of after it",
    hint="What does the convolution see: a normalised activation, or the activation of something "
    "normalised? The docstring gives the order of the three.",
)
class SiluBeforeTheNorm(_ResBlock):
    def residual(self, x: Tensor, time: Tensor) -> Tensor:
        h = self.conv1(self.norm1(F.silu(x))) + self.told(time)
        return self.conv2(self.norm2(F.silu(h)))


@mistake(
    "ResBlock",
    title="convolution first, then norm and SiLU",
    hint="In older residual networks the norm follows the convolution. Here each convolution comes last of "
    "its three: norm, SiLU, convolution.",
)
class ConvolutionFirst(_ResBlock):
    def residual(self, x: Tensor, time: Tensor) -> Tensor:
        if self.conv_shortcut is not None:
            return self.conv2(F.silu(self.norm2(self.conv1(self.norm1(x))))) + self.told(time)
        h = F.silu(self.norm1(self.conv1(x))) + self.told(time)
        return F.silu(self.norm2(self.conv2(h)))


@mistake(
    "ResBlock",
    title="the time is added twice",
    hint="Count the places where the embedding comes in. There is one, between the two convolutions.",
)
class TimeTwice(_ResBlock):
    def residual(self, x: Tensor, time: Tensor) -> Tensor:
        h = self.conv1(F.silu(self.norm1(x))) + self.told(time)
        return self.conv2(F.silu(self.norm2(h))) + self.told(time)


@mistake(
    "ResBlock",
    title="the time is added at the end only",
    hint="Added last, the embedding makes every pixel of a channel brighter and that is all: no layer of "
    "the block can react to it. Which two layers should it stand between?",
)
class TimeAtTheEnd(_ResBlock):
    def residual(self, x: Tensor, time: Tensor) -> Tensor:
        h = self.conv1(F.silu(self.norm1(x)))
        return self.conv2(F.silu(self.norm2(h))) + self.told(time)


@mistake(
    "ResBlock",
    title="nothing is added at the end",
    hint="Set conv2 to zero: what is left? The block only computes what is to be added to what came in.",
)
class NoResidual(_ResBlock):
    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        return self.residual(x, time)


@mistake(
    "ResBlock",
    title="no SiLU after norm2",
    hint="The second half of the block has the same three steps as the first: norm, activation, "
    "convolution. Which one is missing?",
)
class NoSecondSilu(_ResBlock):
    def residual(self, x: Tensor, time: Tensor) -> Tensor:
        return self.conv2(self.norm2(self.conv1(F.silu(self.norm1(x))) + self.told(time)))


@mistake(
    "ResBlock",
    title="the same time for every sample",
    hint="The embedding has one row for each sample of the batch. What becomes of the batch dimension on "
    "its way to [B, D, 1, 1] in your code?",
)
class OneTimeForAll(_ResBlock):
    def told(self, time: Tensor) -> Tensor:
        return self.time_emb_proj(F.silu(time[:1]))[:, :, None, None]


@mistake(
    "ResBlock",
    title="conv2 starts at zero",
    hint="Many networks start such a block so that it changes nothing. This one is to start as torch "
    "initialises it: leave the parameters alone.",
)
class StartsAtZero(_ResBlock):
    def __init__(self, in_channels: int, out_channels: int, time_dim: int, groups: int = 32) -> None:
        super().__init__(in_channels, out_channels, time_dim, groups)
        nn.init.zeros_(self.conv2.weight)
        nn.init.zeros_(self.conv2.bias)


@mistake(
    "ResBlock",
    title="the weights start from another distribution than torch's",
    hint="It is a good start for many networks, and another one than torch's. Print the standard deviation "
    "of conv1.weight beside that of a new nn.Conv2d: the exercise wants them alike.",
    only_hidden=True,
)
class Kaiming(_ResBlock):
    def __init__(self, in_channels: int, out_channels: int, time_dim: int, groups: int = 32) -> None:
        super().__init__(in_channels, out_channels, time_dim, groups)
        for parameter in self.parameters():
            if parameter.dim() > 1:
                nn.init.kaiming_normal_(parameter)


@mistake(
    "ResBlock",
    title="every block starts with the same weights",
    hint="Make two blocks and compare their weights. A seed belongs at the top of an experiment; in "
    "`__init__` it makes all blocks of a network alike.",
    only_hidden=True,
)
class Seeded(_ResBlock):
    def __init__(self, in_channels: int, out_channels: int, time_dim: int, groups: int = 32) -> None:
        torch.manual_seed(0)
        super().__init__(in_channels, out_channels, time_dim, groups)


@mistake(
    "ResBlock",
    title="the SiLU is written into the time",
    hint="With inplace=True an activation overwrites what it is given. After a norm nobody minds; the time "
    "is the caller's, and the next block needs it too. Print it before and after the call.",
)
class SiluInPlace(_ResBlock):
    def told(self, time: Tensor) -> Tensor:
        return self.time_emb_proj(F.silu(time, inplace=True))[:, :, None, None]


@mistake(
    "ResBlock",
    title="the result is written into the image",
    hint="Where no convolution made a new tensor, `x += ...` writes into what the caller still holds. "
    "Print x before and after the call.",
)
class WrittenIntoX(_ResBlock):
    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        h = self.residual(x, time)
        x = self.shortcut(x)
        x += h
        return x


@mistake(
    "ResBlock",
    title="in eval mode the image comes back as it is",
    hint="Call .eval() on your block and ask it again. Nothing in it differs between training and use.",
    only_hidden=True,
)
class InTraining(_ResBlock):
    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        return super().forward(x, time) if self.training else self.shortcut(x)


@mistake(
    "ResBlock",
    title="no gradient gets through",
    hint="Print what requires_grad says of your result. no_grad() and detach() cut the way back: neither the "
    "convolutions nor what comes before this block could learn.",
    only_hidden=True,
)
class WithoutGradient(_ResBlock):
    @torch.no_grad()
    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        return super().forward(x, time)


# --- Downsample and Upsample ----------------------------------------------------------------------------


class _Resample(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)


@mistake(
    "Downsample",
    title="Downsample pads on two sides only",
    hint="The autoencoder of Stable Diffusion pads right and bottom by one and starts in the corner. The "
    "UNet pads all four sides: where does its first patch have its centre?",
)
class PaddedOnTwoSides(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(F.pad(x, (0, 1, 0, 1)))


@mistake(
    "Downsample",
    title="Downsample does not pad",
    hint="What becomes of a width of 6 in your layer, and what should become of it? Print the shapes, and "
    "count the places of a 3 x 3 kernel.",
)
class NotPadded(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x)


@mistake(
    "Downsample",
    title="Downsample takes the largest of four pixels",
    hint="No pooling is needed. A convolution that moves by two pixels at a time halves the image by "
    "itself, and learns how.",
)
class MaxPooled(_Resample):
    def forward(self, x: Tensor) -> Tensor:
        return F.max_pool2d(self.conv(x), 2, ceil_mode=True)


@mistake(
    "Downsample",
    title="Downsample averages four pixels",
    hint="The mean of four pixels is a blur that nobody learned. What does the convolution's stride do for "
    "you?",
)
class Averaged(_Resample):
    def forward(self, x: Tensor) -> Tensor:
        return F.avg_pool2d(self.conv(x), 2, ceil_mode=True)


@mistake(
    "Downsample",
    title="Downsample shrinks the image before the convolution",
    hint="With every second pixel gone before the convolution, three quarters of the image are never looked "
    "at. Which argument of nn.Conv2d makes its steps larger?",
)
class ShrunkFirst(_Resample):
    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x[:, :, ::2, ::2])


@mistake(
    "Downsample",
    title="Downsample keeps the size",
    hint="Print the shape before and after. What makes a convolution move by two pixels at a time?",
)
class SizeKept(_Resample):
    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x)


@mistake(
    "Downsample",
    defines="Upsample",
    title="Upsample blurs",
    hint="Upsample an image with one bright pixel, before the convolution. Every pixel should become a "
    "square of four alike; which mode of F.interpolate does that?",
)
class Bilinear(_Resample):
    def forward(self, x: Tensor) -> Tensor:
        return self.conv(F.interpolate(x, scale_factor=2.0, mode="bilinear"))


@mistake(
    "Downsample",
    defines="Upsample",
    title="Upsample convolves the small image",
    hint="If the enlarging comes last, the result is made of squares of four equal pixels, which nothing "
    "smooths out any more. Which of the two comes first?",
)
class ConvolutionBeforeEnlarging(_Resample):
    def forward(self, x: Tensor) -> Tensor:
        return F.interpolate(self.conv(x), scale_factor=2.0, mode="nearest")


@mistake(
    "Downsample",
    defines="Upsample",
    title="Upsample tiles the image",
    hint="Upsample an image that is dark on the left and bright on the right. Yours is dark and bright "
    "twice: `repeat` lays whole copies side by side. What repeats each pixel instead?",
)
class Tiled(_Resample):
    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x.repeat(1, 1, 2, 2))


@mistake(
    "Downsample",
    defines="Upsample",
    title="Upsample is a transposed convolution",
    hint="It has the same weights, and enlarges too, but it puts zeros between the pixels where here each "
    "pixel stands four times. Enlarge first, then convolve as usual.",
)
class Transposed(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.ConvTranspose2d(channels, channels, 3, stride=2, padding=1, output_padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x)


@mistake(
    "Downsample",
    defines="Upsample",
    title="Upsample has no convolution",
    hint="Enlarging alone learns nothing. Which parameters does the docstring name?",
)
class NoConvolution(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()

    def forward(self, x: Tensor) -> Tensor:
        return F.interpolate(x, scale_factor=2.0, mode="nearest")


@mistake(
    "Downsample",
    title="no gradient gets through Downsample",
    hint="Print what requires_grad says of its result. no_grad() and detach() cut the way back: neither the "
    "convolution nor what comes before it could learn.",
    only_hidden=True,
)
class DownWithoutGradient(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, stride=2, padding=1)

    @torch.no_grad()
    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x)


@mistake(
    "Downsample",
    defines="Upsample",
    title="no gradient gets through Upsample",
    hint="Print what requires_grad says of its result. no_grad() and detach() cut the way back: neither the "
    "convolution nor what comes before it could learn.",
    only_hidden=True,
)
class UpWithoutGradient(_Resample):
    @torch.no_grad()
    def forward(self, x: Tensor) -> Tensor:
        return self.conv(F.interpolate(x, scale_factor=2.0, mode="nearest"))


@mistake(
    "Downsample",
    defines="Upsample",
    title="Upsample convolves in training mode only",
    hint="Call .eval() on your layer and ask it again. Nothing in it differs between training and use.",
    only_hidden=True,
)
class UpInTraining(_Resample):
    def forward(self, x: Tensor) -> Tensor:
        x = F.interpolate(x, scale_factor=2.0, mode="nearest")
        return self.conv(x) if self.training else x


@mistake(
    "Downsample",
    defines="Upsample",
    title="Upsample's convolution starts with normal numbers",
    hint="Kaiming's normal numbers suit a layer before a ReLU. Print the standard deviation of conv.weight "
    "beside that of a new nn.Conv2d: the exercise leaves the parameters as torch makes them.",
    only_hidden=True,
)
class UpKaiming(_Resample):
    def __init__(self, channels: int) -> None:
        super().__init__(channels)
        nn.init.kaiming_normal_(self.conv.weight)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(F.interpolate(x, scale_factor=2.0, mode="nearest"))


# --- FeedForward and TransformerBlock -------------------------------------------------------------------


class _FeedForward(nn.Module):
    def __init__(self, dim: int) -> None:
        super().__init__()
        gate = nn.Module()
        gate.proj = nn.Linear(dim, 8 * dim)
        self.net = nn.ModuleList([gate, nn.Identity(), nn.Linear(4 * dim, dim)])

    def gated(self, hidden: Tensor, gate: Tensor) -> Tensor:
        return hidden * F.gelu(gate)

    def forward(self, x: Tensor) -> Tensor:
        return self.net[2](self.gated(*self.net[0].proj(x).chunk(2, dim=-1)))


@mistake(
    "TransformerBlock",
    defines="FeedForward",
    title="the first half is the gate",
    hint="A network with trained weights still draws with this, only worse, so looking will not tell you. "
    "Which half goes through the gelu?",
)
class HalvesSwapped(_FeedForward):
    def gated(self, hidden: Tensor, gate: Tensor) -> Tensor:
        return F.gelu(hidden) * gate


@mistake(
    "TransformerBlock",
    defines="FeedForward",
    title="the gelu is the approximate one",
    hint="The difference is a few ten-thousandths. F.gelu has an argument `approximate`; its default, "
    '"none", is the exact function that is asked for.',
)
class TanhGelu(_FeedForward):
    def gated(self, hidden: Tensor, gate: Tensor) -> Tensor:
        return hidden * F.gelu(gate, approximate="tanh")


@mistake(
    "TransformerBlock",
    defines="FeedForward",
    title="the gate goes through a sigmoid",
    hint="There are many gates: with a sigmoid it is a GLU. Which function is in the name of the one that "
    "is asked for, GEGLU?",
)
class SigmoidGate(_FeedForward):
    def gated(self, hidden: Tensor, gate: Tensor) -> Tensor:
        return hidden * torch.sigmoid(gate)


@mistake(
    "TransformerBlock",
    defines="FeedForward",
    title="the gate goes through a SiLU",
    hint="SiLU and gelu look alike, and are not the same: compare them at 1. The convolutions of the "
    "network have SiLU, its transformers have gelu.",
)
class SiluGate(_FeedForward):
    def gated(self, hidden: Tensor, gate: Tensor) -> Tensor:
        return hidden * F.silu(gate)


@mistake(
    "TransformerBlock",
    defines="FeedForward",
    title="the product goes through the gelu",
    hint="Only one of the two factors goes through the gelu, before they are multiplied. Which brackets are "
    "in the wrong place?",
)
class GeluOfTheProduct(_FeedForward):
    def gated(self, hidden: Tensor, gate: Tensor) -> Tensor:
        return F.gelu(hidden * gate)


@mistake(
    "TransformerBlock",
    defines="FeedForward",
    title="a plain feed-forward without a gate",
    hint="With dim = 4, how many channels does net[0].proj make? Half of them are only there to open and "
    "close the others.",
)
class NoGate(nn.Module):
    def __init__(self, dim: int) -> None:
        super().__init__()
        inner = nn.Module()
        inner.proj = nn.Linear(dim, 4 * dim)
        self.net = nn.ModuleList([inner, nn.Identity(), nn.Linear(4 * dim, dim)])

    def forward(self, x: Tensor) -> Tensor:
        return self.net[2](F.gelu(self.net[0].proj(x)))


@mistake(
    "TransformerBlock",
    defines="FeedForward",
    title="the halves are every other channel",
    hint="The first half are channels 0 up to 4 * dim - 1, in one piece, as chunk cuts them. Which ones do "
    "you take?",
)
class EveryOther(_FeedForward):
    def forward(self, x: Tensor) -> Tensor:
        both = self.net[0].proj(x)
        return self.net[2](self.gated(both[..., ::2], both[..., 1::2]))


@mistake(
    "TransformerBlock",
    defines="FeedForward",
    title="net[1] drops some of the channels",
    hint="diffusers has a dropout there. Here it is nn.Identity(): call the layer twice in training mode, "
    "with the same tokens. Are the answers alike?",
)
class Drops(_FeedForward):
    def __init__(self, dim: int) -> None:
        super().__init__(dim)
        self.net[1] = nn.Dropout(0.1)

    def forward(self, x: Tensor) -> Tensor:
        return self.net[2](self.net[1](self.gated(*self.net[0].proj(x).chunk(2, dim=-1))))


@mistake(
    "TransformerBlock",
    defines="FeedForward",
    title="no gradient gets through FeedForward",
    hint="Print what requires_grad says of its result. no_grad() and detach() cut the way back: neither its "
    "layers nor what comes before them could learn.",
    only_hidden=True,
)
class FeedWithoutGradient(_FeedForward):
    @torch.no_grad()
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x)


class _TransformerBlock(nn.Module):
    def __init__(self, dim: int, context_dim: int, heads: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(dim)
        self.attn1 = parts.attention.MultiHeadSelfAttention(dim, heads)
        self.norm2 = nn.LayerNorm(dim)
        self.attn2 = parts.attention.CrossAttention(dim, context_dim, heads, dim // heads)
        self.norm3 = nn.LayerNorm(dim)
        self.ff = FeedForward(dim)


@mistake(
    "TransformerBlock",
    title="one norm for all three steps",
    hint="There are three norms with weights of their own. Which of them does each of your three lines use?",
)
class OneNorm(_TransformerBlock):
    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        x = x + self.attn1(self.norm1(x))
        x = x + self.attn2(self.norm1(x), context)
        return x + self.ff(self.norm1(x))


@mistake(
    "TransformerBlock",
    title="the context is normalised as well",
    hint="norm2 knows dim channels; the context has context_dim of them and comes from an encoder that has "
    "its own norm. Which of the two arguments of attn2 is normalised?",
)
class ContextNormalised(_TransformerBlock):
    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        x = x + self.attn1(self.norm1(x))
        x = x + self.attn2(self.norm2(x), self.norm2(context))
        return x + self.ff(self.norm3(x))


@mistake(
    "TransformerBlock",
    title="nothing is normalised before the second attention",
    hint="Each of the three steps has a norm of its own, for the tokens. Is one of the three never called?",
)
class NoSecondNorm(_TransformerBlock):
    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        x = x + self.attn1(self.norm1(x))
        x = x + self.attn2(x, context)
        return x + self.ff(self.norm3(x))


@mistake(
    "TransformerBlock",
    title="the second attention replaces the tokens",
    hint="What is left of a token after attn2, if the context is all there is to its result? Each step is "
    "added to what came before it.",
)
class NoSecondResidual(_TransformerBlock):
    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        x = x + self.attn1(self.norm1(x))
        x = self.attn2(self.norm2(x), context)
        return x + self.ff(self.norm3(x))


@mistake(
    "TransformerBlock",
    title="the feed-forward replaces the tokens",
    hint="Set the last layer of the feed-forward to zero: are the tokens still there? Each step is added to "
    "what came before it, the last one too.",
)
class NoLastResidual(_TransformerBlock):
    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        x = x + self.attn1(self.norm1(x))
        x = x + self.attn2(self.norm2(x), context)
        return self.ff(self.norm3(x))


@mistake(
    "TransformerBlock",
    title="the norms come after the sums",
    hint="The first transformer had norm(x + step(x)). Here it is x + step(norm(x)): what is added up along "
    "the way is never normalised itself.",
)
class NormsAfter(_TransformerBlock):
    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        x = self.norm1(x + self.attn1(x))
        x = self.norm2(x + self.attn2(x, context))
        return self.norm3(x + self.ff(x))


@mistake(
    "TransformerBlock",
    title="the steps are added to the normalised tokens",
    hint="Set all three steps to zero: x should come back untouched. Did you put the norm's result in the "
    "place of x?",
)
class SumsOfTheNormalised(_TransformerBlock):
    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        x = self.norm1(x)
        x = x + self.attn1(x)
        x = self.norm2(x)
        x = x + self.attn2(x, context)
        x = self.norm3(x)
        return x + self.ff(x)


@mistake(
    "TransformerBlock",
    title="all three steps start from the same tokens",
    hint="Does the second step know what the first one found? Each is to work on what the step before "
    "returned, not on the x that came in.",
)
class InParallel(_TransformerBlock):
    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        return x + self.attn1(self.norm1(x)) + self.attn2(self.norm2(x), context) + self.ff(self.norm3(x))


@mistake(
    "TransformerBlock",
    title="the context comes first",
    hint="Which of the two attentions is first, the one within the tokens or the one that looks at the "
    "context? Their weights are not the same.",
)
class ContextFirst(_TransformerBlock):
    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        x = x + self.attn2(self.norm2(x), context)
        x = x + self.attn1(self.norm1(x))
        return x + self.ff(self.norm3(x))


@mistake(
    "TransformerBlock",
    title="the context is not passed on",
    hint="MultiHeadSelfAttention attends within what it is given, and never sees a context. Change the "
    "context: does your result change?",
)
class ContextForgotten(_TransformerBlock):
    def __init__(self, dim: int, context_dim: int, heads: int) -> None:
        super().__init__(dim, context_dim, heads)
        self.attn2 = parts.attention.MultiHeadSelfAttention(dim, heads)

    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        x = x + self.attn1(self.norm1(x))
        x = x + self.attn2(self.norm2(x))
        return x + self.ff(self.norm3(x))


@mistake(
    "TransformerBlock",
    title="x is changed in place",
    hint="`x += ...` writes into the tensor that the caller still holds, and autograd may still need. Print "
    "x before and after the call.",
)
class ChangedInPlace(_TransformerBlock):
    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        x += self.attn1(self.norm1(x))
        x += self.attn2(self.norm2(x), context)
        x += self.ff(self.norm3(x))
        return x


@mistake(
    "TransformerBlock",
    title="the first step is taken in training mode only",
    hint="Call .eval() on your block and ask it again. Nothing in it differs between training and use.",
    only_hidden=True,
)
class BlockInTraining(_TransformerBlock):
    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        if self.training:
            x = x + self.attn1(self.norm1(x))
        x = x + self.attn2(self.norm2(x), context)
        return x + self.ff(self.norm3(x))


@mistake(
    "TransformerBlock",
    title="no gradient gets through TransformerBlock",
    hint="Print what requires_grad says of its result. no_grad() and detach() cut the way back: neither its "
    "layers nor what comes before them could learn.",
    only_hidden=True,
)
class BlockWithoutGradient(_TransformerBlock):
    @torch.no_grad()
    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        x = x + self.attn1(self.norm1(x))
        x = x + self.attn2(self.norm2(x), context)
        return x + self.ff(self.norm3(x))


@mistake(
    "TransformerBlock",
    title="no gradient reaches the context",
    hint="The words' encoder learns through the context, too. Where does your code detach it, or look at it "
    "under no_grad()?",
    only_hidden=True,
)
class ContextDetached(_TransformerBlock):
    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        x = x + self.attn1(self.norm1(x))
        x = x + self.attn2(self.norm2(x), context.detach())
        return x + self.ff(self.norm3(x))


@mistake(
    "TransformerBlock",
    defines="FeedForward",
    title="the last layer of FeedForward starts at zero",
    hint="So the block changes nothing at first, which some networks want. This one is to start as torch "
    "initialises it: leave the parameters alone.",
    only_hidden=True,
)
class FeedStartsAtZero(_FeedForward):
    def __init__(self, dim: int) -> None:
        super().__init__(dim)
        nn.init.zeros_(self.net[2].weight)


# --- SpatialTransformer ---------------------------------------------------------------------------------


class _SpatialTransformer(nn.Module):
    eps = 1e-6

    def __init__(self, channels: int, context_dim: int, heads: int, groups: int = 32) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(groups, channels, eps=self.eps)
        self.proj_in = nn.Conv2d(channels, channels, 1)
        self.transformer_blocks = nn.ModuleList([TransformerBlock(channels, context_dim, heads)])
        self.proj_out = nn.Conv2d(channels, channels, 1)

    def between(self, h: Tensor, context: Tensor) -> Tensor:
        tokens = self.transformer_blocks[0](h.flatten(2).transpose(1, 2), context)
        return tokens.transpose(1, 2).reshape(h.shape)

    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        return x + self.proj_out(self.between(self.proj_in(self.norm(x)), context))


@mistake(
    "SpatialTransformer",
    title="an eps of 1e-5 in the norm",
    hint="nn.GroupNorm has 1e-5 unless it is told otherwise, and it shows only where contrast is very low. "
    "Which eps does the docstring state?",
)
class LargeEps(_SpatialTransformer):
    eps = 1e-5


@mistake(
    "SpatialTransformer",
    title="the tokens are cut out of the channels",
    hint="reshape keeps the numbers in the order in which it finds them: channel by channel. A token has "
    "all the channels of one pixel. What has to move before two dimensions can become one?",
)
class TokensByReshape(_SpatialTransformer):
    def between(self, h: Tensor, context: Tensor) -> Tensor:
        B, C, H, W = h.shape
        return self.transformer_blocks[0](h.reshape(B, H * W, C), context).reshape(B, C, H, W)


@mistake(
    "SpatialTransformer",
    title="the way back to an image only reshapes",
    hint="On the way in, the channels moved behind the pixels. What happens to them on the way out? Number "
    "pixels and channels with torch.arange and follow one of them there and back.",
)
class NotMovedBack(_SpatialTransformer):
    def between(self, h: Tensor, context: Tensor) -> Tensor:
        return self.transformer_blocks[0](h.flatten(2).transpose(1, 2), context).reshape(h.shape)


@mistake(
    "SpatialTransformer",
    title="height and width are swapped on the way back",
    hint="Square images survive this, turned over. Are the tokens row by row or column by column, and which "
    "of the two does your way back take them for?",
)
class TurnedOver(_SpatialTransformer):
    def between(self, h: Tensor, context: Tensor) -> Tensor:
        B, C, H, W = h.shape
        tokens = self.transformer_blocks[0](h.flatten(2).transpose(1, 2), context)
        return tokens.transpose(1, 2).reshape(B, C, W, H).transpose(2, 3)


@mistake(
    "SpatialTransformer",
    title="nothing is added at the end",
    hint="Set proj_out to zero: the image should come back as it went in. What does your last line return?",
)
class ImageNotAdded(_SpatialTransformer):
    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        return self.proj_out(self.between(self.proj_in(self.norm(x)), context))


@mistake(
    "SpatialTransformer",
    title="the normalised image is added",
    hint="Set proj_out to zero: the image should come back as it went in, with its own contrast. Which x do "
    "you add?",
)
class NormalisedAdded(_SpatialTransformer):
    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        x = self.norm(x)
        return x + self.proj_out(self.between(self.proj_in(x), context))


@mistake(
    "SpatialTransformer",
    title="what proj_in returns is added",
    hint="Which image is added at the end: the one that came in, or one that has been through a layer "
    "already?",
)
class ProjectedAdded(_SpatialTransformer):
    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        x = self.proj_in(self.norm(x))
        return x + self.proj_out(self.between(x, context))


@mistake(
    "SpatialTransformer",
    title="the norm comes after proj_in",
    hint="In which order do norm and proj_in come? Their weights were trained for one of the two.",
)
class NormAfterProjection(_SpatialTransformer):
    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        return x + self.proj_out(self.between(self.norm(self.proj_in(x)), context))


@mistake(
    "SpatialTransformer",
    title="nothing is normalised",
    hint="Double the contrast of the image: what is added to it should stay the same. Which layer of yours "
    "is never called?",
)
class NoNorm(_SpatialTransformer):
    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        return x + self.proj_out(self.between(self.proj_in(x), context))


@mistake(
    "SpatialTransformer",
    title="the number of heads is not passed on",
    hint="Parameters look the same for any number of heads; the result does not. Which number of heads does "
    "your TransformerBlock get?",
)
class HeadsForgotten(_SpatialTransformer):
    def __init__(self, channels: int, context_dim: int, heads: int, groups: int = 32) -> None:
        super().__init__(channels, context_dim, heads, groups)
        self.transformer_blocks = nn.ModuleList([TransformerBlock(channels, context_dim, 1)])


@mistake(
    "SpatialTransformer",
    title="every sample gets the first one's context",
    hint="Give it two samples with different contexts, and then each by itself: the answers should be the "
    "same. context[:1] is one caption for the whole batch.",
)
class FirstContextForAll(_SpatialTransformer):
    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        return super().forward(x, context[:1].expand_as(context))


@mistake(
    "SpatialTransformer",
    title="`heads` and `groups` stand in the wrong order",
    hint="Call it without the names: SpatialTransformer(6, 5, 2, 3) is to have 2 heads and 3 groups. How "
    "many does yours have?",
)
class GroupsBeforeHeads(_SpatialTransformer):
    def __init__(self, channels: int, context_dim: int, groups: int = 32, heads: int = 1) -> None:
        super().__init__(channels, context_dim, heads, groups)


@mistake(
    "SpatialTransformer",
    title="the result is written into the image",
    hint="`x += ...` writes into the tensor that the caller still holds. Print the image before and after "
    "the call, and return a new one.",
)
class WrittenIntoTheImage(_SpatialTransformer):
    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        x += self.proj_out(self.between(self.proj_in(self.norm(x)), context))
        return x


@mistake(
    "SpatialTransformer",
    title="it looks at the context in training mode only",
    hint="Call .eval() on your layer and ask it again. Nothing in it differs between training and use.",
    only_hidden=True,
)
class SpatialInTraining(_SpatialTransformer):
    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        return super().forward(x, context if self.training else torch.zeros_like(context))


@mistake(
    "SpatialTransformer",
    title="no gradient gets through",
    hint="Print what requires_grad says of your result. no_grad() and detach() cut the way back: neither its "
    "layers nor what comes before them could learn.",
    only_hidden=True,
)
class SpatialWithoutGradient(_SpatialTransformer):
    @torch.no_grad()
    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        return super().forward(x, context)


@mistake(
    "SpatialTransformer",
    title="proj_out starts at zero",
    hint="Stable Diffusion's own code begins like that, so that the layer changes nothing at first. Here it "
    "is to start as torch initialises it: leave the parameters alone.",
    only_hidden=True,
)
class ProjectionStartsAtZero(_SpatialTransformer):
    def __init__(self, channels: int, context_dim: int, heads: int, groups: int = 32) -> None:
        super().__init__(channels, context_dim, heads, groups)
        nn.init.zeros_(self.proj_out.weight)
        nn.init.zeros_(self.proj_out.bias)


# --- UNet -----------------------------------------------------------------------------------------------


class _UNet(nn.Module):
    def __init__(
        self,
        in_channels: int = 3,
        out_channels: int = 3,
        block_out_channels: Sequence[int] = (32, 64),
        attention: Sequence[bool] = (False, True),
        cross_attention_dim: int = 64,
        heads: int = 4,
        groups: int = 8,
        layers_per_block: int = 1,
    ) -> None:
        super().__init__()
        c, last = list(block_out_channels), len(block_out_channels) - 1
        self.time_channels, time_dim = c[0], 4 * c[0]
        self.conv_in = nn.Conv2d(in_channels, c[0], 3, padding=1)
        self.time_embedding = nn.ModuleDict(
            {"linear_1": nn.Linear(c[0], time_dim), "linear_2": nn.Linear(time_dim, time_dim)}
        )

        def add(level: Level, before: int, after: int, attends: bool) -> None:
            level.resnets.append(ResBlock(before, after, time_dim, groups))
            if attends:
                level.attentions.append(SpatialTransformer(after, cross_attention_dim, heads, groups))

        skips, width = [c[0]], c[0]
        self.down_blocks = nn.ModuleList()
        for number, channels in enumerate(c):
            level = Level()
            for _ in range(layers_per_block):
                add(level, width, channels, attention[number])
                width = channels
                skips.append(width)
            if number < last:
                level.downsamplers.append(Downsample(width))
                skips.append(width)
            self.down_blocks.append(level)

        self.mid_block = Level()
        add(self.mid_block, width, width, True)
        add(self.mid_block, width, width, False)

        self.up_blocks = nn.ModuleList()
        for number in range(last, -1, -1):
            level = Level()
            for _ in range(layers_per_block + 1):
                add(level, width + skips.pop(), c[number], attention[number])
                width = c[number]
            if number > 0:
                level.upsamplers.append(Upsample(width))
            self.up_blocks.append(level)

        self.conv_norm_out = nn.GroupNorm(groups, width)
        self.conv_out = nn.Conv2d(width, out_channels, 3, padding=1)

    def timesteps(self, t: Tensor | int, x: Tensor) -> Tensor:
        return torch.as_tensor(t, device=x.device).expand(x.shape[0])

    def time(self, t: Tensor | int, x: Tensor) -> Tensor:
        waves = timestep_embedding(self.timesteps(t, x), self.time_channels).to(x.dtype)
        return self.time_embedding["linear_2"](F.silu(self.time_embedding["linear_1"](waves)))

    def step(self, level: Level, number: int, h: Tensor, time: Tensor, context: Tensor) -> Tensor:
        h = level.resnets[number](h, time)
        return level.attentions[number](h, context) if len(level.attentions) else h

    def down(self, h: Tensor, time: Tensor, context: Tensor) -> tuple[Tensor, list[Tensor]]:
        skips = [h]
        for level in self.down_blocks:
            for number in range(len(level.resnets)):
                h = self.step(level, number, h, time, context)
                skips.append(h)
            if len(level.downsamplers):
                h = level.downsamplers[0](h)
                skips.append(h)
        return h, skips

    def middle(self, h: Tensor, time: Tensor, context: Tensor) -> Tensor:
        h = self.mid_block.resnets[0](h, time)
        h = self.mid_block.attentions[0](h, context)
        return self.mid_block.resnets[1](h, time)

    def joined(self, h: Tensor, skips: list[Tensor]) -> Tensor:
        return torch.cat([h, skips.pop()], dim=1)

    def up(self, h: Tensor, skips: list[Tensor], time: Tensor, context: Tensor) -> Tensor:
        for level in self.up_blocks:
            for number in range(len(level.resnets)):
                h = self.step(level, number, self.joined(h, skips), time, context)
            if len(level.upsamplers):
                h = level.upsamplers[0](h)
        return h

    def last(self, h: Tensor) -> Tensor:
        return self.conv_out(F.silu(self.conv_norm_out(h)))

    def forward(self, x: Tensor, t: Tensor | int, context: Tensor) -> Tensor:
        time = self.time(t, x)
        h, skips = self.down(self.conv_in(x), time, context)
        h = self.middle(h, time, context)
        return self.last(self.up(h, skips, time, context))


@mistake(
    "UNet",
    title="the skip comes first, the image second",
    hint="The shapes are the same either way, so nothing complains; the weights were trained for one order. "
    "Read the paragraph on skips again, and look at your torch.cat.",
)
class SkipFirst(_UNet):
    def joined(self, h: Tensor, skips: list[Tensor]) -> Tensor:
        return torch.cat([skips.pop(), h], dim=1)


@mistake(
    "UNet",
    title="the first skip is taken first",
    hint="Print the shapes of what you kept and of what you join it to. Coming up again, which one is "
    "needed first: the oldest or the newest? list.pop() and list.pop(0) differ.",
)
class OldestSkipFirst(_UNet):
    def joined(self, h: Tensor, skips: list[Tensor]) -> Tensor:
        return torch.cat([h, skips.pop(0)], dim=1)


@mistake(
    "UNet",
    title="what Downsample returns is not kept",
    hint="Count your skips, and the ResBlocks on the way up: each needs one. conv_in gives one, each step "
    "of a level gives one; what else is there on the way down?",
)
class DownsampleNotKept(_UNet):
    def down(self, h: Tensor, time: Tensor, context: Tensor) -> tuple[Tensor, list[Tensor]]:
        skips = [h]
        for level in self.down_blocks:
            for number in range(len(level.resnets)):
                h = self.step(level, number, h, time, context)
                skips.append(h)
            if len(level.downsamplers):
                h = level.downsamplers[0](h)
        return h, skips


@mistake(
    "UNet",
    title="what is kept has not been through the attention",
    hint="A step of a level is the ResBlock and its attention. At which of the two do you append to your "
    "list of skips?",
)
class KeptBeforeTheAttention(_UNet):
    def down(self, h: Tensor, time: Tensor, context: Tensor) -> tuple[Tensor, list[Tensor]]:
        skips = [h]
        for level in self.down_blocks:
            for number in range(len(level.resnets)):
                h = level.resnets[number](h, time)
                skips.append(h)
                if len(level.attentions):
                    h = level.attentions[number](h, context)
            if len(level.downsamplers):
                h = level.downsamplers[0](h)
                skips.append(h)
        return h, skips


@mistake(
    "UNet",
    title="skips are added instead of joined",
    hint="Added, image and skip can no longer be told apart. Side by side as channels they can: how many "
    "channels does the ResBlock then have to take?",
)
class SkipsAdded(_UNet):
    def __init__(
        self,
        in_channels: int = 3,
        out_channels: int = 3,
        block_out_channels: Sequence[int] = (32, 64),
        attention: Sequence[bool] = (False, True),
        cross_attention_dim: int = 64,
        heads: int = 4,
        groups: int = 8,
        layers_per_block: int = 1,
    ) -> None:
        super().__init__(
            in_channels,
            out_channels,
            block_out_channels,
            attention,
            cross_attention_dim,
            heads,
            groups,
            layers_per_block,
        )
        width, time_dim = block_out_channels[-1], 4 * block_out_channels[0]
        for level, channels in zip(self.up_blocks, reversed(block_out_channels), strict=True):
            for number in range(len(level.resnets)):
                level.resnets[number] = ResBlock(width, channels, time_dim, groups)
                width = channels

    def joined(self, h: Tensor, skips: list[Tensor]) -> Tensor:
        return h + skips.pop()


@mistake(
    "UNet",
    title="one timestep for the whole batch",
    hint="Give a batch of equal images and different timesteps. Do the answers differ? Each sample has a "
    "timestep of its own, and so a row of the embedding.",
)
class OneTimestepForAll(_UNet):
    def timesteps(self, t: Tensor | int, x: Tensor) -> Tensor:
        return torch.as_tensor(t, device=x.device).reshape(-1)[:1].expand(x.shape[0])


@mistake(
    "UNet",
    title="a timestep must be a tensor with one number for each sample",
    hint="Call the network with t = 7, and with torch.tensor(7). timestep_embedding wants [B]: how do you "
    "make that of a single number?",
)
class OnlyABatchOfTimesteps(_UNet):
    def timesteps(self, t: Tensor | int, x: Tensor) -> Tensor:
        return t


@mistake(
    "UNet",
    title="the embedding stays float32",
    hint="timestep_embedding returns float32, whatever the network computes in. What has to happen before "
    "linear_1 if x, and so the weights, are float64 or float16?",
)
class EmbeddingNotCast(_UNet):
    def time(self, t: Tensor | int, x: Tensor) -> Tensor:
        waves = timestep_embedding(self.timesteps(t, x), self.time_channels)
        return self.time_embedding["linear_2"](F.silu(self.time_embedding["linear_1"](waves)))


@mistake(
    "UNet",
    title="no SiLU between linear_1 and linear_2",
    hint="Two linear layers in a row are no more than one. What stands between them?",
)
class NoSiluInTheTime(_UNet):
    def time(self, t: Tensor | int, x: Tensor) -> Tensor:
        waves = timestep_embedding(self.timesteps(t, x), self.time_channels).to(x.dtype)
        return self.time_embedding["linear_2"](self.time_embedding["linear_1"](waves))


@mistake(
    "UNet",
    title="a SiLU after linear_2 as well",
    hint="Every ResBlock begins with a SiLU of the time. If you apply one before, how many are there?",
)
class SiluAfterTheTime(_UNet):
    def time(self, t: Tensor | int, x: Tensor) -> Tensor:
        return F.silu(super().time(t, x))


@mistake(
    "UNet",
    title="no SiLU before conv_out",
    hint="At the end come three steps, as in half a ResBlock. Is the activation there?",
)
class NoLastSilu(_UNet):
    def last(self, h: Tensor) -> Tensor:
        return self.conv_out(self.conv_norm_out(h))


@mistake(
    "UNet",
    title="no norm before conv_out",
    hint="At the end come three steps, as in half a ResBlock. Which of your layers is never called?",
)
class NoLastNorm(_UNet):
    def last(self, h: Tensor) -> Tensor:
        return self.conv_out(F.silu(h))


@mistake(
    "UNet",
    title="an eps of 1e-6 in conv_norm_out",
    hint="Only where contrast is very low does it show. nn.GroupNorm's own eps is the one asked for, for "
    "this norm as for those of the ResBlocks.",
)
class SmallLastEps(_UNet):
    def last(self, h: Tensor) -> Tensor:
        self.conv_norm_out.eps = 1e-6
        return super().last(h)


@mistake(
    "UNet",
    title="no attention in the middle",
    hint="The middle block has two ResBlocks with something in between, which is there whatever `attention` "
    "says. Is it called?",
)
class NoAttentionInTheMiddle(_UNet):
    def middle(self, h: Tensor, time: Tensor, context: Tensor) -> Tensor:
        return self.mid_block.resnets[1](self.mid_block.resnets[0](h, time), time)


@mistake(
    "UNet",
    title="the attention of the middle comes last",
    hint="In the middle block the attention stands between the two ResBlocks. In which order do you call "
    "them?",
)
class AttentionAfterTheMiddle(_UNet):
    def middle(self, h: Tensor, time: Tensor, context: Tensor) -> Tensor:
        h = self.mid_block.resnets[1](self.mid_block.resnets[0](h, time), time)
        return self.mid_block.attentions[0](h, context)


@mistake(
    "UNet",
    title="the middle is left out",
    hint="What happens between the last step down and the first step up? Three layers are never called: "
    "print which parameters get no gradient.",
)
class NoMiddle(_UNet):
    def middle(self, h: Tensor, time: Tensor, context: Tensor) -> Tensor:
        return h


@mistake(
    "UNet",
    title="attention on the way down only",
    hint="Levels with attention have it on both ways. In your way up, the attentions are built; are they "
    "called?",
)
class NoAttentionOnTheWayUp(_UNet):
    def up(self, h: Tensor, skips: list[Tensor], time: Tensor, context: Tensor) -> Tensor:
        for level in self.up_blocks:
            for resnet in level.resnets:
                h = resnet(self.joined(h, skips), time)
            if len(level.upsamplers):
                h = level.upsamplers[0](h)
        return h


@mistake(
    "UNet",
    title="`attention` is not turned round for the way up",
    hint="On the way up the coarsest level comes first. Which entry of `attention` belongs to it? Build a "
    "network in which the levels differ, and print the names of its parameters.",
)
class AttentionNotReversed(_UNet):
    def __init__(
        self,
        in_channels: int = 3,
        out_channels: int = 3,
        block_out_channels: Sequence[int] = (32, 64),
        attention: Sequence[bool] = (False, True),
        cross_attention_dim: int = 64,
        heads: int = 4,
        groups: int = 8,
        layers_per_block: int = 1,
    ) -> None:
        super().__init__(
            in_channels,
            out_channels,
            block_out_channels,
            attention,
            cross_attention_dim,
            heads,
            groups,
            layers_per_block,
        )
        widths = reversed(block_out_channels)
        for level, channels, attends in zip(self.up_blocks, widths, attention, strict=True):
            level.attentions = nn.ModuleList(
                SpatialTransformer(channels, cross_attention_dim, heads, groups)
                for _ in range((layers_per_block + 1) * attends)
            )


@mistake(
    "UNet",
    title="as many ResBlocks on the way up as on the way down",
    hint="Count the skips of a level: one for each of its steps, and one more, for conv_in or the "
    "Downsample before it. How many ResBlocks does it take to use them all?",
)
class OneResBlockShort(_UNet):
    def __init__(
        self,
        in_channels: int = 3,
        out_channels: int = 3,
        block_out_channels: Sequence[int] = (32, 64),
        attention: Sequence[bool] = (False, True),
        cross_attention_dim: int = 64,
        heads: int = 4,
        groups: int = 8,
        layers_per_block: int = 1,
    ) -> None:
        super().__init__(
            in_channels,
            out_channels,
            block_out_channels,
            attention,
            cross_attention_dim,
            heads,
            groups,
            layers_per_block,
        )
        for level in self.up_blocks:
            level.resnets = level.resnets[:-1]
            level.attentions = level.attentions[:-1]


@mistake(
    "UNet",
    title="the time's embedding has the width of the first level",
    hint="How many numbers does linear_1 return? The docstring calls it T, and says what T is.",
)
class NarrowTime(_UNet):
    def __init__(
        self,
        in_channels: int = 3,
        out_channels: int = 3,
        block_out_channels: Sequence[int] = (32, 64),
        attention: Sequence[bool] = (False, True),
        cross_attention_dim: int = 64,
        heads: int = 4,
        groups: int = 8,
        layers_per_block: int = 1,
    ) -> None:
        super().__init__(
            in_channels,
            out_channels,
            block_out_channels,
            attention,
            cross_attention_dim,
            heads,
            groups,
            layers_per_block,
        )
        width = block_out_channels[0]
        self.time_embedding["linear_1"] = nn.Linear(width, width)
        self.time_embedding["linear_2"] = nn.Linear(width, width)
        for block in self.modules():
            if hasattr(block, "time_emb_proj"):
                block.time_emb_proj = nn.Linear(width, block.time_emb_proj.out_features)


@mistake(
    "UNet",
    title="the number of heads is not passed on",
    hint="Parameters look the same for any number of heads; the result does not. Build a network with "
    "another number of heads than the default: do its attentions know?",
)
class NumberOfHeadsFixed(_UNet):
    def __init__(
        self,
        in_channels: int = 3,
        out_channels: int = 3,
        block_out_channels: Sequence[int] = (32, 64),
        attention: Sequence[bool] = (False, True),
        cross_attention_dim: int = 64,
        heads: int = 4,
        groups: int = 8,
        layers_per_block: int = 1,
    ) -> None:
        super().__init__(
            in_channels,
            out_channels,
            block_out_channels,
            attention,
            cross_attention_dim,
            2,
            groups,
            layers_per_block,
        )


@mistake(
    "UNet",
    title="conv_in is left out of the skips",
    hint="The last ResBlock on the way up wants a skip as large as the image, from before any level. Print "
    "the names of what you keep: what comes before the first level?",
)
class ConvInNotKept(_UNet):
    def down(self, h: Tensor, time: Tensor, context: Tensor) -> tuple[Tensor, list[Tensor]]:
        h, skips = super().down(h, time, context)
        return h, skips[1:]


@mistake(
    "UNet",
    title="as many channels come out as go in",
    hint="Ask for 3 channels in and 6 out. How many does conv_out give? One of the arguments never reaches "
    "your layers.",
)
class OutputOfTheInput(_UNet):
    def __init__(
        self,
        in_channels: int = 3,
        out_channels: int = 3,
        block_out_channels: Sequence[int] = (32, 64),
        attention: Sequence[bool] = (False, True),
        cross_attention_dim: int = 64,
        heads: int = 4,
        groups: int = 8,
        layers_per_block: int = 1,
    ) -> None:
        super().__init__(
            in_channels,
            in_channels,
            block_out_channels,
            attention,
            cross_attention_dim,
            heads,
            groups,
            layers_per_block,
        )


@mistake(
    "UNet",
    title="every sample gets the first one's context",
    hint="Give it two samples with different contexts, and then each by itself: the answers should be the "
    "same. context[:1] is one caption for the whole batch.",
)
class FirstWordsForAll(_UNet):
    def forward(self, x: Tensor, t: Tensor | int, context: Tensor) -> Tensor:
        return super().forward(x, t, context[:1].expand_as(context))


@mistake(
    "UNet",
    title="timesteps beyond 100 are cut off",
    hint="Compare what it gives at t = 200 and at t = 700. Timesteps go up to 999: what does your code do "
    "with the late ones?",
)
class CutOff(_UNet):
    def timesteps(self, t: Tensor | int, x: Tensor) -> Tensor:
        return super().timesteps(t, x).clamp(max=100)


@mistake(
    "UNet",
    title="the middle is passed through in training mode only",
    hint="Call .eval() on your network and ask it again. Nothing in it differs between training and use.",
    only_hidden=True,
)
class MiddleInTraining(_UNet):
    def middle(self, h: Tensor, time: Tensor, context: Tensor) -> Tensor:
        return super().middle(h, time, context) if self.training else h


@mistake(
    "UNet",
    title="no gradient gets through",
    hint="Print what requires_grad says of your result. no_grad() is for drawing, around the call; in the "
    "network itself it keeps every layer from learning.",
    only_hidden=True,
)
class NetworkWithoutGradient(_UNet):
    @torch.no_grad()
    def forward(self, x: Tensor, t: Tensor | int, context: Tensor) -> Tensor:
        return super().forward(x, t, context)


@mistake(
    "UNet",
    title="conv_out starts at zero",
    hint="Then an untrained network predicts nothing at all, as in some papers' code. Here all parameters "
    "are to start as torch initialises them: leave them alone.",
    only_hidden=True,
)
class StartsWithNothing(_UNet):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        nn.init.zeros_(self.conv_out.weight)
        nn.init.zeros_(self.conv_out.bias)
