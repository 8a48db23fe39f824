"""The network of the tiny DiT: a transformer over patches of a picture that is told the time and a label.

You will write such a network in the module `vision_transformers`, for any size and any number of labels; this
one has a single size, that of `CONFIG`, and is for the notebooks that need it trained.
"""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from course.lab.layers import Attention

# As arguments of the exercise's DiT.
CONFIG: dict[str, Any] = {"channels": 3, "patch": 2, "dim": 96, "heads": 4, "layers": 4, "classes": 48}
SIDE, WIDTH, CHANNELS = CONFIG["patch"], CONFIG["dim"], CONFIG["channels"]


def waves(places: Float[Tensor, " N"], count: int) -> Float[Tensor, "N count/2"]:
    """Places times frequencies that fall from 1 to nearly 1/10000, count // 2 of them, as angles."""
    return places[:, None] * torch.exp(-math.log(10_000) / (count // 2) * torch.arange(count // 2))


class Told(nn.Module):
    """One layer of the transformer; what it is told sets shift, scale and gate of both halves."""

    def __init__(self) -> None:
        super().__init__()
        self.attn = Attention(WIDTH, CONFIG["heads"])
        self.fc1, self.fc2 = nn.Linear(WIDTH, 4 * WIDTH), nn.Linear(4 * WIDTH, WIDTH)
        self.modulation = nn.Linear(WIDTH, 6 * WIDTH)
        for start in self.modulation.parameters():
            nn.init.zeros_(start)

    def forward(
        self, tokens: Float[Tensor, "B L 96"], told: Float[Tensor, "B 96"]
    ) -> Float[Tensor, "B L 96"]:
        six = self.modulation(F.silu(told)).view(len(told), 6, 1, WIDTH).unbind(1)
        tokens = tokens + six[2] * self.attn(_normal(tokens, six[0], six[1]))
        inner = F.gelu(self.fc1(_normal(tokens, six[3], six[4])), approximate="tanh")
        answer: Tensor = tokens + six[5] * self.fc2(inner)
        return answer


class TinyDiT(nn.Module):
    """The velocity of a rectified flow, noise - picture, from a picture with noise, the time and a label.

    Source: Peebles & Xie, "Scalable Diffusion Models with Transformers" (2023), at a thousandth of the size.
    """

    def __init__(self) -> None:
        super().__init__()
        self.patch_embed = nn.ModuleDict({"proj": nn.Conv2d(CHANNELS, WIDTH, SIDE, SIDE)})
        self.time_mlp = nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.SiLU(), nn.Linear(WIDTH, WIDTH))
        self.label_embed: nn.Module = nn.Embedding(CONFIG["classes"] + 1, WIDTH)
        self.blocks = nn.ModuleList([Told() for _ in range(CONFIG["layers"])])
        self.modulation_out = nn.Linear(WIDTH, 2 * WIDTH)
        self.proj_out = nn.Linear(WIDTH, SIDE * SIDE * CHANNELS)
        for last in (self.modulation_out, self.proj_out):
            nn.init.zeros_(last.weight)
            nn.init.zeros_(last.bias)

    def forward(
        self, x: Float[Tensor, "B 3 H W"], t: Float[Tensor, " B"], labels: Int[Tensor, " B"]
    ) -> Float[Tensor, "B 3 H W"]:
        """t is a thousand times the share of noise. The label that comes after the last means "any"."""
        phases = waves(t.float(), WIDTH)
        told = self.time_mlp(torch.cat((phases.cos(), phases.sin()), 1).to(x)) + self.label_embed(labels)
        cells = self.patch_embed["proj"](x)  # [B, 96, H/2, W/2]
        rows, columns = cells.shape[2:]
        tokens = cells.flatten(2).mT + _grid(rows, columns).to(x)
        for block in self.blocks:
            tokens = block(tokens, told)
        shift, scale = self.modulation_out(F.silu(told)).view(len(x), 2, 1, WIDTH).unbind(1)
        pieces = self.proj_out(_normal(tokens, shift, scale))  # in a patch row, column, channel
        pieces = pieces.view(len(x), rows, columns, SIDE, SIDE, CHANNELS)
        return torch.einsum("byxpqc->bcypxq", pieces).reshape(x.shape)


def _normal(tokens: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
    return F.layer_norm(tokens, tokens.shape[-1:], eps=1e-6) * (1 + scale) + shift


def _grid(rows: int, columns: int) -> Float[Tensor, "L 96"]:
    """Where each token lies: waves of its column, then waves of its row."""
    y, x = torch.meshgrid(torch.arange(float(rows)), torch.arange(float(columns)), indexing="ij")
    angles = [waves(places.flatten(), WIDTH // 2) for places in (x, y)]
    return torch.cat([part for angle in angles for part in (angle.sin(), angle.cos())], dim=1)
