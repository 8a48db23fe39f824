"""The training loop that the course supplies: it trains what it is told to, repeatably, and nothing else."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from course.lab import finetune, tiny_sd
from course.lab.tiny_sd.network import TinyUNet


def last_layer(tiny: tiny_sd.TinySD) -> list[nn.Parameter]:
    return list(tiny.unet.conv_out.requires_grad_(True).parameters())


def test_only_the_given_parameters_change() -> None:
    tiny = tiny_sd.load()
    trained = last_layer(tiny)
    before = {name: weight.clone() for name, weight in tiny.unet.state_dict().items()}
    words = {name: weight.clone() for name, weight in tiny.text_encoder.state_dict().items()}
    finetune.finetune(tiny, trained, "pastel", steps=2, batch=2)
    after = tiny.unet.state_dict()
    changed = {name for name, weight in before.items() if not torch.equal(weight, after[name])}
    assert changed == {"conv_out.weight", "conv_out.bias"}
    assert all(torch.equal(weight, tiny.text_encoder.state_dict()[name]) for name, weight in words.items())


def test_a_seed_repeats_a_run_and_leaves_the_global_one_alone() -> None:
    runs = []
    for seed in (0, 0, 1):
        tiny = tiny_sd.load()
        torch.manual_seed(len(runs))
        expected = torch.Generator().manual_seed(len(runs))
        runs.append(finetune.finetune(tiny, last_layer(tiny), "striped", steps=2, batch=2, seed=seed))
        assert torch.equal(torch.rand(3), torch.rand(3, generator=expected))
    assert runs[0] == runs[1] != runs[2]
    assert len(runs[0]) == 2


def test_the_loss_of_a_new_network_falls() -> None:
    torch.manual_seed(0)
    unet = TinyUNet()
    tiny = tiny_sd.load()
    before = {name: weight.clone() for name, weight in tiny.unet.state_dict().items()}
    losses = finetune.finetune(tiny, unet.parameters(), "plain", steps=30, unet=unet, batch=8)
    assert sum(losses[-5:]) < 0.7 * sum(losses[:5])
    assert all(torch.equal(weight, before[name]) for name, weight in tiny.unet.state_dict().items())


def test_the_loss_is_that_of_the_noise() -> None:
    class Knows(nn.Module):
        """Gives noise of the right size, none of it the right one: the error is the sum of two variances."""

        def forward(self, x: torch.Tensor, t: torch.Tensor, context: torch.Tensor) -> torch.Tensor:
            assert t.shape == (len(x),)
            assert context.shape == (len(x), 7, 64)
            return torch.randn(x.shape, generator=torch.Generator().manual_seed(1))

    tiny, generator = tiny_sd.load(), torch.Generator().manual_seed(0)
    loss = finetune.loss_of(Knows(), tiny, torch.zeros(64, 3, 16, 16), ["a ring"] * 64, generator)
    assert loss.item() == pytest.approx(2, abs=0.05)


def test_nothing_to_train_is_said() -> None:
    tiny = tiny_sd.load()
    with pytest.raises(ValueError, match="the list of parameters is empty"):
        finetune.finetune(tiny, [], "pastel")
    with pytest.raises(ValueError, match="requires_grad=False"):
        finetune.finetune(tiny, tiny.unet.conv_out.parameters(), "pastel")


def test_how_it_goes_is_told_on_stdout_alone(capfd: pytest.CaptureFixture[str]) -> None:
    tiny = tiny_sd.load()
    finetune.finetune(tiny, last_layer(tiny), "pastel", steps=3, batch=2)
    told = capfd.readouterr()
    assert "pastel: 3 of 3 steps, loss 0." in told.out
    assert told.out.count("\n") == 1
    assert told.err == ""


def test_a_layer_learns_to_imitate_a_weight_and_keeps_its_base() -> None:
    class Beside(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.base_layer = nn.Linear(4, 3, bias=False)
            self.lora_A, self.lora_B = nn.Linear(4, 3, bias=False), nn.Linear(3, 3, bias=False)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            answer: torch.Tensor = self.base_layer(x) + self.lora_B(self.lora_A(x))
            return answer

    torch.manual_seed(0)
    layer = Beside()
    base = layer.base_layer.weight.clone()
    losses = finetune.imitate(layer, torch.randn(3, 4), steps=400)
    assert losses[-1] < 1e-3 * losses[0]
    assert torch.equal(layer.base_layer.weight, base)
