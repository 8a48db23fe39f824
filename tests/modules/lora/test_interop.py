"""Files of adapters go from the lora module to diffusers and back, with alpha unlike r, without a loss."""

import copy
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import UNet2DConditionModel
from peft import LoraConfig
from peft.utils import get_peft_model_state_dict
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from course.lab import tiny_sd
from course.lab.tiny_sd.network import TinyUNet
from solutions import lora

LINEAR = ["to_q", "to_k", "to_v", "to_out.0"]
CONVOLUTIONS = ["conv1", "conv2", "conv_in", "conv_shortcut", "proj_in"]
RANK, ALPHA = 3, 8.0


@cache
def built() -> Any:
    build: Any = UNet2DConditionModel
    return build(**tiny_sd.CONFIG).eval()


@pytest.fixture
def theirs() -> Any:
    return copy.deepcopy(built())


def with_weights_of(unet: nn.Module) -> TinyUNet:
    ours = TinyUNet().eval()
    ours.load_state_dict(unet.state_dict(), strict=True)
    return ours


@torch.no_grad()
def answer(unet: nn.Module) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(3, 3, 8, 10, generator=generator)
    context = torch.randn(3, 7, 64, generator=generator)
    found: Any = unet(x, torch.tensor([3, 410, 999]), context)
    return found if isinstance(found, Tensor) else found.sample


def agree(one: Tensor, other: Tensor) -> None:
    torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-5)


def adapted(unet: TinyUNet, targets: list[str]) -> TinyUNet:
    """With an update that is far from zero."""
    lora.inject_lora(unet, targets, RANK, ALPHA)
    for module in unet.modules():
        if isinstance(module, lora.LoRALinear | lora.LoRAConv2d):
            nn.init.normal_(module.lora_B.weight, std=0.1)
    return unet


@pytest.mark.parametrize("targets", [LINEAR, CONVOLUTIONS, LINEAR + CONVOLUTIONS])
def test_what_we_save_diffusers_loads(theirs: Any, targets: list[str], tmp_path: Path) -> None:
    ours = adapted(with_weights_of(theirs), targets)
    plain = answer(theirs)
    assert (answer(ours) - plain).abs().max() > 0.01
    save_file(lora.lora_state_dict(ours), tmp_path / "adapter.safetensors")
    theirs.load_lora_adapter(load_file(tmp_path / "adapter.safetensors"), prefix="unet")
    agree(answer(theirs), answer(ours))
    theirs.fuse_lora()
    lora.merge(ours)
    agree(answer(theirs), answer(ours))


def test_a_file_without_alpha_in_it_would_be_read_wrongly(theirs: Any) -> None:
    """Why lora_B is saved multiplied: diffusers takes alpha for r, and says nothing."""
    ours = adapted(with_weights_of(theirs), LINEAR)
    file = lora.lora_state_dict(ours)
    scaling = ALPHA / RANK
    plain = {name: weight / scaling if "lora_B" in name else weight for name, weight in file.items()}
    theirs.load_lora_adapter(plain, prefix="unet")
    assert (answer(theirs) - answer(ours)).abs().max() > 0.001


@pytest.mark.parametrize("targets", [LINEAR, LINEAR + CONVOLUTIONS])
def test_what_peft_has_trained_we_load(theirs: Any, targets: list[str], tmp_path: Path) -> None:
    ours = with_weights_of(theirs)
    theirs.add_adapter(LoraConfig(r=RANK, lora_alpha=int(ALPHA), target_modules=targets))
    trained = [parameter for parameter in theirs.parameters() if parameter.requires_grad]
    optimiser = torch.optim.Adam(trained, lr=0.05)
    for step in range(2):  # in the first, only lora_B gets a gradient
        optimiser.zero_grad()
        x, context = torch.randn(2, 3, 8, 8), torch.randn(2, 7, 64)
        theirs(x, torch.tensor(100 * step), context).sample.square().mean().backward()
        optimiser.step()
    save_file(get_peft_model_state_dict(theirs), tmp_path / "adapter.safetensors")
    plain = answer(ours)
    # An alpha of its own, unlike the file's: the layers' scaling is 5.
    assert lora.inject_lora(ours, targets, RANK, 5.0 * RANK)
    lora.load_lora(ours, load_file(tmp_path / "adapter.safetensors"), prefix="", scaling=ALPHA / RANK)
    assert (answer(theirs) - plain).abs().max() > 0.01
    agree(answer(ours), answer(theirs))


def test_what_diffusers_saves_we_load(theirs: Any, tmp_path: Path) -> None:
    ours = with_weights_of(theirs)
    config = LoraConfig(r=RANK, lora_alpha=int(ALPHA), target_modules=LINEAR, init_lora_weights=False)
    theirs.add_adapter(config)
    theirs.save_lora_adapter(tmp_path)
    (file,) = tmp_path.glob("*.safetensors")
    lora.inject_lora(ours, LINEAR, RANK, 1.0)
    lora.load_lora(ours, load_file(file), prefix="", scaling=ALPHA / RANK)
    agree(answer(ours), answer(theirs))


def test_a_wrong_prefix_is_an_error_here_and_passed_over_there(theirs: Any) -> None:
    ours = adapted(with_weights_of(theirs), LINEAR)
    file = lora.lora_state_dict(ours, prefix="model.")
    plain = answer(theirs)
    theirs.load_lora_adapter(dict(file), prefix="unet")
    assert torch.equal(answer(theirs), plain)
    before = answer(ours)
    with pytest.raises(KeyError, match="missing or unexpected"):
        lora.load_lora(ours, file, prefix="unet.")
    assert torch.equal(answer(ours), before)
    lora.load_lora(copy.deepcopy(ours), file, prefix="model.")
