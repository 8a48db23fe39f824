"""What later modules take from `training`, for who has not written it."""

from __future__ import annotations

from collections.abc import Callable

from jaxtyping import Float, Int
from torch import Tensor

__all__ = ["ddpm_loss"]


def ddpm_loss(
    model: Callable[[Tensor, Tensor], Tensor],
    x0: Float[Tensor, "B ..."],
    t: Int[Tensor, " B"],
    noise: Float[Tensor, "B ..."],
    alphas_cumprod: Float[Tensor, " T"],
    prediction: str = "eps",
    weights: Float[Tensor, " B"] | None = None,
) -> Float[Tensor, ""]:
    """The weighted mean squared error of a model's predictions, as the exercise has it."""
    left = alphas_cumprod[t].reshape(-1, *[1] * (x0.ndim - 1))
    of_x0, of_noise = left.sqrt().to(x0), (1 - left).sqrt().to(x0)
    # What is asked for, as so much of the picture and so much of the noise.
    mixtures: dict[str, tuple[float | Tensor, float | Tensor]]
    mixtures = {"eps": (0.0, 1.0), "x0": (1.0, 0.0), "v": (-of_noise, of_x0)}
    if prediction not in mixtures:
        raise ValueError(f"prediction is {prediction!r}; it may be {', '.join(mixtures)}")
    a, b = mixtures[prediction]
    off = model(of_x0 * x0 + of_noise * noise, t) - a * x0 - b * noise
    each = (off * off).flatten(1)
    total = each.sum() if weights is None else (weights @ each).sum()
    return total / each.numel()
