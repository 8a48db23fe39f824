"""Looks into the tiny trained network: what one of its modules is given, and the weights that it has there.

    x, time = inside.arrives_at(tiny.unet, "down_blocks.0.resnets.0", noisy, t, context)
    mine.load_state_dict(inside.weights_of("down_blocks.0.resnets.0"))

So a block of yours can be put to work in the place of a trained one.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from course.lab import ddim, shapes, tiny_sd
from course.lab.tiny_sd.network import CONTEXT, GROUPS, HEADS, TIME, Pixels, Residual, Resize, Talk


def weights_of(name: str) -> dict[str, Tensor]:
    """The trained weights of one module of the tiny UNet, under the names that they have inside of it.

    Raises ValueError if there is none of this name.
    """
    found = {
        key.removeprefix(f"{name}."): value
        for key, value in tiny_sd.weights().items()
        if key.startswith(f"{name}.")
    }
    if not found:
        raise ValueError(f"the tiny UNet has no module {name!r} with weights")
    return found


@torch.no_grad()
def arrives_at(network: nn.Module, name: str, *inputs: Any) -> tuple[Tensor, ...]:
    """What the module `name` is called with, in order, while `network(*inputs)` runs; the first call counts.

    Raises ValueError if it is not called.
    """
    seen: list[tuple[Tensor, ...]] = []

    def write_down(_: nn.Module, args: tuple[Tensor, ...], kwargs: dict[str, Tensor]) -> None:
        seen.append((*args, *kwargs.values()))

    hook = network.get_submodule(name).register_forward_pre_hook(write_down, with_kwargs=True)
    try:
        network(*inputs)
    finally:
        hook.remove()
    if not seen:
        raise ValueError(f"{type(network).__name__} does not call its {name!r}")
    return seen[0]


def noised(
    pictures: Float[Tensor, "B 3 H W"], t: Int[Tensor, " B"], seed: int = 0
) -> Float[Tensor, "B 3 H W"]:
    """The pictures as the tiny network is shown them at times t; each with the same noise."""
    noise = torch.randn(pictures.shape[1:], generator=torch.Generator().manual_seed(seed))
    abar = tiny_sd.ALPHAS_CUMPROD[t].float().view(-1, 1, 1, 1)
    return abar.sqrt() * pictures + (1 - abar).sqrt() * noise


def example(
    tiny: tiny_sd.TinySD, caption: str, times: Sequence[int], seed: int = 3
) -> tuple[Float[Tensor, "n 3 16 16"], Int[Tensor, " n"], Float[Tensor, "n 7 64"]]:
    """What the tiny UNet is called with: one picture of the caption, noised up to each of `times`.

    The caption names all four attributes, as "a large red circle on black" does.
    """
    generator = torch.Generator().manual_seed(seed)
    clean = shapes.draw(shapes.attributes_of([caption]), generator=generator)
    t, count = torch.tensor(times), len(times)
    noisy = noised(clean.expand(count, -1, -1, -1), t, seed)
    return noisy, t, tiny.encode([caption]).expand(count, -1, -1)


@torch.no_grad()
def on_the_way(
    tiny: tiny_sd.TinySD, unet: tiny_sd.UNet, caption: str, seed: int = 0, steps: int = 20
) -> tuple[Float[Tensor, "steps 3 16 16"], Float[Tensor, "steps 3 16 16"], list[int]]:
    """A picture comes about: what the network is given at each step, what it takes it for, and the times.

    With DDIM and guidance, from the noise of `seed`. The last of the second is the finished picture.
    """
    eps = tiny.guided(tiny.encode([caption]), 3.0, unet=unet)
    noise = torch.randn(1, 3, 16, 16, generator=torch.Generator().manual_seed(seed))
    stations = ddim.trajectory(eps, noise, tiny.alphas_cumprod, steps)[:-1, 0]
    times = ddim.timesteps(len(tiny.alphas_cumprod), steps)
    guesses = [
        cleaned(x[None], torch.tensor([t]), eps(x[None], torch.tensor([t])))
        for x, t in zip(stations, times, strict=True)
    ]
    return stations, torch.cat(guesses), times


def cleaned(
    noisy: Float[Tensor, "B 3 H W"], t: Int[Tensor, " B"], eps: Float[Tensor, "B 3 H W"]
) -> Float[Tensor, "B 3 H W"]:
    """What is left of noisy pictures if `eps` is the noise in them: `noised`, turned round."""
    abar = tiny_sd.ALPHAS_CUMPROD[t].float().view(-1, 1, 1, 1)
    return (noisy - (1 - abar).sqrt() * eps) / abar.sqrt()


def with_yours(network: nn.Module, **classes: Any) -> nn.Module:
    """A copy of the tiny UNet in which blocks of yours stand in the place of its own, with the same weights.

    classes  any of ResBlock, Downsample, Upsample, TransformerBlock and SpatialTransformer

    Raises ValueError for another name, and what `load_state_dict` raises if the parameters do not fit.
    """
    if unknown := classes.keys() - {kind for kind, _ in _KINDS}:
        raise ValueError(f"no block of the tiny UNet is a {min(unknown)!r}")
    copied = copy.deepcopy(network)
    for kind, make in _KINDS:
        if kind in classes:
            for name, block in list(copied.named_modules()):
                if arguments := make(block):
                    own = classes[kind](*arguments)
                    own.load_state_dict(block.state_dict())
                    copied.set_submodule(name, own.requires_grad_(False))
    return copied.eval()


def _residual(block: nn.Module) -> tuple[int, ...]:
    if not isinstance(block, Residual):
        return ()
    return block.norm1.num_channels, block.norm2.num_channels, TIME, GROUPS


def _resize(doubles: bool) -> Callable[[nn.Module], tuple[int, ...]]:
    def channels(block: nn.Module) -> tuple[int, ...]:
        wanted = isinstance(block, Resize) and block.doubles == doubles
        return (block.get_parameter("conv.bias").numel(),) if wanted else ()

    return channels


def _talk(block: nn.Module) -> tuple[int, ...]:
    return (block.norm1.normalized_shape[0], CONTEXT, HEADS) if isinstance(block, Talk) else ()


def _spatial(block: nn.Module) -> tuple[int, ...]:
    return (block.norm.num_channels, CONTEXT, HEADS, GROUPS) if isinstance(block, Pixels) else ()


# What each class of a student's is called with, to stand in the place of a block of the tiny UNet.
_KINDS: tuple[tuple[str, Callable[[nn.Module], tuple[int, ...]]], ...] = (
    ("ResBlock", _residual),
    ("Downsample", _resize(False)),
    ("Upsample", _resize(True)),
    ("TransformerBlock", _talk),
    ("SpatialTransformer", _spatial),
)
