"""Scores: the slope of log p, what follows from it, and how it is learned, walked along and measured.

Reading order is the order of the lesson. A score is the gradient of a log-density,

    score(x) = grad_x log p(x)

a direction in the space of samples: where to go for more probable ones. `B` is the batch; what a sample is
made of does not matter, so the other dimensions are written `...`.

    sigma   the deviation of the noise in a sample, x = x0 + sigma n. Nothing fades here, other than in DDPM
    t       a timestep of DDPM's, int64, where x = sqrt(abar) x0 + sqrt(1 - abar) noise
    score   any callable that gives the score of noised data: score(x, sigma) -> [B ...], with sigma [B]
"""

import math
from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
from jaxtyping import Float, Int
from torch import Tensor


def score_from_eps(
    eps: Float[Tensor, "B ..."], t: Int[Tensor, "B"], alphas_cumprod: Float[Tensor, "T"]
) -> Float[Tensor, "B ..."]:
    """The score that a prediction of the noise stands for: -eps / sqrt(1 - abar_t).

    eps             predicted noise; any number of dimensions after B.
    t               int64, a timestep for each sample, 0 <= t < T.
    alphas_cumprod  abar: for each timestep a number with 0 <= abar < 1. float32 or float64.

    All tensors are on the same device; none is modified.
    Returns a new tensor with the shape, dtype and device of eps, float16 included, even where alphas_cumprod
    has another dtype. Gradients flow through it, to eps.
    Source: Dhariwal & Nichol, "Diffusion Models Beat GANs on Image Synthesis" (2021), equation 11.
    """
    ### BEGIN SOLUTION
    noise = (1 - alphas_cumprod[t]).sqrt().to(eps.dtype)  # a deviation, hence the root; cast last
    return -eps / noise.reshape(-1, *[1] * (eps.ndim - 1))
    ### END SOLUTION


def eps_from_score(
    score: Float[Tensor, "B ..."], t: Int[Tensor, "B"], alphas_cumprod: Float[Tensor, "T"]
) -> Float[Tensor, "B ..."]:
    """The noise that a score stands for: the way back from `score_from_eps`.

    score  scores; any number of dimensions after B. Not modified, as the others.

    Returns a new tensor with the shape, dtype and device of score. Everything else is as in `score_from_eps`.
    """
    ### BEGIN SOLUTION
    noise = (1 - alphas_cumprod[t]).sqrt().to(score.dtype)
    return -score * noise.reshape(-1, *[1] * (score.ndim - 1))
    ### END SOLUTION


def mixture_score(
    x: Float[Tensor, "B D"],
    means: Float[Tensor, "M D"],
    deviations: Float[Tensor, "M"],
    weights: Float[Tensor, "M"],
) -> Float[Tensor, "B D"]:
    """The score of a mixture of round Gaussians, p(x) = sum_m weights_m N(x; means_m, deviations_m^2 I).

    x           where it is asked for; at any distance from the means, a thousand deviations, too.
    means       the centre of each Gaussian.
    deviations  its standard deviation, the same in all D directions; above 0.
    weights     its share, above 0; together they are 1.

    All have one dtype, float32 or float64, and one device; none is modified.
    Returns a new tensor shaped as x, finite everywhere. Gradients flow through it, to x.
    """
    ### BEGIN SOLUTION
    away = x[:, None] - means  # [B, M, D]
    variances = deviations**2
    # Each Gaussian's log-density, but for a constant that they share. What is wide is low: hence the D log.
    log_density = -away.square().sum(-1) / (2 * variances) - x.shape[1] * deviations.log()
    # [B, M]: whose sample is it? The densities underflow far away, and their softmax does not.
    share = (weights.log() + log_density).softmax(1)
    return -((share / variances)[:, :, None] * away).sum(1)
    ### END SOLUTION


def tweedie(
    x: Float[Tensor, "B ..."], score: Float[Tensor, "B ..."], sigma: Float[Tensor, "B"]
) -> Float[Tensor, "B ..."]:
    """The mean of the clean samples that may be behind a noisy one: E[x0 | x] = x + sigma^2 score.

    x      noisy samples, x0 + sigma n with n standard normal; any number of dimensions after B.
    score  the score of the noisy samples' density at x; of x's shape and dtype.
    sigma  the deviation of each sample's noise, sigma >= 0; float32 or float64.

    All tensors are on the same device; none is modified.
    Returns a new tensor with x's shape, dtype and device, float16 included, even where sigma has another
    dtype. Gradients flow through it, to x and to the score.
    Source: Robbins (1956), who has it from M. C. K. Tweedie; Efron, "Tweedie's Formula and Selection Bias"
    (2011).
    """
    ### BEGIN SOLUTION
    variance = sigma.square().to(x.dtype)
    return x + variance.reshape(-1, *[1] * (x.ndim - 1)) * score
    ### END SOLUTION


def denoising_score_matching_loss(
    model: Callable[..., Tensor],
    x: Float[Tensor, "B ..."],
    sigma: Float[Tensor, "B"],
    noise: Float[Tensor, "B ..."],
) -> Float[Tensor, ""]:
    """The mean of |sigma * score + noise|^2: what a network minimises that is to learn scores.

    model  model(noisy, sigma) -> score of noisy's shape. It is asked once, with noisy = x + sigma noise of
           x's dtype, and with sigma [B].
    x      clean samples; any number of dimensions after B.
    sigma  the deviation of each sample's noise, above 0; of x's dtype.
    noise  standard normal numbers, shaped as x. Use these; draw none of your own.

    All tensors are on the same device; none is modified. Returns a tensor without dimensions, of x's dtype:
    the mean over all numbers of all samples. Gradients flow through it, to x and to the noise, and to the
    model's parameters.
    Source: Vincent, "A Connection Between Score Matching and Denoising Autoencoders" (2011); the weight
    sigma^2: Song & Ermon (2019), equation 6, without their factor 1/2.
    """
    ### BEGIN SOLUTION
    own = sigma.reshape(-1, *[1] * (x.ndim - 1))
    score = model(x + own * noise, sigma)
    # The target is -noise / sigma, which is huge where sigma is small: times sigma, all levels count alike.
    return (own * score + noise).square().mean()
    ### END SOLUTION


def langevin_step(
    x: Float[Tensor, "B ..."], score: Float[Tensor, "B ..."], step: float, noise: Float[Tensor, "B ..."]
) -> Float[Tensor, "B ..."]:
    """One step of Langevin dynamics: x + step/2 score + sqrt(step) noise.

    x      where the samples are; any number of dimensions after B.
    score  the score there, of x's shape and dtype.
    step   the size of the step, above 0: as Song & Ermon (2019) count it, the variance of the noise it adds.
    noise  standard normal numbers, shaped as x. Use these; draw none of your own.

    All tensors are on the same device; none is modified. Returns a new tensor with x's shape, dtype and
    device, float16 included. Gradients flow through it, to x, the score and the noise.
    Source: Song & Ermon, "Generative Modeling by Estimating Gradients of the Data Distribution" (2019),
    equation 4.
    """
    ### BEGIN SOLUTION
    return x + step / 2 * score + math.sqrt(step) * noise
    ### END SOLUTION


def annealed_langevin(
    score: Callable[..., Tensor],
    x: Float[Tensor, "B ..."],
    sigmas: Sequence[float],
    steps: int,
    scale: float,
    noises: Float[Tensor, "N B ..."],
) -> Float[Tensor, "B ..."]:
    """Langevin dynamics at one level of noise after another, each starting where the one before has ended.

    score   score(x, sigma) -> the score of data noised by sigma, of x's shape. sigma is [B], filled with the
            level, in x's dtype. It is asked once a step, len(sigmas) * steps times.
    x       where the samples start; not modified.
    sigmas  the levels, each above 0, in the order in which they are taken: the largest comes first.
    steps   steps at each level, at least 1.
    scale   the step's size at level sigma is scale * sigma^2.
    noises  the noise of each step in its order, N = len(sigmas) * steps. Use these; not modified.

    Returns a new tensor, where the samples end, with x's shape, dtype and device. It needs no gradients.
    Source: Song & Ermon (2019), algorithm 1, with scale = eps / sigma_L^2.
    """
    ### BEGIN SOLUTION
    fresh = iter(noises)
    for sigma in sigmas:
        level = x.new_full((len(x),), sigma)
        for _ in range(steps):
            # Where there is much noise the landscape is wide: steps grow with it, and their noise alike.
            x = langevin_step(x, score(x, level), scale * sigma**2, next(fresh))
    return x
    ### END SOLUTION


def linear_denoiser(x: Float[Tensor, "N D"], sigma: float) -> tuple[Float[Tensor, "D D"], Float[Tensor, "D"]]:
    """The best linear denoiser of these rows: what minimises E |weight (x + sigma n) + bias - x|^2.

    The mean is over the N rows, all equally probable, and over standard normal noise n. It is worked out, not
    sampled: nothing is random, and nothing is trained.

    x      clean samples as rows, float32 or float64; not modified. There may be fewer rows than columns.
    sigma  the deviation of the noise, above 0; 0 as well where the covariance of the rows can be inverted.

    Returns (weight, bias), new tensors with x's dtype and device. As in nn.Linear, what is denoised is
    weight @ noisy + bias.
    Source: the Wiener filter; Bishop, "Pattern Recognition and Machine Learning" (2006), section 3.1.4, for
    ridge regression, to which it comes.
    """
    ### BEGIN SOLUTION
    mean = x.mean(0)
    centred = x - mean
    covariance = centred.T @ centred / len(x)  # N, and not N - 1: these rows are all there is
    noisy = covariance + sigma**2 * torch.eye(len(mean), dtype=x.dtype, device=x.device)
    weight = torch.linalg.solve(noisy, covariance)  # the two are symmetric and commute: any order will do
    return weight, mean - weight @ mean
    ### END SOLUTION


def classifier_guided_eps(
    eps: Float[Tensor, "B ..."],
    log_prob: Callable[..., Tensor],
    x: Float[Tensor, "B ..."],
    t: Int[Tensor, "B"],
    alphas_cumprod: Float[Tensor, "T"],
    scale: float,
) -> Float[Tensor, "B ..."]:
    """The noise, corrected by a classifier: eps - scale sqrt(1 - abar_t) grad_x log p(wanted | x).

    eps       predicted noise, without a condition; of x's shape and dtype.
    log_prob  log_prob(x, t) -> [B], the log-probability that each noisy sample is what is wanted. torch can
              differentiate it, and each number depends on its own sample alone.
    x         noisy samples, which need no requires_grad.
    t         int64, a timestep for each sample, 0 <= t < T.
    alphas_cumprod
              abar: for each timestep a number with 0 <= abar < 1. float32 or float64.
    scale     1 is Bayes's rule; more goes further, 0 gives eps.

    It works under torch.no_grad(), too, as samplers have it. All tensors are on the same device; none is
    modified.
    Returns a new tensor with x's shape, dtype and device, even where alphas_cumprod has another dtype. It
    needs to let no gradients through.
    Source: Dhariwal & Nichol (2021), algorithm 2.
    """
    ### BEGIN SOLUTION
    with torch.enable_grad():
        place = x.detach().requires_grad_()
        # No sample's number depends on another sample, so the gradient of the sum has each one's own.
        (slope,) = torch.autograd.grad(log_prob(place, t).sum(), place)
    noise = (1 - alphas_cumprod[t]).sqrt().to(x.dtype).reshape(-1, *[1] * (x.ndim - 1))
    return eps - scale * noise * slope
    ### END SOLUTION


def divergence(f: Callable[[Tensor], Tensor], x: Float[Tensor, "B ..."]) -> Float[Tensor, "B"]:
    """The divergence of f at each sample: the trace of the sample's own Jacobian, sum_i df_i / dx_i.

    f  f(x) -> tensor of x's shape; each sample's result depends on that sample alone. It takes whole batches
       shaped as x, and torch.autograd can differentiate it once; transforms of torch.func need not be able
       to.
    x  where, float32 or float64; any number of dimensions after B. It needs no requires_grad.

    It works under torch.no_grad(), too. x is not modified.
    Returns a tensor of x's dtype and device, exact up to rounding; it needs to let no gradients through.
    """
    ### BEGIN SOLUTION
    with torch.enable_grad():
        x = x.detach().requires_grad_()
        out = f(x).flatten(1)  # [B, D]
        total = x.new_zeros(len(x))
        for i in range(out.shape[1]):
            # One backward pass gives one row of the Jacobian; one number of that row lies on the diagonal.
            (row,) = torch.autograd.grad(out[:, i].sum(), x, retain_graph=True)
            total = total + row.flatten(1)[:, i]
    return total
    ### END SOLUTION


def hutchinson(
    f: Callable[[Tensor], Tensor], x: Float[Tensor, "B ..."], probe: Float[Tensor, "B ..."]
) -> Float[Tensor, "B"]:
    """An estimate of the divergence from one backward pass: probe^T J probe, for each sample.

    probe  shaped as x: random numbers with mean 0 and variance 1, independent of one another. Use these. Not
           modified, as x.

    f is called once. Everything else is as in `divergence`, but for its being exact: that is only the mean
    over all probes.
    Source: Hutchinson (1989); Grathwohl et al., "FFJORD" (2019), section 3.1.
    """
    ### BEGIN SOLUTION
    with torch.enable_grad():
        x = x.detach().requires_grad_()
        (product,) = torch.autograd.grad((f(x) * probe).sum(), x)  # probe^T J, for each sample
    return (product * probe).flatten(1).sum(1)
    ### END SOLUTION


def log_likelihood(
    score: Callable[..., Tensor], x: Float[Tensor, "B ..."], sigmas: Sequence[float]
) -> Float[Tensor, "B"]:
    """log p of each sample, in nats, by the probability-flow ODE dx/dsigma = -sigma score(x, sigma).

    The samples flow from sigmas[0] to sigmas[-1], with one step of Heun's method from each level to the next:
    an Euler step, then half of the slope here and half of the slope there. The divergence of the flow is
    integrated along the way by the same two slopes and added to the log-density of what arrives, which is
    taken to be normal with mean 0 and deviation sigmas[-1] in each of the D numbers of a sample.

    score   score(x, sigma) -> the score of data noised by sigma, of x's shape. sigma is [B], filled with the
            level, in x's dtype. Of the callable the same is promised as of f in `divergence`.
    x       the samples, at noise level sigmas[0]; any number of dimensions after B. Not modified.
    sigmas  rising numbers, at least two; the first may be 0.

    It works under torch.no_grad(), too. Returns a tensor of x's dtype and device; it needs to let no
    gradients through.
    Source: Song et al., "Score-Based Generative Modeling through Stochastic Differential Equations" (2021),
    section 4.3 and appendix D.2.
    """

    ### BEGIN SOLUTION
    def slopes(x: Tensor, sigma: float) -> tuple[Tensor, Tensor]:
        """Where the flow goes at x, and how fast it spreads there."""
        level = x.new_full((len(x),), sigma)

        def flow(place: Tensor) -> Tensor:
            return -sigma * score(place, level)

        return flow(x), divergence(flow, x)

    gained = x.new_zeros(len(x))
    for here, there in pairwise(sigmas):
        h = there - here
        v1, d1 = slopes(x, here)
        v2, d2 = slopes(x + h * v1, there)
        x = x + h * (v1 + v2) / 2
        # What spreads thins out: along the flow log p falls by the divergence, so going back it is gained.
        gained = gained + h * (d1 + d2) / 2
    end = sigmas[-1]
    prior = -x.flatten(1).square().sum(1) / (2 * end**2) - x[0].numel() / 2 * math.log(2 * math.pi * end**2)
    return prior + gained
    ### END SOLUTION
