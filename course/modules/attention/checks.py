"""Public checks of the module `attention`: small examples, worked out by hand."""

import math

import torch
from torch import Tensor, tensor

from course.checking.expect import Broken, Layer, Work, close, exercise, holds, ordinary

LN3 = math.log(3)  # exp(0) : exp(ln 3) = 1 : 3, so these two scores have the weights 0.25 and 0.75
INF = math.inf

# Three tokens with four channels: the tens are the token, the ones the channel.
TOKENS = tensor([[[0.0, 1.0, 2.0, 3.0], [10.0, 11.0, 12.0, 13.0], [20.0, 21.0, 22.0, 23.0]]])
HEADS = tensor(
    [[[[0.0, 1.0], [10.0, 11.0], [20.0, 21.0]], [[2.0, 3.0], [12.0, 13.0], [22.0, 23.0]]]]
)  # [1, 2, 3, 2]


@exercise("stable_softmax")
class StableSoftmax:
    def shares(self, student: Work) -> None:
        """Scores become shares: 0 and ln 3 become 0.25 and 0.75."""
        close(
            student.stable_softmax(tensor([0.0, LN3]), dim=0),
            [0.25, 0.75],
            symptoms={
                "These are exp(x), not yet divided by their sum.": [1.0, 3.0],
                "These are exp(x - max), not yet divided by their sum.": [1 / 3, 1.0],
                "These are the logarithms of the right numbers.": [math.log(0.25), math.log(0.75)],
            },
        )

    def along_dim(self, student: Work) -> None:
        """The shares add up to 1 along `dim`, whichever dimension that is."""
        scores = tensor([[0.0, LN3, 0.0], [LN3, 0.0, 0.0]])
        down, across = [[0.25, 0.75, 0.5], [0.75, 0.25, 0.5]], [[0.2, 0.6, 0.2], [0.6, 0.2, 0.2]]
        all_of_it = [[0.1, 0.3, 0.1], [0.3, 0.1, 0.1]]
        wrong = {
            "Here all six numbers together add up to 1: sum along `dim` only.": all_of_it,
        }
        close(
            student.stable_softmax(scores, dim=0),
            down,
            symptoms={"These add up to 1 along dim=1, but dim=0 was asked for.": across, **wrong},
        )
        close(
            student.stable_softmax(scores, dim=-1),
            across,
            symptoms={"These add up to 1 along dim=0, but dim=-1 was asked for.": down, **wrong},
        )

    def large_scores(self, student: Work) -> None:
        """Scores as large as 10,000 do not overflow."""
        # In float64, where 10,000 + ln 3 is exact enough to leave the ratio 1 : 3.
        scores = tensor([1e4, 1e4 + LN3, -1e4], dtype=torch.float64)
        shares = tensor([0.25, 0.75, 0.0], dtype=torch.float64)
        cut_off = {"Here the large scores became equal: shift them, do not cut them off.": [0.5, 0.5, 0.0]}
        close(student.stable_softmax(scores, dim=0), shares, symptoms=cut_off)

    def each_slice_alone(self, student: Work) -> None:
        """Each row is shared out by itself, also where another row's scores are much larger."""
        scores = tensor([[-1e4, -1e4], [0.0, LN3], [1e4, 1e4]], dtype=torch.float64)
        shares = tensor([[0.5, 0.5], [0.25, 0.75], [0.5, 0.5]], dtype=torch.float64)
        close(student.stable_softmax(scores, dim=1), shares)

    def minus_infinity(self, student: Work) -> None:
        """A score of -inf has the share 0, and the others share the rest."""
        close(student.stable_softmax(tensor([0.0, -INF, LN3]), dim=0), [0.25, 0.0, 0.75])

    def dtype(self, student: Work) -> None:
        """The result has the dtype of the scores."""
        for kind in (torch.float64, torch.float16):
            scores = tensor([0.0, LN3], dtype=kind)
            close(student.stable_softmax(scores, dim=0), tensor([0.25, 0.75], dtype=kind))


@exercise("scaled_dot_product_attention")
class ScaledDotProductAttention:
    def one_query(self, student: Work) -> None:
        """A query's scores are its products with the keys, divided by sqrt(d)."""
        # d = 4: the products 0 and 2 ln 3 become the scores 0 and ln 3, the weights 0.25 and 0.75.
        q, k, v = _by_hand()
        divided_by_d, divided_by_root_e = _share(3**0.5), _share(3 ** math.sqrt(2))
        close(
            student.scaled_dot_product_attention(q, k, v),
            [[[[6.0, 3.0]]]],
            symptoms={
                "This is what comes out without the division by sqrt(d).": [[[[7.2, 3.6]]]],
                "This is what comes out when the products are divided by d instead of sqrt(d).": (
                    [[[[8 * divided_by_d, 4 * divided_by_d]]]]
                ),
                "Here the scale comes from the values: d is the last dimension of the queries and keys.": (
                    [[[[8 * divided_by_root_e, 4 * divided_by_root_e]]]]
                ),
                "This is what comes out when the softmax runs over the queries: each key's weights add up to "
                "1, instead of each query's.": [[[[8.0, 4.0]]]],
                "This is what comes out without a softmax.": [[[[8 * LN3, 4 * LN3]]]],
            },
        )

    def mean_of_values(self, student: Work) -> None:
        """A query that fits all keys equally gets the mean of the values; L, S, d and e may all differ."""
        q, k = torch.zeros(2, 3, 4, 6), torch.ones(2, 3, 5, 6)
        v = torch.arange(2 * 3 * 5 * 2.0).reshape(2, 3, 5, 2)
        close(student.scaled_dot_product_attention(q, k, v), v.mean(-2, keepdim=True).expand(2, 3, 4, 2))

    def mask(self, student: Work) -> None:
        """Where the mask is True a query may attend, where it is False it may not."""
        q, k, _ = _by_hand()
        q, v = q.expand(1, 1, 2, 4), tensor([[4.0], [8.0]])[None, None]
        mask = tensor([[True, False], [True, True]])
        close(
            student.scaled_dot_product_attention(q, k, v, mask),
            [[[[4.0], [7.0]]]],  # all of the first value; 0.25 * 4 + 0.75 * 8
            symptoms={
                "The mask had no effect.": [[[[7.0], [7.0]]]],
                "Here True forbids: the mask is read the wrong way round.": [[[[8.0], [math.nan]]]],
                "Here True forbids: the mask is read the wrong way round (and a query that may attend to "
                "nothing gets the mean).": [[[[8.0], [6.0]]]],
                "Here the weights were masked after the softmax, so that those of the first query no longer "
                "add up to 1: mask the scores.": [[[[1.0], [7.0]]]],
                "Here a forbidden key has the score 0. exp(0) is 1, a weight like any other.": (
                    [[[[6.0], [7.0]]]]
                ),
                "Here the mask was added to the scores: True adds 1, and nothing is forbidden.": (
                    [[[[(4 * math.e + 24) / (math.e + 3)], [7.0]]]]
                ),
            },
        )

    def mask_is_broadcast(self, student: Work) -> None:
        """A mask of shape [B, 1, 1, S] says for each item of the batch which keys may be attended to."""
        q, k = torch.zeros(2, 3, 4, 6), torch.ones(2, 3, 3, 6)
        v = tensor([[1.0], [2.0], [9.0]]).expand(2, 3, 3, 1)
        mask = tensor([[True, True, False], [True, True, True]])[:, None, None]
        expected = tensor([1.5, 4.0])[:, None, None, None].expand(2, 3, 4, 1)
        close(student.scaled_dot_product_attention(q, k, v, mask), expected)

    def large_scores(self, student: Work) -> None:
        """Nothing overflows: neither large scores, nor a masked score in float16."""
        q, k, v = _by_hand()
        close(student.scaled_dot_product_attention(1e4 * q, k, v), [[[[8.0, 4.0]]]])
        q, k, v = q.half(), k.half(), v.half()
        mask, expected = tensor([[False, True]]), tensor([[[[8.0, 4.0]]]], dtype=torch.float16)
        close(student.scaled_dot_product_attention(q, k, v, mask), expected)


def _by_hand() -> tuple[Tensor, Tensor, Tensor]:
    """One query, two keys, d = 4, e = 2: the products are 0 and 2 ln 3, the values (0, 0) and (8, 4)."""
    q = tensor([[[[2.0, 0.0, 1.0, 0.0]]]])
    k = tensor([[[[0.0, 5.0, 0.0, 7.0], [LN3, 0.0, 0.0, 6.0]]]])
    return q, k, tensor([[[[0.0, 0.0], [8.0, 4.0]]]])


def _share(ratio: float) -> float:
    """The larger of two weights that are in this ratio."""
    return ratio / (1 + ratio)


@exercise("split_heads")
class SplitHeads:
    def channels_of_each_head(self, student: Work) -> None:
        """The first head gets the first d channels of every token, the next head the next d."""
        close(
            student.split_heads(TOKENS, 2),
            HEADS,
            symptoms={
                "The shape is right, but a head mixes the numbers of several tokens: `view` or `reshape` to "
                "the final shape does not swap dimensions.": TOKENS.reshape(1, 2, 3, 2),
                "Here the heads take turns, channel by channel: head 0 should have channels 0 and 1.": (
                    [[[[0, 2], [10, 12], [20, 22]], [[1, 3], [11, 13], [21, 23]]]]
                ),
                "This is [B, L, heads, d]: the heads still have to come before the tokens.": (
                    [[[[0, 1], [2, 3]], [[10, 11], [12, 13]], [[20, 21], [22, 23]]]]
                ),
            },
        )

    def merge_puts_side_by_side(self, student: Work) -> None:
        """merge_heads puts the heads of each token side by side again."""
        close(
            student.merge_heads(HEADS),
            TOKENS,
            symptoms={
                "The shape is right, but the numbers of different tokens are mixed: the dimensions must be "
                "swapped back before they are joined.": HEADS.reshape(1, 3, 4),
            },
        )

    def there_and_back(self, student: Work) -> None:
        """Split and merged again, everything is as before, whatever the layout in memory."""
        for x in (
            torch.arange(2 * 5 * 12.0).reshape(2, 5, 12),
            torch.arange(2 * 5 * 12.0).reshape(2, 12, 5).transpose(1, 2),
        ):
            for heads in (1, 3, 12):
                apart = student.split_heads(x, heads)
                holds(
                    ordinary(apart).shape == (2, heads, 5, 12 // heads),
                    f"split_heads made {tuple(apart.shape)} of {tuple(x.shape)} and {heads} heads, "
                    f"{(2, heads, 5, 12 // heads)} is expected",
                )
                close(student.merge_heads(apart), x)

    def other_dtypes(self, student: Work) -> None:
        """Numbers are moved and nothing else: integers stay integers."""
        close(student.split_heads(TOKENS.int(), 2), HEADS.int())
        close(student.merge_heads(HEADS.int()), TOKENS.int())


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
        by_dim, twice = _share(3 ** (1 / math.sqrt(2))), _share(3**0.5)
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
        by_dim = _share(3 ** (1 / math.sqrt(2)))
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
        unscaled = (2 * _share(3 ** math.sqrt(2)) - 1) * 2 * attended
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
