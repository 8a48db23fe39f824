"""Each solution of the score module against a library, or against a closed form."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise, product

import pytest
import torch
from torch import Tensor
from torch.distributions import Categorical, Independent, MixtureSameFamily, Normal

from course.lab import mixture
from solutions import score

from ..oracles import DTYPES, agree

DOUBLE = torch.float64


def randn(*shape: int) -> Tensor:
    return torch.randn(shape, dtype=DOUBLE)


def normal(mean: float, deviation: float) -> Normal:
    """In float64: of two Python numbers torch makes a float32 one."""
    return Normal(torch.tensor(mean, dtype=DOUBLE), torch.tensor(deviation, dtype=DOUBLE))


def gaussians(M: int, D: int) -> tuple[Tensor, Tensor, Tensor]:
    return 2 * randn(M, D), 0.3 + torch.rand(M, dtype=DOUBLE), torch.softmax(randn(M), 0)


def slope_of_log_p(x: Tensor, means: Tensor, deviations: Tensor, weights: Tensor) -> Tensor:
    own = Independent(Normal(means, deviations[:, None].expand_as(means)), 1)  # type: ignore[no-untyped-call]
    of = MixtureSameFamily(Categorical(weights), own)  # type: ignore[no-untyped-call]
    place = x.clone().requires_grad_()
    (slope,) = torch.autograd.grad(of.log_prob(place).sum(), place)  # type: ignore[no-untyped-call]
    return slope


@pytest.mark.parametrize("scale", [1.0, 30.0])
@pytest.mark.parametrize(("M", "D"), [(4, 3), (1, 2), (6, 1)])
def test_mixture_score_is_autograd_of_torchs_mixture(scale: float, M: int, D: int) -> None:
    x, of = scale * randn(7, D), gaussians(M, D)
    agree(score.mixture_score(x, *of), slope_of_log_p(x, *of))


def test_the_best_prediction_of_the_noise_is_the_score_of_the_noised_mixture() -> None:
    world = mixture.pinwheel()
    x, t = randn(9, 2), torch.tensor([0, 50, 100, 200, 400, 600, 800, 900, 999])
    found = score.score_from_eps(world.eps(x, t, world.null.expand(9)), t, mixture.ALPHAS_CUMPROD)
    for own, place, abar in zip(found, x, mixture.ALPHAS_CUMPROD[t], strict=True):
        deviations = (abar * world.deviations.double() ** 2 + 1 - abar).sqrt()
        weights = torch.full((len(deviations),), 1 / len(deviations), dtype=DOUBLE)
        theirs = slope_of_log_p(place[None], abar.sqrt() * world.means.double(), deviations, weights)
        torch.testing.assert_close(own[None], theirs, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("dtype", [*DTYPES, torch.float16])
def test_score_and_noise_lead_to_one_another(dtype: torch.dtype) -> None:
    eps, t = randn(5, 2, 3).to(dtype), torch.randint(0, 1000, (5,))
    there = score.score_from_eps(eps, t, mixture.ALPHAS_CUMPROD)
    back = score.eps_from_score(there, t, mixture.ALPHAS_CUMPROD)
    assert there.dtype == back.dtype == dtype
    torch.testing.assert_close(back, eps)


@pytest.mark.parametrize("sigma", [0.3, 1.0, 5.0])
def test_tweedie_is_the_posterior_mean_of_a_set_of_points(sigma: float) -> None:
    points, x = randn(6, 3), 2 * randn(4, 3)
    level = torch.full((6,), sigma, dtype=DOUBLE)
    slopes = score.mixture_score(x, points, level, torch.full((6,), 1 / 6, dtype=DOUBLE))
    log_likelihood = Normal(points, sigma).log_prob(x[:, None]).sum(-1)
    torch.testing.assert_close(
        score.tweedie(x, slopes, level[:4]), log_likelihood.softmax(1) @ points, rtol=1e-9, atol=1e-9
    )


class TestMatchingLoss:
    def test_of_a_perfect_model_and_of_one_that_says_nothing(self) -> None:
        x, noise, sigma = randn(6, 3), randn(6, 3), torch.tensor([0.1, 0.5, 1, 2, 5, 10], dtype=DOUBLE)
        loss = score.denoising_score_matching_loss
        assert loss(lambda _, s: -noise / s[:, None], x, sigma, noise) < 1e-30
        agree(loss(lambda z, _: 0 * z, x, sigma, noise), noise.square().mean())

    def test_the_best_linear_model_of_two_points_is_the_score_of_their_gaussian(self) -> None:
        """The noise integrated by Gauss and Hermite: the loss has its minimum at -1 / (1 + sigma^2)."""
        nodes, weights = (torch.tensor(each, dtype=DOUBLE) for each in _gauss_hermite(40))
        x = torch.tensor([-1.0, 1.0], dtype=DOUBLE).repeat_interleave(len(nodes))[:, None]
        noise, sigma = nodes.repeat(2)[:, None], 0.7
        slope = torch.tensor(-0.5, dtype=DOUBLE, requires_grad=True)
        losses = torch.stack(
            [
                score.denoising_score_matching_loss(
                    lambda z, _: slope * z,
                    x[i : i + 1],
                    torch.tensor([sigma], dtype=DOUBLE),
                    noise[i : i + 1],
                )
                for i in range(len(x))
            ]
        )
        (gradient,) = torch.autograd.grad((weights.repeat(2) * losses).sum() / 2, slope, create_graph=True)
        (curvature,) = torch.autograd.grad(
            gradient, slope
        )  # the loss is a parabola: one Newton step is exact
        assert (slope - gradient / curvature).item() == pytest.approx(-1 / (1 + sigma**2), abs=1e-9)


def _gauss_hermite(count: int) -> tuple[list[float], list[float]]:
    import numpy as np

    nodes, weights = np.polynomial.hermite_e.hermegauss(count)
    return nodes.tolist(), (weights / math.sqrt(2 * math.pi)).tolist()


class TestLangevin:
    @pytest.mark.parametrize("step", [0.1, 0.4, 1.0])
    def test_on_a_standard_normal_it_holds_the_variance_of_theory(self, step: float) -> None:
        """Affine, so that the variance follows a recursion; its fixed point is 1 / (1 - step / 4)."""
        one, nothing = torch.ones(1, dtype=DOUBLE), torch.zeros(1, dtype=DOUBLE)
        kept = score.langevin_step(one, -one, step, nothing)
        added = score.langevin_step(nothing, nothing, step, one)
        variance = nothing
        for _ in range(400):
            variance = kept**2 * variance + added**2
        torch.testing.assert_close(variance, one / (1 - step / 4))

    def test_annealed_is_an_affine_recursion_on_a_gaussian(self) -> None:
        mean, deviation, scale, sigmas = 0.4, 0.7, 0.3, [3.0, 1.0, 0.2]
        x, noises = randn(5, 2), randn(6, 5, 2)

        def slope(z: Tensor, sigma: Tensor) -> Tensor:
            return -(z - mean) / (deviation**2 + sigma[:, None] ** 2)

        found = score.annealed_langevin(slope, x, sigmas, 2, scale, noises)
        for i, noise in enumerate(noises):
            step = scale * sigmas[i // 2] ** 2
            shrunk = 1 - step / 2 / (deviation**2 + sigmas[i // 2] ** 2)
            x = mean + shrunk * (x - mean) + math.sqrt(step) * noise
        agree(found, x)


class TestLinearDenoiser:
    @pytest.mark.parametrize("dtype", DTYPES)
    @pytest.mark.parametrize(("N", "D"), [(40, 5), (3, 6)])
    def test_is_ridge_regression_by_least_squares(self, N: int, D: int, dtype: torch.dtype) -> None:
        x, sigma = (randn(N, D) @ randn(D, D) + randn(D)).to(dtype), 0.6
        weight, bias = score.linear_denoiser(x, sigma)
        assert weight.dtype == bias.dtype == dtype
        centred = x.double() - x.double().mean(0)
        given = torch.cat([centred, math.sqrt(N) * sigma * torch.eye(D, dtype=DOUBLE)])
        wanted = torch.cat([centred, torch.zeros(D, D, dtype=DOUBLE)])
        theirs = torch.linalg.lstsq(given, wanted).solution.T
        tolerance = 1e-9 if dtype == DOUBLE else 1e-4
        torch.testing.assert_close(weight.double(), theirs, rtol=tolerance, atol=tolerance)
        mean = x.double().mean(0)
        torch.testing.assert_close(bias.double(), mean - theirs @ mean, rtol=tolerance, atol=tolerance)

    def test_no_slope_is_left_in_the_expected_error(self) -> None:
        x, sigma = randn(40, 4) + 1, 0.6
        weight, bias = (each.requires_grad_() for each in score.linear_denoiser(x, sigma))
        error = (x @ weight.T + bias - x).square().sum(1).mean() + sigma**2 * weight.square().sum()
        for slope in torch.autograd.grad(error, (weight, bias)):
            assert slope.abs().max() < 1e-12


def test_with_a_classifier_the_best_prediction_becomes_the_conditional_one() -> None:
    world = mixture.pinwheel()
    x, t, labels = torch.randn(30, 2), torch.randint(0, 1000, (30,)), torch.randint(0, 3, (30,))

    def log_prob(x: Tensor, t: Tensor) -> Tensor:
        return world.probability(x, t).log().gather(1, labels[:, None])[:, 0]

    plain = world.eps(x, t, world.null.expand(30))
    found = score.classifier_guided_eps(plain, log_prob, x, t, mixture.ALPHAS_CUMPROD, 1.0)
    torch.testing.assert_close(found, world.eps(x, t, labels), rtol=1e-4, atol=1e-4)


def trace_of(f: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    D = x[0].numel()
    return torch.stack([torch.func.jacrev(lambda z: f(z[None])[0])(own).reshape(D, D).trace() for own in x])


class TestDivergence:
    @pytest.mark.parametrize("shape", [(4, 2, 3), (3, 5), (2, 1)])
    def test_is_the_trace_of_jacrevs_jacobian(self, shape: tuple[int, ...]) -> None:
        x = randn(*shape)
        matrix = randn(x[0].numel(), x[0].numel())

        def f(z: Tensor) -> Tensor:
            return torch.tanh(z.flatten(1) @ matrix.T).view_as(z)

        agree(score.divergence(f, x), trace_of(f, x))
        with torch.no_grad():
            agree(score.divergence(f, x), trace_of(f, x))
        assert not score.divergence(f, x).requires_grad

    def test_hutchinsons_mean_over_all_signs_is_exact(self) -> None:
        x, matrix = randn(1, 3), randn(3, 3)
        estimates = [
            score.hutchinson(lambda z: torch.sin(z @ matrix.T), x, torch.tensor([signs], dtype=DOUBLE))
            for signs in product((-1, 1), repeat=3)
        ]
        agree(torch.stack(estimates).mean(0), trace_of(lambda z: torch.sin(z @ matrix.T), x))


class TestLogLikelihood:
    mean, deviation = torch.tensor([0.3, -0.2], dtype=DOUBLE), 0.5

    def slope(self, z: Tensor, sigma: Tensor) -> Tensor:
        return -(z - self.mean) / (self.deviation**2 + sigma[:, None] ** 2)

    def test_is_the_affine_recursion_on_a_gaussian(self) -> None:
        x, sigmas = self.mean + self.deviation * randn(6, 2), [0.0, 0.5, 2.0, 50.0]
        found = score.log_likelihood(self.slope, x, sigmas)
        gained = 0.0
        for a, b in pairwise(sigmas):
            k1, k2 = (s / (self.deviation**2 + s**2) for s in (a, b))
            v1 = k1 * (x - self.mean)
            v2 = k2 * (x + (b - a) * v1 - self.mean)
            x, gained = x + (b - a) * (v1 + v2) / 2, gained + (b - a) * (k1 + k2)
        agree(found, normal(0, 50).log_prob(x).sum(1) + gained)  # type: ignore[no-untyped-call]

    def test_comes_to_the_true_density_four_times_nearer_with_twice_the_steps(self) -> None:
        x = self.mean + self.deviation * randn(9, 2)
        exact = Normal(self.mean, self.deviation).log_prob(x).sum(1)  # type: ignore[no-untyped-call]
        errors = []
        for count in (20, 40, 80):
            levels = [0.0, *torch.logspace(-2, math.log10(200), count, dtype=DOUBLE).tolist()]
            errors.append(float((score.log_likelihood(self.slope, x, levels) - exact).abs().max()))
        assert errors[0] > 3 * errors[1] > 9 * errors[2]
        assert errors[2] < 0.05
