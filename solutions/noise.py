"""The noise of a diffusion model: how much of it at which step, adding it, and taking one step of it away.

Reading order is the order of the lesson. There are T steps; t = 0 is the least noisy, t = T - 1 the noisiest
(as in diffusers; the papers count from 1). For each step there is one number of each of these:

    betas[t]           variance of the noise that step t adds
    1 - betas[t]       what step t leaves of the variance that was there; the papers' alpha
    alphas_cumprod[t]  product of 1 - betas[s] over s <= t: what is left of the picture's variance after
                       step t; the papers write it with a bar over the alpha

    B  batch; pictures and whatever else is noised have B first and any dimensions after it
"""

import math

import torch
from jaxtyping import Float, Int, Num
from torch import Tensor


def linear_betas(
    T: int, beta_start: float = 1e-4, beta_end: float = 0.02, dtype: torch.dtype = torch.float64
) -> Float[Tensor, "T"]:
    """T evenly spaced numbers from beta_start to beta_end, both included.

    T      number of steps, T >= 1; if it is 1, the one number is beta_start.
    beta_start, beta_end
           variance of the noise that the first and the last step add; by default those of the paper, where
           T is 1000.
    dtype  float32 or float64.

    Returns a new tensor of this dtype.
    Source: Ho et al., "Denoising Diffusion Probabilistic Models" (2020), section 4.
    """
    ### BEGIN SOLUTION
    return torch.linspace(beta_start, beta_end, T, dtype=dtype)
    ### END SOLUTION


def scaled_linear_betas(
    T: int, beta_start: float = 0.00085, beta_end: float = 0.012, dtype: torch.dtype = torch.float64
) -> Float[Tensor, "T"]:
    """T numbers from beta_start to beta_end, both included, whose square roots are evenly spaced.

    T      number of steps, T >= 1; if it is 1, the one number is beta_start.
    beta_start, beta_end
           variance of the noise that the first and the last step add; by default those of Stable Diffusion,
           where T is 1000.
    dtype  float32 or float64.

    Returns a new tensor of this dtype.
    Source: Rombach et al., "High-Resolution Image Synthesis with Latent Diffusion Models" (2022), their code.
    """
    ### BEGIN SOLUTION
    return torch.linspace(math.sqrt(beta_start), math.sqrt(beta_end), T, dtype=dtype) ** 2
    ### END SOLUTION


def extract(values: Num[Tensor, "T"], t: Int[Tensor, "B"], ndim: int) -> Num[Tensor, "B ..."]:
    """For each sample of a batch the value at its own timestep, shaped so that it multiplies that sample.

    values  one number for each timestep, any dtype.
    t       int64, a timestep for each sample, 0 <= t < T; in any order, and several may be equal.
    ndim    how many dimensions the result has, ndim >= 1: those of what it is to be multiplied with.

    All tensors are on the same device; none is modified.
    Returns a new tensor [B, 1, ..., 1] with the dtype and device of values. Gradients flow through it, to
    values.
    """
    ### BEGIN SOLUTION
    # Broadcasting lines dimensions up from the right: without the ones, B would meet the width of a picture.
    return values[t].reshape(-1, *[1] * (ndim - 1))
    ### END SOLUTION


def q_sample(
    x0: Float[Tensor, "B ..."],
    t: Int[Tensor, "B"],
    noise: Float[Tensor, "B ..."],
    alphas_cumprod: Float[Tensor, "T"],
) -> Float[Tensor, "B ..."]:
    """Noise each sample up to its own timestep, in one go: sqrt(abar_t) x0 + sqrt(1 - abar_t) noise.

    x0              what is noised; any number of dimensions after B, of any size.
    t               int64, a timestep for each sample, 0 <= t < T.
    noise           standard normal numbers, shaped as x0 and of its dtype. Use these; draw none of your own.
    alphas_cumprod  abar: for each timestep a number from 0 to 1, both included. float32 or float64.

    All tensors are on the same device; none is modified.
    Returns a new tensor with x0's shape, dtype and device, float16 included, even where alphas_cumprod has
    another dtype. Gradients flow through it, to x0 and to the noise.
    Source: Ho et al. (2020), equation 4.
    """
    ### BEGIN SOLUTION
    abar = extract(alphas_cumprod, t, x0.ndim)
    # Roots, as these two are variances and what multiplies a picture is a standard deviation. Taken in the
    # table's own precision, and cast last: a float64 table would make a float64 picture otherwise.
    return abar.sqrt().to(x0.dtype) * x0 + (1 - abar).sqrt().to(x0.dtype) * noise
    ### END SOLUTION


def signal_to_noise(alphas_cumprod: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
    """The ratio of the variances of signal and noise, abar / (1 - abar). Not its logarithm.

    alphas_cumprod  abar: 0 <= abar < 1, any number of dimensions; not modified.

    Returns a new tensor with the same shape, dtype and device; 0 where abar is 0.
    Source: Kingma et al., "Variational Diffusion Models" (2021), section 3.1.
    """
    ### BEGIN SOLUTION
    return alphas_cumprod / (1 - alphas_cumprod)
    ### END SOLUTION


def cosine_betas(
    T: int, s: float = 0.008, max_beta: float = 0.999, dtype: torch.dtype = torch.float64
) -> Float[Tensor, "T"]:
    """The betas for which abar falls as a squared cosine, none larger than max_beta.

        beta_t = min(1 - f((t + 1) / T) / f(t / T), max_beta)    f(u) = cos((u + s) / (1 + s) * pi / 2)^2

    T         number of steps, T >= 1.
    s         a small offset, s >= 0, so that the first steps add a little noise rather than next to none.
    max_beta  the largest beta there may be, below 1. There is no smallest.
    dtype     float32 or float64.

    Returns a new tensor of this dtype.
    Source: Nichol & Dhariwal, "Improved Denoising Diffusion Probabilistic Models" (2021), equation 17.
    """
    ### BEGIN SOLUTION
    u = torch.arange(T + 1, dtype=torch.float64) / T  # T steps have T + 1 ends
    f = torch.cos((u + s) / (1 + s) * math.pi / 2) ** 2
    # In float64 to the end: the first betas are the difference of two numbers that are nearly equal.
    return (1 - f[1:] / f[:-1]).clamp(max=max_beta).to(dtype)
    ### END SOLUTION


def sigmoid_betas(
    T: int, beta_start: float = 1e-4, beta_end: float = 0.02, dtype: torch.dtype = torch.float64
) -> Float[Tensor, "T"]:
    """T betas that rise slowly, then fast, then slowly: a sigmoid of T evenly spaced numbers from -6 to 6.

        beta_t = beta_start + (beta_end - beta_start) * sigmoid(z_t)    z_0 = -6, ..., z_{T-1} = 6

    A sigmoid never quite reaches 0 and 1, so the betas never quite reach beta_start and beta_end.

    T      number of steps, T >= 1; if it is 1, z_0 is -6.
    beta_start, beta_end
           what the betas begin near, and what they end near.
    dtype  float32 or float64.

    Returns a new tensor of this dtype.
    Source: Xu et al., "GeoDiff" (2022), their code; `beta_schedule="sigmoid"` in diffusers.
    """
    ### BEGIN SOLUTION
    return beta_start + (beta_end - beta_start) * torch.sigmoid(torch.linspace(-6, 6, T, dtype=dtype))
    ### END SOLUTION


def zero_terminal_snr(betas: Float[Tensor, "T"]) -> Float[Tensor, "T"]:
    """The betas of a schedule changed so that its last step leaves nothing of the picture.

    The square root of alphas_cumprod is shifted, so that its last value is 0, and then scaled, so that its
    first value is what it was; what is returned are the betas that belong to the result.

    betas  T >= 2 numbers between 0 and 1; the last one may be 1. float32 or float64. Not modified.

    Returns a new tensor with betas' dtype and device. The first beta is as before, up to rounding; the last
    one is exactly 1. Betas whose last one was 1 already come back unchanged, up to rounding.
    Source: Lin et al., "Common Diffusion Noise Schedules and Sample Steps are Flawed" (2023), algorithm 1.
    """
    ### BEGIN SOLUTION
    root = torch.cumprod(1 - betas, dim=0).sqrt()
    root = (root - root[-1]) * (root[0] / (root[0] - root[-1]))
    alphas_cumprod = root**2
    # A product is undone by dividing neighbours. The first factor has none before it: it is itself.
    alphas = torch.cat([alphas_cumprod[:1], alphas_cumprod[1:] / alphas_cumprod[:-1]])
    return 1 - alphas
    ### END SOLUTION


def q_posterior(
    x0: Float[Tensor, "B ..."], xt: Float[Tensor, "B ..."], t: Int[Tensor, "B"], betas: Float[Tensor, "T"]
) -> tuple[Float[Tensor, "B ..."], Float[Tensor, "B ..."]]:
    """Mean and variance of x_{t-1}, one step less noisy than xt, for whoever knows both xt and x0.

        mean = (sqrt(abar_{t-1}) beta_t x0 + sqrt(1 - beta_t) (1 - abar_{t-1}) xt) / (1 - abar_t)
        variance = beta_t (1 - abar_{t-1}) / (1 - abar_t)

    x0     the pictures; any number of dimensions after B, of any size.
    xt     the same pictures noised up to timestep t, shaped as x0 and of its dtype.
    t      int64, a timestep for each sample, 0 <= t < T. Before step 0 nothing has been noised and abar_{-1}
           is 1: at t = 0, which other samples need not share, the mean is x0 and the variance is 0.
    betas  T numbers between 0 and 1; the last one may be 1. float32 or float64.

    All tensors are on the same device; none is modified.
    Returns two new tensors with x0's dtype and device, even where betas have another dtype: the mean, shaped
    as x0, and the variance, [B, 1, ..., 1] with as many dimensions as x0. The variance: not its root, not its
    logarithm.
    Source: Ho et al. (2020), equations 6 and 7.
    """
    ### BEGIN SOLUTION
    abar = torch.cumprod(1 - betas, dim=0)
    # Shifted by one, with the 1 of before the first step. An index of t - 1 would wrap to the last at t = 0.
    previous = torch.cat([torch.ones_like(abar[:1]), abar[:-1]])

    variance = betas * (1 - previous) / (1 - abar)
    of_x0 = previous.sqrt() * betas / (1 - abar)
    of_xt = (1 - betas).sqrt() * (1 - previous) / (1 - abar)

    # The tables of T numbers are worked out in their own precision, and cast when each sample takes its own.
    variance, of_x0, of_xt = (extract(table, t, x0.ndim).to(x0.dtype) for table in (variance, of_x0, of_xt))
    return of_x0 * x0 + of_xt * xt, variance
    ### END SOLUTION
