"""Public checks of the schedules of the module `noise`: small examples, worked out by hand.

The numbers are chosen so that roots and quotients come out: betas of 0.36 and 0.4375 leave 0.64, then 0.36.
"""

import math
from typing import Any

import torch
from torch import Tensor, tensor

from course.checking.expect import Work, close, exercise, holds, ordinary

_FLOAT32_ON_THE_WAY = 1e-6  # as right, if the result is float64, and off by less than a tenth of this


def doubles(*numbers: float) -> Tensor:
    return tensor(numbers, dtype=torch.float64)


def has_dtype(answer: Any, dtype: torch.dtype, given: str) -> None:
    found = ordinary(answer).dtype
    holds(
        found == dtype,
        f"the dtype is {dtype_name(found)} for {given}, it should be {dtype_name(dtype)}: use `dtype`",
    )


def dtype_name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


@exercise("linear_betas")
class LinearBetas:
    def evenly_spaced(self, student: Work) -> None:
        """linear_betas: five numbers from 0.125 to 0.625, both included, have four equal gaps."""
        answer = student.linear_betas(5, 0.125, 0.625)
        has_dtype(answer, torch.float64, "no dtype")
        close(
            answer,
            doubles(0.125, 0.25, 0.375, 0.5, 0.625),
            symptoms={
                "The end is missing: five numbers have four gaps between them, not five.": (
                    doubles(0.125, 0.225, 0.325, 0.425, 0.525)
                ),
                "These are six numbers, one more than there are steps.": torch.linspace(
                    0.125, 0.625, 6
                ).double(),
                "These fall: beta is the noise that a step adds, not what it leaves.": (
                    doubles(0.875, 0.75, 0.625, 0.5, 0.375)
                ),
                "These are its own default ends, not those that it was called with.": (
                    torch.linspace(1e-4, 0.02, 5, dtype=torch.float64)
                ),
            },
        )

    def roots_evenly_spaced(self, student: Work) -> None:
        """scaled_linear_betas: from 0.0625 to 0.5625 the roots are 0.25, 0.5 and 0.75."""
        answer = student.scaled_linear_betas(3, 0.0625, 0.5625)
        has_dtype(answer, torch.float64, "no dtype")
        close(
            answer,
            doubles(0.0625, 0.25, 0.5625),
            symptoms={
                "These numbers are evenly spaced themselves; their roots should be.": (
                    doubles(0.0625, 0.3125, 0.5625)
                ),
                "These are the roots: they have to be squared again.": doubles(0.25, 0.5, 0.75),
                "These are squares of evenly spaced numbers, whose roots were never taken.": (
                    doubles(0.0625**2, 0.3125**2, 0.5625**2)
                ),
                "Here the squares of the numbers are evenly spaced, instead of their roots.": (
                    doubles(0.0625, 0.4001953125, 0.5625)
                ),
            },
        )

    def ends_of_their_own(self, student: Work) -> None:
        """Without ends, they go from 0.0001 to 0.02, and from 0.00085 to 0.012."""
        close(student.linear_betas(2), doubles(1e-4, 0.02))
        close(student.scaled_linear_betas(2), doubles(0.00085, 0.012))

    def one_step(self, student: Work) -> None:
        """A single step has the first beta."""
        close(student.linear_betas(1, 0.25, 0.5), doubles(0.25))
        close(student.scaled_linear_betas(1, 0.25, 0.5), doubles(0.25))

    def dtype(self, student: Work) -> None:
        """The result has the dtype that is asked for."""
        linear = student.linear_betas(4, 0.25, 0.5, dtype=torch.float32)
        has_dtype(linear, torch.float32, "dtype=torch.float32")
        scaled = student.scaled_linear_betas(4, 0.25, 0.5, dtype=torch.float32)
        has_dtype(scaled, torch.float32, "dtype=torch.float32")


@exercise("cosine_betas")
class CosineBetas:
    def cosine(self, student: Work) -> None:
        """cosine_betas: with s = 0.5, f is 3/4, 1/4 and 0, so two steps add 2/3 and the largest beta."""
        answer = student.cosine_betas(2, s=0.5)
        has_dtype(answer, torch.float64, "no dtype")
        close(
            answer,
            doubles(2 / 3, 0.999),
            tolerance=_FLOAT32_ON_THE_WAY,
            symptoms={
                "The last beta is not capped: max_beta is 0.999.": doubles(2 / 3, 1.0),
                "These are clipped to 0.9999, as in The Annotated Diffusion Model: max_beta is 0.999.": (
                    doubles(2 / 3, 0.9999)
                ),
                "The cap was put on alphas_cumprod; it belongs on the betas.": doubles(2 / 3, 0.996),
                "The cosine is not squared.": doubles(1 - math.sqrt(1 / 3), 0.999),
                "The offset s is missing.": doubles(0.5, 0.999),
                "These are values of alphas_cumprod, not betas.": doubles(1 / 3, 0.0),
                "The first step adds no noise: it leads from f(0) to f(1 / T).": doubles(0.0, 2 / 3),
                "There is one beta too few: T steps have T + 1 ends.": doubles(0.999),
            },
        )

    def cap(self, student: Work) -> None:
        """cosine_betas: no beta is larger than max_beta, and smaller ones stay as they are."""
        close(
            student.cosine_betas(3, s=0.0, max_beta=0.5),
            doubles(0.25, 0.5, 0.5),
            symptoms={
                "max_beta is not used: it is 0.5 here.": doubles(0.25, 2 / 3, 0.999),
                "The cap was put on f; it belongs on the betas.": doubles(0.25, 1 / 3, 0.0),
            },
        )

    def small_betas(self, student: Work) -> None:
        """cosine_betas: there is no smallest beta; of a thousand, the first is 0.0000413."""
        betas = ordinary(student.cosine_betas(1000))
        holds(betas.shape == (1000,), f"a thousand steps make betas of shape {tuple(betas.shape)}")
        first = float(betas[0])
        clipped = ": is it limited from below?" if first > 9e-5 else ""
        holds(abs(first - 4.1284e-05) < 2e-7, f"the first is {first:.7f}{clipped}")

    def sigmoid(self, student: Work) -> None:
        """sigmoid_betas: halfway it is halfway between its ends, and at -6 it is 0.0025 of the way."""
        start, end, share = 0.1, 0.5, 1 / (1 + math.exp(6))
        answer = student.sigmoid_betas(3, start, end)
        has_dtype(answer, torch.float64, "no dtype")
        close(
            answer,
            doubles(start + 0.4 * share, 0.3, end - 0.4 * share),
            tolerance=_FLOAT32_ON_THE_WAY,
            symptoms={
                "This is the sigmoid itself: stretch it, and shift it, to lie between the two ends.": (
                    doubles(share, 0.5, 1 - share)
                ),
                "It is stretched by beta_end; the distance of the ends is beta_end - beta_start.": (
                    doubles(start + 0.5 * share, 0.35, start + 0.5 * (1 - share))
                ),
                "It reaches its ends exactly, so it was stretched once more: take the sigmoid as it is.": (
                    doubles(start, 0.3, end)
                ),
            },
        )

    def dtype(self, student: Work) -> None:
        """Both have the dtype that is asked for, and work for a single step."""
        has_dtype(student.cosine_betas(4, dtype=torch.float32), torch.float32, "dtype=torch.float32")
        has_dtype(student.sigmoid_betas(4, dtype=torch.float32), torch.float32, "dtype=torch.float32")
        close(student.cosine_betas(1), doubles(0.999), tolerance=_FLOAT32_ON_THE_WAY)
        one = doubles(1 / (1 + math.exp(6)))
        close(student.sigmoid_betas(1, 0.0, 1.0), one, tolerance=_FLOAT32_ON_THE_WAY)


@exercise("zero_terminal_snr")
class ZeroTerminalSnr:
    def by_hand(self, student: Work) -> None:
        """Roots of 0.8, 0.6 and 0.4 become 0.8, 0.4 and 0, and the betas 0.36, 0.75 and 1."""
        close(
            student.zero_terminal_snr(doubles(0.36, 0.4375, 5 / 9)),
            doubles(0.36, 0.75, 1.0),
            symptoms={
                "Here alphas_cumprod was shifted and scaled; it should be its root.": doubles(
                    0.36, 7 / 12, 1.0
                ),
                "Only the last beta has changed; the shift concerns them all.": doubles(0.36, 0.4375, 1.0),
                "Shifted, but not scaled: the first beta should stay what it was.": doubles(0.84, 0.75, 1.0),
                "Scaled to begin at 1, where it should begin at 0.8 again.": doubles(0.0, 0.75, 1.0),
                "The root has not been undone: square before you go back to betas.": doubles(0.2, 0.5, 1.0),
                "The last beta is capped, where it should be exactly 1.": doubles(0.36, 0.75, 0.999),
                "This is alphas_cumprod: go back from it to betas.": doubles(0.64, 0.16, 0.0),
                "This is what each step leaves; a beta is what it adds.": doubles(0.64, 0.25, 0.0),
                "The first beta is missing: its alpha is the first of alphas_cumprod itself.": doubles(
                    0.75, 1.0
                ),
            },
        )

    def two_steps(self, student: Work) -> None:
        """Of two betas, the first stays and the second becomes 1."""
        close(student.zero_terminal_snr(doubles(0.25, 0.5)), doubles(0.25, 1.0))

    def exactly_nothing(self, student: Work) -> None:
        """In a schedule of a hundred steps the last beta is exactly 1, and all the others are smaller."""
        for kind in (torch.float32, torch.float64):
            betas = ordinary(student.zero_terminal_snr(torch.linspace(0.001, 0.05, 100, dtype=kind)))
            holds(
                tuple(betas.shape) == (100,), f"100 betas went in, the shape came out as {tuple(betas.shape)}"
            )
            holds(betas.dtype == kind, f"{dtype_name(kind)} went in, {dtype_name(betas.dtype)} came out")
            last = float(betas[-1])
            holds(last == 1, f"the last beta is {last!r}, which leaves {1 - last:.2g} of the variance")
            holds(bool((betas[:-1] < 1).all() & (betas > 0).all()), "some betas are not between 0 and 1")

    def again(self, student: Work) -> None:
        """Betas that end at 1 already come back as they were."""
        close(student.zero_terminal_snr(doubles(0.36, 0.75, 1.0)), doubles(0.36, 0.75, 1.0))
