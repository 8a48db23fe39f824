"""Stable Diffusion around a student's own parts: the same code on a pipeline of small random parts."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from course.lab import real_sd
from solutions.stable_diffusion import decode_latents, denoising_loop
from solutions.unet import UNet


def small_pipeline() -> Any:
    import diffusers

    torch.manual_seed(0)
    unet = diffusers.UNet2DConditionModel(
        sample_size=8,
        block_out_channels=(16, 32, 32),
        layers_per_block=2,
        down_block_types=("CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"),
        cross_attention_dim=16,
        attention_head_dim=4,
        norm_num_groups=8,
    )
    vae = diffusers.AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        block_out_channels=(8, 16),
        norm_num_groups=4,
    )
    return diffusers.StableDiffusionPipeline(
        vae=vae.eval(),
        text_encoder=None,
        tokenizer=None,
        unet=unet.eval(),
        scheduler=diffusers.EulerDiscreteScheduler(steps_offset=1),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


def test_a_students_unet_takes_the_weights_and_draws_what_the_pipeline_draws(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pipeline = small_pipeline()
    pipeline.set_progress_bar_config(disable=True)
    cond, null = torch.randn(1, 5, 16), torch.randn(1, 5, 16)
    noise = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(3))
    theirs = pipeline(
        prompt_embeds=cond,
        negative_prompt_embeds=null,
        latents=noise,
        num_inference_steps=3,
        guidance_scale=7.5,
        height=16,
        width=16,
        output_type="pt",
    ).images
    real = real_sd.around(UNet, pipeline)

    def encoded(self: Any, prompts: list[str]) -> Tensor:
        return null if prompts == [""] else cond

    monkeypatch.setattr(real_sd.RealSD, "encode_text", encoded)
    ours = real.draw(["a fox"], denoising_loop, decode_latents, steps=3, seed=3, size=16)
    torch.testing.assert_close((ours + 1) / 2, theirs, rtol=1e-3, atol=1e-3)


def test_stable_diffusion_itself_fits_into_the_unet_of_the_exercise() -> None:
    """Version 1.5's configuration, on the meta device: nothing is downloaded, and no memory taken."""
    import diffusers

    config: dict[str, Any] = {"attention_head_dim": 8, "cross_attention_dim": 768, "sample_size": 64}
    with torch.device("meta"):
        theirs = diffusers.UNet2DConditionModel(**config)
        mine = UNet(**real_sd.options(theirs.config))
    mine.load_state_dict(theirs.state_dict(), strict=True, assign=True)
    assert sum(parameter.numel() for parameter in mine.parameters()) == 859_520_964


def test_without_the_package_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "diffusers", None)
    with pytest.raises(RuntimeError, match="pip install diffusers"):
        real_sd.load(UNet)
