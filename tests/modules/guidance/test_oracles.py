"""Each solution of the guidance module against the library that everyone uses, or against a plain loop."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from diffusers import UNet2DConditionModel
from diffusers.guiders import ClassifierFreeGuidance
from diffusers.pipelines.stable_diffusion.pipeline_stable_diffusion import rescale_noise_cfg
from torch import Tensor, nn

from solutions import guidance

from ..oracles import DTYPES, agree

SCALES = [-1.5, 0.0, 0.5, 1.0, 3.0, 7.5]


def diffusers_guidance(uncond: Tensor, cond: Tensor, w: float, *, of_the_paper: bool = False) -> Tensor:
    build: Any = ClassifierFreeGuidance
    guider = build(guidance_scale=w, use_original_formulation=of_the_paper)
    guider.set_state(step=0, num_inference_steps=1, timestep=torch.tensor(0))
    guider._enabled = True
    guided: Tensor = guider.forward(cond, uncond).pred
    return guided


class TestClassEmbedding:
    @pytest.mark.parametrize("dtype", DTYPES)
    def test_is_torchs_embedding_with_its_weights_and_gradients(self, dtype: torch.dtype) -> None:
        ours = guidance.ClassEmbedding(7, 5).to(dtype)
        theirs = nn.Embedding(8, 5).to(dtype)
        theirs.load_state_dict(ours.state_dict(), strict=True)
        labels = torch.tensor([7, 0, 3, 7, 7, 6])
        agree(ours(labels), theirs(labels))
        direction = torch.randn(6, 5, dtype=dtype)
        for table in (ours, theirs):
            (table(labels) * direction).sum().backward()
        assert ours.weight.grad is not None
        assert theirs.weight.grad is not None
        agree(ours.weight.grad, theirs.weight.grad)

    def test_starts_as_torchs_does(self) -> None:
        torch.manual_seed(5)
        ours = guidance.ClassEmbedding(9, 4).weight
        torch.manual_seed(5)
        assert torch.equal(ours, nn.Embedding(10, 4).weight)


class TestDropCondition:
    @pytest.mark.parametrize("p", [0.0, 0.1, 0.5, 1.0])
    @pytest.mark.parametrize("shape", [(), (4,), (3, 4)])
    def test_is_a_plain_loop_over_the_samples(self, p: float, shape: tuple[int, ...]) -> None:
        cond, null = torch.randn(301, *shape), torch.randn(shape)
        ours = guidance.drop_condition(cond, null, p, torch.Generator().manual_seed(3))
        chances = torch.rand(301, generator=torch.Generator().manual_seed(3)).tolist()
        expected = [null if chance < p else own for chance, own in zip(chances, cond, strict=True)]
        assert torch.equal(ours, torch.stack(expected))

    @pytest.mark.parametrize("p", [0.05, 0.3, 0.9])
    def test_drops_as_often_as_the_binomial_law_allows(self, p: float) -> None:
        labels, null, n = torch.zeros(200, dtype=torch.long), torch.tensor(1), 200
        generator = torch.Generator().manual_seed(0)
        counts = torch.stack(
            [guidance.drop_condition(labels, null, p, generator).sum() for _ in range(400)]
        ).double()
        deviation = (n * p * (1 - p)) ** 0.5
        assert abs(counts.mean() - n * p) < 6 * deviation / 20
        assert 0.8 < counts.std() / deviation < 1.2  # independent, and not the same number each time

    def test_leaves_what_it_is_given_alone(self) -> None:
        cond, null = torch.arange(50), torch.tensor(50)
        guidance.drop_condition(cond, null, 0.5, torch.Generator())
        assert torch.equal(cond, torch.arange(50))


class TestGuide:
    @pytest.mark.parametrize("dtype", DTYPES)
    @pytest.mark.parametrize("w", SCALES)
    def test_is_diffusers_guider(self, dtype: torch.dtype, w: float) -> None:
        uncond, cond = torch.randn(2, 3, 2, 4, 5, dtype=dtype).unbind(0)
        agree(guidance.guide(uncond, cond, w), diffusers_guidance(uncond, cond, w))

    @pytest.mark.parametrize("w", SCALES)
    def test_the_papers_scale_is_one_less(self, w: float) -> None:
        uncond, cond = torch.randn(2, 3, 4, dtype=torch.float64).unbind(0)
        paper = diffusers_guidance(uncond, cond, w - 1, of_the_paper=True)
        agree(guidance.guide(uncond, cond, w), paper)
        agree(paper, (1 + (w - 1)) * cond - (w - 1) * uncond)


@pytest.fixture(scope="module")
def unet() -> UNet2DConditionModel:
    build: Any = UNet2DConditionModel
    torch.manual_seed(0)
    network: UNet2DConditionModel = build(
        sample_size=8,
        block_out_channels=(8, 16),
        layers_per_block=1,
        norm_num_groups=4,
        cross_attention_dim=6,
        attention_head_dim=2,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
    )
    return network.double().eval()


class TestWithANetworkOfDiffusers:
    @pytest.mark.parametrize(("batch", "w"), [(1, 7.5), (3, -1.5), (3, 0.0), (3, 1.0)])
    @torch.no_grad()
    def test_one_call_is_two_calls(self, unet: Any, batch: int, w: float) -> None:
        x = torch.randn(batch, 4, 8, 12, dtype=torch.float64)
        t = torch.randint(1000, (batch,))
        prompts, empty, negative = (torch.randn(n, 5, 6, dtype=torch.float64) for n in (batch, 1, 1))
        calls = []

        def model(x: Tensor, t: Tensor, cond: Tensor) -> Tensor:
            calls.append(len(x))
            out: Tensor = unet(x, t, cond).sample
            return out

        def alone(told: Tensor) -> Tensor:
            out: Tensor = unet(x, t, told.expand(batch, 5, 6)).sample
            return out

        agree(
            guidance.guided_eps(model, x, t, prompts, empty[0], w),
            diffusers_guidance(alone(empty), alone(prompts), w),
        )
        agree(
            guidance.negative_prompt_eps(model, x, t, prompts, empty, w, negative),
            diffusers_guidance(alone(negative), alone(prompts), w),
        )
        agree(
            guidance.negative_prompt_eps(model, x, t, prompts, empty, w),
            diffusers_guidance(alone(empty), alone(prompts), w),
        )
        assert calls == [2 * batch] * 3

    def test_gradients_reach_the_prompt_and_the_empty_one(self, unet: Any) -> None:
        x, t = torch.randn(2, 4, 8, 8, dtype=torch.float64), torch.tensor([5, 900])
        prompts = torch.randn(2, 3, 6, dtype=torch.float64, requires_grad=True)
        empty = torch.randn(3, 6, dtype=torch.float64, requires_grad=True)
        guided = guidance.guided_eps(lambda *given: unet(*given).sample, x, t, prompts, empty, 3.0)
        apart = guidance.guide(unet(x, t, empty.expand(2, 3, 6)).sample, unet(x, t, prompts).sample, 3.0)
        direction = torch.randn_like(guided)
        for ours, theirs in zip(
            torch.autograd.grad((guided * direction).sum(), [prompts, empty]),
            torch.autograd.grad((apart * direction).sum(), [prompts, empty]),
            strict=True,
        ):
            assert ours.isfinite().all()
            agree(ours, theirs)


class TestRescaleGuidance:
    @pytest.mark.parametrize("dtype", DTYPES)
    @pytest.mark.parametrize("phi", [0.0, 0.3, 0.7, 1.0])
    @pytest.mark.parametrize("shape", [(3, 4, 5, 7), (1, 2, 6), (5, 9), (3, 2, 2, 3, 4)])
    def test_is_diffusers_rescale_noise_cfg(
        self, dtype: torch.dtype, phi: float, shape: tuple[int, ...]
    ) -> None:
        guided, cond = 4 * torch.randn(shape, dtype=dtype) + 1, torch.randn(shape, dtype=dtype)
        theirs = rescale_noise_cfg(guided, cond, guidance_rescale=phi)
        agree(guidance.rescale_guidance(guided, cond, phi), theirs)

    def test_is_right_for_deviations_as_small_and_as_large_as_promised(self) -> None:
        for scale in (1e-4, 1e4):
            guided, cond = scale * torch.randn(3, 8), scale * torch.randn(3, 8)
            rescaled = guidance.rescale_guidance(guided, cond, 1.0)
            torch.testing.assert_close(rescaled.std(1), cond.std(1))


def test_none_of_them_changes_what_it_is_given() -> None:
    uncond, cond, x = torch.randn(3, 2, 4), torch.randn(3, 2, 4), torch.randn(3, 2)
    t, labels, null = torch.tensor([1, 2, 3]), torch.tensor([0, 1, 2]), torch.tensor(3)
    given = [uncond, cond, x, t, labels, null]
    before = [each.clone() for each in given]
    guidance.guide(uncond, cond, 3.0)
    guidance.rescale_guidance(uncond, cond, 0.5)
    for negative in (None, torch.tensor(1)):
        guidance.negative_prompt_eps(
            lambda x, t, c: x + t[:, None] + c[:, None], x, t, labels, null, 2.0, negative
        )
    assert all(torch.equal(one, other) for one, other in zip(given, before, strict=True))
