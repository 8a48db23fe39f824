"""A landscape to walk in, three curved arms of unequal weight in the plane, and a network to learn it.

    x = arms.draw(500, generator)                # [500, 2]
    arms.shares(x)                               # how many lie on each arm: about arms.WEIGHTS

It is a mixture of round Gaussians, 15 of them, so that its score at any amount of noise is a formula: noise
of deviation sigma makes each Gaussian wider, from d to sqrt(d^2 + sigma^2).
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from course.lab import mixture

WEIGHTS = (0.6, 0.25, 0.15)  # of the arms

_world = mixture.pinwheel()
_links = len(_world.means) // len(WEIGHTS)

MEANS: Float[Tensor, "15 2"] = 1.6 * _world.means.double()
DEVIATIONS: Float[Tensor, " 15"] = 0.35 * _world.deviations.double()
SHARES: Float[Tensor, " 15"] = torch.tensor(WEIGHTS, dtype=torch.float64).repeat_interleave(_links) / _links


def draw(count: int, generator: torch.Generator | None = None) -> Float[Tensor, "count 2"]:
    """Points of the landscape, float64."""
    chosen = SHARES.multinomial(count, replacement=True, generator=generator)
    noise = torch.randn(count, 2, generator=generator, dtype=torch.float64)
    return MEANS[chosen] + DEVIATIONS[chosen, None] * noise


def widened(sigma: float) -> Float[Tensor, " 15"]:
    """How wide the Gaussians are after noise of this deviation."""
    return (DEVIATIONS**2 + sigma**2).sqrt()


def log_p(x: Float[Tensor, "B 2"], sigma: float = 0.0) -> Float[Tensor, " B"]:
    """The log-density at x of the landscape with so much noise, in nats."""
    deviations = widened(sigma)
    distance = torch.cdist(x.double(), MEANS).square() / (2 * deviations**2)
    return (SHARES.log() - distance - (2 * torch.pi * deviations**2).log()).logsumexp(1)


def nearest(x: Float[Tensor, "B 2"]) -> Tensor:
    """The arm that each point is nearest to, int64 [B]."""
    return torch.cdist(x.double(), MEANS).argmin(1) // _links


def shares(x: Float[Tensor, "B 2"]) -> list[float]:
    """The part of the points that is nearest to each arm."""
    return [float((nearest(x) == arm).double().mean()) for arm in range(len(WEIGHTS))]


class ScoreNet(nn.Module):
    """Learns scores in the plane: model(x, sigma) -> [B, 2], for sigma from about 0.05 to 5."""

    def __init__(self, width: int = 128) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(2 + 12 + 5, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU(), nn.Linear(width, 2)
        )

    def forward(self, x: Float[Tensor, "B 2"], sigma: Float[Tensor, " B"]) -> Float[Tensor, "B 2"]:
        level = sigma[:, None]
        spread = (4 + level**2).sqrt()  # how wide the noised points lie
        # Place and level as waves, too: arms are narrow, and a layer alone bends but slowly.
        place = torch.cat([x, 2 * x, 4 * x], dim=1)
        time = level.log() * torch.tensor([1.0, 2.0], dtype=x.dtype)
        told = [x / spread, place.sin(), place.cos(), time.sin(), time.cos(), level.log() / 3]
        said: Tensor = self.layers(torch.cat(told, dim=1))
        # A head start, the score of one hill as wide as all points; the rest grows with little noise.
        return 2 * said / (level * spread) - x / spread**2
