"""Correct answers of the module `sampling`, each written differently from the reference."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from autograder.testing import variant

_Model = Callable[..., Tensor]


def _abar(alphas_cumprod: Tensor, t: int) -> Tensor:
    one = torch.ones((), dtype=alphas_cumprod.dtype, device=alphas_cumprod.device)
    return alphas_cumprod[t] if t >= 0 else one


# --- ddpm_step ------------------------------------------------------------------------------------------


@variant("ddpm_step", title="the mean by eps, as in the paper's algorithm")
def ddpm_mean_by_eps(
    xt: Tensor, eps: Tensor, t: int, t_next: int, noise: Tensor, alphas_cumprod: Tensor, clip: bool = False
) -> Tensor:
    a, b = (float(_abar(alphas_cumprod, each)) for each in (t, t_next))
    if clip:
        x0 = ((xt - math.sqrt(1 - a) * eps) / math.sqrt(a)).clamp(-1, 1)
        eps = (xt - math.sqrt(a) * x0) / math.sqrt(1 - a)
    beta = 1 - a / b
    return (xt - beta / math.sqrt(1 - a) * eps) / math.sqrt(1 - beta) + math.sqrt(
        beta * (1 - b) / (1 - a)
    ) * noise


@variant("ddpm_step", title="roots of tensors, cast last")
def ddpm_in_tensors(
    xt: Tensor, eps: Tensor, t: int, t_next: int, noise: Tensor, alphas_cumprod: Tensor, clip: bool = False
) -> Tensor:
    a, b = _abar(alphas_cumprod, t), _abar(alphas_cumprod, t_next)
    x0 = (xt - (1 - a).sqrt().to(xt.dtype) * eps) / a.sqrt().to(xt.dtype)
    x0 = torch.clamp(x0, -1, 1) if clip else x0
    alpha = a / b
    mean = (b.sqrt() * (1 - alpha) / (1 - a)).to(xt.dtype) * x0
    mean = mean + (alpha.sqrt() * (1 - b) / (1 - a)).to(xt.dtype) * xt
    return mean + ((1 - alpha) * (1 - b) / (1 - a)).clamp(min=0).sqrt().to(xt.dtype) * noise


@variant("ddpm_step", title="as DDIM with eta 1, in one expression each")
def ddpm_as_ddim(
    xt: Tensor, eps: Tensor, t: int, t_next: int, noise: Tensor, alphas_cumprod: Tensor, clip: bool = False
) -> Tensor:
    if t_next == -1:
        a, b = alphas_cumprod[t].item(), 1.0
    else:
        a, b = alphas_cumprod[[t, t_next]].tolist()
    x0 = (xt - (1 - a) ** 0.5 * eps).div(a**0.5)
    if clip:
        x0 = torch.minimum(torch.maximum(x0, -torch.ones_like(x0)), torch.ones_like(x0))
    variance = (1 - b) / (1 - a) * (1 - a / b)
    old = (xt - a**0.5 * x0) / (1 - a) ** 0.5
    return x0 * b**0.5 + old * max(1 - b - variance, 0.0) ** 0.5 + noise * variance**0.5


# --- sample ---------------------------------------------------------------------------------------------


@variant("sample", title="by index, with a decorator", defines="sample")
@torch.no_grad()
def by_index(model: _Model, x: Tensor, timesteps: list[int], step: _Model) -> Tensor:
    n = len(timesteps)
    for i in range(n):
        t_next = timesteps[i + 1] if i + 1 < n else -1
        times = torch.tensor([timesteps[i]] * x.shape[0], device=x.device)
        x = step(x, model(x, times), timesteps[i], t_next)
    return x


@variant("sample", title="inference without gradients set by hand, going through pairs")
def through_pairs(model: _Model, x: Tensor, timesteps: list[int], step: _Model) -> Tensor:
    times = [*timesteps, -1]
    with torch.set_grad_enabled(False):
        while len(times) > 1:
            now = times.pop(0)
            eps = model(x, now + torch.zeros(len(x), dtype=torch.long, device=x.device))
            x = step(x, eps, now, times[0])
    return x


@variant("sample", title="one step and the rest by recursion")
def by_recursion(model: _Model, x: Tensor, timesteps: list[int], step: _Model) -> Tensor:
    def go(x: Tensor, times: list[int]) -> Tensor:
        if not times:
            return x
        first, *others = times
        eps = model(x, torch.full((x.size(0),), first, dtype=torch.int64, device=x.device))
        return go(step(x, eps, first, others[0] if others else -1), others)

    with torch.no_grad():
        return go(x, timesteps)


# --- ddim_timesteps -------------------------------------------------------------------------------------


@variant("ddim_timesteps", title="ranges of Python, and rounding by whole numbers")
def of_ranges(T: int, n: int, spacing: str = "leading") -> list[int]:
    stride = T // n
    if spacing == "leading":
        return list(range((n - 1) * stride, -1, -stride))
    if spacing != "trailing":
        raise ValueError("spacing")
    return [(2 * T * k + n) // (2 * n) - 1 for k in range(n, 0, -1)]


@variant("ddim_timesteps", title="tensors, turned into lists")
def of_tensors(T: int, n: int, spacing: str = "leading") -> list[int]:
    match spacing:
        case "leading":
            return (torch.arange(n).flip(0) * (T // n)).tolist()  # type: ignore[no-any-return]
        case "trailing":
            steps = torch.arange(n, 0, -1, dtype=torch.float64) * T / n
            return [int(each) - 1 for each in steps.round()]
    raise ValueError(f"no such spacing: {spacing}")


@variant("ddim_timesteps", title="counted down from T in float steps")
def counted_down(T: int, n: int, spacing: str = "leading") -> list[int]:
    assert 1 <= n <= T
    if spacing not in {"leading", "trailing"}:
        raise ValueError(spacing)
    found = []
    for i in range(n):
        if spacing == "leading":
            found.append((n - 1 - i) * (T // n))
        else:
            found.append(int(T - T / n * i + 0.5) - 1)
    return found


# --- ddim_step ------------------------------------------------------------------------------------------


@variant("ddim_step", title="the noise always computed from xt and x0")
def noise_from_both(
    xt: Tensor,
    eps: Tensor,
    t: int,
    t_next: int,
    alphas_cumprod: Tensor,
    eta: float = 0.0,
    noise: Tensor | None = None,
    clip: bool = False,
) -> Tensor:
    a, b = (float(_abar(alphas_cumprod, each)) for each in (t, t_next))
    limit = 1.0 if clip else math.inf
    x0 = ((xt - math.sqrt(1 - a) * eps) / math.sqrt(a)).clamp(-limit, limit)
    old = (xt - math.sqrt(a) * x0) / math.sqrt(1 - a)
    s = eta * math.sqrt((1 - b) / (1 - a) * (1 - a / b)) if eta else 0.0
    out = math.sqrt(b) * x0 + math.sqrt(max(1 - b - s * s, 0)) * old
    return out + s * (torch.zeros_like(xt) if noise is None else noise)


@variant("ddim_step", title="a weighted sum of xt and x0, in tensors")
def weighted_sum(
    xt: Tensor,
    eps: Tensor,
    t: int,
    t_next: int,
    alphas_cumprod: Tensor,
    eta: float = 0.0,
    noise: Tensor | None = None,
    clip: bool = False,
) -> Tensor:
    a, b = _abar(alphas_cumprod, t), _abar(alphas_cumprod, t_next)
    x0 = xt / a.sqrt().to(xt.dtype) - ((1 - a) / a).sqrt().to(xt.dtype) * eps
    if clip:
        x0 = x0.clip(-1, 1)
    variance = eta**2 * (1 - b) / (1 - a) * (1 - a / b)
    of_xt = ((1 - b - variance).clamp(min=0) / (1 - a)).sqrt()
    out = of_xt.to(xt.dtype) * xt + (b.sqrt() - of_xt * a.sqrt()).to(xt.dtype) * x0
    if noise is not None and eta > 0:
        out = out + variance.clamp(min=0).sqrt().to(xt.dtype) * noise
    return out


@variant("ddim_step", title="three terms, added with alpha")
def added_with_alpha(
    xt: Tensor,
    eps: Tensor,
    t: int,
    t_next: int,
    alphas_cumprod: Tensor,
    eta: float = 0.0,
    noise: Tensor | None = None,
    clip: bool = False,
) -> Tensor:
    now, after = alphas_cumprod[t].item(), 1.0 if t_next == -1 else alphas_cumprod[t_next].item()
    x0 = torch.sub(xt, eps, alpha=math.sqrt(1 - now)) / math.sqrt(now)
    if clip:
        x0 = F.hardtanh(x0)
        eps = torch.sub(xt, x0, alpha=math.sqrt(now)) / math.sqrt(1 - now)
    part = (1 - after) * (now - after) / (now - 1) / after * eta**2
    total = torch.add(x0 * math.sqrt(after), eps, alpha=math.sqrt(max(1 - after - part, 0)))
    return total if noise is None else torch.add(total, noise, alpha=math.sqrt(part))


# --- ddim_invert ----------------------------------------------------------------------------------------


@variant("ddim_invert", title="written out, with abar 1 at the start")
@torch.no_grad()
def invert_written_out(model: _Model, x0: Tensor, timesteps: list[int], alphas_cumprod: Tensor) -> Tensor:
    x, now = x0, 1.0
    for t in reversed(timesteps):
        after = float(alphas_cumprod[t])
        eps = model(x, torch.full((x.shape[0],), t, device=x.device, dtype=torch.long))
        clean = (x - math.sqrt(1 - now) * eps) / math.sqrt(now)
        x = math.sqrt(after) * clean + math.sqrt(1 - after) * eps
        now = after
    return x


@variant("ddim_invert", title="by what grows along the way, x over the root of abar")
def invert_scaled(model: _Model, x0: Tensor, timesteps: list[int], alphas_cumprod: Tensor) -> Tensor:
    ratio = [0.0] + [math.sqrt(1 / float(alphas_cumprod[t]) - 1) for t in timesteps[::-1]]
    y, x = x0, x0
    with torch.no_grad():
        for i, t in enumerate(sorted(timesteps)):
            eps = model(x, torch.tensor([t] * len(x), device=x.device))
            y = y + (ratio[i + 1] - ratio[i]) * eps
            x = y * math.sqrt(float(alphas_cumprod[t]))
    return x


@variant("ddim_invert", title="tables with the clean sample in front")
def invert_by_table(model: _Model, x0: Tensor, timesteps: list[int], alphas_cumprod: Tensor) -> Tensor:
    places = torch.tensor(timesteps[::-1], device=alphas_cumprod.device)
    abar = torch.cat([torch.ones_like(alphas_cumprod[:1]), alphas_cumprod[places]])
    x = x0.clone()
    with torch.inference_mode():
        for i in range(len(timesteps)):
            a, b = abar[i], abar[i + 1]
            eps = model(x, places[i].expand(len(x)).to(x.device))
            x = (b / a).sqrt().to(x.dtype) * x + ((1 - b).sqrt() - (b * (1 - a) / a).sqrt()).to(x.dtype) * eps
    return x.clone()


# --- dpm_solver_step ------------------------------------------------------------------------------------


@variant("dpm_solver_step", title="two terms, and a logarithm of standard deviations")
def dpm_two_terms(
    xt: Tensor,
    x0_now: Tensor,
    x0_before: Tensor | None,
    t_before: int | None,
    t: int,
    t_next: int,
    alphas_cumprod: Tensor,
) -> Tensor:
    def level(t: int) -> float:
        a = float(alphas_cumprod[t])
        return math.log(math.sqrt(a)) - math.log(math.sqrt(1 - a))

    if t_next == -1:
        return x0_now + torch.zeros_like(x0_now)
    h = level(t_next) - level(t)
    a, b = float(alphas_cumprod[t]), float(alphas_cumprod[t_next])
    weight = math.sqrt(b) * (1 - math.exp(-h))
    out = math.sqrt((1 - b) / (1 - a)) * xt + weight * x0_now
    if x0_before is None:
        return out
    assert t_before is not None
    return out + weight / 2 * h / (level(t) - level(t_before)) * (x0_now - x0_before)


@variant("dpm_solver_step", title="in tensors of the table's precision, with lerp for the line")
def dpm_in_tensors(
    xt: Tensor,
    x0_now: Tensor,
    x0_before: Tensor | None,
    t_before: int | None,
    t: int,
    t_next: int,
    alphas_cumprod: Tensor,
) -> Tensor:
    if t_next < 0:
        return x0_now * 1
    level = 0.5 * torch.logit(alphas_cumprod.double())
    a, b, h = alphas_cumprod[t], alphas_cumprod[t_next], level[t_next] - level[t]
    middle = x0_now
    if x0_before is not None:
        share = 1 + 0.5 * h / (level[t] - level[t_before])
        middle = torch.lerp(x0_before, x0_now, float(share))
    kept = ((1 - b) / (1 - a)).sqrt().to(xt.dtype)
    return kept * xt - (b.sqrt() * torch.expm1(-h)).to(xt.dtype) * middle


@variant("dpm_solver_step", title="as a step of DDIM with another prediction")
def dpm_as_ddim(
    xt: Tensor,
    x0_now: Tensor,
    x0_before: Tensor | None,
    t_before: int | None,
    t: int,
    t_next: int,
    alphas_cumprod: Tensor,
) -> Tensor:
    if t_next < 0:
        return x0_now.clone()
    sigma = {
        each: math.sqrt(1 / float(alphas_cumprod[each]) - 1)
        for each in (t, t_next, t_before)
        if each is not None
    }
    x0 = x0_now
    if x0_before is not None and t_before is not None:
        slope = (x0_now - x0_before) / math.log(sigma[t_before] / sigma[t])
        x0 = x0_now + slope * math.log(sigma[t] / sigma[t_next]) / 2
    a, b = float(alphas_cumprod[t]), float(alphas_cumprod[t_next])
    eps = (xt - math.sqrt(a) * x0) / math.sqrt(1 - a)
    return math.sqrt(b) * x0 + math.sqrt(1 - b) * eps


# --- karras_sigmas and heun_step ------------------------------------------------------------------------


@variant("heun_step", title="a list of Python's numbers", defines="karras_sigmas")
def sigmas_of_numbers(n: int, sigma_min: float, sigma_max: float, rho: float = 7.0) -> Tensor:
    high, low = sigma_max ** (1 / rho), sigma_min ** (1 / rho)
    sigmas = [(high + i / max(n - 1, 1) * (low - high)) ** rho for i in range(n)] + [0.0]
    return torch.tensor(sigmas, dtype=torch.float64)


@variant("heun_step", title="roots evenly spaced by linspace, padded", defines="karras_sigmas")
def sigmas_padded(n: int, sigma_min: float, sigma_max: float, rho: float = 7.0) -> Tensor:
    roots = torch.linspace(sigma_max ** (1 / rho), sigma_min ** (1 / rho), n, dtype=torch.float64)
    return F.pad(roots.pow(rho), (0, 1))


@variant("heun_step", title="filled into zeros", defines="karras_sigmas")
def sigmas_filled(n: int, sigma_min: float, sigma_max: float, rho: float = 7.0) -> Tensor:
    out = torch.zeros(n + 1, dtype=torch.double)
    out[0] = sigma_max
    for i in range(1, n):
        share = i / (n - 1)
        out[i] = ((1 - share) * sigma_max ** (1 / rho) + share * sigma_min ** (1 / rho)) ** rho
    return out


_Denoise = Callable[[Tensor, float], Tensor]


@variant("heun_step", title="through the clean samples")
def heun_through_x0(denoise: _Denoise, x: Tensor, sigma: float, sigma_next: float) -> Tensor:
    x0 = denoise(x, sigma)
    if sigma_next == 0:
        return x0 + 0 * x
    trial = x0 + sigma_next / sigma * (x - x0)
    x0_next = denoise(trial, sigma_next)
    return x + (sigma_next - sigma) / 2 * ((x - x0) / sigma + (trial - x0_next) / sigma_next)


@variant("heun_step", title="Euler's step, corrected by half the difference of the slopes")
def heun_corrected(denoise: _Denoise, x: Tensor, sigma: float, sigma_next: float) -> Tensor:
    def slope(x: Tensor, sigma: float) -> Tensor:
        return torch.sub(x, denoise(x, sigma)).div(sigma)

    d, h = slope(x, sigma), sigma_next - sigma
    euler = torch.add(x, d, alpha=h)
    return euler if not sigma_next else euler.add(slope(euler, sigma_next) - d, alpha=h / 2)


@variant("heun_step", title="two half steps, one with each slope")
def heun_in_halves(denoise: _Denoise, x: Tensor, sigma: float, sigma_next: float) -> Tensor:
    half = (sigma_next - sigma) / 2
    first = (x - denoise(x, sigma)) / sigma
    middle = x + half * first
    arrived = middle + half * first
    if sigma_next <= 0:
        return arrived
    return middle + half * ((arrived - denoise(arrived, sigma_next)) / sigma_next)


# --- flow matching --------------------------------------------------------------------------------------


def _lined_up(sigma: Tensor, x: Tensor) -> Tensor:
    return sigma.view(-1, *([1] * (x.dim() - 1)))


@variant("flow_matching_step", title="torch.lerp", defines="flow_matching_pair")
def pair_by_lerp(x0: Tensor, noise: Tensor, sigma: Tensor) -> tuple[Tensor, Tensor]:
    return torch.lerp(x0, noise, _lined_up(sigma.to(x0.dtype), x0)), noise - x0


@variant("flow_matching_step", title="from x0 along the velocity", defines="flow_matching_pair")
def pair_along_the_velocity(x0: Tensor, noise: Tensor, sigma: Tensor) -> tuple[Tensor, Tensor]:
    v = torch.sub(noise, x0)
    return x0 + _lined_up(sigma, x0).to(x0.dtype) * v, v


@variant("flow_matching_step", title="sample by sample", defines="flow_matching_pair")
def pair_by_pair(x0: Tensor, noise: Tensor, sigma: Tensor) -> tuple[Tensor, Tensor]:
    rows = [(1 - s) * clean + s * n for clean, n, s in zip(x0, noise, sigma.tolist(), strict=True)]
    return torch.stack(rows), -x0 + noise


@variant("flow_matching_step", title="torch.add with alpha")
def step_with_alpha(xt: Tensor, v: Tensor, sigma: float, sigma_next: float) -> Tensor:
    return torch.add(xt, v, alpha=sigma_next - sigma)


@variant("flow_matching_step", title="through the clean sample and the noise")
def step_through_both_ends(xt: Tensor, v: Tensor, sigma: float, sigma_next: float) -> Tensor:
    x0, noise = xt - sigma * v, xt + (1 - sigma) * v
    return (1 - sigma_next) * x0 + sigma_next * noise


@variant("flow_matching_step", title="backwards, with a minus")
def step_with_a_minus(xt: Tensor, v: Tensor, sigma: float, sigma_next: float) -> Tensor:
    return xt - v * (sigma - sigma_next)


@variant("flow_matching_step", title="by what is left of the sample", defines="shift_sigmas")
def shift_by_the_rest(sigmas: Tensor, shift: float) -> Tensor:
    return 1 - (1 - sigmas) / (1 + (shift - 1) * sigmas)


@variant("flow_matching_step", title="by the two weights", defines="shift_sigmas")
def shift_by_weights(sigmas: Tensor, shift: float) -> Tensor:
    noise, sample = shift * sigmas, 1 - sigmas
    return noise / (noise + sample)


@variant("flow_matching_step", title="by lerp in the divisor", defines="shift_sigmas")
def shift_by_lerp(sigmas: Tensor, shift: float) -> Tensor:
    divisor = torch.lerp(torch.ones_like(sigmas), torch.full_like(sigmas, shift), sigmas)
    return sigmas.mul(shift).div(divisor)
