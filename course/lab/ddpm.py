"""The sampler of Ho et al. (2020): a step of DDPM forgets a little noise, and draws a little that is new.

As in `course/lab/ddim.py`, this is one to use until you write your own in the module `sampling`.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from course.lab.ddim import Eps, timesteps


@torch.no_grad()
def sample(
    eps: Eps,
    noise: Float[Tensor, "B ..."],
    alphas_cumprod: Float[Tensor, "T"],
    steps: int = 50,
    *,
    generator: torch.Generator | None = None,
    clip: bool = True,
) -> Float[Tensor, "B ..."]:
    """Where `noise` ends up after so many steps.

    eps             eps(x, t) predicts the noise in x at timesteps t [B]
    alphas_cumprod  the schedule; its steps are asked for at even distances, the noisiest first, 0 last
    generator       draws the fresh noise of every step but the last
    clip            limit each prediction of the clean sample to -1 ... 1

    Each step draws from the posterior q(x_after | x, x0) for the predicted x0. When steps are left out, beta
    is that of the jump: 1 - alphas_cumprod[now] / alphas_cumprod[after].
    Source: equations 6 and 7 of the paper, with the smaller variance (`fixed_small` in diffusers).
    """
    x = noise
    times = timesteps(len(alphas_cumprod), steps)
    abar = [float(alphas_cumprod[t]) for t in times] + [1.0]  # after the last step there is no noise left
    for t, now, after in zip(times, abar, abar[1:], strict=False):
        e = eps(x, torch.full((len(x),), t, device=x.device))
        x0 = (x - (1 - now) ** 0.5 * e) / now**0.5
        if clip:
            x0 = x0.clamp(-1, 1)
        alpha = now / after
        x = (after**0.5 * (1 - alpha) * x0 + alpha**0.5 * (1 - after) * x) / (1 - now)
        if t > 0:
            variance = (1 - after) / (1 - now) * (1 - alpha)
            x = x + variance**0.5 * torch.randn(x.shape, generator=generator, dtype=x.dtype).to(x.device)
    return x
