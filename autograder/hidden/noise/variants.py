"""Correct answers to the module `noise`, written otherwise than the reference: all earn full marks."""

from __future__ import annotations

import itertools
import math

import numpy as np
import torch
from torch import Tensor

from autograder.testing import variant

# --- linear_betas and scaled_linear_betas ---------------------------------------------------------------


@variant("linear_betas", title="a list of Python's numbers")
def linear_from_a_list(
    T: int, beta_start: float = 1e-4, beta_end: float = 0.02, dtype: torch.dtype = torch.float64
) -> Tensor:
    step = (beta_end - beta_start) / (T - 1) if T > 1 else 0.0
    return torch.tensor([beta_start + t * step for t in range(T)], dtype=dtype)


@variant("linear_betas", title="a mixture of both ends, worked out in float32")
def linear_as_a_mixture(
    T: int, beta_start: float = 1e-4, beta_end: float = 0.02, dtype: torch.dtype = torch.float64
) -> Tensor:
    share = torch.arange(T) / max(T - 1, 1)
    return ((1 - share) * beta_start + share * beta_end).to(dtype)


@variant("linear_betas", defines="scaled_linear_betas", title="NumPy's linspace")
def scaled_with_numpy(
    T: int, beta_start: float = 0.00085, beta_end: float = 0.012, dtype: torch.dtype = torch.float64
) -> Tensor:
    return torch.from_numpy(np.linspace(np.sqrt(beta_start), np.sqrt(beta_end), T) ** 2).to(dtype)


@variant("linear_betas", defines="scaled_linear_betas", title="roots of tensors, then torch.pow")
def scaled_with_pow(
    T: int, beta_start: float = 0.00085, beta_end: float = 0.012, dtype: torch.dtype = torch.float64
) -> Tensor:
    first, last = torch.tensor([beta_start, beta_end], dtype=torch.float64).sqrt()
    return torch.pow(torch.linspace(first.item(), last.item(), T, dtype=torch.float64), 2).to(dtype)


# --- extract --------------------------------------------------------------------------------------------


@variant("extract", title="gather, then view")
def with_gather(values: Tensor, t: Tensor, ndim: int) -> Tensor:
    return values.gather(-1, t).view(t.shape[0], *((1,) * (ndim - 1)))


@variant("extract", title="one dimension after another")
def one_after_another(values: Tensor, t: Tensor, ndim: int) -> Tensor:
    picked = torch.index_select(values, 0, t)
    while picked.dim() < ndim:
        picked = picked.unsqueeze(-1)
    return picked


@variant("extract", title="an index with None and an ellipsis")
def with_none(values: Tensor, t: Tensor, ndim: int) -> Tensor:
    return values[t][(..., *[None] * (ndim - 1))]


@variant("extract", title="sample by sample")
def sample_by_sample(values: Tensor, t: Tensor, ndim: int) -> Tensor:
    return torch.stack([values[int(step)].reshape([1] * (ndim - 1)) for step in t])


# --- q_sample -------------------------------------------------------------------------------------------


@variant("q_sample", title="tables of roots first")
def tables_of_roots(x0: Tensor, t: Tensor, noise: Tensor, alphas_cumprod: Tensor) -> Tensor:
    shape = (len(t),) + (1,) * (x0.dim() - 1)
    signal = torch.sqrt(alphas_cumprod)[t].reshape(shape)
    rest = torch.sqrt(1.0 - alphas_cumprod)[t].reshape(shape)
    return (signal * x0 + rest * noise).to(x0.dtype)


@variant("q_sample", title="sample by sample")
def noised_one_by_one(x0: Tensor, t: Tensor, noise: Tensor, alphas_cumprod: Tensor) -> Tensor:
    noised = []
    for x, step, eps in zip(x0, t, noise, strict=True):
        abar = alphas_cumprod[step].item()
        noised.append(abar**0.5 * x + (1 - abar) ** 0.5 * eps)
    return torch.stack(noised)


@variant("q_sample", title="einsum over flattened samples")
def with_einsum(x0: Tensor, t: Tensor, noise: Tensor, alphas_cumprod: Tensor) -> Tensor:
    abar = alphas_cumprod.gather(0, t)
    factors = torch.stack([abar.sqrt(), (1 - abar).sqrt()], dim=1).to(x0.dtype)
    both = (
        torch.stack([x0.flatten(1), noise.flatten(1)], dim=1) if x0.dim() > 1 else torch.stack([x0, noise], 1)
    )
    if x0.dim() == 1:
        return (factors * both).sum(1)
    return torch.einsum("bk,bkn->bn", factors, both).reshape(x0.shape)


@variant("q_sample", title="the batch moved last, angles instead of roots")
def with_angles(x0: Tensor, t: Tensor, noise: Tensor, alphas_cumprod: Tensor) -> Tensor:
    angle = torch.acos(alphas_cumprod.double().sqrt().clamp(max=1))[t]
    moved, eps = x0.movedim(0, -1).double(), noise.movedim(0, -1).double()
    return (angle.cos() * moved + angle.sin() * eps).movedim(-1, 0).to(x0.dtype)


# --- signal_to_noise ------------------------------------------------------------------------------------


@variant("signal_to_noise", title="through the reciprocal")
def through_the_reciprocal(alphas_cumprod: Tensor) -> Tensor:
    return 1 / (1 / alphas_cumprod - 1)


@variant("signal_to_noise", title="the square of the ratio of standard deviations")
def squared_deviations(alphas_cumprod: Tensor) -> Tensor:
    return (alphas_cumprod.sqrt() / torch.sqrt(1 - alphas_cumprod)) ** 2


@variant("signal_to_noise", title="the exponential of the logit")
def exponential_of_the_logit(alphas_cumprod: Tensor) -> Tensor:
    return torch.exp(torch.log(alphas_cumprod) - torch.log1p(-alphas_cumprod))


# --- cosine_betas and sigmoid_betas ---------------------------------------------------------------------


@variant("cosine_betas", title="a loop over Python's numbers, as in diffusers")
def cosine_in_a_loop(
    T: int, s: float = 0.008, max_beta: float = 0.999, dtype: torch.dtype = torch.float64
) -> Tensor:
    def f(u: float) -> float:
        return math.cos((u + s) / (1 + s) * math.pi / 2) ** 2

    return torch.tensor([min(1 - f((t + 1) / T) / f(t / T), max_beta) for t in range(T)], dtype=dtype)


@variant("cosine_betas", title="as in The Annotated Diffusion Model, with the paper's cap, in float32")
def cosine_as_annotated(
    T: int, s: float = 0.008, max_beta: float = 0.999, dtype: torch.dtype = torch.float64
) -> Tensor:
    x = torch.linspace(0, T, T + 1)
    alphas_cumprod = torch.cos(((x / T) + s) / (1 + s) * torch.pi * 0.5) ** 2
    alphas_cumprod = alphas_cumprod / alphas_cumprod[0]
    betas = 1 - (alphas_cumprod[1:] / alphas_cumprod[:-1])
    return torch.minimum(betas, torch.tensor(max_beta)).to(dtype)


@variant("cosine_betas", title="half of one plus the cosine of twice the angle")
def cosine_of_twice_the_angle(
    T: int, s: float = 0.008, max_beta: float = 0.999, dtype: torch.dtype = torch.float64
) -> Tensor:
    angle = (np.arange(T + 1) / T + s) / (1 + s) * np.pi
    f = (1 + np.cos(angle)) / 2
    return torch.as_tensor(np.minimum((f[:-1] - f[1:]) / f[:-1], max_beta), dtype=dtype)


@variant("cosine_betas", defines="sigmoid_betas", title="the sigmoid written out")
def sigmoid_written_out(
    T: int, beta_start: float = 1e-4, beta_end: float = 0.02, dtype: torch.dtype = torch.float64
) -> Tensor:
    z = torch.linspace(-6, 6, T)
    return (beta_start + (beta_end - beta_start) / (1 + torch.exp(-z))).to(dtype)


@variant("cosine_betas", defines="sigmoid_betas", title="a hyperbolic tangent, in a mixture of both ends")
def sigmoid_as_a_tangent(
    T: int, beta_start: float = 1e-4, beta_end: float = 0.02, dtype: torch.dtype = torch.float64
) -> Tensor:
    share = 0.5 * (1 + torch.tanh(torch.linspace(-3, 3, T, dtype=torch.float64)))
    return torch.lerp(torch.full_like(share, beta_start), torch.full_like(share, beta_end), share).to(dtype)


# --- zero_terminal_snr ----------------------------------------------------------------------------------


@variant("zero_terminal_snr", title="the algorithm of the paper, in place on its own copies")
def as_in_the_paper(betas: Tensor) -> Tensor:
    alphas = 1 - betas
    alphas_bar_sqrt = alphas.cumprod(0).sqrt()
    first, last = alphas_bar_sqrt[0].clone(), alphas_bar_sqrt[-1].clone()
    alphas_bar_sqrt -= last
    alphas_bar_sqrt *= first / (first - last)
    alphas_bar = alphas_bar_sqrt**2
    alphas = alphas_bar[1:] / alphas_bar[:-1]
    alphas = torch.cat([alphas_bar[0:1], alphas])
    return 1 - alphas


@variant("zero_terminal_snr", title="quotients of roots, the first beta and the last one put in by hand")
def quotients_of_roots(betas: Tensor) -> Tensor:
    root = torch.exp(0.5 * torch.log1p(-betas[:-1]).cumsum(0))
    end = root[-1] * torch.sqrt(1 - betas[-1])
    shifted = root - end
    result = torch.empty_like(betas)
    result[0], result[-1] = betas[0], 1.0
    result[1:-1] = 1 - (shifted[1:] / shifted[:-1]).square()
    return result


@variant("zero_terminal_snr", title="a loop over Python's numbers")
def in_a_loop(betas: Tensor) -> Tensor:
    left, roots = 1.0, []
    for beta in betas.tolist():
        left = left * (1 - beta)
        roots.append(left**0.5)
    roots = [(root - roots[-1]) / (roots[0] - roots[-1]) * roots[0] for root in roots]
    rescaled = [1 - roots[0] ** 2] + [1 - (b / a) ** 2 for a, b in itertools.pairwise(roots)]
    return torch.tensor(rescaled).to(betas)


# --- q_posterior ----------------------------------------------------------------------------------------


@variant("q_posterior", title="two Gaussians multiplied")
def two_gaussians(x0: Tensor, xt: Tensor, t: Tensor, betas: Tensor) -> tuple[Tensor, Tensor]:
    shape = (-1,) + (1,) * (x0.dim() - 1)
    abar = torch.cumprod(1 - betas, 0)
    before = torch.where(t > 0, abar[(t - 1).clamp(min=0)], torch.ones_like(abar[t])).view(shape)
    beta = betas[t].view(shape)
    # x_{t-1} ~ N(sqrt(before) x0, 1 - before), and xt ~ N(sqrt(1 - beta) x_{t-1}, beta).
    variance = beta * (1 - before) / (beta + (1 - beta) * (1 - before))
    weight = variance * (1 - beta).sqrt() / beta
    mean = weight * xt + (1 - weight * (1 - beta).sqrt()) * before.sqrt() * x0
    return mean.to(x0.dtype), variance.to(x0.dtype)


@variant("q_posterior", title="a column in front of alphas_cumprod, the variance clamped as in diffusers")
def a_column_in_front(x0: Tensor, xt: Tensor, t: Tensor, betas: Tensor) -> tuple[Tensor, Tensor]:
    ones = [1] * (x0.dim() - 1)
    abar = torch.nn.functional.pad(torch.cumprod(1 - betas, dim=0), (1, 0), value=1.0)
    now, before = abar[t + 1].reshape(-1, *ones), abar[t].reshape(-1, *ones)
    beta = 1 - now / before
    mean = before.sqrt() * beta / (1 - now) * x0 + (1 - beta).sqrt() * (1 - before) / (1 - now) * xt
    return mean.to(x0.dtype), (beta * (1 - before) / (1 - now)).clamp(min=1e-20).to(x0.dtype)


@variant("q_posterior", title="sample by sample")
def looked_back_one_by_one(x0: Tensor, xt: Tensor, t: Tensor, betas: Tensor) -> list[Tensor]:
    means, variances = [], []
    for x, noisy, step in zip(x0, xt, t.tolist(), strict=True):
        if step == 0:
            means.append(x.clone())
            variances.append(0.0)
            continue
        before = torch.prod(1 - betas[:step]).item()
        beta = betas[step].item()
        rest = 1 - before * (1 - beta)
        means.append((before**0.5 * beta * x + (1 - beta) ** 0.5 * (1 - before) * noisy) / rest)
        variances.append(beta * (1 - before) / rest)
    shape = [len(means)] + [1] * (x0.dim() - 1)
    return [torch.stack(means), torch.tensor(variances, dtype=x0.dtype, device=x0.device).reshape(shape)]


@variant("q_posterior", title="through the noise that xt would contain")
def through_the_noise(x0: Tensor, xt: Tensor, t: Tensor, betas: Tensor) -> tuple[Tensor, Tensor]:
    shape = (len(t), *(1 for _ in x0.shape[1:]))
    abar = torch.cumprod(1 - betas, dim=0)
    before = torch.cat([torch.ones_like(abar[:1]), abar])[t].view(shape)
    now, beta = abar[t].view(shape), betas[t].view(shape)
    variance = (1 - before) * beta / (1 - now)
    noise = (xt - now.sqrt() * x0) / (1 - now).sqrt()
    # DDIM with all of its noise: what remains of the old noise points the same way as before.
    mean = before.sqrt() * x0 + (1 - before - variance).clamp(min=0).sqrt() * noise
    return mean.to(x0.dtype), variance.to(x0.dtype)
