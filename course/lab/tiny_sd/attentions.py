"""The attention layers of the tiny model: put yours in their place, lie to one of them, see where they look.

    mine = attentions.with_layers(tiny.unet, {"attn2": lambda dim: CrossAttention(dim, 64, 4, dim // 4)})
    tiny.draw(captions, unet=mine)

The UNet has four places with attention (`PLACES`), each at half the resolution: there `attn1` looks from
pixel to pixel, and `attn2` from the pixels to the words of the caption.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from course.lab.probe import attention_weights
from course.lab.tiny_sd import TinySD, UNet
from course.lab.tiny_sd.network import HEADS

# On the way through the network: down, the middle, and twice on the way up.
PLACES = (
    "down_blocks.1.attentions.0",
    "mid_block.attentions.0",
    "up_blocks.0.attentions.0",
    "up_blocks.0.attentions.1",
)


def with_layers(unet: nn.Module, makes: Mapping[str, Callable[[int], nn.Module]]) -> nn.Module:
    """A copy of the network in which other layers do the work, with the weights of those they replace.

    makes  for "attn1", "attn2" or both: a function from the number of channels to a new layer; it is called
           once for each of PLACES, and the layer is called as the old one was: attn1(x), and
           attn2(x, context=words)

    The weights are loaded with strict=True; RuntimeError if names or shapes differ. Raises ValueError for the
    name of a layer that there is not.
    """
    changed = copy.deepcopy(unet)
    for kind, make in makes.items():
        names = [name for name, _ in unet.named_modules() if name.rpartition(".")[2] == kind]
        if not names:
            raise ValueError(f"the network has no layers called {kind!r}; it has attn1 and attn2")
        for name in names:
            trained = unet.get_submodule(name)
            layer = make(trained.get_parameter("to_q.weight").shape[1])
            layer.load_state_dict(trained.state_dict(), strict=True)
            parent, _, own = name.rpartition(".")
            setattr(changed.get_submodule(parent), own, layer.requires_grad_(False))
    return changed.eval()


def told_otherwise(
    unet: nn.Module,
    place: str,
    said: Float[Tensor, "1 S D"],
    instead: Float[Tensor, "1 S D"],
) -> UNet:
    """The network with one layer misinformed: where the others are told `said`, it is told `instead`.

    unet     is not changed; the function that comes back draws as a network does: `draw(..., unet=...)`
    place    one of PLACES, for its attn2
    said, instead
             two encoded captions. Rows that are told anything else, such as the empty caption of
             classifier-free guidance, are left alone.
    """
    layer = unet.get_submodule(_cross(place))

    def lie(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        context = kwargs["context"]
        # Nearly equal: in a batch of another size the same caption may be rounded otherwise.
        same = (context - said).abs().amax((1, 2)) < 1e-3
        return args, kwargs | {"context": torch.where(same[:, None, None], instead, context)}

    def network(x: Tensor, t: Tensor, context: Tensor) -> Tensor:
        hook = layer.register_forward_pre_hook(lie, with_kwargs=True)
        try:
            eps: Tensor = unet(x, t, context)
            return eps
        finally:
            hook.remove()

    return network


def looks(
    tiny: TinySD, captions: Sequence[str], *, unet: nn.Module | None = None, **how: Any
) -> tuple[Float[Tensor, "B 3 H W"], dict[str, Float[Tensor, "B S h w"]]]:
    """Draws, and returns the pictures and, for each of PLACES, how much each word was looked at from where.

    unet  another network in place of tiny.unet
    how   everything else that `TinySD.draw` takes

    Weights are averaged over the heads and over the steps. Word 0 is the beginning of the caption; at every
    pixel of h x w the words' weights add up to 1.
    """
    network = tiny.unet if unet is None else unet
    asked: dict[str, list[tuple[Tensor, Tensor]]] = {place: [] for place in PLACES}

    def listen(place: str) -> Callable[[nn.Module, tuple[Tensor, ...], dict[str, Tensor]], None]:
        # The rows with the caption come last: `TinySD.guided` has the empty caption first.
        return lambda _, args, kwargs: asked[place].append(
            (args[0][-len(captions) :], kwargs["context"][-len(captions) :])
        )

    hooks = [
        network.get_submodule(_cross(place)).register_forward_pre_hook(listen(place), with_kwargs=True)
        for place in PLACES
    ]
    try:
        pictures = tiny.draw(captions, unet=network, **how)
    finally:
        for hook in hooks:
            hook.remove()
    height, width = (side // 2 for side in pictures.shape[2:])
    looked = {}
    for place in PLACES:
        layer = network.get_submodule(_cross(place))
        weights = [attention_weights(layer, x, words, heads=HEADS).mean(1) for x, words in asked[place]]
        looked[place] = torch.stack(weights).mean(0).mT.reshape(len(captions), -1, height, width)
    return pictures, looked


def inside(pictures: Float[Tensor, "B 3 H W"]) -> Bool[Tensor, "B h w"]:
    """Which pixels of half the resolution show the shape: those that differ from the corners."""
    small = nn.functional.avg_pool2d(pictures, 2)
    corners = pictures[:, :, [0, 0, -1, -1], [0, -1, 0, -1]].median(-1).values
    away = (small - corners[:, :, None, None]).square().sum(1).sqrt()
    return away > 0.6 * away.amax((1, 2), keepdim=True)


def _cross(place: str) -> str:
    if place not in PLACES:
        raise ValueError(f"{place!r} is no place with attention; there are {', '.join(PLACES)}")
    return f"{place}.transformer_blocks.0.attn2"
