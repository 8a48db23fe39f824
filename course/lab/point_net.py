"""A network for points in the plane, small enough to be trained within seconds in a demo."""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from course.lab.mixture import ALPHAS_CUMPROD


class PointNet(nn.Module):
    """Predicts the noise in points of the plane from the points, their timesteps and what it is told.

    told  numbers of a condition's vector.
    """

    def __init__(self, told: int, width: int = 128) -> None:
        super().__init__()
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
        self, x: Float[Tensor, "B 2"], t: Int[Tensor, " B"], told: Float[Tensor, "B told"]
    ) -> Float[Tensor, "B 2"]:
        # Time as waves, finer near t = 0, where a step changes the most.
        angle = (t[:, None] / len(ALPHAS_CUMPROD)).sqrt() * torch.pi * 2.0 ** torch.arange(-1, 5)
        change: Tensor = self.layers(torch.cat([x, angle.sin(), angle.cos(), told], dim=1))
        # In nothing but noise, x itself is the noise: a head start, the more so the noisier x is.
        return change + (1 - ALPHAS_CUMPROD[t]).sqrt().to(x)[:, None] * x
