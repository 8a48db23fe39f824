"""Public checks of the bonus tasks of the module `lora`."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, tensor

from course.checking.expect import Broken, Work, close, exercise, holds, ordinary


@exercise("extract_lora")
class ExtractLora:
    def shapes(self, student: Work) -> None:
        """A is [r, C] and B is [D, r]."""
        a, b = _pair(student, torch.zeros(3, 5), torch.ones(3, 5), 2)
        holds(a.shape == (2, 5), f"A has the shape {tuple(a.shape)}, it should be (2, 5)")
        holds(b.shape == (3, 2), f"B has the shape {tuple(b.shape)}, it should be (3, 2)")

    def what_has_rank_one(self, student: Work) -> None:
        """A change that has rank 1 is found whole."""
        base = torch.arange(6.0).reshape(2, 3)
        change = tensor([[1.0, 2.0, 0.0], [3.0, 6.0, 0.0]])
        a, b = _pair(student, base, base + change, 1)
        close(b @ a, change, symptoms={"The update leads back, from tuned to base.": -change}, tolerance=1e-3)

    def the_largest(self, student: Work) -> None:
        """Of a change of 4, 3 and 1 in three directions, rank 2 keeps the 4 and the 3."""
        change = tensor([[0.0, 0.0, 1.0], [0.0, 4.0, 0.0], [3.0, 0.0, 0.0]])
        a, b = _pair(student, torch.zeros(3, 3), change, 2)
        close(
            b @ a,
            tensor([[0.0, 0.0, 0.0], [0.0, 4.0, 0.0], [3.0, 0.0, 0.0]]),
            symptoms={
                "The first two rows were kept, not the two largest directions.": (
                    tensor([[0.0, 0.0, 1.0], [0.0, 4.0, 0.0], [0.0, 0.0, 0.0]])
                ),
                "The sizes count twice: share each out between A and B.": (
                    tensor([[0.0, 0.0, 0.0], [0.0, 16.0, 0.0], [9.0, 0.0, 0.0]])
                ),
                "The sizes of the directions are missing.": (
                    tensor([[0.0, 0.0, 0.0], [0.0, 1.0, 0.0], [1.0, 0.0, 0.0]])
                ),
            },
            tolerance=1e-3,
        )


@exercise("my_targets")
class MyTargets:
    SIZES = (("in", 30), ("down.to_q", 100), ("mid.to_q", 200), ("up.conv1", 400), ("out", 50))

    def names(self, student: Work) -> None:
        """It returns names that it was given, at least one and none twice."""
        for budget in (50, 300, 10_000):
            self._chosen(student, budget)

    def budget(self, student: Work) -> None:
        """Together their updates have no more weights than the budget allows."""
        sizes = dict(self.SIZES)
        for budget in (30, 50, 150, 460, 10_000):
            total = sum(sizes[name] for name in self._chosen(student, budget))
            holds(total <= budget, f"with a budget of {budget} it chose layers of {total} weights together")

    def _chosen(self, student: Work, budget: int) -> list[str]:
        sizes = dict(self.SIZES)
        answer: Any = student.my_targets(dict(sizes), budget)
        if not isinstance(answer, (list, tuple)) or not answer:
            raise Broken(
                f"with a budget of {budget} it returned {answer!r}: a list with a name in it is expected"
            )
        strange = [name for name in answer if name not in sizes]
        holds(not strange, f"{(strange or [''])[0]!r} is no name of a layer that it was given")
        holds(len(set(answer)) == len(answer), "a layer is named twice")
        return list(answer)


def _pair(student: Work, base: Tensor, tuned: Tensor, r: int) -> tuple[Tensor, Tensor]:
    answer = student.extract_lora(base, tuned, r)
    if not (isinstance(answer, list | tuple) and len(answer) == 2):
        raise Broken("a pair of tensors is expected: A, then B")
    return ordinary(answer[0]), ordinary(answer[1])
