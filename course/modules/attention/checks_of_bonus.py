"""Public checks of the bonus tasks of the module `attention`."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, tensor
from torch.utils._python_dispatch import TorchDispatchMode

from course.checking.expect import Work, close, exercise, holds, ordinary
from course.modules.attention.checks_of_functions import LN3


@exercise("attention_in_blocks")
class AttentionInBlocks:
    def by_hand(self, student: Work) -> None:
        """Scores 0 and ln 3 in two blocks of one key: the values 0 and 4 are mixed to 3."""
        q, k = tensor([1.0]).view(1, 1, 1, 1), tensor([0.0, LN3]).view(1, 1, 2, 1)
        close(
            student.attention_in_blocks(q, k, tensor([0.0, 4.0]).view(1, 1, 2, 1), 1),
            tensor([3.0]).view(1, 1, 1, 1),
            symptoms={
                "Each block was averaged by itself: their sums have to be brought together.": (
                    tensor([2.0]).view(1, 1, 1, 1)
                ),
                "Only the last block is in the result.": tensor([4.0]).view(1, 1, 1, 1),
                "The blocks were added up and not divided by the sum of all weights.": (
                    tensor([12.0]).view(1, 1, 1, 1)
                ),
            },
        )

    def any_block(self, student: Work) -> None:
        """The size of the block makes no difference, also where the last block is smaller or the only one."""
        q, k, v = (_waves(2, 2, rows, d) for rows, d in ((3, 4), (7, 4), (7, 5)))
        expected = torch.softmax(q @ k.mT / 2, -1) @ v
        for block in (1, 3, 7, 100):
            close(student.attention_in_blocks(q, k, v, block), expected)

    def large_scores(self, student: Work) -> None:
        """Scores of a thousand overflow nowhere, whether the largest comes first or last."""
        q, v = tensor([1000.0]).view(1, 1, 1, 1), tensor([1.0, 2.0, 3.0]).view(1, 1, 3, 1)
        for scores, value in (([0.0, -1.0, 1.0], 3.0), ([1.0, 0.0, -1.0], 1.0), ([-3.0, -2.0, -3.0], 2.0)):
            k = tensor(scores).view(1, 1, 3, 1)
            close(student.attention_in_blocks(q, k, v, 1), tensor([value]).view(1, 1, 1, 1))

    def never_all_at_once(self, student: Work) -> None:
        """No matrix of all the scores is made on the way."""
        L, S = 5, 48
        q, k, v = (_waves(1, 1, rows, 2) for rows in (L, S, S))
        with _Sizes() as sizes:
            student.attention_in_blocks(q, k, v, 4)
        largest = max(sizes.seen, default=0)
        holds(
            largest < L * S,
            f"for {L} queries, {S} keys and blocks of 4 a tensor of {largest} numbers was made: as large as "
            "all the scores",
        )


@exercise("emphasise")
class Emphasise:
    WEIGHTS = ((0.5, 0.25, 0.25), (0.1, 0.8, 0.1), (0.0, 0.3, 0.7))

    def shares(self, student: Work) -> None:
        """Each row adds up to 1 and has no negative weight, whether the word is made louder or softer."""
        for strength in (-3.0, 0.5, 2.0, 6.0):
            out = ordinary(student.emphasise(tensor(self.WEIGHTS), 0, strength))
            holds(out.shape == (3, 3), f"the shape is {tuple(out.shape)}, it should be (3, 3)")
            holds(bool((out >= 0).all()), f"with strength {strength:g} there are weights below 0, or NaN")
            worst = float((out.sum(-1) - 1).abs().max())
            holds(
                worst < 1e-4,
                f"with strength {strength:g} a row adds up to {1 + worst:.3g}, or as far below 1",
            )

    def nothing(self, student: Work) -> None:
        """Strength 0 changes nothing."""
        close(student.emphasise(tensor(self.WEIGHTS), 1, 0.0), tensor(self.WEIGHTS))

    def more_is_more(self, student: Work) -> None:
        """The stronger, the more weight the word has, in each row where it had some and others had, too."""
        given, before = tensor(self.WEIGHTS)[:2], None
        for strength in (-1.0, 0.0, 1.0, 3.0):
            own = ordinary(student.emphasise(given, 1, strength))[:, 1]
            if before is not None:
                holds(bool((own > before).all()), f"at strength {strength:g} it is no louder than before")
            before = own


def _waves(*shape: int) -> Tensor:
    """Numbers without a pattern that are the same every time."""
    count = torch.arange(torch.Size(shape).numel(), dtype=torch.float64)
    return (2 * torch.sin(count * count + len(shape) * shape[-2])).float().view(shape)


class _Sizes(TorchDispatchMode):
    """Notes how many numbers each tensor has that torch computes."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.seen: list[int] = []

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = function(*args, **(kwargs or {}))
        self.seen += [
            one.numel()
            for one in (out if isinstance(out, (tuple, list)) else [out])
            if isinstance(one, Tensor)
        ]
        return out
