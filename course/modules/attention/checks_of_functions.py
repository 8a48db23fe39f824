"""Public checks of the functions of the module `attention`: small examples, worked out by hand."""

import math

import torch
from torch import Tensor, tensor

from course.checking.expect import Work, close, exercise, holds, ordinary

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
        # Each column less its own maximum: exp gives 1/3, 1, 1 and 1, 1/3, 1, in all 14/3.
        by_one_sum = [[1 / 14, 3 / 14, 3 / 14], [3 / 14, 1 / 14, 3 / 14]]
        close(
            student.stable_softmax(scores, dim=0),
            down,
            symptoms={
                "These add up to 1 along dim=1, but dim=0 was asked for.": across,
                **wrong,
                "Here all six numbers were divided by the same sum: each slice has its own.": by_one_sum,
            },
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
        divided_by_d, divided_by_root_e = share(3**0.5), share(3 ** math.sqrt(2))
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


def share(ratio: float) -> float:
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
