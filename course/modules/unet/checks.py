"""Public checks of the module `unet`: the whole network; functions and blocks have files of their own."""

from functools import cache

import torch
from torch import nn, tensor

from course.checking.expect import Broken, Layer, Work, close, exercise, holds, ordinary
from course.lab import damage, tiny_sd
from course.lab.tiny_sd.network import TinyUNet
from course.modules.unet.checks_of_blocks import Downsample, ResBlock, in_double, is_norm, waves
from course.modules.unet.checks_of_bonus import ReceptiveField, Sabotage
from course.modules.unet.checks_of_functions import Conv2d, GroupNorm, TimestepEmbedding
from course.modules.unet.checks_of_transformers import SpatialTransformer, TransformerBlock

# All that a student is checked with, found here by their marks.
__all__ = [
    "Conv2d",
    "Downsample",
    "GroupNorm",
    "ReceptiveField",
    "ResBlock",
    "Sabotage",
    "SpatialTransformer",
    "TimestepEmbedding",
    "TransformerBlock",
    "UNet",
]


@exercise("UNet")
class UNet:
    def parameters(self, student: Work) -> None:
        """With no arguments it has exactly the parameters of the trained tiny network."""
        layer = student.UNet()
        theirs = {name: tuple(p.shape) for name, p in TinyUNet().named_parameters()}
        own = {name: tuple(p.shape) for name, p in layer.module.named_parameters()}
        missing = [name for name in theirs if name not in own]
        extra = [name for name in own if name not in theirs]
        if missing or extra:
            raise Broken(
                f"{len(missing)} parameters are missing and {len(extra)} are too many",
                *_few("missing", missing),
                *_few("too many", extra),
            )
        layer.has_parameters(theirs)

    def any_size(self, student: Work) -> None:
        """With other numbers it has other blocks: three levels, two ResBlocks a level, attention twice."""
        layer = student.UNet(
            1,
            2,
            (4, 8, 12),
            (True, False, True),
            cross_attention_dim=6,
            heads=2,
            groups=2,
            layers_per_block=2,
        )
        own = {name: tuple(p.shape) for name, p in layer.module.named_parameters()}
        for name, (channels_in, channels_out) in _OTHER_BLOCKS.items():
            found = own.get(f"{name}.conv1.weight")
            if found is None:
                raise Broken(f"there is no `{name}`, for three levels and layers_per_block=2")
            holds(
                found == (channels_out, channels_in, 3, 3),
                f"`{name}` takes {found[1]} channels and gives {found[0]}; it should take {channels_in} and "
                f"give {channels_out}",
            )
        blocks = {name.partition(".conv1.")[0] for name in own if ".conv1." in name}
        if extra := sorted(blocks - set(_OTHER_BLOCKS)):
            raise Broken(f"there is a ResBlock too many, `{extra[0]}`, for layers_per_block=2")
        for kind, places in _OTHER_PLACES.items():
            found_at = {name.partition(f".{kind}.")[0] for name in own if f".{kind}." in name}
            holds(
                found_at == places,
                f"with three levels and attention=(True, False, True), `{kind}` should have entries in "
                f"{_spoken(places)}; yours has some in {_spoken(found_at)}",
            )
        holds(
            own.get("time_embedding.linear_1.weight") == (16, 4), "linear_1 should lead from c[0] to 4 * c[0]"
        )
        holds(own.get("conv_out.weight") == (2, 4, 3, 3), "conv_out should lead from c[0] to out_channels")
        eps = ordinary(layer(torch.ones(1, 1, 8, 4), 3, torch.ones(1, 2, 6)))
        holds(eps.shape == (1, 2, 8, 4), f"the shape is {tuple(eps.shape)}, it should be (1, 2, 8, 4)")
        is_norm(layer, "conv_norm_out", 2, 1e-5)

    def trained_network(self, student: Work) -> None:
        """With the trained weights it gives what the trained network gives."""
        unet, layer = _trained(student)
        given = waves(2, 3, 4, 6), tensor([200, 700]), waves(2, 7, 64)
        wrong = {
            "Here the skip stands before the image: the image comes first.": damage.skip_first,
            "Here nothing comes through the skips.": damage.without_skips,
            "Here the whole batch was told the first sample's time.": damage.one_time_for_all,
            "Here the times' sines come before their cosines.": damage.sine_first,
            "Here no word reaches the image.": damage.deaf,
            "Here the time makes no difference.": damage.timeless,
            "Here the time's embedding went into time_emb_proj without SiLU.": damage.without_silu_on_time,
            "Here the first half of the feed-forward's channels is the gate.": damage.gate_swapped,
        }
        answer, expected = layer(*given), unet(*given)
        try:
            close(answer, expected)
        except Broken:  # only now is it worth while to run all the wrong ones
            close(answer, expected, symptoms={told: make(unet)(*given) for told, make in wrong.items()})
        in_double(student.UNet(), layer, *given)

    def time(self, student: Work) -> None:
        """t may be one timestep for all samples: a number, or a tensor without dimensions."""
        unet, layer = _trained(student)
        x, context = waves(2, 3, 2, 4), waves(2, 7, 64)
        for t in (300, tensor(300)):
            close(layer(x, t, context), unet(x, tensor([300, 300]), context))

    def words(self, student: Work) -> None:
        """A context of any length; each sample looks at its own, and another one gives another answer."""
        unet, layer = _trained(student)
        # Ten times as loud as words are: what a single SpatialTransformer is told makes 200 tolerances.
        x, t, context = waves(1, 3, 2, 4).repeat(2, 1, 1, 1), tensor([500, 500]), 10 * waves(2, 3, 64)
        close(
            layer(x, t, context),
            unet(x, t, context),
            symptoms={
                "Here no word reaches the image: is the context given to each SpatialTransformer?": (
                    damage.deaf(unet)(x, t, context)
                ),
                "Here both samples were told the first one's words.": unet(
                    x, t, context[:1].expand_as(context)
                ),
            },
        )


# layers_per_block=2 and channels (4, 8, 12): what each ResBlock takes, and gives. On the way up that is the
# image and one skip; the skips are kept in the order 4, 4, 4, 4 | 8, 8, 8 | 12, 12 and taken from the end.
_OTHER_BLOCKS = {
    "down_blocks.0.resnets.0": (4, 4),
    "down_blocks.0.resnets.1": (4, 4),
    "down_blocks.1.resnets.0": (4, 8),
    "down_blocks.1.resnets.1": (8, 8),
    "down_blocks.2.resnets.0": (8, 12),
    "down_blocks.2.resnets.1": (12, 12),
    "mid_block.resnets.0": (12, 12),
    "mid_block.resnets.1": (12, 12),
    "up_blocks.0.resnets.0": (12 + 12, 12),
    "up_blocks.0.resnets.1": (12 + 12, 12),
    "up_blocks.0.resnets.2": (12 + 8, 12),
    "up_blocks.1.resnets.0": (12 + 8, 8),
    "up_blocks.1.resnets.1": (8 + 8, 8),
    "up_blocks.1.resnets.2": (8 + 4, 8),
    "up_blocks.2.resnets.0": (8 + 4, 4),
    "up_blocks.2.resnets.1": (4 + 4, 4),
    "up_blocks.2.resnets.2": (4 + 4, 4),
}
_OTHER_PLACES = {
    "attentions": {"down_blocks.0", "down_blocks.2", "mid_block", "up_blocks.0", "up_blocks.2"},
    "downsamplers": {"down_blocks.0", "down_blocks.1"},
    "upsamplers": {"up_blocks.0", "up_blocks.1"},
}


@cache
def _network() -> nn.Module:
    return tiny_sd.load().unet


def _trained(student: Work) -> tuple[nn.Module, Layer]:
    """The trained network, and the student's with its weights."""
    unet = _network()
    return unet, student.UNet().set(unet.state_dict())


def _few(what: str, names: list[str]) -> list[str]:
    rest = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return [f"{what}: {', '.join(names[:3])}{rest}"] if names else []


def _spoken(places: set[str]) -> str:
    return ", ".join(sorted(places)) or "none of the levels"
