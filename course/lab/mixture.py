"""Small worlds whose best possible noise prediction is a formula: mixtures of round Gaussians, in classes.

Noise a mixture of Gaussians and it is one again, so that the mean of the noise in a noisy sample, which is
what a network is trained to predict, can be written down. Such a world stands in for a trained network:

    world = mixture.pinwheel()
    world.eps(x, t, labels)      # what a perfect network would answer; label `world.classes` = any class

A sample has its numbers in dimension 1, and what comes after are places, each with a label and a sample of
its own: points in the plane are [B, 2] with labels [B], pictures [B, 3, H, W] with a label for each pixel,
[B, H, W].
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from course.lab.scene import COLOURS, Shape, coverage

# The linear schedule of Ho et al. (2020): 1000 steps. Timestep 0 is the least noisy one.
ALPHAS_CUMPROD = torch.cumprod(1 - torch.linspace(1e-4, 0.02, 1000, dtype=torch.float64), 0)

COLOUR_NAMES = tuple(COLOURS)


@dataclass(frozen=True)
class Mixture:
    """Gaussians, each round, each of one class, all of the same weight within their class and among classes.

    means       where each is, one row a Gaussian
    deviations  how wide each is
    owners      the class of each, from 0; every class has equally many
    """

    means: Float[Tensor, "M D"]
    deviations: Float[Tensor, "M"]
    owners: Int[Tensor, "M"]

    @property
    def classes(self) -> int:
        """How many classes there are; also the label that means any of them."""
        return int(self.owners.max()) + 1

    @property
    def null(self) -> Int[Tensor, ""]:
        """The label that means any class, as a tensor."""
        return torch.tensor(self.classes)

    def eps(
        self, x: Float[Tensor, "B D ..."], t: Int[Tensor, "B"], labels: Int[Tensor, "B ..."]
    ) -> Float[Tensor, "B D ..."]:
        """The mean of the noise in x at timestep t, if x came from this class: the perfect prediction.

        With x = sqrt(abar) x0 + sqrt(1 - abar) noise, it is -sqrt(1 - abar) times the gradient of log p(x).
        """
        log_likelihood, from_mean, variance = self._components(x, t)
        labels = labels[..., None]
        ours = (labels == self.owners) | (labels == self.classes)
        # Whose sample is it, among the Gaussians that are allowed?
        share = log_likelihood.masked_fill(~ours, -math.inf).softmax(-1)
        score = -(share / variance)[..., None, :] @ from_mean  # [B, ..., 1, D]
        return (-_noise(x, t) * score.squeeze(-2)).movedim(-1, 1)

    def probability(self, x: Float[Tensor, "B D ..."], t: Int[Tensor, "B"]) -> Float[Tensor, "B K ..."]:
        """The probability of each class for a noisy sample: the perfect classifier, by Bayes's rule."""
        share = self._components(x, t)[0].softmax(-1)
        which = torch.nn.functional.one_hot(self.owners).to(share)  # [M, K]
        return (share @ which).movedim(-1, 1)

    def draw(
        self, labels: Int[Tensor, "B ..."], generator: torch.Generator | None = None
    ) -> Float[Tensor, "B D ..."]:
        """A sample of each label's class, without noise."""
        every = (labels[..., None] == self.owners) | (labels[..., None] == self.classes)
        chosen = every.flatten(0, -2).double().multinomial(1, generator=generator).view(labels.shape)
        means, deviations = self.means[chosen], self.deviations[chosen][..., None]
        return (means + deviations * torch.randn(means.shape, generator=generator)).movedim(-1, 1)

    def _components(
        self, x: Float[Tensor, "B D ..."], t: Int[Tensor, "B"]
    ) -> tuple[Float[Tensor, "B ... M"], Float[Tensor, "B ... M D"], Float[Tensor, "B ... M"]]:
        """Of each Gaussian, noised as x is: its log-likelihood, the way from its mean, and its variance."""
        abar = (1 - _noise(x, t).square())[..., None]
        from_mean = x.movedim(1, -1)[..., None, :] - abar.sqrt() * self.means.to(x)
        variance = (abar * self.deviations.to(x).square()[:, None] + 1 - abar).squeeze(-1)
        log_likelihood = -from_mean.square().sum(-1) / (2 * variance) - x.shape[1] / 2 * variance.log()
        return log_likelihood, from_mean, variance


def _noise(x: Float[Tensor, "B D ..."], t: Int[Tensor, "B"]) -> Float[Tensor, "B ... 1"]:
    """sqrt(1 - abar) of each sample, lined up with x once its numbers stand last."""
    return (1 - ALPHAS_CUMPROD[t]).sqrt().to(x).reshape(-1, *[1] * (x.dim() - 1))


def pinwheel(classes: int = 3, links: int = 5) -> Mixture:
    """A world in the plane: each class is a curved arm, and at the centre the arms run into one another."""
    owners = torch.arange(classes).repeat_interleave(links)
    along = torch.arange(links).repeat(classes)
    radius = 0.35 + 0.42 * along
    angle = math.pi / 2 + 2 * math.pi * owners / classes - 0.33 * along
    means = torch.stack([radius * angle.cos(), radius * angle.sin()], dim=1)
    return Mixture(means, 0.22 + 0.05 * along, owners)


def colours(deviation: float = 0.2) -> Mixture:
    """A world of colours: red, green and blue from -1 to 1, a class for each of COLOUR_NAMES.

    They are a little paler than in `scene`, so that nearly all samples stay between -1 and 1.
    """
    means = 0.8 * (2 * torch.tensor([COLOURS[name] for name in COLOUR_NAMES]) - 1)
    return Mixture(means, torch.full((len(means),), deviation), torch.arange(len(means)))


def colouring(
    shapes: tuple[Shape, ...], height: int = 24, width: int = 36, background: str = "black"
) -> Int[Tensor, "1 height width"]:
    """A label for each pixel of a picture of `shapes`: which colour it should have."""
    labels = torch.full((height, width), COLOUR_NAMES.index(background))
    for shape in shapes:
        labels[coverage(shape, height, width) > 0.5] = COLOUR_NAMES.index(shape.colour)
    return labels[None]
