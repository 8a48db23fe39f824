"""The judge's network: four convolutions, and one answer for each attribute."""

from __future__ import annotations

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from course.lab.shapes import CHOICES


class JudgeNetwork(nn.Module):
    """Scores for every choice of every attribute."""

    def __init__(self, width: int = 24) -> None:
        super().__init__()
        widths = [(3, width, 1), (width, 2 * width, 2), (2 * width, 2 * width, 1), (2 * width, 3 * width, 2)]
        self.convolutions = nn.ModuleList([nn.Conv2d(a, b, 3, stride, padding=1) for a, b, stride in widths])
        self.norms = nn.ModuleList([nn.GroupNorm(8, b) for _, b, _ in widths])
        self.mix = nn.Linear(3 * width * 16, 96)
        self.answers = nn.ModuleDict({name: nn.Linear(96, len(options)) for name, options in CHOICES.items()})

    def forward(self, pictures: Float[Tensor, "B 3 H W"]) -> dict[str, Float[Tensor, "B choices"]]:
        x = pictures
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            x = F.relu(norm(convolution(x)))
        x = F.relu(self.mix(F.adaptive_avg_pool2d(x, 4).flatten(1)))
        return {name: answer(x) for name, answer in self.answers.items()}
