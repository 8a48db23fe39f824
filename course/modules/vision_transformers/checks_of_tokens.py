"""Public checks of norms, rotations and joint attention, of the module `vision_transformers`: by hand."""

import math

import torch
from torch import Tensor, tensor

from course.checking.expect import Broken, Layer, Work, close, exercise, holds, ordinary


@exercise("rotate")
class Rotate:
    def norm(self, student: Work) -> None:
        """rms_norm: of 3 and 4 the mean of the squares is 12.5, and its root 3.5355."""
        x, weight = tensor([[3.0, 4.0], [30.0, 40.0]]), tensor([1.0, 10.0])
        expected = tensor([[0.8485281, 11.313708]]).expand(2, 2)
        close(
            student.rms_norm(x, weight),
            expected,
            symptoms={
                "This is divided by the length: the root of the mean of squares is asked for.": (
                    tensor([[0.6, 8.0]]).expand(2, 2)
                ),
                "The root is missing.": tensor([[0.24, 3.2], [0.024, 0.32]]),
                "Here the mean was subtracted: that is a layer norm.": tensor([[-1.0, 10.0]]).expand(2, 2),
                "Here all tokens have one mean: each is normalised by itself.": (
                    x * weight / math.sqrt((25 + 2500) / 4)
                ),
                "The weight is missing.": tensor([[0.8485281, 1.1313708]]).expand(2, 2),
            },
        )

    def eps(self, student: Work) -> None:
        """rms_norm: eps is added to the mean of the squares, under the root: 12.5 + 23.5 makes 36."""
        close(
            student.rms_norm(tensor([3.0, 4.0]), torch.ones(2), 23.5),
            [0.5, 2 / 3],
            symptoms={
                "eps was added after the root.": [3 / (math.sqrt(12.5) + 23.5), 4 / (math.sqrt(12.5) + 23.5)],
                "Here eps was not used.": [0.8485281, 1.1313708],
            },
        )

    def one_pair(self, student: Work) -> None:
        """rotate: at position 0, 1 and 2 the pair (1, 0) is turned by as many radians, towards (0, 1)."""
        x = tensor([1.0, 0.0]).expand(1, 1, 3, 2)
        positions = torch.arange(3)
        close(
            student.rotate(x, positions),
            _circle(positions),
            symptoms={
                "Here it turns the other way round.": _circle(-positions),
                "Here the positions were added: they should turn.": x + _circle(positions),
            },
        )

    def two_pairs(self, student: Work) -> None:
        """rotate: neighbours are a pair; of four numbers the second pair turns a hundred times slower."""
        x, positions = tensor([1.0, 0.0, 2.0, 0.0]).expand(1, 1, 2, 4), tensor([0, 5])
        fast, slow = _circle(tensor([0.0, 5.0])), 2 * _circle(tensor([0.0, 0.05]))
        right = torch.cat([fast, slow], dim=-1)
        close(
            student.rotate(x, positions),
            right,
            symptoms={
                "Here number i and number i + d/2 are a pair: neighbours are asked for.": torch.stack(
                    [
                        tensor([1.0, 0, 2, 0]),
                        tensor(
                            [
                                math.cos(5) - 2 * math.sin(5),
                                0,
                                math.sin(5) + 2 * math.cos(5),
                                0,
                            ]
                        ),
                    ]
                ).view(1, 1, 2, 4),
                "Here the tokens were counted: positions are given.": torch.cat(
                    [_circle(tensor([0.0, 1.0])), 2 * _circle(tensor([0.0, 0.01]))], dim=-1
                ),
                "Here the first pair turns slowest.": torch.cat(
                    [_circle(tensor([0.0, 0.05])), 2 * _circle(tensor([0.0, 5.0]))], dim=-1
                ),
                "Here the second pair turns ten times slower: the exponent is -2 * i / d.": torch.cat(
                    [fast, 2 * _circle(tensor([0.0, 0.5]))], dim=-1
                ),
                "The pairs were not put back into their places.": right[..., [0, 2, 1, 3]],
            },
        )

    def positions_and_base(self, student: Work) -> None:
        """rotate: positions are those that are given; base = 100 makes the second pair turn faster."""
        x, positions = tensor([1.0, 0.0, 1.0, 0.0]).expand(1, 2, 2, 4), tensor([7.0, 2.5])

        def expected(at: Tensor, base: float) -> Tensor:
            return torch.cat([_circle(at), _circle(at / math.sqrt(base))], dim=-1).expand(1, 2, 2, 4)

        close(
            student.rotate(x, positions, 100.0),
            expected(positions, 100),
            symptoms={
                "Here base was not used.": expected(positions, 10_000),
                "Here the tokens were counted: positions are given.": expected(tensor([0.0, 1.0]), 100),
            },
        )

    def differences(self, student: Work) -> None:
        """rotate: a query at 3 and a key at 10 have the product of those at 103 and 110."""
        q, k = tensor([1.0, 2.0, 3.0, 4.0]).view(1, 1, 1, 4), tensor([0.5, -1.0, 2.0, 1.0]).view(1, 1, 1, 4)
        found = [
            (ordinary(student.rotate(q, tensor([at]))) * ordinary(student.rotate(k, tensor([at + 7])))).sum()
            for at in (3, 103)
        ]
        close(found[1], found[0])


def _circle(angles: Tensor) -> Tensor:
    """(1, 0), turned by each of the angles: [1, 1, L, 2]."""
    return torch.stack([angles.cos(), angles.sin()], dim=-1)[None, None].float()


_NAMES = ("to_q", "to_k", "to_v", "add_q_proj", "add_k_proj", "add_v_proj", "to_out.0", "to_add_out")


@exercise("JointAttention")
class JointAttention:
    def parameters(self, student: Work) -> None:
        """Eight linear layers with bias, under diffusers' names."""
        student.JointAttention(8, 2).has_parameters(
            {
                f"{name}.{kind}": (8, 8)[: 1 + (kind == "weight")]
                for name in _NAMES
                for kind in ("weight", "bias")
            }
        )

    def all_of_both(self, student: Work) -> None:
        """Where all scores are equal, every token gets the mean of the values of picture and text."""
        image, text = tensor([[[1.0, 0.0], [3.0, 0.0]]]), tensor([[[0.0, 6.0]]])
        layer = _plain(student.JointAttention(2, 1), 2)
        layer.set({"to_q.weight": 0, "to_k.weight": 0, "add_q_proj.weight": 0, "add_k_proj.weight": 0})
        layer.set({"add_v_proj.weight": [[2.0, 0], [0, 2]], "to_add_out.weight": [[10.0, 0], [0, 10]]})
        own, told = _two(layer(image, text))
        # The values are (1, 0), (3, 0) and (0, 12), and their mean (4/3, 4).
        close(
            own,
            tensor([4 / 3, 4.0]).expand(1, 2, 2),
            symptoms={
                "Here the picture looks at itself alone: there is one attention over both.": (
                    tensor([2.0, 0.0]).expand(1, 2, 2)
                ),
                "Here the picture looks at the text alone: it looks at all of both.": (
                    tensor([0.0, 12.0]).expand(1, 2, 2)
                ),
                "Here the text went through the picture's projections.": tensor([4 / 3, 2.0]).expand(1, 2, 2),
                "The answers have changed places: the picture's comes first.": tensor([[[40 / 3, 40.0]]]),
                "It was split at the text's length: the picture's tokens come first.": tensor(
                    [[[4 / 3, 4.0]]]
                ),
            },
        )
        close(
            told,
            [[[40 / 3, 40.0]]],
            symptoms={
                "Here the text looks at itself alone: it asks, too, and looks at all of both.": [
                    [[0.0, 120.0]]
                ],
                "The text left through the picture's output layer.": [[[4 / 3, 4.0]]],
            },
        )

    def scores(self, student: Work) -> None:
        """Scores are divided by the root of a head's channels; the first head has the first channels."""
        image, text = tensor([[[2.0, 0, 0, 0]]]), torch.zeros(1, 1, 4)
        layer = _plain(student.JointAttention(4, 2), 4).set({"add_v_proj.bias": 10.0})
        own, _ = _two(layer(image, text))

        def expected(score: float, order: tuple[int, ...] = (0, 1, 2, 3)) -> Tensor:
            share = math.exp(score) / (math.exp(score) + 1)
            return tensor([[[2 * share + 10 * (1 - share), 10 * (1 - share), 5.0, 5.0]]])[..., list(order)]

        close(
            own,
            expected(4 / math.sqrt(2)),
            symptoms={
                "The scores are not scaled.": expected(4),
                "Here the scores are divided by the root of dim: a head has fewer channels.": expected(2),
                "Here a head has every other channel: it has its channels in one piece.": (
                    expected(4 / math.sqrt(2), (0, 2, 1, 3))
                ),
            },
        )


def _plain(layer: Layer, dim: int) -> Layer:
    """All eight layers give back what comes in."""
    for name in _NAMES:
        layer.set({f"{name}.weight": torch.eye(dim), f"{name}.bias": 0})
    return layer


def _two(answer: object) -> tuple[Tensor, Tensor]:
    if not (isinstance(answer, tuple | list) and len(answer) == 2):
        raise Broken("two tensors are expected: the picture's tokens, and the text's")
    holds(all(isinstance(each, Tensor) for each in answer), "both answers should be tensors")
    return answer[0], answer[1]
