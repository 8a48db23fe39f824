"""Each solution of the attention module against the library that everyone uses, weights copied over."""

import math
from typing import Any

import einops
import pytest
import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL
from diffusers.models.attention_processor import Attention
from torch import Tensor, nn

from solutions import attention

from ..oracles import DTYPES, agree, leaves_its_inputs, with_weights_of


def gradients_agree(layer: nn.Module, oracle: nn.Module, *inputs: Tensor) -> None:
    """Every parameter gets a finite gradient, and it is the oracle's."""
    direction = torch.randn_like(layer(*inputs))
    for module in (layer, oracle):
        module.zero_grad()
        (module(*inputs) * direction).sum().backward()
    theirs = {name: parameter.grad for name, parameter in oracle.named_parameters()}
    for name, parameter in layer.named_parameters():
        ours, expected = parameter.grad, theirs[name]
        assert ours is not None, name
        assert expected is not None, name
        assert ours.isfinite().all(), name
        scale = expected.abs().max().clamp(min=1.0)
        agree(ours / scale, expected / scale)


class TestStableSoftmax:
    @pytest.mark.parametrize("dtype", DTYPES)
    @pytest.mark.parametrize("dim", [0, 1, 2, -1, -2, -3])
    def test_is_torchs_softmax_along_every_dimension(self, dtype: torch.dtype, dim: int) -> None:
        x = 5 * torch.randn(3, 4, 5, dtype=dtype)
        agree(attention.stable_softmax(x, dim), torch.softmax(x, dim))

    @pytest.mark.parametrize("dtype", [*DTYPES, torch.float16, torch.bfloat16])
    def test_takes_scores_of_ten_thousand_and_minus_infinity(self, dtype: torch.dtype) -> None:
        x = torch.tensor([[1e4, 0.0, -1e4], [-1e4, -1e4, -1e4], [0.0, -math.inf, 1.0]], dtype=dtype)
        ours = attention.stable_softmax(x, dim=-1)
        assert ours.dtype == dtype
        torch.testing.assert_close(ours, torch.softmax(x, dim=-1))

    def test_its_gradient_is_torchs(self) -> None:
        x = torch.randn(4, 6, dtype=torch.float64, requires_grad=True)
        direction = torch.randn(4, 6, dtype=torch.float64)
        (ours,) = torch.autograd.grad((attention.stable_softmax(x, 1) * direction).sum(), x)
        (theirs,) = torch.autograd.grad((torch.softmax(x, 1) * direction).sum(), x)
        agree(ours, theirs)


class TestScaledDotProductAttention:
    @pytest.mark.parametrize("dtype", DTYPES)
    @pytest.mark.parametrize("mask_shape", [None, (5, 7), (3, 1, 1, 7), (1, 2, 5, 7), (3, 2, 5, 7)])
    def test_is_torchs_attention(self, dtype: torch.dtype, mask_shape: tuple[int, ...] | None) -> None:
        q = torch.randn(3, 2, 5, 8, dtype=dtype)
        k = torch.randn(3, 2, 7, 8, dtype=dtype)
        v = torch.randn(3, 2, 7, 4, dtype=dtype)
        mask = None
        if mask_shape is not None:
            mask = torch.rand(mask_shape) < 0.5
            mask[..., 3] = True  # every query may attend to at least one key
        agree(
            attention.scaled_dot_product_attention(q, k, v, mask),
            F.scaled_dot_product_attention(q, k, v, mask),
        )

    def test_a_mask_works_in_float16_with_large_scores(self) -> None:
        q = torch.full((1, 1, 3, 1), -100.0, dtype=torch.float16)
        k, v = -q, torch.randn(1, 1, 3, 4).half()  # all scores are -1e4, what some put in for "forbidden"
        mask = torch.ones(3, 3).tril().bool()
        ours = attention.scaled_dot_product_attention(q, k, v, mask)
        means = torch.stack([v[0, 0, : n + 1].float().mean(0) for n in range(3)]).half()
        torch.testing.assert_close(ours[0, 0], means, rtol=2e-3, atol=2e-3)


class TestHeads:
    @pytest.mark.parametrize("heads", [1, 3, 12])
    def test_split_and_merge_are_einops_rearrange(self, heads: int) -> None:
        x = torch.randn(3, 12, 5).transpose(1, 2)  # not contiguous
        split = attention.split_heads(x, heads)
        assert torch.equal(split, einops.rearrange(x, "B L (h d) -> B h L d", h=heads))
        y = torch.randn(3, 5, heads, 4).transpose(1, 2)
        assert torch.equal(attention.merge_heads(y), einops.rearrange(y, "B h L d -> B L (h d)"))
        assert torch.equal(attention.merge_heads(split), x)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("heads", [1, 3])
class TestMultiHeadSelfAttention:
    def test_is_diffusers_attention(self, dtype: torch.dtype, heads: int) -> None:
        layer = attention.MultiHeadSelfAttention(12, heads).to(dtype)
        oracle = with_weights_of(layer, Attention(12, heads=heads, dim_head=12 // heads).to(dtype))
        x = torch.randn(3, 7, 12, dtype=dtype)
        agree(layer(x), oracle(x))
        gradients_agree(layer, oracle, x)

    def test_is_torchs_multihead_attention(self, dtype: torch.dtype, heads: int) -> None:
        layer = attention.MultiHeadSelfAttention(12, heads).to(dtype)
        # With bias=False torch would leave out the bias of the output as well: zero the other three instead.
        oracle = nn.MultiheadAttention(12, heads, batch_first=True).to(dtype)
        weights = layer.state_dict()
        oracle.load_state_dict(
            {
                "in_proj_weight": torch.cat([weights[f"to_{name}.weight"] for name in "qkv"]),
                "in_proj_bias": torch.zeros(36, dtype=dtype),
                "out_proj.weight": weights["to_out.0.weight"],
                "out_proj.bias": weights["to_out.0.bias"],
            }
        )
        x = torch.randn(3, 7, 12, dtype=dtype)
        agree(layer(x), oracle(x, x, x, need_weights=False)[0])


@pytest.mark.parametrize("dtype", DTYPES)
class TestCrossAttention:
    @pytest.mark.parametrize(("heads", "head_dim"), [(1, 5), (3, 4), (4, 8)])
    def test_is_diffusers_attention(self, dtype: torch.dtype, heads: int, head_dim: int) -> None:
        layer = attention.CrossAttention(12, 10, heads, head_dim).to(dtype)
        oracle = with_weights_of(layer, Attention(12, 10, heads=heads, dim_head=head_dim).to(dtype))
        x, context = torch.randn(3, 7, 12, dtype=dtype), torch.randn(3, 5, 10, dtype=dtype)
        agree(layer(x, context), oracle(x, encoder_hidden_states=context))
        gradients_agree(layer, oracle, x, context)


def autoencoder_attention(channels: int, groups: int) -> nn.Module:
    """The attention in the middle of diffusers' AutoencoderKL, as UNetMidBlock2D builds it there."""
    layer: nn.Module = Attention(
        channels,
        heads=1,
        dim_head=channels,
        bias=True,
        norm_num_groups=groups,
        eps=1e-6,
        residual_connection=True,
    )
    return layer


@pytest.mark.parametrize("dtype", DTYPES)
class TestSpatialSelfAttention:
    @pytest.mark.parametrize(("height", "width"), [(4, 6), (5, 3), (1, 1)])
    def test_is_the_attention_of_diffusers_autoencoder(
        self, dtype: torch.dtype, height: int, width: int
    ) -> None:
        layer = attention.SpatialSelfAttention(12, groups=3).to(dtype)
        oracle = with_weights_of(layer, autoencoder_attention(12, groups=3).to(dtype))
        x = torch.randn(3, 12, height, width, dtype=dtype)
        agree(layer(x), oracle(x))
        gradients_agree(layer, oracle, x)

    def test_its_epsilon_is_that_of_the_autoencoder(self, dtype: torch.dtype) -> None:
        layer = attention.SpatialSelfAttention(12, groups=3).to(dtype)
        oracle = with_weights_of(layer, autoencoder_attention(12, groups=3).to(dtype))
        x = 1e-3 * torch.randn(3, 12, 4, 6, dtype=dtype)  # a variance of 1e-6: epsilon shows
        agree(layer(x), oracle(x))


def test_the_autoencoder_itself_has_the_weights_of_spatial_self_attention() -> None:
    build: Any = AutoencoderKL
    autoencoder = build(block_out_channels=(8,), norm_num_groups=4, layers_per_block=1)
    (theirs,) = autoencoder.decoder.mid_block.attentions
    ours = attention.SpatialSelfAttention(8, groups=4)
    ours.load_state_dict(theirs.state_dict(), strict=True)
    x = torch.randn(3, 8, 4, 6)
    agree(ours(x), theirs(x))


@pytest.mark.parametrize(
    ("layer", "inputs"),
    [
        (attention.MultiHeadSelfAttention(8, 2), [(3, 5, 8)]),
        (attention.CrossAttention(8, 6, 2, 3), [(3, 5, 8), (3, 4, 6)]),
        (attention.SpatialSelfAttention(8, 2), [(3, 8, 2, 5)]),
    ],
    ids=["self", "cross", "spatial"],
)
def test_a_layer_leaves_its_inputs_as_they_were(layer: nn.Module, inputs: list[tuple[int, ...]]) -> None:
    assert leaves_its_inputs(layer, *inputs).shape == inputs[0]
