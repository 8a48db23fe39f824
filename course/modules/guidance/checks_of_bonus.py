"""Public checks of the bonus tasks of the module `guidance`."""

from __future__ import annotations

import math

import torch
from torch import Tensor, tensor

from course.checking.expect import Broken, Work, close, exercise, holds


class _Model:
    """Predicts the condition, everywhere; 0 stands for none. Notes how large its batches are."""

    def __init__(self) -> None:
        self.batches: list[int] = []

    def __call__(self, x: Tensor, t: Tensor, cond: Tensor) -> Tensor:
        self.batches.append(len(x))
        return cond.to(x.dtype).reshape(-1, *[1] * (x.dim() - 1)) * torch.ones_like(x)


@exercise("interval_guided_eps")
class IntervalGuidedEps:
    def each_its_own(self, student: Work) -> None:
        """Predictions 0 and 2, w = 3: guided it is 6, outside the interval 2, each by its own timestep."""
        close(
            self._asked(student, tensor([100, 400, 900])),
            [[2.0, 2.0], [6.0, 6.0], [2.0, 2.0]],
            symptoms={
                "Outside the interval this is the prediction without a condition.": [
                    [0.0] * 2,
                    [6.0] * 2,
                    [0.0] * 2,
                ],
                "Inside and outside are exchanged.": [[6.0] * 2, [2.0] * 2, [6.0] * 2],
                "All samples are guided, whatever their timestep.": [[6.0] * 2] * 3,
                "One timestep decides for the whole batch.": [[2.0] * 2] * 3,
            },
        )

    def both_ends(self, student: Work) -> None:
        """Both ends of the interval belong to it."""
        close(self._asked(student, tensor([300, 600, 299])), [[6.0] * 2, [6.0] * 2, [2.0] * 2])

    def one_call(self, student: Work) -> None:
        """The model is asked once, with twice the batch, also where nothing is guided."""
        model = _Model()
        x, t = torch.zeros(2, 3, 4, 5), tensor([0, 999])
        student.interval_guided_eps(model, x, t, tensor([2, 2]), tensor(0), 3.0, 300, 600)
        holds(model.batches == [4], f"for 2 samples it was asked with batches of {model.batches}")

    def _asked(self, student: Work, t: Tensor) -> Tensor:
        x, cond = torch.zeros(3, 2), tensor([2, 2, 2])
        answer: Tensor = student.interval_guided_eps(_Model(), x, t, cond, tensor(0), 3.0, 300, 600)
        return answer


@exercise("my_scale")
class MyScale:
    def numbers(self, student: Work) -> None:
        """A number from 0 to 15 for each of the thousand timesteps."""
        for t in range(1000):
            w = student.my_scale(t)
            if isinstance(w, bool) or not isinstance(w, (int, float)) or not math.isfinite(w):
                raise Broken(f"at t = {t} it is {w!r}, which is no number")
            holds(0 <= w <= 15, f"at t = {t} it is {w:g}")

    def changes(self, student: Work) -> None:
        """It is not the same at all times."""
        scales = {round(float(student.my_scale(t)), 6) for t in range(0, 1000, 27)}
        holds(len(scales) > 1, f"it is {next(iter(scales)):g} everywhere: then it is plain guidance")
