"""Breaks a UNet for as long as it runs, and leaves it whole: what does a mistake do to what is drawn?

    damaged = damage.without_skips(mine)
    tiny.draw(captions, unet=damaged)

The network's code is not touched. Hooks change what goes into some of its modules, or comes out of them, so
it works with every UNet that has diffusers' names: `course.lab.tiny_sd`'s, and one that you wrote.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

# eps = unet(x [B, 3, H, W], t [B], context [B, S, D])
UNet = Callable[[Tensor, Tensor, Tensor], Tensor]
Change = Callable[[Tensor], Tensor]


def without_skips(unet: nn.Module) -> UNet:
    """What was kept on the way down arrives as zeros on the way up."""
    return _at_the_joins(unet, lambda image, skip: (image, torch.zeros_like(skip)))


def without_skip(unet: nn.Module, number: int) -> UNet:
    """One of the skips arrives as zeros: number 0 is the first to be kept, what `conv_in` returned."""
    return _at_the_joins(unet, lambda image, skip: (image, torch.zeros_like(skip)), only=number)


def without_image(unet: nn.Module) -> UNet:
    """Only the skips arrive: what comes from below, all that the middle has found out, is zeros."""
    return _at_the_joins(unet, lambda image, skip: (torch.zeros_like(image), skip))


def skip_first(unet: nn.Module) -> UNet:
    """The skip is joined before the image, not after it."""
    return _at_the_joins(unet, lambda image, skip: (skip, image))


def sine_first(unet: nn.Module) -> UNet:
    """The time's embedding has its sines first, then its cosines."""
    return _while_called(unet, lambda t: [_given(_time(unet), lambda e: torch.cat(e.chunk(2, 1)[::-1], 1))])


def timeless(unet: nn.Module) -> UNet:
    """The network is told t = 0, whatever t is."""

    def at_zero(embedding: Tensor) -> Tensor:
        half = embedding.shape[1] // 2
        return torch.cat((torch.ones_like(embedding[:, :half]), torch.zeros_like(embedding[:, half:])), 1)

    return _while_called(unet, lambda t: [_given(_time(unet), at_zero)])


def one_time_for_all(unet: nn.Module) -> UNet:
    """The first sample's time is told to the whole batch."""
    return _while_called(unet, lambda t: [_given(_time(unet), lambda e: e[:1].expand_as(e))])


def other_frequencies(unet: nn.Module) -> UNet:
    """The exponents of the frequencies end at exactly -1: i / (half - 1) instead of i / half."""

    def attach(t: Tensor) -> list[RemovableHandle]:
        def embedded(embedding: Tensor) -> Tensor:
            half = embedding.shape[1] // 2
            exponents = torch.arange(half, device=t.device) / (half - 1)
            angles = t.float()[:, None] * torch.exp(-math.log(10_000) * exponents)
            return torch.cat((angles.cos(), angles.sin()), 1).to(embedding.dtype)

        return [_given(_time(unet), embedded)]

    return _while_called(unet, attach)


def without_silu_on_time(unet: nn.Module) -> UNet:
    """Residual blocks take the time's embedding as it is, not through SiLU."""

    def attach(t: Tensor) -> list[RemovableHandle]:
        told: list[Tensor] = []
        last = unet.get_submodule("time_embedding.linear_2")
        listening = last.register_forward_hook(lambda module, inputs, output: told.append(output))
        return [
            listening,
            *(_given(each, lambda _: told[-1]) for each in _ending(unet, "time_emb_proj")),
        ]

    return _while_called(unet, attach)


def gate_swapped(unet: nn.Module) -> UNet:
    """In the feed-forward layers the first half is the gate, and not the second."""
    return _while_called(
        unet,
        lambda t: [
            _returned(each, lambda out: torch.cat(out.chunk(2, -1)[::-1], -1))
            for each in _ending(unet, "ff.net.0.proj")
        ],
    )


def wrong_scale(unet: nn.Module) -> UNet:
    """Scores are divided by the root of all channels, not by that of a head's."""
    heads = {name: each.heads for name, each in unet.named_modules() if hasattr(each, "heads")}
    return _while_called(
        unet,
        lambda t: [
            _returned(unet.get_submodule(f"{name}.to_q"), lambda q, h=h: q / math.sqrt(h))  # type: ignore[misc]
            for name, h in heads.items()
        ],
    )


def deaf(unet: nn.Module) -> UNet:
    """Cross-attention finds nothing: no word reaches the picture."""
    return _silenced(unet, "attn2")


def blinkered(unet: nn.Module) -> UNet:
    """Self-attention finds nothing: no pixel knows of those far away."""
    return _silenced(unet, "attn1")


# --- Hooks -------------------------------------------------------------------------------------------------


def _while_called(unet: nn.Module, attach: Callable[[Tensor], Iterable[RemovableHandle]]) -> UNet:
    """The network with hooks that are there only while it runs; `attach` is given the times of the call."""

    def damaged(x: Tensor, t: Tensor | int, context: Tensor) -> Tensor:
        hooks = list(attach(torch.as_tensor(t, device=x.device).expand(len(x))))
        try:
            eps: Tensor = unet(x, t, context)
            return eps
        finally:
            for hook in hooks:
                hook.remove()

    return damaged


def _at_the_joins(
    unet: nn.Module, change: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]], only: int | None = None
) -> UNet:
    """Changes image and skip where they were joined, before each residual block on the way up.

    only  do so for this skip alone; they are counted as they were kept, and taken from the last to the first
    """
    blocks = [block for level in _listed(unet, "up_blocks") for block in _listed(level, "resnets")]

    def attach(t: Tensor) -> list[RemovableHandle]:
        width = _channels(unet.get_submodule("mid_block.resnets.1"))
        hooks = []
        for number, block in zip(reversed(range(len(blocks))), blocks, strict=True):

            def joined(x: Tensor, width: int = width) -> Tensor:
                return torch.cat(change(x[:, :width], x[:, width:]), 1)

            if only in (None, number):
                hooks.append(_given(block, joined))
            width = _channels(block)
        return hooks

    return _while_called(unet, attach)


def _silenced(unet: nn.Module, name: str) -> UNet:
    return _while_called(unet, lambda t: [_returned(each, torch.zeros_like) for each in _ending(unet, name)])


def _given(module: nn.Module, change: Change) -> RemovableHandle:
    """Changes the first thing that the module is called with."""

    def hook(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        if args:
            return (change(args[0]), *args[1:]), kwargs
        name, first = next(iter(kwargs.items()))
        return args, {**kwargs, name: change(first)}

    return module.register_forward_pre_hook(hook, with_kwargs=True)


def _returned(module: nn.Module, change: Change) -> RemovableHandle:
    return module.register_forward_hook(lambda _module, _inputs, output: change(output))


def _time(unet: nn.Module) -> nn.Module:
    return unet.get_submodule("time_embedding.linear_1")


def _ending(unet: nn.Module, name: str) -> list[nn.Module]:
    return [each for full, each in unet.named_modules() if f".{full}".endswith(f".{name}")]


def _listed(module: nn.Module, name: str) -> Iterable[nn.Module]:
    return module.get_submodule(name).children()


def _channels(block: nn.Module) -> int:
    bias = block.get_parameter("conv2.bias")
    return len(bias)
