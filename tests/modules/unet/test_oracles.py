"""Each solution of the unet module against the library that everyone uses, weights copied over."""

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from diffusers import UNet2DConditionModel
from diffusers.models.attention import BasicTransformerBlock, FeedForward
from diffusers.models.downsampling import Downsample2D
from diffusers.models.embeddings import get_timestep_embedding
from diffusers.models.resnet import ResnetBlock2D
from diffusers.models.transformers.transformer_2d import Transformer2DModel
from diffusers.models.upsampling import Upsample2D
from torch import Tensor, nn

from course.lab import tiny_sd
from solutions import unet

from ..oracles import DTYPES, leaves_its_inputs, with_weights_of
from ..oracles import agree_in_scale as agree

# Not typed on their side.
build_unet: Any = UNet2DConditionModel
build_resnet: Any = ResnetBlock2D
build_block: Any = BasicTransformerBlock
build_transformer: Any = Transformer2DModel


def gradients_agree(ours: Any, theirs: Any, layer: nn.Module, oracle: nn.Module, *inputs: Tensor) -> None:
    """The output and every gradient, to the inputs and to the parameters, are the oracle's."""
    answers = []
    direction: Tensor | None = None
    for call, module in ((ours, layer), (theirs, oracle)):
        leaves = [x.clone().requires_grad_() for x in inputs]
        output = call(*leaves)
        direction = torch.randn_like(output) if direction is None else direction
        named = dict(sorted(module.named_parameters()))
        gradients = torch.autograd.grad(output, [*leaves, *named.values()], direction)
        answers.append([output.detach(), *gradients])
    for one, other in zip(*answers, strict=True):
        assert one.isfinite().all()
        assert one.abs().max() > 0
        agree(one, other, single=2e-4)


@pytest.mark.parametrize("dtype", DTYPES)
class TestConv2d:
    @pytest.mark.parametrize(("height", "width"), [(7, 9), (4, 3), (3, 5)])
    @pytest.mark.parametrize(("kh", "kw"), [(3, 3), (1, 1), (2, 3), (3, 1)])
    @pytest.mark.parametrize(("stride", "padding"), [(1, 0), (2, 1), (3, 2)])
    def test_is_torchs(
        self, dtype: torch.dtype, height: int, width: int, kh: int, kw: int, stride: int, padding: int
    ) -> None:
        x = torch.randn(3, 2, height, width, dtype=dtype)
        weight, bias = torch.randn(4, 2, kh, kw, dtype=dtype), torch.randn(4, dtype=dtype)
        for b in (None, bias):
            agree(unet.conv2d(x, weight, b, stride, padding), F.conv2d(x, weight, b, stride, padding))

    def test_its_gradients_are_torchs(self, dtype: torch.dtype) -> None:
        given = [(3, 2, 5, 7), (4, 2, 3, 2), (4,)]
        leaves = [torch.randn(shape, dtype=dtype, requires_grad=True) for shape in given]
        functions: list[Any] = [unet.conv2d, F.conv2d]
        ours, theirs = (
            torch.autograd.grad(function(*leaves, 2, 1).square().sum(), leaves) for function in functions
        )
        for one, other in zip(ours, theirs, strict=True):
            agree(one, other)


@pytest.mark.parametrize("dtype", DTYPES)
class TestGroupNorm:
    @pytest.mark.parametrize("groups", [1, 2, 3, 6])
    @pytest.mark.parametrize(("size", "eps"), [(1.0, 1e-5), (1e-3, 1e-5), (1e-3, 1e-6), (100.0, 0.5)])
    def test_is_torchs(self, dtype: torch.dtype, groups: int, size: float, eps: float) -> None:
        x = size * (torch.randn(3, 6, 4, 5, dtype=dtype) + torch.randn(3, 6, 1, 1, dtype=dtype))
        weight, bias = torch.randn(6, dtype=dtype), torch.randn(6, dtype=dtype)
        for w, b in ((weight, bias), (None, None), (weight, None), (None, bias)):
            agree(unet.group_norm(x, groups, w, b, eps), F.group_norm(x, groups, w, b, eps))


class TestTimestepEmbedding:
    @pytest.mark.parametrize("dim", [2, 3, 16, 33, 320])
    @pytest.mark.parametrize("dtype", [torch.int64, torch.int32, torch.float32, torch.float64])
    def test_is_that_of_diffusers_as_the_unet_uses_it(self, dim: int, dtype: torch.dtype) -> None:
        t = torch.tensor([0, 1, 7, 500, 999]).to(dtype)
        if dtype.is_floating_point:
            t = t + 0.25
        theirs = get_timestep_embedding(t, dim, flip_sin_to_cos=True, downscale_freq_shift=0)
        ours = unet.timestep_embedding(t, dim)
        assert ours.dtype == torch.float32
        # Frequencies in float32 are off by 1e-6 of an angle of 999, ours and theirs.
        torch.testing.assert_close(ours, theirs.float(), rtol=0, atol=1e-4)


@pytest.mark.parametrize("dtype", DTYPES)
class TestResBlock:
    @pytest.mark.parametrize(("before", "after"), [(8, 8), (8, 12), (12, 4)])
    @pytest.mark.parametrize("size", [1.0, 0.003])  # the second lets epsilon show
    def test_is_diffusers_resnet_block(
        self, dtype: torch.dtype, before: int, after: int, size: float
    ) -> None:
        layer = unet.ResBlock(before, after, 10, groups=4).to(dtype)
        oracle = with_weights_of(
            layer,
            build_resnet(in_channels=before, out_channels=after, temb_channels=10, groups=4, eps=1e-5),
        )
        x, time = size * torch.randn(3, before, 5, 4, dtype=dtype), torch.randn(3, 10, dtype=dtype)
        gradients_agree(layer, oracle, layer, oracle, x, time)


@pytest.mark.parametrize("dtype", DTYPES)
class TestDownAndUp:
    @pytest.mark.parametrize(("height", "width"), [(6, 8), (5, 4), (15, 1), (1, 1)])
    def test_downsample_is_diffusers(self, dtype: torch.dtype, height: int, width: int) -> None:
        layer = unet.Downsample(3).to(dtype)
        oracle = with_weights_of(layer, Downsample2D(3, use_conv=True, padding=1, name="op"))
        x = torch.randn(3, 3, height, width, dtype=dtype)
        assert layer(x).shape[2:] == ((height + 1) // 2, (width + 1) // 2)
        gradients_agree(layer, oracle, layer, oracle, x)

    @pytest.mark.parametrize(("height", "width"), [(3, 4), (1, 5), (1, 1)])
    def test_upsample_is_diffusers(self, dtype: torch.dtype, height: int, width: int) -> None:
        layer = unet.Upsample(3).to(dtype)
        oracle = with_weights_of(layer, Upsample2D(3, use_conv=True))
        gradients_agree(layer, oracle, layer, oracle, torch.randn(3, 3, height, width, dtype=dtype))


@pytest.mark.parametrize("dtype", DTYPES)
class TestTransformers:
    def test_the_feed_forward_is_diffusers(self, dtype: torch.dtype) -> None:
        layer = unet.FeedForward(6).to(dtype)
        oracle = with_weights_of(layer, FeedForward(6, activation_fn="geglu"))
        gradients_agree(layer, oracle, layer, oracle, 3 * torch.randn(3, 5, 6, dtype=dtype))

    @pytest.mark.parametrize("heads", [1, 2, 4])
    def test_the_block_is_diffusers(self, dtype: torch.dtype, heads: int) -> None:
        layer = unet.TransformerBlock(8, 6, heads).to(dtype)
        oracle = with_weights_of(layer, build_block(8, heads, 8 // heads, cross_attention_dim=6))
        x, context = torch.randn(3, 7, 8, dtype=dtype), torch.randn(3, 5, 6, dtype=dtype)

        def theirs(x: Tensor, context: Tensor) -> Any:
            return oracle(x, encoder_hidden_states=context)

        gradients_agree(layer, theirs, layer, oracle, x, context)

    @pytest.mark.parametrize("size", [1.0, 1e-3])  # the second lets epsilon show
    def test_the_spatial_transformer_is_diffusers(self, dtype: torch.dtype, size: float) -> None:
        layer = unet.SpatialTransformer(8, 6, heads=2, groups=4).to(dtype)
        oracle = with_weights_of(
            layer, build_transformer(2, 4, in_channels=8, cross_attention_dim=6, norm_num_groups=4)
        )
        x, context = size * torch.randn(3, 8, 3, 5, dtype=dtype), torch.randn(3, 4, 6, dtype=dtype)

        def theirs(x: Tensor, context: Tensor) -> Any:
            return oracle(x, encoder_hidden_states=context).sample

        gradients_agree(layer, theirs, layer, oracle, x, context)


def diffusers_unet(
    widths: tuple[int, ...],
    attention: tuple[bool, ...],
    *,
    in_channels: int = 3,
    out_channels: int = 3,
    context: int,
    heads: int,
    groups: int,
    layers: int,
) -> nn.Module:
    """The arguments of our UNet in the words of UNet2DConditionModel."""
    network: nn.Module = build_unet(
        in_channels=in_channels,
        out_channels=out_channels,
        block_out_channels=widths,
        down_block_types=["CrossAttnDownBlock2D" if attends else "DownBlock2D" for attends in attention],
        up_block_types=["CrossAttnUpBlock2D" if attends else "UpBlock2D" for attends in attention[::-1]],
        cross_attention_dim=context,
        attention_head_dim=heads,  # whatever it is called, it is their number
        norm_num_groups=groups,
        layers_per_block=layers,
    )
    return network


# The arguments that our UNet and diffusers' have in common.
NETWORKS = {
    "three levels, two layers each": (
        (8, 16, 16),
        (False, True, True),
        {"in_channels": 4, "out_channels": 2, "context": 10, "heads": 2, "groups": 4, "layers": 2},
    ),
    "as Stable Diffusion 1.5, but thin": (
        (8, 16, 24, 24),
        (True, True, True, False),
        {"in_channels": 4, "out_channels": 4, "context": 12, "heads": 4, "groups": 4, "layers": 2},
    ),
    "one level": ((8,), (True,), {"context": 6, "heads": 1, "groups": 2, "layers": 1}),
}


class TestUNet:
    def compare(self, ours: unet.UNet, oracle: nn.Module, x: Tensor, context: Tensor) -> None:
        each = torch.tensor([3, 700, 999])[: len(x)]
        for t in (each, 42, torch.tensor(7)):
            with torch.no_grad():
                agree(ours(x, t, context), oracle(x, t, encoder_hidden_states=context).sample, single=2e-5)

        def theirs(x: Tensor, context: Tensor) -> Any:
            return oracle(x, each, encoder_hidden_states=context).sample

        gradients_agree(lambda x, context: ours(x, each, context), theirs, ours, oracle, x, context)

    @pytest.mark.parametrize("dtype", DTYPES)
    def test_the_default_is_the_tiny_model(self, dtype: torch.dtype) -> None:
        ours = unet.UNet().to(dtype)
        oracle = with_weights_of(ours, build_unet(**tiny_sd.CONFIG))
        x, context = torch.randn(2, 3, 8, 12, dtype=dtype), torch.randn(2, 5, 64, dtype=dtype)
        self.compare(ours, oracle, x, context)

    @pytest.mark.parametrize("name", NETWORKS)
    def test_is_diffusers_unet(self, name: str) -> None:
        widths, attention, others = NETWORKS[name]
        oracle = diffusers_unet(widths, attention, **others)
        ours = unet.UNet(
            others.get("in_channels", 3),
            others.get("out_channels", 3),
            widths,
            attention,
            others["context"],
            others["heads"],
            others["groups"],
            others["layers"],
        ).double()
        oracle = with_weights_of(ours, oracle)
        x = torch.randn(3, others.get("in_channels", 3), 16, 8).double()
        self.compare(ours, oracle, x, torch.randn(3, 4, others["context"]).double())


def test_the_trained_weights_fit_and_draw_the_same_in_all_three_networks() -> None:
    tiny = tiny_sd.load()
    ours, theirs = unet.UNet(), build_unet(**tiny_sd.CONFIG)
    for network in (ours, theirs):
        network.load_state_dict(tiny_sd.weights(), strict=True)
    x, context = torch.randn(2, 3, 16, 16), tiny.encode(["a large red circle on black", ""])
    with torch.no_grad():
        expected = tiny.unet(x, torch.tensor([3, 700]), context)
        agree(ours(x, torch.tensor([3, 700]), context), expected, single=2e-5)
        there = theirs(x, torch.tensor([3, 700]), encoder_hidden_states=context).sample
        agree(there, expected, single=2e-5)


@pytest.mark.parametrize(
    ("layer", "inputs"),
    [
        (unet.ResBlock(8, 8, 5, groups=2), [(3, 8, 2, 5), (3, 5)]),
        (unet.Downsample(4), [(3, 4, 3, 5)]),
        (unet.Upsample(4), [(3, 4, 3, 5)]),
        (unet.FeedForward(4), [(3, 5, 4)]),
        (unet.TransformerBlock(8, 6, 2), [(3, 5, 8), (3, 4, 6)]),
        (unet.SpatialTransformer(8, 6, 2, groups=2), [(3, 8, 2, 5), (3, 4, 6)]),
    ],
    ids=["ResBlock", "Downsample", "Upsample", "FeedForward", "TransformerBlock", "SpatialTransformer"],
)
def test_a_layer_leaves_its_inputs_as_they_were(layer: nn.Module, inputs: list[tuple[int, ...]]) -> None:
    leaves_its_inputs(layer, *inputs)
