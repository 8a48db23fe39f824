"""Public checks of the module `score`: small examples, by hand; other exercises have files of their own.

Of a table of abar = 0.64, 0.36, 0.0784 the noise has the deviations 0.6, 0.8 and 0.96.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, tensor

from course.checking.expect import Work, close, exercise, holds, ordinary
from course.modules.score.checks_of_bonus import MyLevels, PredictorCorrector
from course.modules.score.checks_of_denoising import ClassifierGuidedEps, LinearDenoiser
from course.modules.score.checks_of_walks import LangevinStep, LogLikelihood

# All that a student is checked with, found here by their marks.
__all__ = [
    "ClassifierGuidedEps",
    "DenoisingScoreMatchingLoss",
    "LangevinStep",
    "LinearDenoiser",
    "LogLikelihood",
    "MixtureScore",
    "MyLevels",
    "PredictorCorrector",
    "ScoreFromEps",
    "Tweedie",
]

ABAR = tensor([0.64, 0.36, 0.0784], dtype=torch.float64)


@exercise("score_from_eps")
class ScoreFromEps:
    def by_hand(self, student: Work) -> None:
        """Noise of 2.4 at the timesteps 1 and 2, with deviations of 0.8 and 0.96: scores of -3 and -2.5."""
        close(
            student.score_from_eps(tensor([[2.4], [2.4]]), tensor([1, 2]), ABAR),
            [[-3.0], [-2.5]],
            symptoms={
                "The sign is missing: noise leads away from the data, and a score leads to it.": [
                    [3.0],
                    [2.5],
                ],
                "This is divided by the variance of the noise, not by its deviation.": [
                    [-3.75],
                    [-2.6041667],
                ],
                "This is divided by what is left of the picture.": [[-4.0], [-8.5714286]],
                "This is multiplied by the noise's deviation instead of divided.": [[-1.92], [-2.304]],
                "These are the scores one timestep too early.": [[-4.0], [-3.0]],
                "Both samples got the first one's timestep.": [[-3.0], [-3.0]],
            },
        )

    def way_back(self, student: Work) -> None:
        """The scores -3 and -2.5 at these timesteps stand for the noise 2.4 again."""
        close(
            student.eps_from_score(tensor([[-3.0], [-2.5]]), tensor([1, 2]), ABAR),
            [[2.4], [2.4]],
            symptoms={
                "Here eps_from_score divides: it has to undo what score_from_eps does.": [
                    [3.75],
                    [2.6041667],
                ],
                "Here eps_from_score keeps the sign: it has to turn back.": [[-2.4], [-2.4]],
            },
        )

    def any_shape(self, student: Work) -> None:
        """Pictures are treated as points are: each sample by its own timestep, all its numbers alike."""
        ones, t = torch.ones(3, 2, 2, 3), tensor([0, 1, 2])
        factors = tensor([0.6, 0.8, 0.96])[:, None, None, None]
        close(student.score_from_eps(ones, t, ABAR), -ones / factors)
        close(student.eps_from_score(ones, t, ABAR), -ones * factors)

    def dtypes(self, student: Work) -> None:
        """The result has the dtype of the first argument, whatever that of the table."""
        for kind in (torch.float64, torch.float16):
            close(
                student.score_from_eps(tensor([2.4], dtype=kind), tensor([1]), ABAR),
                tensor([-3.0], dtype=kind),
            )
            close(
                student.eps_from_score(tensor([-3.0], dtype=kind), tensor([1]), ABAR),
                tensor([2.4], dtype=kind),
            )


@exercise("mixture_score")
class MixtureScore:
    def one(self, student: Work) -> None:
        """One Gaussian at 0 with deviation 2: at x = 1 the slope is -1/4, back to the mean."""
        close(
            student.mixture_score(tensor([[1.0]]), tensor([[0.0]]), tensor([2.0]), tensor([1.0])),
            [[-0.25]],
            symptoms={
                "This leads downhill: the sign is turned round.": [[0.25]],
                "Here the deviation stands where the variance should.": [[-0.5]],
                "This is the slope of p itself, and not of log p.": [[-0.0440082]],
            },
        )

    def two(self, student: Work) -> None:
        """Two equal Gaussians at -1 and 1: at x = 1 the far one has a share of 0.12, and pulls by 2."""
        close(
            student.mixture_score(
                tensor([[1.0]]), tensor([[-1.0], [1.0]]), tensor([1.0, 1.0]), tensor([0.5, 0.5])
            ),
            [[-2 / (1 + math.exp(2))]],
            symptoms={
                "The half in the exponent is missing.": [[-2 / (1 + math.exp(4))]],
                "Here the scores are averaged by their weights, wherever x is: whose sample is it?": [[-1.0]],
                "Here the shares add up to 1 over the batch, and not over the Gaussians.": [[-2.0]],
            },
        )

    def widths_and_weights(self, student: Work) -> None:
        """A narrow Gaussian of weight 0.2 at (0, 0), a wide one of 0.8 at (2, 0), and x between the two."""

        def between(narrow: float, wide: float) -> list[list[float]]:
            return [[(wide / 4 - narrow) / (narrow + wide), 0.0]]

        near, far = math.exp(-1 / 2), math.exp(-1 / 8)
        close(
            student.mixture_score(
                tensor([[1.0, 0.0]]),
                tensor([[0.0, 0.0], [2.0, 0.0]]),
                tensor([1.0, 2.0]),
                tensor([0.2, 0.8]),
            ),
            between(0.2 * near, 0.8 / 4 * far),
            symptoms={
                "The weights are left out.": between(near, far / 4),
                "Here a wide Gaussian is as high as a narrow one.": between(0.2 * near, 0.8 * far),
                "Here the height is that of one dimension: there are D.": between(0.2 * near, 0.8 / 2 * far),
            },
        )

    def far_away(self, student: Work) -> None:
        """A hundred deviations away all densities underflow; the score is finite and leads to the nearer."""
        for x, expected in ((101.0, -100.0), (-1001.0, 1000.0)):
            close(
                student.mixture_score(
                    tensor([[x]]), tensor([[-1.0], [1.0]]), tensor([1.0, 1.0]), tensor([0.5, 0.5])
                ),
                [[expected]],
            )

    def batches(self, student: Work) -> None:
        """Each place has its own score, whoever else is in the batch; float64 stays float64."""
        x = tensor([[1.0, 0.0], [-3.0, 1.0], [0.0, 2.0]], dtype=torch.float64)
        means, deviations, weights = (
            tensor([[0.0, 1.0]], dtype=torch.float64),
            tensor([0.5], dtype=torch.float64),
            tensor([1.0], dtype=torch.float64),
        )
        close(student.mixture_score(x, means, deviations, weights), (means - x) * 4)


@exercise("tweedie")
class Tweedie:
    def by_hand(self, student: Work) -> None:
        """At x = 6 with score -0.5: with sigma = 3 it leads to 6 - 4.5, with sigma = 1 to 6 - 0.5."""
        x, score = tensor([[6.0], [6.0]]), tensor([[-0.5], [-0.5]])
        close(
            student.tweedie(x, score, tensor([3.0, 1.0])),
            [[1.5], [5.5]],
            symptoms={
                "This moves away from the data: the correction is added.": [[10.5], [6.5]],
                "Here sigma is not squared.": [[4.5], [5.5]],
                "This is half of the correction.": [[3.75], [5.75]],
                "Here the score is divided by the variance.": [[5.9444444], [5.5]],
                "Both samples got the first one's sigma.": [[1.5], [1.5]],
                "This is the correction alone, without x.": [[-4.5], [-0.5]],
            },
        )

    def all_the_way(self, student: Work) -> None:
        """If only the point (2, -1) can be behind a sample, it leads there, from anywhere, by any sigma."""
        point, x, sigma = tensor([[2.0, -1.0]]), tensor([[5.0, 0.0], [-7.0, 3.0]]), tensor([0.5, 4.0])
        close(student.tweedie(x, (point - x) / sigma[:, None] ** 2, sigma), point.expand(2, 2))

    def any_shape(self, student: Work) -> None:
        """Pictures are treated as points are, and without noise nothing is to be corrected."""
        x, sigma = torch.zeros(3, 2, 1, 3), tensor([0.0, 1.0, 2.0])
        close(
            student.tweedie(x, torch.ones_like(x), sigma),
            tensor([0.0, 1.0, 4.0])[:, None, None, None].expand(3, 2, 1, 3),
        )

    def dtypes(self, student: Work) -> None:
        """The result has the dtype of x, whatever that of sigma."""
        for kind in (torch.float64, torch.float16):
            x, score = tensor([6.0], dtype=kind), tensor([-0.5], dtype=kind)
            close(student.tweedie(x, score, tensor([3.0], dtype=torch.float64)), tensor([1.5], dtype=kind))


class _Model:
    """A score model made of a formula, which notes what it was asked."""

    def __init__(self, formula: Callable[[Tensor, Tensor], Tensor], said: str) -> None:
        self.formula, self.said = formula, said
        self.asked: list[tuple[Tensor, Tensor]] = []

    def __repr__(self) -> str:
        return f"a model whose score is {self.said}"

    def __call__(self, x: Tensor, sigma: Tensor) -> Tensor:
        self.asked.append((x, sigma))
        return self.formula(x, sigma)


@exercise("denoising_score_matching_loss")
class DenoisingScoreMatchingLoss:
    def by_hand(self, student: Work) -> None:
        """x = 1 and 2 become 3 and 1.5, and the model answers -3 and -1.5: the mean of 5^2 and 1.75^2."""
        x, sigma, noise = tensor([[1.0], [2.0]]), tensor([2.0, 0.5]), tensor([[1.0], [-1.0]])
        close(
            student.denoising_score_matching_loss(_Model(lambda x, _: -x, "-x"), x, sigma, noise),
            tensor(14.03125),
            symptoms={
                "The target has the wrong sign.": tensor(24.53125),
                "The weight sigma^2 is missing.": tensor(9.25),
                "The weight is sigma, and it should be its square.": tensor(9.3125),
                "The target is divided by the variance: one sigma cancels.": tensor(18.90625),
                "The model was asked at the clean samples.": tensor(2.5),
                "The noise is added without its sigma.": tensor(5.625),
                "This is half of the loss: there is no 1/2 here.": tensor(7.015625),
            },
        )

    def nothing_learned(self, student: Work) -> None:
        """A model that answers 0 has the mean square of the noise: of 1, 2, 3, 0 it is 3.5, at any level."""
        x, noise = torch.zeros(2, 2), tensor([[1.0, 2.0], [3.0, 0.0]])
        for levels in ([1.0, 1.0], [0.01, 50.0]):
            close(
                student.denoising_score_matching_loss(
                    _Model(lambda x, _: 0 * x, "0"), x, tensor(levels), noise
                ),
                tensor(3.5),
                symptoms={"Here a sample's squares are added up: the mean is over all numbers.": tensor(7.0)},
            )

    def all_learned(self, student: Work) -> None:
        """A model that answers -noise / sigma has a loss of 0."""
        x, sigma, noise = torch.zeros(2, 1), tensor([2.0, 0.5]), tensor([[1.0], [-1.0]])
        model = _Model(
            lambda x, sigma: -x / sigma[:, None] ** 2, "-x / sigma^2"
        )  # x0 is 0: all of x is noise
        close(student.denoising_score_matching_loss(model, x, sigma, noise), tensor(0.0))

    def asked_once(self, student: Work) -> None:
        """The model is asked once, with the noisy pictures and with one sigma for each of them."""
        x, sigma = torch.zeros(3, 2, 1, 2), tensor([1.0, 2.0, 3.0], dtype=torch.float64)
        model, noise = _Model(lambda x, _: 0 * x, "0"), torch.ones(3, 2, 1, 2, dtype=torch.float64)
        loss = student.denoising_score_matching_loss(model, x.double(), sigma, noise)
        close(loss, tensor(1.0, dtype=torch.float64))
        holds(len(model.asked) == 1, f"the model was asked {len(model.asked)} times, once is enough")
        noisy, told = model.asked[0]
        holds(
            isinstance(told, Tensor) and told.shape == (3,),
            "the model is to get sigma as it is, [B]: a number for each sample",
        )
        close(noisy, sigma[:, None, None, None] * noise)

    def learns(self, student: Work) -> None:
        """Gradients reach the model's weight: of w, where the score is -w x, it is 42.5."""
        w = tensor(1.0, requires_grad=True)
        with torch.enable_grad():
            model = _Model(lambda x, _: -w * x, "-w x")
            loss = student.denoising_score_matching_loss(
                model, tensor([[1.0]]), tensor([2.0]), tensor([[0.75]])
            )
            holds(ordinary(loss).dim() == 0 and loss.requires_grad, "no gradient can flow back from the loss")
            (slope,) = torch.autograd.grad(loss, w)
        # (-2 w 2.5 + 0.75)^2 at w = 1: twice -4.25 times -5.
        close(slope, tensor(42.5))
