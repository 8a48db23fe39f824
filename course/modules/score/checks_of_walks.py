"""Public checks of Langevin's walk, and of likelihoods along a flow."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, tensor

from course.checking.expect import Work, close, exercise, holds


class Slope:
    """A score made of a formula, which notes the levels that it was asked for."""

    def __init__(self, formula: Callable[[Tensor, Tensor], Tensor], said: str) -> None:
        self.formula, self.said = formula, said
        self.levels: list[float] = []

    def __repr__(self) -> str:
        return f"a score that is {self.said}"

    def __call__(self, x: Tensor, sigma: Tensor) -> Tensor:
        if not (isinstance(sigma, Tensor) and sigma.shape == (len(x),)):
            got = tuple(sigma.shape) if isinstance(sigma, Tensor) else type(sigma).__name__
            raise ValueError(f"the score is to get a sigma for each sample, ({len(x)},); it got {got}")
        if sigma.dtype != x.dtype:
            raise ValueError(f"the score got x of {x.dtype}, and a sigma of {sigma.dtype}")
        self.levels.append(round(float(sigma[0]), 6))
        return self.formula(x, sigma.reshape(-1, *[1] * (x.dim() - 1)))


@exercise("langevin_step")
class LangevinStep:
    def by_hand(self, student: Work) -> None:
        """From 1, with score -1, noise 1 and a step of 0.04: half of it back, its root on: 1 - 0.02 + 0.2."""
        one = tensor([[1.0]])
        close(
            student.langevin_step(one, -one, 0.04, one),
            [[1.18]],
            symptoms={
                "This is the step as Song's blog counts it: x + step score + sqrt(2 step) noise.": [
                    [1.2428427]
                ],
                "The noise is multiplied by the step, and it should be by its root.": [[1.02]],
                "This walks downhill: the score is added.": [[1.22]],
                "The score is not halved.": [[1.16]],
                "No noise is added.": [[0.98]],
            },
        )

    def any_shape(self, student: Work) -> None:
        """Pictures walk as points do, number by number, and the dtype stays."""
        for kind in (torch.float64, torch.float16):
            x = torch.arange(12).reshape(2, 1, 2, 3).to(kind)
            close(student.langevin_step(x, torch.zeros_like(x), 1.0, torch.ones_like(x)), x + 1)
            close(student.langevin_step(x, torch.ones_like(x), 4.0, torch.zeros_like(x)), x + 2)

    def two_levels(self, student: Work) -> None:
        """Two steps at sigma = 2, then two at 1, from 10: 10.2, 9.596, 9.80408, 9.608."""
        noises = tensor([1.0, -1.0, 2.0, 0.0]).view(4, 1, 1)
        close(
            student.annealed_langevin(_back(), tensor([[10.0]]), [2.0, 1.0], 2, 0.04, noises),
            [[9.6079984]],
            symptoms={
                "Here the step is the same at every level: it is scale * sigma^2.": [[9.8992397]],
                "Here the step goes with sigma: it goes with its square.": [[9.8021640]],
                "Here the smallest level comes first: take them as they are given.": [[10.00384]],
                "Here the second level takes the noises of the first again.": [[9.2119984]],
                "Here there is one step at each level.": [[10.396]],
            },
        )

    def levels(self, student: Work) -> None:
        """The score is asked once a step, with the level for each sample: 3, 3, 0.5, 0.5."""
        score, x = _back(), torch.zeros(3, 2, dtype=torch.float64)
        found = student.annealed_langevin(
            score, x, [3.0, 0.5], 2, 0.1, torch.zeros(4, 3, 2, dtype=torch.float64)
        )
        close(found, x)
        holds(score.levels == [3.0, 3.0, 0.5, 0.5], f"it was asked for the levels {score.levels}")


def _back() -> Slope:
    return Slope(lambda x, sigma: -x / sigma**2, "-x / sigma^2")


class _Mixed(torch.autograd.Function):
    """(a, b) becomes (a^2 + 3 b, 5 a + b^2); torch.func cannot look into it, as into many models."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        a, b = x.unbind(1)
        return torch.stack([a**2 + 3 * b, 5 * a + b**2], 1)

    @staticmethod
    def backward(ctx: Any, *cotangents: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        (a, b), (u, v) = x.unbind(1), cotangents[0].unbind(1)
        return torch.stack([2 * a * u + 5 * v, 3 * u + 2 * b * v], 1)


class _F:
    def __init__(self) -> None:
        self.asked = 0

    def __repr__(self) -> str:
        return "f(a, b) = (a^2 + 3 b, 5 a + b^2)"

    def __call__(self, x: Tensor) -> Tensor:
        self.asked += 1
        mix: Any = _Mixed.apply
        mixed: Tensor = mix(x)
        return mixed


X = tensor([[1.0, 2.0], [0.0, 1.0]])


@exercise("log_likelihood")
class LogLikelihood:
    def trace(self, student: Work) -> None:
        """divergence of f(a, b) = (a^2 + 3 b, 5 a + b^2) is 2 a + 2 b: 6 at (1, 2), and 2 at (0, 1)."""
        close(
            student.divergence(_F(), X),
            [6.0, 2.0],
            symptoms={
                "Here all four derivatives are added up: the trace has the diagonal alone.": [14.0, 10.0],
                "Here the samples of the batch are added up.": tensor(8.0),
                "This is the mean of the diagonal, and not its sum.": [3.0, 1.0],
                "This is the first entry of the diagonal alone.": [2.0, 0.0],
                "This is what the probe (1, -1) gives: the divergence is to be exact.": [-2.0, -6.0],
            },
        )

    def probes(self, student: Work) -> None:
        """hutchinson with the probe (1, -1) gives 2 - 3 - 5 + 4 = -2 at (1, 2), from one call of f."""
        f = _F()
        close(
            student.hutchinson(f, X, tensor([[1.0, -1.0], [1.0, 1.0]])),
            [-2.0, 10.0],
            symptoms={
                "Here the probe is multiplied from one side only.": [-4.0, 10.0],
                "This is the mean over the numbers of a sample, and not their sum.": [-1.0, 5.0],
            },
        )
        holds(f.asked == 1, f"f was called {f.asked} times: once is enough")

    def one_step(self, student: Work) -> None:
        """From sigma = 1 to 2 the score -x / (1 + sigma^2) takes (1, 0) to (1.55, 0), and 0.9 is gained."""
        normal = math.log(8 * math.pi)  # of two numbers with deviation 2
        score = Slope(lambda x, sigma: -x / (1 + sigma**2), "-x / (1 + sigma^2)")
        close(
            student.log_likelihood(score, tensor([[1.0, 0.0]]), [1.0, 2.0]),
            [-(1.55**2) / 8 - normal + 0.9],
            symptoms={
                "The prior's normalising constant is forgotten.": [-(1.55**2) / 8 + 0.9],
                "The prior's constant is counted for one number, and there are D.": (
                    [-(1.55**2) / 8 - normal / 2 + 0.9]
                ),
                "The divergence is subtracted: going back along the flow, it is gained.": (
                    [-(1.55**2) / 8 - normal - 0.9]
                ),
                "This is a step of Euler's: Heun's takes the mean of two slopes.": [
                    -(1.5**2) / 8 - normal + 1.0
                ],
                "Here the divergence is that of the step's start alone.": [-(1.55**2) / 8 - normal + 1.0],
                "Here sigma^2 stands before the score: in the flow it is sigma.": [
                    -(1.85**2) / 8 - normal + 1.3
                ],
                "This is half of the flow: before the score stands -sigma.": [-(1.25**2) / 8 - normal + 0.45],
            },
        )

    def from_no_noise(self, student: Work) -> None:
        """The first level may be 0, where the flow stands still: at sigma = 1, 1 has come to 1.25."""
        score = Slope(lambda x, sigma: -x / (1 + sigma**2), "-x / (1 + sigma^2)")
        x = tensor([[1.0], [0.0]], dtype=torch.float64)
        normal = math.log(2 * math.pi) / 2
        expected = tensor([-(1.25**2) / 2 - normal + 0.25, -normal + 0.25], dtype=torch.float64)
        close(student.log_likelihood(score, x, [0.0, 1.0]), expected)

    def without_gradients(self, student: Work) -> None:
        """All three work inside `with torch.no_grad():`."""
        score = Slope(lambda x, sigma: -x / (1 + sigma**2), "-x / (1 + sigma^2)")
        with torch.no_grad():
            close(student.divergence(_F(), X), [6.0, 2.0])
            close(student.hutchinson(_F(), X, torch.ones(2, 2)), [14.0, 10.0])
            close(
                student.log_likelihood(score, tensor([[1.0, 0.0]]), [1.0, 2.0]),
                [-(1.55**2) / 8 - math.log(8 * math.pi) + 0.9],
            )
