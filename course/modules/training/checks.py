"""Public checks of the module `training`: small examples, by hand; further exercises have files of their own.

The numbers are chosen so that roots come out: 0.64 and 0.36 have the roots 0.8 and 0.6.
"""

import torch
from torch import Tensor, tensor

from course.checking.expect import Broken, Work, close, exercise, holds
from course.modules.training.checks_of_bonus import MyWeight, StratifiedTimesteps
from course.modules.training.checks_of_steps import DdpmLoss, EmaUpdate, TrainStep
from course.modules.training.checks_of_weights import EdmScalings, ElboTerm, MinSnrWeight

# All that a student is checked with, found here by their marks.
__all__ = [
    "DdpmLoss",
    "EdmScalings",
    "ElboTerm",
    "EmaUpdate",
    "MinSnrWeight",
    "MyWeight",
    "StratifiedTimesteps",
    "TrainStep",
    "Velocity",
    "X0FromEps",
]

ABAR = tensor([0.64, 0.36], dtype=torch.float64)
SINGLE = 1e-6  # whoever works in float32 on the way is right, too


def _doubles(*numbers: float) -> Tensor:
    return tensor(numbers, dtype=torch.float64)


@exercise("x0_from_eps")
class X0FromEps:
    def picture(self, student: Work) -> None:
        """Where 0.36 is left: xt is 0.6 x0 + 0.8 eps, so from xt = 2.2 and eps = 2 follows x0 = 1."""
        close(
            student.x0_from_eps(_doubles(2.2).view(1, 1), _doubles(2.0).view(1, 1), tensor([1]), ABAR),
            _doubles(1.0).view(1, 1),
            tolerance=SINGLE,
            symptoms={
                "This is what comes out without the roots.": _doubles((2.2 - 0.64 * 2) / 0.36).view(1, 1),
                "The noise is taken away, and what is left is not divided by 0.6.": _doubles(0.6).view(1, 1),
                "The noise was added once more, instead of taken away.": _doubles(3.8 / 0.6).view(1, 1),
                "Only xt was divided by 0.6, and not the noise.": _doubles(2.2 / 0.6 - 1.6).view(1, 1),
                "These are the factors of the timestep before.": _doubles((2.2 - 1.2) / 0.8).view(1, 1),
            },
        )

    def noise(self, student: Work) -> None:
        """And from xt = 2.2 and x0 = 1 follows eps = 2."""
        close(
            student.eps_from_x0(_doubles(2.2).view(1, 1), _doubles(1.0).view(1, 1), tensor([1]), ABAR),
            _doubles(2.0).view(1, 1),
            tolerance=SINGLE,
            symptoms={
                "eps_from_x0: this is what comes out without the roots.": _doubles(1.84 / 0.64).view(1, 1),
                "eps_from_x0: what is left is not divided by 0.8.": _doubles(1.6).view(1, 1),
                "eps_from_x0: this is divided by the factor of the picture.": _doubles(1.6 / 0.6).view(1, 1),
                "eps_from_x0: the picture was taken away at full contrast.": _doubles(1.2 / 0.8).view(1, 1),
            },
        )

    def each_its_own(self, student: Work) -> None:
        """Two samples at the timesteps 0 and 1 each have their own factors, whatever their shape."""
        for shape in ((2, 1), (2, 1, 1, 1), (2,)):
            x0, eps = _doubles(1.0, 1.0).view(shape), _doubles(2.0, 2.0).view(shape)
            xt, t = _doubles(2.0, 2.2).view(shape), tensor([0, 1])
            close(
                student.x0_from_eps(xt, eps, t, ABAR),
                x0,
                tolerance=SINGLE,
                symptoms={
                    "Both samples got the factors of the first one's timestep.": (
                        _doubles(1.0, 1.25).view(shape)
                    )
                },
            )
            close(student.eps_from_x0(xt, x0, t, ABAR), eps, tolerance=SINGLE)

    def nothing_clipped(self, student: Work) -> None:
        """A picture of 5 stays 5: what follows is asked for, in or out of range."""
        xt, t = _doubles(3.0, -3.0).view(2, 1), tensor([1, 1])
        close(
            student.x0_from_eps(xt, torch.zeros_like(xt), t, ABAR),
            _doubles(5.0, -5.0).view(2, 1),
            tolerance=SINGLE,
            symptoms={"This is clipped to -1 ... 1.": _doubles(1.0, -1.0).view(2, 1)},
        )

    def dtype(self, student: Work) -> None:
        """Samples in float32 stay float32, also beside a table in float64."""
        xt, guess, t = tensor([[2.2]]), tensor([[2.0]]), tensor([1])
        close(student.x0_from_eps(xt, guess, t, ABAR), tensor([[1.0]]))
        close(student.eps_from_x0(xt, tensor([[1.0]]), t, ABAR), tensor([[2.0]]))


@exercise("velocity")
class Velocity:
    def by_hand(self, student: Work) -> None:
        """Of the picture 1 and the noise 2 it is 1 where 0.64 is left, and 0.4 where 0.36 is."""
        x0, noise, t = _doubles(1.0, 1.0).view(2, 1), _doubles(2.0, 2.0).view(2, 1), tensor([0, 1])
        close(
            student.velocity(x0, noise, t, ABAR),
            _doubles(1.0, 0.4).view(2, 1),
            symptoms={
                "This has the opposite sign.": _doubles(-1.0, -0.4).view(2, 1),
                "Here picture and noise are exchanged.": _doubles(-0.4, -1.0).view(2, 1),
                "This is x_t: 0.8 x0 + 0.6 noise, and so on.": _doubles(2.0, 2.2).view(2, 1),
                "This is a sum; it should be a difference.": _doubles(2.2, 2.0).view(2, 1),
                "Here the two factors are exchanged.": _doubles(0.4, 1.0).view(2, 1),
                "This is what comes out without the roots.": _doubles(0.92, 0.08).view(2, 1),
                "This is the noise minus the picture, at any timestep.": _doubles(1.0, 1.0).view(2, 1),
            },
        )

    def back(self, student: Work) -> None:
        """from_velocity gives both back: from xt = 2 and v = 1 the picture 1 and the noise 2."""
        xt, v, t = _doubles(2.0, 2.2).view(2, 1), _doubles(1.0, 0.4).view(2, 1), tensor([0, 1])
        x0, eps = _pair(student.from_velocity(xt, v, t, ABAR))
        close(
            x0,
            _doubles(1.0, 1.0).view(2, 1),
            symptoms={
                "This is the noise; the picture comes first.": _doubles(2.0, 2.0).view(2, 1),
                "This turns the wrong way: a sign is exchanged.": _doubles(2.2, 1.64).view(2, 1),
                "Here v was taken for the noise.": _doubles(1.75, (2.2 - 0.32) / 0.6).view(2, 1),
                "from_velocity: this is what comes out without the roots.": (
                    _doubles(0.92, 0.792 - 0.256).view(2, 1)
                ),
            },
        )
        close(eps, _doubles(2.0, 2.0).view(2, 1))

    def both_ends(self, student: Work) -> None:
        """At abar = 1 it is the noise, at abar = 0 minus the picture; the way back divides by nothing."""
        x0, noise, t = _doubles(3.0, 3.0).view(2, 1), _doubles(5.0, 5.0).view(2, 1), tensor([0, 1])
        ends = _doubles(1.0, 0.0)
        close(student.velocity(x0, noise, t, ends), _doubles(5.0, -3.0).view(2, 1))
        xt, v = _doubles(3.0, 5.0).view(2, 1), _doubles(5.0, -3.0).view(2, 1)
        found, eps = _pair(student.from_velocity(xt, v, t, ends))
        holds(
            bool(torch.isfinite(torch.as_tensor(found)).all()),
            "where abar is 0 the picture is NaN or infinite: nothing needs to be divided",
        )
        close(found, x0)
        close(eps, noise)

    def dtype(self, student: Work) -> None:
        """Samples in float32 stay float32, also beside a table in float64; pictures work as points do."""
        x0, noise, t = torch.ones(1, 1, 2, 1), torch.full((1, 1, 2, 1), 2.0), tensor([1])
        close(student.velocity(x0, noise, t, ABAR), torch.full((1, 1, 2, 1), 0.4))
        found, eps = _pair(student.from_velocity(2.2 * x0, 0.4 * x0, t, ABAR))
        close(found, x0)
        close(eps, noise)


def _pair(answer: object) -> tuple[Tensor, Tensor]:
    if isinstance(answer, tuple | list) and len(answer) == 2:
        return answer[0], answer[1]
    raise Broken("two tensors are expected, the picture and the noise: `return x0, eps`")
