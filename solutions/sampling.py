"""Samplers: from noise to a sample, by asking a network that predicts noise again and again.

Reading order is the order of the lesson.

    xt, x             samples on their way, [B, ...]; what a sample is made of does not matter
    eps               the noise that the network finds in them, of the same shape
    t, t_next         Python ints: the whole batch stands at one timestep and goes to another. t_next = -1 is
                      the clean sample, which has no place in the table: its alphas_cumprod is 1
    alphas_cumprod    [T], the share of the clean sample's variance that is left at each timestep
    sigma             in the last exercise but one the standard deviation of the noise, x = x0 + sigma noise;
                      in the last one the share of noise, x = (1 - sigma) x0 + sigma noise
"""

import math
from collections.abc import Callable
from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor


def ddpm_step(
    xt: Float[Tensor, "B ..."],
    eps: Float[Tensor, "B ..."],
    t: int,
    t_next: int,
    noise: Float[Tensor, "B ..."],
    alphas_cumprod: Float[Tensor, "T"],
    clip: bool = False,
) -> Float[Tensor, "B ..."]:
    """One step of DDPM: a draw from the posterior q(x_next | xt, x0), for the x0 that eps implies.

    xt, eps         samples at timestep t and the noise predicted in them; neither is modified.
    t, t_next       -1 <= t_next < t < T. They need not be neighbours: then beta is that of the jump,
                    1 - alphas_cumprod[t] / alphas_cumprod[t_next]. -1 is the clean sample, with
                    alphas_cumprod 1.
    noise           standard normal numbers of xt's shape. Use these; draw none of your own. It has no effect
                    where the variance is 0, which is at t_next = -1.
    alphas_cumprod  0 < abar < 1 at each timestep; float32 or float64, and not modified.
    clip            limit the predicted x0 to -1 ... 1.

    The variance is the posterior's own, `fixed_small` in diffusers.
    Returns a new tensor with the shape, dtype and device of xt. Gradients flow through it, to xt, eps and
    noise.
    Source: Ho et al., "Denoising Diffusion Probabilistic Models" (2020), equations 6 and 7.
    """
    ### BEGIN SOLUTION
    # Python's numbers: as exact as the table, and they leave xt's dtype alone.
    abar = float(alphas_cumprod[t])
    abar_next = float(alphas_cumprod[t_next]) if t_next >= 0 else 1.0
    x0 = (xt - math.sqrt(1 - abar) * eps) / math.sqrt(abar)
    if clip:
        x0 = x0.clamp(-1, 1)
    alpha = abar / abar_next  # what the jump leaves of the variance that was there
    mean = (math.sqrt(abar_next) * (1 - alpha) * x0 + math.sqrt(alpha) * (1 - abar_next) * xt) / (1 - abar)
    variance = (1 - alpha) * (1 - abar_next) / (1 - abar)
    return mean + math.sqrt(variance) * noise
    ### END SOLUTION


def sample(
    model: Callable[[Float[Tensor, "B ..."], Int[Tensor, "B"]], Float[Tensor, "B ..."]],
    x: Float[Tensor, "B ..."],
    timesteps: list[int],
    step: Callable[..., Float[Tensor, "B ..."]],
) -> Float[Tensor, "B ..."]:
    """Take x from the first of the timesteps to a clean sample: ask, step, ask, step, ...

    model      model(x, t) -> eps, with t an int64 tensor [B] on x's device. It is asked once at each
               timestep.
    x          noise, or samples at timesteps[0]; not modified.
    timesteps  falling, at least one; not modified either.
    step       step(x, eps, t, t_next) -> the samples at t_next, with t and t_next as ints, by position.
               t_next is the timestep that comes next in the list, and -1 after the last.

    No gradients are recorded, whatever the model's weights are set to.
    Returns what the last step gives.
    """
    ### BEGIN SOLUTION
    with torch.no_grad():
        for t, t_next in zip(timesteps, [*timesteps[1:], -1], strict=True):
            eps = model(x, torch.full((len(x),), t, device=x.device))
            x = step(x, eps, t, t_next)
    return x
    ### END SOLUTION


def ddim_timesteps(T: int, n: int, spacing: Literal["leading", "trailing"] = "leading") -> list[int]:
    """n of the timesteps 0 ... T - 1 at even distances, falling.

    leading   stride * k for k = n - 1 ... 0, where the stride is T / n rounded down: it ends at 0, and begins
              somewhat below T - 1.
    trailing  T * k / n, rounded to the nearest whole number, minus 1, for k = n ... 1: it begins at T - 1. Of
              two that are equally near, either will do.

    T, n      1 <= n <= T.
    Returns a list of n Python ints. Raises ValueError for another spacing.
    Source: `timestep_spacing` in diffusers; Lin et al., "Common Diffusion Noise Schedules and Sample Steps
    are Flawed" (2023), table 2.
    """
    ### BEGIN SOLUTION
    if spacing == "leading":
        return [T // n * k for k in reversed(range(n))]
    if spacing == "trailing":
        return [round(T * k / n) - 1 for k in range(n, 0, -1)]
    raise ValueError(f"spacing is {spacing!r}; it should be 'leading' or 'trailing'")
    ### END SOLUTION


def ddim_step(
    xt: Float[Tensor, "B ..."],
    eps: Float[Tensor, "B ..."],
    t: int,
    t_next: int,
    alphas_cumprod: Float[Tensor, "T"],
    eta: float = 0.0,
    noise: Float[Tensor, "B ..."] | None = None,
    clip: bool = False,
) -> Float[Tensor, "B ..."]:
    """One step of DDIM: xt taken apart into x0 and noise, and put together again with less of the noise.

    xt, eps         samples at timestep t and the noise predicted in them; neither is modified.
    t, t_next       0 <= t < T and -1 <= t_next < T; -1 is the clean sample, with alphas_cumprod 1. With
                    eta = 0 t_next may also be larger than t: the step then leads back, to more of that noise.
    alphas_cumprod  0 < abar < 1 at each timestep; float32 or float64, and not modified.
    eta             from 0 (no fresh noise) to 1 (as much as DDPM has): the standard deviation of the fresh
                    noise is eta sqrt((1 - abar_next) / (1 - abar) * (1 - abar / abar_next)).
    noise           the fresh noise, standard normal numbers of xt's shape; not modified. Draw none of your
                    own. None counts as zeros.
    clip            limit the predicted x0 to -1 ... 1, and then compute eps anew, from xt and the limited x0.

    Returns a new tensor with the shape, dtype and device of xt. Gradients flow through it, to xt, eps and
    noise.
    Source: Song et al., "Denoising Diffusion Implicit Models" (2020), equations 12 and 16.
    """
    ### BEGIN SOLUTION
    abar = float(alphas_cumprod[t])
    abar_next = float(alphas_cumprod[t_next]) if t_next >= 0 else 1.0
    x0 = (xt - math.sqrt(1 - abar) * eps) / math.sqrt(abar)
    if clip:
        x0 = x0.clamp(-1, 1)
        eps = (xt - math.sqrt(abar) * x0) / math.sqrt(1 - abar)  # or the two no longer add up to xt
    variance = eta**2 * (1 - abar_next) / (1 - abar) * (1 - abar / abar_next)
    # Of the variance that noise has at t_next, the fresh noise takes its part, and the old one the rest.
    x_next = math.sqrt(abar_next) * x0 + math.sqrt(1 - abar_next - variance) * eps
    return x_next if noise is None else x_next + math.sqrt(variance) * noise
    ### END SOLUTION


def ddim_invert(
    model: Callable[[Float[Tensor, "B ..."], Int[Tensor, "B"]], Float[Tensor, "B ..."]],
    x0: Float[Tensor, "B ..."],
    timesteps: list[int],
    alphas_cumprod: Float[Tensor, "T"],
) -> Float[Tensor, "B ..."]:
    """Deterministic DDIM backwards: the noise at timesteps[0] from which a sampler comes (nearly) back to x0.

    model           model(x, t) -> eps, with t an int64 tensor [B] on x's device. It is asked once for each
                    step, about the samples as they are, and is told the timestep that the step leads **to**.
    x0              clean samples; not modified.
    timesteps       those of the sampler, falling, at least one; not modified. Here they are gone through the
                    other way round: the first step leads from the clean sample (alphas_cumprod 1) to the last
                    of them.
    alphas_cumprod  0 < abar < 1 at each timestep; float32 or float64, and not modified.

    No gradients are recorded. Returns a tensor with x0's shape, dtype and device.
    Source: Song et al. (2020), section 4.3; `DDIMInverseScheduler` in diffusers.
    """
    ### BEGIN SOLUTION
    x, rising = x0, timesteps[::-1]
    with torch.no_grad():
        for t, t_next in zip([-1, *rising[:-1]], rising, strict=True):
            eps = model(x, torch.full((len(x),), t_next, device=x.device))
            if t < 0:  # x is clean: there is nothing to take apart
                abar = float(alphas_cumprod[t_next])
                x = math.sqrt(abar) * x + math.sqrt(1 - abar) * eps
            else:
                x = ddim_step(x, eps, t, t_next, alphas_cumprod)
    return x
    ### END SOLUTION


def dpm_solver_step(
    xt: Float[Tensor, "B ..."],
    x0_now: Float[Tensor, "B ..."],
    x0_before: Float[Tensor, "B ..."] | None,
    t_before: int | None,
    t: int,
    t_next: int,
    alphas_cumprod: Float[Tensor, "T"],
) -> Float[Tensor, "B ..."]:
    """One step of DPM-Solver++ (2M, midpoint): a line through the last two predictions of x0, and its middle.

    With lambda_t = ln(abar_t / (1 - abar_t)) / 2, with h = lambda_next - lambda_t and with
    r = (lambda_t - lambda_before) / h:

        D      = x0_now + (x0_now - x0_before) / (2 r)          or x0_now, if there is none before
        x_next = sqrt((1 - abar_next) / (1 - abar_t)) xt - sqrt(abar_next) (exp(-h) - 1) D

    xt              samples at timestep t.
    x0_now          the clean samples predicted from them.
    x0_before       those predicted one step earlier, at t_before; both are None at the first step.
    t, t_next       -1 <= t_next < t < t_before < T. At t_next = -1, where lambda is infinite, x_next is
                    x0_now.
    alphas_cumprod  0 < abar < 1 at each timestep; float64, so that lambda is exact.

    None of them is modified. Returns a new tensor with the shape, dtype and device of xt. Gradients flow
    through it, to xt and to both predictions.
    Source: Lu et al., "DPM-Solver++: Fast Solver for Guided Sampling of Diffusion Probabilistic Models"
    (2022), algorithm 2.
    """
    ### BEGIN SOLUTION
    if t_next < 0:
        return x0_now.clone()
    abar, abar_next = float(alphas_cumprod[t]), float(alphas_cumprod[t_next])
    lambda_t, lambda_next = math.log(abar / (1 - abar)) / 2, math.log(abar_next / (1 - abar_next)) / 2
    h = lambda_next - lambda_t
    D = x0_now
    if x0_before is not None and t_before is not None:
        abar_before = float(alphas_cumprod[t_before])
        r = (lambda_t - math.log(abar_before / (1 - abar_before)) / 2) / h
        D = x0_now + (x0_now - x0_before) / (2 * r)
    kept = math.sqrt((1 - abar_next) / (1 - abar))
    return kept * xt - math.sqrt(abar_next) * math.expm1(-h) * D
    ### END SOLUTION


def karras_sigmas(n: int, sigma_min: float, sigma_max: float, rho: float = 7.0) -> Float[Tensor, "n+1"]:
    """Standard deviations of noise that fall from sigma_max to sigma_min, and then to 0.

        sigma_i = (sigma_max^(1/rho) + i / (n - 1) * (sigma_min^(1/rho) - sigma_max^(1/rho)))^rho

    for i = 0 ... n - 1.


    n                     how many there are before the 0; n >= 1. If it is 1, the one is sigma_max.
    sigma_min, sigma_max  0 < sigma_min < sigma_max.
    rho                   how much finer the steps are where there is little noise; rho > 0, and 1 makes them
                          even.

    Returns a float64 tensor of n + 1 numbers.
    Source: Karras et al., "Elucidating the Design Space of Diffusion-Based Generative Models" (2022),
    equation 5.
    """
    ### BEGIN SOLUTION
    first, last = sigma_max ** (1 / rho), sigma_min ** (1 / rho)
    share = torch.linspace(0, 1, n, dtype=torch.float64)
    return torch.cat([(first + share * (last - first)) ** rho, torch.zeros(1, dtype=torch.float64)])
    ### END SOLUTION


def heun_step(
    denoise: Callable[[Float[Tensor, "B ..."], float], Float[Tensor, "B ..."]],
    x: Float[Tensor, "B ..."],
    sigma: float,
    sigma_next: float,
) -> Float[Tensor, "B ..."]:
    """One step of Heun's method along dx/dsigma = (x - denoise(x, sigma)) / sigma.

    denoise     denoise(x, sigma) -> the clean samples predicted from x, where x = x0 + sigma noise.
    x           samples at sigma; not modified.
    sigma       the standard deviation of the noise in x, and sigma_next the one to arrive at: Python numbers,
                0 <= sigma_next < sigma.

    First a step of Euler's; then the slope where that has led to, and the step once more, from x, with the
    mean of both slopes. At sigma_next = 0 there is no slope: there it stays with Euler's step. denoise is
    asked twice, and once at sigma_next = 0.
    Returns a tensor with the shape, dtype and device of x. Gradients flow through it, to x.
    Source: Karras et al. (2022), algorithm 1.
    """
    ### BEGIN SOLUTION
    slope = (x - denoise(x, sigma)) / sigma
    x_next = x + (sigma_next - sigma) * slope
    if sigma_next == 0:
        return x_next
    slope_next = (x_next - denoise(x_next, sigma_next)) / sigma_next
    return x + (sigma_next - sigma) * (slope + slope_next) / 2
    ### END SOLUTION


def flow_matching_pair(
    x0: Float[Tensor, "B ..."], noise: Float[Tensor, "B ..."], sigma: Float[Tensor, "B"]
) -> tuple[Float[Tensor, "B ..."], Float[Tensor, "B ..."]]:
    """What a network of flow matching is shown, and asked for: a point on a line, and the velocity.

    x0, noise  samples and standard normal numbers of one shape and dtype, any dimensions after B.
    sigma      the share of noise of each sample, from 0 (x0 itself) to 1 (nothing but noise); float32 or
               float64.

    None of them is modified. Returns (xt, velocity), new tensors with x0's shape, dtype and device:
    xt = (1 - sigma) x0 + sigma noise, and the velocity noise - x0, along which xt moves as sigma grows.
    Source: Lipman et al., "Flow Matching for Generative Modeling" (2022), with sigma as in diffusers; Liu et
    al., "Flow Straight and Fast" (2022).
    """
    ### BEGIN SOLUTION
    share = sigma.reshape(-1, *[1] * (x0.ndim - 1))  # each sample's own, lined up with the first dimension
    return (1 - share).to(x0.dtype) * x0 + share.to(x0.dtype) * noise, noise - x0
    ### END SOLUTION


def flow_matching_step(
    xt: Float[Tensor, "B ..."], v: Float[Tensor, "B ..."], sigma: float, sigma_next: float
) -> Float[Tensor, "B ..."]:
    """One step of Euler's along the velocity v, from sigma to sigma_next (Python numbers from 0 to 1).

    xt, v  samples at sigma and the velocity predicted for them; neither is modified.

    Returns a new tensor with the shape, dtype and device of xt. Gradients flow through it.
    """
    ### BEGIN SOLUTION
    return xt + (sigma_next - sigma) * v
    ### END SOLUTION


def shift_sigmas(sigmas: Float[Tensor, "..."], shift: float) -> Float[Tensor, "..."]:
    """Shares of noise moved towards 1, for larger pictures: shift sigma / (1 + (shift - 1) sigma).

    sigmas  from 0 to 1, any dimensions; not modified.
    shift   above 0. 1 changes nothing, 3 is Stable Diffusion 3's.

    Returns a new tensor with the shape, dtype and device of sigmas; 0 and 1 stay what they are.
    Source: Esser et al., "Scaling Rectified Flow Transformers for High-Resolution Image Synthesis" (2024),
    equation 23.
    """
    ### BEGIN SOLUTION
    return shift * sigmas / (1 + (shift - 1) * sigmas)
    ### END SOLUTION
