"""Hidden tests of the module `sampling`. `B` is the batch; what a sample is made of does not matter.

Tables are short and their betas large: among a thousand small steps an error of one is below every tolerance.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from autograder.testing import (
    Draw,
    Example,
    Mismatch,
    Student,
    StudentError,
    any_layout,
    assert_close,
    assert_holds,
    assert_tensor,
    by_position_and_name,
    differentiable,
    dtypes,
    exercise,
    gradients,
    new_tensor,
    promises,
    rule,
    untouched,
    value,
)
from solutions import sampling as reference

RTOL = 1e-7  # of float64; correct answers, however they are written, agree to 1e-12
RTOL_SINGLE = 1e-4
RTOL_HALF = 2e-2
ROUNDED = {torch.float32: RTOL_SINGLE, torch.float16: RTOL_HALF}
T = 12


def _table(draw: Draw, low: float = 0.02, high: float = 0.3) -> Tensor:
    """alphas_cumprod of a short schedule, float64, from about 0.95 down to about 0.1."""
    return torch.cumprod(1 - draw.uniform(T, low=low, high=high), 0)


def _at(abar: Tensor, t: int) -> float:
    """alphas_cumprod at t, 1 for a clean sample."""
    return float(abar[t]) if t >= 0 else 1.0


def _near(answer: Any, expected: Tensor, rtol: float = RTOL) -> None:
    """Right to some digits, in whatever dtype: `dtypes` asks for all digits and for the dtype."""
    assert_close(answer, expected, rtol=rtol, check_dtype=False)


def _x0_of(xt: Tensor, eps: Tensor, abar: float) -> Tensor:
    return (xt - math.sqrt(1 - abar) * eps) / math.sqrt(abar)


def _posterior(x0: Tensor, xt: Tensor, abar: float, after: float) -> tuple[Tensor, float]:
    """Mean and variance of what lay before xt, given x0: two bell curves multiplied, by their precisions."""
    alpha = abar / after
    if after == 1:
        return x0, 0.0
    from_data, from_xt = 1 / (1 - after), alpha / (1 - alpha)
    variance = 1 / (from_data + from_xt)
    mean = variance * (from_data * math.sqrt(after) * x0 + from_xt * xt / math.sqrt(alpha))
    return mean, variance


class Network:
    """Stands for a network: a smooth function of each sample and of its own timestep.

    Notes what it is asked, and refuses timesteps that are none: of another dtype, or not one a sample.
    `once_each`: it may not be asked twice at one timestep.
    """

    def __init__(self, *, once_each: bool = False) -> None:
        self.once_each = once_each
        self.asked: list[int] = []

    def __call__(self, x: Tensor, t: Tensor) -> Tensor:
        if not isinstance(t, Tensor) or t.dtype != torch.int64 or t.shape != (len(x),):
            raise RuntimeError("the model is to be given a timestep for each sample, an int64 tensor [B]")
        at = t.tolist()
        if len(set(at)) > 1:
            raise RuntimeError("the whole batch stands at one timestep; the model was given several")
        if self.once_each and at[0] in self.asked:
            raise RuntimeError("the model was asked twice at the same timestep")
        self.asked.append(at[0])
        time = 1 + t.to(x.dtype).reshape(-1, *[1] * (x.dim() - 1)) / 5
        return torch.sin(x * time) / time + torch.cos(time)

    def assert_asked(self, times: list[int]) -> None:
        assert_holds(
            self.asked == times,
            f"the model was asked {len(self.asked)} times, and not once at each timestep in the right order",
        )


def _no_gradients(call: Callable[[], object]) -> None:
    """Nothing can flow back through the answer of a call."""
    try:
        call()
    except StudentError:
        return  # torch itself says that there is nothing to go back through
    raise Mismatch("gradients are recorded: a long way would keep every step of it in memory")


JUMPS = ((7, 6), (9, 4), (11, 0), (1, 0))


# --- ddpm_step ------------------------------------------------------------------------------------------


def _ddpm(
    xt: Tensor, eps: Tensor, t: int, t_next: int, noise: Tensor, abar: Tensor, clip: bool = False
) -> Tensor:
    x0 = _x0_of(xt, eps, _at(abar, t))
    mean, variance = _posterior(x0.clamp(-1, 1) if clip else x0, xt, _at(abar, t), _at(abar, t_next))
    return mean + math.sqrt(variance) * noise


def _of_ddpm_step(draw: Draw) -> Iterator[Example]:
    xt, eps, noise = draw.normal(3, 2, 4), draw.normal(3, 2, 4), draw.normal(3, 2, 4)
    yield Example(reference.ddpm_step, xt, eps, 8, 5, noise, _table(draw))


def _of_ddpm_step_clipped(draw: Draw) -> Iterator[Example]:
    xt, eps, noise = 2 * draw.normal(3, 4), draw.normal(3, 4), draw.normal(3, 4)
    yield Example(reference.ddpm_step, xt, eps, 8, 5, noise, _table(draw), True)


def _of_ddpm_step_to_the_end(draw: Draw) -> Iterator[Example]:
    xt, eps, noise = draw.normal(3, 2), draw.normal(3, 2), draw.normal(3, 2)
    yield Example(reference.ddpm_step, xt, eps, 0, -1, noise, _table(draw))


@exercise("ddpm_step")
@promises(
    _of_ddpm_step,
    untouched(rtol=RTOL),
    new_tensor(rtol=RTOL, examples=_of_ddpm_step_to_the_end),
    any_layout(rtol=RTOL),
    by_position_and_name(rtol=RTOL, examples=_of_ddpm_step_clipped),
    dtypes(torch.float32, torch.float16, keep=["alphas_cumprod"], rtol=ROUNDED),
    gradients(weight=8, rtol=RTOL, to=["xt", "eps", "noise"]),
)
class DdpmStep:
    @value(weight=4)
    def from_one_timestep_to_the_one_below(self, student: Student, draw: Draw) -> None:
        """Gives mean and noise of the posterior where t and t_next are neighbours."""
        abar = _table(draw)
        for t, t_next in ((7, 6), (1, 0), (11, 10)):
            xt, eps, noise = draw.normal(3, 2, 5, 4), draw.normal(3, 2, 5, 4), draw.normal(3, 2, 5, 4)
            _near(student.ddpm_step(xt, eps, t, t_next, noise, abar), _ddpm(xt, eps, t, t_next, noise, abar))

    @value(weight=4)
    def over_several_timesteps(self, student: Student, draw: Draw) -> None:
        """Takes a jump over several timesteps, with the beta of the whole jump."""
        abar = _table(draw)
        for t, t_next in ((9, 4), (11, 0), (6, 3)):
            xt, eps, noise = draw.normal(3, 2, 4), draw.normal(3, 2, 4), draw.normal(3, 2, 4)
            _near(student.ddpm_step(xt, eps, t, t_next, noise, abar), _ddpm(xt, eps, t, t_next, noise, abar))

    @value(weight=4)
    def to_the_clean_sample(self, student: Student, draw: Draw) -> None:
        """At t_next = -1 the predicted clean sample comes out, and the noise has no effect."""
        abar = _table(draw)
        for t in (0, 4):
            xt, eps, noise = draw.normal(3, 5), draw.normal(3, 5), draw.normal(3, 5)
            _near(student.ddpm_step(xt, eps, t, -1, noise, abar), _x0_of(xt, eps, _at(abar, t)))

    @value(weight=2)
    def limits_the_prediction(self, student: Student, draw: Draw) -> None:
        """With clip it limits the predicted clean sample, and nothing else."""
        abar = _table(draw)
        for t, t_next in ((7, 6), (9, 4), (3, -1)):
            xt, eps, noise = 2 * draw.normal(4, 3, 2), draw.normal(4, 3, 2), draw.normal(4, 3, 2)
            found = student.ddpm_step(xt, eps, t, t_next, noise, abar, clip=True)
            _near(found, _ddpm(xt, eps, t, t_next, noise, abar, clip=True))

    @value()
    def large_samples(self, student: Student, draw: Draw) -> None:
        """Leaves samples beyond -1 and 1 as they are where nothing is said of clip."""
        abar, xt = _table(draw), 50 * draw.normal(3, 4)
        eps, noise = draw.normal(3, 4), draw.normal(3, 4)
        _near(student.ddpm_step(xt, eps, 8, 7, noise, abar), _ddpm(xt, eps, 8, 7, noise, abar))

    @value()
    def a_table_of_single_precision(self, student: Student, draw: Draw) -> None:
        """Takes a float32 table with float64 samples."""
        abar = _table(draw).float()
        xt, eps, noise = draw.normal(3, 4), draw.normal(3, 4), draw.normal(3, 4)
        found = student.ddpm_step(xt, eps, 8, 5, noise, abar)
        _near(found, _ddpm(xt, eps, 8, 5, noise, abar), rtol=1e-5)

    @rule()
    def the_noise_enters_with_one_factor(self, student: Student, draw: Draw) -> None:
        """Twice the noise moves the answer twice as far, by one and the same factor everywhere."""
        abar, xt, eps, noise = _table(draw), draw.normal(3, 4), draw.normal(3, 4), draw.normal(3, 4)
        calm, once, twice = (
            assert_tensor(student.ddpm_step(xt, eps, 9, 4, k * noise, abar), shape=(3, 4)).double()
            for k in (0, 1, 2)
        )
        _near(twice - calm, 2 * (once - calm))
        factors = (once - calm) / noise
        _near(factors, factors.mean().expand_as(factors))

    @rule()
    def samples_are_separate(self, student: Student, draw: Draw) -> None:
        """A sample's answer does not depend on the other samples of the batch."""
        abar, xt, eps, noise = _table(draw), draw.normal(5, 3), draw.normal(5, 3), draw.normal(5, 3)
        answer = assert_tensor(student.ddpm_step(xt, eps, 9, 4, noise, abar, True), shape=(5, 3))
        for part in (slice(1, 2), slice(2, 5)):
            found = student.ddpm_step(xt[part], eps[part], 9, 4, noise[part], abar, True)
            _near(found, answer[part])


# --- sample ---------------------------------------------------------------------------------------------


class Step:
    """Stands for a step of a sampler; notes from where to where it was asked to go."""

    def __init__(self) -> None:
        self.jumps: list[tuple[Any, Any]] = []

    def __call__(self, x: Tensor, eps: Tensor, t: int, t_next: int) -> Tensor:
        if type(t) is not int or type(t_next) is not int:
            raise RuntimeError("step is to be given t and t_next as ints")
        self.jumps.append((t, t_next))
        return 0.8 * x - 0.3 * eps * (1 + t / 10) + 0.1 * (t_next + 2)

    def assert_went(self, jumps: list[tuple[int, int]]) -> None:
        assert_holds(
            self.jumps == jumps,
            f"step was asked {len(self.jumps)} times, and not from each timestep to the next, at last to -1",
        )


def _sampled(model: Any, x: Tensor, times: list[int], step: Any) -> Tensor:
    for t, t_next in zip(times, [*times[1:], -1], strict=True):
        x = step(x, model(x, torch.full((len(x),), t, dtype=torch.int64, device=x.device)), t, t_next)
    return x


def _of_sample(draw: Draw) -> Iterator[Example]:
    yield Example(reference.sample, Network(), draw.normal(3, 2, 4), [9, 5, 2, 0], Step())


@exercise("sample")
@promises(
    _of_sample,
    untouched(),
    any_layout(),
    by_position_and_name(),
    dtypes(torch.float64, torch.float32, rtol=ROUNDED),
)
class Sample:
    @value(weight=4)
    def asks_and_steps(self, student: Student, draw: Draw) -> None:
        """Asks the model and steps, from each timestep to the next, and at last to the clean sample."""
        for shape, times in (((3, 2, 4, 5), [9, 6, 3, 1]), ((5, 2), [11, 7, 0])):
            x = draw.normal(*shape)
            _near(student.sample(Network(), x, times, Step()), _sampled(Network(), x, times, Step()))

    @value(weight=3)
    def once_at_each_timestep(self, student: Student, draw: Draw) -> None:
        """Asks the model once at each timestep, in the order in which they are given."""
        for times in ([8, 6, 1], [10, 9, 8, 7]):
            model, x = Network(once_each=True), draw.normal(3, 2)
            _near(student.sample(model, x, times, Step()), _sampled(Network(), x, times, Step()))
            model.assert_asked(times)

    @value(weight=2)
    def the_last_step_leads_to_the_clean_sample(self, student: Student, draw: Draw) -> None:
        """Steps from each timestep to the next of the list, and after the last one to -1."""
        step, x = Step(), draw.normal(3, 4)
        _near(student.sample(Network(), x, [9, 4, 3], step), _sampled(Network(), x, [9, 4, 3], Step()))
        step.assert_went([(9, 4), (4, 3), (3, -1)])

    @value()
    def one_timestep(self, student: Student, draw: Draw) -> None:
        """Takes a list of one timestep, also one above 0: a single step to the clean sample."""
        for t in (0, 7):
            step, x = Step(), draw.normal(2, 3)
            _near(student.sample(Network(), x, [t], step), _sampled(Network(), x, [t], Step()))
            step.assert_went([(t, -1)])

    @value()
    def each_call_by_itself(self, student: Student, draw: Draw) -> None:
        """Starts from the samples that it is given, whatever it was called with before."""
        for scale in (1, 3):
            x = scale * draw.normal(3, 2)
            _near(student.sample(Network(), x, [5, 2], Step()), _sampled(Network(), x, [5, 2], Step()))

    @value()
    def a_batch_of_any_size(self, student: Student, draw: Draw) -> None:
        """Tells the model a timestep for each sample, for one sample and for many."""
        for batch in (1, 7):
            x = draw.normal(batch, 3, 2)
            _near(student.sample(Network(), x, [6, 2], Step()), _sampled(Network(), x, [6, 2], Step()))

    @rule()
    def the_list_stays(self, student: Student, draw: Draw) -> None:
        """The second call with the same list gives the same: the list is as it was."""
        x, times = draw.normal(3, 2), [9, 5, 2]
        expected = _sampled(Network(), x, [9, 5, 2], Step())
        _near(student.sample.twice(Network(), x, times, Step()), expected)

    @rule(weight=2)
    def no_gradients_are_recorded(self, student: Student, draw: Draw) -> None:
        """Records no gradients, even where the model would let them through."""
        x, model, step = draw.normal(3, 2), differentiable(Network()), differentiable(Step())
        _no_gradients(lambda: student.sample.gradients(model, x, [5, 2], step, cotangent=draw.normal(3, 2)))


# --- ddim_timesteps -------------------------------------------------------------------------------------


def _assert_times(answer: Any, expected: list[int]) -> None:
    if not isinstance(answer, list):
        raise Mismatch(f"a list was expected; you returned {type(answer).__name__}")
    if not all(type(each) is int for each in answer):
        raise Mismatch("the list is to have Python ints in it, and nothing else")
    if len(answer) != len(expected):
        raise Mismatch(f"the list is to have {len(expected)} timesteps; yours has {len(answer)}")
    assert_holds(answer == expected, "the timesteps are not the right ones")


def _leading(size: int, n: int) -> list[int]:
    return sorted((k * math.floor(size / n) for k in range(n)), reverse=True)


def _trailing(size: int, n: int) -> list[int]:
    return [math.floor(size * (n - k) / n + 0.5) - 1 for k in range(n)]


# Of these none gives a half that is to be rounded.
COUNTS = ((1000, 20), (1000, 30), (1000, 7), (100, 12), (50, 3), (37, 9))


@exercise("ddim_timesteps")
class DdimTimesteps:
    @value(weight=4)
    def leading(self, student: Student, draw: Draw) -> None:
        """Gives whole strides down to 0, also where n does not divide T."""
        for size, n in COUNTS:
            _assert_times(student.ddim_timesteps(size, n, "leading"), _leading(size, n))

    @value(weight=4)
    def trailing(self, student: Student, draw: Draw) -> None:
        """Gives timesteps that begin at the last one, rounded to the nearest whole number."""
        for size, n in COUNTS:
            _assert_times(student.ddim_timesteps(size, n, "trailing"), _trailing(size, n))

    @value(weight=2)
    def leading_is_the_default(self, student: Student, draw: Draw) -> None:
        """Takes its arguments by name, and counts from 0 where nothing is said of the spacing."""
        n = draw.integer(3, 40)
        _assert_times(student.ddim_timesteps(T=1000, n=n), _leading(1000, n))
        _assert_times(student.ddim_timesteps(T=1000, n=10, spacing="trailing"), _trailing(1000, 10))

    @value()
    def all_of_them(self, student: Student, draw: Draw) -> None:
        """With n = T all timesteps come out, in either spacing."""
        size = draw.integer(8, 30)
        for spacing in ("leading", "trailing"):
            _assert_times(student.ddim_timesteps(size, size, spacing), list(range(size - 1, -1, -1)))

    @value()
    def only_one(self, student: Student, draw: Draw) -> None:
        """With n = 1 the first timestep comes out, or the last one, as the spacing says."""
        size = draw.integer(8, 1000)
        _assert_times(student.ddim_timesteps(size, 1, "leading"), [0])
        _assert_times(student.ddim_timesteps(size, 1, "trailing"), [size - 1])

    @rule()
    def falls(self, student: Student, draw: Draw) -> None:
        """Gives n different timesteps between 0 and T - 1, each below the one before."""
        for spacing in ("leading", "trailing"):
            for n in (2, draw.integer(3, 60), 500):
                answer = student.ddim_timesteps(1000, n, spacing)
                if type(answer) is not list or {type(each) for each in answer} - {int}:
                    raise Mismatch("a list of Python ints was expected")
                falling = all(0 <= low < high < 1000 for high, low in pairwise(answer))
                assert_holds(len(answer) == n and falling, "they are not n timesteps that fall")

    @rule()
    def another_spacing(self, student: Student, draw: Draw) -> None:
        """Raises ValueError for a spacing that is neither of the two."""
        for spacing in ("linspace", "", "Trailing"):
            try:
                student.ddim_timesteps(1000, 10, spacing)
            except StudentError as error:
                assert_holds(error.type == "ValueError", f"it raised {error.type} instead of ValueError")
            else:
                raise Mismatch("a spacing that does not exist was taken without a word")


# --- ddim_step ------------------------------------------------------------------------------------------


def _ddim(
    xt: Tensor,
    eps: Tensor,
    t: int,
    t_next: int,
    abar: Tensor,
    eta: float = 0.0,
    noise: Tensor | None = None,
    clip: bool = False,
) -> Tensor:
    """The step by x0 and xt alone: what eps is, follows from them."""
    now, after = _at(abar, t), _at(abar, t_next)
    x0 = _x0_of(xt, eps, now)
    if clip:
        x0 = x0.clamp(-1, 1)
    fresh = eta**2 * _posterior(x0, xt, now, after)[1] if eta else 0.0
    factor = math.sqrt(max(1 - after - fresh, 0.0) / (1 - now))
    moved = math.sqrt(after) * x0 + factor * (xt - math.sqrt(now) * x0)
    return moved if noise is None else moved + math.sqrt(fresh) * noise


def _of_ddim_step(draw: Draw) -> Iterator[Example]:
    xt, eps, noise = draw.normal(3, 2, 4), draw.normal(3, 2, 4), draw.normal(3, 2, 4)
    yield Example(reference.ddim_step, xt, eps, 8, 5, _table(draw), 0.6, noise)


def _of_ddim_step_clipped(draw: Draw) -> Iterator[Example]:
    xt, eps, noise = 2 * draw.normal(3, 4), draw.normal(3, 4), draw.normal(3, 4)
    yield Example(reference.ddim_step, xt, eps, 8, 5, _table(draw), 0.6, noise, True)


def _of_ddim_step_to_the_end(draw: Draw) -> Iterator[Example]:
    yield Example(reference.ddim_step, draw.normal(3, 2), draw.normal(3, 2), 0, -1, _table(draw))


@exercise("ddim_step")
@promises(
    _of_ddim_step,
    untouched(rtol=RTOL),
    new_tensor(rtol=RTOL, examples=_of_ddim_step_to_the_end),
    any_layout(rtol=RTOL),
    by_position_and_name(rtol=RTOL, examples=_of_ddim_step_clipped),
    dtypes(torch.float32, torch.float16, keep=["alphas_cumprod"], rtol=ROUNDED),
    gradients(weight=13, rtol=RTOL, to=["xt", "eps", "noise"]),
)
class DdimStep:
    @value(weight=4)
    def without_fresh_noise(self, student: Student, draw: Draw) -> None:
        """With eta = 0, the default, it goes on with the noise that was there, however long the step."""
        abar = _table(draw)
        for t, t_next in JUMPS:
            xt, eps = draw.normal(3, 2, 5, 4), draw.normal(3, 2, 5, 4)
            _near(student.ddim_step(xt, eps, t, t_next, abar), _ddim(xt, eps, t, t_next, abar))

    @value(weight=3)
    def with_fresh_noise(self, student: Student, draw: Draw) -> None:
        """With eta above 0 a part of the noise is fresh, and of the old noise as much less is left."""
        abar = _table(draw)
        for (t, t_next), eta in zip(JUMPS, (0.3, 0.7, 1.0, 1.0), strict=True):
            xt, eps, noise = draw.normal(3, 4), draw.normal(3, 4), draw.normal(3, 4)
            found = student.ddim_step(xt, eps, t, t_next, abar, eta, noise)
            _near(found, _ddim(xt, eps, t, t_next, abar, eta, noise))

    @value(weight=2)
    def no_noise_is_zeros(self, student: Student, draw: Draw) -> None:
        """Without noise and with eta above 0, the fresh noise's part is missing all the same."""
        abar, xt, eps = _table(draw), draw.normal(3, 4), draw.normal(3, 4)
        for eta in (0.5, 1.0):
            _near(student.ddim_step(xt, eps, 9, 4, abar, eta), _ddim(xt, eps, 9, 4, abar, eta))

    @value(weight=2)
    def to_the_clean_sample(self, student: Student, draw: Draw) -> None:
        """At t_next = -1 the predicted clean sample comes out, whatever eta and the noise are."""
        abar = _table(draw)
        for t, eta in ((0, 0.0), (0, 1.0), (6, 0.5)):
            xt, eps, noise = draw.normal(3, 5), draw.normal(3, 5), draw.normal(3, 5)
            _near(student.ddim_step(xt, eps, t, -1, abar, eta, noise), _x0_of(xt, eps, _at(abar, t)))

    @value(weight=11)
    def clipping_changes_the_noise(self, student: Student, draw: Draw) -> None:
        """With clip it limits the clean sample, and computes the noise anew: both make up xt again."""
        abar = _table(draw)
        for (t, t_next), eta in zip((*JUMPS, (5, 2)), (0.0, 0.0, 0.6, 0.0, 1.0), strict=True):
            xt, eps, noise = 3 * draw.normal(3, 4, 2), draw.normal(3, 4, 2), draw.normal(3, 4, 2)
            found = student.ddim_step(xt, eps, t, t_next, abar, eta, noise, clip=True)
            _near(found, _ddim(xt, eps, t, t_next, abar, eta, noise, clip=True))

    @value(weight=5)
    def clipping_all_the_way(self, student: Student, draw: Draw) -> None:
        """With clip at each of several steps it ends where it should, and hands no error on."""
        x = own = 3 * draw.normal(3, 4)
        abar = _table(draw)
        for t, t_next in ((11, 8), (8, 4), (4, 1), (1, -1)):
            x = _ddim(x, torch.sin(3 * x) - 1, t, t_next, abar, clip=True)
            eps = torch.sin(3 * own) - 1
            own = assert_tensor(
                student.ddim_step(own, eps, t, t_next, abar, clip=True), shape=(3, 4)
            ).double()
        _near(own, x, rtol=1e-6)

    @value(weight=2)
    def upwards(self, student: Student, draw: Draw) -> None:
        """With eta = 0 it also leads from little noise to more of the same."""
        abar = _table(draw)
        for t, t_next in ((2, 9), (0, 1)):
            xt, eps = draw.normal(3, 4), draw.normal(3, 4)
            _near(student.ddim_step(xt, eps, t, t_next, abar), _ddim(xt, eps, t, t_next, abar))

    @value()
    def a_table_of_single_precision(self, student: Student, draw: Draw) -> None:
        """Takes a float32 table with float64 samples."""
        abar, xt, eps = _table(draw).float(), draw.normal(3, 4), draw.normal(3, 4)
        _near(student.ddim_step(xt, eps, 8, 5, abar), _ddim(xt, eps, 8, 5, abar), rtol=1e-5)

    @rule()
    def two_steps_are_one(self, student: Student, draw: Draw) -> None:
        """Where the noise is known, two steps of eta = 0 lead to where one step over both does."""
        abar, x0, noise = _table(draw), draw.normal(3, 4), draw.normal(3, 4)
        xt = math.sqrt(_at(abar, 10)) * x0 + math.sqrt(1 - _at(abar, 10)) * noise
        half = assert_tensor(student.ddim_step(xt, noise, 10, 6, abar), shape=(3, 4))
        _near(student.ddim_step(half, noise, 6, 1, abar), student.ddim_step(xt, noise, 10, 1, abar))

    @rule()
    def with_eta_1_it_is_ddpm(self, student: Student, draw: Draw) -> None:
        """With eta = 1 it is what a step of DDPM is: chance decides within the posterior."""
        abar, xt, eps, noise = _table(draw), draw.normal(3, 4), draw.normal(3, 4), draw.normal(3, 4)
        found = student.ddim_step(xt, eps, 7, 3, abar, 1.0, noise)
        _near(found, _ddpm(xt, eps, 7, 3, noise, abar))


# --- ddim_invert ----------------------------------------------------------------------------------------


def _inverted(model: Any, x: Tensor, times: list[int], abar: Tensor) -> Tensor:
    """Through x / sqrt(abar), which grows by eps times the growth of sqrt(1 / abar - 1)."""
    now = 1.0
    for t in reversed(times):
        after = _at(abar, t)
        eps = model(x, torch.full((len(x),), t, dtype=torch.int64, device=x.device))
        grown = math.sqrt(1 / after - 1) - math.sqrt(1 / now - 1)
        x, now = math.sqrt(after) * (x / math.sqrt(now) + grown * eps), after
    return x


def _of_ddim_invert(draw: Draw) -> Iterator[Example]:
    yield Example(reference.ddim_invert, Network(), draw.normal(3, 2, 4), [9, 5, 2], _table(draw))


@exercise("ddim_invert")
@promises(
    _of_ddim_invert,
    untouched(rtol=RTOL),
    any_layout(rtol=RTOL),
    by_position_and_name(rtol=RTOL),
    dtypes(torch.float64, torch.float32, keep=["alphas_cumprod"], rtol=ROUNDED),
)
class DdimInvert:
    @value(weight=4)
    def goes_the_way_back(self, student: Student, draw: Draw) -> None:
        """Leads from the clean sample through all timesteps up to the first of the list."""
        for shape, times in (((3, 2, 4, 5), [9, 6, 3, 0]), ((5, 2), [11, 4, 1])):
            x0, abar = draw.normal(*shape), _table(draw)
            found = student.ddim_invert(Network(), x0, times, abar)
            _near(found, _inverted(Network(), x0, times, abar))

    @value(weight=3)
    def asks_where_it_is_going(self, student: Student, draw: Draw) -> None:
        """Asks the model once for each step, and tells it the timestep that the step leads to."""
        model, x0, abar = Network(once_each=True), draw.normal(3, 2), _table(draw)
        found = student.ddim_invert(model, x0, [8, 5, 1], abar)
        _near(found, _inverted(Network(), x0, [8, 5, 1], abar))
        model.assert_asked([1, 5, 8])

    @value(weight=2)
    def one_step(self, student: Student, draw: Draw) -> None:
        """With one timestep it adds the noise that the model finds in the clean sample."""
        for t in (0, 7):
            x0, abar = draw.normal(3, 4), _table(draw)
            _near(student.ddim_invert(Network(), x0, [t], abar), _inverted(Network(), x0, [t], abar))

    @value()
    def every_timestep(self, student: Student, draw: Draw) -> None:
        """Takes all timesteps of the table, down to 0."""
        times, x0, abar = list(range(T - 1, -1, -1)), draw.normal(2, 3), _table(draw)
        _near(student.ddim_invert(Network(), x0, times, abar), _inverted(Network(), x0, times, abar))

    @value()
    def large_samples(self, student: Student, draw: Draw) -> None:
        """Limits nothing: samples beyond -1 and 1 are treated as all others."""
        x0, abar = 5 * draw.normal(3, 4), _table(draw)
        found = student.ddim_invert(Network(), x0, [10, 6, 2], abar)
        _near(found, _inverted(Network(), x0, [10, 6, 2], abar))

    @rule()
    def where_no_noise_is_found(self, student: Student, draw: Draw) -> None:
        """Where the model finds no noise, the sample only fades, by the root of what the table says."""
        x0, abar = draw.normal(3, 2), _table(draw)
        found = student.ddim_invert(lambda x, t: torch.zeros_like(x), x0, [9, 4, 2], abar)
        _near(found, math.sqrt(_at(abar, 9)) * x0)

    @rule()
    def the_list_stays(self, student: Student, draw: Draw) -> None:
        """The second call with the same list gives the same: the list is as it was."""
        x0, abar, times = draw.normal(3, 2), _table(draw), [9, 5, 2]
        expected = _inverted(Network(), x0, [9, 5, 2], abar)
        _near(student.ddim_invert.twice(Network(), x0, times, abar), expected)

    @rule(weight=2)
    def no_gradients_are_recorded(self, student: Student, draw: Draw) -> None:
        """Records no gradients, even where the model would let them through."""
        x0, model, abar = draw.normal(3, 2), differentiable(Network()), _table(draw)
        _no_gradients(
            lambda: student.ddim_invert.gradients(model, x0, [5, 2], abar, cotangent=draw.normal(3, 2))
        )


# --- dpm_solver_step ------------------------------------------------------------------------------------


def _level(abar: Tensor, t: int) -> float:
    return math.atanh(2 * _at(abar, t) - 1)  # half the logarithm of abar / (1 - abar)


def _two_m(
    xt: Tensor, x0: Tensor, before: Tensor | None, t_before: int | None, t: int, t_next: int, abar: Tensor
) -> Tensor:
    """The line through both predictions, taken at the middle of the step."""
    if t_next < 0:
        return x0.clone()
    start, end = _level(abar, t), _level(abar, t_next)
    middle = x0
    if before is not None and t_before is not None:
        middle = x0 + (x0 - before) * ((end - start) / 2) / (start - _level(abar, t_before))
    now, after = _at(abar, t), _at(abar, t_next)
    kept = math.sqrt((1 - after) / (1 - now))
    return kept * xt + (math.sqrt(after) - kept * math.sqrt(now)) * middle


def _of_dpm_solver_step(draw: Draw) -> Iterator[Example]:
    xt, x0, before = draw.normal(3, 2, 4), draw.normal(3, 2, 4), draw.normal(3, 2, 4)
    yield Example(reference.dpm_solver_step, xt, x0, before, 11, 8, 3, _table(draw))


def _of_dpm_solver_step_to_the_end(draw: Draw) -> Iterator[Example]:
    xt, x0, before = draw.normal(3, 2), draw.normal(3, 2), draw.normal(3, 2)
    yield Example(reference.dpm_solver_step, xt, x0, before, 3, 1, -1, _table(draw))


@exercise("dpm_solver_step")
@promises(
    _of_dpm_solver_step,
    untouched(rtol=RTOL),
    new_tensor(rtol=RTOL, examples=_of_dpm_solver_step_to_the_end),
    any_layout(rtol=RTOL),
    by_position_and_name(rtol=RTOL),
    dtypes(torch.float32, torch.float16, keep=["alphas_cumprod"], rtol=ROUNDED),
    gradients(weight=9, rtol=RTOL, to=["xt", "x0_now", "x0_before"]),
)
class DpmSolverStep:
    @value(weight=6)
    def second_order(self, student: Student, draw: Draw) -> None:
        """Takes the line through the last two predictions, at the middle of the step in lambda."""
        for t_before, t, t_next in ((11, 8, 3), (9, 8, 7), (6, 2, 0)):
            xt, x0, before = (draw.normal(3, 2, 5, 4) for _ in range(3))
            abar = _table(draw)
            found = student.dpm_solver_step(xt, x0, before, t_before, t, t_next, abar)
            _near(found, _two_m(xt, x0, before, t_before, t, t_next, abar))

    @value(weight=3)
    def first_order(self, student: Student, draw: Draw) -> None:
        """With nothing before, it takes the prediction as it is, and is a step of DDIM."""
        for t, t_next in JUMPS:
            xt, eps, abar = draw.normal(3, 4), draw.normal(3, 4), _table(draw)
            x0 = _x0_of(xt, eps, _at(abar, t))
            found = student.dpm_solver_step(xt, x0, None, None, t, t_next, abar)
            _near(found, _ddim(xt, eps, t, t_next, abar))

    @value(weight=2)
    def to_the_clean_sample(self, student: Student, draw: Draw) -> None:
        """At t_next = -1 the prediction itself comes out, with one before it and without."""
        abar = _table(draw)
        for before, t_before in ((draw.normal(3, 4), 6), (None, None)):
            xt, x0 = draw.normal(3, 4), draw.normal(3, 4)
            _near(student.dpm_solver_step(xt, x0, before, t_before, 2, -1, abar), x0)

    @value(weight=2)
    def unequal_steps(self, student: Student, draw: Draw) -> None:
        """Weighs by the lengths of both steps in lambda, where one is much longer than the other."""
        for t_before, t, t_next in ((11, 10, 1), (11, 2, 1)):
            xt, x0, before = (draw.normal(3, 4) for _ in range(3))
            abar = _table(draw, low=0.01, high=0.6)
            found = student.dpm_solver_step(xt, x0, before, t_before, t, t_next, abar)
            _near(found, _two_m(xt, x0, before, t_before, t, t_next, abar))

    @value()
    def several_steps(self, student: Student, draw: Draw) -> None:
        """Is right over a whole way, each step handing on its prediction to the next."""
        x, abar = draw.normal(3, 2), _table(draw)
        own, before, t_before = x, None, None
        for t, t_next in ((10, 7), (7, 3), (3, 1), (1, -1)):
            x0 = torch.tanh(x + t / 10)
            x, own = (
                _two_m(x, x0, before, t_before, t, t_next, abar),
                assert_tensor(
                    student.dpm_solver_step(own, torch.tanh(own + t / 10), before, t_before, t, t_next, abar),
                    shape=(3, 2),
                ),
            )
            before, t_before = x0, t
        _near(own, x, rtol=1e-6)

    @rule()
    def a_prediction_that_stays(self, student: Student, draw: Draw) -> None:
        """Where both predictions are the same, there is no line to follow: first and second order agree."""
        xt, x0, abar = draw.normal(3, 4), draw.normal(3, 4), _table(draw)
        second = student.dpm_solver_step(xt, x0, x0.clone(), 9, 6, 2, abar)
        _near(second, _two_m(xt, x0, None, None, 6, 2, abar))

    @rule()
    def what_is_clean_with_its_noise(self, student: Student, draw: Draw) -> None:
        """A clean sample with noise in it, predicted rightly, arrives as the same with less of that noise."""
        x0, noise, abar = draw.normal(3, 4), draw.normal(3, 4), _table(draw)
        xt = math.sqrt(_at(abar, 8)) * x0 + math.sqrt(1 - _at(abar, 8)) * noise
        expected = math.sqrt(_at(abar, 3)) * x0 + math.sqrt(1 - _at(abar, 3)) * noise
        _near(student.dpm_solver_step(xt, x0, x0.clone(), 10, 8, 3, abar), expected)


# --- karras_sigmas and heun_step ------------------------------------------------------------------------


def _sigmas(n: int, low: float, high: float, rho: float, device: torch.device) -> Tensor:
    roots = [
        high ** (1 / rho) * (1 - i / max(n - 1, 1)) + low ** (1 / rho) * i / max(n - 1, 1) for i in range(n)
    ]
    return torch.tensor([*(root**rho for root in roots), 0.0], dtype=torch.float64, device=device)


class Denoiser:
    """Stands for a network that predicts clean samples: smooth in x and in sigma.

    Notes at which standard deviations it was asked, and refuses to be asked where there is no noise.
    """

    def __init__(self) -> None:
        self.asked = list[float]()

    def __call__(self, x: Tensor, sigma: float) -> Tensor:
        at = float(sigma)
        if at == 0:
            raise RuntimeError("the model was asked at sigma = 0, where there is nothing to denoise")
        self.asked.append(at)
        return torch.tanh(x / (1 + at)) + 0.2 * math.log1p(at)


def _heun(denoise: Any, x: Tensor, sigma: float, sigma_next: float) -> Tensor:
    """Through the clean samples: Euler's step is the mixture that leaves sigma_next of the noise."""
    ratio = sigma_next / sigma
    first = denoise(x, sigma)
    x_next: Tensor = ratio * x + (1 - ratio) * first
    if sigma_next == 0:
        return x_next
    change: Tensor = (x - first) / sigma + (x_next - denoise(x_next, sigma_next)) / sigma_next
    return x - (sigma - sigma_next) / 2 * change


def _of_heun_step(draw: Draw) -> Iterator[Example]:
    yield Example(reference.heun_step, differentiable(Denoiser()), draw.normal(3, 2, 4), 3.0, 1.2)
    yield Example(reference.heun_step, differentiable(Denoiser()), draw.normal(3, 2), 0.5, 0.0)


@exercise("heun_step")
@promises(
    _of_heun_step,
    untouched(rtol=RTOL),
    any_layout(rtol=RTOL),
    by_position_and_name(rtol=RTOL),
    dtypes(torch.float32, torch.float16, rtol=ROUNDED),
    gradients(weight=9, rtol=RTOL, to=["x"]),
)
class HeunStep:
    @value(weight=3)
    def karras_sigmas(self, student: Student, draw: Draw) -> None:
        """The standard deviations fall along the curve that rho says, and end with 0."""
        for n, low, high, rho in ((5, 0.1, 20.0, 7.0), (8, 0.002, 80.0, 3.0), (4, 0.5, 9.0, 1.0)):
            _near(student.karras_sigmas(n, low, high, rho), _sigmas(n, low, high, rho, draw.device))

    @value(weight=2)
    def one_and_two_sigmas(self, student: Student, draw: Draw) -> None:
        """With n = 1 there is the largest alone before the 0, with n = 2 the largest and the smallest."""
        low, high = float(draw.uniform(1, low=0.01, high=0.1)), float(draw.uniform(1, low=5, high=50))
        for n in (1, 2):
            _near(student.karras_sigmas(n, low, high, 5.0), _sigmas(n, low, high, 5.0, draw.device))

    @value()
    def sigmas_by_name(self, student: Student, draw: Draw) -> None:
        """The arguments have the stated names, rho is 7 unless given, and the numbers are float64."""
        found = student.karras_sigmas(n=6, sigma_min=0.05, sigma_max=12.0)
        assert_close(found, _sigmas(6, 0.05, 12.0, 7.0, draw.device), rtol=1e-9)

    @value(weight=6)
    def heun_steps(self, student: Student, draw: Draw) -> None:
        """The step goes from where it started, with the mean of the slopes at both ends."""
        for shape, sigma, sigma_next in (((3, 2, 4, 5), 3.0, 1.0), ((5, 2), 10.0, 0.3), ((2, 3), 0.5, 0.4)):
            x = draw.normal(*shape) * sigma
            _near(
                student.heun_step(Denoiser(), x, sigma, sigma_next), _heun(Denoiser(), x, sigma, sigma_next)
            )

    @value(weight=2)
    def to_no_noise(self, student: Student, draw: Draw) -> None:
        """To sigma_next = 0 it is a step of Euler's, which gives the prediction itself."""
        for sigma in (0.1, 2.0):
            x = draw.normal(3, 4)
            _near(student.heun_step(Denoiser(), x, sigma, 0.0), Denoiser()(x, sigma))

    @value(weight=2)
    def asks_twice_and_once_at_the_end(self, student: Student, draw: Draw) -> None:
        """Asks at both standard deviations, once each, and at the end only at the first."""
        for sigma, sigma_next, asked in ((4.0, 1.5, [4.0, 1.5]), (0.7, 0.0, [0.7])):
            model, x = Denoiser(), draw.normal(3, 2)
            _near(student.heun_step(model, x, sigma, sigma_next), _heun(Denoiser(), x, sigma, sigma_next))
            assert_holds(model.asked == asked, f"denoise was asked {len(model.asked)} times, or elsewhere")

    @value()
    def a_whole_way(self, student: Student, draw: Draw) -> None:
        """Is right over a whole way down to no noise."""
        x = own = 8 * draw.normal(3, 2)
        for sigma, sigma_next in ((8.0, 3.0), (3.0, 0.9), (0.9, 0.1), (0.1, 0.0)):
            x = _heun(Denoiser(), x, sigma, sigma_next)
            own = assert_tensor(student.heun_step(Denoiser(), own, sigma, sigma_next), shape=(3, 2))
        _near(own, x)

    @rule()
    def what_is_clean_already(self, student: Student, draw: Draw) -> None:
        """Where the prediction is the sample itself, it stays where it is."""
        x = draw.normal(3, 4)
        for sigma_next in (1.0, 0.0):
            _near(student.heun_step(lambda x, sigma: x.clone(), x, 2.5, sigma_next), x)

    @rule()
    def sigmas_fall(self, student: Student, draw: Draw) -> None:
        """The standard deviations fall from the largest to the smallest and then to 0, whatever rho is."""
        n, rho = draw.integer(3, 30), float(draw.uniform(1, low=1.0, high=10.0))
        found = assert_tensor(student.karras_sigmas(n, 0.02, 30.0, rho), shape=(n + 1,))
        assert_holds((found[1:] < found[:-1]).all(), "they do not fall")
        _near(found[[0, n - 1, n]], torch.tensor([30.0, 0.02, 0.0], dtype=torch.float64, device=draw.device))

    @rule()
    def half_the_step_a_quarter_of_the_error(self, student: Student, draw: Draw) -> None:
        """Along a curve that is known, half the step leaves about a quarter of the error or less."""
        x = 4 * draw.normal(3, 1)
        exact, errors = x * math.sqrt(2 / 17), []  # x grows as sqrt(1 + sigma^2)
        for steps in (8, 16):
            own = x
            for k in range(steps):
                sigma, after = 4 * 0.25 ** (k / steps), 4 * 0.25 ** ((k + 1) / steps)
                own = assert_tensor(
                    student.heun_step(_of_unit_data, own, sigma, after), shape=(3, 1)
                ).double()
            errors.append((own - exact).abs().max())
        assert_holds(errors[1] <= 0.32 * errors[0], "the error falls too slowly with the number of steps")


def _of_unit_data(x: Tensor, sigma: float) -> Tensor:
    """Of data with mean 0 and standard deviation 1, the best prediction."""
    return x / (1 + float(sigma) ** 2)


# --- flow matching --------------------------------------------------------------------------------------


def _of_flow_matching(draw: Draw) -> Iterator[Example]:
    x0, noise = draw.normal(3, 2, 4), draw.normal(3, 2, 4)
    yield Example(reference.flow_matching_pair, x0, noise, draw.uniform(3, low=0.1, high=0.9))
    yield Example(reference.flow_matching_step, draw.normal(3, 2, 4), draw.normal(3, 2, 4), 0.7, 0.45)
    yield Example(reference.shift_sigmas, draw.uniform(2, 3), 2.5)


def _with_gradients(draw: Draw) -> Iterator[Example]:
    yield Example(reference.flow_matching_step, draw.normal(3, 2, 4), draw.normal(3, 2, 4), 0.7, 0.45)


def _where_nothing_changes(draw: Draw) -> Iterator[Example]:
    x0, noise = draw.normal(3, 2), draw.normal(3, 2)
    yield Example(
        reference.flow_matching_pair, x0, noise, torch.zeros(3, dtype=torch.float64, device=draw.device)
    )
    yield Example(reference.flow_matching_step, draw.normal(3, 2), draw.normal(3, 2), 0.4, 0.4)
    yield Example(reference.shift_sigmas, draw.uniform(5), 1.0)


@exercise("flow_matching_step")
@promises(
    _of_flow_matching,
    untouched(rtol=RTOL),
    new_tensor(rtol=RTOL, examples=_where_nothing_changes),
    any_layout(rtol=RTOL),
    by_position_and_name(rtol=RTOL),
    dtypes(torch.float32, torch.float16, keep=["sigma"], rtol=ROUNDED),
    gradients(weight=7, rtol=RTOL, examples=_with_gradients),
)
class FlowMatchingStep:
    @value(weight=4)
    def pairs(self, student: Student, draw: Draw) -> None:
        """The point lies on the straight line, each at its own sigma; the velocity leads to the noise."""
        for shape in ((3, 2, 5, 4), (4, 4), (5, 3, 2)):
            x0, noise, sigma = draw.normal(*shape), draw.normal(*shape), draw.uniform(shape[0])
            found = _two(student.flow_matching_pair(x0, noise, sigma))
            expected = torch.stack([torch.lerp(*each) for each in zip(x0, noise, sigma, strict=True)])
            _near(found[0], expected)
            _near(found[1], noise - x0)

    @value(weight=2)
    def both_ends(self, student: Student, draw: Draw) -> None:
        """At sigma 0 the point is the sample itself, at 1 the noise; the velocity is one at both."""
        x0, noise = draw.normal(2, 3, 4), draw.normal(2, 3, 4)
        sigma = torch.tensor([0.0, 1.0], dtype=torch.float64, device=draw.device)
        xt, velocity = _two(student.flow_matching_pair(x0, noise, sigma))
        _near(xt, torch.stack([x0[0], noise[1]]))
        _near(velocity, noise - x0)

    @value(weight=3)
    def steps(self, student: Student, draw: Draw) -> None:
        """A step moves along the velocity, by the difference of the two sigmas, in either direction."""
        for sigma, sigma_next in ((1.0, 0.75), (0.3, 0.0), (0.2, 0.9)):
            xt, v = draw.normal(3, 2, 4, 5), draw.normal(3, 2, 4, 5)
            expected = torch.add(xt, v, alpha=sigma_next - sigma)
            _near(student.flow_matching_step(xt, v, sigma, sigma_next), expected)

    @value(weight=3)
    def shifts(self, student: Student, draw: Draw) -> None:
        """Sigmas are shifted by the formula, for shifts above 1 and below, and for any shape."""
        for shape, shift in (((7,), 3.0), ((2, 3), 0.5), ((4,), 1.7)):
            sigmas = draw.uniform(*shape, low=0.05, high=0.95)
            odds = shift * sigmas / (1 - sigmas)
            _near(student.shift_sigmas(sigmas, shift), odds / (1 + odds))

    @value()
    def ends_of_the_shift(self, student: Student, draw: Draw) -> None:
        """Leaves 0 and 1 what they are, whatever the shift."""
        ends = torch.tensor([0.0, 0.5, 1.0], dtype=torch.float64, device=draw.device)
        for shift in (0.25, 4.0):
            expected = torch.tensor([0.0, shift / (1 + shift), 1.0], dtype=torch.float64, device=draw.device)
            _near(student.shift_sigmas(ends, shift), expected)

    @rule()
    def one_step_back(self, student: Student, draw: Draw) -> None:
        """From any point of the line, one step along its velocity leads back to the clean sample."""
        x0, noise = draw.normal(1, 3, 4), draw.normal(1, 3, 4)
        for share in (0.2, 1.0):
            sigma = torch.tensor([share], dtype=torch.float64, device=draw.device)
            xt, velocity = _two(student.flow_matching_pair(x0, noise, sigma))
            _near(student.flow_matching_step(xt, velocity, share, 0.0), x0)

    @rule()
    def shifting_twice(self, student: Student, draw: Draw) -> None:
        """Two shifts are one by their product, and a shift of 1 changes nothing."""
        sigmas = draw.uniform(6)
        once = assert_tensor(student.shift_sigmas(sigmas, 2.0), shape=(6,))
        _near(student.shift_sigmas(once, 1.5), assert_tensor(student.shift_sigmas(sigmas, 3.0), shape=(6,)))
        _near(student.shift_sigmas(sigmas, 1.0), sigmas)


def _two(answer: Any) -> tuple[Tensor, Tensor]:
    if not isinstance(answer, (tuple, list)) or len(answer) != 2:
        raise Mismatch("two tensors were expected, the point and the velocity")
    return assert_tensor(answer[0]), assert_tensor(answer[1])
