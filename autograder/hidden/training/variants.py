"""Correct answers of the module `training`, each written differently from the reference."""

from __future__ import annotations

from collections.abc import Callable
from itertools import chain
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from autograder.testing import variant
from course import parts
from solutions.training import ddpm_loss, edm_scalings, eps_from_x0, velocity

_Model = Callable[[Tensor, Tensor], Tensor]


def _factors(alphas_cumprod: Tensor, t: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
    abar = alphas_cumprod[t].view(len(x), *[1] * (x.dim() - 1))
    return abar.sqrt().to(x.dtype), (1 - abar).sqrt().to(x.dtype)


# --- x0_from_eps, eps_from_x0 -----------------------------------------------------------------------------


@variant("x0_from_eps", title="through the ratio of the two factors")
def through_sigma(xt: Tensor, eps: Tensor, t: Tensor, alphas_cumprod: Tensor) -> Tensor:
    abar = alphas_cumprod[t].reshape(-1, *[1] * (xt.ndim - 1))
    return xt * abar.rsqrt().to(xt.dtype) - (1 / abar - 1).sqrt().to(xt.dtype) * eps


@variant("x0_from_eps", title="sample by sample")
def sample_by_sample(xt: Tensor, eps: Tensor, t: Tensor, alphas_cumprod: Tensor) -> Tensor:
    made = []
    for i in range(len(xt)):
        abar = alphas_cumprod[t[i]]
        made.append((xt[i] - (1 - abar).sqrt().to(xt.dtype) * eps[i]) / abar.sqrt().to(xt.dtype))
    return torch.stack(made)


@variant("x0_from_eps", title="in float32, with addcmul and in-place division")
def in_single_precision(xt: Tensor, eps: Tensor, t: Tensor, alphas_cumprod: Tensor) -> Tensor:
    signal, rest = _factors(alphas_cumprod.float(), t, xt.float())
    return torch.addcmul(xt.float(), rest, eps.float(), value=-1).div(signal).to(xt.dtype)


@variant("x0_from_eps", title="the batch moved to the end", defines="eps_from_x0")
def batch_at_the_end(xt: Tensor, x0: Tensor, t: Tensor, alphas_cumprod: Tensor) -> Tensor:
    abar = alphas_cumprod.gather(0, t)
    signal, rest = abar.sqrt().to(xt.dtype), (1 - abar).sqrt().to(xt.dtype)
    return ((xt.movedim(0, -1) - signal * x0.movedim(0, -1)) / rest).movedim(-1, 0)


@variant("x0_from_eps", title="through the ratio of the two factors", defines="eps_from_x0")
def noise_through_sigma(xt: Tensor, x0: Tensor, t: Tensor, alphas_cumprod: Tensor) -> Tensor:
    signal, rest = _factors(alphas_cumprod, t, xt)
    return xt / rest - signal / rest * x0


@variant("x0_from_eps", title="the table's roots taken first", defines="eps_from_x0")
def roots_first(xt: Tensor, x0: Tensor, t: Tensor, alphas_cumprod: Tensor) -> Tensor:
    shape = [-1] + [1] * (xt.ndim - 1)
    signal = torch.sqrt(alphas_cumprod).to(xt.dtype)[t].reshape(shape)
    rest = torch.sqrt(1.0 - alphas_cumprod).to(xt.dtype)[t].reshape(shape)
    return torch.sub(xt, torch.mul(signal, x0)).div(rest)


# --- velocity, from_velocity ------------------------------------------------------------------------------


@variant("velocity", title="by the angle")
def by_the_angle(x0: Tensor, noise: Tensor, t: Tensor, alphas_cumprod: Tensor) -> Tensor:
    signal, rest = _factors(alphas_cumprod, t, x0)
    angle = torch.atan2(rest, signal)
    return torch.cos(angle) * noise - torch.sin(angle) * x0


@variant("velocity", title="sample by sample")
def velocity_of_each(x0: Tensor, noise: Tensor, t: Tensor, alphas_cumprod: Tensor) -> Tensor:
    signal, rest = alphas_cumprod.sqrt().to(x0.dtype), (1 - alphas_cumprod).sqrt().to(x0.dtype)
    return torch.stack([signal[t[i]] * noise[i] - rest[t[i]] * x0[i] for i in range(len(x0))])


@variant("velocity", title="addcmul, and the factors expanded to the samples")
def expanded(x0: Tensor, noise: Tensor, t: Tensor, alphas_cumprod: Tensor) -> Tensor:
    signal, rest = (factor.expand_as(x0) for factor in _factors(alphas_cumprod, t, x0))
    return torch.addcmul(signal * noise, rest, x0, value=-1)


@variant("velocity", title="the picture first, the noise out of what is left", defines="from_velocity")
def one_after_the_other(xt: Tensor, v: Tensor, t: Tensor, alphas_cumprod: Tensor) -> tuple[Tensor, Tensor]:
    signal, rest = _factors(alphas_cumprod, t, xt)
    x0 = signal * xt - rest * v
    # Turned by a right angle, the velocity of x0 and noise is x_t: no division here either.
    return x0, signal * v + rest * xt


@variant("velocity", title="a rotation as a matrix product", defines="from_velocity")
def rotation(xt: Tensor, v: Tensor, t: Tensor, alphas_cumprod: Tensor) -> tuple[Tensor, Tensor]:
    abar = alphas_cumprod[t].to(xt.dtype)
    c, s = abar.sqrt(), (1 - alphas_cumprod[t]).sqrt().to(xt.dtype)
    turned = torch.stack([torch.stack([c, -s], -1), torch.stack([s, c], -1)], -2)  # [B, 2, 2]
    both = torch.stack([xt.reshape(len(xt), -1), v.reshape(len(v), -1)], 1)  # [B, 2, N]
    x0, eps = (turned @ both).unbind(1)
    return x0.reshape(xt.shape).clone(), eps.reshape(xt.shape).clone()


@variant("velocity", title="sample by sample", defines="from_velocity")
def back_for_each(xt: Tensor, v: Tensor, t: Tensor, alphas_cumprod: Tensor) -> tuple[Tensor, Tensor]:
    pictures, noises = [], []
    for x, speed, step in zip(xt, v, t, strict=True):
        c, s = alphas_cumprod[step].sqrt().to(x.dtype), (1 - alphas_cumprod[step]).sqrt().to(x.dtype)
        pictures.append(c * x - s * speed)
        noises.append(s * x + c * speed)
    return torch.stack(pictures), torch.stack(noises)


# --- ddpm_loss --------------------------------------------------------------------------------------------


@variant("ddpm_loss", title="mse_loss without reduction, weights lined up with the numbers")
def with_mse_loss(
    model: _Model,
    x0: Tensor,
    t: Tensor,
    noise: Tensor,
    alphas_cumprod: Tensor,
    prediction: str = "eps",
    weights: Tensor | None = None,
) -> Tensor:
    match prediction:
        case "eps":
            target = noise
        case "x0":
            target = x0
        case "v":
            target = velocity(x0, noise, t, alphas_cumprod)
        case _:
            raise ValueError(f"unknown prediction {prediction}")
    predicted = model(parts.noise.q_sample(x0, t, noise, alphas_cumprod), t)
    loss = F.mse_loss(predicted, target, reduction="none")
    if weights is not None:
        loss = loss * weights.view(-1, *[1] * (x0.dim() - 1))
    return loss.mean()


@variant("ddpm_loss", title="sums and divisions by hand, in a loop over the samples")
def in_a_loop(
    model: _Model,
    x0: Tensor,
    t: Tensor,
    noise: Tensor,
    alphas_cumprod: Tensor,
    prediction: str = "eps",
    weights: Tensor | None = None,
) -> Tensor:
    targets = {"eps": lambda: noise, "x0": lambda: x0, "v": lambda: velocity(x0, noise, t, alphas_cumprod)}
    if prediction not in targets:
        raise ValueError(prediction)
    signal, rest = _factors(alphas_cumprod, t, x0)
    answer, target = model(signal * x0 + rest * noise, t), targets[prediction]()
    loss = x0.new_zeros(())
    for i in range(len(x0)):
        mean = ((answer[i] - target[i]) ** 2).sum() / target[i].numel()
        loss = loss + (mean if weights is None else weights[i] * mean)
    return loss / len(x0)


@variant("ddpm_loss", title="a dot product of weights and errors, the velocity through the noise")
def as_a_dot_product(
    model: _Model,
    x0: Tensor,
    t: Tensor,
    noise: Tensor,
    alphas_cumprod: Tensor,
    prediction: str = "eps",
    weights: Tensor | None = None,
) -> Tensor:
    assert len(x0) == len(t)
    signal, rest = _factors(alphas_cumprod, t, x0)
    xt = signal * x0 + rest * noise
    if prediction == "v":
        target = signal * eps_from_x0(xt, x0, t, alphas_cumprod) - rest * x0
    elif prediction in ("eps", "x0"):
        target = noise if prediction == "eps" else x0
    else:
        raise ValueError("prediction should be eps, x0 or v")
    each = torch.linalg.vector_norm((model(xt, t) - target).reshape(len(x0), -1), dim=1) ** 2
    counts = torch.ones_like(each) if weights is None else weights
    return counts @ each / (each.numel() * x0[0].numel())


# --- train_step -------------------------------------------------------------------------------------------


@variant("train_step", title="gradients set back at the end, and before")
def set_back_at_the_end(
    model: nn.Module,
    optimizer: Any,
    x0: Tensor,
    t: Tensor,
    noise: Tensor,
    alphas_cumprod: Tensor,
    prediction: str = "eps",
    max_norm: float | None = None,
) -> float:
    optimizer.zero_grad(set_to_none=False)
    loss = ddpm_loss(model, x0, t, noise, alphas_cumprod, prediction)
    loss.backward()
    if max_norm is not None:
        torch.nn.utils.clip_grad_norm_(model.parameters(), max_norm=max_norm)
    optimizer.step()
    optimizer.zero_grad()
    return float(loss.detach())


@variant("train_step", title="gradients asked for, clipped by hand and put in place")
def with_autograd(
    model: nn.Module,
    optimizer: Any,
    x0: Tensor,
    t: Tensor,
    noise: Tensor,
    alphas_cumprod: Tensor,
    prediction: str = "eps",
    max_norm: float | None = None,
) -> float:
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    loss = ddpm_loss(model, x0, t, noise, alphas_cumprod, prediction)
    found = torch.autograd.grad(loss, parameters)
    scale = 1.0
    if max_norm is not None:
        norm = sum(float(gradient.square().sum()) for gradient in found) ** 0.5
        scale = min(1.0, max_norm / (norm + 1e-12))
    for parameter, gradient in zip(parameters, found, strict=True):
        parameter.grad = scale * gradient
    optimizer.step()
    return float(loss.item())


@variant("train_step", title="a closure for the optimizer")
def with_a_closure(
    model: nn.Module,
    optimizer: Any,
    x0: Tensor,
    t: Tensor,
    noise: Tensor,
    alphas_cumprod: Tensor,
    prediction: str = "eps",
    max_norm: float | None = None,
) -> float:
    def closure() -> Tensor:
        model.zero_grad()
        loss = ddpm_loss(model, x0, t, noise, alphas_cumprod, prediction)
        loss.backward()
        if max_norm:
            nn.utils.clip_grad_norm_(model.parameters(), max_norm)
        return loss

    loss: Tensor = optimizer.step(closure)
    return loss.item()


# --- ema_update -------------------------------------------------------------------------------------------


@variant("ema_update", title="lerp_, from the model's side")
@torch.no_grad()
def with_lerp(average: nn.Module, model: nn.Module, decay: float) -> None:
    for mean, new in zip(average.parameters(), model.parameters(), strict=True):
        mean.lerp_(new, 1 - decay)
    for kept, current in zip(average.buffers(), model.buffers(), strict=True):
        kept.copy_(current)


@variant("ema_update", title="by name, on detached tensors")
def by_name(average: nn.Module, model: nn.Module, decay: float) -> None:
    new = dict(model.named_parameters())
    for name, mean in average.named_parameters():
        mean.data.copy_(decay * mean.data + (1 - decay) * new[name].data)
    buffers = dict(model.named_buffers())
    for name, buffer in average.named_buffers():
        buffer.data.copy_(buffers[name].data)


@variant("ema_update", title="a new state, loaded")
@torch.no_grad()
def loaded(average: nn.Module, model: nn.Module, decay: float) -> None:
    state, names = model.state_dict(), {name for name, _ in average.named_parameters()}
    mixed = {
        name: mean + (1 - decay) * (state[name] - mean) if name in names else state[name]
        for name, mean in average.state_dict().items()
    }
    average.load_state_dict(mixed)


# --- min_snr_weight ---------------------------------------------------------------------------------------


@variant("min_snr_weight", title="the limit put in with where")
def with_where(snr: Tensor, prediction: str = "eps", gamma: float = 5.0) -> Tensor:
    capped = torch.minimum(snr, torch.full_like(snr, gamma))
    if prediction == "eps":
        return torch.where(snr == 0, torch.ones_like(snr), capped / torch.where(snr == 0, 1.0, snr).to(snr))
    if prediction == "x0":
        return capped
    if prediction == "v":
        return capped / (1 + snr)
    raise ValueError(f"no such prediction: {prediction}")


@variant("min_snr_weight", title="through abar")
def through_abar(snr: Tensor, prediction: str = "eps", gamma: float = 5.0) -> Tensor:
    rest = 1 / (1 + snr)  # 1 - abar
    weights = {
        "eps": (gamma / snr).clamp(max=1),
        "x0": torch.where(snr < gamma, snr, gamma).to(snr.dtype),
        "v": snr.clamp(0, gamma) * rest,
    }
    if prediction not in weights:
        raise ValueError(prediction)
    return weights[prediction]


@variant("min_snr_weight", title="number by number")
def number_by_number(snr: Tensor, prediction: str = "eps", gamma: float = 5.0) -> Tensor:
    def weight(ratio: Tensor) -> Tensor:
        least = ratio if ratio < gamma else torch.full_like(ratio, gamma)
        if prediction == "eps":
            return torch.ones_like(ratio) if ratio <= gamma else gamma / ratio
        if prediction == "v":
            return least / (ratio + 1)
        if prediction == "x0":
            return least
        raise ValueError(prediction)

    return torch.stack([weight(one) for one in snr.reshape(-1)]).reshape(snr.shape)


# --- elbo_term --------------------------------------------------------------------------------------------


@variant("elbo_term", title="the two means, and their distance")
def of_two_means(x0: Tensor, guess: Tensor, t: Tensor, betas: Tensor) -> Tensor:
    abar = torch.cumprod(1 - betas, 0)
    before = torch.cat([abar.new_ones(1), abar[:-1]])
    factor = (before.sqrt() * betas / (1 - abar))[t].reshape(-1, *[1] * (x0.ndim - 1)).to(x0.dtype)
    variance = (betas * (1 - before) / (1 - abar))[t].to(x0.dtype)
    apart = factor * x0 - factor * guess
    return 0.5 * apart.pow(2).flatten(1).sum(1) / variance


@variant("elbo_term", title="the whole formula of the divergence, with logarithms that cancel")
def with_logarithms(x0: Tensor, guess: Tensor, t: Tensor, betas: Tensor) -> Tensor:
    abar = (1 - betas).log().cumsum(0).exp()
    own = (-1, *[1] * (x0.ndim - 1))
    before, now, beta = (values.reshape(own).to(x0.dtype) for values in (abar[t - 1], abar[t], betas[t]))
    variance = beta * (1 - before) / (1 - now)
    difference = before.sqrt() * beta / (1 - now) * (x0 - guess)
    each = variance.log() / 2 - variance.log() / 2 + (variance + difference**2) / (2 * variance) - 0.5
    return each.sum(tuple(range(1, x0.ndim)))


@variant("elbo_term", title="sample by sample, with a dot product")
def with_a_dot_product(x0: Tensor, guess: Tensor, t: Tensor, betas: Tensor) -> Tensor:
    abar = torch.cumprod(1 - betas, 0)
    costs = []
    for one, other, step in zip(x0, guess, t.tolist(), strict=True):
        off = (one - other).reshape(-1)
        fall = 1 / (1 / abar[step - 1] - 1) - 1 / (1 / abar[step] - 1)
        costs.append((off @ off) * (fall / 2).to(off.dtype))
    return torch.stack(costs)


# --- edm_scalings, edm_denoise ----------------------------------------------------------------------------

_Scalings = tuple[Tensor, Tensor, Tensor, Tensor]


@variant("edm_scalings", title="with hypot")
def with_hypot(sigma: Tensor, sigma_data: float = 0.5) -> _Scalings:
    length = torch.hypot(sigma, torch.full_like(sigma, sigma_data))
    return (sigma_data / length) ** 2, sigma_data * sigma / length, length**-1, torch.log(sigma) * 0.25


@variant("edm_scalings", title="through the ratio of the two deviations")
def through_the_ratio(sigma: Tensor, sigma_data: float = 0.5) -> _Scalings:
    ratio = sigma / sigma_data
    c_skip = 1 / (1 + ratio.square())
    return c_skip, sigma * c_skip.sqrt(), c_skip.sqrt() / sigma_data, sigma.log().div(4)


@variant("edm_scalings", title="level by level, in Python's numbers")
def level_by_level(sigma: Tensor, sigma_data: float = 0.5) -> _Scalings:
    rows = []
    for level in sigma.tolist():
        total = level * level + sigma_data * sigma_data
        rows.append([sigma_data**2 / total, level * sigma_data / total**0.5, total**-0.5, np.log(level) / 4])
    columns = torch.tensor(rows, dtype=sigma.dtype, device=sigma.device).T
    return columns[0].clone(), columns[1].clone(), columns[2].clone(), columns[3].clone()


@variant("edm_scalings", title="the batch moved to the end", defines="edm_denoise")
def denoise_at_the_end(model: _Model, x: Tensor, sigma: Tensor, sigma_data: float = 0.5) -> Tensor:
    c_skip, c_out, c_in, c_noise = edm_scalings(sigma, sigma_data)
    inside = (x.movedim(0, -1) * c_in).movedim(-1, 0)
    answer = model(inside, c_noise).movedim(0, -1)
    return (c_skip * x.movedim(0, -1) + c_out * answer).movedim(-1, 0)


@variant("edm_scalings", title="lined up one by one", defines="edm_denoise")
def lined_up(model: _Model, x: Tensor, sigma: Tensor, sigma_data: float = 0.5) -> Tensor:
    *scales, told = edm_scalings(sigma, sigma_data)
    for _ in chain(x.shape[1:]):
        scales = [scale.unsqueeze(-1) for scale in scales]
    skip, out, into = scales
    return torch.addcmul(skip * x, out, model(into * x, told))


@variant("edm_scalings", title="written out without edm_scalings", defines="edm_denoise")
def written_out(model: _Model, x: Tensor, sigma: Tensor, sigma_data: float = 0.5) -> Tensor:
    level = sigma.reshape(sigma.shape + (1,) * (x.dim() - 1))
    length = (level * level + sigma_data**2).sqrt()
    inner = model(x / length, sigma.log() / 4)
    return x * (sigma_data / length) ** 2 + inner * (level / length) * sigma_data
