"""Public checks of the best linear denoiser, and of guidance by a classifier."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, tensor

from course.checking.expect import Broken, Work, close, exercise
from course.checking.show import a

# The noise has the deviations 0.6, 0.8 and 0.96.
ABAR = tensor([0.64, 0.36, 0.0784], dtype=torch.float64)


def _pair(answer: Any) -> tuple[Any, Any]:
    if not (isinstance(answer, tuple | list) and len(answer) == 2):
        raise Broken(f"two tensors are expected, weight and bias; {a(answer)} was returned")
    return answer[0], answer[1]


@exercise("linear_denoiser")
class LinearDenoiser:
    def by_hand(self, student: Work) -> None:
        """1, 1, 5, 5 have mean 3 and variance 4; with sigma = 3 the weight is 4/13, the bias 27/13."""
        weight, bias = _pair(student.linear_denoiser(tensor([[1.0], [1.0], [5.0], [5.0]]), 3.0))
        close(
            weight,
            [[4 / 13]],
            symptoms={
                "The rows are not centred: covariance is about distances from the mean.": [[13 / 22]],
                "The covariance is divided by N - 1: divide by N.": [[16 / 43]],
                "Here sigma is not squared.": [[4 / 7]],
                "The noise is divided by the number of rows.": [[16 / 25]],
                "This is the inverse alone: multiply by the covariance.": [[1 / 13]],
            },
        )
        close(
            bias,
            [27 / 13],
            symptoms={"The bias is the mean: take from it what the weight makes of the mean.": [3.0]},
        )

    def together(self, student: Work) -> None:
        """Of (1, 1), (-1, -1), (0, 0) both columns say the same: each is denoised by both, 2/7 and 2/7."""
        weight, bias = _pair(student.linear_denoiser(tensor([[1.0, 1.0], [-1.0, -1.0], [0.0, 0.0]]), 1.0))
        close(
            weight,
            [[2 / 7, 2 / 7], [2 / 7, 2 / 7]],
            symptoms={"Here each column is denoised by itself.": [[0.4, 0.0], [0.0, 0.4]]},
        )
        close(bias, [0.0, 0.0])

    def without_noise(self, student: Work) -> None:
        """Without noise nothing is to be done: the weight is the identity, and the bias 0."""
        rows = tensor([[1.0, 2.0], [3.0, 2.0], [1.0, 5.0], [3.0, 5.0]], dtype=torch.float64)
        weight, bias = _pair(student.linear_denoiser(rows, 0.0))
        close(weight, torch.eye(2, dtype=torch.float64))
        close(bias, torch.zeros(2, dtype=torch.float64), tolerance=1e-4)

    def few_rows(self, student: Work) -> None:
        """A single row is always what was there: nothing of what is seen counts, and the bias is the row."""
        weight, bias = _pair(student.linear_denoiser(tensor([[1.0, -2.0, 4.0]]), 0.5))
        close(weight, torch.zeros(3, 3))
        close(bias, [1.0, -2.0, 4.0])


class _Classifier:
    """log p = -x^2 / 2, whose slope is -x."""

    def __repr__(self) -> str:
        return "a classifier with log_prob = -x^2 / 2 for each sample"

    def __call__(self, x: Tensor, t: Tensor) -> Tensor:
        if t.dim() != 1 or len(t) != len(x):
            raise ValueError(
                f"the classifier got x of shape {tuple(x.shape)}, but t of shape {tuple(t.shape)}"
            )
        return -x.flatten(1).square().sum(1) / 2


@exercise("classifier_guided_eps")
class ClassifierGuidedEps:
    def by_hand(self, student: Work) -> None:
        """The slope at 1 and 2 is -1 and -2, and the scale 3: 0.5 + 3 * 0.8 * 1 and 0.5 + 3 * 0.96 * 2."""
        eps, x = tensor([[0.5], [0.5]]), tensor([[1.0], [2.0]])
        close(
            student.classifier_guided_eps(eps, _Classifier(), x, tensor([1, 2]), ABAR, 3.0),
            [[2.9], [6.26]],
            symptoms={
                "The correction has the wrong sign.": [[-1.9], [-5.26]],
                "A factor is missing before the slope: see your eps_from_score.": [[3.5], [6.5]],
                "The factor is the variance of the noise, and it should be its deviation.": [
                    [2.42],
                    [6.0296],
                ],
                "The factor is that of the picture.": [[2.3], [2.18]],
                "Here the gradient shrinks with the batch: take that of the sum, not of the mean.": (
                    [[1.7], [3.38]]
                ),
                "This is the gradient of the probability, not of its logarithm.": [[1.9556736], [1.2795312]],
                "This is the correction alone, without eps.": [[2.4], [5.76]],
                "The scale is not used.": [[1.3], [2.42]],
            },
        )

    def no_guidance(self, student: Work) -> None:
        """With a scale of 0 the prediction stays as it is, for pictures as well."""
        eps = torch.arange(12.0).reshape(2, 1, 2, 3)
        found = student.classifier_guided_eps(
            eps, _Classifier(), torch.ones(2, 1, 2, 3), tensor([0, 2]), ABAR, 0.0
        )
        close(found, eps)

    def without_gradients(self, student: Work) -> None:
        """It works inside `with torch.no_grad():`, as samplers call it."""
        with torch.no_grad():
            found = student.classifier_guided_eps(
                tensor([[0.5]]), _Classifier(), tensor([[1.0]]), tensor([1]), ABAR, 3.0
            )
        close(found, [[2.9]])

    def dtype(self, student: Work) -> None:
        """The result has the dtype of x, whatever that of the table."""
        for kind in (torch.float64, torch.float32):
            eps, x = tensor([[0.5]], dtype=kind), tensor([[1.0]], dtype=kind)
            close(
                student.classifier_guided_eps(eps, _Classifier(), x, tensor([1]), ABAR, 3.0),
                tensor([[2.9]], dtype=kind),
            )
