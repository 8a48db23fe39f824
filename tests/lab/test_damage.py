"""Damage done to a network on purpose: what the same mistake in its code does, and nothing lasting."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

import solutions.unet as reference
from course.lab import damage
from course.lab.tiny_sd import inside

from .tiny import tiny

# What each kind of damage is in the source of the reference.
IN_THE_SOURCE = {
    "skip_first": ("torch.cat([h, skips.pop()], dim=1)", "torch.cat([skips.pop(), h], dim=1)"),
    "without_skips": ("skips.pop()], dim=1)", "0 * skips.pop()], dim=1)"),
    "without_image": ("torch.cat([h, skips", "torch.cat([0 * h, skips"),
    "sine_first": ("[angles.cos(), angles.sin()]", "[angles.sin(), angles.cos()]"),
    "timeless": ("timestep_embedding(t, self", "timestep_embedding(0 * t, self"),
    "one_time_for_all": ("timestep_embedding(t, self", "timestep_embedding(t[:1].expand(len(x)), self"),
    "other_frequencies": ("dtype=torch.float32) / half", "dtype=torch.float32) / (half - 1)"),
    "without_silu_on_time": ("self.time_emb_proj(F.silu(time))", "self.time_emb_proj(time)"),
    "gate_swapped": ("hidden * F.gelu(gate)", "F.gelu(hidden) * gate"),
    "deaf": ("self.attn2(self.norm2(x), context)", "0"),
    "blinkered": ("self.attn1(self.norm1(x))", "0"),
}


@pytest.mark.parametrize("name", IN_THE_SOURCE)
def test_it_does_what_the_mistake_in_the_code_does(name: str) -> None:
    names: dict[str, type[nn.Module]] = {}
    with open(reference.__file__) as file:
        source = file.read()
    right, wrong = IN_THE_SOURCE[name]
    assert right in source
    exec(source.replace(right, wrong), names)
    mistaken, mine = names["UNet"](), reference.UNet()
    mistaken.load_state_dict(tiny().unet.state_dict())
    mine.load_state_dict(tiny().unet.state_dict())
    example = inside.example(tiny(), "a large red circle on black", [300, 800])
    with torch.no_grad():
        expected, whole = mistaken(*example), mine(*example)
        for network in (mine, tiny().unet):
            torch.testing.assert_close(getattr(damage, name)(network)(*example), expected)
            torch.testing.assert_close(network(*example), whole)  # and it is whole again


def test_the_scale_is_that_of_all_channels() -> None:
    example = inside.example(tiny(), "a large red circle on black", [300])
    name = "mid_block.attentions.0.transformer_blocks.0.attn1.to_q"
    damaged, seen = damage.wrong_scale(tiny().unet), []
    hook = tiny().unet.get_submodule(name).register_forward_hook(lambda m, i, output: seen.append(output))
    try:
        tiny().unet(*example)
        assert not torch.allclose(damaged(*example), tiny().unet(*example), atol=1e-3)
    finally:
        hook.remove()
    assert len(seen) == 3


def test_the_skips_are_counted_as_they_were_kept() -> None:
    example = inside.example(tiny(), "a large red circle on black", [300])
    for number, name in enumerate(
        [
            "up_blocks.1.resnets.1",
            "up_blocks.1.resnets.0",
            "up_blocks.0.resnets.1",
            "up_blocks.0.resnets.0",
        ]
    ):
        whole = inside.arrives_at(tiny().unet, name, *example)[0]
        lost = _arrives_damaged(tiny().unet, name, number, example)
        zeros = (lost == 0).all((0, 2, 3)) & (whole != 0).any(0).any(-1).any(-1)
        assert int(zeros.sum()) == (32, 32, 32, 64)[number]
        assert bool(zeros[-int(zeros.sum()) :].all())


def _arrives_damaged(unet: nn.Module, name: str, number: int, example: tuple[Tensor, ...]) -> Tensor:
    seen: list[Tensor] = []
    block = unet.get_submodule(name)
    plain = block.forward
    block.forward = lambda *args: (seen.append(args[0]), plain(*args))[1]  # type: ignore[func-returns-value]
    try:
        damage.without_skip(unet, number)(*example)
    finally:
        del block.forward
    return seen[0]
