"""Known mistakes of the module `score`: code that students write, and what to tell them."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from autograder.testing import mistake

_Model = Callable[..., Tensor]


def _own(values: Tensor, like: Tensor) -> Tensor:
    return values.to(like.dtype).reshape(-1, *[1] * (like.ndim - 1))


def _noise(alphas_cumprod: Tensor, t: Tensor, like: Tensor) -> Tensor:
    return _own((1 - alphas_cumprod[t]).sqrt(), like)


# --- score_from_eps -------------------------------------------------------------------------------------


@mistake(
    "score_from_eps",
    defines="score_from_eps",
    title="the sign is missing",
    hint="Noise leads away from the data, and a score leads to it. Take a point right of a single Gaussian: "
    "where does the noise in it point, where does the slope?",
)
def without_sign(eps: Tensor, t: Tensor, alphas_cumprod: Tensor) -> Tensor:
    return eps / _noise(alphas_cumprod, t, eps)


@mistake(
    "score_from_eps",
    defines="score_from_eps",
    title="divided by the variance of the noise",
    hint="Dividing x - sqrt(abar) x0 by the variance gives the score; but that difference is the deviation "
    "times eps already. What is left to divide by?",
)
def without_root(eps: Tensor, t: Tensor, alphas_cumprod: Tensor) -> Tensor:
    return -eps / _own(1 - alphas_cumprod[t], eps)


@mistake(
    "score_from_eps",
    defines="score_from_eps",
    title="divided by what is left of the picture",
    hint="sqrt(abar) goes with the picture, sqrt(1 - abar) with the noise. Try abar near 1, where there is "
    "hardly any noise: the score should be very steep there.",
)
def by_the_signal(eps: Tensor, t: Tensor, alphas_cumprod: Tensor) -> Tensor:
    return -eps / _own(alphas_cumprod[t].sqrt(), eps)


@mistake(
    "score_from_eps",
    defines="score_from_eps",
    title="multiplied where it should be divided",
    hint="The less noise, the narrower the hills and the steeper their slopes. Compare your result for abar "
    "= 0.99 and for abar = 0.01: which one is larger?",
)
def multiplied(eps: Tensor, t: Tensor, alphas_cumprod: Tensor) -> Tensor:
    return -eps * _noise(alphas_cumprod, t, eps)


@mistake(
    "score_from_eps",
    defines="score_from_eps",
    title="one timestep too early",
    hint="Timesteps count from 0, and alphas_cumprod[t] is what is left after step t. Ask for t = 0: which "
    "element of the table do you read?",
)
def a_step_early(eps: Tensor, t: Tensor, alphas_cumprod: Tensor) -> Tensor:
    return -eps / _noise(alphas_cumprod, t - 1, eps)


@mistake(
    "score_from_eps",
    defines="score_from_eps",
    title="the first sample's timestep is used for all",
    hint="Give two samples the same eps and different timesteps. Their scores should differ; print the shape "
    "of what you divide by.",
)
def one_for_all(eps: Tensor, t: Tensor, alphas_cumprod: Tensor) -> Tensor:
    return -eps / (1 - alphas_cumprod[t[0]]).sqrt().to(eps.dtype)


@mistake(
    "score_from_eps",
    defines="eps_from_score",
    title="the way back divides once more",
    hint="The two functions undo one another. Feed the result of one to the other, and compare with what you "
    "started from.",
)
def divides_again(score: Tensor, t: Tensor, alphas_cumprod: Tensor) -> Tensor:
    return -score / _noise(alphas_cumprod, t, score)


@mistake(
    "score_from_eps",
    defines="eps_from_score",
    title="the way back forgets to turn round",
    hint="One function turns the sign, so the other has to turn it back. Feed the result of one to the "
    "other.",
)
def keeps_the_sign(score: Tensor, t: Tensor, alphas_cumprod: Tensor) -> Tensor:
    return score * _noise(alphas_cumprod, t, score)


@mistake(
    "score_from_eps",
    defines="eps_from_score",
    title="the way back has the table's dtype",
    hint="Print the dtypes of score, of your factor and of what you return, for a float32 score and a "
    "float64 table. The wider one wins, unless you cast.",
    stakes="slip",
)
def dtype_of_the_table(score: Tensor, t: Tensor, alphas_cumprod: Tensor) -> Tensor:
    return -score * (1 - alphas_cumprod[t]).sqrt().reshape(-1, *[1] * (score.ndim - 1))


# --- mixture_score --------------------------------------------------------------------------------------


def _score(
    x: Tensor,
    means: Tensor,
    deviations: Tensor,
    weights: Tensor,
    *,
    weighed: float = 1.0,
    heights: float = 1.0,
    half: float = 2.0,
    variance: float = 2.0,
    dim: int = 1,
) -> Tensor:
    away = x[:, None] - means
    height = -away.square().sum(-1) / (half * deviations**variance) - heights * x.shape[1] * deviations.log()
    share = (weighed * weights.log() + height).softmax(dim)
    return -((share / deviations**variance)[..., None] * away).sum(1)


@mistake(
    "mixture_score",
    title="the weights are left out",
    hint="Put two equal Gaussians side by side and give one of them weight 0.99. Half-way between the two, "
    "the slope should lead to that one.",
)
def without_weights(x: Tensor, means: Tensor, deviations: Tensor, weights: Tensor) -> Tensor:
    return _score(x, means, deviations, weights, weighed=0)


@mistake(
    "mixture_score",
    title="the height of a bell curve does not depend on its width",
    hint="A narrow bell curve is a high one: there is a factor before the exponential, with the deviation in "
    "it once for each dimension. What becomes of it in the logarithm?",
)
def without_heights(x: Tensor, means: Tensor, deviations: Tensor, weights: Tensor) -> Tensor:
    return _score(x, means, deviations, weights, heights=0)


@mistake(
    "mixture_score",
    title="the factor before the exponential is that of one dimension",
    hint="In D dimensions the density has the deviation to the power D below the line. Try one point in ten "
    "dimensions, between a narrow and a wide Gaussian.",
)
def heights_of_one_dimension(x: Tensor, means: Tensor, deviations: Tensor, weights: Tensor) -> Tensor:
    return _score(x, means, deviations, weights, heights=1 / x.shape[1])


@mistake(
    "mixture_score",
    title="it leads downhill",
    hint="Take one Gaussian at 0 and ask at x = 1: the slope of log p should be negative there, back to the "
    "mean.",
)
def downhill(x: Tensor, means: Tensor, deviations: Tensor, weights: Tensor) -> Tensor:
    return -_score(x, means, deviations, weights)


@mistake(
    "mixture_score",
    title="the deviation stands where the variance should",
    hint="One Gaussian with mean 0 and deviation 2, asked at x = 1: its slope is -1 over the variance. Which "
    "number do you get?",
)
def deviations_for_variances(x: Tensor, means: Tensor, deviations: Tensor, weights: Tensor) -> Tensor:
    return _score(x, means, deviations, weights, variance=1)


@mistake(
    "mixture_score",
    title="the shares add up over the batch",
    hint="Ask for one place alone, then for the same place beside another one. Whose share is it: that of "
    "each Gaussian, for one place? Along which dimension is the softmax?",
)
def over_the_batch(x: Tensor, means: Tensor, deviations: Tensor, weights: Tensor) -> Tensor:
    return _score(x, means, deviations, weights, dim=0)


@mistake(
    "mixture_score",
    title="the half in the exponent is missing",
    hint="The exponent of a bell curve is the squared distance over twice the variance. With one Gaussian "
    "you would not notice, as its share is 1 whatever the exponent.",
)
def without_half(x: Tensor, means: Tensor, deviations: Tensor, weights: Tensor) -> Tensor:
    return _score(x, means, deviations, weights, half=1.0)


@mistake(
    "mixture_score",
    title="the scores are averaged by the weights alone",
    hint="Stand right on one of two Gaussians that are far apart: the other one should hardly count. How "
    "probable is each of them, for somebody who sees x?",
)
def mean_of_the_scores(x: Tensor, means: Tensor, deviations: Tensor, weights: Tensor) -> Tensor:
    return -((weights / deviations**2)[:, None] * (x[:, None] - means)).sum(1)


@mistake(
    "mixture_score",
    title="the gradient of p, and not of its logarithm",
    hint="Far from the means your slope becomes nothing, and it should grow. The derivative of log p is that "
    "of p, divided by something.",
)
def of_p_itself(x: Tensor, means: Tensor, deviations: Tensor, weights: Tensor) -> Tensor:
    away = x[:, None] - means
    p = weights * torch.exp(-away.square().sum(-1) / (2 * deviations**2))
    p = p / (2 * math.pi * deviations**2) ** (x.shape[1] / 2)
    return -((p / deviations**2)[:, :, None] * away).sum(1)


@mistake(
    "mixture_score",
    title="far away, all densities underflow to 0",
    hint="Ask fifty deviations away from all means, and print the densities before you divide by their sum. "
    "Only their ratios count: which function takes ratios from logarithms?",
)
def underflows(x: Tensor, means: Tensor, deviations: Tensor, weights: Tensor) -> Tensor:
    away = x[:, None] - means
    p = weights * torch.exp(-away.square().sum(-1) / (2 * deviations**2)) / deviations ** x.shape[1]
    share = p / p.sum(1, keepdim=True)
    return -((share / deviations**2)[:, :, None] * away).sum(1)


# --- tweedie --------------------------------------------------------------------------------------------


@mistake(
    "tweedie",
    title="the correction is subtracted",
    hint="The score leads to where samples are more probable, and there is less noise. Take a noisy point "
    "right of a single Gaussian: which way should it be moved?",
)
def subtracted(x: Tensor, score: Tensor, sigma: Tensor) -> Tensor:
    return x - _own(sigma**2, x) * score


@mistake(
    "tweedie",
    title="sigma is not squared",
    hint="A score is one over a length, and x is a length: what has to stand before the score, such that a "
    "length comes out?",
)
def not_squared(x: Tensor, score: Tensor, sigma: Tensor) -> Tensor:
    return x + _own(sigma, x) * score


@mistake(
    "tweedie",
    title="half of the correction",
    hint="The half belongs to Langevin's step. Check with one clean point at 0 and sigma = 1: at x = 3 the "
    "score is -3, and there is only one point that can be behind it.",
)
def half_of_it(x: Tensor, score: Tensor, sigma: Tensor) -> Tensor:
    return x + _own(sigma**2, x) / 2 * score


@mistake(
    "tweedie",
    title="divided by the variance",
    hint="With hardly any noise a sample is nearly clean, and should nearly stay where it is. What does your "
    "formula do at sigma = 0.001?",
)
def divided(x: Tensor, score: Tensor, sigma: Tensor) -> Tensor:
    return x + score / _own(sigma**2, x)


@mistake(
    "tweedie",
    title="one amount of noise for all samples",
    hint="Give two samples different sigmas, and print the shape of what you multiply the score by: it "
    "should have one number for each sample.",
)
def first_sigma_for_all(x: Tensor, score: Tensor, sigma: Tensor) -> Tensor:
    return x + (sigma[0] ** 2).to(x.dtype) * score


@mistake(
    "tweedie",
    title="the correction alone comes back",
    hint="What you return is how far the sample has to move. From where?",
)
def without_x(x: Tensor, score: Tensor, sigma: Tensor) -> Tensor:
    return _own(sigma**2, x) * score


@mistake(
    "tweedie",
    title="the result has the dtype of sigma",
    hint="Print the dtypes of x, of sigma and of what you return, for a float32 x and a float64 sigma. The "
    "wider one wins, unless you cast.",
    stakes="slip",
)
def dtype_of_sigma(x: Tensor, score: Tensor, sigma: Tensor) -> Tensor:
    return x + sigma.reshape(-1, *[1] * (x.ndim - 1)) ** 2 * score


# --- denoising_score_matching_loss ----------------------------------------------------------------------


@mistake(
    "denoising_score_matching_loss",
    title="the target has the wrong sign",
    hint="A perfect model answers -noise / sigma. Put that into your loss: is it 0?",
)
def target_with_other_sign(model: _Model, x: Tensor, sigma: Tensor, noise: Tensor) -> Tensor:
    s = _own(sigma, x)
    return (s * model(x + s * noise, sigma) - noise).square().mean()


@mistake(
    "denoising_score_matching_loss",
    title="the weight is missing",
    hint="Of a model that answers 0, print your loss for sigma = 0.01 and for sigma = 10. One level would "
    "rule the training, the other would not count. What makes the two alike?",
)
def unweighted(model: _Model, x: Tensor, sigma: Tensor, noise: Tensor) -> Tensor:
    s = _own(sigma, x)
    return (model(x + s * noise, sigma) + noise / s).square().mean()


@mistake(
    "denoising_score_matching_loss",
    title="the weight is sigma and not its square",
    hint="Of a model that answers 0, the loss should be the same at every level. Bring sigma inside the "
    "square: what has to stand outside for that?",
)
def weight_not_squared(model: _Model, x: Tensor, sigma: Tensor, noise: Tensor) -> Tensor:
    s = _own(sigma, x)
    return (s * (model(x + s * noise, sigma) + noise / s).square()).mean()


@mistake(
    "denoising_score_matching_loss",
    title="the target is divided by the variance",
    hint="The score of N(x, sigma^2) at x + sigma n is minus the distance over the variance. The distance is "
    "sigma n: one sigma cancels.",
)
def target_over_variance(model: _Model, x: Tensor, sigma: Tensor, noise: Tensor) -> Tensor:
    s = _own(sigma, x)
    return (s * (model(x + s * noise, sigma) + noise / s**2)).square().mean()


@mistake(
    "denoising_score_matching_loss",
    title="the model is asked at the clean samples",
    hint="Let the model print what it is given. It has to learn the slope where the noisy samples are.",
)
def asked_with_clean_ones(model: _Model, x: Tensor, sigma: Tensor, noise: Tensor) -> Tensor:
    return (_own(sigma, x) * model(x, sigma) + noise).square().mean()


@mistake(
    "denoising_score_matching_loss",
    title="the noise is added without its sigma",
    hint="Let the model print what it is given for sigma = 0.01: the samples should be hardly noisy at all.",
)
def noised_alike(model: _Model, x: Tensor, sigma: Tensor, noise: Tensor) -> Tensor:
    return (_own(sigma, x) * model(x + noise, sigma) + noise).square().mean()


@mistake(
    "denoising_score_matching_loss",
    title="half of the loss",
    hint="The paper has a half before the square, and this exercise has none. It changes no minimum; say "
    "what a model that answers 0 should give.",
)
def with_a_half(model: _Model, x: Tensor, sigma: Tensor, noise: Tensor) -> Tensor:
    s = _own(sigma, x)
    return 0.5 * (s * model(x + s * noise, sigma) + noise).square().mean()


@mistake(
    "denoising_score_matching_loss",
    title="the squares of a sample are added up",
    hint="Give it the same numbers as 2 samples of 6 and as 12 samples of 1. The mean over all numbers does "
    "not know the difference.",
)
def summed(model: _Model, x: Tensor, sigma: Tensor, noise: Tensor) -> Tensor:
    s = _own(sigma, x)
    return (s * model(x + s * noise, sigma) + noise).square().flatten(1).sum(1).mean()


@mistake(
    "denoising_score_matching_loss",
    title="noise of its own is drawn",
    hint="The argument `noise` is not used where the samples are noised. What was put in is what the model "
    "is asked for.",
)
def own_noise(model: _Model, x: Tensor, sigma: Tensor, noise: Tensor) -> Tensor:
    s = _own(sigma, x)
    return (s * model(x + s * torch.randn_like(x), sigma) + noise).square().mean()


# --- langevin_step --------------------------------------------------------------------------------------


@mistake(
    "langevin_step",
    defines="langevin_step",
    title="the step is counted as in Song's blog",
    hint="The blog has x + step score + sqrt(2 step) noise, whose step is half of the paper's. Both are "
    "right by themselves; here the noise has the variance `step`.",
)
def as_in_the_blog(x: Tensor, score: Tensor, step: float, noise: Tensor) -> Tensor:
    return x + step * score + math.sqrt(2 * step) * noise


@mistake(
    "langevin_step",
    defines="langevin_step",
    title="the noise is multiplied by the step and not by its root",
    hint="Cut a step into a hundred small ones: the variances of their noises add up. So which power of the "
    "step is the deviation?",
)
def noise_without_root(x: Tensor, score: Tensor, step: float, noise: Tensor) -> Tensor:
    return x + step / 2 * score + step * noise


@mistake(
    "langevin_step",
    defines="langevin_step",
    title="it walks downhill",
    hint="With noise = 0 and the score of a Gaussian at 0, a point at 1 should come nearer to 0. Does it?",
)
def walks_downhill(x: Tensor, score: Tensor, step: float, noise: Tensor) -> Tensor:
    return x - step / 2 * score + math.sqrt(step) * noise


@mistake(
    "langevin_step",
    defines="langevin_step",
    title="the score counts twice as much as it should",
    hint="Run it for long on a standard normal distribution, with small steps, and print the variance: it "
    "should come to about 1. Which factor is left out?",
)
def score_not_halved(x: Tensor, score: Tensor, step: float, noise: Tensor) -> Tensor:
    return x + step * score + math.sqrt(step) * noise


@mistake(
    "langevin_step",
    defines="langevin_step",
    title="no noise is added",
    hint="Without noise this is gradient ascent: all samples end on the tops of the hills, whatever the "
    "distribution. Where does `noise` come in?",
)
def without_noise(x: Tensor, score: Tensor, step: float, noise: Tensor) -> Tensor:
    return x + step / 2 * score


@mistake(
    "langevin_step",
    defines="langevin_step",
    title="noise of its own is drawn in the step",
    hint="Call it twice with the same arguments: the results should be the same. The noise is handed in.",
)
def draws_noise(x: Tensor, score: Tensor, step: float, noise: Tensor) -> Tensor:
    return x + step / 2 * score + math.sqrt(step) * torch.randn_like(x)


@mistake(
    "langevin_step",
    defines="langevin_step",
    title="the step changes x in place",
    hint="Print x before and after the call. `x +=` and `add_` write into the tensor of whoever called you.",
)
def written_into_x(x: Tensor, score: Tensor, step: float, noise: Tensor) -> Tensor:
    x += step / 2 * score + math.sqrt(step) * noise
    return x


@mistake(
    "langevin_step",
    defines="annealed_langevin",
    title="the same step at every level",
    hint="Print the step's size at each level. It goes with sigma squared: large where the landscape is "
    "wide, small where it has become narrow.",
)
def same_step(
    score: _Model, x: Tensor, sigmas: Sequence[float], steps: int, scale: float, noises: Tensor
) -> Tensor:
    fresh = iter(noises)
    for sigma in sigmas:
        for _ in range(steps):
            level = torch.full((len(x),), sigma, dtype=x.dtype, device=x.device)
            x = x + scale / 2 * score(x, level) + math.sqrt(scale) * next(fresh)
    return x


@mistake(
    "langevin_step",
    defines="annealed_langevin",
    title="the step goes with sigma, not with its square",
    hint="A score is about 1 over sigma, and a step should go about as far as sigma. Step times score is to "
    "be a length: what is the step?",
)
def step_by_sigma(
    score: _Model, x: Tensor, sigmas: Sequence[float], steps: int, scale: float, noises: Tensor
) -> Tensor:
    fresh = iter(noises)
    for sigma in sigmas:
        step = scale * sigma
        for _ in range(steps):
            level = torch.full((len(x),), sigma, dtype=x.dtype, device=x.device)
            x = x + step / 2 * score(x, level) + math.sqrt(step) * next(fresh)
    return x


@mistake(
    "langevin_step",
    defines="annealed_langevin",
    title="the levels are sorted, the smallest first",
    hint="Print sigma in your loop. The largest is given first, since that is where samples from far away "
    "can find their way; take them as they come.",
)
def levels_rising(
    score: _Model, x: Tensor, sigmas: Sequence[float], steps: int, scale: float, noises: Tensor
) -> Tensor:
    fresh = iter(noises)
    for sigma in sorted(sigmas):
        for _ in range(steps):
            level = torch.full((len(x),), sigma, dtype=x.dtype, device=x.device)
            x = x + scale * sigma**2 / 2 * score(x, level) + math.sqrt(scale) * sigma * next(fresh)
    return x


@mistake(
    "langevin_step",
    defines="annealed_langevin",
    title="each level takes the first noises again",
    hint="Print which of the noises each step takes, for two levels of three steps: from 0 to 5. Noise that "
    "is used twice is no fresh noise.",
)
def noises_again(
    score: _Model, x: Tensor, sigmas: Sequence[float], steps: int, scale: float, noises: Tensor
) -> Tensor:
    for sigma in sigmas:
        for number in range(steps):
            level = torch.full((len(x),), sigma, dtype=x.dtype, device=x.device)
            x = x + scale * sigma**2 / 2 * score(x, level) + math.sqrt(scale) * sigma * noises[number]
    return x


@mistake(
    "langevin_step",
    defines="annealed_langevin",
    title="one step at each level",
    hint="Count how often the score is asked for: levels times steps. There are two loops, one in the other.",
)
def one_step_a_level(
    score: _Model, x: Tensor, sigmas: Sequence[float], steps: int, scale: float, noises: Tensor
) -> Tensor:
    for number, sigma in enumerate(sigmas):
        level = torch.full((len(x),), sigma, dtype=x.dtype, device=x.device)
        x = x + scale * sigma**2 / 2 * score(x, level) + math.sqrt(scale) * sigma * noises[number * steps]
    return x


# --- linear_denoiser ------------------------------------------------------------------------------------


def _fitted(
    x: Tensor,
    sigma: float,
    *,
    centred: bool = True,
    count: int = 0,
    noise: float | None = None,
) -> tuple[Tensor, Tensor]:
    mean = x.mean(0) if centred else torch.zeros_like(x[0])
    covariance = (x - mean).T @ (x - mean) / (len(x) - count)
    added = sigma**2 if noise is None else noise
    noisy = covariance + added * torch.eye(x.shape[1], dtype=x.dtype, device=x.device)
    weight = torch.linalg.solve(noisy, covariance)
    return weight, mean - weight @ mean


@mistake(
    "linear_denoiser",
    title="the rows are not centred",
    hint="Move all rows by 100 and print the weight: it should stay the same. What is covariance about, if "
    "not the distance from the mean?",
)
def not_centred(x: Tensor, sigma: float) -> tuple[Tensor, Tensor]:
    return _fitted(x, sigma, centred=False)


@mistake(
    "linear_denoiser",
    title="the covariance is divided by N - 1",
    hint="Give it each row twice: nothing should change, as each is as probable as before. N - 1 is for "
    "guessing the covariance of data that one has not seen.",
)
def one_less(x: Tensor, sigma: float) -> tuple[Tensor, Tensor]:
    return _fitted(x, sigma, count=1)


@mistake(
    "linear_denoiser",
    title="the deviation of the noise is taken for its variance",
    hint="Covariance is made of squares, so what is added to it has to be one. Try a single column of "
    "variance 3 and sigma = 2: the weight is 3/7.",
)
def sigma_not_squared(x: Tensor, sigma: float) -> tuple[Tensor, Tensor]:
    return _fitted(x, sigma, noise=sigma)


@mistake(
    "linear_denoiser",
    title="the noise is divided by the number of rows",
    hint="Each row gets noise of its own, all of it. Give it each row twice: nothing should change. In ridge "
    "regression the penalty is N sigma^2 beside a sum over rows.",
)
def noise_over_rows(x: Tensor, sigma: float) -> tuple[Tensor, Tensor]:
    return _fitted(x, sigma, noise=sigma**2 / len(x))


@mistake(
    "linear_denoiser",
    title="the weight is the inverse alone",
    hint="With very much noise, the best guess is the mean of the rows, whatever one sees: the weight should "
    "be nothing, and nearly the identity without noise. Multiply by what is to be kept.",
)
def inverse_alone(x: Tensor, sigma: float) -> tuple[Tensor, Tensor]:
    c = x - x.mean(0)
    weight = torch.linalg.inv(c.T @ c / len(x) + sigma**2 * torch.eye(x.shape[1]).to(x))
    return weight, x.mean(0) - weight @ x.mean(0)


@mistake(
    "linear_denoiser",
    title="the bias is the mean",
    hint="Denoise the mean itself, without noise: weight @ mean + bias should be the mean again. What has to "
    "be taken off the mean for that?",
)
def bias_is_the_mean(x: Tensor, sigma: float) -> tuple[Tensor, Tensor]:
    return _fitted(x, sigma)[0], x.mean(0)


@mistake(
    "linear_denoiser",
    title="the columns are taken for the rows",
    hint="Print the shape of your covariance: it should be [D, D], with as many rows as a sample has "
    "numbers.",
)
def rows_for_columns(x: Tensor, sigma: float) -> tuple[Tensor, Tensor]:
    return _fitted(x.T, sigma)


@mistake(
    "linear_denoiser",
    title="each column is denoised by itself",
    hint="Is your weight diagonal? Neighbouring pixels are alike, and so each of them says something about "
    "the noise of the others.",
)
def column_by_column(x: Tensor, sigma: float) -> tuple[Tensor, Tensor]:
    variance = x.var(0, correction=0)
    gain = variance / (variance + sigma**2)
    return torch.diag(gain), (1 - gain) * x.mean(0)


# --- classifier_guided_eps ------------------------------------------------------------------------------


def _slope(log_prob: _Model, x: Tensor, t: Tensor) -> Tensor:
    with torch.enable_grad():
        place = x.detach().requires_grad_()
        return torch.autograd.grad(log_prob(place, t).sum(), place)[0]


@mistake(
    "classifier_guided_eps",
    title="the correction has the wrong sign",
    hint="eps points away from what is probable. To make the wanted class more probable, which way has eps "
    "to be moved?",
)
def added(
    eps: Tensor, log_prob: _Model, x: Tensor, t: Tensor, alphas_cumprod: Tensor, scale: float
) -> Tensor:
    return eps + scale * _noise(alphas_cumprod, t, x) * _slope(log_prob, x, t)


@mistake(
    "classifier_guided_eps",
    title="the factor before the slope is missing",
    hint="A slope and a noise are not the same kind of thing. score_from_eps says what stands between the "
    "two.",
)
def factor_missing(
    eps: Tensor, log_prob: _Model, x: Tensor, t: Tensor, alphas_cumprod: Tensor, scale: float
) -> Tensor:
    return eps - scale * _slope(log_prob, x, t)


@mistake(
    "classifier_guided_eps",
    title="the factor is the variance of the noise",
    hint="Noise is made of a slope by the deviation, with a root. Compare with your eps_from_score.",
)
def factor_without_root(
    eps: Tensor, log_prob: _Model, x: Tensor, t: Tensor, alphas_cumprod: Tensor, scale: float
) -> Tensor:
    return eps - scale * _own(1 - alphas_cumprod[t], x) * _slope(log_prob, x, t)


@mistake(
    "classifier_guided_eps",
    title="the factor is that of the picture",
    hint="sqrt(abar) belongs to the picture, sqrt(1 - abar) to the noise, and eps is noise. Try abar near 1, "
    "where there is next to no noise to be corrected.",
)
def factor_of_the_signal(
    eps: Tensor, log_prob: _Model, x: Tensor, t: Tensor, alphas_cumprod: Tensor, scale: float
) -> Tensor:
    return eps - scale * _own(alphas_cumprod[t].sqrt(), x) * _slope(log_prob, x, t)


@mistake(
    "classifier_guided_eps",
    title="the gradient of the mean over the batch",
    hint="Put the same sample into a batch of one and a batch of six: its correction should not shrink. Each "
    "log-probability has a gradient of its own, and a sum keeps them apart.",
)
def mean_over_the_batch(
    eps: Tensor, log_prob: _Model, x: Tensor, t: Tensor, alphas_cumprod: Tensor, scale: float
) -> Tensor:
    return eps - scale * _noise(alphas_cumprod, t, x) * _slope(log_prob, x, t) / len(x)


@mistake(
    "classifier_guided_eps",
    title="the gradient of the probability, not of its logarithm",
    hint="log_prob is a logarithm already. Without the exp, the gradient stays useful also where the class "
    "is very improbable, which is where guidance is needed.",
)
def slope_of_p(
    eps: Tensor, log_prob: _Model, x: Tensor, t: Tensor, alphas_cumprod: Tensor, scale: float
) -> Tensor:
    with torch.enable_grad():
        place = x.detach().requires_grad_()
        (slope,) = torch.autograd.grad(log_prob(place, t).exp().sum(), place)
    return eps - scale * _noise(alphas_cumprod, t, x) * slope


@mistake(
    "classifier_guided_eps",
    title="the correction alone comes back",
    hint="With a classifier that has no opinion, its slope is 0, and the prediction should stay what it was. "
    "What do you return then?",
)
def eps_left_out(
    eps: Tensor, log_prob: _Model, x: Tensor, t: Tensor, alphas_cumprod: Tensor, scale: float
) -> Tensor:
    return -scale * _noise(alphas_cumprod, t, x) * _slope(log_prob, x, t)


@mistake(
    "classifier_guided_eps",
    title="it fails where gradients are switched off",
    hint="Call it inside `with torch.no_grad():`, as each sampler does. What switches gradients on again, "
    "for a few lines?",
)
def needs_gradients(
    eps: Tensor, log_prob: _Model, x: Tensor, t: Tensor, alphas_cumprod: Tensor, scale: float
) -> Tensor:
    place = x.detach().requires_grad_()
    (slope,) = torch.autograd.grad(log_prob(place, t).sum(), place)
    return eps - scale * _noise(alphas_cumprod, t, x) * slope


@mistake(
    "classifier_guided_eps",
    title="the scale is not used",
    hint="Call it with scale = 0: eps should come back as it was. Where does the scale come in?",
)
def scale_ignored(
    eps: Tensor, log_prob: _Model, x: Tensor, t: Tensor, alphas_cumprod: Tensor, scale: float
) -> Tensor:
    return eps - _noise(alphas_cumprod, t, x) * _slope(log_prob, x, t)


# --- log_likelihood -------------------------------------------------------------------------------------


@mistake(
    "log_likelihood",
    defines="divergence",
    title="all entries of the Jacobian are added up",
    hint="Try f(x) = (x2, x1), which has no divergence: the gradient of the sum counts both cross terms. "
    "Take one number of the output at a time, and of its gradient only the same number.",
)
def gradient_of_the_sum(f: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    with torch.enable_grad():
        x = x.detach().requires_grad_()
        (g,) = torch.autograd.grad(f(x).sum(), x)
    return g.flatten(1).sum(1)


def _diagonal(f: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """[B, D]: of each number of the output the derivative by the same number of the input."""
    with torch.enable_grad():
        x = x.detach().requires_grad_()
        out = f(x).flatten(1)
        entries = []
        for i in range(out.shape[1]):
            (g,) = torch.autograd.grad(out[:, i].sum(), x, retain_graph=True)
            entries.append(g.flatten(1)[:, i])
    return torch.stack(entries, 1)


@mistake(
    "log_likelihood",
    defines="divergence",
    title="one number for the whole batch",
    hint="Print the shape of what you return: there should be one number for each sample.",
)
def over_all_samples(f: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    return _diagonal(f, x).sum()


@mistake(
    "log_likelihood",
    defines="divergence",
    title="the mean of the diagonal and not its sum",
    hint="f(x) = x in three dimensions has the divergence 3: space is stretched along each of them.",
)
def mean_of_the_diagonal(f: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    return _diagonal(f, x).mean(1)


@mistake(
    "log_likelihood",
    defines="divergence",
    title="the first entry of the diagonal alone",
    hint="Try f(x) = (x1, 5 x2), whose divergence is 6. Over how many numbers does your loop go?",
)
def first_entry(f: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    return _diagonal(f, x)[:, 0]


@mistake(
    "log_likelihood",
    defines="divergence",
    title="a single probe of ones is taken for the exact trace",
    hint="Ones from both sides add up all entries of the Jacobian. A probe is right on average over many of "
    "them; the exact trace needs a backward pass for each number.",
)
def one_probe(f: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    with torch.enable_grad():
        x = x.detach().requires_grad_()
        signs = torch.ones_like(x)
        signs.view(len(x), -1)[:, 1::2] = -1
        (g,) = torch.autograd.grad((f(x) * signs).sum(), x)
    return (g * signs).flatten(1).sum(1)


@mistake(
    "log_likelihood",
    defines="divergence",
    title="divergence fails where gradients are switched off",
    hint="Call it inside `with torch.no_grad():`. What switches gradients on again, for a few lines?",
)
def divergence_needs_gradients(f: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    x = x.detach().requires_grad_()
    out = f(x).flatten(1)
    total = torch.zeros_like(out[:, 0])
    for i in range(out.shape[1]):
        (g,) = torch.autograd.grad(out[:, i].sum(), x, retain_graph=True)
        total = total + g.flatten(1)[:, i]
    return total.detach()


@mistake(
    "log_likelihood",
    defines="hutchinson",
    title="the probe is multiplied from one side only",
    hint="Try f(x) = x and a probe of plus and minus ones: the estimate is D, whatever the signs. Yours adds "
    "up the signs.",
)
def one_side(f: Callable[[Tensor], Tensor], x: Tensor, probe: Tensor) -> Tensor:
    with torch.enable_grad():
        x = x.detach().requires_grad_()
        (g,) = torch.autograd.grad((f(x) * probe).sum(), x)
    return g.flatten(1).sum(1)


@mistake(
    "log_likelihood",
    defines="hutchinson",
    title="a probe of its own is drawn",
    hint="Call it twice with the same arguments: the results should be the same. The probe is handed in.",
)
def draws_a_probe(f: Callable[[Tensor], Tensor], x: Tensor, probe: Tensor) -> Tensor:
    with torch.enable_grad():
        x = x.detach().requires_grad_()
        probe = torch.randn_like(x)
        (g,) = torch.autograd.grad((f(x) * probe).sum(), x)
    return (g * probe).flatten(1).sum(1)


@mistake(
    "log_likelihood",
    defines="hutchinson",
    title="the mean over the numbers of a sample",
    hint="With f(x) = x and signs as the probe the estimate is D, the number of dimensions. Is yours 1?",
)
def probe_averaged(f: Callable[[Tensor], Tensor], x: Tensor, probe: Tensor) -> Tensor:
    with torch.enable_grad():
        x = x.detach().requires_grad_()
        (g,) = torch.autograd.grad((f(x) * probe).sum(), x)
    return (g * probe).flatten(1).mean(1)


def _along(
    score: _Model,
    x: Tensor,
    sigmas: Sequence[float],
    *,
    euler: bool = False,
    euler_trace: bool = False,
    sign: float = 1.0,
    dimensions: float = 1.0,
    time: float = 1.0,
    half: float = 1.0,
) -> Tensor:
    def slopes(x: Tensor, sigma: float) -> tuple[Tensor, Tensor]:
        level = torch.full((len(x),), sigma, dtype=x.dtype, device=x.device)
        return -half * sigma**time * score(x, level), _diagonal(
            lambda z: -half * sigma**time * score(z, level), x
        ).sum(1)

    gained = torch.zeros(len(x), dtype=x.dtype, device=x.device)
    for here, there in itertools.pairwise(sigmas):
        h = there - here
        v1, d1 = slopes(x, here)
        v2, d2 = slopes(x + h * v1, there)
        x = x + h * (v1 if euler else (v1 + v2) / 2)
        gained = gained + h * (d1 if euler or euler_trace else (d1 + d2) / 2)
    end = sigmas[-1]
    constant = dimensions * x[0].numel() / 2 * math.log(2 * math.pi * end**2)
    return -x.flatten(1).square().sum(1) / (2 * end**2) - constant + sign * gained


@mistake(
    "log_likelihood",
    title="the normalising constant of the prior is forgotten",
    hint="At the end stands the log-density of a normal distribution, its constant included. For one number "
    "and deviation 1, log p(0) is -0.919.",
)
def prior_without_constant(score: _Model, x: Tensor, sigmas: Sequence[float]) -> Tensor:
    return _along(score, x, sigmas, dimensions=0)


@mistake(
    "log_likelihood",
    title="the prior's constant is counted for one dimension",
    hint="A sample of D numbers has D factors of 1 / (sqrt(2 pi) sigma), one for each. Compare with "
    "torch.distributions.Normal and a sum.",
)
def constant_of_one_dimension(score: _Model, x: Tensor, sigmas: Sequence[float]) -> Tensor:
    return _along(score, x, sigmas, dimensions=1 / x[0].numel())


@mistake(
    "log_likelihood",
    title="the divergence is subtracted",
    hint="A flow that spreads samples thins them out: where it arrives, the density is lower than where it "
    "came from. So from the prior back to the sample something is to be gained.",
)
def trace_subtracted(score: _Model, x: Tensor, sigmas: Sequence[float]) -> Tensor:
    return _along(score, x, sigmas, sign=-1)


@mistake(
    "log_likelihood",
    title="Euler's method in the place of Heun's",
    hint="Print how often the score is asked for where the samples arrive: Heun goes there first, looks at "
    "the slope, and then takes the mean of both.",
)
def euler_steps(score: _Model, x: Tensor, sigmas: Sequence[float]) -> Tensor:
    return _along(score, x, sigmas, euler=True)


@mistake(
    "log_likelihood",
    title="the divergence is taken at the start of each step only",
    hint="The place is integrated by two slopes, and the density wants the same: its divergence here and its "
    "divergence there, half of each.",
)
def trace_by_euler(score: _Model, x: Tensor, sigmas: Sequence[float]) -> Tensor:
    return _along(score, x, sigmas, euler_trace=True)


@mistake(
    "log_likelihood",
    title="the flow has sigma squared before the score",
    hint="sigma^2 score is Tweedie's correction, all the way to the clean sample. By how much does x move "
    "when sigma changes a little?",
)
def sigma_squared_in_the_flow(score: _Model, x: Tensor, sigmas: Sequence[float]) -> Tensor:
    return _along(score, x, sigmas, time=2)


@mistake(
    "log_likelihood",
    title="half of the flow",
    hint="Song's half stands before g^2, and here g^2 = 2 sigma: the two cancel. Check where a single "
    "Gaussian ends: it should be as wide as sigmas[-1].",
)
def half_of_the_flow(score: _Model, x: Tensor, sigmas: Sequence[float]) -> Tensor:
    return _along(score, x, sigmas, half=0.5)
