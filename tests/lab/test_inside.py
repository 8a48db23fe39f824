"""Looking inside of the tiny model: a block by itself, blocks of one's own, the way from noise to picture."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

import solutions.unet as reference
from course.lab.tiny_sd import inside
from course.lab.tiny_sd.network import Resize

from .tiny import tiny

PICTURES = torch.linspace(-1, 1, 4 * 3 * 4 * 6).reshape(4, 3, 4, 6)


def test_the_weights_of_a_block_fit_a_block_of_ones_own() -> None:
    reference.ResBlock(32, 64, 128, groups=8).load_state_dict(inside.weights_of("down_blocks.1.resnets.0"))
    with pytest.raises(ValueError, match="has no module 'nowhere' with weights"):
        inside.weights_of("nowhere")


def test_what_arrives_at_a_module_makes_it_return_what_it_returned() -> None:
    example = inside.example(tiny(), "a large red circle on black", [100, 700])
    arrived = inside.arrives_at(tiny().unet, "conv_out", *example)
    torch.testing.assert_close(tiny().unet.conv_out(*arrived), tiny().unet(*example))
    with pytest.raises(ValueError, match="Sequential does not call its '0'"):
        inside.arrives_at(_Idle(nn.Linear(1, 1)), "0", torch.ones(1))


def test_noise_is_taken_away_again() -> None:
    t = torch.tensor([10, 400, 999, 0])
    noise = torch.randn(PICTURES.shape[1:], generator=torch.Generator().manual_seed(5))
    noisy = inside.noised(PICTURES, t, seed=5)
    torch.testing.assert_close(inside.cleaned(noisy, t, noise.expand_as(noisy)), PICTURES, atol=1e-4, rtol=0)


@pytest.mark.parametrize(
    "name", ["ResBlock", "Downsample", "Upsample", "TransformerBlock", "SpatialTransformer"]
)
def test_blocks_of_ones_own_in_the_place_of_the_trained_ones(name: str) -> None:
    unet = inside.with_yours(tiny().unet, **{name: getattr(reference, name)})
    example = inside.example(tiny(), "a small cyan ring on white", [300])
    torch.testing.assert_close(unet(*example), tiny().unet(*example))
    theirs = [type(block).__name__ for block in tiny().unet.modules()]
    own = [type(block).__name__ for block in unet.modules()]
    assert own.count(name) > theirs.count(name)
    assert not any(isinstance(block, getattr(reference, name)) for block in tiny().unet.modules())


def test_no_other_blocks_can_be_put_in() -> None:
    with pytest.raises(ValueError, match="no block of the tiny UNet is a 'Resize'"):
        inside.with_yours(tiny().unet, Resize=Resize)


def test_a_film_begins_with_noise_and_ends_with_a_picture() -> None:
    stations, guesses, times = inside.on_the_way(tiny(), tiny().unet, "a large red circle on black", steps=4)
    assert times == [750, 500, 250, 0]
    assert stations.shape == guesses.shape == (4, 3, 16, 16)
    assert float(stations[0].std()) == pytest.approx(1, abs=0.1)
    drawn = tiny().draw("a large red circle on black", sampler="ddim", steps=4)
    torch.testing.assert_close(guesses[-1:], drawn)


class _Idle(nn.Sequential):
    def __init__(self, *layers: nn.Module) -> None:
        super().__init__(*layers)
        self.__class__.__name__ = "Sequential"

    def forward(self, x: Tensor) -> Tensor:
        return x
