"""A network for points in the plane, small enough to be trained within seconds in a demo."""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from course.lab.mixture import ALPHAS_CUMPROD


class PointNet(nn.Module):
    """Predicts the noise in points of the plane from the points, their timesteps and what it is told.

    told        numbers of a condition's vector; 0 for a network that is told nothing.
    head_start  whether x is added to the answer where x is nearly all noise. Without it the network may
                predict anything: the noise, the clean point, the velocity.
    """

    def __init__(self, told: int = 0, width: int = 128, *, head_start: bool = True) -> None:
        super().__init__()
        self.head_start = head_start
        self.layers = nn.Sequential(
            nn.Linear(2 + 12 + told, width),
            nn.SiLU(),
            nn.Linear(width, width),
            nn.SiLU(),
            nn.Linear(width, width),
            nn.SiLU(),
            nn.Linear(width, 2),
        )

    def forward(
        self, x: Float[Tensor, "B 2"], t: Int[Tensor, " B"], told: Float[Tensor, "B told"] | None = None
    ) -> Float[Tensor, "B 2"]:
        # Time as waves, finer near t = 0, where a step changes the most.
        angle = (t[:, None] / len(ALPHAS_CUMPROD)).sqrt() * torch.pi * 2.0 ** torch.arange(-1, 5)
        given = [x, angle.sin(), angle.cos()] + ([] if told is None else [told])
        change: Tensor = self.layers(torch.cat(given, dim=1))
        if not self.head_start:
            return change
        # In nothing but noise, x itself is the noise: a head start, the more so the noisier x is.
        return change + (1 - ALPHAS_CUMPROD[t]).sqrt().to(x)[:, None] * x
