"""A text-to-image model small enough for a laptop: a million parameters, 16 x 16 pixels, no download.

    from course.lab import tiny_sd

    tiny = tiny_sd.load()
    pictures = tiny.draw(["a large red circle on black", "a small cyan ring on white"])

It draws what `course.lab.shapes` draws, from captions in the same words. `docs/tiny-sd.md` is its model card;
`python -m course.lab.tiny_sd.train` is how it came about.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from course.lab import ddim, ddpm
from course.lab.stored import read_weights, write_weights
from course.lab.tiny_sd.captions import LENGTH, VOCABULARY, tokenize
from course.lab.tiny_sd.network import CONFIG, CaptionEncoder, TinyUNet

__all__ = ["ALPHAS_CUMPROD", "CONFIG", "WEIGHTS", "TinySD", "load", "save", "weights"]

WEIGHTS = Path(__file__).with_name("tiny_sd.safetensors")
TIMESTEPS = 1000
# Linear betas, as Ho et al. (2020) have them.
ALPHAS_CUMPROD = (1 - torch.linspace(1e-4, 0.02, TIMESTEPS, dtype=torch.float64)).cumprod(0)

# eps = unet(x [B, 3, H, W], t [B], context [B, 7, 64])
UNet = Callable[[Tensor, Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class TinySD:
    """The trained networks, in eval mode and without gradients.

    unet            eps = unet(x, t, context): x [B, 3, H, W], t [B] or an int, context [B, 7, 64]
    text_encoder    context = text_encoder(tokens)
    alphas_cumprod  the noise schedule that it was trained with, 1000 steps, float64
    """

    unet: nn.Module
    text_encoder: CaptionEncoder
    alphas_cumprod: Float[Tensor, " 1000"]

    @torch.no_grad()
    def encode(self, captions: Sequence[str]) -> Float[Tensor, "B 7 64"]:
        """The captions as the UNet takes them; "" is the empty caption."""
        context: Tensor = self.text_encoder(tokenize(captions))
        return context

    def draw(
        self,
        captions: str | Sequence[str],
        *,
        guidance_scale: float = 3.0,
        negative: str = "",
        steps: int = 20,
        sampler: Literal["ddpm", "ddim"] = "ddpm",
        clip: bool | None = None,
        seed: int = 0,
        height: int = 16,
        width: int = 16,
        unet: UNet | None = None,
    ) -> Float[Tensor, "B 3 height width"]:
        """Pictures for the captions, with numbers from about -1 to 1.

        guidance_scale  w in u + w (c - u): 1 draws with the caption alone, 0 without it
        negative        the caption to keep away from, in the place of the empty one
        sampler         "ddpm", or "ddim", which draws the same picture from the same noise at any `steps`
        clip            limit predictions of the picture to -1 ... 1; by default for "ddpm" only
        seed            of the noise: picture number i starts from the same noise, whatever its caption
        unet            another network in place of the trained one, such as one that you wrote
        """
        captions = [captions] if isinstance(captions, str) else list(captions)
        generator = torch.Generator().manual_seed(seed)
        noise = torch.randn(len(captions), 3, height, width, generator=generator)
        eps = self.guided(self.encode(captions), guidance_scale, self.encode([negative]), unet)
        if sampler == "ddim":
            return ddim.sample(eps, noise, self.alphas_cumprod, steps, clip=bool(clip))
        clip = True if clip is None else clip
        return ddpm.sample(eps, noise, self.alphas_cumprod, steps, generator=generator, clip=clip)

    def guided(
        self,
        context: Float[Tensor, "B 7 64"],
        guidance_scale: float,
        null: Float[Tensor, "1 7 64"] | None = None,
        unet: UNet | None = None,
    ) -> ddim.Eps:
        """eps(x, t) under classifier-free guidance towards `context`, as samplers take it."""
        network = unet or self.unet
        away = (self.encode([""]) if null is None else null).expand_as(context)

        def eps(x: Tensor, t: Tensor) -> Tensor:
            if guidance_scale == 1:
                return network(x, t, context)
            if guidance_scale == 0:
                return network(x, t, away)
            both = network(torch.cat((x, x)), torch.cat((t, t)), torch.cat((away, context)))
            without, wanted = both.chunk(2)
            return without + guidance_scale * (wanted - without)

        return eps


def load(network: Callable[[], nn.Module] = TinyUNet, *, path: Path = WEIGHTS) -> TinySD:
    """The trained model, from a file of plain numbers: nothing is downloaded, nothing unpickled.

    network  what makes the UNet that gets the weights, such as the class of a student's
    """
    stored = read_weights(path)
    unet, encoder = network(), CaptionEncoder(len(VOCABULARY), LENGTH)
    unet.load_state_dict(_part(stored, "unet."))
    encoder.load_state_dict(_part(stored, "text_encoder."))
    for network in (unet, encoder):
        network.eval().requires_grad_(False)
    return TinySD(unet, encoder, ALPHAS_CUMPROD)


def weights(path: Path = WEIGHTS) -> dict[str, Tensor]:
    """The UNet's state dict, for a UNet of your own: `mine.load_state_dict(tiny_sd.weights())`."""
    return _part(read_weights(path), "unet.")


def save(path: Path, unet: nn.Module, encoder: nn.Module) -> None:
    """Writes both networks, as 16-bit numbers."""
    state = {f"unet.{name}": value for name, value in unet.state_dict().items()}
    write_weights(
        path, state | {f"text_encoder.{name}": value for name, value in encoder.state_dict().items()}
    )


def _part(stored: dict[str, Tensor], prefix: str) -> dict[str, Any]:
    return {name.removeprefix(prefix): value for name, value in stored.items() if name.startswith(prefix)}
