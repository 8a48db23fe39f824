"""Training: what a network is asked for, what its answer costs, and one step towards a better one.

Reading order is the order of the lesson. Names are those of the module `noise`: `alphas_cumprod`, written
abar in formulas, is what is left of a picture's variance at each of T timesteps, t = 0 the least noisy, and

    x_t = sqrt(abar_t) x0 + sqrt(1 - abar_t) noise

    B  batch; pictures, points and whatever else is noised have B first and any dimensions after it

A network is asked for one of three things, its `prediction`: the noise ("eps"), the clean sample ("x0"),
or the velocity ("v") between the two. Whoever has one of them and x_t has the others.
"""

from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from course import parts


def x0_from_eps(
    xt: Float[Tensor, "B ..."],
    eps: Float[Tensor, "B ..."],
    t: Int[Tensor, "B"],
    alphas_cumprod: Float[Tensor, "T"],
) -> Float[Tensor, "B ..."]:
    """The clean sample in xt, if eps is the noise in it: (xt - sqrt(1 - abar_t) eps) / sqrt(abar_t).

    xt              noised samples; any number of dimensions after B, of any size.
    eps             the noise in them, or somebody's guess at it; shaped as xt and of its dtype.
    t               int64, a timestep for each sample, 0 <= t < T.
    alphas_cumprod  abar: for each timestep a number between 0 and 1. float32 or float64.

    All tensors are on the same device; none is modified.
    Returns a new tensor with xt's shape, dtype and device, even where alphas_cumprod has another dtype. Its
    numbers may be of any size: nothing is clipped. Gradients flow through it, to xt and eps.
    Source: Ho et al., "Denoising Diffusion Probabilistic Models" (2020), equation 15.
    """
    ### BEGIN SOLUTION
    abar: Tensor = parts.noise.extract(alphas_cumprod, t, xt.ndim)
    return (xt - (1 - abar).sqrt().to(xt.dtype) * eps) / abar.sqrt().to(xt.dtype)
    ### END SOLUTION


def eps_from_x0(
    xt: Float[Tensor, "B ..."],
    x0: Float[Tensor, "B ..."],
    t: Int[Tensor, "B"],
    alphas_cumprod: Float[Tensor, "T"],
) -> Float[Tensor, "B ..."]:
    """The noise in xt, if x0 is the clean sample in it: (xt - sqrt(abar_t) x0) / sqrt(1 - abar_t).

    x0  the clean samples, or somebody's guess at them; shaped as xt and of its dtype.

    Everything else is as in `x0_from_eps`; gradients flow to xt and x0.
    """
    ### BEGIN SOLUTION
    abar: Tensor = parts.noise.extract(alphas_cumprod, t, xt.ndim)
    return (xt - abar.sqrt().to(xt.dtype) * x0) / (1 - abar).sqrt().to(xt.dtype)
    ### END SOLUTION


def velocity(
    x0: Float[Tensor, "B ..."],
    noise: Float[Tensor, "B ..."],
    t: Int[Tensor, "B"],
    alphas_cumprod: Float[Tensor, "T"],
) -> Float[Tensor, "B ..."]:
    """What a network that predicts "v" is asked for: sqrt(abar_t) noise - sqrt(1 - abar_t) x0.

    x0              clean samples; any number of dimensions after B, of any size.
    noise           what they are noised with, shaped as x0 and of its dtype.
    t               int64, a timestep for each sample, 0 <= t < T.
    alphas_cumprod  abar: for each timestep a number from 0 to 1, both included. float32 or float64.

    All tensors are on the same device; none is modified.
    Returns a new tensor with x0's shape, dtype and device, even where alphas_cumprod has another dtype.
    Gradients flow through it, to x0 and the noise.
    Source: Salimans & Ho, "Progressive Distillation for Fast Sampling of Diffusion Models" (2022), section 4.
    """
    ### BEGIN SOLUTION
    abar: Tensor = parts.noise.extract(alphas_cumprod, t, x0.ndim)
    return abar.sqrt().to(x0.dtype) * noise - (1 - abar).sqrt().to(x0.dtype) * x0
    ### END SOLUTION


def from_velocity(
    xt: Float[Tensor, "B ..."],
    v: Float[Tensor, "B ..."],
    t: Int[Tensor, "B"],
    alphas_cumprod: Float[Tensor, "T"],
) -> tuple[Float[Tensor, "B ..."], Float[Tensor, "B ..."]]:
    """The clean sample and the noise in xt, if v is the velocity there. Nothing is divided by anything.

        x0 = sqrt(abar_t) xt - sqrt(1 - abar_t) v        eps = sqrt(1 - abar_t) xt + sqrt(abar_t) v

    xt  noised samples; v: the velocity, or somebody's guess at it, shaped as xt and of its dtype.
    t, alphas_cumprod
        as in `velocity`: abar may be 0, and it may be 1.

    All tensors are on the same device; none is modified.
    Returns two new tensors, x0 and eps, with xt's shape, dtype and device.
    """
    ### BEGIN SOLUTION
    abar: Tensor = parts.noise.extract(alphas_cumprod, t, xt.ndim)
    signal, rest = abar.sqrt().to(xt.dtype), (1 - abar).sqrt().to(xt.dtype)
    return signal * xt - rest * v, rest * xt + signal * v
    ### END SOLUTION


def ddpm_loss(
    model: Callable[[Tensor, Tensor], Tensor],
    x0: Float[Tensor, "B ..."],
    t: Int[Tensor, "B"],
    noise: Float[Tensor, "B ..."],
    alphas_cumprod: Float[Tensor, "T"],
    prediction: str = "eps",
    weights: Float[Tensor, "B"] | None = None,
) -> Float[Tensor, ""]:
    """How far a model's predictions are from the truth: a weighted mean squared error.

    model           model(xt, t) -> a tensor of xt's shape. It is asked exactly once, about the samples noised
                    with this noise up to their timesteps, all of them together.
    x0              clean samples; at least one dimension after B, of any size.
    t               int64, a timestep for each sample, 0 <= t < T.
    noise           standard normal numbers, shaped as x0 and of its dtype. Draw none of your own.
    alphas_cumprod  abar: for each timestep a number between 0 and 1. float32 or float64.
    prediction      what the model is to predict: "eps" (the noise), "x0" or "v" (the velocity).
    weights         how much each sample counts, of x0's dtype; None: each counts 1. They are not normalised.

    All tensors are on the same device; none is modified.
    Raises ValueError for another prediction.
    Returns one number, a tensor of shape [] and x0's dtype: of each sample the mean of its squared errors,
    times its weight; of these the mean over the batch. Gradients flow through it, to the model's parameters.
    Source: Ho et al. (2020), equation 14, where the prediction is "eps".
    """
    ### BEGIN SOLUTION
    if prediction == "eps":
        target = noise
    elif prediction == "x0":
        target = x0
    elif prediction == "v":
        target = velocity(x0, noise, t, alphas_cumprod)
    else:
        raise ValueError(f"{prediction!r} is no prediction: choose eps, x0 or v")

    xt = parts.noise.q_sample(x0, t, noise, alphas_cumprod)
    errors = (model(xt, t) - target).square().flatten(1).mean(1)  # [B]
    return errors.mean() if weights is None else (weights * errors).mean()
    ### END SOLUTION


def train_step(
    model: nn.Module,
    optimizer: Any,
    x0: Float[Tensor, "B ..."],
    t: Int[Tensor, "B"],
    noise: Float[Tensor, "B ..."],
    alphas_cumprod: Float[Tensor, "T"],
    prediction: str = "eps",
    max_norm: float | None = None,
) -> float:
    """One step of training: the gradients of `ddpm_loss` for this batch, and one step of the optimizer.

    model      its parameters are changed, in place, by the optimizer alone. model(xt, t) is asked once.
    optimizer  one of torch.optim, or what has its methods zero_grad() and step(); it has all the model's
               parameters. It takes exactly one step.
    max_norm   where the norm of all gradients together is larger than this, they are scaled down to it; None:
               they stay as they are. As in torch.nn.utils.clip_grad_norm_.
    x0, t, noise, alphas_cumprod, prediction
               as in `ddpm_loss`; none is modified. The weights are all 1.

    Gradients that the parameters may have from before do not count.
    Returns the loss from before the step, as a Python float.
    """
    ### BEGIN SOLUTION
    optimizer.zero_grad()  # backward adds to what is there
    loss = ddpm_loss(model, x0, t, noise, alphas_cumprod, prediction)
    loss.backward()  # type: ignore[no-untyped-call]
    if max_norm is not None:
        nn.utils.clip_grad_norm_(model.parameters(), max_norm)
    optimizer.step()
    return loss.item()  # the tensor would keep the whole graph alive
    ### END SOLUTION


def ema_update(average: nn.Module, model: nn.Module, decay: float) -> None:
    """One step of an exponential moving average of a model's weights, in place.

    average  a model of the same structure, all of whose parameters become decay * its own + (1 - decay) *
             those of `model`. Its buffers, which are no weights, become equal to the model's, whatever their
             dtype: copies of them.
    model    not modified, and nothing is shared with it: what it learns later leaves the average alone.
    decay    0 <= decay <= 1. With 0 the average becomes equal to the model, with 1 its parameters stay.

    No gradient flows, and no parameter of either ceases to be one or to have its requires_grad. Returns
    nothing.
    Source: Polyak & Juditsky (1992); Ho et al. (2020), appendix B, with a decay of 0.9999.
    """
    ### BEGIN SOLUTION
    with torch.no_grad():
        for mean, new in zip(average.parameters(), model.parameters(), strict=True):
            mean.mul_(decay).add_(new, alpha=1 - decay)
        for kept, current in zip(average.buffers(), model.buffers(), strict=True):
            kept.copy_(current)  # a count of batches has no mean
    ### END SOLUTION


def min_snr_weight(
    snr: Float[Tensor, "..."], prediction: str = "eps", gamma: float = 5.0
) -> Float[Tensor, "..."]:
    """The weight of a loss for which timesteps count by their signal-to-noise ratio, capped at gamma.

    Whatever is predicted, the weighted squared error is min(snr, gamma) times the squared error of the clean
    sample that follows from the prediction.

    snr         abar / (1 - abar), any number of dimensions, each at least 0; not modified.
    prediction  what the model predicts: "eps", "x0" or "v".
    gamma       the cap, above 0.

    Raises ValueError for another prediction.
    Returns a new tensor with snr's shape, dtype and device. Where snr is 0, the weight for "eps" is 1.
    Source: Hang et al., "Efficient Diffusion Training via Min-SNR Weighting Strategy" (2023), section 3.4.
    """
    ### BEGIN SOLUTION
    capped = snr.clamp(max=gamma)
    if prediction == "x0":
        return capped
    if prediction == "v":
        return capped / (snr + 1)
    if prediction == "eps":
        # min(snr, gamma) / snr without dividing by a snr of 0.
        return gamma / snr.clamp(min=gamma)
    raise ValueError(f"{prediction!r} is no prediction: choose eps, x0 or v")
    ### END SOLUTION


def elbo_term(
    x0: Float[Tensor, "B ..."],
    guess: Float[Tensor, "B ..."],
    t: Int[Tensor, "B"],
    betas: Float[Tensor, "T"],
) -> Float[Tensor, "B"]:
    """What a guess at x0 costs at timestep t: the divergence of the two steps back, in nats.

        KL( q(x_{t-1} | xt, x0) || q(x_{t-1} | xt, guess) ) = (SNR_{t-1} - SNR_t) / 2 * |x0 - guess|^2

    Both are the normal distributions of `q_posterior`. They have the same variance, and what comes out does
    not depend on xt.

    x0     clean samples; at least one dimension after B, of any size.
    guess  what a network takes them for; shaped as x0 and of its dtype.
    t      int64, a timestep for each sample, 1 <= t < T: before step 0 there is nothing to step back to.
    betas  T numbers between 0 and 1, 0 and 1 not included. float32 or float64.

    All tensors are on the same device; none is modified.
    Returns a new tensor [B] with x0's dtype: for each sample the sum over all its numbers. Gradients flow
    through it, to x0 and the guess.
    Source: Ho et al. (2020), equations 5 and 8; Kingma et al., "Variational Diffusion Models" (2021),
    equation 13.
    """
    ### BEGIN SOLUTION
    abar = torch.cumprod(1 - betas, dim=0)
    snr = abar / (1 - abar)
    fall = (snr[t - 1] - snr[t]) / 2
    return fall.to(x0.dtype) * (x0 - guess).square().flatten(1).sum(1)
    ### END SOLUTION


def edm_scalings(
    sigma: Float[Tensor, "B"], sigma_data: float = 0.5
) -> tuple[Float[Tensor, "B"], Float[Tensor, "B"], Float[Tensor, "B"], Float[Tensor, "B"]]:
    """Scalings for which a network's input, and what it is asked for, have variance 1 at each noise level.

        c_skip = sigma_data^2 / (sigma^2 + sigma_data^2)        c_in = 1 / sqrt(sigma^2 + sigma_data^2)
        c_out = sigma sigma_data / sqrt(sigma^2 + sigma_data^2)    c_noise = ln(sigma) / 4

    sigma       standard deviation of the noise in x0 + sigma noise, above 0; not modified.
    sigma_data  standard deviation of the clean samples.

    Returns four new tensors, c_skip, c_out, c_in and c_noise, each [B] with sigma's dtype and device.
    Source: Karras et al., "Elucidating the Design Space of Diffusion-Based Generative Models" (2022),
    table 1.
    """
    ### BEGIN SOLUTION
    variance = sigma**2 + sigma_data**2  # of x0 + sigma noise
    return sigma_data**2 / variance, sigma * sigma_data / variance.sqrt(), variance.rsqrt(), sigma.log() / 4
    ### END SOLUTION


def edm_denoise(
    model: Callable[[Tensor, Tensor], Tensor],
    x: Float[Tensor, "B ..."],
    sigma: Float[Tensor, "B"],
    sigma_data: float = 0.5,
) -> Float[Tensor, "B ..."]:
    """The clean sample in x, by a network in its wrapping: c_skip x + c_out model(c_in x, c_noise).

    model  model(x, c_noise [B]) -> a tensor of x's shape. It is asked exactly once, for all samples together.
    x      noised samples, x0 + sigma noise; any number of dimensions after B. sigma: the standard
           deviation of the noise in each, of x's dtype. Neither is modified.
    sigma_data
           standard deviation of the clean samples.

    Returns a tensor of x's shape, dtype and device. Gradients flow through it.
    Source: Karras et al. (2022), equation 7.
    """
    ### BEGIN SOLUTION
    c_skip, c_out, c_in, c_noise = edm_scalings(sigma, sigma_data)
    c_skip, c_out, c_in = (c.reshape(-1, *[1] * (x.ndim - 1)) for c in (c_skip, c_out, c_in))
    return c_skip * x + c_out * model(c_in * x, c_noise)
    ### END SOLUTION
