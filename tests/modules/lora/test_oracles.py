"""Each solution of the lora module against peft, weights copied over."""

import copy
from collections.abc import Sequence
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from diffusers import UNet2DConditionModel
from peft import LoraConfig, get_peft_model
from peft.tuners.lora import Conv2d as PeftConv2d
from peft.tuners.lora import Linear as PeftLinear
from torch import Tensor, nn

from course.lab import tiny_sd
from course.lab.layers import Attention
from course.lab.tiny_sd.network import TinyUNet
from solutions import lora

from ..oracles import DTYPES, agree

ATTENTION = ["to_q", "to_k", "to_v", "to_out.0"]


def randomised(model: nn.Module) -> nn.Module:
    for parameter in model.parameters():  # lora_B too, which starts at zero and would hide everything
        nn.init.normal_(parameter, std=0.3)
    return model


def pair(base: Any, r: int, alpha: float, dtype: torch.dtype) -> tuple[Any, Any]:
    """Our layer and peft's around equal layers, all weights equal."""
    base.to(dtype)
    ours: Any = (lora.LoRAConv2d if isinstance(base, nn.Conv2d) else lora.LoRALinear)(base, r, alpha)
    randomised(ours)
    wrap: Any = PeftConv2d if isinstance(base, nn.Conv2d) else PeftLinear
    config = LoraConfig(r=r)
    theirs = wrap(copy.deepcopy(base), "default", config=config, r=r, lora_alpha=alpha).to(dtype)
    for part in ("lora_A", "lora_B"):
        getattr(theirs, part)["default"].load_state_dict(getattr(ours, part).state_dict(), strict=True)
    return ours, theirs


def agree_in_everything(ours: Any, theirs: Any, x: Tensor) -> None:
    """Answer, and gradients to the input and both parts; and weights and answer once merged."""
    agree(ours(x), theirs(x))
    direction = torch.randn_like(ours(x))
    for layer in (ours, theirs):
        leaf = x.clone().requires_grad_()
        (layer(leaf) * direction).sum().backward()
        layer.of_input = leaf.grad
    agree(ours.of_input, theirs.of_input)
    for part in ("lora_A", "lora_B"):
        agree(getattr(ours, part).weight.grad, getattr(theirs, part)["default"].weight.grad)
    before = ours(x)
    lora.merge(ours)
    theirs.merge()
    agree(ours.base_layer.weight, theirs.base_layer.weight)
    torch.testing.assert_close(ours(x), before, rtol=1e-5, atol=1e-5)
    lora.unmerge(ours)
    theirs.unmerge()
    agree(ours.base_layer.weight, theirs.base_layer.weight)


@pytest.mark.parametrize("dtype", DTYPES)
class TestLayers:
    @pytest.mark.parametrize("bias", [True, False])
    @pytest.mark.parametrize(("r", "alpha"), [(1, 1.0), (3, 8.0), (4, 1.0)])
    def test_a_linear_layer_is_pefts(self, dtype: torch.dtype, bias: bool, r: int, alpha: float) -> None:
        ours, theirs = pair(nn.Linear(6, 5, bias=bias), r, alpha, dtype)
        agree_in_everything(ours, theirs, torch.randn(3, 7, 6, dtype=dtype))

    @pytest.mark.parametrize(
        ("kernel_size", "stride", "padding"),
        [(3, 1, 1), (3, 2, 1), ((1, 3), (2, 1), (0, 1)), (1, 1, 0), ((3, 2), (1, 2), (2, 0))],
    )
    def test_a_convolution_is_pefts(
        self, dtype: torch.dtype, kernel_size: Any, stride: Any, padding: Any
    ) -> None:
        base = nn.Conv2d(3, 4, kernel_size, stride=stride, padding=padding)
        ours, theirs = pair(base, 2, 3.0, dtype)
        agree_in_everything(ours, theirs, torch.randn(3, 3, 7, 6, dtype=dtype))

    @pytest.mark.parametrize("dilation", [2, (1, 3), (2, 1)])
    def test_a_dilated_convolution_is_one_with_the_whole_kernel(
        self, dtype: torch.dtype, dilation: Any
    ) -> None:
        """peft ignores dilation, so the kernel is added up here."""
        base = nn.Conv2d(2, 3, 3, padding=(2, 3), dilation=dilation, stride=(1, 2)).to(dtype)
        layer = lora.LoRAConv2d(base, 2, 5.0)
        randomised(layer)
        kernel = base.weight.detach().clone()
        for d in range(3):
            for n in range(2):
                kernel[d] += 2.5 * layer.lora_B.weight[d, n, 0, 0].detach() * layer.lora_A.weight[n].detach()
        x = torch.randn(3, 2, 8, 9, dtype=dtype)
        agree(layer(x), F.conv2d(x, kernel, base.bias, (1, 2), (2, 3), dilation))
        lora.merge(layer)
        agree(base.weight, kernel)


def wrapped_by_peft(model: nn.Module, targets: Sequence[str]) -> list[str]:
    theirs = get_peft_model(copy.deepcopy(model), LoraConfig(r=2, target_modules=list(targets)))
    inner: Any = theirs.base_model.model
    kinds = (PeftLinear, PeftConv2d)
    return [name for name, module in inner.named_modules() if isinstance(module, kinds)]


TARGETS = [
    ATTENTION,
    ["to_q"],
    ["to_out.0", "proj_in", "conv1"],
    ["conv1", "conv2", "conv_in", "conv_out"],
    ["linear_1", "time_emb_proj"],
    ["attn2.to_k", "mid_block.resnets.0.conv1"],
    ["conv"],
    ["proj", "net.2"],
]


class TestInjection:
    @pytest.mark.parametrize("targets", TARGETS)
    def test_the_layers_of_a_unet_are_those_that_peft_wraps(self, targets: list[str]) -> None:
        model = TinyUNet()
        expected = wrapped_by_peft(model, targets)
        assert expected
        assert lora.inject_lora(model, targets, 2, 2.0) == expected
        assert lora.inject_lora(model, targets, 2, 2.0) == []

    def test_those_of_diffusers_unet_have_the_same_names(self) -> None:
        build: Any = UNet2DConditionModel
        theirs = build(**tiny_sd.CONFIG)
        for targets in TARGETS[:3]:
            expected = wrapped_by_peft(theirs, targets)
            assert lora.inject_lora(copy.deepcopy(theirs), targets, 2, 2.0) == expected

    def test_a_small_model_computes_what_pefts_does_and_so_does_it_merged(self) -> None:
        model = randomised(Attention(8, 2)).double()
        theirs = get_peft_model(
            copy.deepcopy(model),
            LoraConfig(r=3, lora_alpha=7, target_modules=ATTENTION, init_lora_weights=False),
        )
        lora.inject_lora(model, ATTENTION, 3, 7.0)
        state = {
            name.removeprefix("base_model.model.").replace(".default.", "."): weight
            for name, weight in theirs.state_dict().items()
        }
        model.load_state_dict(state, strict=True)  # all the names are peft's
        x = torch.randn(3, 5, 8, dtype=torch.float64)
        agree(model(x), theirs(x))
        assert [tuple(p.shape) for p in lora.mark_trainable(model)] == [
            tuple(p.shape) for p in theirs.parameters() if p.requires_grad
        ]
        lora.merge(model)
        unloaded: Any = theirs.merge_and_unload()
        agree(model(x), unloaded(x))
        for name in ATTENTION:
            agree(model.get_parameter(f"{name}.base_layer.weight"), unloaded.get_parameter(f"{name}.weight"))


def test_a_step_leaves_all_but_the_updates_bit_for_bit_as_it_was() -> None:
    model = nn.Sequential(Attention(8, 2), nn.LayerNorm(8))
    lora.inject_lora(model, ["to_q", "to_v"], 2, 4.0)
    before = copy.deepcopy(model.state_dict())
    optimiser = torch.optim.AdamW(lora.mark_trainable(model), lr=0.1, weight_decay=0.1)
    for _ in range(2):  # in the first, only lora_B gets a gradient
        optimiser.zero_grad()
        model(torch.randn(3, 5, 8)).square().mean().backward()
        optimiser.step()
    for name, weight in model.state_dict().items():
        assert torch.equal(weight, before[name]) != ("lora_" in name), name


def test_the_update_has_the_rank_that_was_asked_for() -> None:
    base = nn.Linear(9, 8).double()
    layer = lora.LoRALinear(base, 3, 2.0)
    eye = torch.eye(9, dtype=torch.float64)
    agree(layer(eye), base(eye))
    randomised(layer.lora_B)
    assert torch.linalg.matrix_rank(layer(eye) - base(eye), rtol=1e-9) == 3
