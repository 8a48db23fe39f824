"""Hidden tests of the module `score`. `B` is the batch; what a sample is made of does not matter."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from itertools import pairwise, product
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
from solutions import score as reference

# Whoever works in float32 on the way, and returns float64, is right too.
RTOL = 1e-5
RTOL_SINGLE = 1e-4
RTOL_HALF = 5e-3
ROUNDED = {torch.float32: RTOL_SINGLE, torch.float16: RTOL_HALF}


def _near(answer: Any, expected: Tensor, rtol: float = RTOL) -> None:
    """The right numbers, in whatever dtype: of that a test of its own speaks."""
    assert_close(answer, expected, rtol=rtol, check_dtype=False)


def _checked(answer: Any, like: Tensor) -> Tensor:
    """An answer that other answers may be compared with: finite, of this shape, dtype and device."""
    tensor = assert_tensor(answer, shape=tuple(like.shape), dtype=like.dtype)
    assert_holds(tensor.device == like.device, f"the result is on the wrong device: {tensor.device}")
    assert_holds(torch.isfinite(tensor).all(), "the result contains NaN or infinity")
    return tensor


def _abar(draw: Draw, T: int) -> Tensor:
    """A table in which a timestep taken for its neighbour shows."""
    return draw.uniform(T, low=0.05, high=0.95)


def _timesteps(draw: Draw, B: int, T: int) -> Tensor:
    """Timesteps that differ within the batch, the first and the last step left out."""
    return 1 + draw.permutation(T - 2)[:B]


def _each(values: Tensor, like: Tensor) -> Tensor:
    """A number for each sample, lined up with the first dimension."""
    return values.to(like.dtype).reshape(len(values), *[1] * (like.dim() - 1))


def _noise(abar: Tensor, t: Tensor, like: Tensor) -> Tensor:
    return _each(torch.stack([(1 - abar[step]).sqrt() for step in t.tolist()]), like)


# --- score_from_eps -------------------------------------------------------------------------------------


def _of_score_from_eps(draw: Draw) -> Iterator[Example]:
    for way in (reference.score_from_eps, reference.eps_from_score):
        yield Example(way, draw.normal(3, 2, 3, 4), _timesteps(draw, 3, 8), _abar(draw, 8))


def _of_little_noise(draw: Draw) -> Iterator[Example]:
    """Rounded to float16, this table is 1 everywhere, and no noise at all is left."""
    abar = 1 - draw.uniform(8, low=1e-5, high=4e-5)
    for way in (reference.score_from_eps, reference.eps_from_score):
        yield Example(way, draw.normal(3, 2, 3, 4), _timesteps(draw, 3, 8), abar)


def _of_zeros(draw: Draw) -> Iterator[Example]:
    """Where the answer equals what it is made of."""
    for way in (reference.score_from_eps, reference.eps_from_score):
        yield Example(way, 0 * draw.normal(3, 4), _timesteps(draw, 3, 8), _abar(draw, 8))
    yield from _of_score_from_eps(draw)


@exercise("score_from_eps")
@promises(
    _of_score_from_eps,
    untouched(rtol=RTOL),
    new_tensor(rtol=RTOL, examples=_of_zeros),
    any_layout(rtol=RTOL),
    by_position_and_name(rtol=RTOL),
    dtypes(torch.float32, torch.float16, keep=["alphas_cumprod"], rtol=ROUNDED, examples=_of_little_noise),
    gradients(weight=6, rtol=RTOL, to=["eps", "score"]),
)
class ScoreFromEps:
    @value(weight=3)
    def score_of_a_prediction(self, student: Student, draw: Draw) -> None:
        """score_from_eps gives each sample the score at its own timestep, whatever height and width."""
        for B, C, H, W in [(3, 2, 5, 4), (5, 1, 2, 7)]:
            eps, t, abar = draw.normal(B, C, H, W), _timesteps(draw, B, 9), _abar(draw, 9)
            _near(student.score_from_eps(eps, t, abar), -eps / _noise(abar, t, eps))

    @value(weight=3)
    def prediction_of_a_score(self, student: Student, draw: Draw) -> None:
        """eps_from_score gives each sample the noise at its own timestep, whatever height and width."""
        for B, C, H, W in [(3, 2, 5, 4), (5, 1, 2, 7)]:
            score, t, abar = draw.normal(B, C, H, W), _timesteps(draw, B, 9), _abar(draw, 9)
            _near(student.eps_from_score(score, t, abar), -score * _noise(abar, t, score))

    @value()
    def any_number_of_dimensions(self, student: Student, draw: Draw) -> None:
        """Both take points, sequences and single numbers as well as pictures, and square batches."""
        for shape in [(3, 5), (5, 2, 3), (5,), (4, 4, 4, 4), (1, 2)]:
            given, t, abar = draw.normal(*shape), _timesteps(draw, shape[0], 8), _abar(draw, 8)
            _near(student.score_from_eps(given, t, abar), -given / _noise(abar, t, given))
            _near(student.eps_from_score(given, t, abar), -given * _noise(abar, t, given))

    @value()
    def first_and_last_timestep(self, student: Student, draw: Draw) -> None:
        """Both are right at the first timestep and at the last, and where several samples have the same."""
        given, abar = draw.normal(4, 2, 3), _abar(draw, 6)
        t = torch.tensor([0, 5, 0, 5], device=draw.device)
        _near(student.score_from_eps(given, t, abar), -given / _noise(abar, t, given))
        _near(student.eps_from_score(given, t, abar), -given * _noise(abar, t, given))

    @value()
    def hardly_any_noise(self, student: Student, draw: Draw) -> None:
        """Both are right where there is hardly any noise, and the score is far larger than the noise."""
        given, t = draw.normal(3, 4), _timesteps(draw, 3, 8)
        abar = 1 - draw.uniform(8, low=1e-6, high=1e-5)
        _near(student.score_from_eps(given, t, abar), -given / _noise(abar, t, given))
        _near(student.eps_from_score(given, t, abar), -given * _noise(abar, t, given))

    @rule()
    def there_and_back(self, student: Student, draw: Draw) -> None:
        """Each undoes what the other does."""
        given, t, abar = draw.normal(3, 2, 4), _timesteps(draw, 3, 8), _abar(draw, 8)
        score = _checked(student.score_from_eps(given, t, abar), like=given)
        _near(student.eps_from_score(score, t, abar), given)

    @rule()
    def in_nothing_but_noise(self, student: Student, draw: Draw) -> None:
        """Where nothing is left of the picture, the two differ by their sign alone."""
        given = draw.normal(3, 4)
        abar = torch.tensor([0.5, 0.0], dtype=torch.float64, device=draw.device)
        t = torch.tensor([1, 1, 1], device=draw.device)
        _near(student.score_from_eps(given, t, abar), -given)
        _near(student.eps_from_score(given, t, abar), -given)


# --- mixture_score --------------------------------------------------------------------------------------


def _mixture(draw: Draw, M: int, D: int) -> tuple[Tensor, Tensor, Tensor]:
    """Means, deviations and weights that differ."""
    weights = draw.uniform(M, low=0.2, high=2)
    return 1.5 * draw.normal(M, D), draw.uniform(M, low=0.4, high=1.6), weights / weights.sum()


def _slope_of_log_p(x: Tensor, means: Tensor, deviations: Tensor, weights: Tensor) -> Tensor:
    """By autograd, one Gaussian after another."""
    place = x.clone().requires_grad_()
    logs = []
    for mean, deviation, weight in zip(means, deviations, weights, strict=True):
        distance = (place - mean).square().sum(1) / (2 * deviation.square())
        logs.append(weight.log() - distance - x.shape[1] * deviation.log())
    (slope,) = torch.autograd.grad(torch.stack(logs).logsumexp(0).sum(), place)
    return slope


def _of_mixture_score(draw: Draw) -> Iterator[Example]:
    yield Example(reference.mixture_score, draw.normal(3, 2), *_mixture(draw, 4, 2))


def _on_top(draw: Draw) -> Iterator[Example]:
    """On top of a Gaussian at 0 the score is the place itself, and the mean."""
    nowhere, one = torch.zeros(2, 3, dtype=torch.float64, device=draw.device), draw.uniform(1, low=1, high=2)
    yield Example(reference.mixture_score, nowhere, nowhere[:1].clone(), one, one / one)
    yield Example(reference.mixture_score, draw.normal(2, 3), *_mixture(draw, 3, 3))


@exercise("mixture_score")
@promises(
    _of_mixture_score,
    untouched(rtol=RTOL),
    new_tensor(rtol=RTOL, examples=_on_top),
    any_layout(rtol=RTOL),
    by_position_and_name(rtol=RTOL),
    dtypes(torch.float32, rtol=ROUNDED),
    gradients(weight=8, rtol=RTOL, to=["x"]),
)
class MixtureScore:
    @value(weight=5)
    def is_the_slope_of_log_p(self, student: Student, draw: Draw) -> None:
        """Is the gradient of the log-density, for several Gaussians of different widths and weights."""
        for B, M, D in [(5, 3, 2), (2, 4, 3), (4, 2, 1)]:
            x, mixture = 2 * draw.normal(B, D), _mixture(draw, M, D)
            _near(student.mixture_score(x, *mixture), _slope_of_log_p(x, *mixture))

    @value()
    def one_gaussian(self, student: Student, draw: Draw) -> None:
        """Of a single Gaussian it is the way to its mean, over its variance."""
        x, (mean, deviation, weight) = draw.normal(4, 3), _mixture(draw, 1, 3)
        _near(student.mixture_score(x, mean, deviation, weight), (mean - x) / deviation**2)

    @value(weight=5)
    def far_away(self, student: Student, draw: Draw) -> None:
        """Is right and finite at a great distance from all means, where every density underflows."""
        for far in (40.0, 1000.0):
            x, mixture = far * (1 + draw.uniform(4, 2)), _mixture(draw, 3, 2)
            _near(student.mixture_score(x, *mixture), _slope_of_log_p(x, *mixture))

    @value()
    def narrow_and_wide(self, student: Student, draw: Draw) -> None:
        """Tells narrow Gaussians from wide ones at the same place, in many dimensions as well."""
        for D in (2, 20):
            means, _, weights = _mixture(draw, 3, D)
            deviations = torch.tensor([0.9, 1.0, 1.15], dtype=torch.float64, device=draw.device)
            x = draw.normal(4, D)
            mixture = (0.05 * means, deviations, weights)
            _near(student.mixture_score(x, *mixture), _slope_of_log_p(x, *mixture))

    @value()
    def small_weights(self, student: Student, draw: Draw) -> None:
        """Takes weights as small as one in ten thousand for what they are."""
        means, _, _ = _mixture(draw, 2, 2)
        weights = torch.tensor([1e-4, 1 - 1e-4], dtype=torch.float64, device=draw.device)
        deviations = draw.uniform(2, low=0.9, high=1.1)
        x = means[0] + draw.normal(5, 2)
        found = student.mixture_score(x=x, means=means, deviations=deviations, weights=weights)
        _near(found, _slope_of_log_p(x, means, deviations, weights))

    @rule()
    def cut_in_two(self, student: Student, draw: Draw) -> None:
        """One Gaussian, or two halves of it in its place, make the same landscape."""
        x, (means, deviations, weights) = draw.normal(4, 2), _mixture(draw, 2, 2)
        twice = [each.repeat(2, *[1] * (each.dim() - 1)) for each in (means, deviations, weights / 2)]
        whole = _checked(student.mixture_score(x, means, deviations, weights), like=x)
        _near(student.mixture_score(x, *twice), whole)

    @rule()
    def moved_with_the_landscape(self, student: Student, draw: Draw) -> None:
        """Move all means and the place alike, and the score stays the same."""
        x, (means, deviations, weights) = draw.normal(4, 3), _mixture(draw, 3, 3)
        there = _checked(student.mixture_score(x, means, deviations, weights), like=x)
        _near(student.mixture_score(x + 5, means + 5, deviations, weights), there)

    @rule()
    def samples_are_separate(self, student: Student, draw: Draw) -> None:
        """A place's score does not depend on the other places of the batch."""
        x, mixture = draw.normal(5, 2), _mixture(draw, 3, 2)
        whole = _checked(student.mixture_score(x, *mixture), like=x)
        _near(student.mixture_score(x[2:3], *mixture), whole[2:3])


# --- tweedie --------------------------------------------------------------------------------------------


def _sigmas(draw: Draw, B: int, low: float = 0.3, high: float = 3.0) -> Tensor:
    return draw.uniform(B, low=low, high=high)


def _cleaned(x: Tensor, score: Tensor, sigma: Tensor) -> Tensor:
    return torch.stack(
        [own + float(s) * float(s) * slope for own, slope, s in zip(x, score, sigma, strict=True)]
    )


def _of_tweedie(draw: Draw) -> Iterator[Example]:
    yield Example(reference.tweedie, draw.normal(3, 2, 4), draw.normal(3, 2, 4), _sigmas(draw, 3))


def _without_noise(draw: Draw) -> Iterator[Example]:
    sigma = torch.zeros(3, dtype=torch.float64, device=draw.device)
    yield Example(reference.tweedie, draw.normal(3, 4), draw.normal(3, 4), sigma)


@exercise("tweedie")
@promises(
    _of_tweedie,
    untouched(rtol=RTOL),
    new_tensor(rtol=RTOL, examples=_without_noise),
    any_layout(rtol=RTOL),
    by_position_and_name(rtol=RTOL),
    dtypes(torch.float32, torch.float16, keep=["sigma"], rtol=ROUNDED),
    gradients(weight=6, rtol=RTOL, to=["x", "score"]),
)
class Tweedie:
    @value(weight=4)
    def pictures(self, student: Student, draw: Draw) -> None:
        """Cleans each picture of a batch by its own amount of noise, whatever the height and the width."""
        for B, C, H, W in [(3, 2, 5, 4), (5, 1, 2, 7)]:
            x, score, sigma = draw.normal(B, C, H, W), draw.normal(B, C, H, W), _sigmas(draw, B)
            _near(student.tweedie(x, score, sigma), _cleaned(x, score, sigma))

    @value()
    def any_number_of_dimensions(self, student: Student, draw: Draw) -> None:
        """Takes points, sequences and single numbers as well as pictures, and square batches."""
        for shape in [(3, 5), (5, 2, 3), (5,), (4, 4, 4, 4), (1, 2)]:
            x, score, sigma = draw.normal(*shape), draw.normal(*shape), _sigmas(draw, shape[0])
            _near(student.tweedie(x, score, sigma), _cleaned(x, score, sigma))

    @value(weight=2)
    def mean_of_what_may_be_behind(self, student: Student, draw: Draw) -> None:
        """Gives the mean of the points that may be behind a noisy one, each with its probability."""
        points, x, sigma = draw.normal(5, 2), 2 * draw.normal(3, 2), _sigmas(draw, 3, 0.5, 2)
        distance = (x[:, None] - points).square().sum(-1)  # [3, 5]
        share = (-distance / (2 * sigma[:, None] ** 2)).softmax(1)
        score = ((share @ points) - x) / sigma[:, None] ** 2
        _near(student.tweedie(x, score, sigma), share @ points)

    @value()
    def very_little_and_very_much(self, student: Student, draw: Draw) -> None:
        """Is right for noise of a thousandth and of a hundred, in the same batch."""
        sigma = torch.tensor([1e-3, 1.0, 100.0], dtype=torch.float64, device=draw.device)
        x, score = 100 * draw.normal(3, 4), draw.normal(3, 4) / _each(sigma, draw.normal(3, 4))
        _near(student.tweedie(x, score, sigma), _cleaned(x, score, sigma))

    @rule()
    def no_noise(self, student: Student, draw: Draw) -> None:
        """Without noise a sample is clean already."""
        x, score = draw.normal(3, 2, 2), draw.normal(3, 2, 2)
        _near(student.tweedie(x, score, torch.zeros(3, dtype=x.dtype, device=x.device)), x)

    @rule()
    def samples_are_separate(self, student: Student, draw: Draw) -> None:
        """A sample's answer does not depend on the other samples of the batch."""
        x, score, sigma = draw.normal(5, 2, 3), draw.normal(5, 2, 3), _sigmas(draw, 5)
        whole = _checked(student.tweedie(x, score, sigma), like=x)
        _near(student.tweedie(x[1:2], score[1:2], sigma[1:2]), whole[1:2])


# --- denoising_score_matching_loss ----------------------------------------------------------------------


class Slope:
    """Stands for a network that has learned scores: a smooth function of each sample and its own sigma.

    `asks`: how often it may be asked, as an expensive network should be.
    """

    def __init__(self, asks: int = 1_000_000) -> None:
        self.asks, self.levels = asks, list[Tensor]()

    def __call__(self, x: Tensor, sigma: Tensor) -> Tensor:
        self.levels.append(sigma)
        if len(self.levels) > self.asks:
            raise RuntimeError(f"the model was asked more often than {self.asks} times")
        if not (isinstance(sigma, Tensor) and list(sigma.shape) == [len(x)]):
            got = list(sigma.shape) if isinstance(sigma, Tensor) else type(sigma).__name__
            raise RuntimeError(f"the model is to get a sigma for each sample, [{len(x)}]; it got {got}")
        if sigma.dtype != x.dtype:
            raise RuntimeError(f"the model got samples of {x.dtype}, and a sigma of {sigma.dtype}")
        dtype, x = x.dtype, x.double()
        own = sigma.double().reshape(len(x), *[1] * (x.dim() - 1))
        turned = x.reshape(len(x), -1).flip(1).view_as(x)  # so that each number depends on another one, too
        return ((torch.sin(1.3 * x + 0.4 * turned) - x) / (0.5 + own * own) + own / 7).to(dtype)


def _matching_loss(model: Callable[..., Tensor], x: Tensor, sigma: Tensor, noise: Tensor) -> Tensor:
    """Sample by sample, from the plain error of the score and its weight."""
    sigma_, lost = _each(sigma, x), []
    for error, s in zip(model(x + sigma_ * noise, sigma) + noise / sigma_, sigma, strict=True):
        lost.append(s * s * error.square().mean())
    return torch.stack(lost).mean()


def _of_matching_loss(draw: Draw) -> Iterator[Example]:
    x, noise = draw.normal(3, 2, 4), draw.normal(3, 2, 4)
    yield Example(
        reference.denoising_score_matching_loss, differentiable(Slope()), x, _sigmas(draw, 3), noise
    )


@exercise("denoising_score_matching_loss")
@promises(
    _of_matching_loss,
    untouched(rtol=RTOL),
    any_layout(rtol=RTOL),
    by_position_and_name(rtol=RTOL),
    dtypes(torch.float32, rtol=ROUNDED),
    gradients(weight=7, rtol=RTOL, to=["x", "noise"]),
)
class DenoisingScoreMatchingLoss:
    @value(weight=4)
    def agrees_with_the_formula(self, student: Student, draw: Draw) -> None:
        """Is the weighted mean squared error of the score, each sample with its own amount of noise."""
        for B, C, H, W in [(3, 2, 5, 4), (5, 1, 2, 7)]:
            x, noise, sigma = draw.normal(B, C, H, W), draw.normal(B, C, H, W), _sigmas(draw, B)
            found = student.denoising_score_matching_loss(Slope(), x, sigma, noise)
            _near(found, _matching_loss(Slope(), x, sigma, noise))

    @value()
    def any_number_of_dimensions(self, student: Student, draw: Draw) -> None:
        """Takes points, sequences and single numbers as well as pictures, and square batches."""
        for shape in [(3, 5), (5, 2, 3), (5,), (4, 4), (1, 2)]:
            x, noise, sigma = draw.normal(*shape), draw.normal(*shape), _sigmas(draw, shape[0])
            found = student.denoising_score_matching_loss(Slope(), x, sigma, noise)
            _near(found, _matching_loss(Slope(), x, sigma, noise))

    @value()
    def little_and_much_noise(self, student: Student, draw: Draw) -> None:
        """Is right for noise of a hundredth and of fifty, in the same batch."""
        sigma = torch.tensor([0.01, 1.0, 50.0], dtype=torch.float64, device=draw.device)
        x, noise = draw.normal(3, 4), draw.normal(3, 4)
        found = student.denoising_score_matching_loss(Slope(), x, sigma, noise)
        _near(found, _matching_loss(Slope(), x, sigma, noise))

    @value(weight=2)
    def asked_once(self, student: Student, draw: Draw) -> None:
        """Asks the model exactly once, for all samples, with their amounts of noise."""
        x, noise, sigma = draw.normal(3, 2, 3), draw.normal(3, 2, 3), _sigmas(draw, 3)
        model = Slope(asks=1)
        found = student.denoising_score_matching_loss(model, x, sigma, noise)
        _near(found, _matching_loss(Slope(), x, sigma, noise))
        assert_holds(len(model.levels) == 1, f"the model was asked {len(model.levels)} times")

    @value()
    def nothing_learned(self, student: Student, draw: Draw) -> None:
        """Of a model that says nothing, the loss is the mean square of the noise, at any level."""
        for low, high in ((0.01, 0.1), (5, 9)):
            x, noise, sigma = draw.normal(5, 3), draw.normal(5, 3), _sigmas(draw, 5, low, high)
            found = student.denoising_score_matching_loss(lambda x, sigma: 0 * x, x, sigma, noise)
            _near(found, noise.square().mean())

    @rule(weight=2)
    def all_learned(self, student: Student, draw: Draw) -> None:
        """Of a model that knows the noise in each sample, the loss is nothing."""
        x, noise, sigma = draw.normal(5, 2, 3), draw.normal(5, 2, 3), _sigmas(draw, 5)
        found = student.denoising_score_matching_loss(
            lambda _, sigma: -noise / _each(sigma, noise), x, sigma, noise
        )
        assert_close(found, noise.new_zeros(()), atol=1e-9, check_dtype=False)

    @rule()
    def order_of_the_samples(self, student: Student, draw: Draw) -> None:
        """The order of the samples makes no difference."""
        x, noise, sigma, order = draw.normal(5, 3), draw.normal(5, 3), _sigmas(draw, 5), draw.permutation(5)
        there = _checked(
            student.denoising_score_matching_loss(Slope(), x, sigma, noise), like=x.new_zeros(())
        )
        _near(student.denoising_score_matching_loss(Slope(), x[order], sigma[order], noise[order]), there)


# --- langevin_step --------------------------------------------------------------------------------------


def _stepped(x: Tensor, score: Tensor, step: float, noise: Tensor) -> Tensor:
    return x + 0.5 * step * score + math.sqrt(step) * noise


def _annealed(
    score: Callable[..., Tensor], x: Tensor, sigmas: list[float], steps: int, scale: float, noises: Tensor
) -> Tensor:
    for number, noise in enumerate(noises):
        sigma = sigmas[number // steps]
        x = _stepped(x, score(x, x.new_full((len(x),), sigma)), scale * sigma * sigma, noise)
    return x


def _levels(draw: Draw, count: int) -> list[float]:
    """Falling, and not evenly."""
    found: list[float] = draw.uniform(count, low=0.2, high=2.0).sort(descending=True).values.tolist()
    return found


def _of_step(draw: Draw) -> Iterator[Example]:
    x, score, noise = (draw.normal(3, 2, 4) for _ in range(3))
    yield Example(reference.langevin_step, x, score, float(draw.uniform(1, low=0.1, high=0.6)), noise)


def _standing_still(draw: Draw) -> Iterator[Example]:
    """Without slope and noise the answer is where one has started; and where one goes on."""
    x, still = draw.normal(3, 4), torch.zeros(3, 4, dtype=torch.float64, device=draw.device)
    yield Example(reference.langevin_step, x, still, 0.3, still.clone())
    nowhere = differentiable(lambda x, sigma: 0 * x)
    yield Example(reference.annealed_langevin, nowhere, x, [2.0, 1.0], 1, 0.3, torch.stack([still, still]))
    yield from _of_step(draw)


def _of_langevin(draw: Draw) -> Iterator[Example]:
    yield from _of_step(draw)
    x, noises = draw.normal(3, 4), draw.normal(4, 3, 4)
    yield Example(reference.annealed_langevin, differentiable(Slope()), x, _levels(draw, 2), 2, 0.3, noises)


@exercise("langevin_step")
@promises(
    _of_langevin,
    untouched(rtol=RTOL),
    new_tensor(rtol=RTOL, examples=_standing_still),
    any_layout(rtol=RTOL),
    by_position_and_name(rtol=RTOL),
    dtypes(torch.float32, torch.float16, rtol=ROUNDED, examples=_of_step),
    gradients(weight=8, rtol=RTOL, to=["x", "score", "noise"], examples=_of_step),
)
class LangevinStep:
    @value(weight=4)
    def one_step(self, student: Student, draw: Draw) -> None:
        """langevin_step goes along the score and adds noise, each as far as the step's size says."""
        for step in (0.3, 1.0, 4.0):
            for shape in ((3, 2, 5, 4), (5, 2), (4,)):
                x, score, noise = (draw.normal(*shape) for _ in range(3))
                _near(student.langevin_step(x, score, step, noise), _stepped(x, score, step, noise))

    @value()
    def small_and_large_steps(self, student: Student, draw: Draw) -> None:
        """langevin_step is right for tiny steps along steep slopes, and for huge ones along gentle ones."""
        for step in (1e-6, 1e4):
            x, score, noise = draw.normal(3, 4), draw.normal(3, 4) / step, draw.normal(3, 4) / step**0.5
            _near(student.langevin_step(x, score, step, noise), _stepped(x, score, step, noise))

    @value(weight=4)
    def from_level_to_level(self, student: Student, draw: Draw) -> None:
        """annealed_langevin takes all steps at all levels, with the size of step that belongs to each."""
        for shape, levels, steps in [((3, 2, 3), 3, 2), ((5, 2), 2, 3), ((2, 4), 1, 1)]:
            x, sigmas, noises = (
                draw.normal(*shape),
                _levels(draw, levels),
                draw.normal(levels * steps, *shape),
            )
            found = student.annealed_langevin(Slope(), x, sigmas, steps, 0.4, noises)
            _near(found, _annealed(Slope(), x, sigmas, steps, 0.4, noises))

    @value()
    def levels_in_their_order(self, student: Student, draw: Draw) -> None:
        """annealed_langevin takes the levels in the order in which they are given, whatever it is."""
        x, noises = draw.normal(3, 2), draw.normal(6, 3, 2)
        sigmas = [0.9, 0.2, 1.7]
        found = student.annealed_langevin(Slope(), x, sigmas, 2, 0.3, noises)
        _near(found, _annealed(Slope(), x, sigmas, 2, 0.3, noises))

    @value()
    def single_precision(self, student: Student, draw: Draw) -> None:
        """annealed_langevin takes float32 and returns float32."""
        x, noises = draw.normal(3, 2).float(), draw.normal(4, 3, 2).float()
        sigmas = _levels(draw, 2)
        found = student.annealed_langevin(Slope(), x, sigmas, 2, 0.3, noises)
        assert_close(found, _annealed(Slope(), x, sigmas, 2, 0.3, noises), rtol=RTOL_SINGLE)

    @value()
    def asked_once_a_step(self, student: Student, draw: Draw) -> None:
        """annealed_langevin asks for the score once a step, with the level of that step for each sample."""
        x, sigmas, noises = draw.normal(3, 2), _levels(draw, 2), draw.normal(6, 3, 2)
        model = Slope(asks=6)
        found = student.annealed_langevin(model, x, sigmas, 3, 0.3, noises)
        _near(found, _annealed(Slope(), x, sigmas, 3, 0.3, noises))
        assert_holds(len(model.levels) == 6, f"in 6 steps the score was asked for {len(model.levels)} times")

    @rule()
    def nowhere_to_go(self, student: Student, draw: Draw) -> None:
        """Without slope and without noise, samples stay where they are."""
        x = draw.normal(3, 2)
        _near(student.langevin_step(x, 0 * x, 0.3, 0 * x), x)
        still = student.annealed_langevin(
            lambda x, sigma: 0 * x, x, [2.0, 1.0], 2, 0.3, torch.zeros(4, 3, 2).to(x)
        )
        _near(still, x)

    @rule()
    def one_level_after_another(self, student: Student, draw: Draw) -> None:
        """Two levels in one go are the first, and then the second from where that has ended."""
        x, (high, low), noises = draw.normal(3, 2), _levels(draw, 2), draw.normal(4, 3, 2)
        half = _checked(student.annealed_langevin(Slope(), x, [high], 2, 0.3, noises[:2]), like=x)
        both = _checked(student.annealed_langevin(Slope(), x, [high, low], 2, 0.3, noises), like=x)
        _near(student.annealed_langevin(Slope(), half, [low], 2, 0.3, noises[2:]), both)

    @rule()
    def in_the_long_run(self, student: Student, draw: Draw) -> None:
        """On a standard bell curve, what is kept and what is added hold the variance that theory gives."""
        step = float(draw.uniform(1, low=0.1, high=0.9))
        one = torch.ones(1, 1, dtype=torch.float64, device=draw.device)
        kept = _checked(student.langevin_step(one, -one, step, 0 * one), like=one)
        added = _checked(student.langevin_step(0 * one, 0 * one, step, one), like=one)
        _near(added**2 / (1 - kept**2), one / (1 - step / 4))


# --- linear_denoiser ------------------------------------------------------------------------------------


def _pair(answer: Any, x: Tensor) -> tuple[Tensor, Tensor]:
    if not isinstance(answer, (tuple, list)) or len(answer) != 2:
        raise Mismatch("two tensors are expected: weight and bias")
    weight = assert_tensor(answer[0], shape=(x.shape[1], x.shape[1]))
    bias = assert_tensor(answer[1], shape=(x.shape[1],))
    for tensor in (weight, bias):
        assert_holds(tensor.is_floating_point() and bool(torch.isfinite(tensor).all()), "NaN or infinity")
    return weight, bias


def _both_near(answer: Any, x: Tensor, expected: tuple[Tensor, Tensor], rtol: float = RTOL) -> None:
    for found, wanted in zip(_pair(answer, x), expected, strict=True):
        _near(found, wanted, rtol)


def _wiener(x: Tensor, sigma: float) -> tuple[Tensor, Tensor]:
    """Along the directions in which the rows spread, each shrunk by its share of the variance."""
    mean = x.mean(0)
    spread, directions = torch.linalg.eigh((x - mean).T @ (x - mean) / len(x))
    spread = spread.clamp(min=0)
    weight = (directions * (spread / (spread + sigma**2))) @ directions.T
    return weight, mean - weight @ mean


def _rows(draw: Draw, N: int, D: int) -> Tensor:
    """Rows that spread in some directions more than in others, away from 0."""
    return draw.normal(N, D) @ draw.normal(D, D) + 2 * draw.normal(D) + 1


def _of_linear_denoiser(draw: Draw) -> Iterator[Example]:
    yield Example(reference.linear_denoiser, _rows(draw, 7, 3), float(draw.uniform(1, low=0.5, high=1.5)))


def _where_nothing_varies(draw: Draw) -> Iterator[Example]:
    """Of zeros the weight is zeros, too."""
    yield Example(reference.linear_denoiser, torch.zeros(3, 3, dtype=torch.float64, device=draw.device), 1.0)
    yield from _of_linear_denoiser(draw)


@exercise("linear_denoiser")
@promises(
    _of_linear_denoiser,
    untouched(rtol=RTOL),
    new_tensor(rtol=RTOL, examples=_where_nothing_varies),
    any_layout(rtol=RTOL),
    by_position_and_name(rtol=RTOL),
    dtypes(torch.float32, rtol={torch.float32: 1e-3}),
)
class LinearDenoiser:
    @value(weight=5)
    def the_least_error(self, student: Student, draw: Draw) -> None:
        """Gives the weight and the bias with the least expected error, for several amounts of noise."""
        for N, D, sigma in [(9, 3, 0.7), (6, 4, 2.0), (11, 2, 0.2)]:
            x = _rows(draw, N, D)
            _both_near(student.linear_denoiser(x, sigma), x, _wiener(x, sigma))

    @value(weight=2)
    def nothing_can_be_better(self, student: Student, draw: Draw) -> None:
        """The expected error, as a function of weight and bias, has no slope at the answer."""
        x, sigma = _rows(draw, 8, 3), 0.9
        weight, bias = (
            part.detach().double().requires_grad_() for part in _pair(student.linear_denoiser(x, sigma), x)
        )
        error = x @ weight.T + bias - x
        expected = error.square().sum(1).mean() + sigma**2 * weight.square().sum()
        slopes = torch.autograd.grad(expected, (weight, bias))
        scale = float(x.square().mean())
        for slope in slopes:
            assert_close(slope, torch.zeros_like(slope), atol=1e-4 * scale)

    @value()
    def fewer_rows_than_columns(self, student: Student, draw: Draw) -> None:
        """Takes fewer rows than columns, and columns that are the same in all rows."""
        for x in (
            _rows(draw, 3, 5),
            torch.cat([_rows(draw, 6, 2), torch.full((6, 1), 3.0).to(draw.device)], 1),
        ):
            _both_near(student.linear_denoiser(x, 0.8), x, _wiener(x, 0.8))

    @value()
    def little_and_much_noise(self, student: Student, draw: Draw) -> None:
        """Is right where there is hardly any noise, and where there is hardly anything else."""
        for sigma in (0.05, 30.0):
            x = _rows(draw, 20, 3)
            _both_near(student.linear_denoiser(x, sigma), x, _wiener(x, sigma))

    @value()
    def single_column(self, student: Student, draw: Draw) -> None:
        """Works for a single column, and for two rows."""
        for N in (2, 7):
            x = 2 * draw.normal(N, 1) + 3
            _both_near(student.linear_denoiser(x, 0.6), x, _wiener(x, 0.6))

    @rule()
    def no_noise(self, student: Student, draw: Draw) -> None:
        """Without noise, and with rows that go in all directions, nothing is changed."""
        x = draw.normal(12, 3) + 2
        _both_near(student.linear_denoiser(x, 0.0), x, (torch.eye(3).to(x), torch.zeros(3).to(x)), rtol=1e-3)

    @rule()
    def every_row_twice(self, student: Student, draw: Draw) -> None:
        """Each row given twice makes no difference: how probable each is stays the same."""
        x = _rows(draw, 4, 3)
        once = _pair(student.linear_denoiser(x, 0.7), x)
        _both_near(student.linear_denoiser(x.repeat(2, 1), 0.7), x, once)

    @rule()
    def moved(self, student: Student, draw: Draw) -> None:
        """Rows moved as a whole keep their weight, and their mean is cleaned to itself."""
        x = _rows(draw, 6, 3)
        weight, _ = _pair(student.linear_denoiser(x, 0.7), x)
        moved, bias = _pair(student.linear_denoiser(x + 4, 0.7), x)
        _near(moved, weight)
        mean = (x + 4).mean(0)
        _near(moved.to(mean) @ mean + bias.to(mean), mean)

    @rule()
    def turned(self, student: Student, draw: Draw) -> None:
        """Rows turned in space have a denoiser that is turned with them."""
        x, (turn, _) = _rows(draw, 6, 3), torch.linalg.qr(draw.normal(3, 3))
        weight, bias = (part.double() for part in _pair(student.linear_denoiser(x, 0.7), x))
        _both_near(student.linear_denoiser(x @ turn.T, 0.7), x, (turn @ weight @ turn.T, turn @ bias))


# --- classifier_guided_eps ------------------------------------------------------------------------------


class Classifier:
    """Stands for log p(wanted | x, t): a smooth function of each sample and its own timestep."""

    def __call__(self, x: Tensor, t: Tensor) -> Tensor:
        if t.dim() != 1 or len(t) != len(x):
            raise RuntimeError(
                f"the classifier was given {len(x)} samples, and timesteps of shape {list(t.shape)}"
            )
        dtype, x = x.dtype, x.double().flatten(1)
        weights = torch.linspace(0.5, 2.0, x.shape[1], dtype=x.dtype, device=x.device)
        told = (weights * torch.sin(x)).sum(1) * (1 + t / 5) - x.square().sum(1) / 4
        return torch.nn.functional.logsigmoid(told).to(dtype)


def _slope(log_prob: Callable[..., Tensor], x: Tensor, t: Tensor) -> Tensor:
    """Sample by sample."""
    slopes = []
    for own, step in zip(x, t, strict=True):
        place = own[None].clone().requires_grad_()
        (slope,) = torch.autograd.grad(log_prob(place, step[None])[0], place)
        slopes.append(slope[0])
    return torch.stack(slopes)


def _corrected(eps: Tensor, x: Tensor, t: Tensor, abar: Tensor, scale: float) -> Tensor:
    return eps - scale * _noise(abar, t, x) * _slope(Classifier(), x, t)


def _of_classifier(draw: Draw) -> Iterator[Example]:
    x, t, abar = draw.normal(3, 2, 2), _timesteps(draw, 3, 8), _abar(draw, 8)
    eps, log_prob = draw.normal(3, 2, 2), differentiable(Classifier())
    yield Example(reference.classifier_guided_eps, eps, log_prob, x, t, abar, 2.5)


def _at_a_scale_of_nought(draw: Draw) -> Iterator[Example]:
    x, t, abar = draw.normal(3, 4), _timesteps(draw, 3, 8), _abar(draw, 8)
    yield Example(
        reference.classifier_guided_eps, draw.normal(3, 4), differentiable(Classifier()), x, t, abar, 0.0
    )


@exercise("classifier_guided_eps")
@promises(
    _of_classifier,
    untouched(rtol=RTOL),
    new_tensor(rtol=RTOL, examples=_at_a_scale_of_nought),
    any_layout(rtol=RTOL),
    by_position_and_name(rtol=RTOL),
    dtypes(torch.float32, keep=["alphas_cumprod"], rtol=ROUNDED),
)
class ClassifierGuidedEps:
    @value(weight=5)
    def agrees_with_the_formula(self, student: Student, draw: Draw) -> None:
        """Corrects each sample's noise by the classifier's slope, at its own timestep, at any scale."""
        for shape, scale in [((3, 2, 3, 4), 1.0), ((5, 2), 7.5), ((3, 1, 2, 2), -2.0)]:
            x, eps = draw.normal(*shape), draw.normal(*shape)
            t, abar = _timesteps(draw, len(x), 9), _abar(draw, 9)
            found = student.classifier_guided_eps(eps, differentiable(Classifier()), x, t, abar, scale)
            _near(found, _corrected(eps, x, t, abar, scale))

    @value()
    def first_and_last_timestep(self, student: Student, draw: Draw) -> None:
        """Is right at the first timestep and at the last."""
        x, eps, abar = draw.normal(3, 2), draw.normal(3, 2), _abar(draw, 6)
        t = torch.tensor([0, 5, 0], device=draw.device)
        found = student.classifier_guided_eps(eps, differentiable(Classifier()), x, t, abar, 2.0)
        _near(found, _corrected(eps, x, t, abar, 2.0))

    @value(weight=5)
    def under_no_grad(self, student: Student, draw: Draw) -> None:
        """Works where gradients are switched off, as a sampler has it."""
        x, eps, t, abar = draw.normal(3, 2), draw.normal(3, 2), _timesteps(draw, 3, 8), _abar(draw, 8)
        asked = student.classifier_guided_eps
        seen = asked.observe(eps, differentiable(Classifier()), x, t, abar, 3.0, still=True)
        _near(seen.again, _corrected(eps, x, t, abar, 3.0))

    @value(weight=2)
    def is_bayes_rule(self, student: Student, draw: Draw) -> None:
        """At a scale of 1, the prediction without a class becomes the one with it: Bayes's rule."""
        means, abar, t = 2 * draw.normal(3, 2), _abar(draw, 8), _timesteps(draw, 4, 8)
        signal = torch.stack([abar[step].sqrt() for step in t.tolist()])[:, None, None]

        def log_likelihood(x: Tensor) -> Tensor:
            return (
                -(x[:, None] - signal * means).square().sum(-1) / 2
            )  # [B, 3]: noised, each still has variance 1

        x = draw.normal(4, 2)
        share, noise = log_likelihood(x).softmax(1), _noise(abar, t, x)
        each = noise[:, None] * (x[:, None] - signal * means)
        wanted = 1
        found = student.classifier_guided_eps(
            (share[:, :, None] * each).sum(1),
            differentiable(lambda x, _: log_likelihood(x).log_softmax(1)[:, wanted]),
            x,
            t,
            abar,
            1.0,
        )
        _near(found, each[:, wanted])

    @value()
    def large_batches(self, student: Student, draw: Draw) -> None:
        """The correction does not shrink or grow with the number of samples."""
        for B in (1, 6):
            x, eps, t, abar = draw.normal(B, 2), draw.normal(B, 2), _timesteps(draw, B, 8), _abar(draw, 8)
            found = student.classifier_guided_eps(eps, differentiable(Classifier()), x, t, abar, 1.5)
            _near(found, _corrected(eps, x, t, abar, 1.5))

    @rule()
    def no_guidance(self, student: Student, draw: Draw) -> None:
        """At a scale of 0, the prediction stays as it is."""
        x, eps, t, abar = draw.normal(3, 2), draw.normal(3, 2), _timesteps(draw, 3, 8), _abar(draw, 8)
        _near(student.classifier_guided_eps(eps, differentiable(Classifier()), x, t, abar, 0.0), eps)

    @rule()
    def even_steps(self, student: Student, draw: Draw) -> None:
        """Equal steps of the scale move the result by equal steps."""
        x, eps, t, abar = draw.normal(3, 2), draw.normal(3, 2), _timesteps(draw, 3, 8), _abar(draw, 8)
        at = [
            _checked(student.classifier_guided_eps(eps, differentiable(Classifier()), x, t, abar, w), like=x)
            for w in (0.5, 2.0, 3.5)
        ]
        _near(at[2] - at[1], at[1] - at[0])


# --- log_likelihood -------------------------------------------------------------------------------------


class Flow:
    """tanh of a matrix times each sample: no number of it stands for itself, and the trace is known."""

    def __init__(self, draw: Draw, D: int, asks: int = 1_000_000) -> None:
        self.matrix, self.asks, self.asked = draw.normal(D, D), asks, 0

    def __call__(self, x: Tensor) -> Tensor:
        self.asked += 1
        if self.asked > self.asks:
            raise RuntimeError("f was called a second time; one call is enough")
        return torch.tanh(x.double().flatten(1) @ self.matrix.T).view_as(x).to(x.dtype)

    def jacobian(self, x: Tensor) -> Tensor:
        slope = 1 - torch.tanh(x.flatten(1) @ self.matrix.T).square()  # [B, D]
        return slope[:, :, None] * self.matrix

    def trace(self, x: Tensor) -> Tensor:
        return self.jacobian(x).diagonal(dim1=1, dim2=2).sum(1)

    def probed(self, x: Tensor, probe: Tensor) -> Tensor:
        flat = probe.flatten(1)
        return torch.einsum("bi,bij,bj->b", flat, self.jacobian(x), flat)


class Bell:
    """Scores that fall off evenly from a mean, by a matrix that shrinks with sigma; its trace is known."""

    def __init__(self, draw: Draw, D: int) -> None:
        self.mean, self.matrix = (
            draw.normal(D),
            torch.eye(D).to(draw.device).double() + 0.4 * draw.normal(D, D),
        )

    def matrix_at(self, sigma: Tensor) -> Tensor:
        return self.matrix / (0.5 + sigma.double() ** 2)[:, None, None]  # [B, D, D]

    def __call__(self, x: Tensor, sigma: Tensor) -> Tensor:
        if not isinstance(sigma, Tensor) or sigma.shape != x.shape[:1]:
            raise RuntimeError(f"the score is to get a sigma for each sample, [{len(x)}]")
        if sigma.dtype != x.dtype:
            raise RuntimeError(f"the score got samples of {x.dtype}, and a sigma of {sigma.dtype}")
        away = x.double().flatten(1) - self.mean
        return -torch.einsum("bij,bj->bi", self.matrix_at(sigma), away).view_as(x).to(x.dtype)


def _log_likelihood(score: Bell, x: Tensor, sigmas: list[float]) -> Tensor:
    """Heun's method with the trace read off the matrix."""
    shape, x = x.shape, x.flatten(1)
    gained = x.new_zeros(len(x))
    for here, there in pairwise(sigmas):
        levels = [x.new_full((len(x),), sigma) for sigma in (here, there)]
        first = -here * score(x.view(shape), levels[0]).flatten(1)
        moved = x + (there - here) * first
        second = -there * score(moved.view(shape), levels[1]).flatten(1)
        x = x + (there - here) * (first + second) / 2
        spreads = [
            sigma * score.matrix_at(level).diagonal(dim1=1, dim2=2).sum(1)
            for sigma, level in zip((here, there), levels, strict=True)
        ]
        gained = gained + (there - here) * (spreads[0] + spreads[1]) / 2
    z = x / sigmas[-1]
    return gained - (z.square() / 2 + math.log(sigmas[-1]) + math.log(2 * math.pi) / 2).sum(1)


def _of_log_likelihood(draw: Draw) -> Iterator[Example]:
    x, flow = draw.normal(3, 2), Flow(draw, 2)
    yield Example(reference.divergence, differentiable(flow), x)
    yield Example(reference.hutchinson, differentiable(flow), x, draw.normal(3, 2))
    yield Example(reference.log_likelihood, differentiable(Bell(draw, 2)), x, [0.1, 0.7, 2.0])


@exercise("log_likelihood")
@promises(
    _of_log_likelihood,
    untouched(rtol=RTOL),
    any_layout(rtol=RTOL),
    by_position_and_name(rtol=RTOL),
    dtypes(torch.float32, rtol={torch.float32: 1e-3}),
)
class LogLikelihood:
    @value(weight=4)
    def trace_of_the_jacobian(self, student: Student, draw: Draw) -> None:
        """divergence gives the trace of each sample's own Jacobian, in which no entry is zero."""
        for shape in [(3, 5), (2, 1, 2, 3), (4, 1)]:
            x = draw.normal(*shape)
            flow = Flow(draw, x[0].numel())
            _near(student.divergence(differentiable(flow), x), flow.trace(x))

    @value(weight=3)
    def a_probe(self, student: Student, draw: Draw) -> None:
        """hutchinson multiplies each sample's Jacobian by its probe from both sides, with one call of f."""
        for shape in [(3, 5), (2, 1, 2, 3)]:
            x, probe = draw.normal(*shape), draw.normal(*shape)
            flow = Flow(draw, x[0].numel(), asks=1)
            _near(student.hutchinson(differentiable(flow), x, probe), flow.probed(x, probe))

    @value(weight=5)
    def along_the_flow(self, student: Student, draw: Draw) -> None:
        """log_likelihood takes Heun's steps from level to level, for the place and for the density alike."""
        for shape, sigmas in [((3, 3), [0.2, 0.9, 2.5]), ((2, 1, 2), [0.1, 0.4, 1.1, 3.0])]:
            x = draw.normal(*shape)
            bell = Bell(draw, x[0].numel())
            _near(student.log_likelihood(differentiable(bell), x, sigmas), _log_likelihood(bell, x, sigmas))

    @value()
    def from_no_noise_in_one_step(self, student: Student, draw: Draw) -> None:
        """log_likelihood may start at no noise at all, and take a single step."""
        x, bell = draw.normal(3, 2), Bell(draw, 2)
        for end in (0.8, 3.0):
            found = student.log_likelihood(differentiable(bell), x, [0.0, end])
            _near(found, _log_likelihood(bell, x, [0.0, end]))

    @value(weight=3)
    def under_no_grad(self, student: Student, draw: Draw) -> None:
        """All three work where gradients are switched off."""
        x, probe, flow, bell = draw.normal(3, 2), draw.normal(3, 2), Flow(draw, 2), Bell(draw, 2)
        kept = differentiable(flow)
        _near(student.divergence.observe(kept, x, still=True).again, flow.trace(x))
        _near(student.hutchinson.observe(kept, x, probe, still=True).again, flow.probed(x, probe))
        found = student.log_likelihood.observe(differentiable(bell), x, [0.3, 1.2], still=True)
        _near(found.again, _log_likelihood(bell, x, [0.3, 1.2]))

    @value()
    def far_from_the_middle(self, student: Student, draw: Draw) -> None:
        """log_likelihood is right for samples of which there is less than one in a million."""
        x, bell = 8 + draw.normal(3, 2), Bell(draw, 2)
        found = student.log_likelihood(differentiable(bell), x, [0.2, 1.5])
        _near(found, _log_likelihood(bell, x, [0.2, 1.5]))

    @rule()
    def mean_over_all_probes(self, student: Student, draw: Draw) -> None:
        """The mean of hutchinson over all probes of plus and minus one is the divergence."""
        x, flow = draw.normal(1, 2), Flow(draw, 2)
        found = [
            _checked(student.hutchinson(differentiable(flow), x, x.new_tensor([signs])), like=x.new_zeros(1))
            for signs in product((1.0, -1.0), repeat=2)
        ]
        _near(torch.stack(found).mean(0), flow.trace(x))

    @rule()
    def turning_spreads_nothing(self, student: Student, draw: Draw) -> None:
        """A flow that only turns has no divergence, and one that stretches has as much as it stretches."""
        x = draw.normal(3, 2)

        def turn(x: Tensor) -> Tensor:
            return torch.stack([-x[:, 1], x[:, 0]], 1)

        still = student.divergence(differentiable(turn), x)
        assert_close(still, x.new_zeros(3), atol=1e-9, check_dtype=False)
        _near(student.divergence(differentiable(lambda x: turn(x) + 2 * x), x), x.new_full((3,), 4.0))

    @rule()
    def samples_are_separate(self, student: Student, draw: Draw) -> None:
        """A sample's answers do not depend on the other samples of the batch."""
        x, flow, bell = draw.normal(4, 2), Flow(draw, 2), Bell(draw, 2)
        whole = _checked(student.divergence(differentiable(flow), x), like=x.new_zeros(4))
        _near(student.divergence(differentiable(flow), x[1:2]), whole[1:2])
        whole = _checked(student.log_likelihood(differentiable(bell), x, [0.2, 1.0]), like=x.new_zeros(4))
        _near(student.log_likelihood(differentiable(bell), x[1:2], [0.2, 1.0]), whole[1:2])
