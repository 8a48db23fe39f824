"""Public checks of the module `stable_diffusion`: latents, prompts and noises, by hand."""

from __future__ import annotations

import math

import torch
from torch import Tensor, tensor

from course.checking.expect import Work, close, exercise, ordinary

LN4 = math.log(4)


@exercise("reparameterize")
class Reparameterize:
    def by_hand(self, student: Work) -> None:
        """With mean 1 and variance 4, noise of 0.5 moves the sample by one: to 2."""
        close(
            student.reparameterize(tensor([[1.0]]), tensor([[LN4]]), tensor([[0.5]])),
            [[2.0]],
            symptoms={
                "The noise was multiplied by the variance, not by the standard deviation.": [[3.0]],
                "The noise was multiplied by the logarithm itself.": [[1.693147]],
                "The root was taken of the logarithm: take it of the variance, or halve the logarithm.": [
                    [2.622955]
                ],
            },
        )

    def narrow(self, student: Work) -> None:
        """A log variance may be negative: with -2 ln 4 the standard deviation is a quarter."""
        close(
            student.reparameterize(tensor([[1.0]]), tensor([[-2 * LN4]]), tensor([[2.0]])),
            [[1.5]],
        )

    def divergence(self, student: Work) -> None:
        """Means 1 and 2, variances 4 and 1: half of 4 - ln 4, and half of 4, in one sample: 3.3069."""
        close(
            student.kl_to_standard_normal(tensor([[1.0, 2.0]]), tensor([[LN4, 0.0]])),
            [3.306853],
            symptoms={
                "This is the mean over the numbers of a sample: the divergence is their sum.": [1.653426],
                "One half is missing.": [6.613706],
                "The sign is wrong: a divergence is never negative.": [-3.306853],
                "The logarithm was added: it is subtracted.": [4.693147],
                "This is the divergence the other way round, from the standard normal.": [2.443147],
            },
        )

    def each_sample(self, student: Work) -> None:
        """Each sample has a divergence, whatever its shape; for the standard normal it is 0."""
        mean = torch.zeros(2, 1, 2, 3)
        mean[1] = 1.0
        close(student.kl_to_standard_normal(mean, torch.zeros(2, 1, 2, 3)), [0.0, 3.0])

    def dtypes(self, student: Work) -> None:
        """The results have the dtype of what is given."""
        mean = tensor([[1.0]], dtype=torch.float64)
        close(student.reparameterize(mean, 0 * mean, 2 * mean), 3 * mean)
        close(student.kl_to_standard_normal(mean, 0 * mean), tensor([0.5], dtype=torch.float64))


def _picture(*numbers: float) -> Tensor:
    return tensor(numbers).view(1, 1, 1, -1)


def _encode(pictures: Tensor) -> tuple[Tensor, Tensor]:
    """The picture itself is the mean, and the variance is 1."""
    return pictures, torch.zeros_like(pictures)


def _decode(latents: Tensor) -> Tensor:
    """A fifth of the latents."""
    return latents / 5


@exercise("encode_latents")
class EncodeLatents:
    def by_hand(self, student: Work) -> None:
        """A sample of 1 + 2 is shifted by 1 and scaled by 2: (3 - 1) * 2."""
        close(
            student.encode_latents(_encode, _picture(1.0), _picture(2.0), 2.0, 1.0),
            _picture(4.0),
            symptoms={
                "This is divided by the scale, not multiplied.": _picture(1.0),
                "This is scaled first and shifted after.": _picture(5.0),
                "This is the mean: the noise had no effect.": _picture(0.0),
            },
        )

    def decoded(self, student: Work) -> None:
        """Latents of 3 are divided by 2 and shifted by 1 back to 2.5; a fifth of that is 0.5."""
        close(
            student.decode_latents(_decode, _picture(3.0), 2.0, 1.0),
            _picture(0.5),
            symptoms={
                "This multiplies by the scale again: decoding undoes it.": _picture(1.0),
                "The shift was undone before the scaling: what was done last is undone first.": _picture(0.4),
                "The latents were limited: the picture should be.": _picture(0.3),
            },
        )

    def limits(self, student: Work) -> None:
        """Pictures end at -1 and 1; latents do not."""
        close(
            student.decode_latents(_decode, _picture(4.0, 10.0, -10.0), 1.0),
            _picture(0.8, 1.0, -1.0),
            symptoms={
                "The picture goes beyond -1 and 1.": _picture(0.8, 2.0, -2.0),
                "The latents were limited: the picture should be.": _picture(0.2, 0.2, -0.2),
            },
        )

    def same_noise(self, student: Work) -> None:
        """The noise is the one that is given: the same gives the same."""
        x, noise = _picture(0.5, -0.5), _picture(1.0, 2.0)
        first, second = (student.encode_latents(_encode, x, noise, 1.0) for _ in range(2))
        close(second, ordinary(first))

    def stable_diffusions(self, student: Work) -> None:
        """Left out, the scale is 0.18215 and the shift 0."""
        close(student.encode_latents(_encode, _picture(1.0), _picture(1.0)), _picture(0.3643))
        close(student.decode_latents(_decode, _picture(0.18215)), _picture(0.2))


@exercise("blend_prompts")
class BlendPrompts:
    def by_hand(self, student: Work) -> None:
        """Prompts of 0 and 4 with weights 1 and 3 give 3."""
        prompts = tensor([0.0, 4.0]).view(2, 1, 1)
        close(
            student.blend_prompts(prompts, tensor([1.0, 3.0])),
            [[3.0]],
            symptoms={
                "The weights were not divided by their sum.": [[12.0]],
                "The weights went through a softmax: they are divided by their sum.": [[3.523188]],
                "The weights had no effect: this is the plain mean.": [[2.0]],
            },
        )

    def on_an_arc(self, student: Work) -> None:
        """`slerp` a third of the way from (2, 0) to (0, 2): 30 degrees along the circle, (1.732, 1)."""
        close(
            student.slerp(tensor([[2.0, 0.0]]), tensor([[0.0, 2.0]]), 1 / 3),
            [[1.732051, 1.0]],
            symptoms={
                "This is the straight line, and too short.": [[1.333333, 0.666667]],
                "w runs the other way: 0 should give a.": [[1.0, 1.732051]],
                "Unit vectors came back: lengths are not touched.": [[0.866025, 0.5]],
            },
        )

    def whole_samples(self, student: Work) -> None:
        """A sample is one vector of all its numbers, however they are arranged."""
        a, b = tensor([2.0, 0.0]).view(1, 2, 1), tensor([1.0, 1.732051]).view(1, 2, 1)
        close(student.slerp(a, b, 0.5), tensor([1.732051, 1.0]).view(1, 2, 1))

    def each_pair(self, student: Work) -> None:
        """Each pair has its own angle: one of 90 degrees beside one of 60."""
        a, b = tensor([[1.0, 0.0], [1.0, 0.0]]), tensor([[0.0, 1.0], [0.5, 0.866025]])
        close(student.slerp(a, b, 0.5), [[0.707107, 0.707107], [0.866025, 0.5]])

    def parallel(self, student: Work) -> None:
        """Two of one direction are joined by a straight line: half-way from 1 to 2 is 1.5, and not NaN."""
        a = tensor([[0.6, 0.8]])
        close(student.slerp(a, 2 * a, 0.5), 1.5 * a)
        close(student.slerp(a, a.clone(), 0.5), a)
