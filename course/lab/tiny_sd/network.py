"""The two networks of the tiny model: a UNet, named as diffusers names its own, and an encoder of captions.

You will write such a UNet in the module `unet`; this one is for the notebooks that need a trained network
before and after. Its weights and diffusers' `UNet2DConditionModel` fit one another; the figures are those of
`CONFIG`.
"""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from course.lab.layers import Attention

# As arguments of diffusers' UNet2DConditionModel, whose `attention_head_dim` is the number of heads.
CONFIG: dict[str, Any] = {
    "sample_size": 16,
    "in_channels": 3,
    "out_channels": 3,
    "block_out_channels": (32, 64),
    "layers_per_block": 1,
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D"),
    "up_block_types": ("CrossAttnUpBlock2D", "UpBlock2D"),
    "cross_attention_dim": 64,
    "attention_head_dim": 4,
    "norm_num_groups": 8,
}
NARROW, WIDE = CONFIG["block_out_channels"]
CONTEXT, HEADS, GROUPS, TIME = 64, 4, 8, 4 * NARROW


class Wave(nn.Module):
    """A timestep as numbers: waves of falling frequency, through two linear layers."""

    def __init__(self) -> None:
        super().__init__()
        self.linear_1, self.linear_2 = nn.Linear(NARROW, TIME), nn.Linear(TIME, TIME)

    def forward(self, t: Int[Tensor, " B"]) -> Float[Tensor, "B time"]:
        powers = torch.arange(NARROW // 2, device=t.device) / (NARROW // 2)
        phases = torch.outer(t.float(), torch.exp(-math.log(10_000) * powers))
        told = torch.cat((phases.cos(), phases.sin()), 1).to(self.linear_1.weight.dtype)
        answer: Tensor = self.linear_2(F.silu(self.linear_1(told)))
        return answer


class Residual(nn.Module):
    """Two convolutions around what time it is, beside a way straight through."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.GroupNorm(GROUPS, before), nn.GroupNorm(GROUPS, after)
        self.conv1, self.conv2 = nn.Conv2d(before, after, 3, padding=1), nn.Conv2d(after, after, 3, padding=1)
        self.time_emb_proj = nn.Linear(TIME, after)
        self.conv_shortcut = nn.Identity() if before == after else nn.Conv2d(before, after, 1)

    def forward(
        self, image: Float[Tensor, "B C H W"], time: Float[Tensor, "B time"]
    ) -> Float[Tensor, "B D H W"]:
        changed = self.conv1(F.silu(self.norm1(image)))
        changed = changed + self.time_emb_proj(F.silu(time)).unflatten(1, (-1, 1, 1))
        straight: Tensor = self.conv_shortcut(image)
        return straight + self.conv2(F.silu(self.norm2(changed)))


class Gate(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.proj = nn.Linear(width, 8 * width)

    def forward(self, x: Float[Tensor, "B L C"]) -> Float[Tensor, "B L 4*C"]:
        passed, gate = self.proj(x).tensor_split(2, dim=-1)
        opened: Tensor = passed * F.gelu(gate)
        return opened


class Feed(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.net = nn.Sequential(Gate(width), nn.Identity(), nn.Linear(4 * width, width))

    def forward(self, x: Float[Tensor, "B L C"]) -> Float[Tensor, "B L C"]:
        answer: Tensor = self.net(x)
        return answer


class Talk(nn.Module):
    """Pixels talk to one another, then to the words, then each thinks for itself."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm1, self.norm2, self.norm3 = (nn.LayerNorm(width) for _ in range(3))
        self.attn1, self.attn2 = Attention(width, HEADS), Attention(width, HEADS, CONTEXT)
        self.ff = Feed(width)

    def forward(self, x: Float[Tensor, "B L C"], words: Float[Tensor, "B S D"]) -> Float[Tensor, "B L C"]:
        x = self.attn1(self.norm1(x)) + x
        x = self.attn2(self.norm2(x), context=words) + x
        return self.ff(self.norm3(x)) + x


class Pixels(nn.Module):
    """A picture as a list of pixels, into `Talk` and back."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(GROUPS, width, eps=1e-6)
        self.proj_in, self.proj_out = nn.Conv2d(width, width, 1), nn.Conv2d(width, width, 1)
        self.transformer_blocks = nn.ModuleList([Talk(width)])

    def forward(
        self, image: Float[Tensor, "B C H W"], words: Float[Tensor, "B S D"]
    ) -> Float[Tensor, "B C H W"]:
        listed = self.proj_in(self.norm(image)).flatten(2).mT
        for talk in self.transformer_blocks:
            listed = talk(listed, words)
        answer: Tensor = image + self.proj_out(listed.mT.reshape(image.shape))
        return answer


class Resize(nn.Module):
    """Half or double the height and width."""

    def __init__(self, width: int, doubles: bool) -> None:
        super().__init__()
        self.doubles = doubles
        self.conv = nn.Conv2d(width, width, 3, stride=1 if doubles else 2, padding=1)

    def forward(self, image: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C h w"]:
        answer: Tensor = self.conv(F.interpolate(image, scale_factor=2.0) if self.doubles else image)
        return answer


class Level(nn.Module):
    """Residual blocks, each followed by a talk with the words where the level is `told`."""

    def __init__(self, *widths: tuple[int, int], told: bool, resize: str = "") -> None:
        super().__init__()
        last = widths[-1][1]
        self.resnets = nn.ModuleList([Residual(*each) for each in widths])
        if told:
            self.attentions = nn.ModuleList([Pixels(last) for _ in widths])
        if resize:
            self.add_module(resize, nn.ModuleList([Resize(last, doubles=resize == "upsamplers")]))

    def step(self, at: int, image: Tensor, time: Tensor, words: Tensor) -> Tensor:
        image = self.resnets[at](image, time)
        return self.attentions[at](image, words) if hasattr(self, "attentions") else image


class TinyUNet(nn.Module):
    """Predicts the noise in a picture from the picture, the timestep and an encoded caption.

    channels  of what is drawn: 3 for pictures, more for latents
    Height and width are multiples of 2. Source: Rombach et al. (2022), at a thousandth of the size.
    """

    def __init__(self, channels: int = CONFIG["in_channels"]) -> None:
        super().__init__()
        self.conv_in = nn.Conv2d(channels, NARROW, 3, padding=1)
        self.time_embedding = Wave()
        self.down_blocks = nn.ModuleList(
            [Level((NARROW, NARROW), told=False, resize="downsamplers"), Level((NARROW, WIDE), told=True)]
        )
        self.mid_block = Level((WIDE, WIDE), (WIDE, WIDE), told=False)
        self.mid_block.attentions = nn.ModuleList([Pixels(WIDE)])
        self.up_blocks = nn.ModuleList(
            [
                Level((2 * WIDE, WIDE), (WIDE + NARROW, WIDE), told=True, resize="upsamplers"),
                Level((WIDE + NARROW, NARROW), (2 * NARROW, NARROW), told=False),
            ]
        )
        self.conv_norm_out = nn.GroupNorm(GROUPS, NARROW)
        self.conv_out = nn.Conv2d(NARROW, channels, 3, padding=1)

    def forward(
        self, x: Float[Tensor, "B 3 H W"], t: Int[Tensor, " B"] | int, context: Float[Tensor, "B S 64"]
    ) -> Float[Tensor, "B 3 H W"]:
        """x: pictures with noise. t: one timestep for all, or one each. context: see `CaptionEncoder`."""
        time = self.time_embedding(torch.as_tensor(t, device=x.device).expand(len(x)))
        fine, coarse = self.down_blocks
        kept = [self.conv_in(x)]
        kept.append(fine.step(0, kept[-1], time, context))
        kept.append(fine.downsamplers[0](kept[-1]))
        kept.append(coarse.step(0, kept[-1], time, context))
        image = self.mid_block.resnets[0](kept[-1], time)
        image = self.mid_block.resnets[1](self.mid_block.attentions[0](image, context), time)
        for level in self.up_blocks:
            for at in range(len(level.resnets)):
                image = level.step(at, torch.cat((image, kept.pop()), 1), time, context)
            if hasattr(level, "upsamplers"):
                image = level.upsamplers[0](image)
        answer: Tensor = self.conv_out(F.silu(self.conv_norm_out(image)))
        return answer


class CaptionEncoder(nn.Module):
    """Words to vectors that know of one another: an embedding, a place, one layer of a transformer."""

    def __init__(self, words: int, length: int) -> None:
        super().__init__()
        self.token_embedding = nn.Embedding(words, CONTEXT)
        self.position_embedding = nn.Parameter(0.02 * torch.randn(length, CONTEXT))
        self.norm1, self.norm2, self.final_norm = (nn.LayerNorm(CONTEXT) for _ in range(3))
        self.attention = Attention(CONTEXT, HEADS)
        self.expand, self.contract = nn.Linear(CONTEXT, 2 * CONTEXT), nn.Linear(2 * CONTEXT, CONTEXT)

    def forward(self, tokens: Int[Tensor, "B S"]) -> Float[Tensor, "B S 64"]:
        x = self.token_embedding(tokens) + self.position_embedding
        x = x + self.attention(self.norm1(x))
        x = x + self.contract(F.gelu(self.expand(self.norm2(x))))
        answer: Tensor = self.final_norm(x)
        return answer
