"""The networks of the tiny latent model beside its UNet: an autoencoder and a text encoder.

The text encoder's parameters have the names and shapes of transformers' `CLIPTextModel`, so that weights go
from one to the other with `load_state_dict(..., strict=True)`.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

LATENT = 8  # channels of the latents
SIDE = 4  # a latent pixel stands for a square of so many pixels of the picture
WIDTH, GROUPS, BLOCKS = 48, 8, 3


class Residual(nn.Module):
    """Two convolutions beside a way straight through."""

    def __init__(self) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.GroupNorm(GROUPS, WIDTH), nn.GroupNorm(GROUPS, WIDTH)
        self.conv1, self.conv2 = (nn.Conv2d(WIDTH, WIDTH, 3, padding=1) for _ in range(2))

    def forward(self, x: Float[Tensor, "B 48 h w"]) -> Float[Tensor, "B 48 h w"]:
        changed: Tensor = self.conv2(F.silu(self.norm2(self.conv1(F.silu(self.norm1(x))))))
        return x + changed


class Half(nn.Sequential):
    """One half of the autoencoder: a convolution, residual blocks, a norm, and a convolution."""

    def __init__(self, channels: int, out_channels: int) -> None:
        super().__init__(
            nn.Conv2d(channels, WIDTH, 3, padding=1),
            *(Residual() for _ in range(BLOCKS)),
            nn.GroupNorm(GROUPS, WIDTH),
            nn.SiLU(),
            nn.Conv2d(WIDTH, out_channels, 3, padding=1),
        )


class Autoencoder(nn.Module):
    """Pictures of 32 x 32 x 3 to latents of 8 x 8 x 8 and back; other multiples of 4 work too.

    Each square of 4 x 4 pixels becomes one pixel of 48 channels first, and last comes the way back, so that
    all convolutions work at 8 x 8: quick, where Stable Diffusion's halve the picture step by step.
    Source: Kingma & Welling (2013); Rombach et al. (2022), section 3.1.
    """

    def __init__(self) -> None:
        super().__init__()
        pixel = 3 * SIDE**2
        self.encoder, self.decoder = Half(pixel, 2 * LATENT), Half(LATENT, pixel)
        self.quant_conv = nn.Conv2d(2 * LATENT, 2 * LATENT, 1)
        self.post_quant_conv = nn.Conv2d(LATENT, LATENT, 1)

    def encode(
        self, pictures: Float[Tensor, "B 3 H W"]
    ) -> tuple[Float[Tensor, "B 8 h w"], Float[Tensor, "B 8 h w"]]:
        """Mean and logarithm of the variance of the latents."""
        mean, log_variance = self.quant_conv(self.encoder(F.pixel_unshuffle(pictures, SIDE))).chunk(2, 1)
        return mean, log_variance.clamp(-30, 20)

    def decode(self, latents: Float[Tensor, "B 8 h w"]) -> Float[Tensor, "B 3 H W"]:
        """Pictures of the latents, about from -1 to 1."""
        return F.pixel_shuffle(self.decoder(self.post_quant_conv(latents)), SIDE)


class Layer(nn.Module):
    """A layer of CLIP's text transformer."""

    def __init__(self, dim: int, heads: int, hidden: int) -> None:
        super().__init__()
        self.heads = heads
        self.self_attn, self.mlp = nn.Module(), nn.Module()
        for name in ("q_proj", "k_proj", "v_proj", "out_proj"):
            setattr(self.self_attn, name, nn.Linear(dim, dim))
        self.mlp.fc1, self.mlp.fc2 = nn.Linear(dim, hidden), nn.Linear(hidden, dim)
        self.layer_norm1, self.layer_norm2 = nn.LayerNorm(dim), nn.LayerNorm(dim)

    def forward(self, x: Float[Tensor, "B S dim"]) -> Float[Tensor, "B S dim"]:
        attention: Any = self.self_attn
        normed = self.layer_norm1(x)
        q, k, v = (
            project(normed).unflatten(-1, (self.heads, -1)).movedim(-2, -3)
            for project in (attention.q_proj, attention.k_proj, attention.v_proj)
        )
        seen = F.scaled_dot_product_attention(q, k, v, is_causal=True).movedim(-3, -2).flatten(-2)
        x = x + attention.out_proj(seen)
        mlp: Any = self.mlp
        wide = mlp.fc1(self.layer_norm2(x))
        answer: Tensor = x + mlp.fc2(wide * torch.sigmoid(1.702 * wide))
        return answer


class CaptionEncoder(nn.Module):
    """CLIP's text transformer, as small as this model needs it, for who has not written one.

    In the module `stable_diffusion` you write it, with a mask.
    """

    def __init__(self, vocabulary: int, length: int, dim: int, heads: int, layers: int, hidden: int) -> None:
        super().__init__()
        self.embeddings, self.encoder = nn.Module(), nn.Module()
        self.embeddings.token_embedding = nn.Embedding(vocabulary, dim)
        self.embeddings.position_embedding = nn.Embedding(length, dim)
        self.encoder.layers = nn.ModuleList([Layer(dim, heads, hidden) for _ in range(layers)])
        self.final_layer_norm = nn.LayerNorm(dim)

    def forward(
        self, tokens: Int[Tensor, "B S"], mask: Bool[Tensor, "B S"] | None = None
    ) -> Float[Tensor, "B S dim"]:
        """The words as vectors. It is causal, so no mask of what comes at the end is needed."""
        embeddings: Any = self.embeddings
        x = embeddings.token_embedding(tokens) + embeddings.position_embedding.weight[: tokens.shape[1]]
        layers: Any = self.encoder.layers
        for layer in layers:
            x = layer(x)
        answer: Tensor = self.final_layer_norm(x)
        return answer
