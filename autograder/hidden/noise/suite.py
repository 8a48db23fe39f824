"""Hidden tests of the module `noise`. Letters and names are those of `solutions/noise.py`.

Schedules are short and their betas large: with a thousand small betas, an error of one step is hard to see.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from autograder.testing import (
    Draw,
    Example,
    Mismatch,
    Student,
    any_layout,
    assert_close,
    assert_holds,
    assert_tensor,
    by_position_and_name,
    dtypes,
    exercise,
    gradients,
    new_tensor,
    promises,
    rule,
    untouched,
    value,
)
from solutions import noise as reference

# A schedule worked out in float32 and returned in float64 is right too, to seven digits of its largest beta.
RTOL = 1e-5
RTOL_SINGLE = 1e-4
RTOL_HALF = 5e-3
ROUNDED = {torch.float32: RTOL_SINGLE, torch.float16: RTOL_HALF}


def _betas(draw: Draw, T: int, low: float = 0.05, high: float = 0.6) -> Tensor:
    """Betas in no order, so that one taken for its neighbour shows."""
    return draw.uniform(T, low=low, high=high)


def _abar(betas: Tensor) -> Tensor:
    return torch.cumprod(1 - betas, dim=0)


def _timesteps(draw: Draw, B: int, T: int) -> Tensor:
    """Timesteps that differ within the batch, the first and the last step left out."""
    return 1 + draw.permutation(T - 2)[:B]


def _to_each(values: Tensor, t: Tensor, like: Tensor) -> Tensor:
    """What `extract` gives, here sample by sample, in the dtype of `like`."""
    picked = [values[step] for step in t.tolist()]
    return torch.stack(picked).to(like.dtype).reshape(len(t), *[1] * (like.dim() - 1))


def _jump(x0: Tensor, t: Tensor, noise: Tensor, abar: Tensor) -> Tensor:
    signal, rest = _to_each(abar, t, x0.double()), _to_each(1 - abar, t, x0.double())
    return (signal.sqrt() * x0.double() + rest.sqrt() * noise.double()).to(x0.dtype)


def _schedule(answer: Any, T: int, dtype: torch.dtype = torch.float64) -> Tensor:
    """An answer that is T finite numbers of this dtype."""
    betas = assert_tensor(answer, shape=(T,), dtype=dtype)
    assert_holds(torch.isfinite(betas).all(), "the result contains NaN or infinity")
    return betas


def _near(answer: Any, expected: Tensor) -> None:
    """The right numbers, in whatever dtype: of that a test of its own speaks."""
    assert_close(answer, expected, rtol=RTOL, check_dtype=False)


def _checked(answer: Any, like: Tensor) -> Tensor:
    """An answer that other answers may be compared with: finite, of this shape, dtype and device."""
    tensor = assert_tensor(answer, shape=tuple(like.shape), dtype=like.dtype)
    assert_holds(tensor.device == like.device, f"the result is on the wrong device: {tensor.device}")
    assert_holds(torch.isfinite(tensor).all(), "the result contains NaN or infinity")
    return tensor


def _of_straight_betas(draw: Draw) -> Iterator[Example]:
    for betas in (reference.linear_betas, reference.scaled_linear_betas):
        start, end = float(draw.uniform(1, low=0.02, high=0.2)), float(draw.uniform(1, low=0.3, high=0.9))
        yield Example(betas, draw.integer(5, 9), start, end, torch.float64)


@exercise("linear_betas")
@promises(_of_straight_betas, new_tensor(rtol=RTOL), by_position_and_name(rtol=RTOL))
class LinearBetas:
    @value(weight=3)
    def linear_is_evenly_spaced(self, student: Student, draw: Draw) -> None:
        """linear_betas gives T evenly spaced numbers, from the first beta to the last, both included."""
        for T in (8, 5):
            start, end = float(draw.uniform(1, low=0.02, high=0.2)), float(draw.uniform(1, low=0.3, high=0.9))
            expected = torch.linspace(start, end, T, dtype=torch.float64)
            _near(student.linear_betas(T, beta_start=start, beta_end=end), expected)

    @value(weight=3)
    def scaled_linear_has_evenly_spaced_roots(self, student: Student, draw: Draw) -> None:
        """scaled_linear_betas gives numbers whose square roots are evenly spaced, both ends included."""
        for T in (8, 5):
            start, end = float(draw.uniform(1, low=0.02, high=0.2)), float(draw.uniform(1, low=0.3, high=0.9))
            expected = torch.linspace(start**0.5, end**0.5, T, dtype=torch.float64).square()
            _near(student.scaled_linear_betas(T, beta_start=start, beta_end=end), expected)

    @value()
    def ends_of_their_own(self, student: Student, draw: Draw) -> None:
        """Each has the stated first and last beta when none are given."""
        T = draw.integer(4, 9)
        _near(student.linear_betas(T), reference.linear_betas(T))
        _near(student.scaled_linear_betas(T), reference.scaled_linear_betas(T))

    @value()
    def shortest_schedules(self, student: Student, draw: Draw) -> None:
        """Both work for a single step, which is the first beta, and for two, which are the two ends."""
        ends = draw.uniform(2, low=0.1, high=0.9)
        start, end = ends.tolist()
        for betas in (student.linear_betas, student.scaled_linear_betas):
            _near(betas(1, start, end), ends.cpu()[:1])
            _near(betas(2, start, end), ends.cpu())

    @value()
    def usual_length(self, student: Student, draw: Draw) -> None:
        """Both are right for a thousand steps of small noise, and what they leave of the picture is too."""
        for name in ("linear_betas", "scaled_linear_betas"):
            expected = getattr(reference, name)(1000)
            found = _schedule(getattr(student, name)(1000), 1000)
            assert_close(found, expected, rtol=RTOL)
            assert_close(_abar(found)[-5:], _abar(expected)[-5:], rtol=RTOL)

    @value(weight=2)
    def asked_for_dtype(self, student: Student, draw: Draw) -> None:
        """Both return the dtype that is asked for, and float64 when none is."""
        start, end = 0.1, float(draw.uniform(1, low=0.3, high=0.9))
        for name in ("linear_betas", "scaled_linear_betas"):
            for options in ({"dtype": torch.float32}, {"dtype": torch.float64}, {}):
                expected = getattr(reference, name)(6, start, end, **options)
                assert_close(getattr(student, name)(6, start, end, **options), expected, rtol=RTOL)

    @value()
    def any_ends(self, student: Student, draw: Draw) -> None:
        """Both take any ends: equal ones, very far apart, or the last below the first."""
        middle = float(draw.uniform(1, low=0.2, high=0.8))
        for start, end in ((middle, middle), (1e-8, 0.999), (0.9, middle / 4)):
            for name in ("linear_betas", "scaled_linear_betas"):
                expected = getattr(reference, name)(7, start, end)
                _near(getattr(student, name)(7, start, end), expected)

    @rule()
    def picture_fades(self, student: Student, draw: Draw) -> None:
        """All betas lie between 0 and 1 and rise, so alphas_cumprod falls with every step."""
        for name in ("linear_betas", "scaled_linear_betas"):
            betas = _schedule(getattr(student, name)(50, beta_start=0.001, beta_end=0.5), 50)
            assert_holds(((betas > 0) & (betas < 1)).all(), f"some {name} are not between 0 and 1")
            assert_holds((betas.diff() > 0).all(), f"some {name} are not larger than the one before")
            assert_holds((_abar(betas).diff() < 0).all(), "alphas_cumprod does not fall")

    @rule()
    def scaled_stays_below(self, student: Student, draw: Draw) -> None:
        """Between the same ends, the scaled schedule stays below the linear one: it starts more gently."""
        start, end = float(draw.uniform(1, low=0.01, high=0.1)), float(draw.uniform(1, low=0.4, high=0.9))
        linear = _schedule(student.linear_betas(9, start, end), 9)
        scaled = _schedule(student.scaled_linear_betas(9, start, end), 9)
        assert_holds((scaled[1:-1] < linear[1:-1]).all(), "the scaled schedule is not below the linear one")


def _of_extract(draw: Draw) -> Iterator[Example]:
    yield Example(reference.extract, draw.normal(6), _timesteps(draw, 3, 6), 4)
    # One of each, where a view would do; and the same one again.
    yield Example(reference.extract, draw.normal(3), torch.arange(3, device=draw.device), 1)
    yield Example(reference.extract, draw.normal(4), torch.tensor([2, 0, 2], device=draw.device), 3)


@exercise("extract")
@promises(
    _of_extract,
    untouched(),
    new_tensor(rtol=RTOL),
    any_layout(),
    by_position_and_name(),
    gradients(weight=6, to=["values"]),
)
class Extract:
    @value(weight=6)
    def own_value_for_each_sample(self, student: Student, draw: Draw) -> None:
        """Gives each sample the value at its own timestep, shaped to multiply a batch of pictures."""
        for B, T in [(3, 7), (5, 9)]:
            values, t = draw.normal(T), _timesteps(draw, B, T)
            expected = torch.stack([values[step] for step in t.tolist()]).view(B, 1, 1, 1)
            _near(student.extract(values, t, 4), expected)

    @value(weight=2)
    def any_number_of_dimensions(self, student: Student, draw: Draw) -> None:
        """Gives as many dimensions as are asked for, from one to five; all but the first have size 1."""
        values = draw.normal(6)
        for ndim in (1, 2, 3, 5):
            t = _timesteps(draw, 3, 6)
            expected = torch.stack([values[step] for step in t.tolist()]).view(3, *[1] * (ndim - 1))
            _near(student.extract(values, t, ndim), expected)

    @value()
    def any_batch(self, student: Student, draw: Draw) -> None:
        """Takes a single sample, more samples than there are timesteps, equal timesteps, in any order."""
        values = draw.normal(4)
        for t in (draw.integers(1, high=4), draw.integers(9, high=4), draw.permutation(4).repeat(2)):
            expected = torch.stack([values[step] for step in t.tolist()]).view(-1, 1, 1)
            _near(student.extract(values, t, 3), expected)

    @value()
    def first_and_last_timestep(self, student: Student, draw: Draw) -> None:
        """The first timestep is 0, the last is T - 1; a table of one timestep works as well."""
        values = draw.normal(5)
        t = torch.tensor([4, 0, 4], device=values.device)
        _near(student.extract(values, t, 2), values[[4, 0, 4]][:, None])
        _near(student.extract(values[:1], t * 0, 4), values[:1].repeat(3).view(3, 1, 1, 1))

    @value(weight=2)
    def keeps_the_dtype(self, student: Student, draw: Draw) -> None:
        """Keeps numbers and dtype of the values exactly as they are, whatever the dtype."""
        t = _timesteps(draw, 3, 6)
        for values in (draw.normal(6), draw.normal(6).float(), draw.normal(6).half(), draw.permutation(6)):
            expected = torch.stack([values[step] for step in t.tolist()]).view(3, 1, 1, 1)
            assert_close(student.extract(values, t, 4), expected, rtol=0)

    @rule()
    def order_of_the_samples(self, student: Student, draw: Draw) -> None:
        """Reordering the timesteps reorders the answer in the same way."""
        values, t, order = draw.normal(8), _timesteps(draw, 5, 8), draw.permutation(5)
        answer = assert_tensor(student.extract(values, t, 4), shape=(5, 1, 1, 1))
        assert_close(student.extract(values, t[order], 4), answer[order], rtol=0)

    @rule()
    def multiplies_each_sample(self, student: Student, draw: Draw) -> None:
        """Multiplied with a batch of ones, it makes each sample constant: no fading across a picture."""
        values, t = 1 + draw.uniform(8), _timesteps(draw, 5, 8)
        answer = assert_tensor(student.extract(values, t, 4), shape=(5, 1, 1, 1))
        pictures = answer * torch.ones(5, 2, 3, 5, dtype=values.dtype, device=values.device)
        assert_holds((pictures.flatten(1).std(1) == 0).all(), "some samples are not constant")


def _of_q_sample(draw: Draw) -> Iterator[Example]:
    abar = _abar(_betas(draw, 8))
    x0, noise = draw.normal(3, 2, 3, 4), draw.normal(3, 2, 3, 4)
    yield Example(reference.q_sample, x0, _timesteps(draw, 3, 8), noise, abar)


def _with_nothing_to_add(draw: Draw) -> Iterator[Example]:
    """Where abar is 1 or 0 the answer equals an argument."""
    for abar in (torch.ones(5), torch.zeros(5)):
        x0, noise = draw.normal(3, 2, 2, 2), draw.normal(3, 2, 2, 2)
        yield Example(reference.q_sample, x0, _timesteps(draw, 3, 5), noise, abar.to(x0))


def _of_small_betas(draw: Draw) -> Iterator[Example]:
    """Rounded to float16, this table is 1 where little noise was added: what is lost is as large as x0."""
    x0, noise = 0.3 * draw.normal(3, 2, 3, 4), 30 * draw.normal(3, 2, 3, 4)
    yield Example(reference.q_sample, x0, _timesteps(draw, 3, 8), noise, _abar(_betas(draw, 8, 1e-5, 3e-5)))


@exercise("q_sample")
@promises(
    _of_q_sample,
    untouched(rtol=RTOL),
    new_tensor(rtol=RTOL, examples=_with_nothing_to_add),
    any_layout(rtol=RTOL),
    by_position_and_name(rtol=RTOL),
    dtypes(torch.float32, torch.float16, keep=["alphas_cumprod"], rtol=ROUNDED, examples=_of_small_betas),
    gradients(weight=7, rtol=RTOL, to=["x0", "noise"]),
)
class QSample:
    @value(weight=4)
    def pictures(self, student: Student, draw: Draw) -> None:
        """Noises each picture of a batch up to its own timestep, whatever the height and the width."""
        for B, C, H, W in [(3, 2, 5, 4), (5, 1, 2, 7)]:
            abar, t = _abar(_betas(draw, 9)), _timesteps(draw, B, 9)
            x0, noise = draw.normal(B, C, H, W), draw.normal(B, C, H, W)
            assert_close(student.q_sample(x0, t, noise, abar), _jump(x0, t, noise, abar), rtol=RTOL)

    @value(weight=2)
    def all_steps_together(self, student: Student, draw: Draw) -> None:
        """Does at once what all the single steps up to t do one after another: same mean, same variance."""
        betas = _betas(draw, 6)
        x0, t = draw.normal(5, 1, 2, 3), 1 + torch.arange(5, device=draw.device)
        mean, variance = x0.clone(), torch.zeros_like(x0)
        for step in range(6):
            still = (t >= step)[:, None, None, None]  # the samples that this step concerns
            mean = torch.where(still, (1 - betas[step]).sqrt() * mean, mean)
            variance = torch.where(still, (1 - betas[step]) * variance + betas[step], variance)
        nothing, ones = torch.zeros_like(x0), torch.ones_like(x0)
        assert_close(student.q_sample(x0, t, nothing, _abar(betas)), mean, rtol=RTOL)
        assert_close(student.q_sample(nothing, t, ones, _abar(betas)), variance.sqrt(), rtol=RTOL)

    @value()
    def any_number_of_dimensions(self, student: Student, draw: Draw) -> None:
        """Takes vectors, sequences and videos as well as pictures, and single numbers."""
        for shape in [(3, 5), (5, 2, 3), (3, 2, 3, 2, 4), (5,)]:
            abar, t = _abar(_betas(draw, 8)), _timesteps(draw, shape[0], 8)
            x0, noise = draw.normal(*shape), draw.normal(*shape)
            assert_close(student.q_sample(x0, t, noise, abar), _jump(x0, t, noise, abar), rtol=RTOL)

    @value()
    def as_many_samples_as_columns(self, student: Student, draw: Draw) -> None:
        """Is right where the batch is as large as a picture is wide, and for one sample alone."""
        for shape in [(4, 2, 3, 4), (3, 3, 3, 3), (1, 2, 3, 4)]:
            abar, t = _abar(_betas(draw, 9)), _timesteps(draw, shape[0], 9)
            x0, noise = draw.normal(*shape), draw.normal(*shape)
            assert_close(student.q_sample(x0, t, noise, abar), _jump(x0, t, noise, abar), rtol=RTOL)

    @value()
    def first_and_last_timestep(self, student: Student, draw: Draw) -> None:
        """Is right at the first timestep, which is noised already, and at the last."""
        abar = _abar(_betas(draw, 6))
        x0, noise = draw.normal(3, 1, 2, 4), draw.normal(3, 1, 2, 4)
        t = torch.tensor([0, 5, 0], device=draw.device)
        assert_close(student.q_sample(x0, t, noise, abar), _jump(x0, t, noise, abar), rtol=RTOL)

    @value()
    def all_or_nothing(self, student: Student, draw: Draw) -> None:
        """Gives the sample itself where alphas_cumprod is 1, and the noise alone where it is 0."""
        x0, noise = draw.normal(3, 2, 2, 3), draw.normal(3, 2, 2, 3)
        abar = torch.tensor([1.0, 0.5, 0.0], dtype=torch.float64, device=draw.device)
        found = student.q_sample(x0, torch.tensor([2, 0, 2], device=draw.device), noise, abar)
        assert_close(found, torch.stack([noise[0], x0[1], noise[2]]))

    @value()
    def large_and_small_samples(self, student: Student, draw: Draw) -> None:
        """Is right for samples far larger, and far smaller, than the noise."""
        abar, t = _abar(_betas(draw, 8)), _timesteps(draw, 3, 8)
        for scale in (1e6, 1e-6):
            x0, noise = scale * draw.normal(3, 1, 3, 2), draw.normal(3, 1, 3, 2)
            assert_close(student.q_sample(x0, t, noise, abar), _jump(x0, t, noise, abar), rtol=RTOL)
            nothing = torch.zeros_like(x0)
            assert_close(student.q_sample(x0, t, nothing, abar), _jump(x0, t, nothing, abar), rtol=RTOL)

    @value()
    def dtype_of_the_samples(self, student: Student, draw: Draw) -> None:
        """Returns the samples' dtype, half precision too, even where alphas_cumprod has another one."""
        abar, t = _abar(_betas(draw, 8)), _timesteps(draw, 3, 8)
        for dtype, rtol in ((torch.float32, RTOL_SINGLE), (torch.float16, RTOL_HALF)):
            x0, noise = draw.normal(3, 2, 3, 5, dtype=dtype), draw.normal(3, 2, 3, 5, dtype=dtype)
            for table in (abar, abar.float()):
                found = student.q_sample(x0, t, noise, table)
                assert_close(found, _jump(x0, t, noise, table), rtol=rtol)

    @rule()
    def keeps_unit_variance(self, student: Student, draw: Draw) -> None:
        """A sample of variance 1 keeps variance 1: the squares of the two factors add up to 1."""
        abar, t = _abar(_betas(draw, 9)), _timesteps(draw, 5, 9)
        ones, nothing = (
            draw.normal(5, 1, 2, 3) * 0 + 1,
            torch.zeros(5, 1, 2, 3).to(draw.device, torch.float64),
        )
        signal = _checked(student.q_sample(ones, t, nothing, abar), like=ones)
        rest = _checked(student.q_sample(nothing, t, ones, abar), like=ones)
        assert_close(signal.square() + rest.square(), ones, rtol=RTOL)

    @rule()
    def adds_up(self, student: Student, draw: Draw) -> None:
        """Of two samples added up, and their noise too, the result is the sum of their results."""
        abar, t = _abar(_betas(draw, 8)), _timesteps(draw, 3, 8)
        x0, y0, noise, more = (draw.normal(3, 2, 2, 3) for _ in range(4))
        one = _checked(student.q_sample(x0, t, noise, abar), like=x0)
        other = _checked(student.q_sample(y0, t, more, abar), like=x0)
        assert_close(student.q_sample(x0 + y0, t, noise + more, abar), one + other, rtol=RTOL)

    @rule()
    def samples_are_separate(self, student: Student, draw: Draw) -> None:
        """A sample's answer does not depend on the other samples of the batch."""
        abar, t = _abar(_betas(draw, 9)), _timesteps(draw, 5, 9)
        x0, noise = draw.normal(5, 2, 3, 4), draw.normal(5, 2, 3, 4)
        answer = _checked(student.q_sample(x0, t, noise, abar), like=x0)
        part = slice(2, 3)
        assert_close(student.q_sample(x0[part], t[part], noise[part], abar), answer[part], rtol=RTOL)


def _of_signal_to_noise(draw: Draw) -> Iterator[Example]:
    yield Example(reference.signal_to_noise, draw.uniform(5, 2, low=0.3, high=0.9))
    yield Example(reference.signal_to_noise, torch.zeros(3, dtype=torch.float64, device=draw.device))


@exercise("signal_to_noise")
@promises(
    _of_signal_to_noise,
    untouched(rtol=RTOL),
    new_tensor(rtol=RTOL),
    any_layout(rtol=RTOL),
    by_position_and_name(rtol=RTOL),
)
class SignalToNoise:
    @value(weight=3)
    def middle(self, student: Student, draw: Draw) -> None:
        """Gives the ratio of the variances of signal and noise where the two are of similar size."""
        abar = draw.uniform(7, low=0.2, high=0.8)
        assert_close(student.signal_to_noise(abar), (1 / abar - 1).reciprocal(), rtol=RTOL)

    @value(weight=2)
    def beginning(self, student: Student, draw: Draw) -> None:
        """Is right where there is hardly any noise, and the ratio is in the thousands or millions."""
        for rest in (1e-3, 1e-6):
            abar = 1 - rest * draw.uniform(5, low=0.5, high=1)
            assert_close(student.signal_to_noise(abar), abar / (1 - abar), rtol=RTOL)

    @value(weight=2)
    def end(self, student: Student, draw: Draw) -> None:
        """Is right where hardly any signal is left, and 0 where there is none."""
        for left in (1e-3, 1e-6):
            abar = left * draw.uniform(5, low=0.5, high=1)
            assert_close(student.signal_to_noise(abar), abar / (1 - abar), rtol=RTOL)
        nothing = torch.zeros(3, dtype=torch.float64, device=draw.device)
        assert_close(student.signal_to_noise(nothing), nothing)

    @value()
    def any_shape(self, student: Student, draw: Draw) -> None:
        """Takes any number of dimensions: what extract gives, or a single number."""
        for shape in [(3, 1, 1, 1), (2, 3), ()]:
            abar = draw.uniform(*shape, low=0.3, high=0.9)
            assert_close(student.signal_to_noise(abar), abar / (1 - abar), rtol=RTOL)

    @value()
    def keeps_the_dtype(self, student: Student, draw: Draw) -> None:
        """Returns the dtype that it was given, and is as exact as that dtype allows."""
        for abar in (draw.uniform(6, low=0.2, high=0.8).float(), 1 - 1e-3 * (1 + draw.uniform(6)).float()):
            expected = (abar.double() / (1 - abar.double())).float()
            assert_close(student.signal_to_noise(abar), expected, rtol=1e-3)

    @rule()
    def falls_with_the_signal(self, student: Student, draw: Draw) -> None:
        """Falls from step to step as alphas_cumprod does."""
        abar = _abar(_betas(draw, 8))
        ratio = _checked(student.signal_to_noise(abar), like=abar)
        assert_holds((ratio.diff() < 0).all(), "the ratio does not fall")

    @rule()
    def signal_and_noise_swapped(self, student: Student, draw: Draw) -> None:
        """Swapping signal and noise turns the ratio upside down."""
        abar = draw.uniform(6, low=0.2, high=0.8)
        ratio = _checked(student.signal_to_noise(abar), like=abar)
        swapped = _checked(student.signal_to_noise(1 - abar), like=abar)
        assert_close(ratio * swapped, torch.ones_like(abar), rtol=RTOL)


def _f(u: float, s: float) -> float:
    return math.cos((u + s) / (1 + s) * math.pi / 2) ** 2


def _cosine(T: int, s: float = 0.008, max_beta: float = 0.999) -> Tensor:
    """Step by step, in Python's own numbers."""
    betas = [min(1 - _f((t + 1) / T, s) / _f(t / T, s), max_beta) for t in range(T)]
    return torch.tensor(betas, dtype=torch.float64)


def _sigmoid(T: int, start: float, end: float) -> Tensor:
    z = [-6 + 12 * t / max(T - 1, 1) for t in range(T)]
    return torch.tensor([start + (end - start) / (1 + math.exp(-each)) for each in z], dtype=torch.float64)


def _of_curved_betas(draw: Draw) -> Iterator[Example]:
    s, most = float(draw.uniform(1, low=0.1, high=0.3)), float(draw.uniform(1, low=0.5, high=0.7))
    yield Example(reference.cosine_betas, draw.integer(5, 9), s, most, torch.float64)
    start, end = float(draw.uniform(1, low=0.02, high=0.2)), float(draw.uniform(1, low=0.3, high=0.9))
    yield Example(reference.sigmoid_betas, draw.integer(5, 9), start, end, torch.float64)


@exercise("cosine_betas")
@promises(_of_curved_betas, new_tensor(rtol=RTOL), by_position_and_name(rtol=RTOL))
class CosineBetas:
    @value(weight=3)
    def cosine(self, student: Student, draw: Draw) -> None:
        """cosine_betas gives the betas that belong to a squared cosine, T of them."""
        for T in (5, 8):
            assert_close(student.cosine_betas(T), _cosine(T), rtol=RTOL)

    @value(weight=2)
    def first_betas_of_the_cosine(self, student: Student, draw: Draw) -> None:
        """The first betas of a thousand are right, though very small: there is no smallest beta."""
        found = _schedule(student.cosine_betas(1000), 1000)
        # Worked out in float32, the last ones have four digits, and the first ones three.
        assert_close(found, _cosine(1000), rtol=RTOL_SINGLE)
        assert_close(found[:20], _cosine(1000)[:20], rtol=5e-3)

    @value()
    def offset_of_the_cosine(self, student: Student, draw: Draw) -> None:
        """Takes another offset s, 0 included."""
        for s in (float(draw.uniform(1, low=0.1, high=0.6)), 0.0):
            assert_close(student.cosine_betas(6, s=s), _cosine(6, s), rtol=RTOL)

    @value(weight=2)
    def largest_beta_of_the_cosine(self, student: Student, draw: Draw) -> None:
        """No beta of the cosine is larger than max_beta; those that would be are max_beta instead."""
        for T, most in ((6, float(draw.uniform(1, low=0.3, high=0.5))), (9, 0.9), (1, 0.999)):
            assert_close(student.cosine_betas(T, max_beta=most), _cosine(T, max_beta=most), rtol=RTOL)

    @value(weight=3)
    def sigmoid(self, student: Student, draw: Draw) -> None:
        """sigmoid_betas gives the sigmoid of T evenly spaced numbers, moved to between its two ends."""
        for T in (5, 8):
            start, end = float(draw.uniform(1, low=0.02, high=0.2)), float(draw.uniform(1, low=0.3, high=0.9))
            found = student.sigmoid_betas(T, beta_start=start, beta_end=end)
            assert_close(found, _sigmoid(T, start, end), rtol=RTOL)

    @value()
    def usual_sigmoid(self, student: Student, draw: Draw) -> None:
        """sigmoid_betas has the stated ends when none are given; a thousand steps work, and so does one."""
        for T in (1000, draw.integer(4, 9), 1):
            assert_close(student.sigmoid_betas(T), _sigmoid(T, 1e-4, 0.02), rtol=RTOL)

    @value()
    def asked_for_dtype(self, student: Student, draw: Draw) -> None:
        """Both return the dtype that is asked for, and float64 when none is."""
        for name in ("cosine_betas", "sigmoid_betas"):
            for options in ({"dtype": torch.float32}, {"dtype": torch.float64}, {}):
                expected = getattr(reference, name)(6, **options)
                assert_close(getattr(student, name)(6, **options), expected, rtol=RTOL)

    @rule()
    def picture_fades(self, student: Student, draw: Draw) -> None:
        """All betas of both lie between 0 and 1 and never fall, so alphas_cumprod falls with every step."""
        for name in ("cosine_betas", "sigmoid_betas"):
            betas = _schedule(getattr(student, name)(40), 40)
            assert_holds(((betas > 0) & (betas < 1)).all(), f"some {name} are not between 0 and 1")
            assert_holds((betas.diff() >= 0).all(), f"some {name} are smaller than the one before")
            assert_holds((_abar(betas).diff() < 0).all(), "alphas_cumprod does not fall")

    @rule()
    def cosine_comes_out(self, student: Student, draw: Draw) -> None:
        """Multiplied up again, cosine_betas give the squared cosine, as far as none is capped."""
        betas = _schedule(student.cosine_betas(9), 9)
        expected = [_f((t + 1) / 9, 0.008) / _f(0, 0.008) for t in range(8)]
        assert_close(_abar(betas)[:-1], torch.tensor(expected, dtype=torch.float64), rtol=RTOL)

    @rule()
    def sigmoid_is_symmetric(self, student: Student, draw: Draw) -> None:
        """A sigmoid beta and its counterpart from the other end add up to the two ends together."""
        start, end = float(draw.uniform(1, low=0.02, high=0.2)), float(draw.uniform(1, low=0.3, high=0.9))
        betas = _schedule(student.sigmoid_betas(7, start, end), 7)
        assert_close(betas + betas.flip(0), torch.full_like(betas, start + end), rtol=RTOL)


def _rescaled(betas: Tensor) -> Tensor:
    """Step by step, in Python's own numbers."""
    roots, left = [], 1.0
    for beta in betas.tolist():
        left *= 1 - beta
        roots.append(math.sqrt(left))
    first, last = roots[0], roots[-1]
    abar = [((root - last) * first / (first - last)) ** 2 for root in roots]
    return torch.tensor(
        [1 - now / before for before, now in zip([1.0, *abar[:-1]], abar, strict=True)],
        dtype=betas.dtype,
        device=betas.device,
    )


def _of_zero_terminal_snr(draw: Draw) -> Iterator[Example]:
    betas = _betas(draw, 6, low=0.05, high=0.4)
    yield Example(reference.zero_terminal_snr, betas)
    nothing_to_do = torch.tensor([0.75, 1.0])  # whose root is exact
    yield Example(reference.zero_terminal_snr, nothing_to_do.to(betas))


@exercise("zero_terminal_snr")
@promises(_of_zero_terminal_snr, untouched(rtol=RTOL), new_tensor(rtol=RTOL), any_layout(rtol=RTOL))
class ZeroTerminalSnr:
    @value(weight=4)
    def shifts_and_scales_the_root(self, student: Student, draw: Draw) -> None:
        """Gives the betas of the schedule whose root of alphas_cumprod is shifted, then scaled."""
        for T in (6, 9):
            betas = _betas(draw, T, low=0.05, high=0.4)
            assert_close(student.zero_terminal_snr(betas), _rescaled(betas), rtol=RTOL)

    @value(weight=2)
    def usual_schedules(self, student: Student, draw: Draw) -> None:
        """Is right for the usual schedules of a thousand small betas, the first of them too."""
        for betas in (reference.linear_betas(1000), reference.scaled_linear_betas(1000)):
            betas = betas.to(draw.device)
            found = _schedule(student.zero_terminal_snr(betas), 1000)
            assert_close(found, _rescaled(betas), rtol=RTOL)
            assert_close(found[:20], _rescaled(betas)[:20], rtol=RTOL)

    @value()
    def shortest_schedule(self, student: Student, draw: Draw) -> None:
        """Of two betas it keeps the first, and the second becomes 1."""
        betas = draw.uniform(2, low=0.2, high=0.7)
        expected = torch.stack([betas[0], torch.ones_like(betas[0])])
        assert_close(student.zero_terminal_snr(betas), expected, rtol=RTOL)

    @value()
    def large_betas(self, student: Student, draw: Draw) -> None:
        """Is right for betas so large that hardly anything was left of the picture anyway."""
        betas = draw.uniform(7, low=0.6, high=0.95)
        assert_close(student.zero_terminal_snr(betas), _rescaled(betas), rtol=RTOL)

    @value()
    def keeps_the_dtype(self, student: Student, draw: Draw) -> None:
        """Returns the dtype that it was given."""
        betas = _betas(draw, 7, low=0.1, high=0.4)
        assert_close(student.zero_terminal_snr(betas.float()), _rescaled(betas).float(), rtol=RTOL_SINGLE)

    @value()
    def leaves_the_betas_alone(self, student: Student, draw: Draw) -> None:
        """Gives the same answer when it is called again on the same betas, however they lie in memory."""
        betas = draw.uniform(6, 2, low=0.05, high=0.4)[:, 1]
        assert_close(student.zero_terminal_snr.twice(betas), _rescaled(betas), rtol=RTOL)

    @rule(weight=2)
    def leaves_exactly_nothing(self, student: Student, draw: Draw) -> None:
        """The last beta is exactly 1, so the last of alphas_cumprod is exactly 0, in float32 too."""
        for betas in (
            _betas(draw, 8),
            reference.scaled_linear_betas(1000, dtype=torch.float32).to(draw.device),
        ):
            found = _schedule(student.zero_terminal_snr(betas), len(betas), betas.dtype)
            assert_holds(found[-1] == 1, "the last beta is not exactly 1")
            assert_holds(((found[:-1] > 0) & (found[:-1] < 1)).all(), "some betas are not between 0 and 1")

    @rule()
    def keeps_the_beginning(self, student: Student, draw: Draw) -> None:
        """The first beta is what it was, so the beginning stays as it is."""
        betas = _betas(draw, 6)
        assert_close(_schedule(student.zero_terminal_snr(betas), 6)[:1], betas[:1], rtol=RTOL)

    @rule()
    def nothing_left_already(self, student: Student, draw: Draw) -> None:
        """Gives back, unchanged, betas that leave nothing already: their last one is 1."""
        betas = torch.cat([_betas(draw, 5), torch.ones(1, dtype=torch.float64, device=draw.device)])
        assert_close(student.zero_terminal_snr(betas), betas, rtol=RTOL)

    @rule()
    def steps_keep_their_proportions(self, student: Student, draw: Draw) -> None:
        """All steps of the root of alphas_cumprod grow by one and the same factor."""
        betas = _betas(draw, 6)
        before = _abar(betas).sqrt().diff()
        after = _abar(_schedule(student.zero_terminal_snr(betas), 6)).sqrt().diff()
        factor = after.sum() / before.sum()
        assert_close(after, factor * before, rtol=RTOL)


def _looked_back(x0: Tensor, xt: Tensor, t: Tensor, betas: Tensor) -> tuple[Tensor, Tensor]:
    """What is known of x_{t-1} from x0, corrected by what xt says: a Kalman filter's update, in float64."""
    abar = _abar(betas.double())
    before = torch.cat([torch.ones_like(abar[:1]), abar[:-1]])
    wide = x0.double()
    expected, spread = _to_each(before, t, wide).sqrt() * wide, 1 - _to_each(before, t, wide)
    kept, beta = (1 - _to_each(betas.double(), t, wide)).sqrt(), _to_each(betas.double(), t, wide)
    gain = spread * kept / (kept**2 * spread + beta)
    mean = expected + gain * (xt.double() - kept * expected)
    return mean.to(x0.dtype), ((1 - gain * kept) * spread).to(x0.dtype)


def _pair(answer: Any) -> tuple[Any, Any]:
    """Mean and variance."""
    if not isinstance(answer, (tuple, list)) or len(answer) != 2:
        raise Mismatch("two tensors were expected, the mean and the variance")
    return answer[0], answer[1]


def _assert_posterior(answer: Any, expected: tuple[Tensor, Tensor], rtol: float = RTOL) -> None:
    for found, wanted, name in zip(_pair(answer), expected, ("mean", "variance"), strict=True):
        try:
            assert_close(found, wanted, rtol=rtol)
        except Mismatch as mismatch:
            raise Mismatch(f"the {name}: {mismatch}") from None


def _of_q_posterior(draw: Draw) -> Iterator[Example]:
    for t in (_timesteps(draw, 3, 8), torch.zeros(3, dtype=torch.int64, device=draw.device)):
        x0, xt = draw.normal(3, 2, 3, 4), draw.normal(3, 2, 3, 4)
        yield Example(reference.q_posterior, x0, xt, t, _betas(draw, 8))


def _of_few_betas(draw: Draw) -> Iterator[Example]:
    """Rounded to float16, 1 minus one of these is 1."""
    x0, xt = draw.normal(3, 2, 3, 4), draw.normal(3, 2, 3, 4)
    yield Example(reference.q_posterior, x0, xt, _timesteps(draw, 3, 8), _betas(draw, 8, 1e-4, 4e-4))


@exercise("q_posterior")
@promises(
    _of_q_posterior,
    untouched(rtol=RTOL),
    new_tensor(rtol=RTOL),
    any_layout(rtol=RTOL),
    by_position_and_name(rtol=RTOL),
    dtypes(torch.float32, torch.float16, keep=["betas"], rtol=ROUNDED, examples=_of_few_betas),
)
class QPosterior:
    @value(weight=3)
    def mean(self, student: Student, draw: Draw) -> None:
        """Gives the mean of x_{t-1}: what is known of it from x0 and from xt together."""
        for B, C, H, W in [(3, 2, 5, 4), (5, 1, 2, 7)]:
            betas, t = _betas(draw, 9), _timesteps(draw, B, 9)
            x0, xt = draw.normal(B, C, H, W), draw.normal(B, C, H, W)
            found, _ = _pair(student.q_posterior(x0, xt, t, betas))
            assert_close(found, _looked_back(x0, xt, t, betas)[0], rtol=RTOL)

    @value(weight=3)
    def variance(self, student: Student, draw: Draw) -> None:
        """Gives the variance of x_{t-1}, one number for each sample, shaped to multiply it."""
        for B, C, H, W in [(3, 2, 5, 4), (5, 1, 2, 7)]:
            betas, t = _betas(draw, 9), _timesteps(draw, B, 9)
            x0, xt = draw.normal(B, C, H, W), draw.normal(B, C, H, W)
            _, found = _pair(student.q_posterior(x0, xt, t, betas))
            assert_close(found, _looked_back(x0, xt, t, betas)[1], rtol=RTOL)

    @value(weight=5)
    def first_step(self, student: Student, draw: Draw) -> None:
        """At the first step gives x0 itself and variance 0, also next to samples at other steps."""
        betas = _betas(draw, 6)
        for steps in ([0, 3, 0], [4, 0, 2], [0, 0, 0]):
            t = torch.tensor(steps, device=draw.device)
            x0, xt = draw.normal(3, 2, 2, 3), draw.normal(3, 2, 2, 3)
            _assert_posterior(student.q_posterior(x0, xt, t, betas), _looked_back(x0, xt, t, betas))

    @value()
    def last_step(self, student: Student, draw: Draw) -> None:
        """Is right at the last step, and finite even where that step leaves nothing of the picture."""
        betas = _betas(draw, 6)
        for schedule in (betas, torch.cat([betas[:-1], torch.ones_like(betas[:1])])):
            t = torch.tensor([5, 2, 5], device=draw.device)
            x0, xt = draw.normal(3, 2, 2, 3), draw.normal(3, 2, 2, 3)
            _assert_posterior(student.q_posterior(x0, xt, t, schedule), _looked_back(x0, xt, t, schedule))

    @value()
    def any_number_of_dimensions(self, student: Student, draw: Draw) -> None:
        """Takes vectors, sequences and videos as well as pictures, and single numbers."""
        for shape in [(3, 5), (5, 2, 3), (3, 2, 3, 2, 4), (5,)]:
            betas, t = _betas(draw, 8), _timesteps(draw, shape[0], 8)
            x0, xt = draw.normal(*shape), draw.normal(*shape)
            _assert_posterior(student.q_posterior(x0, xt, t, betas), _looked_back(x0, xt, t, betas))

    @value()
    def as_many_samples_as_columns(self, student: Student, draw: Draw) -> None:
        """Is right where the batch is as large as a picture is wide, and for one sample alone."""
        for shape in [(4, 2, 3, 4), (3, 3, 3, 3), (1, 2, 3, 4)]:
            betas, t = _betas(draw, 9), _timesteps(draw, shape[0], 9)
            x0, xt = draw.normal(*shape), draw.normal(*shape)
            _assert_posterior(student.q_posterior(x0, xt, t, betas), _looked_back(x0, xt, t, betas))

    @value()
    def usual_schedule(self, student: Student, draw: Draw) -> None:
        """Is right in a schedule of a thousand small betas, at its beginning, middle and end."""
        betas = reference.linear_betas(1000).to(draw.device)
        t = torch.tensor([1, 500, 999], device=draw.device)
        x0, xt = draw.normal(3, 1, 2, 3), draw.normal(3, 1, 2, 3)
        _assert_posterior(student.q_posterior(x0, xt, t, betas), _looked_back(x0, xt, t, betas))

    @value()
    def large_samples(self, student: Student, draw: Draw) -> None:
        """Is right for samples of huge and of tiny numbers; the variance does not depend on them."""
        betas, t = _betas(draw, 8), _timesteps(draw, 3, 8)
        for scale in (1e6, 1e-6):
            x0, xt = scale * draw.normal(3, 1, 2, 3), scale * draw.normal(3, 1, 2, 3)
            _assert_posterior(student.q_posterior(x0, xt, t, betas), _looked_back(x0, xt, t, betas))

    @value()
    def dtype_of_the_samples(self, student: Student, draw: Draw) -> None:
        """Returns mean and variance in the samples' dtype, even where the betas have another one."""
        betas, t = _betas(draw, 7), _timesteps(draw, 3, 7)
        x0, xt = draw.normal(3, 2, 3, 5, dtype=torch.float32), draw.normal(3, 2, 3, 5, dtype=torch.float32)
        for table in (betas, betas.float()):
            expected = _looked_back(x0, xt, t, table)
            _assert_posterior(student.q_posterior(x0, xt, t, table), expected, rtol=RTOL_SINGLE)

    @rule(weight=2)
    def one_step_less_noise(self, student: Student, draw: Draw) -> None:
        """A step back from x_t is distributed as x_{t-1} is: the same mean and the same variance."""
        betas, t = _betas(draw, 7), _timesteps(draw, 5, 7)
        abar = _abar(betas)
        x0, nothing = draw.normal(5, 1, 2, 3), torch.zeros(5, 1, 2, 3).to(draw.device, torch.float64)
        mean, variance = _pair(student.q_posterior(x0, _to_each(abar, t, x0).sqrt() * x0, t, betas))
        of_noise, _ = _pair(student.q_posterior(nothing, nothing + 1, t, betas))
        variance = _checked(variance, like=x0[:, :1, :1, :1])
        spread = variance + (1 - _to_each(abar, t, x0)) * _checked(of_noise, like=x0).square()
        assert_close(mean, _to_each(abar, t - 1, x0).sqrt() * x0, rtol=RTOL)
        assert_close(spread, (1 - _to_each(abar, t - 1, x0)).expand_as(x0), rtol=RTOL)

    @rule()
    def knowing_more_leaves_less(self, student: Student, draw: Draw) -> None:
        """After the first step the variance is positive, and less than xt alone or x0 alone leaves open."""
        betas, t = _betas(draw, 7), _timesteps(draw, 5, 7)
        x = draw.normal(5, 1, 2, 2)
        _, variance = _pair(student.q_posterior(x, x, t, betas))
        variance = _checked(variance, like=x[:, :1, :1, :1]).flatten()
        assert_holds((variance > 0).all(), "some variances are not positive")
        assert_holds((variance < betas[t]).all(), "some variances are not below that of the step itself")
        assert_holds(
            (variance < 1 - _abar(betas)[t - 1]).all(), "some variances are not below that of x_{t-1}"
        )

    @rule()
    def samples_are_separate(self, student: Student, draw: Draw) -> None:
        """A sample's answer does not depend on the other samples of the batch."""
        betas, t = _betas(draw, 9), _timesteps(draw, 5, 9)
        x0, xt = draw.normal(5, 2, 3, 4), draw.normal(5, 2, 3, 4)
        mean, variance = _pair(student.q_posterior(x0, xt, t, betas))
        mean, variance = _checked(mean, like=x0), _checked(variance, like=x0[:, :1, :1, :1])
        part = slice(2, 3)
        alone = student.q_posterior(x0[part], xt[part], t[part], betas)
        _assert_posterior(alone, (mean[part], variance[part]))
