"""Stable Diffusion 1.5 with a student's own UNet, loop and decoding; diffusers brings the rest.

    real = real_sd.load(UNet)                                  # downloads 4.3 GB, once
    pictures = real.draw(["a fox"], denoising_loop, decode_latents)

`around` does the same for any pipeline of that build, so that it can be tried without a download.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

__all__ = ["NAME", "RealSD", "around", "load", "options"]

NAME = "stable-diffusion-v1-5/stable-diffusion-v1-5"
NEEDS = "it needs the packages diffusers and transformers: python -m pip install diffusers transformers"


@dataclass(frozen=True)
class RealSD:
    """A pipeline's parts, with the student's UNet in the place of its own.

    unet      the student's, with the pipeline's weights
    pipeline  diffusers' StableDiffusionPipeline, for its tokenizer, text encoder, autoencoder and scheduler
    """

    unet: nn.Module
    pipeline: Any

    @torch.no_grad()
    def encode_text(self, prompts: Sequence[str]) -> Float[Tensor, "B S D"]:
        """The prompts as the UNet takes them, filled up to the longest length as in training."""
        tokenizer = self.pipeline.tokenizer
        tokens = tokenizer(
            list(prompts),
            padding="max_length",
            max_length=tokenizer.model_max_length,
            truncation=True,
            return_tensors="pt",
        ).input_ids
        encoded: Tensor = self.pipeline.text_encoder(tokens.to(self._device)).last_hidden_state
        return encoded

    @torch.no_grad()
    def draw(
        self,
        prompts: Sequence[str],
        denoising_loop: Callable[..., Tensor],
        decode_latents: Callable[..., Tensor],
        *,
        guidance_scale: float = 7.5,
        steps: int = 20,
        seed: int = 0,
        size: int = 512,
    ) -> Float[Tensor, "B 3 size size"]:
        """Pictures from -1 to 1 by the student's loop and decoding; `size` is a multiple of 64."""
        vae = self.pipeline.vae
        channels, factor = vae.config.latent_channels, 2 ** (len(vae.config.block_out_channels) - 1)
        noise = torch.randn(
            len(prompts),
            channels,
            size // factor,
            size // factor,
            generator=torch.Generator().manual_seed(seed),
        ).to(self._device)
        latents = denoising_loop(
            self.unet,
            self.pipeline.scheduler,
            self.encode_text(prompts),
            self.encode_text([""] * len(prompts)),
            noise,
            guidance_scale,
            steps,
        )
        return decode_latents(lambda z: vae.decode(z).sample, latents, vae.config.scaling_factor).cpu()

    @property
    def _device(self) -> torch.device:
        return next(self.unet.parameters()).device


def options(config: Any) -> dict[str, Any]:
    """The arguments of the exercise's UNet for the network of this configuration of diffusers'."""
    return {
        "in_channels": config.in_channels,
        "out_channels": config.out_channels,
        "block_out_channels": tuple(config.block_out_channels),
        "attention": tuple("CrossAttn" in kind for kind in config.down_block_types),
        "cross_attention_dim": config.cross_attention_dim,
        "heads": config.attention_head_dim,  # which is the number of heads, whatever its name says
        "groups": config.norm_num_groups,
        "layers_per_block": config.layers_per_block,
    }


def around(unet: Callable[..., nn.Module], pipeline: Any) -> RealSD:
    """The pipeline with a UNet of the student's class, which gets the weights of its own, strictly.

    The pipeline's own UNet is given up. Raises RuntimeError if the weights do not fit.
    """
    state, config = pipeline.unet.state_dict(), pipeline.unet.config
    pipeline.unet = None  # two of them at once would be 7 GB
    with torch.device("meta"):
        own = unet(**options(config))
    own.load_state_dict(state, strict=True, assign=True)
    return RealSD(own.eval().requires_grad_(False), pipeline)


def load(unet: Callable[..., nn.Module]) -> RealSD:
    """Stable Diffusion 1.5 around a UNet of the student's class, on a GPU if there is one.

    unet  with the options of the exercise in the module `unet`

    Downloads 4.3 GB from Hugging Face, once. Raises RuntimeError, in a sentence that says what to do, where a
    package or the network is missing.
    """
    try:
        from diffusers import StableDiffusionPipeline
    except ImportError as error:
        raise RuntimeError(f"Stable Diffusion cannot be loaded: {NEEDS}") from error
    try:
        kind: Any = StableDiffusionPipeline
        pipeline = kind.from_pretrained(
            NAME, safety_checker=None, requires_safety_checker=False, use_safetensors=True
        )
    except OSError as error:
        raise RuntimeError(
            f"Stable Diffusion's weights could not be downloaded from {NAME} at Hugging Face (4.3 GB): look "
            "whether there is a network and room on the disk, and run the cell again; what has come is kept"
        ) from error
    device = "cuda" if torch.cuda.is_available() else "cpu"
    real = around(unet, pipeline)
    real.unet.to(device)
    real.pipeline.text_encoder.to(device)
    real.pipeline.vae.to(device)
    return real
