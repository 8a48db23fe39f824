"""Hidden tests of the module `training`. Letters and names are those of `solutions/training.py`.

Tables are short and fall steeply: with a thousand timesteps, an error of one of them is hard to see.
Models are small formulas that stay here, or a line that lives in the worker and is trained there.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from autograder.testing import (
    Draw,
    Example,
    Handle,
    Mismatch,
    Student,
    StudentError,
    any_layout,
    assert_close,
    assert_holds,
    assert_tensor,
    by_position_and_name,
    copy_weights,
    differentiable,
    dtypes,
    exercise,
    gradients,
    new_tensor,
    part,
    promises,
    rule,
    untouched,
    value,
)
from course.lab.descent import Descent, Line
from solutions import training as reference

# What is worked out in float32 and returned in float64 is right, too.
RTOL = 1e-5
RTOL_SINGLE = 1e-4
RTOL_HALF = 2e-2
ROUNDED = {torch.float32: RTOL_SINGLE, torch.float16: RTOL_HALF}
PREDICTIONS = ("eps", "x0", "v")


def _abar(draw: Draw, T: int, low: float = 0.2, high: float = 0.9) -> Tensor:
    """A table in no order, so that a timestep taken for its neighbour shows."""
    return draw.uniform(T, low=low, high=high)


def _timesteps(draw: Draw, B: int, T: int) -> Tensor:
    """Timesteps that differ within the batch, the first and the last one left out."""
    return 1 + draw.permutation(T - 2)[:B]


def _each(values: Tensor, t: Tensor, like: Tensor) -> Tensor:
    """The value of each sample's timestep, lined up with the samples."""
    return torch.stack([values[step] for step in t.tolist()]).reshape(len(t), *[1] * (like.dim() - 1))


def _angle(abar: Tensor, t: Tensor, like: Tensor) -> tuple[Tensor, Tensor]:
    """The factors of picture and noise."""
    return _each(abar.double().sqrt(), t, like), _each((1 - abar.double()).sqrt(), t, like)


def _noised(x0: Tensor, t: Tensor, noise: Tensor, abar: Tensor) -> Tensor:
    signal, rest = _angle(abar, t, x0)
    return (signal * x0.double() + rest * noise.double()).to(x0.dtype)


def _velocity(x0: Tensor, t: Tensor, noise: Tensor, abar: Tensor) -> Tensor:
    """How fast x_t moves along its quarter of a circle, by the angle."""
    signal, rest = _angle(abar, t, x0)
    angle = torch.atan2(rest, signal)
    return (angle.cos() * noise.double() - angle.sin() * x0.double()).to(x0.dtype)


def _near(answer: Any, expected: Tensor) -> None:
    """The right numbers, in whatever dtype: of that a test of its own speaks."""
    assert_close(answer, expected, rtol=RTOL, check_dtype=False)


def _checked(answer: Any, like: Tensor) -> Tensor:
    """An answer that others may be compared with: finite, of this shape and device."""
    tensor = assert_tensor(answer, shape=tuple(like.shape))
    assert_holds(tensor.device == like.device, f"the result is on the wrong device: {tensor.device}")
    assert_holds(torch.isfinite(tensor).all(), "the result contains NaN or infinity")
    return tensor


def _two(answer: Any, what: str) -> tuple[Any, Any]:
    if not isinstance(answer, (tuple, list)) or len(answer) != 2:
        raise Mismatch(f"two tensors were expected, {what}")
    return answer[0], answer[1]


def _batch(draw: Draw, *shape: int, T: int = 8) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """x0, t, noise and a table."""
    return draw.normal(*shape), _timesteps(draw, shape[0], T), draw.normal(*shape), _abar(draw, T)


# --- x0_from_eps, eps_from_x0 -----------------------------------------------------------------------------


def _of_estimates(draw: Draw) -> Iterator[Example]:
    xt, t, guess, abar = _batch(draw, 3, 2, 3, 4)
    yield Example(reference.x0_from_eps, xt, guess, t, abar)
    yield Example(reference.eps_from_x0, xt, guess, t, abar)


def _where_xt_is_the_answer(draw: Draw) -> Iterator[Example]:
    """Nearly nothing in xt but the one, so that the answer equals xt: a new tensor all the same."""
    t, xt = torch.tensor([0, 1, 1], device=draw.device), draw.normal(3, 2, 2)
    for estimate, abar in ((reference.x0_from_eps, 1.0), (reference.eps_from_x0, 0.0)):
        yield Example(estimate, xt, draw.normal(3, 2, 2), t, torch.full((2,), abar).to(xt))


@exercise("x0_from_eps")
@promises(
    _of_estimates,
    untouched(rtol=RTOL),
    new_tensor(rtol=RTOL, examples=_where_xt_is_the_answer),
    any_layout(rtol=RTOL),
    by_position_and_name(rtol=RTOL),
    dtypes(torch.float32, torch.float16, keep=["alphas_cumprod"], rtol=ROUNDED),
    gradients(weight=7, rtol=RTOL),
)
class Estimates:
    @value(weight=4)
    def the_picture(self, student: Student, draw: Draw) -> None:
        """x0_from_eps takes the noise out of each sample and restores its contrast, by its own timestep."""
        for shape in [(3, 2, 5, 4), (5, 1, 2, 7)]:
            x0, t, noise, abar = _batch(draw, *shape, T=9)
            _near(student.x0_from_eps(_noised(x0, t, noise, abar), noise, t, abar), x0)

    @value(weight=4)
    def the_noise(self, student: Student, draw: Draw) -> None:
        """eps_from_x0 takes the picture out of each sample and restores the noise, by its own timestep."""
        for shape in [(3, 2, 5, 4), (5, 1, 2, 7)]:
            x0, t, noise, abar = _batch(draw, *shape, T=9)
            _near(student.eps_from_x0(_noised(x0, t, noise, abar), x0, t, abar), noise)

    @value()
    def any_number_of_dimensions(self, student: Student, draw: Draw) -> None:
        """Both take points, sequences and videos as well as pictures, and single numbers."""
        for shape in [(3, 5), (5, 2, 3), (3, 2, 3, 2, 4), (5,)]:
            x0, t, noise, abar = _batch(draw, *shape)
            xt = _noised(x0, t, noise, abar)
            _near(student.x0_from_eps(xt, noise, t, abar), x0)
            _near(student.eps_from_x0(xt, x0, t, abar), noise)

    @value()
    def as_many_samples_as_columns(self, student: Student, draw: Draw) -> None:
        """Both are right where the batch is as large as a picture is wide, and for one sample alone."""
        for shape in [(4, 2, 3, 4), (1, 2, 3, 4)]:
            x0, t, noise, abar = _batch(draw, *shape)
            xt = _noised(x0, t, noise, abar)
            _near(student.x0_from_eps(xt, noise, t, abar), x0)
            _near(student.eps_from_x0(xt, x0, t, abar), noise)

    @value()
    def first_and_last_timestep(self, student: Student, draw: Draw) -> None:
        """Both are right at the first timestep and at the last, next to one another in a batch."""
        x0, noise, abar = draw.normal(3, 1, 2, 4), draw.normal(3, 1, 2, 4), _abar(draw, 6)
        t = torch.tensor([0, 5, 0], device=draw.device)
        xt = _noised(x0, t, noise, abar)
        _near(student.x0_from_eps(xt, noise, t, abar), x0)
        _near(student.eps_from_x0(xt, x0, t, abar), noise)

    @value()
    def nothing_is_clipped(self, student: Student, draw: Draw) -> None:
        """Neither clips: where much is divided away, what comes out may be far beyond what pictures have."""
        xt, guess, abar = draw.normal(3, 2, 4), draw.normal(3, 2, 4), torch.tensor([1e-4, 0.5, 1 - 1e-4])
        t, abar = torch.tensor([0, 2, 1], device=draw.device), abar.to(xt)
        signal, rest = _angle(abar, t, xt)
        _near(student.x0_from_eps(xt, guess, t, abar), (xt - rest * guess) / signal)
        _near(student.eps_from_x0(xt, guess, t, abar), (xt - signal * guess) / rest)

    @rule()
    def there_and_back(self, student: Student, draw: Draw) -> None:
        """Whatever is taken for the noise, what then counts as the picture leads back to it."""
        xt, t, guess, abar = _batch(draw, 3, 2, 3, 4)
        x0 = _checked(student.x0_from_eps(xt, guess, t, abar), like=xt)
        _near(student.eps_from_x0(xt, x0, t, abar), guess)

    @rule()
    def adds_up(self, student: Student, draw: Draw) -> None:
        """Of two samples added up, and their noise too, the picture is the sum of their pictures."""
        xt, t, guess, abar = _batch(draw, 3, 2, 3)
        yt, other = draw.normal(3, 2, 3), draw.normal(3, 2, 3)
        for estimate in (student.x0_from_eps, student.eps_from_x0):
            one = _checked(estimate(xt, guess, t, abar), like=xt)
            two = _checked(estimate(yt, other, t, abar), like=xt)
            _near(estimate(xt + yt, guess + other, t, abar), one + two)


# --- velocity, from_velocity ------------------------------------------------------------------------------


def _of_velocity(draw: Draw) -> Iterator[Example]:
    x0, t, noise, abar = _batch(draw, 3, 2, 3, 4)
    yield Example(reference.velocity, x0, noise, t, abar)
    yield Example(reference.from_velocity, x0, noise, t, abar)


def _only_velocity(draw: Draw) -> Iterator[Example]:
    x0, t, noise, abar = _batch(draw, 3, 2, 3, 4)
    yield Example(reference.velocity, x0, noise, t, abar)


def _where_an_argument_is_the_answer(draw: Draw) -> Iterator[Example]:
    t = torch.tensor([0, 1, 1], device=draw.device)
    for of in (reference.velocity, reference.from_velocity):
        for abar in (1.0, 0.0):
            table = torch.full((2,), abar, dtype=torch.float64, device=draw.device)
            yield Example(of, draw.normal(3, 2, 2), draw.normal(3, 2, 2), t, table)


@exercise("velocity")
@promises(
    _of_velocity,
    untouched(rtol=RTOL),
    new_tensor(rtol=RTOL, examples=_where_an_argument_is_the_answer),
    any_layout(rtol=RTOL),
    by_position_and_name(rtol=RTOL),
    dtypes(torch.float32, torch.float16, keep=["alphas_cumprod"], rtol=ROUNDED),
    gradients(weight=8, rtol=RTOL, examples=_only_velocity),
)
class Velocity:
    @value(weight=3)
    def of_pictures(self, student: Student, draw: Draw) -> None:
        """velocity is how fast, and where to, each sample moves on the way from picture to noise."""
        for shape in [(3, 2, 5, 4), (5, 1, 2, 7)]:
            x0, t, noise, abar = _batch(draw, *shape, T=9)
            _near(student.velocity(x0, noise, t, abar), _velocity(x0, t, noise, abar))

    @value(weight=3)
    def back(self, student: Student, draw: Draw) -> None:
        """from_velocity gives the picture and the noise, in this order, each sample by its own timestep."""
        for shape in [(3, 2, 5, 4), (5, 1, 2, 7)]:
            x0, t, noise, abar = _batch(draw, *shape, T=9)
            xt, v = _noised(x0, t, noise, abar), _velocity(x0, t, noise, abar)
            picture, eps = _two(student.from_velocity(xt, v, t, abar), "the picture and the noise")
            _near(picture, x0)
            _near(eps, noise)

    @value()
    def any_number_of_dimensions(self, student: Student, draw: Draw) -> None:
        """Both take points, sequences and videos as well as pictures, and single numbers."""
        for shape in [(3, 5), (5, 2, 3), (3, 2, 3, 2, 4), (5,)]:
            x0, t, noise, abar = _batch(draw, *shape)
            v = _velocity(x0, t, noise, abar)
            _near(student.velocity(x0, noise, t, abar), v)
            found = student.from_velocity(_noised(x0, t, noise, abar), v, t, abar)
            _near(_two(found, "the picture and the noise")[0], x0)

    @value()
    def as_many_samples_as_columns(self, student: Student, draw: Draw) -> None:
        """Both are right where the batch is as large as a picture is wide, and for one sample alone."""
        for shape in [(4, 2, 3, 4), (1, 2, 3, 4)]:
            x0, t, noise, abar = _batch(draw, *shape)
            xt, v = _noised(x0, t, noise, abar), _velocity(x0, t, noise, abar)
            _near(student.velocity(x0, noise, t, abar), v)
            picture, eps = _two(student.from_velocity(xt, v, t, abar), "the picture and the noise")
            _near(picture, x0)
            _near(eps, noise)

    @value(weight=2)
    def both_ends(self, student: Student, draw: Draw) -> None:
        """Where there is no noise it is the noise, where there is no picture minus the picture; and back."""
        x0, noise = draw.normal(3, 2, 4), draw.normal(3, 2, 4)
        abar = torch.tensor([1.0, 0.5, 0.0], dtype=torch.float64, device=draw.device)
        t = torch.tensor([0, 2, 2], device=draw.device)
        v = torch.stack([noise[0], -x0[1], -x0[2]])
        _near(student.velocity(x0, noise, t, abar), v)
        xt = torch.stack([x0[0], noise[1], noise[2]])
        picture, eps = _two(student.from_velocity(xt, v, t, abar), "the picture and the noise")
        _near(picture, x0)
        _near(eps, noise)

    @rule()
    def keeps_the_length(self, student: Student, draw: Draw) -> None:
        """The squares of velocity and noised sample add up to those of picture and noise."""
        x0, t, noise, abar = _batch(draw, 5, 2, 3)
        v = _checked(student.velocity(x0, noise, t, abar), like=x0)
        _near(v.square() + _noised(x0, t, noise, abar).square(), x0.square() + noise.square())

    @rule()
    def there_and_back(self, student: Student, draw: Draw) -> None:
        """Whatever is taken for the velocity, what it says of picture and noise leads back to it."""
        xt, t, guess, abar = _batch(draw, 3, 2, 3, 4)
        picture, eps = _two(student.from_velocity(xt, guess, t, abar), "the picture and the noise")
        again = student.velocity(_checked(picture, like=xt), _checked(eps, like=xt), t, abar)
        _near(again, guess)


# --- ddpm_loss --------------------------------------------------------------------------------------------


class _Guess:
    """A model that is a formula of x and t, and stays here. It refuses to be asked twice, or about what it
    does not expect."""

    def __init__(self, of: Tensor | None = None, t: Tensor | None = None, calls: int = 1) -> None:
        self.of, self.t, self.left = of, t, calls

    def __call__(self, x: Tensor, t: Tensor) -> Tensor:
        self.left -= 1
        if self.left < 0:
            raise RuntimeError("the model was asked a second time; once is enough")
        if not isinstance(t, Tensor) or t.shape != x.shape[:1]:
            raise RuntimeError("the model is to be asked about all samples, with a timestep for each")
        if self.t is not None and not torch.equal(t, self.t):
            raise RuntimeError("the model was asked with other timesteps than were given")
        return _formula(x, t)


def _formula(x: Tensor, t: Tensor) -> Tensor:
    """Tells samples, places and times apart."""
    times = (0.3 * t.to(x.dtype)).cos().reshape(-1, *[1] * (x.dim() - 1))
    return 0.5 * x.tanh() + 0.4 * times * x + 0.2 * times


def _target(x0: Tensor, t: Tensor, noise: Tensor, abar: Tensor, prediction: str) -> Tensor:
    return {"eps": noise, "x0": x0, "v": _velocity(x0, t, noise, abar)}[prediction]


def _loss(
    model: Callable[[Tensor, Tensor], Tensor],
    x0: Tensor,
    t: Tensor,
    noise: Tensor,
    abar: Tensor,
    prediction: str = "eps",
    weights: Tensor | None = None,
) -> Tensor:
    """Sample by sample."""
    off = model(_noised(x0, t, noise, abar), t) - _target(x0, t, noise, abar, prediction)
    each = torch.stack([sample.square().sum() / sample.numel() for sample in off])
    weights = torch.ones_like(each) if weights is None else weights
    return (weights * each).sum() / len(each)


def _asked(student: Student, batch: tuple[Tensor, ...], *more: Any, **named: Any) -> Any:
    """What ddpm_loss says of the formula, asked once."""
    x0, t, noise, abar = batch
    return student.ddpm_loss(differentiable(_Guess()), x0, t, noise, abar, *more, **named)


def _of_loss(draw: Draw) -> Iterator[Example]:
    x0, t, noise, abar = _batch(draw, 3, 2, 3, 4)
    weights = draw.uniform(3, low=0.5, high=3)
    for prediction in ("eps", "v"):
        yield Example(reference.ddpm_loss, differentiable(_formula), x0, t, noise, abar, prediction, weights)


@exercise("ddpm_loss")
@promises(
    _of_loss,
    untouched(rtol=RTOL),
    any_layout(rtol=RTOL),
    by_position_and_name(rtol=RTOL),
    dtypes(torch.float32, keep=["alphas_cumprod"], rtol=ROUNDED),
)
class DdpmLoss:
    @value(weight=4)
    def of_the_noise(self, student: Student, draw: Draw) -> None:
        """By default it is the mean squared error of the predicted noise, of whatever shape samples are."""
        for shape in [(3, 2, 5, 4), (5, 2), (4, 3, 2)]:
            batch = _batch(draw, *shape, T=9)
            _near(_asked(student, batch), _loss(_formula, *batch))

    @value(weight=3)
    def of_each_prediction(self, student: Student, draw: Draw) -> None:
        """Asked for the picture it compares with the picture, asked for the velocity with the velocity."""
        for prediction in PREDICTIONS:
            batch = _batch(draw, 3, 2, 3, 4)
            _near(_asked(student, batch, prediction=prediction), _loss(_formula, *batch, prediction))

    @value(weight=3)
    def weighted(self, student: Student, draw: Draw) -> None:
        """Each sample's error counts by its weight, and the weights are taken as they are."""
        for prediction in PREDICTIONS:
            batch, weights = _batch(draw, 5, 2, 3), draw.uniform(5, low=0.5, high=4)
            expected = _loss(_formula, *batch, prediction, weights)
            _near(_asked(student, batch, prediction, weights), expected)

    @value()
    def as_many_samples_as_columns(self, student: Student, draw: Draw) -> None:
        """Weights belong to samples, also where there are as many columns; one sample is a batch, too."""
        for shape in [(4, 2, 3, 4), (1, 2, 3, 4), (3, 3)]:
            batch, weights = _batch(draw, *shape), draw.uniform(shape[0], low=0.5, high=4)
            _near(_asked(student, batch, "eps", weights), _loss(_formula, *batch, "eps", weights))

    @value()
    def asks_once(self, student: Student, draw: Draw) -> None:
        """Asks the model once, about all samples together, with the timesteps that it was given."""
        x0, t, noise, abar = _batch(draw, 3, 2, 4)
        model = differentiable(_Guess(t=t))
        _near(student.ddpm_loss(model, x0, t, noise, abar), _loss(_formula, x0, t, noise, abar))

    @value()
    def one_number(self, student: Student, draw: Draw) -> None:
        """Returns one number of the samples' dtype, with weights and without."""
        for dtype in (torch.float64, torch.float32):
            x0, noise = draw.normal(3, 2, 3, dtype=dtype), draw.normal(3, 2, 3, dtype=dtype)
            t, abar = _timesteps(draw, 3, 8), _abar(draw, 8)
            for weights in (None, draw.uniform(3, dtype=dtype)):
                expected = _loss(_formula, x0, t, noise, abar, "eps", weights).to(dtype)
                found = student.ddpm_loss(differentiable(_Guess()), x0, t, noise, abar, "eps", weights)
                assert_close(found, expected, rtol=RTOL_SINGLE)

    @value(weight=9)
    def gradients(self, student: Student, draw: Draw) -> None:
        """Gradients flow back to the model's parameters, those of the mean squared error."""
        for prediction in PREDICTIONS:
            batch = _batch(draw, 3, 2)
            line, handle = _line(student, draw)
            descent = student.build("course.lab.descent.descent_on", handle, 0.5)
            student.ddpm_loss.gradients(handle, *batch, prediction)
            descent.method("step")
            _loss(line, *batch, prediction).backward()  # type: ignore[no-untyped-call]
            Descent(line.parameters(), 0.5).step()
            _assert_weights(handle, line)

    @rule()
    def another_prediction(self, student: Student, draw: Draw) -> None:
        """Raises ValueError for a prediction that there is not."""
        for prediction in ("velocity", "EPS", ""):
            batch = _batch(draw, 2, 3)
            try:
                _asked(student, batch, prediction)
            except StudentError as error:
                assert_holds(error.type == "ValueError", f"{error.type} was raised, and no ValueError")
            else:
                raise Mismatch("no error was raised for a prediction that there is not")

    @rule()
    def nothing_is_drawn(self, student: Student, draw: Draw) -> None:
        """Gives the same loss when it is asked again: the noise is what it is given."""
        batch = _batch(draw, 3, 2, 3)
        first = _checked(_asked(student, batch), like=batch[0].sum())
        _near(_asked(student, batch), first)

    @rule()
    def perfect(self, student: Student, draw: Draw) -> None:
        """A model that is right has the loss nought, whatever it predicts."""
        for prediction in PREDICTIONS:
            x0, t, noise, abar = _batch(draw, 3, 2, 4)
            target = _target(x0, t, noise, abar, prediction)
            model = differentiable(lambda x, t, target=target: target + 0 * x)
            found = _checked(student.ddpm_loss(model, x0, t, noise, abar, prediction), like=x0.sum())
            assert_holds(found.abs() < 1e-8, "the loss of a model that is right is not nought")


# --- train_step -------------------------------------------------------------------------------------------


def _line(student: Student, draw: Draw, channels: int = 2) -> tuple[Line, Handle]:
    """A line to train, here and in the worker, with the same weights."""
    line = draw.weights(Line(channels))
    with torch.no_grad():
        line.slope.mul_(0.1)
    handle = student.build("course.lab.descent.Line", channels)
    copy_weights(handle, line, torch.float64)
    return line, handle


def _assert_weights(handle: Handle, line: nn.Module) -> None:
    found = handle.state_dict()
    for name, wanted in line.named_parameters():
        assert_holds(name in found, "the model does not have the parameters any more that it had")
        _near(found[name], wanted.detach())


class _Training:
    """The same training here and in the worker: a line, and gradient descent on it with momentum."""

    def __init__(self, student: Student, draw: Draw, lr: float = 0.3, momentum: float = 0.8) -> None:
        self.student, self.draw = student, draw
        self.line, self.handle = _line(student, draw)
        self.descent = Descent(self.line.parameters(), lr, momentum)
        self.there = student.build("course.lab.descent.descent_on", self.handle, lr, momentum)

    def batch(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        return _batch(self.draw, 5, 2)

    def step(self, *more: Any, batch: tuple[Tensor, ...] | None = None, **named: Any) -> Any:
        """What the student's step returns, and what it should: the same step is done here."""
        batch = batch or self.batch()
        answer = self.student.train_step(self.handle, self.there, *batch, *more, **named)
        return answer, self._here(batch, *more, **named)

    def _here(
        self, batch: tuple[Tensor, ...], prediction: str = "eps", max_norm: float | None = None
    ) -> float:
        self.descent.zero_grad()
        x0, t, noise, abar = batch
        loss = _loss(self.line, x0, t, noise, abar, prediction)
        torch.autograd.backward(loss)
        slopes = [p.grad for p in self.line.parameters() if p.grad is not None]
        norm = math.sqrt(sum(float(slope.square().sum()) for slope in slopes))
        if max_norm is not None and norm > max_norm:
            for slope in slopes:
                slope *= max_norm / norm
        self.descent.step()
        return loss.item()

    def agrees(self) -> None:
        """The weights in the worker are those here."""
        _assert_weights(self.handle, self.line)


def _number(answer: Any) -> float:
    """A number, be it a tensor's: of that a test of its own speaks."""
    if isinstance(answer, bool) or not isinstance(answer, (int, float, Tensor)):
        raise Mismatch("a number was expected, the loss")
    if isinstance(answer, Tensor) and (answer.numel() != 1 or answer.is_complex()):
        raise Mismatch("one number was expected, the loss")
    return float(answer)


def _same_loss(answer: Any, expected: float) -> None:
    assert_holds(abs(_number(answer) - expected) <= RTOL * abs(expected), "the loss is another number")


@exercise("train_step")
class TrainStep:
    @value(weight=4)
    def one_step(self, student: Student, draw: Draw) -> None:
        """After a step the weights are where the optimizer takes them with the gradients of the loss."""
        training = _Training(student, draw)
        training.step()
        training.agrees()

    @value(weight=2)
    def the_loss(self, student: Student, draw: Draw) -> None:
        """Returns the loss from before the step, and does so for each prediction."""
        for prediction in PREDICTIONS:
            training = _Training(student, draw)
            _same_loss(*training.step(prediction))
            training.agrees()

    @value(weight=3)
    def three_steps(self, student: Student, draw: Draw) -> None:
        """After three steps on three batches the weights are right: each step has its own gradients alone."""
        training = _Training(student, draw)
        for _ in range(3):
            training.step()
        training.agrees()

    @value(weight=2)
    def gradients_from_before(self, student: Student, draw: Draw) -> None:
        """Gradients that the parameters had from before do not count."""
        training = _Training(student, draw)
        x0, t, _, _ = training.batch()
        training.handle.gradients(x0, t, cotangent=10 * draw.normal(*x0.shape))
        training.step()
        training.agrees()

    @value(weight=2)
    def clips(self, student: Student, draw: Draw) -> None:
        """Large gradients are scaled down together, to the given norm, before the optimizer's step."""
        training = _Training(student, draw)
        for max_norm in (0.1, 0.05):
            _same_loss(*training.step("eps", max_norm))
        training.agrees()

    @value()
    def leaves_small_gradients(self, student: Student, draw: Draw) -> None:
        """Gradients whose norm is below the given one stay as they are."""
        training = _Training(student, draw, lr=0.01)
        training.step("x0", 1e4)
        training.step("v", max_norm=None)
        training.agrees()

    @value()
    def by_name(self, student: Student, draw: Draw) -> None:
        """Takes its arguments by the stated names, too."""
        training = _Training(student, draw)
        batch = training.batch()
        given = dict(zip(("x0", "t", "noise", "alphas_cumprod"), batch, strict=True))
        answer = student.train_step(
            model=training.handle, optimizer=training.there, **given, prediction="v", max_norm=0.1
        )
        _same_loss(answer, training._here(batch, "v", 0.1))
        training.agrees()

    @value()
    def untouched(self, student: Student, draw: Draw) -> None:
        """Leaves the batch as it is, and takes a second step on it as well as a first."""
        training = _Training(student, draw)
        batch = training.batch()
        seen = student.train_step.observe(training.handle, training.there, *batch)
        for before, after in zip(batch, seen.inputs[2:], strict=True):
            same = isinstance(after, Tensor) and after.dtype == before.dtype and torch.equal(after, before)
            assert_holds(same, "what it was given is not what it was before the call")
        _same_loss(seen.answer, training._here(batch))
        _same_loss(seen.again, training._here(batch))
        training.agrees()

    @rule()
    def a_float(self, student: Student, draw: Draw) -> None:
        """Returns a Python float: a tensor would keep what the loss was made of in memory."""
        answer, _ = _Training(student, draw).step()
        assert_holds(type(answer) is float, "what it returns is no Python float")

    @rule()
    def once_each(self, student: Student, draw: Draw) -> None:
        """Asks the model once, and lets the optimizer take one step."""
        training = _Training(student, draw)
        for _ in range(2):
            training.step()
        seen, steps = training.handle.state_dict().get("seen"), training.there.attribute("steps")
        assert_holds(isinstance(seen, Tensor) and int(seen) == 2, "the model was not asked once a step")
        assert_holds(steps == 2, "the optimizer did not take one step each time")

    @rule()
    def learns(self, student: Student, draw: Draw) -> None:
        """Step by step on one batch, the loss falls."""
        training = _Training(student, draw, lr=0.02, momentum=0.0)
        batch = training.batch()
        numbers = [_number(training.step("x0", batch=batch)[0]) for _ in range(6)]
        assert_holds(all(a > b for a, b in pairwise(numbers)), "the loss does not fall")


# --- ema_update -------------------------------------------------------------------------------------------


def _network() -> nn.Module:
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Sequential(nn.Linear(4, 2, bias=False)))


def _networks(student: Student, draw: Draw, dtype: torch.dtype = torch.float64) -> list[Any]:
    """State of an average and of a model, and both in the worker."""
    made: list[Any] = []
    for _ in range(2):
        network = draw.weights(_network(), dtype)
        for name, buffer in network.named_buffers():
            drawn = draw.integer(1, 1000) if buffer.dtype == torch.long else draw.uniform(*buffer.shape)
            buffer.copy_(torch.as_tensor(drawn).to(buffer)) if name else None
        handle = student.build("torch.nn.Sequential", *_parts())
        handle.load_state_dict(network.state_dict(), dtype=dtype, wait=False)
        made += [{name: value.clone() for name, value in network.state_dict().items()}, handle]
    return made


def _parts() -> list[Any]:
    return [
        part("torch.nn.Linear", 3, 4),
        part("torch.nn.BatchNorm1d", 4),
        part("torch.nn.Sequential", part("torch.nn.Linear", 4, 2, bias=False)),
    ]


def _is_buffer(name: str) -> bool:
    return "running" in name or "tracked" in name


def _assert_state(handle: Handle, expected: dict[str, Tensor], buffers: bool | None = None) -> None:
    """The named numbers are these; `buffers` says whether parameters or buffers alone are looked at."""
    found = handle.state_dict()
    for name, wanted in expected.items():
        if buffers is None or buffers == _is_buffer(name):
            assert_holds(name in found, "the average does not have the numbers any more that it had")
            assert_close(found[name], wanted, rtol=RTOL_HALF if wanted.dtype == torch.float16 else RTOL)


def _mixed(average: dict[str, Tensor], model: dict[str, Tensor], decay: float) -> dict[str, Tensor]:
    return {
        name: model[name]
        if _is_buffer(name)
        else (decay * mean.double() + (1 - decay) * model[name].double()).to(mean.dtype)
        for name, mean in average.items()
    }


@exercise("ema_update")
class EmaUpdate:
    @value(weight=4)
    def mixes(self, student: Student, draw: Draw) -> None:
        """All parameters, in layers inside layers too, become the stated mixture."""
        for decay in (0.9, 0.3):
            average, there, model, learned = _networks(student, draw)
            student.ema_update(there, learned, decay)
            _assert_state(there, _mixed(average, model, decay), buffers=False)

    @value(weight=2)
    def again_and_again(self, student: Student, draw: Draw) -> None:
        """Several updates count one after another, while the model goes on learning."""
        average, there, _, learned = _networks(student, draw)
        for decay in (0.5, 0.8, 0.7):
            model = draw.weights(_network()).state_dict()
            learned.load_state_dict(model, dtype=torch.float64, wait=False)
            student.ema_update(there, learned, decay)
            average = _mixed(average, model, decay)
        _assert_state(there, average, buffers=False)

    @value(weight=2)
    def buffers(self, student: Student, draw: Draw) -> None:
        """Buffers become equal to the model's, whole numbers too: they are no weights."""
        _, there, model, learned = _networks(student, draw)
        student.ema_update(there, learned, 0.9)
        _assert_state(there, model, buffers=True)

    @value()
    def both_ends(self, student: Student, draw: Draw) -> None:
        """With a decay of nought the average becomes equal to the model, with one its weights stay."""
        for decay in (0.0, 1.0):
            average, there, model, learned = _networks(student, draw)
            student.ema_update(there, learned, decay)
            _assert_state(there, model if decay == 0 else average, buffers=False)
            _assert_state(there, model, buffers=True)

    @value()
    def any_precision(self, student: Student, draw: Draw) -> None:
        """Works in float32 and in float16, and changes no dtype."""
        for dtype in (torch.float32, torch.float16):
            average, there, model, learned = _networks(student, draw, dtype)
            student.ema_update(there, learned, 0.75)
            _assert_state(there, _mixed(average, model, 0.75))

    @value(weight=2)
    def in_place(self, student: Student, draw: Draw) -> None:
        """Changes the average's own parameters: who holds one of them sees the new numbers."""
        average, there, model, learned = _networks(student, draw)
        inner, weight = there.submodule("2.0"), "2.0.weight"
        held = student.build("course.lab.descent.descent_on", there, 1.0)
        student.ema_update(there, learned, 0.6)
        expected = _mixed(average, model, 0.6)[weight]
        _near(inner.state_dict().get("weight"), expected)
        x, cotangent = draw.normal(3, 4), draw.normal(3, 2)
        there.submodule("2.0").gradients(x, cotangent=cotangent)
        held.method("step")
        _near(there.state_dict().get(weight), expected - cotangent.T @ x)

    @rule(weight=2)
    def nothing_is_shared(self, student: Student, draw: Draw) -> None:
        """What the model learns later leaves the average alone, also after a decay of nought."""
        for decay in (0.0, 0.5):
            average, there, model, learned = _networks(student, draw)
            student.ema_update(there, learned, decay)
            other = {
                name: value + 1 if value.is_floating_point() else value + 7 for name, value in model.items()
            }
            learned.load_state_dict(other, dtype=torch.float64, wait=False)
            _assert_state(there, _mixed(average, model, decay), buffers=False)
            assert_holds(
                all(
                    torch.equal(value, model[name])
                    for name, value in there.state_dict().items()
                    if _is_buffer(name) and name in model
                ),
                "a buffer of the average changes with the model's",
            )

    @rule()
    def untouched(self, student: Student, draw: Draw) -> None:
        """Leaves the model itself as it is, weights and buffers."""
        _, there, model, learned = _networks(student, draw)
        student.ema_update(there, learned, 0.5)
        _assert_state(learned, model)

    @rule()
    def still_parameters(self, student: Student, draw: Draw) -> None:
        """Afterwards both have their parameters, as trainable as before, and no graph hangs on them."""
        _, there, _, learned = _networks(student, draw)
        there.submodule("0").method("requires_grad_", False)
        student.ema_update(there, learned, 0.5)
        for handle in (there, learned):
            found = handle.parameters()
            for name, _ in _network().named_parameters():
                assert_holds(name in found, "a parameter has ceased to be one")
                frozen = handle is there and name.startswith("0.")
                assert_holds(found[name].requires_grad is not frozen, "requires_grad is another than before")
        reached = there.submodule("2.0").gradients(draw.normal(3, 4)).parameters
        assert_holds(reached.get("weight") is not None, "the average cannot be trained any more")


# --- min_snr_weight ---------------------------------------------------------------------------------------


def _of_weights(draw: Draw) -> Iterator[Example]:
    for prediction in PREDICTIONS:
        yield Example(reference.min_snr_weight, draw.uniform(4, 3, low=0.2, high=9.0), prediction, 3.0)


def _where_snr_is_the_answer(draw: Draw) -> Iterator[Example]:
    yield Example(reference.min_snr_weight, draw.uniform(4, low=0.2, high=2.0), "x0", 3.0)
    yield Example(
        reference.min_snr_weight, torch.ones(4, dtype=torch.float64, device=draw.device), "eps", 3.0
    )


def _weight(snr: Tensor, prediction: str, gamma: float) -> Tensor:
    """Number by number: an error of 1 in x0 is one of sqrt(snr) in eps, and of sqrt(snr + 1) in v."""
    squared = {"x0": 1.0, "eps": 0.0, "v": 1.0}[prediction]
    factor = {"x0": 0.0, "eps": 1.0, "v": 1.0}[prediction]
    each = [min(float(one), gamma) / (squared + factor * float(one)) for one in snr.flatten()]
    return torch.tensor(each, dtype=torch.float64).to(snr).reshape(snr.shape)


@exercise("min_snr_weight")
@promises(
    _of_weights,
    untouched(rtol=RTOL),
    new_tensor(rtol=RTOL, examples=_where_snr_is_the_answer),
    any_layout(rtol=RTOL),
    by_position_and_name(rtol=RTOL),
)
class MinSnrWeight:
    @value(weight=3)
    def of_eps(self, student: Student, draw: Draw) -> None:
        """The weight for the noise is one where the ratio is small, and falls where it is above the cap."""
        snr = torch.cat([draw.uniform(4, low=0.1, high=4.0), draw.uniform(4, low=6.0, high=90.0)])
        _near(student.min_snr_weight(snr, "eps"), _weight(snr, "eps", 5.0))

    @value(weight=2)
    def of_x0(self, student: Student, draw: Draw) -> None:
        """The weight for the picture is the ratio itself, capped."""
        snr = torch.cat([draw.uniform(4, low=0.1, high=4.0), draw.uniform(4, low=6.0, high=90.0)])
        _near(student.min_snr_weight(snr, "x0"), _weight(snr, "x0", 5.0))

    @value(weight=3)
    def of_v(self, student: Student, draw: Draw) -> None:
        """The weight for the velocity is right on both sides of the cap."""
        snr = torch.cat([draw.uniform(4, low=0.1, high=4.0), draw.uniform(4, low=6.0, high=90.0)])
        _near(student.min_snr_weight(snr, "v"), _weight(snr, "v", 5.0))

    @value()
    def other_caps(self, student: Student, draw: Draw) -> None:
        """Takes the cap that it is given, small or large, and by default weighs for the noise."""
        snr = draw.uniform(9, low=0.1, high=30.0)
        for prediction in PREDICTIONS:
            for gamma in (0.5, 1.0, 20.0):
                _near(student.min_snr_weight(snr, prediction, gamma), _weight(snr, prediction, gamma))
        _near(student.min_snr_weight(snr), _weight(snr, "eps", 5.0))

    @value()
    def nothing_left_of_the_picture(self, student: Student, draw: Draw) -> None:
        """Where the ratio is nought, the weight for the noise is one, and the others are nought."""
        snr = torch.cat(
            [torch.zeros(2, dtype=torch.float64, device=draw.device), draw.uniform(3, low=1, high=9)]
        )
        for prediction in PREDICTIONS:
            expected = torch.cat([snr[:2] + (prediction == "eps"), _weight(snr[2:], prediction, 5.0)])
            _near(student.min_snr_weight(snr, prediction), expected)

    @value()
    def hardly_any_noise(self, student: Student, draw: Draw) -> None:
        """Is right where the ratio is very small or very large."""
        snr = torch.cat([1e-9 * draw.uniform(3, low=1, high=9), 1e9 * draw.uniform(3, low=1, high=9)])
        for part_of in (snr[:3], snr[3:]):
            for prediction in PREDICTIONS:
                expected = _weight(part_of, prediction, 5.0)
                assert_close(
                    student.min_snr_weight(part_of, prediction),
                    expected,
                    rtol=RTOL,
                    atol=0,
                    check_dtype=False,
                )

    @value()
    def any_shape_and_dtype(self, student: Student, draw: Draw) -> None:
        """Takes any number of dimensions, a single number too, and keeps the dtype."""
        for dtype in (torch.float64, torch.float32):
            for shape in [(3, 1, 1, 1), (2, 3), ()]:
                snr = draw.uniform(*shape, low=0.5, high=9.0, dtype=dtype)
                for prediction in PREDICTIONS:
                    found = student.min_snr_weight(snr, prediction)
                    assert_close(found, _weight(snr, prediction, 5.0), rtol=RTOL_SINGLE)

    @rule()
    def another_prediction(self, student: Student, draw: Draw) -> None:
        """Raises ValueError for a prediction that there is not."""
        for prediction in ("velocity", "EPS", ""):
            try:
                student.min_snr_weight(draw.uniform(3), prediction)
            except StudentError as error:
                assert_holds(error.type == "ValueError", f"{error.type} was raised, and no ValueError")
            else:
                raise Mismatch("no error was raised for a prediction that there is not")

    @rule(weight=2)
    def one_loss(self, student: Student, draw: Draw) -> None:
        """One slip of a model costs the same, whether it is read as noise, picture or velocity."""
        abar = draw.uniform(12, low=0.05, high=0.95)
        slip = {"eps": abar / (1 - abar), "x0": torch.ones_like(abar), "v": 1 / (1 - abar)}
        costs = [
            _checked(student.min_snr_weight(abar / (1 - abar), prediction), like=abar) * squared
            for prediction, squared in slip.items()
        ]
        _near(costs[0], costs[1])
        _near(costs[2], costs[1])


# --- elbo_term --------------------------------------------------------------------------------------------


def _betas(draw: Draw, T: int) -> Tensor:
    return draw.uniform(T, low=0.05, high=0.6)


def _later(draw: Draw, B: int, T: int) -> Tensor:
    """Timesteps from 1 on that differ."""
    return 1 + draw.permutation(T - 1)[:B]


def _divergence(x0: Tensor, guess: Tensor, t: Tensor, betas: Tensor) -> Tensor:
    """Sample by sample, out of the means and the variance of the two distributions of the step back."""
    made = []
    abar = torch.cumprod(1 - betas.double(), 0).tolist()
    for one, other, step in zip(x0.double(), guess.double(), t.tolist(), strict=True):
        beta, before, now = float(betas[step]), abar[step - 1], abar[step]
        variance = beta * (1 - before) / (1 - now)
        means = math.sqrt(before) * beta / (1 - now) * (one - other)  # what xt adds to both is the same
        made.append(means.square().sum() / (2 * variance))
    return torch.stack(made).to(x0.dtype)


def _of_elbo(draw: Draw) -> Iterator[Example]:
    yield Example(
        reference.elbo_term,
        draw.normal(3, 2, 3, 2),
        draw.normal(3, 2, 3, 2),
        _later(draw, 3, 7),
        _betas(draw, 7),
    )


@exercise("elbo_term")
@promises(
    _of_elbo,
    untouched(rtol=RTOL),
    new_tensor(rtol=RTOL),
    any_layout(rtol=RTOL),
    by_position_and_name(rtol=RTOL),
    dtypes(torch.float32, keep=["betas"], rtol=ROUNDED),
    gradients(weight=6, rtol=RTOL, to=["x0", "guess"]),
)
class ElboTerm:
    @value(weight=5)
    def of_pictures(self, student: Student, draw: Draw) -> None:
        """Is the divergence of the two steps back, in nats, summed over each sample."""
        for shape in [(3, 2, 3, 4), (5, 1, 4, 2)]:
            x0, guess, t, betas = (
                draw.normal(*shape),
                draw.normal(*shape),
                _later(draw, shape[0], 8),
                _betas(draw, 8),
            )
            _near(student.elbo_term(x0, guess, t, betas), _divergence(x0, guess, t, betas))

    @value()
    def any_number_of_dimensions(self, student: Student, draw: Draw) -> None:
        """Takes points and videos as well as pictures, and one sample alone."""
        for shape in [(3, 5), (2, 2, 1, 3, 2), (1, 2, 3)]:
            x0, guess, t, betas = (
                draw.normal(*shape),
                draw.normal(*shape),
                _later(draw, shape[0], 7),
                _betas(draw, 7),
            )
            _near(student.elbo_term(x0, guess, t, betas), _divergence(x0, guess, t, betas))

    @value(weight=2)
    def first_and_last(self, student: Student, draw: Draw) -> None:
        """Is right at timestep one, where the step back is the first there is, and at the last."""
        x0, guess, betas = draw.normal(3, 2, 3), draw.normal(3, 2, 3), _betas(draw, 6)
        t = torch.tensor([1, 5, 1], device=draw.device)
        _near(student.elbo_term(x0, guess, t, betas), _divergence(x0, guess, t, betas))

    @value()
    def many_small_steps(self, student: Student, draw: Draw) -> None:
        """Is right for a long schedule of small betas."""
        betas = torch.linspace(1e-3, 0.05, 200, dtype=torch.float64, device=draw.device)
        x0, guess = draw.normal(4, 3), draw.normal(4, 3)
        t = torch.tensor([1, 199, 40, 120], device=draw.device)
        _near(student.elbo_term(x0, guess, t, betas), _divergence(x0, guess, t, betas))

    @value()
    def dtype_of_the_samples(self, student: Student, draw: Draw) -> None:
        """Returns the samples' dtype, even where the betas have another one."""
        for dtype in (torch.float64, torch.float32):
            x0, guess = draw.normal(3, 4, dtype=dtype), draw.normal(3, 4, dtype=dtype)
            t, betas = _later(draw, 3, 7), _betas(draw, 7)
            assert_close(
                student.elbo_term(x0, guess, t, betas), _divergence(x0, guess, t, betas), rtol=RTOL_SINGLE
            )

    @rule()
    def nothing_for_the_truth(self, student: Student, draw: Draw) -> None:
        """Whoever guesses the picture itself pays nothing, and a guess twice as far off costs four times."""
        x0, off, t, betas = draw.normal(3, 2, 3), draw.normal(3, 2, 3), _later(draw, 3, 7), _betas(draw, 7)
        assert_holds(
            _checked(student.elbo_term(x0, x0.clone(), t, betas), like=x0[:, 0, 0]).abs().max() < 1e-9,
            "the truth costs something",
        )
        once = _checked(student.elbo_term(x0, x0 + off, t, betas), like=x0[:, 0, 0])
        _near(student.elbo_term(x0, x0 + 2 * off, t, betas), 4 * once)

    @rule()
    def adds_up_over_all_timesteps(self, student: Student, draw: Draw) -> None:
        """All timesteps together cost what lies between the first and the last signal-to-noise ratio."""
        betas, x0, off = _betas(draw, 7), draw.normal(1, 4), draw.normal(1, 4)
        t = torch.arange(1, 7, device=draw.device)
        each = _checked(student.elbo_term(x0.repeat(6, 1), (x0 + off).repeat(6, 1), t, betas), like=t)
        abar = torch.cumprod(1 - betas, 0)
        snr = abar / (1 - abar)
        _near(each.sum(), (snr[0] - snr[-1]) / 2 * off.square().sum())

    @rule()
    def samples_are_separate(self, student: Student, draw: Draw) -> None:
        """A sample's cost does not depend on the other samples of the batch."""
        x0, guess, t, betas = draw.normal(4, 3), draw.normal(4, 3), _later(draw, 4, 8), _betas(draw, 8)
        answer = _checked(student.elbo_term(x0, guess, t, betas), like=t)
        _near(student.elbo_term(x0[2:3], guess[2:3], t[2:3], betas), answer[2:3])


# --- edm_scalings, edm_denoise ----------------------------------------------------------------------------


def _wave(x: Tensor, c: Tensor) -> Tensor:
    """A model that tells samples, places and noise levels apart."""
    return 0.7 * x.tanh() + 0.3 * c.cos().reshape(-1, *[1] * (x.dim() - 1)) * x


class _AskedOnce:
    def __init__(self) -> None:
        self.left = 1

    def __call__(self, x: Tensor, c: Tensor) -> Tensor:
        self.left -= 1
        if self.left < 0:
            raise RuntimeError("the model was asked a second time; once is enough")
        if not isinstance(c, Tensor) or c.shape != x.shape[:1]:
            raise RuntimeError("the model is to be asked with a number c_noise for each sample")
        return _wave(x, c)


def _wrapped(x: Tensor, sigma: Tensor, data: float) -> Tensor:
    """Sample by sample."""
    made = []
    for one, level in zip(x, sigma.tolist(), strict=True):
        length = math.hypot(level, data)
        inner = _wave(one[None] / length, torch.tensor([math.log(level) / 4]).to(one))[0]
        made.append((data / length) ** 2 * one + level * data / length * inner)
    return torch.stack(made)


def _levels(draw: Draw, B: int) -> Tensor:
    """From little noise to much."""
    return (3 * draw.normal(B).clamp(-1, 1)).exp()


def _of_scalings(draw: Draw) -> Iterator[Example]:
    yield Example(reference.edm_scalings, _levels(draw, 4), 0.7)


def _of_edm(draw: Draw) -> Iterator[Example]:
    yield from _of_scalings(draw)
    yield from _of_denoise(draw)


def _of_denoise(draw: Draw) -> Iterator[Example]:
    yield Example(reference.edm_denoise, differentiable(_wave), draw.normal(3, 2, 3), _levels(draw, 3), 0.7)


def _scalings(answer: Any) -> list[Any]:
    if not isinstance(answer, (tuple, list)) or len(answer) != 4:
        raise Mismatch("four tensors were expected: c_skip, c_out, c_in and c_noise")
    return list(answer)


@exercise("edm_scalings")
@promises(
    _of_edm,
    untouched(rtol=RTOL),
    new_tensor(rtol=RTOL, examples=_of_scalings),
    any_layout(rtol=RTOL),
    by_position_and_name(rtol=RTOL),
    dtypes(torch.float32, rtol=ROUNDED),
    gradients(weight=6, rtol=RTOL, to=["x"], examples=_of_denoise),
)
class Edm:
    @value(weight=4)
    def the_four(self, student: Student, draw: Draw) -> None:
        """edm_scalings gives c_skip, c_out, c_in and c_noise, for little noise and for much."""
        for data in (0.5, 1.3):
            sigma = _levels(draw, 6)
            total = (sigma.square() + data * data).sqrt()
            expected = ((data / total) ** 2, sigma * data / total, 1 / total, sigma.log() / 4)
            for found, wanted in zip(_scalings(student.edm_scalings(sigma, data)), expected, strict=True):
                _near(found, wanted)

    @value(weight=3)
    def in_the_wrapping(self, student: Student, draw: Draw) -> None:
        """edm_denoise scales what goes in and what comes out, each sample by its own noise level."""
        for shape in [(3, 2, 5, 4), (5, 2), (4, 2, 3, 4), (1, 3, 2)]:
            x, sigma = draw.normal(*shape), _levels(draw, shape[0])
            found = student.edm_denoise(differentiable(_AskedOnce()), x, sigma, 0.8)
            _near(found, _wrapped(x, sigma, 0.8))

    @value()
    def deviation_of_the_data(self, student: Student, draw: Draw) -> None:
        """Both take the standard deviation of the data that is given, and have the stated one by default."""
        sigma, x = _levels(draw, 3), draw.normal(3, 4)
        for found, wanted in zip(
            _scalings(student.edm_scalings(sigma)), reference.edm_scalings(sigma, 0.5), strict=True
        ):
            _near(found, wanted)
        _near(student.edm_denoise(differentiable(_AskedOnce()), x, sigma), _wrapped(x, sigma, 0.5))
        _near(student.edm_denoise(differentiable(_AskedOnce()), x, sigma, 2.5), _wrapped(x, sigma, 2.5))

    @value()
    def hardly_any_noise(self, student: Student, draw: Draw) -> None:
        """Is right where there is hardly any noise, and where there is hardly anything else."""
        sigma = torch.tensor([2e-3, 80.0, 1.0], dtype=torch.float64, device=draw.device)
        for found, wanted in zip(
            _scalings(student.edm_scalings(sigma)), reference.edm_scalings(sigma), strict=True
        ):
            for at in range(3):
                _near(assert_tensor(found, shape=(3,))[at], wanted[at])

    @value()
    def of_one_dtype(self, student: Student, draw: Draw) -> None:
        """All four have the dtype of sigma, and what edm_denoise gives has that of x."""
        for dtype in (torch.float64, torch.float32):
            sigma, x = _levels(draw, 3).to(dtype), draw.normal(3, 2, dtype=dtype)
            for found, wanted in zip(
                _scalings(student.edm_scalings(sigma)), reference.edm_scalings(sigma.double()), strict=True
            ):
                assert_close(found, wanted.to(dtype), rtol=RTOL_SINGLE)
            found = student.edm_denoise(differentiable(_wave), x, sigma)
            assert_close(found, _wrapped(x.double(), sigma.double(), 0.5).to(dtype), rtol=RTOL_SINGLE)

    @rule(weight=2)
    def variance_one(self, student: Student, draw: Draw) -> None:
        """What goes into the network, and what it is asked for, has variance one at each noise level."""
        sigma, data = _levels(draw, 5), 0.6
        found = [_checked(each, like=sigma) for each in _scalings(student.edm_scalings(sigma, data))]
        c_skip, c_out, c_in, _ = found
        one = torch.ones_like(sigma)
        _near(c_in.square() * (sigma.square() + data**2), one)
        asked = (1 - c_skip).square() * data**2 + c_skip.square() * sigma.square()
        _near(asked / c_out.square(), one)

    @rule()
    def an_empty_network(self, student: Student, draw: Draw) -> None:
        """Around a network that says nought, what is left is x, faded by c_skip."""
        x, sigma = draw.normal(3, 2, 4), _levels(draw, 3)
        nothing = differentiable(lambda x, c: 0 * x)
        faded = _checked(_scalings(student.edm_scalings(sigma, 0.9))[0], like=sigma)[:, None, None] * x
        _near(student.edm_denoise(nothing, x, sigma, 0.9), faded)
