"""Correct answers of the module `score`, each written differently from the reference."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from autograder.testing import variant

_Model = Callable[..., Tensor]

# --- score_from_eps -------------------------------------------------------------------------------------


@variant("score_from_eps", defines="score_from_eps", title="multiplied by the root's reciprocal")
def by_rsqrt(eps: Tensor, t: Tensor, alphas_cumprod: Tensor) -> Tensor:
    factor = torch.rsqrt(1 - alphas_cumprod)[t].to(eps.dtype)
    return -(factor.view((len(t),) + (1,) * (eps.dim() - 1)) * eps)


@variant("score_from_eps", defines="score_from_eps", title="sample by sample")
def sample_by_sample(eps: Tensor, t: Tensor, alphas_cumprod: Tensor) -> Tensor:
    sigma = torch.sqrt(1 - alphas_cumprod)
    return torch.stack([-e / sigma[k].to(e) for e, k in zip(eps, t, strict=True)])


@variant("score_from_eps", defines="score_from_eps", title="the distance over the variance")
def distance_over_variance(eps: Tensor, t: Tensor, alphas_cumprod: Tensor) -> Tensor:
    variance = (1 - alphas_cumprod[t]).reshape(-1, *[1] * (eps.ndim - 1))
    return (-(variance.sqrt() * eps) / variance).to(eps.dtype)


@variant("score_from_eps", defines="eps_from_score", title="by einsum")
def by_einsum(score: Tensor, t: Tensor, alphas_cumprod: Tensor) -> Tensor:
    return -torch.einsum("b,b...->b...", (1 - alphas_cumprod[t]).pow(0.5).to(score.dtype), score)


@variant("score_from_eps", defines="eps_from_score", title="with gather, and the sign in the factor")
def gathered(score: Tensor, t: Tensor, alphas_cumprod: Tensor) -> Tensor:
    factor = alphas_cumprod.neg().add(1).sqrt().neg().gather(0, t).to(score.dtype)
    for _ in range(score.ndim - 1):
        factor = factor.unsqueeze(-1)
    return factor * score


# --- mixture_score --------------------------------------------------------------------------------------


@variant("mixture_score", title="autograd of a logsumexp")
def by_autograd(x: Tensor, means: Tensor, deviations: Tensor, weights: Tensor) -> Tensor:
    with torch.enable_grad():
        place = x if x.requires_grad else x.detach().requires_grad_()
        distance = (place.unsqueeze(1) - means).pow(2).sum(-1)
        logs = weights.log() - distance / (2 * deviations**2) - x.shape[1] * deviations.log()
        (slope,) = torch.autograd.grad(logs.logsumexp(1).sum(), place, create_graph=True)
    return slope if x.requires_grad else slope.detach()


@variant("mixture_score", title="the mean of what may be behind, by einsum")
def mean_behind(x: Tensor, means: Tensor, deviations: Tensor, weights: Tensor) -> Tensor:
    precision = deviations.pow(-2)
    squares = ((x[:, None, :] - means[None]) ** 2).sum(2)
    logits = torch.log(weights / deviations ** x.shape[1]) - 0.5 * precision * squares
    share = torch.softmax(logits, dim=-1) * precision
    return torch.einsum("bm,md->bd", share, means) - share.sum(1, keepdim=True) * x


@variant("mixture_score", title="one Gaussian after another, the largest exponent taken off")
def one_after_another(x: Tensor, means: Tensor, deviations: Tensor, weights: Tensor) -> Tensor:
    logs = []
    for k in range(len(means)):
        d = x - means[k]
        logs.append(
            torch.log(weights[k]) - (d * d).sum(1) / 2 / deviations[k] ** 2 - d.shape[1] * deviations[k].log()
        )
    top = torch.stack(logs).max(0).values
    total, slope = torch.zeros_like(top), torch.zeros_like(x)
    for k in range(len(means)):
        p = torch.exp(logs[k] - top)
        total = total + p
        slope = slope + (p / deviations[k] ** 2)[:, None] * (means[k] - x)
    return slope / total[:, None]


# --- tweedie --------------------------------------------------------------------------------------------


@variant("tweedie", title="addcmul")
def with_addcmul(x: Tensor, score: Tensor, sigma: Tensor) -> Tensor:
    variance = (sigma * sigma).to(x.dtype).view((-1,) + (1,) * (x.dim() - 1))
    return torch.addcmul(x, variance.expand_as(x), score)


@variant("tweedie", title="through the noise")
def through_the_noise(x: Tensor, score: Tensor, sigma: Tensor) -> Tensor:
    s = sigma.to(x.dtype).reshape(len(x), *[1] * (x.ndim - 1))
    return x - s * (-s * score)


@variant("tweedie", title="sample by sample, in float64")
def tweedie_one_by_one(x: Tensor, score: Tensor, sigma: Tensor) -> Tensor:
    wide = [a.double() + s.double() ** 2 * b.double() for a, b, s in zip(x, score, sigma, strict=True)]
    return torch.stack(wide).to(x.dtype)


# --- denoising_score_matching_loss ----------------------------------------------------------------------


@variant("denoising_score_matching_loss", title="the weights outside, sample by sample")
def weights_outside(model: _Model, x: Tensor, sigma: Tensor, noise: Tensor) -> Tensor:
    s = sigma.view(-1, *[1] * (x.dim() - 1))
    error = (model(x + s * noise, sigma) + noise / s) ** 2
    return (sigma**2 * error.reshape(len(x), -1).mean(1)).mean()


@variant("denoising_score_matching_loss", title="mse_loss on the noise that the score stands for")
def by_mse(model: _Model, x: Tensor, sigma: Tensor, noise: Tensor) -> Tensor:
    s = sigma.reshape(sigma.shape + (1,) * (x.ndim - 1))
    return F.mse_loss(-s * model(torch.addcmul(x, s.expand_as(x), noise), sigma), noise)


@variant("denoising_score_matching_loss", title="through Tweedie's clean sample")
def through_the_clean_sample(model: _Model, x: Tensor, sigma: Tensor, noise: Tensor) -> Tensor:
    s = sigma.reshape(-1, *[1] * (x.ndim - 1))
    noisy = x + s * noise
    clean = noisy + s * s * model(noisy, sigma)
    return ((clean - x) / s).pow(2).mean()


# --- langevin_step --------------------------------------------------------------------------------------


@variant("langevin_step", defines="langevin_step", title="powers of the step")
def powers(x: Tensor, score: Tensor, step: float, noise: Tensor) -> Tensor:
    return x + 0.5 * step * score + step**0.5 * noise


@variant("langevin_step", defines="langevin_step", title="torch.add with alpha")
def with_alpha(x: Tensor, score: Tensor, step: float, noise: Tensor) -> Tensor:
    return x.add(score, alpha=step / 2).add(noise, alpha=math.sqrt(step))


@variant("langevin_step", defines="langevin_step", title="the root taken out")
def root_taken_out(x: Tensor, score: Tensor, step: float, noise: Tensor) -> Tensor:
    root = math.sqrt(step)
    return x + root * (root / 2 * score + noise)


@variant("langevin_step", defines="annealed_langevin", title="one loop, with the level by division")
def one_loop(
    score: _Model, x: Tensor, sigmas: Sequence[float], steps: int, scale: float, noises: Tensor
) -> Tensor:
    for i, n in enumerate(noises):
        s = float(sigmas[i // steps])
        step = scale * s * s
        x = x + 0.5 * step * score(x, torch.ones(len(x)).to(x) * s) + step**0.5 * n
    return x


@variant("langevin_step", defines="annealed_langevin", title="noises cut by levels, under no_grad")
@torch.no_grad()
def cut_by_levels(
    score: _Model, x: Tensor, sigmas: Sequence[float], steps: int, scale: float, noises: Tensor
) -> Tensor:
    here = x.clone()
    for level, own in zip(sigmas, noises.split(steps), strict=True):
        for fresh in own:
            slope = score(x=here, sigma=here.new_full((here.shape[0],), level))
            here = here + level * (scale / 2 * level * slope + math.sqrt(scale) * fresh)
    return here


# --- linear_denoiser ------------------------------------------------------------------------------------


@variant("linear_denoiser", title="eigenvectors of the covariance")
def by_eigenvectors(x: Tensor, sigma: float) -> tuple[Tensor, Tensor]:
    mean = x.mean(dim=0)
    spread, q = torch.linalg.eigh(torch.cov(x.T, correction=0).reshape(x.shape[1], x.shape[1]))
    weight = q @ torch.diag(spread / (spread + sigma * sigma)) @ q.T
    return weight, mean - weight @ mean


@variant("linear_denoiser", title="what is not noise: I - sigma^2 (C + sigma^2 I)^-1")
def identity_less(x: Tensor, sigma: float) -> tuple[Tensor, Tensor]:
    m = x.sum(0) / x.shape[0]
    c = torch.einsum("ni,nj->ij", x - m, x - m) / x.shape[0]
    eye = torch.eye(len(m), dtype=x.dtype, device=x.device)
    weight = eye - sigma**2 * torch.linalg.inv(c + sigma**2 * eye)
    return weight, (eye - weight) @ m


@variant("linear_denoiser", title="singular values of the centred rows")
def by_svd(x: Tensor, sigma: float) -> tuple[Tensor, Tensor]:
    mean = x.mean(0, keepdim=True)
    _, s, v = torch.linalg.svd(x - mean, full_matrices=False)
    gain = s**2 / (s**2 + len(x) * sigma**2)
    weight = v.mT @ (gain[:, None] * v)
    return weight, (mean - mean @ weight.T)[0]


@variant("linear_denoiser", title="ridge regression with rows for the noise")
def as_ridge(x: Tensor, sigma: float) -> tuple[Tensor, Tensor]:
    N, D = x.shape
    c = x - x.mean(0)
    a = torch.cat([c, math.sqrt(N) * sigma * torch.eye(D).to(x)])
    weight = torch.linalg.solve(a.T @ a, a.T @ torch.cat([c, torch.zeros(D, D).to(x)])).T
    return weight, x.mean(0) - weight @ x.mean(0)


# --- classifier_guided_eps ------------------------------------------------------------------------------


@variant("classifier_guided_eps", title="backward into a clone")
def by_backward(
    eps: Tensor, log_prob: _Model, x: Tensor, t: Tensor, alphas_cumprod: Tensor, scale: float
) -> Tensor:
    with torch.enable_grad():
        place = x.detach().clone().requires_grad_(True)
        log_prob(place, t).sum().backward()
    assert place.grad is not None
    factor = scale * torch.sqrt(1 - alphas_cumprod[t]).to(x.dtype)
    return eps - factor.view(-1, *[1] * (x.dim() - 1)) * place.grad


@variant("classifier_guided_eps", title="through scores")
def through_scores(
    eps: Tensor, log_prob: _Model, x: Tensor, t: Tensor, alphas_cumprod: Tensor, scale: float
) -> Tensor:
    sigma = (1 - alphas_cumprod[t]).sqrt().reshape(-1, *[1] * (x.ndim - 1)).to(x.dtype)
    with torch.set_grad_enabled(True):
        z = x.detach().requires_grad_()
        found = log_prob(z, t)
        (slope,) = torch.autograd.grad(found, z, torch.ones_like(found))
    return -sigma * (-eps / sigma + scale * slope)


@variant("classifier_guided_eps", title="the factor inside the sum")
def factor_inside(
    eps: Tensor, log_prob: _Model, x: Tensor, t: Tensor, alphas_cumprod: Tensor, scale: float
) -> Tensor:
    factor = scale * (1 - alphas_cumprod[t]).sqrt().to(x.dtype)
    with torch.enable_grad():
        z = x.detach().requires_grad_()
        (moved,) = torch.autograd.grad((factor * log_prob(z, t)).sum(), z)
    return torch.sub(eps, moved)


# --- log_likelihood -------------------------------------------------------------------------------------


@variant("log_likelihood", defines="divergence", title="one-hot cotangents, with f called for each")
def one_hot(f: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    total = torch.zeros(x.shape[0]).to(x)
    for i in range(x[0].numel()):
        with torch.enable_grad():
            z = x.detach().clone().requires_grad_()
            out = f(z)
            pick = torch.zeros(x[0].numel()).to(out)
            pick[i] = 1
            (row,) = torch.autograd.grad(out, z, pick.view(x.shape[1:]).expand_as(out))
        total += (row * pick.view(x.shape[1:])).reshape(len(x), -1).sum(1)
    return total


@variant(
    "log_likelihood", defines="divergence", title="the whole batch's Jacobian, and what of it is to be had"
)
def whole_jacobian(f: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    with torch.enable_grad():
        jacobian = torch.autograd.functional.jacobian(f, x.detach())  # type: ignore[no-untyped-call]
    own = jacobian.reshape(x.numel(), x.numel()).diagonal()
    return own.reshape(len(x), -1).sum(1)


@variant("log_likelihood", defines="hutchinson", title="the probe as the cotangent")
def as_cotangent(f: Callable[[Tensor], Tensor], x: Tensor, probe: Tensor) -> Tensor:
    with torch.enable_grad():
        z = x.detach().requires_grad_()
        (g,) = torch.autograd.grad(f(z), z, grad_outputs=probe)
    return torch.einsum("bi,bi->b", g.flatten(1), probe.flatten(1))


@variant("log_likelihood", defines="hutchinson", title="by backward")
def hutchinson_by_backward(f: Callable[[Tensor], Tensor], x: Tensor, probe: Tensor) -> Tensor:
    with torch.enable_grad():
        z = x.detach().clone().requires_grad_()
        f(z).backward(probe)
    assert z.grad is not None
    return (z.grad * probe).sum(dim=tuple(range(1, x.dim())))


def _trace(f: Callable[[Tensor], Tensor], x: Tensor) -> tuple[Tensor, Tensor]:
    with torch.enable_grad():
        z = x.detach().requires_grad_()
        out = f(z)
        rows = [
            torch.autograd.grad(column.sum(), z, retain_graph=True)[0].flatten(1)
            for column in out.flatten(1).unbind(1)
        ]
    return out.detach(), torch.stack(rows, 1).diagonal(dim1=1, dim2=2).sum(1)


@variant("log_likelihood", title="place and density as one state, the prior by a standard normal")
def one_state(score: _Model, x: Tensor, sigmas: Sequence[float]) -> Tensor:
    gained = x.new_zeros(len(x))
    for k in range(len(sigmas) - 1):
        a, b = sigmas[k], sigmas[k + 1]
        v, d = _trace(lambda z, a=a: -a * score(z, z.detach().new_full((len(z),), a)), x)
        w, e = _trace(lambda z, b=b: -b * score(z, z.detach().new_full((len(z),), b)), x + (b - a) * v)
        x, gained = x + (b - a) / 2 * (v + w), gained + (b - a) / 2 * (d + e)
    z = (x / sigmas[-1]).flatten(1)
    return gained - 0.5 * (z.pow(2) + math.log(2 * math.pi)).sum(1) - z.shape[1] * math.log(sigmas[-1])


@variant("log_likelihood", title="the divergence of the score alone, multiplied afterwards")
def divergence_of_the_score(score: _Model, x: Tensor, sigmas: Sequence[float]) -> Tensor:
    out = torch.zeros(x.shape[0], dtype=x.dtype, device=x.device)
    for here, there in itertools.pairwise(sigmas):
        levels = [torch.full((len(x),), s, dtype=x.dtype, device=x.device) for s in (here, there)]
        s1, d1 = _trace(lambda z: score(z, levels[0]), x)  # noqa: B023
        s2, d2 = _trace(lambda z: score(z, levels[1]), x - (there - here) * here * s1)  # noqa: B023
        x = x - (there - here) * (here * s1 + there * s2) / 2
        out = out - (there - here) * (here * d1 + there * d2) / 2
    variance = sigmas[-1] ** 2
    for number in x.flatten(1).unbind(1):
        out = out - number**2 / (2 * variance) - 0.5 * math.log(2 * math.pi * variance)
    return out
