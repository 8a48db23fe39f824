"""Public checks of the module `attention`: its layers, by hand; the functions have a file of their own."""

import math

import torch
from torch import tensor

from course.checking.expect import Broken, Layer, Work, close, exercise, holds, ordinary
from course.modules.attention.checks_of_bonus import AttentionInBlocks, Emphasise
from course.modules.attention.checks_of_functions import (
    LN3,
    ScaledDotProductAttention,
    SplitHeads,
    StableSoftmax,
    share,
)

# All that a student is checked with, found here by their marks.
__all__ = [
    "AttentionInBlocks",
    "CrossAttention",
    "Emphasise",
    "MultiHeadSelfAttention",
    "ScaledDotProductAttention",
    "SpatialSelfAttention",
    "SplitHeads",
    "StableSoftmax",
]


@exercise("MultiHeadSelfAttention")
class MultiHeadSelfAttention:
    def parameters(self, student: Work) -> None:
        """Its parameters have diffusers' names and shapes, so that weights can be loaded."""
        student.MultiHeadSelfAttention(6, 3).has_parameters(
            {
                "to_q.weight": (6, 6),
                "to_k.weight": (6, 6),
                "to_v.weight": (6, 6),
                "to_out.0.weight": (6, 6),
                "to_out.0.bias": (6,),
            }
        )

    def projections(self, student: Work) -> None:
        """With equal scores every token gets the mean of the values, and to_out has the last word."""
        layer = student.MultiHeadSelfAttention(2, 1).set(
            {"to_q.weight": 0, "to_k.weight": 0, "to_v.weight": [[2, 0], [0, 2]]}
        )
        layer.set({"to_out.0.weight": [[0, 1], [1, 0]], "to_out.0.bias": [10, 20]})
        # The values are 2x = (0, 4) and (4, 8), their mean is (2, 6), turned round (6, 2).
        close(
            layer(tensor([[[0.0, 2.0], [2.0, 4.0]]])),
            [[[16.0, 22.0], [16.0, 22.0]]],
            symptoms={
                "This is what comes out before to_out: it was not applied.": [[[2.0, 6.0], [2.0, 6.0]]],
                "Here to_v was not applied.": [[[13.0, 21.0], [13.0, 21.0]]],
                "Every token got its own value: the tokens must attend to one another.": (
                    [[[14.0, 20.0], [18.0, 24.0]]]
                ),
            },
        )

    def heads(self, student: Work) -> None:
        """Each head attends by itself, on its own channels, with the scale of its own d = dim / heads."""
        # Two heads with d = 4, all projections the identity. The first token has s in the first channel of
        # head 0, the second token in that of head 1, and s^2 / sqrt(d) = ln 3. So in head 0 the first token
        # has the scores (ln 3, 0) and gets 0.75 s, the second (0, 0) and gets 0.5 s. In head 1 vice versa.
        s = math.sqrt(2 * LN3)

        def out(own: float, other: float) -> list[list[list[float]]]:
            """`own` and `other`: what a token gets of s in its own head and in the other one."""
            first, second = [0.0] * 8, [0.0] * 8
            first[0], first[4], second[0], second[4] = own * s, other * s, other * s, own * s
            return [[first, second]]

        layer = _identity(student.MultiHeadSelfAttention(8, 2), 8)
        by_dim, twice = share(3 ** (1 / math.sqrt(2))), share(3**0.5)
        close(
            layer(tensor([[[s, 0, 0, 0, 0, 0, 0, 0], [0, 0, 0, 0, s, 0, 0, 0]]])),
            out(0.75, 0.5),
            symptoms={
                "The scale is 1 / sqrt(dim) instead of 1 / sqrt(dim / heads).": out(by_dim, 0.5),
                "The scores were divided by sqrt(d) twice.": out(twice, 0.5),
                "The scores were not divided by sqrt(d).": out(0.9, 0.5),
                "This is what one head over all the channels gives: split them first.": (
                    out(by_dim, 1 - by_dim)
                ),
                "Here both tokens are in the same head: it should have the first d channels, not every "
                "other one.": out(0.75, 0.25),
            },
        )

    def order(self, student: Work) -> None:
        """Shuffled tokens give the same results, shuffled; the items of a batch do not see one another."""
        layer = _identity(student.MultiHeadSelfAttention(4, 2), 4)
        x = tensor([[[1.0, 0.0, 2.0, -1.0], [0.0, 3.0, 1.0, 1.0], [2.0, -2.0, 0.0, 0.5]]])
        shuffled = x[:, [2, 0, 1]]
        alone = ordinary(layer(x))
        holds(alone.shape == x.shape, f"the shape is {tuple(alone.shape)}, it should be {tuple(x.shape)}")
        close(layer(torch.cat([shuffled, x])), torch.cat([alone[:, [2, 0, 1]], alone]))


@exercise("CrossAttention")
class CrossAttention:
    def parameters(self, student: Work) -> None:
        """Its parameters have diffusers' names and shapes, so that weights can be loaded."""
        student.CrossAttention(5, 4, heads=2, head_dim=3).has_parameters(
            {
                "to_q.weight": (6, 5),
                "to_k.weight": (6, 4),
                "to_v.weight": (6, 4),
                "to_out.0.weight": (5, 6),
                "to_out.0.bias": (5,),
            }
        )

    def context_answers(self, student: Work) -> None:
        """x asks, the context answers: another context gives another result, its order changes nothing."""
        layer = _identity(student.CrossAttention(4, 4, heads=2, head_dim=2), 4)
        x = tensor([[[1.0, 0.0, 2.0, -1.0], [0.0, 3.0, 1.0, 1.0]]])
        context = tensor([[[2.0, -2.0, 0.0, 0.5], [0.0, 1.0, 1.0, 1.0], [-1.0, 0.0, 0.0, 2.0]]])
        there = ordinary(layer(x, context))
        holds(
            there.shape == x.shape,
            f"for x of shape {tuple(x.shape)} and a context of {tuple(context.shape)} the shape is "
            f"{tuple(there.shape)}: each token of x asks, so each gets one result",
        )
        holds(
            not torch.allclose(there, ordinary(layer(x, 2 * context))),
            "twice the context gave the same result: keys and values come from the context, not from x",
        )
        close(layer(x, context[:, [2, 0, 1]]), there)

    def by_hand(self, student: Work) -> None:
        """Each head attends by itself, and to_out brings the heads together."""
        layer = student.CrossAttention(1, 2, heads=2, head_dim=1).set(
            {"to_q.weight": [[1], [0]], "to_k.weight": [[1, 0], [0, 1]], "to_v.weight": [[1, 0], [0, 1]]}
        )
        layer.set({"to_out.0.weight": [[1, 1]], "to_out.0.bias": [10]})
        # Head 0 has the keys and values 0 and 1; with the query ln 3 it gives 0.75, with the query 0 the mean
        # 0.5. Head 1 has the query 0 always and gives the mean of its values 4 and 8. All added up, plus 10.
        by_dim = share(3 ** (1 / math.sqrt(2)))
        close(
            layer(tensor([[[LN3], [0.0]]]), tensor([[[0.0, 4.0], [1.0, 8.0]]])),
            [[[16.75], [16.5]]],
            symptoms={
                "This is what one head over all the channels gives: split them into heads first.": (
                    [[[14 + 5 * by_dim], [16.5]]]
                ),
                "The scale is that of all heads together: it is 1 / sqrt(head_dim).": (
                    [[[16 + by_dim], [16.5]]]
                ),
                "Here heads and tokens were mixed when the heads were joined: swap them back first.": (
                    [[[11.25], [22.0]]]
                ),
                "This is what comes out without to_out's bias.": [[[6.75], [6.5]]],
            },
        )

    def own_context(self, student: Work) -> None:
        """Each item of a batch has its own context: together they get what each gets alone."""
        layer = _identity(student.CrossAttention(4, 4, heads=2, head_dim=2), 4)
        x = tensor([[[1.0, 0.0, 2.0, -1.0]], [[0.0, 3.0, 1.0, 1.0]]])
        context = tensor(
            [[[2.0, -2.0, 0.0, 0.5], [0.0, 1.0, 1.0, 1.0]], [[4.0, 0.0, 3.0, 2.0], [1.0, 5.0, 0.0, 6.0]]]
        )
        alone = [ordinary(layer(x[item : item + 1], context[item : item + 1])) for item in (0, 1)]
        shapes = {tuple(each.shape) for each in alone}
        holds(shapes == {(1, 1, 4)}, f"for x of shape (1, 1, 4) the shape is {max(shapes)}")
        first = ordinary(layer(x[1:], context[:1]))
        close(
            layer(x, context),
            torch.cat(alone),
            symptoms={
                "Here every item of the batch got the context of the first one.": torch.cat([alone[0], first])
            },
        )

    def lengths(self, student: Work) -> None:
        """L and S may differ; the result has the shape of x."""
        layer = student.CrossAttention(5, 4, heads=2, head_dim=3)
        for length, context_length in ((7, 2), (1, 9), (3, 3)):
            out = ordinary(layer(torch.ones(2, length, 5), torch.ones(2, context_length, 4)))
            holds(
                out.shape == (2, length, 5),
                f"for x of shape {(2, length, 5)} and a context of {(2, context_length, 4)} the shape is "
                f"{tuple(out.shape)}, it should be {(2, length, 5)}",
            )


@exercise("SpatialSelfAttention")
class SpatialSelfAttention:
    def parameters(self, student: Work) -> None:
        """Its parameters have diffusers' names and shapes, so that weights can be loaded."""
        layer = student.SpatialSelfAttention(4, groups=2)
        layer.has_parameters(
            {
                "group_norm.weight": (4,),
                "group_norm.bias": (4,),
                **{f"{name}.weight": (4, 4) for name in ("to_q", "to_k", "to_v", "to_out.0")},
                **{f"{name}.bias": (4,) for name in ("to_q", "to_k", "to_v", "to_out.0")},
            }
        )
        norm = layer.module.group_norm
        holds(isinstance(norm, torch.nn.GroupNorm), "`group_norm` is no nn.GroupNorm")
        holds(norm.num_groups == 2, f"`group_norm` has {norm.num_groups} groups; groups=2 was asked for")
        holds(norm.eps == 1e-6, f"`group_norm` has eps={norm.eps}, 1e-6 is expected")

    def residual(self, student: Work) -> None:
        """The attention is added to the image: where to_out gives 0, the image comes back unchanged."""
        layer = student.SpatialSelfAttention(2, groups=1).set({"to_out.0.weight": 0, "to_out.0.bias": 0})
        image = torch.arange(2 * 2 * 2 * 3.0).reshape(2, 2, 2, 3)
        normed = torch.nn.functional.group_norm(image, 1, eps=1e-6)
        close(
            layer(image),
            image,
            symptoms={
                "The attention alone came back: the image was not added.": torch.zeros_like(image),
                "The normalised image came back: add to the image as it was.": normed,
            },
        )

    def pixels_attend(self, student: Work) -> None:
        """Every pixel is a token, wherever it is; height and width may differ."""
        layer = student.SpatialSelfAttention(2, groups=2)
        # Each channel is +-1 after the norm. Only channel 0 makes scores: +-ln(3) / 2 for pixels with the
        # same or another sign in it, so the weights of the two kinds of pixels are as 3 : 1.
        sign = tensor([[1.0, -1.0, 1.0], [-1.0, 1.0, -1.0]])  # channel 0
        other = tensor([[1.0, 1.0, 1.0], [-1.0, -1.0, -1.0]])  # channel 1
        root = math.sqrt(LN3 / 2 * math.sqrt(2))
        layer.set({"group_norm.weight": 1, "group_norm.bias": 0})
        layer.set({"to_q.weight": [[root, 0], [0, 0]], "to_k.weight": [[root, 0], [0, 0]]})
        layer.set({f"{name}.weight": [[1, 0], [0, 1]] for name in ("to_v", "to_out.0")})
        layer.set({f"{name}.bias": 0 for name in ("to_q", "to_k", "to_v", "to_out.0")})
        # Among equals 0.75 of the weight, so channel 0 attends to 0.75 - 0.25 of its sign; of channel 1 a
        # pixel's equals have the mean 1/3, the others -1/3.
        attended = torch.stack([sign / 2, sign / 6])[None]
        image = torch.stack([3 + 2 * sign, 5 + 4 * other])[None]
        norm = torch.stack([sign, other])[None]
        pixels = attended.flatten(2)  # [1, 2, 6]
        unscaled = (2 * share(3 ** math.sqrt(2)) - 1) * 2 * attended
        close(
            layer(image),
            image + attended,
            symptoms={
                "The normalised image was added: add the image as it was.": norm + attended,
                "The image was not added.": attended,
                "The scores were not divided by sqrt(C).": image + unscaled,
                "Height and width were swapped on the way back from tokens to pixels.": (
                    image + pixels.reshape(1, 2, 3, 2).mT
                ),
                "On the way back from tokens to pixels the channels were not moved to the front first.": (
                    image + pixels.mT.reshape(1, 2, 2, 3)
                ),
            },
        )

    def every_size(self, student: Work) -> None:
        """Any height and width, equal or not; the result has the shape of the image."""
        layer = student.SpatialSelfAttention(4, groups=2)
        for height, width in ((1, 1), (1, 5), (4, 2)):
            image = torch.ones(3, 4, height, width)
            out = ordinary(layer(image))
            if out.shape != image.shape:
                raise Broken(f"for an image of {tuple(image.shape)} the shape is {tuple(out.shape)}")


def _identity(layer: Layer, dim: int) -> Layer:
    """The layer with the identity for each projection."""
    weights = {f"{name}.weight": torch.eye(dim) for name in ("to_q", "to_k", "to_v", "to_out.0")}
    return layer.set({**weights, "to_out.0.bias": 0})
