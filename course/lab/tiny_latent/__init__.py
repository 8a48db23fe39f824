"""A Stable Diffusion of three megabytes that draws emoji from their names, on a laptop and with no download.

    from course.lab import tiny_latent

    tiny = tiny_latent.load()
    pictures = tiny.draw(["fox face", "blue apple"])

Like the large one it draws in latent space: a text encoder, a UNet and an autoencoder, with the layers and
names of transformers' and diffusers' own. `docs/tiny-latent.md` is its model card;
`python -m course.lab.tiny_latent.train` is how it came about.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from course.lab.stored import read_weights, write_weights
from course.lab.tiny_latent.captions import END, LENGTH, tokenize, vocabulary
from course.lab.tiny_latent.network import LATENT, Autoencoder, CaptionEncoder
from course.lab.tiny_sd.network import CONTEXT, TinyUNet

__all__ = [
    "ALPHAS_CUMPROD",
    "END",
    "TEXT",
    "UNET",
    "WEIGHTS",
    "TinyLatent",
    "load",
    "save",
    "tokenize",
    "vocabulary",
    "weights",
]

WEIGHTS = Path(__file__).with_name("tiny_latent.safetensors")
# Stable Diffusion's betas: linear in their roots.
ALPHAS_CUMPROD = (1 - torch.linspace(0.00085**0.5, 0.012**0.5, 1000, dtype=torch.float64) ** 2).cumprod(0)
# As arguments of the UNet of the module `unet`, and of the text encoder of `stable_diffusion`.
UNET: dict[str, Any] = {"in_channels": LATENT, "out_channels": LATENT, "cross_attention_dim": CONTEXT}
TEXT: dict[str, Any] = {"length": LENGTH, "dim": CONTEXT, "heads": 4, "layers": 1, "hidden": 128}


@dataclass(frozen=True)
class TinyLatent:
    """The trained networks, in eval mode and without gradients.

    unet            v = unet(x, t, context): x [B, 8, 8, 8], t [B] or an int, context [B, 10, 64]
    text_encoder    context = text_encoder(tokens), of tokens [B, 10] as `tokenize` makes them
    autoencoder     encode(pictures [B, 3, 32, 32]) -> mean and log variance; decode(latents [B, 8, 8, 8])
    scale           by which latents are multiplied, so that the UNet sees numbers of standard deviation 1
    alphas_cumprod  the noise schedule that it was trained with, 1000 steps, float64

    The UNet predicts the velocity v = sqrt(abar) noise - sqrt(1 - abar) x0, from which a scheduler takes what
    it needs.
    """

    unet: nn.Module
    text_encoder: nn.Module
    autoencoder: Autoencoder
    scale: float
    alphas_cumprod: Float[Tensor, " 1000"]

    @torch.no_grad()
    def encode_text(self, captions: Sequence[str]) -> Float[Tensor, "B 10 64"]:
        """The captions as the UNet takes them; "" is the empty caption."""
        context: Tensor = self.text_encoder(tokenize(captions))
        return context

    @torch.no_grad()
    def latents(self, pictures: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B 8 h w"]:
        """The middle of the pictures' latents, scaled."""
        return self.autoencoder.encode(pictures)[0] * self.scale

    @torch.no_grad()
    def pictures(self, latents: Float[Tensor, "B 8 h w"]) -> Float[Tensor, "B 3 H W"]:
        """Scaled latents as pictures, from -1 to 1."""
        return self.autoencoder.decode(latents / self.scale).clamp(-1, 1)

    @torch.no_grad()
    def draw(
        self, captions: Sequence[str], *, guidance_scale: float = 2.0, steps: int = 20, seed: int = 0
    ) -> Float[Tensor, "B 3 32 32"]:
        """Pictures for the captions by DDIM: number i starts from the same noise, whatever its caption.

        guidance_scale  w in u + w (c - u)
        """
        from course.lab.schedulers import DDIM

        x = torch.randn(len(captions), LATENT, 8, 8, generator=torch.Generator().manual_seed(seed))
        both = torch.cat((self.encode_text([""] * len(captions)), self.encode_text(captions)))
        scheduler = DDIM(self.alphas_cumprod, prediction="v")
        scheduler.set_timesteps(steps)
        for t in scheduler.timesteps:
            without, wanted = self.unet(torch.cat((x, x)), t, both).chunk(2)
            x = scheduler.step(without + guidance_scale * (wanted - without), t, x).prev_sample
        return self.pictures(x)


def load(
    unet: Callable[..., nn.Module] | None = None,
    text_encoder: Callable[..., nn.Module] = CaptionEncoder,
    *,
    path: Path = WEIGHTS,
) -> TinyLatent:
    """The trained model, from a file of plain numbers: nothing is downloaded, nothing unpickled.

    unet          a class such as the one that you wrote in `unet`; it is called with the figures of `UNET`
    text_encoder  likewise, with the number of words and the figures of `TEXT`
    """
    stored = read_weights(path)
    networks = {
        "unet": TinyUNet(LATENT) if unet is None else unet(**UNET),
        "text_encoder": text_encoder(vocabulary=len(vocabulary()), **TEXT),
        "autoencoder": Autoencoder(),
    }
    for name, network in networks.items():
        network.load_state_dict(_part(stored, f"{name}."))
        network.eval().requires_grad_(False)
    scale = float(stored["scale"])
    return TinyLatent(**networks, scale=scale, alphas_cumprod=ALPHAS_CUMPROD)  # type: ignore[arg-type]


def weights(part: str, path: Path = WEIGHTS) -> dict[str, Tensor]:
    """A part's state dict, for one of your own; `part` is "unet", "text_encoder" or "autoencoder"."""
    return _part(read_weights(path), f"{part}.")


def save(path: Path, scale: float, **networks: nn.Module) -> None:
    """Writes the networks by their names, and the scale of the latents, as 16-bit numbers."""
    state = {
        f"{part}.{name}": value for part in networks for name, value in networks[part].state_dict().items()
    }
    write_weights(path, state | {"scale": torch.tensor(scale)})


def _part(stored: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in stored.items() if name.startswith(prefix)}
