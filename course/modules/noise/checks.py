"""Public checks of the module `noise`: small examples, by hand; schedules have a file of their own.

The numbers are chosen so that roots and quotients come out: 0.64 and 0.36 have the roots 0.8 and 0.6, 0.0784
and 0.9216 the roots 0.28 and 0.96; and betas of 0.36 and 0.4375 leave 0.64 and then 0.36.
"""

import math
from typing import Any

import torch
from torch import tensor

from course.checking.expect import Broken, Work, close, exercise, holds, ordinary
from course.modules.noise.checks_of_bonus import MySchedule, VPrediction
from course.modules.noise.checks_of_schedules import (
    CosineBetas,
    LinearBetas,
    ZeroTerminalSnr,
    doubles,
    dtype_name,
)

# All that a student is checked with, found here by their marks.
__all__ = [
    "CosineBetas",
    "Extract",
    "LinearBetas",
    "MySchedule",
    "QPosterior",
    "QSample",
    "SignalToNoise",
    "VPrediction",
    "ZeroTerminalSnr",
]

BETAS = tensor([0.36, 0.4375], dtype=torch.float64)
ABAR = tensor([0.64, 0.0784], dtype=torch.float64)


@exercise("extract")
class Extract:
    def looked_up(self, student: Work) -> None:
        """Two samples at the timesteps 2 and 0 get the values of those, shaped [2, 1, 1, 1]."""
        values, t = tensor([10.0, 11.0, 12.0, 13.0]), tensor([2, 0])
        close(
            student.extract(values, t, 4),
            tensor([12.0, 10.0]).view(2, 1, 1, 1),
            symptoms={
                "These are the right numbers: now give them the shape [B, 1, 1, 1].": tensor([12.0, 10.0]),
                "The ones stand before the batch: they have to follow it.": (
                    tensor([12.0, 10.0]).view(1, 1, 1, 2)
                ),
                "There is a dimension too many: B is one itself.": tensor([12.0, 10.0]).view(2, 1, 1, 1, 1),
                "Both samples got the value of the first one's timestep.": (
                    tensor([12.0, 12.0]).view(2, 1, 1, 1)
                ),
                "These are the values one timestep too early.": tensor([11.0, 13.0]).view(2, 1, 1, 1),
                "These are the first two values: t says which ones to take.": (
                    tensor([10.0, 11.0]).view(2, 1, 1, 1)
                ),
            },
        )

    def dimensions(self, student: Work) -> None:
        """There are as many dimensions as are asked for, from one to five."""
        values, t = tensor([10.0, 11.0, 12.0, 13.0]), tensor([3, 3, 1])
        for ndim in (1, 2, 3, 5):
            found = ordinary(student.extract(values, t, ndim))
            expected = (3, *[1] * (ndim - 1))
            holds(
                tuple(found.shape) == expected,
                f"for ndim={ndim} and 3 samples the shape is {tuple(found.shape)}, it should be {expected}",
            )
            close(found, tensor([13.0, 13.0, 11.0]).view(expected))

    def any_batch(self, student: Work) -> None:
        """One sample is a batch too, and so are more samples than there are timesteps."""
        values = tensor([10.0, 11.0])
        close(student.extract(values, tensor([1]), 2), [[11.0]])
        close(student.extract(values, tensor([1, 0, 0, 1, 1]), 2), [[11.0], [10.0], [10.0], [11.0], [11.0]])

    def dtype(self, student: Work) -> None:
        """The result has the dtype of the values."""
        for kind in (torch.float64, torch.float16, torch.int64):
            values = tensor([10, 11, 12], dtype=kind)
            close(student.extract(values, tensor([2]), 2), tensor([[12]], dtype=kind))


@exercise("q_sample")
class QSample:
    def factors(self, student: Work) -> None:
        """Where 0.64 of the variance is left, the picture counts 0.8 times and the noise 0.6 times."""
        one, none = torch.ones(1, 1, 1, 1), torch.zeros(1, 1, 1, 1)
        t, abar = tensor([0]), ABAR.float()
        answer, again = (ordinary(student.q_sample(10 * one, t, none, abar)) for _ in range(2))
        holds(
            torch.equal(answer, again),
            "called again with the same arguments it gave another result: use the noise that is given",
        )
        close(
            answer,
            8 * one,
            symptoms={
                "This is what comes out without the root of 0.64.": 6.4 * one,
                "The picture does not fade: it has a factor, too.": 10 * one,
                "This is the value of the timestep before, t - 1.": 2.8 * one,
                "The two factors are swapped.": 6 * one,
            },
        )
        close(
            student.q_sample(none, t, 10 * one, abar),
            6 * one,
            symptoms={
                "This is 1 minus the root, it should be the root of 1 minus.": 2 * one,
                "This is what comes out without the root of 1 - 0.64.": 3.6 * one,
                "The two factors are swapped.": 8 * one,
            },
        )

    def own_timestep(self, student: Work) -> None:
        """Each sample has its own timestep, whatever the height and the width."""
        again = 0.64 * 0.0784
        x0 = torch.arange(2 * 1 * 2 * 3.0).reshape(2, 1, 2, 3)
        noise = torch.full_like(x0, 10.0)
        expected = torch.cat([0.28 * x0[:1] + 9.6, 0.8 * x0[1:] + 6])
        close(
            student.q_sample(x0, tensor([1, 0]), noise, ABAR),
            expected,
            symptoms={
                "Both samples were noised up to the timestep of the first.": 0.28 * x0 + 9.6,
                "These are the timesteps before, t - 1.": torch.cat([0.8 * x0[:1] + 6, 0.28 * x0[1:] + 9.6]),
                "Here alphas_cumprod was multiplied up once more; it is a product already.": torch.cat(
                    [math.sqrt(again) * x0[:1] + 10 * math.sqrt(1 - again), 0.8 * x0[1:] + 6]
                ),
            },
        )

    def shapes(self, student: Work) -> None:
        """Vectors are noised as pictures are, and a batch as large as a picture is wide is no exception."""
        for shape in ((2, 3), (3, 1, 2, 3), (2, 1, 2, 3, 3)):
            x0, t = torch.ones(shape), torch.arange(shape[0]) % 2
            factor = tensor([0.8, 0.28])[t].view(-1, *[1] * (len(shape) - 1))
            close(student.q_sample(x0, t, torch.zeros(shape), ABAR.float()), factor.expand(shape))

    def extremes(self, student: Work) -> None:
        """Where all of the variance is left, the picture comes back; where nothing is, the noise."""
        x0, noise = torch.full((2, 3), 5.0), torch.full((2, 3), -1.0)
        close(student.q_sample(x0, tensor([0, 1]), noise, tensor([1.0, 0.0])), [[5.0] * 3, [-1.0] * 3])

    def dtype(self, student: Work) -> None:
        """The result has the dtype of the pictures, even where alphas_cumprod has another one."""
        for kind in (torch.float32, torch.float16):
            x0 = torch.ones(1, 2, dtype=kind)
            found = ordinary(student.q_sample(x0, tensor([0]), torch.zeros_like(x0), ABAR))
            if found.dtype != kind:
                raise Broken(
                    f"{dtype_name(kind)} pictures and a float64 table make "
                    f"{dtype_name(found.dtype)}: cast the factors to x0.dtype"
                )
            close(found, torch.full_like(x0, 0.8))


@exercise("signal_to_noise")
class SignalToNoise:
    def by_hand(self, student: Work) -> None:
        """Where 0.8 of the variance is signal and 0.2 is noise, the ratio is 4."""
        close(
            student.signal_to_noise(tensor([0.8, 0.5, 0.2])),
            [4.0, 1.0, 0.25],
            symptoms={
                "This is noise to signal.": [0.25, 1.0, 4.0],
                "This is the logarithm of the ratio.": [math.log(4), 0.0, -math.log(4)],
                "This is the ratio in decibels.": [10 * math.log10(4), 0.0, -10 * math.log10(4)],
                "This is the ratio of the standard deviations: it has a root too many.": [2.0, 1.0, 0.5],
                "Above the line stands a 1; the signal fades, too.": [5.0, 2.0, 1.25],
                "This is abar / 1 - abar: parentheses are missing.": [0.0, 0.0, 0.0],
            },
        )

    def nothing_left(self, student: Work) -> None:
        """Where no signal is left, the ratio is 0."""
        close(student.signal_to_noise(tensor([0.0, 0.5])), [0.0, 1.0])

    def hardly_any_noise(self, student: Work) -> None:
        """Where there is hardly any noise, the ratio is huge, and right."""
        close(student.signal_to_noise(doubles(1 - 2.0**-20)), doubles(2.0**20 - 1))

    def shapes(self, student: Work) -> None:
        """Any shape will do, and the dtype stays."""
        for kind in (torch.float32, torch.float64):
            abar = tensor([0.75, 0.5], dtype=kind).view(2, 1, 1)
            close(student.signal_to_noise(abar), tensor([3.0, 1.0], dtype=kind).view(2, 1, 1))


@exercise("q_posterior")
class QPosterior:
    def mean(self, student: Work) -> None:
        """The mean mixes x0 and xt: with betas of 0.36 and 0.4375, at t = 1, as 0.546875 and 0.421875."""
        t, some, none = tensor([1]), torch.full((1, 1, 1, 2), 64.0).double(), torch.zeros(1, 1, 1, 2).double()
        close(
            _two(student.q_posterior(some, none, t, BETAS))[0],
            torch.full_like(some, 35.0),
            symptoms={
                "x0 has the factor of xt.": torch.full_like(some, 27.0),
                "This is what comes out with abar of the same step under the root.": torch.full_like(
                    some, 26.25
                ),
                "This is not divided by 1 - abar.": torch.full_like(some, 22.4),
                "This is what comes out without the root.": torch.full_like(some, 28.0),
            },
        )
        close(
            _two(student.q_posterior(none, some, t, BETAS))[0],
            torch.full_like(some, 27.0),
            symptoms={
                "xt has the factor of x0.": torch.full_like(some, 35.0),
                "Here both abar are of the same step; above the line stands the one before.": (
                    torch.full_like(some, 48.0)
                ),
                "This is not divided by 1 - abar.": torch.full_like(some, 17.28),
                "This is what comes out without the root.": torch.full_like(some, 20.25),
            },
        )

    def variance(self, student: Work) -> None:
        """The variance is smaller than beta, one number a sample, shaped [B, 1, ..., 1]."""
        x, right = torch.ones(2, 3, 4, 5).double(), 0.4375 * 0.36 / 0.64
        whole = torch.full((2, 1, 1, 1), right).double()
        close(
            _two(student.q_posterior(x, x, tensor([1, 1]), BETAS))[1],
            whole,
            symptoms={
                "This is the standard deviation; the variance is its square.": whole.sqrt(),
                "This is the logarithm of the variance.": whole.log(),
                "This is beta; whoever knows x0 as well knows more.": torch.full_like(whole, 0.4375),
                "The right numbers: now give them the shape [B, 1, ..., 1].": whole.flatten(),
                "The right number, spread out over the whole picture: keep [B, 1, ..., 1].": whole.expand(
                    x.shape
                ),
            },
        )

    def first_step(self, student: Work) -> None:
        """At t = 0 the mean is x0 and the variance 0, also next to a sample at another step."""
        x0, xt = torch.full((2, 1), 64.0).double(), torch.zeros(2, 1).double()
        mean, variance = _two(student.q_posterior(x0, xt, tensor([0, 1]), BETAS))
        close(
            mean,
            doubles(64.0, 35.0).view(2, 1),
            symptoms={
                "At t = 0 the step before is taken to be the last one: an index of -1 wraps around.": (
                    doubles(38.4, 35.0).view(2, 1)
                ),
                "At t = 0 abar of the step before is 1, not that of step 0 itself.": (
                    doubles(51.2, 35.0).view(2, 1)
                ),
                "One sample at t = 0 has decided for the whole batch.": doubles(64.0, 64.0).view(2, 1),
            },
        )
        close(variance, doubles(0.0, 0.4375 * 0.36 / 0.64).view(2, 1))

    def last_step(self, student: Work) -> None:
        """After a last step that left nothing, only x0 counts: nothing is divided by 0."""
        x0, xt = torch.full((1, 2), 10.0).double(), torch.full((1, 2), 7.0).double()
        mean, variance = _two(student.q_posterior(x0, xt, tensor([1]), doubles(0.36, 1.0)))
        close(mean, torch.full_like(x0, 8.0))
        close(variance, doubles(0.36).view(1, 1))

    def dtype(self, student: Work) -> None:
        """Mean and variance have the dtype of the pictures, even where the betas have another one."""
        x = torch.ones(2, 3)
        for name, found in zip(
            ("mean", "variance"), _two(student.q_posterior(x, x, tensor([1, 0]), BETAS)), strict=True
        ):
            kind = str(ordinary(found).dtype).removeprefix("torch.")
            holds(
                kind == "float32",
                f"float32 pictures and float64 betas make a {kind} {name}: cast to x0.dtype",
            )


def _two(answer: Any) -> tuple[Any, Any]:
    match answer:
        case (mean, variance):
            return mean, variance
    raise Broken("two tensors are expected, the mean and the variance: `return mean, variance`")
