"""Public checks of the bonus tasks of the module `noise`."""

from __future__ import annotations

import torch
from torch import tensor

from course.checking.expect import Work, close, exercise, holds, ordinary

# Square roots without remainder: (0.8, 0.6), (0.6, 0.8), and nothing left.
ABAR = tensor([0.64, 0.36, 0.0], dtype=torch.float64)


@exercise("v_prediction")
class VPrediction:
    def target(self, student: Work) -> None:
        """With abar = 0.64, x0 = 1 and noise = 2, v is 0.8 * 2 - 0.6 * 1 = 1. Each sample has its own t."""
        close(
            student.v_target(tensor([[1.0], [1.0]]), tensor([[2.0], [2.0]]), tensor([0, 1]), ABAR),
            [[1.0], [0.4]],
            symptoms={
                "This is x_t: v has the roots the other way round, and a minus.": [[2.0], [2.2]],
                "The sign is turned round.": [[-1.0], [-0.4]],
                "The roots are missing.": [[0.92], [0.08]],
            },
        )

    def no_picture_left(self, student: Work) -> None:
        """Where nothing of the picture is left, v is the picture with its sign turned, and gives it back."""
        x0, noise, t = tensor([[0.5, -1.0]]), tensor([[3.0, 4.0]]), tensor([2])
        close(student.v_target(x0, noise, t, ABAR), [[-0.5, 1.0]])
        close(student.x0_from_v(noise, tensor([[-0.5, 1.0]]), t, ABAR), [[0.5, -1.0]])

    def back(self, student: Work) -> None:
        """x_t = 0.8 * 1 + 0.6 * 2 = 2 and v = 1 give back the picture: 0.8 * 2 - 0.6 * 1 = 1."""
        close(
            student.x0_from_v(tensor([[2.0], [2.2]]), tensor([[1.0], [0.4]]), tensor([0, 1]), ABAR),
            [[1.0], [1.0]],
            symptoms={
                "This is the noise: x0 has the roots the other way round, and a minus.": [[2.0], [2.0]]
            },
        )

    def pictures(self, student: Work) -> None:
        """Batches of pictures work, as wide as there are samples, and keep their dtype."""
        x0 = torch.linspace(-1, 1, 3 * 2 * 2 * 3).reshape(3, 2, 2, 3)
        out = student.v_target(x0, torch.zeros_like(x0), tensor([0, 1, 2]), ABAR)
        close(out, -x0 * tensor([0.6, 0.8, 1.0])[:, None, None, None])


@exercise("my_schedule")
class MySchedule:
    def betas(self, student: Work) -> None:
        """As many betas as steps, float64, each above 0 and at most 1, for 20 steps and for 1000."""
        for T in (20, 50, 1000):
            betas = ordinary(student.my_schedule(T))
            holds(betas.shape == (T,), f"for T = {T} the shape is {tuple(betas.shape)}")
            holds(betas.dtype == torch.float64, f"the dtype is {betas.dtype}, it should be torch.float64")
            right = bool(((betas > 0) & (betas <= 1)).all())
            holds(right, f"for T = {T} the betas go from {betas.min():.3g} to {betas.max():.3g}")

    def ends(self, student: Work) -> None:
        """The first step leaves 99% of the variance at least, all of them together at most 1%."""
        for T in (20, 50, 1000):
            left = torch.cumprod(1 - ordinary(student.my_schedule(T)), 0)
            holds(left[0] >= 0.99, f"for T = {T} the first step leaves {left[0]:.1%}")
            holds(left[-1] <= 0.01, f"for T = {T} there is {left[-1]:.1%} left at the end")
