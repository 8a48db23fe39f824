"""Public checks of the second half of the module `sampling`: solvers and flow matching."""

from __future__ import annotations

import math

import torch
from torch import Tensor, tensor

from course.checking.expect import Broken, Work, close, exercise, holds, ordinary

# lambda is ln 2, 0 and -ln 2: equal steps. In the other table the last step is twice as long.
EQUAL = tensor([0.8, 0.5, 0.2], dtype=torch.float64)
UNEQUAL = tensor([16 / 17, 0.5, 0.2], dtype=torch.float64)


@exercise("dpm_solver_step")
class DpmSolverStep:
    def equal_steps(self, student: Work) -> None:
        """x0 was 0 and is 2; half an equal step on it is 3: from xt = 0, sqrt(0.8) * 0.5 * 3 = 1.34."""
        close(
            student.dpm_solver_step(tensor([0.0]), tensor([2.0]), tensor([0.0]), 2, 1, 0, EQUAL),
            [1.5 * math.sqrt(0.8)],
            symptoms={
                "This is the first order: the prediction of before has no effect.": [math.sqrt(0.8)],
                "Here the line was followed to the end of the step, not to its middle.": [2 * math.sqrt(0.8)],
                "Here the two predictions are exchanged.": [-0.5 * math.sqrt(0.8)],
                "The sign is turned round: exp(-h) - 1 is negative.": [-1.5 * math.sqrt(0.8)],
                "Here lambda is the whole logarithm, not half of it.": [2.25 * math.sqrt(0.8)],
            },
        )

    def unequal_steps(self, student: Work) -> None:
        """A step twice as long as the one before: r = 1/2, D = 2 + 2, sqrt(16/17) * 0.75 * 4 = 2.91."""
        scale = 0.75 * math.sqrt(16 / 17)
        close(
            student.dpm_solver_step(tensor([0.0]), tensor([2.0]), tensor([0.0]), 2, 1, 0, UNEQUAL),
            [4 * scale],
            symptoms={
                "r is upside down.": [2.5 * scale],
                "Here the steps are compared in timesteps; they are to be compared in lambda.": [3 * scale],
            },
        )

    def first_step(self, student: Work) -> None:
        """With nothing before, D is x0_now, 2: from xt = 1, sqrt(0.4) + sqrt(0.8) * 0.5 * 2 = 1.53."""
        close(
            student.dpm_solver_step(tensor([1.0]), tensor([2.0]), None, None, 1, 0, EQUAL),
            [math.sqrt(0.4) + math.sqrt(0.8)],
        )

    def last_step(self, student: Work) -> None:
        """At t_next = -1 the prediction comes out as it is."""
        for before, t_before in ((tensor([0.0]), 1), (None, None)):
            close(
                student.dpm_solver_step(tensor([1.0]), tensor([2.0]), before, t_before, 0, -1, EQUAL), [2.0]
            )

    def pictures(self, student: Work) -> None:
        """Batches of pictures keep their shape and dtype, even where the table is float64."""
        x = torch.linspace(-1, 1, 3 * 2 * 1 * 4).reshape(3, 2, 1, 4)
        none = torch.zeros_like(x)
        close(student.dpm_solver_step(x, none, none, 2, 1, 0, EQUAL), x * math.sqrt(0.4))


class _Quarter:
    """Takes a quarter of x for the clean sample, and notes where it is asked."""

    def __init__(self) -> None:
        self.asked: list[float] = []

    def __repr__(self) -> str:
        return "a model for which a quarter of x is clean"

    def __call__(self, x: Tensor, sigma: float) -> Tensor:
        self.asked.append(float(sigma))
        return x / 4


@exercise("heun_step")
class HeunStep:
    def sigmas(self, student: Work) -> None:
        """Three from 9 to 1 with rho = 2: their roots are 3, 2, 1, so 9, 4, 1, and 0 at the end."""
        close(
            student.karras_sigmas(3, 1.0, 9.0, 2.0),
            tensor([9.0, 4.0, 1.0, 0.0], dtype=torch.float64),
            symptoms={
                "They rise.": [0.0, 1.0, 4.0, 9.0],
                "The 0 at the end is missing.": [9.0, 4.0, 1.0],
                "These are evenly spaced; their roots should be.": [9.0, 5.0, 1.0, 0.0],
                "Here the logarithms are evenly spaced.": [9.0, 3.0, 1.0, 0.0],
                "These are the roots: what makes sigmas of them again?": [3.0, 2.0, 1.0, 0.0],
                "Here i is divided by n: the last before the 0 should be sigma_min.": [
                    9.0,
                    (7 / 3) ** 2,
                    (5 / 3) ** 2,
                    0.0,
                ],
                "Here rho and 1 / rho are exchanged.": [9.0, math.sqrt(41), 1.0, 0.0],
            },
        )

    def one_sigma(self, student: Work) -> None:
        """With n = 1 there are sigma_max and 0; and rho is 7 if nobody says otherwise."""
        close(student.karras_sigmas(1, 1.0, 9.0), tensor([9.0, 0.0], dtype=torch.float64))
        middle = ((9 ** (1 / 7) + 1) / 2) ** 7
        close(student.karras_sigmas(3, 1.0, 9.0), tensor([9.0, middle, 1.0, 0.0], dtype=torch.float64))

    def step(self, student: Work) -> None:
        """From 4 at sigma 2 to 1: slope 1.5 leads to 2.5, where it is 1.875; the mean leads to 2.3125."""
        close(
            student.heun_step(_Quarter(), tensor([4.0]), 2.0, 1.0),
            [2.3125],
            symptoms={
                "This is Euler's step alone: the slope at its end has no effect.": [2.5],
                "This takes the slope at the end alone.": [2.125],
                "Here both slopes are added; it is their mean that counts.": [0.625],
                "Here the second step goes on from Euler's point; it is to start from x.": [0.8125],
                "Here the second slope is that of the old sigma.": [2.78125],
                "Here the second slope is that of the old point.": [1.75],
                "This leads away from the clean sample: sigma_next - sigma is negative.": [
                    4 + 0.75 + 4.125 / 2
                ],
            },
        )

    def to_no_noise(self, student: Work) -> None:
        """At sigma_next = 0 it is Euler's step: what denoise says, 1."""
        close(student.heun_step(_Quarter(), tensor([4.0]), 2.0, 0.0), [1.0])

    def calls(self, student: Work) -> None:
        """denoise is asked at both sigmas, once each; at sigma_next = 0 at the first alone."""
        for sigma_next, expected in ((1.0, [2.0, 1.0]), (0.0, [2.0])):
            model = _Quarter()
            ordinary(student.heun_step(model, tensor([4.0]), 2.0, sigma_next))
            holds(model.asked == expected, f"for sigma_next = {sigma_next:g} it was asked at {model.asked}")

    def dtype(self, student: Work) -> None:
        """Batches of pictures keep their shape and dtype."""
        for kind in (torch.float64, torch.float16):
            x = torch.ones(3, 2, 1, 4, dtype=kind)
            close(student.heun_step(_Quarter(), 4 * x, 2.0, 1.0), 2.3125 * x)


@exercise("flow_matching_step")
class FlowMatchingStep:
    def pair(self, student: Work) -> None:
        """A quarter of the way from x0 = 2 to noise = 4 lies 2.5; the velocity is 2, there as everywhere."""
        found = _two(student.flow_matching_pair(tensor([[2.0]]), tensor([[4.0]]), tensor([0.25])))
        close(
            found[0],
            [[2.5]],
            symptoms={
                "Time runs the other way: sigma is the share of noise.": [[3.5]],
                "This is diffusion's path: on a straight line the shares add up to 1.": [
                    [2 * math.sqrt(1 - 0.0625) + 1]
                ],
            },
        )
        close(
            found[1],
            [[2.0]],
            symptoms={
                "The velocity points to x0; it should point to the noise.": [[-2.0]],
                "This is the target of v-prediction.": [[2.5]],
                "Here the velocity is multiplied by sigma: that is the way, not the speed.": [[0.5]],
            },
        )

    def each_its_own(self, student: Work) -> None:
        """Each sample has its own sigma: with 0 it is x0, with 1 it is the noise. Pictures, too."""
        x0, noise = torch.ones(2, 3, 1, 4), torch.full((2, 3, 1, 4), 5.0)
        found = _two(student.flow_matching_pair(x0, noise, tensor([0.0, 1.0], dtype=torch.float64)))
        close(
            found[0],
            torch.stack([x0[0], noise[1]]),
            symptoms={"All samples have the sigma of the first one.": x0},
        )
        close(found[1], noise - x0)

    def step(self, student: Work) -> None:
        """From 2.5 at sigma 0.25, along the velocity 2, to sigma 0: 2. To sigma 0.75: 3.5."""
        xt, v = tensor([[2.5]]), tensor([[2.0]])
        close(
            student.flow_matching_step(xt, v, 0.25, 0.0),
            [[2.0]],
            symptoms={
                "This goes the other way: sigma_next - sigma is negative.": [[3.0]],
                "Nothing has happened: the length of the step is a difference of sigmas.": [[2.5]],
            },
        )
        close(
            student.flow_matching_step(xt, v, 0.25, 0.75),
            [[3.5]],
            symptoms={"This leads to sigma = 0, wherever the step should end.": [[2.0]]},
        )

    def shift(self, student: Work) -> None:
        """Shifted by 3, the odds 1 : 1 become 3 : 1, so 0.5 becomes 0.75. 0 and 1 stay; by 1 all do."""
        sigmas = tensor([0.0, 0.5, 1.0])
        close(
            student.shift_sigmas(sigmas, 3.0),
            [0.0, 0.75, 1.0],
            symptoms={
                "Here sigma is multiplied and not divided: 1 should stay 1.": [0.0, 1.5, 3.0],
                "The divisor is 1 + (shift - 1) sigma.": [0.0, 0.6, 0.75],
                "This shifts towards the clean end: by 1/3 instead of 3.": [0.0, 0.25, 1.0],
                "Here what goes beyond 1 was cut off.": [0.0, 1.0, 1.0],
                "Here the shift is a power.": [0.0, 0.5 ** (1 / 3), 1.0],
            },
        )
        close(student.shift_sigmas(sigmas, 1.0), sigmas)


def _two(answer: object) -> tuple[Tensor, Tensor]:
    if not (isinstance(answer, tuple | list) and len(answer) == 2):
        raise Broken("two tensors are expected, the point and the velocity")
    return ordinary(answer[0]), ordinary(answer[1])
