"""Public checks of the module `sampling`: small examples, worked out by hand."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn, tensor

from course.checking.expect import Broken, Raised, Work, close, exercise, holds, ordinary
from course.modules.sampling.checks_of_bonus import AncestralStep, MyTimesteps
from course.modules.sampling.checks_of_sigmas import DpmSolverStep, FlowMatchingStep, HeunStep

# All that a student is checked with, found here by their marks.
__all__ = [
    "AncestralStep",
    "DdimInvert",
    "DdimStep",
    "DdimTimesteps",
    "DdpmStep",
    "DpmSolverStep",
    "FlowMatchingStep",
    "HeunStep",
    "MyTimesteps",
    "Sample",
]

# Roots without remainder: (0.8, 0.6) and (0.6, 0.8). With another timestep between them: a jump.
ABAR = tensor([0.64, 0.36], dtype=torch.float64)
WITH_A_JUMP = tensor([0.64, 0.48, 0.36], dtype=torch.float64)
# x0 = 1 with noise 2 in it: 0.6 * 1 + 0.8 * 2 at the second timestep, 0.8 * 1 + 0.6 * 2 at the first.
XT, EPS, NONE = tensor([[2.2]]), tensor([[2.0]]), tensor([[0.0]])


@exercise("ddpm_step")
class DdpmStep:
    def mean(self, student: Work) -> None:
        """From abar 0.36 to 0.64, x0 = 1, xt = 2.2, no fresh noise: (0.35 x0 + 0.27 xt) / 0.64 = 1.475."""
        close(
            student.ddpm_step(XT, EPS, 1, 0, NONE, ABAR),
            [[1.475]],
            symptoms={
                "Here the factors of x0 and xt are exchanged.": [[1.625]],
                "Here eps stands where x0 should.": [[2.021875]],
                "This is a step of DDIM: all of the old noise is still in it.": [[2.0]],
                "Here x0 was computed without roots.": [[0.35 / 0.64 * (2.2 - 1.28) / 0.36 + 0.594 / 0.64]],
            },
        )

    def noise(self, student: Work) -> None:
        """The variance of that step is 0.4375 * 0.36 / 0.64 = 0.246: noise 1 adds its root, 0.496."""
        fresh = 0.4375 * 0.36 / 0.64
        close(
            student.ddpm_step(XT, EPS, 1, 0, tensor([[1.0]]), ABAR),
            [[1.475 + math.sqrt(fresh)]],
            symptoms={
                "The noise is multiplied by the variance, not by its root.": [[1.475 + fresh]],
                "Here beta is the variance: it is beta (1 - abar_next) / (1 - abar).": [
                    [1.475 + math.sqrt(0.4375)]
                ],
                "The noise that was given has no effect: is some other used?": [[1.475]],
            },
        )

    def jump(self, student: Work) -> None:
        """From abar 0.36 to 0.64 over a timestep between, it is the same step: 1.475."""
        close(
            student.ddpm_step(XT, EPS, 2, 0, NONE, WITH_A_JUMP),
            [[1.475]],
            symptoms={
                "Here beta is that of one timestep, and the jump goes over two.": [
                    [(0.2 + math.sqrt(0.75) * 0.36 * 2.2) / 0.64]
                ],
                "This goes to the timestep below t, not to t_next.": [
                    [(math.sqrt(0.48) * 0.25 + math.sqrt(0.75) * 0.52 * 2.2) / 0.64]
                ],
            },
        )

    def last(self, student: Work) -> None:
        """At t_next = -1, where abar is 1, the predicted x0 comes out, whatever the noise: 1."""
        close(
            student.ddpm_step(tensor([[2.0]]), EPS, 0, -1, tensor([[5.0]]), ABAR),
            [[1.0]],
            symptoms={"Nothing happened at the last step: -1 is not timestep 0.": [[2.0]]},
        )

    def clip(self, student: Work) -> None:
        """With clip a predicted x0 of 6.33 counts as 1; without it, and by default, as it is."""
        eps = tensor([[-2.0]])  # x0 = (2.2 + 1.6) / 0.6
        unlimited = (0.35 * 3.8 / 0.6 + 0.594) / 0.64
        close(
            student.ddpm_step(XT, eps, 1, 0, NONE, ABAR, True),
            [[1.475]],
            symptoms={
                "clip had no effect.": [[unlimited]],
                "Here the answer was limited; it is the predicted x0 that has limits.": [[1.0]],
            },
        )
        close(
            student.ddpm_step(XT, eps, 1, 0, NONE, ABAR),
            [[unlimited]],
            symptoms={"x0 was limited, although nobody asked for it.": [[1.475]]},
        )

    def pictures(self, student: Work) -> None:
        """Batches of pictures keep their shape and dtype, even where the table is float64."""
        x = torch.linspace(-1, 1, 3 * 2 * 1 * 4).reshape(3, 2, 1, 4)
        close(student.ddpm_step(x, torch.zeros_like(x), 1, 0, torch.zeros_like(x), ABAR), x / 0.75)


class _Walk:
    """A model and a step that note what they are asked. The model finds x; the step takes half of it away."""

    def __init__(self) -> None:
        self.asked: list[Tensor] = []
        self.jumps: list[tuple[int, int]] = []

    def model(self, x: Tensor, t: Tensor) -> Tensor:
        if not isinstance(t, Tensor) or t.shape != (len(x),):
            got = f"of shape {tuple(t.shape)}" if isinstance(t, Tensor) else f"{t!r}"
            raise ValueError(f"the model got x of shape {tuple(x.shape)}, and t {got}: it wants one for each")
        self.asked.append(t.detach().clone())
        return x.clone()

    def step(self, x: Tensor, eps: Tensor, t: int, t_next: int) -> Tensor:
        self.jumps.append((t, t_next))
        return x - eps / 2

    def run(self, student: Work, x: Tensor, timesteps: list[int]) -> Tensor:
        answer: Tensor = student.sample(self.model, x, timesteps, self.step)
        return answer


_WEIGHT = nn.Parameter(torch.tensor(0.5))


def _could_learn(x: Tensor, t: Tensor) -> Tensor:
    """A model with a parameter."""
    return _WEIGHT.to(x.device) * x


@exercise("sample")
class Sample:
    def jumps(self, student: Work) -> None:
        """For 7, 3, 0 the steps lead from 7 to 3, from 3 to 0, and from 0 to -1, the clean sample."""
        walk = _Walk()
        ordinary(walk.run(student, torch.ones(2, 3), [7, 3, 0]))
        named = {
            ((0, 3), (3, 7), (7, -1)): "the timesteps rise: the walk begins at the first of the list",
            ((7, 3), (3, 0)): "the last step, from 0 to -1, is missing",
            ((7, 6), (3, 2), (0, -1)): "each step goes down by 1, and not to the next of the list",
        }
        if walk.jumps != [(7, 3), (3, 0), (0, -1)]:
            went = ", ".join(f"{t} to {t_next}" for t, t_next in walk.jumps)
            raise Broken(
                named.get(tuple(walk.jumps), "these are other steps"), f"your steps: {went or 'none'}"
            )

    def told(self, student: Work) -> None:
        """The model is told at each step where x stands: int64 timesteps, one for each sample."""
        walk = _Walk()
        ordinary(walk.run(student, torch.ones(2, 3), [7, 3, 0]))
        for t in walk.asked:
            holds(t.dtype == torch.int64, f"the timesteps have the dtype {t.dtype}; torch.int64 is expected")
        times = [t.tolist() for t in walk.asked]
        if times != [[7, 7], [3, 3], [0, 0]]:
            why = {
                3: "the model should be told where x is, and not where it goes",
                1: "the model was asked once for all steps: after a step x has other noise in it",
            }
            raise Broken(
                why.get(len(times), "the model is to be asked once at each timestep"), f"it was told {times}"
            )

    def goes_on(self, student: Work) -> None:
        """Each step goes on from where the last one led: 8, halved three times, is 1."""
        close(
            _Walk().run(student, tensor([[8.0], [16.0]]), [7, 3, 0]),
            [[1.0], [2.0]],
            symptoms={
                "Here each step took half of the start away: the model is to be asked about x as it is.": [
                    [-4.0],
                    [-8.0],
                ],
                "Only the last step counts: each has to start from the result of the one before.": [
                    [4.0],
                    [8.0],
                ],
            },
        )

    def one_timestep(self, student: Work) -> None:
        """With one timestep there is one step, from there to -1; the list stays as it is."""
        walk, times = _Walk(), [5]
        close(walk.run(student, tensor([[8.0]]), times), [[4.0]])
        holds(walk.jumps == [(5, -1)], f"the steps were {walk.jumps}; (5, -1) alone is expected")
        holds(times == [5], f"the list of timesteps is now {times}")

    def no_gradients(self, student: Work) -> None:
        """No gradients are recorded, although the model has parameters that could learn."""
        answer = student.sample(_could_learn, torch.ones(2, 3), [1, 0], _Walk().step)
        ordinary(answer)
        holds(not answer.requires_grad, "the way back is kept: the result requires gradients")


@exercise("ddim_timesteps")
class DdimTimesteps:
    def leading(self, student: Work) -> None:
        """Of 10 timesteps 3, leading: the stride is 3, so 6, 3, 0."""
        _times(
            student.ddim_timesteps(10, 3, "leading"),
            [6, 3, 0],
            {
                (0, 3, 6): "they rise",
                (9, 4, 0): "this is another spacing, with both ends in it",
                (9, 5, 0): "this is another spacing, with both ends in it",
                (7, 4, 1): "they are moved up by 1",
                (9, 6, 3, 0): "there is one too many",
            },
        )
        _times(
            student.ddim_timesteps(20, 3, "leading"), [12, 6, 0], {(13, 6, 0): "the stride is to be whole: 6"}
        )

    def trailing(self, student: Work) -> None:
        """Of 10 timesteps 3, trailing: 10, 6.67 and 3.33, rounded and minus 1, so 9, 6, 2."""
        _times(
            student.ddim_timesteps(10, 3, "trailing"),
            [9, 6, 2],
            {
                (2, 6, 9): "they rise",
                (6, 3, 0): "this is leading: the spacing has no effect",
                (10, 7, 3): "they count from 1",
                (9, 6, 3): "the stride was rounded before: round each timestep by itself",
                (9, 4, 0): "this is another spacing, with both ends in it",
                (9, 5, 2): "they are rounded down, not to the nearest",
            },
        )

    def twenty_of_a_thousand(self, student: Work) -> None:
        """Of 1000 timesteps 20: leading, the default, has 950 ... 0, trailing 999 ... 49."""
        _times(student.ddim_timesteps(1000, 20), list(range(950, -1, -50)), {})
        _times(student.ddim_timesteps(1000, 20, "trailing"), list(range(999, 0, -50)), {})

    def all_and_one(self, student: Work) -> None:
        """All timesteps in either spacing, and a single one: 0 or the last."""
        for spacing, only in (("leading", [0]), ("trailing", [4])):
            _times(student.ddim_timesteps(5, 5, spacing), [4, 3, 2, 1, 0], {})
            _times(student.ddim_timesteps(5, 1, spacing), only, {})

    def another(self, student: Work) -> None:
        """A spacing that there is not is an error: ValueError."""
        try:
            answer = student.ddim_timesteps(10, 3, "linspace")
        except Raised as raised:
            what = type(raised.error).__name__
            holds(what == "ValueError", f"for spacing = 'linspace' it raised {what}, not ValueError")
        else:
            raise Broken(f"for spacing = 'linspace' it raised nothing, and gave {answer}")


def _times(answer: object, expected: list[int], symptoms: dict[tuple[int, ...], str]) -> None:
    if not isinstance(answer, list) or not all(type(each) is int for each in answer):
        raise Broken(f"a list of Python ints is expected, {type(answer).__name__} was returned", f"{answer}")
    if answer != expected:
        why = symptoms.get(tuple(answer), "these are other timesteps")
        raise Broken(why, f"you returned  {answer}", f"expected      {expected}")


@exercise("ddim_step")
class DdimStep:
    def by_hand(self, student: Work) -> None:
        """x0 = 1 with noise 2 at abar 0.36 is 2.2; at abar 0.64, with the same noise, it is 0.8 + 1.2 = 2."""
        close(
            student.ddim_step(XT, EPS, 1, 0, ABAR),
            [[2.0]],
            symptoms={
                "Here the noise has the factor of t; it moves to t_next as x0 does.": [[2.4]],
                "Nothing has happened.": [[2.2]],
                "Here x0 was computed without roots.": [[0.8 * 0.92 / 0.36 + 1.2]],
                "This is the mean of DDPM: with eta = 0 all of the old noise stays.": [[1.475]],
            },
        )

    def eta(self, student: Work) -> None:
        """With eta = 1 the fresh noise has the variance 0.246, the old one the rest of 0.36."""
        fresh = 0.4375 * 0.36 / 0.64
        old = 2 * math.sqrt(0.36 - fresh)
        close(
            student.ddim_step(XT, EPS, 1, 0, ABAR, 1.0, tensor([[1.0]])),
            [[0.8 + old + math.sqrt(fresh)]],
            symptoms={
                "The old noise has made no room for the fresh noise.": [[2.0 + math.sqrt(fresh)]],
                "The fresh noise is multiplied by its variance, not by the root.": [[0.8 + old + fresh]],
                "eta had no effect.": [[2.0]],
            },
        )
        half = fresh / 4
        close(
            student.ddim_step(XT, EPS, 1, 0, ABAR, 0.5, tensor([[1.0]])),
            [[0.8 + 2 * math.sqrt(0.36 - half) + math.sqrt(half)]],
            symptoms={
                "Here eta multiplies the variance; it is to multiply the standard deviation.": [
                    [0.8 + 2 * math.sqrt(0.36 - fresh / 2) + math.sqrt(fresh / 2)]
                ]
            },
        )

    def no_noise(self, student: Work) -> None:
        """No noise counts as zeros: with eta = 1 the old noise makes room all the same, 0.8 + 0.675."""
        close(
            student.ddim_step(XT, EPS, 1, 0, ABAR, 1.0),
            [[1.475]],
            symptoms={"Without noise, eta was left out of it altogether.": [[2.0]]},
        )

    def last(self, student: Work) -> None:
        """At t_next = -1, where abar is 1, the predicted x0 comes out, with eta = 0 and with eta = 1: 1."""
        for eta in (0.0, 1.0):
            close(
                student.ddim_step(tensor([[2.0]]), EPS, 0, -1, ABAR, eta, tensor([[5.0]])),
                [[1.0]],
                symptoms={
                    "This has read the table from its end: alphas_cumprod[-1] is the noisiest.": [[2.2]]
                },
            )

    def clip(self, student: Work) -> None:
        """With clip x0 = 6.33 counts as 1, and the noise is then (2.2 - 0.6 * 1) / 0.8 = 2: 0.8 + 1.2 = 2."""
        eps = tensor([[-2.0]])
        close(
            student.ddim_step(XT, eps, 1, 0, ABAR, clip=True),
            [[2.0]],
            symptoms={
                "The noise is still that of before: with the limited x0 it no longer makes up xt.": [[-0.4]],
                "clip had no effect.": [[0.8 * 3.8 / 0.6 - 1.2]],
                "Here the answer was limited; it is the predicted x0 that has limits.": [[1.0]],
            },
        )

    def upwards(self, student: Work) -> None:
        """With eta = 0 it leads back up as well: from 2 at abar 0.64 to 2.2 at abar 0.36."""
        close(student.ddim_step(tensor([[2.0]]), EPS, 0, 1, ABAR), [[2.2]])

    def pictures(self, student: Work) -> None:
        """Batches of pictures keep their shape and dtype, even where the table is float64."""
        x = torch.linspace(-1, 1, 3 * 2 * 1 * 4).reshape(3, 2, 1, 4)
        close(student.ddim_step(x, torch.zeros_like(x), 2, 0, WITH_A_JUMP), x * 0.8 / 0.6)


@exercise("ddim_invert")
class DdimInvert:
    def by_hand(self, student: Work) -> None:
        """x0 = 1. Told 0 the model finds noise 1: 0.8 + 0.6 = 1.4. Told 1, 2: 0.15 + 1.6 = 1.75."""
        found = student.ddim_invert(lambda x, t: (t + 1.0)[:, None] + 0 * x, tensor([[1.0]]), [1, 0], ABAR)
        close(
            found,
            [[1.75]],
            symptoms={
                "Here the model was told where x is; it is to be told where the step leads to.": [[1.4]],
                "The first step is missing, from the clean sample to the last timestep of the list.": [
                    [1.45]
                ],
                "Here the timesteps were gone through as a sampler does, the noisiest first.": [
                    [0.8 * (2.2 - 0.8) / 0.6 + 0.6]
                ],
                "This has read the table from its end: a clean sample has abar = 1.": [[1.35]],
            },
        )

    def about_x(self, student: Work) -> None:
        """A model finds x itself: 1 becomes 1.4, and that, with noise 1.4 in it, 0.42 + 1.12 = 1.54."""
        close(
            student.ddim_invert(lambda x, t: x.clone(), tensor([[1.0]]), [1, 0], ABAR),
            [[1.54]],
            symptoms={"Here the model was asked about x0 at each step, and not about x as it is.": [[1.4]]},
        )

    def only_fades(self, student: Work) -> None:
        """Where no noise is found, x0 = 5 only fades: to 0.6 * 5 = 3 at abar = 0.36."""
        for times in ([1], [1, 0]):
            close(
                student.ddim_invert(lambda x, t: torch.zeros_like(x), tensor([[5.0]]), times, ABAR),
                [[3.0]],
                symptoms={"Here the clean sample was limited to -1 ... 1.": [[0.6]]},
            )

    def asked(self, student: Work) -> None:
        """The model is asked at 0, then at 1, with an int64 timestep for each sample. The list stays."""
        asked, times = [], [1, 0]

        def model(x: Tensor, t: Tensor) -> Tensor:
            asked.append((t.tolist(), t.dtype))
            return torch.zeros_like(x)

        ordinary(student.ddim_invert(model, torch.ones(2, 3), times, ABAR))
        holds(
            asked == [([0, 0], torch.int64), ([1, 1], torch.int64)],
            f"it was asked at {', '.join(f'{t} ({dtype})' for t, dtype in asked) or 'no timestep'}",
        )
        holds(times == [1, 0], f"the list of timesteps is now {times}")

    def no_gradients(self, student: Work) -> None:
        """No gradients are recorded, although the model has parameters that could learn."""
        answer = student.ddim_invert(_could_learn, torch.ones(2, 3), [1, 0], ABAR)
        ordinary(answer)
        holds(not answer.requires_grad, "the way back is kept: the result requires gradients")
