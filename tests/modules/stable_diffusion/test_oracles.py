"""The solutions of the module `stable_diffusion` against diffusers, transformers and torch.distributions."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import diffusers
import pytest
import torch
from diffusers.models.autoencoders.vae import DiagonalGaussianDistribution
from torch import Tensor, nn
from torch.distributions import Normal, kl_divergence

from course.lab import schedulers
from solutions import stable_diffusion as ours

from ..oracles import DTYPES, agree

ABAR = (1 - torch.linspace(1e-4, 0.02, 1000, dtype=torch.float64)).cumprod(0)


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)


@pytest.mark.parametrize("dtype", DTYPES)
class TestPosterior:
    def test_sample_and_divergence_are_those_of_diffusers(self, dtype: torch.dtype) -> None:
        mean, log_variance, noise = torch.randn(3, 3, 4, 5, 6, dtype=dtype)
        theirs = DiagonalGaussianDistribution(torch.cat([mean, log_variance], 1))
        agree(ours.reparameterize(mean, log_variance, noise), theirs.mean + theirs.std * noise)
        torch.testing.assert_close(ours.kl_to_standard_normal(mean, log_variance), theirs.kl())

    def test_divergence_is_that_of_torch(self, dtype: torch.dtype) -> None:
        mean, log_variance = torch.randn(2, 3, 7, dtype=dtype)
        theirs = kl_divergence(Normal(mean, (log_variance / 2).exp()), Normal(mean * 0, mean * 0 + 1))
        agree(ours.kl_to_standard_normal(mean, log_variance), theirs.sum(1))


def tiny_autoencoder() -> Any:
    return diffusers.AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        block_out_channels=(8, 16),
        norm_num_groups=4,
    ).eval()


@pytest.mark.parametrize(("scale", "shift"), [(0.18215, 0.0), (1.5305, 0.0609)])
def test_latents_are_those_of_a_pipeline(scale: float, shift: float) -> None:
    vae, pictures, noise = tiny_autoencoder(), torch.rand(2, 3, 8, 12) * 2 - 1, torch.randn(2, 4, 4, 6)

    def encode(x: Tensor) -> tuple[Tensor, Tensor]:
        found = vae.encode(x).latent_dist
        return found.mean, found.logvar

    latents = ours.encode_latents(encode, pictures, noise, scale, shift)
    with torch.no_grad():
        found = vae.encode(pictures).latent_dist
        agree(latents, (found.mean + found.std * noise - shift) * scale)
        theirs = vae.decode(latents / scale + shift).sample.clamp(-1, 1)
    assert not latents.requires_grad
    agree(ours.decode_latents(lambda z: vae.decode(z).sample, latents, scale, shift), theirs)


class TestTextEncoder:
    @pytest.fixture
    def pair(self) -> tuple[ours.TextEncoder, Any]:
        from transformers import CLIPTextConfig, CLIPTextModel

        config = CLIPTextConfig(
            vocab_size=30,
            hidden_size=24,
            intermediate_size=40,
            num_hidden_layers=2,
            num_attention_heads=3,
            max_position_embeddings=9,
            eos_token_id=29,
            bos_token_id=28,
            pad_token_id=0,
        )
        theirs = CLIPTextModel(config).eval()
        mine = ours.TextEncoder(30, 9, 24, 3, 2, 40)
        state = {name.removeprefix("text_model."): value for name, value in theirs.state_dict().items()}
        mine.load_state_dict(
            {name: v for name, v in state.items() if "position_ids" not in name}, strict=True
        )
        return mine, theirs

    @pytest.fixture
    def tokens(self) -> Tensor:
        tokens = torch.randint(1, 28, (3, 8))
        tokens[0, 5], tokens[1, 7], tokens[2, 3] = 29, 29, 29
        return tokens

    @torch.no_grad()
    def test_is_clips_with_clips_weights(self, pair: Any, tokens: Tensor) -> None:
        mine, theirs = pair
        found = theirs(tokens)
        torch.testing.assert_close(mine(tokens), found.last_hidden_state)
        torch.testing.assert_close(ours.last_token(mine(tokens), tokens, 29), found.pooler_output)

    @torch.no_grad()
    def test_real_tokens_are_clips_under_a_mask(self, pair: Any, tokens: Tensor) -> None:
        mine, theirs = pair
        mask = torch.arange(8) <= torch.tensor([5, 7, 3])[:, None]
        found = theirs(tokens, attention_mask=mask.long()).last_hidden_state
        torch.testing.assert_close(mine(tokens, mask)[mask], found[mask])


def test_slerp_keeps_lengths_and_shares_out_the_angle() -> None:
    a, b = torch.randn(2, 3, 2, 4, 5, dtype=torch.float64)
    a, b = (2 * nn.functional.normalize(each.flatten(1)).view_as(each) for each in (a, b))
    along = ours.slerp(a, b, 0.3)
    agree(along.flatten(1).norm(dim=1), torch.full((3,), 2.0, dtype=torch.float64))

    def angle(one: Tensor, other: Tensor) -> Tensor:
        return nn.functional.cosine_similarity(one.flatten(1), other.flatten(1)).acos()

    torch.testing.assert_close(angle(a, along), 0.3 * angle(a, b))
    agree(ours.slerp(a, 2 * a, 0.25), 1.25 * a)


def test_a_blend_is_a_weighted_mean() -> None:
    e = torch.randn(3, 5, 4, dtype=torch.float64)
    agree(ours.blend_prompts(e, torch.tensor([1.0, 1.0, 2.0])), (e[0] + e[1] + 2 * e[2]) / 4)


# --- The loop -----------------------------------------------------------------------------------------------

SD_BETAS = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
SCHEDULERS: dict[str, dict[str, Any]] = {
    "DDIMScheduler": {"clip_sample": False, "steps_offset": 1},
    "PNDMScheduler": {"steps_offset": 1, "skip_prk_steps": True},
    "EulerDiscreteScheduler": {},
    "HeunDiscreteScheduler": {},
    "DPMSolverMultistepScheduler": {},
    "UniPCMultistepScheduler": {},
}


@pytest.fixture(scope="module")
def unet() -> Any:
    torch.manual_seed(0)
    return diffusers.UNet2DConditionModel(
        sample_size=8,
        block_out_channels=(8, 16),
        layers_per_block=1,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=16,
        attention_head_dim=4,
        norm_num_groups=4,
    ).eval()


@pytest.mark.parametrize("name", SCHEDULERS)
def test_the_loop_is_the_pipelines(name: str, unet: Any) -> None:
    made = [getattr(diffusers, name)(**SD_BETAS, **SCHEDULERS[name]) for _ in range(2)]
    pipeline = diffusers.StableDiffusionPipeline(
        vae=tiny_autoencoder(),
        text_encoder=None,
        tokenizer=None,
        unet=unet,
        scheduler=made[0],
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipeline.set_progress_bar_config(disable=True)
    cond, null, latents = torch.randn(2, 7, 16), torch.randn(2, 7, 16), torch.randn(2, 4, 8, 8)
    theirs = pipeline(
        prompt_embeds=cond,
        negative_prompt_embeds=null,
        latents=latents.clone(),
        num_inference_steps=4,
        guidance_scale=4.0,
        output_type="latent",
    ).images

    def asked(x: Tensor, t: Tensor, context: Tensor) -> Tensor:
        return unet(x, t, encoder_hidden_states=context).sample  # type: ignore[no-any-return]

    mine = ours.denoising_loop(asked, made[1], cond, null, latents, 4.0, 4)
    torch.testing.assert_close(mine, theirs, rtol=1e-4, atol=1e-4 * float(theirs.abs().max()))


PREDICTIONS = {"eps": "epsilon", "v": "v_prediction"}


@pytest.mark.parametrize("prediction", PREDICTIONS)
@pytest.mark.parametrize("name", ["DDIM", "Euler", "Heun"])
def test_the_courses_schedulers_are_diffusers(name: str, prediction: Any) -> None:
    kind = {"DDIM": "DDIMScheduler"}.get(name, f"{name}DiscreteScheduler")
    extra = {"clip_sample": False} if name == "DDIM" else {}
    theirs = getattr(diffusers, kind)(
        beta_start=1e-4,
        beta_end=0.02,
        timestep_spacing="trailing",
        prediction_type=PREDICTIONS[prediction],
        **extra,
    )
    mine = getattr(schedulers, name)(ABAR, prediction)
    c = torch.randn(2, 3, 4)

    def unet(x: Tensor, t: Tensor, context: Tensor) -> Tensor:
        return torch.sin(x + context[:, :, :1] + float(t) / 300)

    latents = torch.randn(2, 3, 5)
    one, other = (ours.denoising_loop(unet, each, c, 0 * c, latents, 2.0, 10) for each in (mine, theirs))
    assert mine.timesteps.tolist() == [int(t) for t in theirs.timesteps]
    assert math.isclose(mine.init_noise_sigma, float(theirs.init_noise_sigma), rel_tol=1e-5)
    torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-3)


# --- Pictures from pictures ---------------------------------------------------------------------------------


def test_the_start_is_the_pipelines() -> None:
    steps_of: Callable[..., Any] = diffusers.StableDiffusionImg2ImgPipeline.get_timesteps
    for steps in (1, 7, 20, 50):
        scheduler = diffusers.DDIMScheduler()
        scheduler.set_timesteps(steps)
        for strength in (0.0, 0.02, 0.3, 0.5, 0.58, 0.7, 0.8, 0.999, 1.0):
            asked = type("Pipeline", (), {"scheduler": scheduler})()
            theirs, _ = steps_of(asked, steps, strength, "cpu")
            assert len(scheduler.timesteps[ours.img2img_start(steps, strength) :]) == len(theirs)


@pytest.mark.parametrize("dtype", DTYPES)
def test_noise_is_added_as_diffusers_adds_it(dtype: torch.dtype) -> None:
    scheduler = diffusers.DDPMScheduler()
    scheduler.alphas_cumprod = ABAR
    x, known, noise = torch.randn(3, 2, 3, 5, 4, dtype=dtype)
    mask = torch.rand(2, 1, 5, 4) < 0.5
    noised = scheduler.add_noise(known, noise, torch.tensor([300, 300]))
    agree(ours.img2img_latents(known, noise, [999, 300, 1], 1, ABAR), noised)
    agree(ours.paste_known(x, known, mask, noise, 300, ABAR), torch.where(mask, x, noised))
    assert torch.equal(ours.paste_known(x, known, mask, noise, -1, ABAR), torch.where(mask, x, known))


def test_renoise_is_all_steps_in_between_at_once() -> None:
    x, noise = torch.randn(2, 2, 3, 5, 4, dtype=torch.float64)
    betas = 1 - ABAR / torch.cat([torch.ones(1, dtype=torch.float64), ABAR[:-1]])
    mean, variance = 1.0, 0.0
    for t in range(250, 301):
        mean, variance = mean * float(1 - betas[t]) ** 0.5, variance * float(1 - betas[t]) + float(betas[t])
    agree(ours.renoise(x, 249, 300, noise, ABAR), mean * x + variance**0.5 * noise)


def test_control_starts_as_nothing_and_learns_from_its_last_layer_backwards() -> None:
    block = nn.Sequential(nn.Conv2d(4, 4, 3, padding=1), nn.SiLU(), nn.Conv2d(4, 4, 3, padding=1)).double()
    controlled = ours.Controlled(block, 4).double()
    x, hint, target = torch.randn(3, 2, 4, 5, 6, dtype=torch.float64)
    assert torch.equal(controlled(x, hint), block(x))
    optimizer = torch.optim.SGD([p for p in controlled.parameters() if p.requires_grad], 0.1)
    found = []
    for _ in range(2):
        optimizer.zero_grad()
        (controlled(x, hint) - target).square().mean().backward()
        layers = (controlled.zero_out, controlled.zero_in, controlled.copy[0])
        found.append([bool(layer.weight.grad.abs().max() > 0) for layer in layers])
        optimizer.step()
    assert found == [[True, False, False], [True, True, True]]
    assert block[0].weight.grad is None
