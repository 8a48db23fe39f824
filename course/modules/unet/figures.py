"""The pictures of the unet module's demos; `figures.py` says what they have in common.

The numbers of a picture go from -1 to 1 here, as where a diffusion model sees them. Pixels are shown as they
are, as squares: nothing is smoothed.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from course.pictures.canvas import FAINT, INK, PALETTE, WEIGHTS, array, expect_shape, pixels, plain
from course.pictures.canvas import axes as new_axes
from course.pictures.clickable import Clickable
from course.pictures.gallery import pixel_attention
from course.pictures.picture import Picture, needs
from course.pictures.slider import slide_panels
from course.pictures.steps import counted
from course.pictures.strips import strips

__all__ = [
    "Picture",
    "clock",
    "counted",
    "drawn",
    "feature_maps",
    "film",
    "heat_maps",
    "kernels",
    "needs",
    "pixel_attention",
    "plan",
    "slide_film",
    "strips",
    "where_the_numbers_are",
]

WIDTH = 10.0  # inches of a picture that fills the page


def drawn(pictures: Float[Tensor, "N 3 H W"], captions: Sequence[str], columns: int = 4) -> Picture:
    """Pictures, each large and with its caption below."""
    expect_shape(pictures, (len(captions), *pictures.shape[1:]), "what was drawn for these captions")
    columns = min(columns, len(captions))
    rows = -(-len(captions) // columns)
    each = min(3.2, WIDTH / columns)
    figure, axes = new_axes(rows, columns, width=each * columns, height=(each + 0.32) * rows)
    for axis, picture, caption in zip(axes, pictures, captions, strict=False):
        _show(axis, picture)
        axis.set_xlabel(textwrap.fill(caption or "(no words)", round(10 * each)), fontsize=10.5, color=INK)
    for axis in axes[len(captions) :]:
        axis.axis("off")
    return Picture(figure, f"Pictures, large, with their captions: {'; '.join(captions)}.")


def film(
    stations: Float[Tensor, "N 3 H W"],
    guesses: Float[Tensor, "N 3 H W"],
    times: Sequence[int],
    shown: int = 8,
) -> Picture:
    """Some stations on the way from noise to a picture, and below each what the network takes it for."""
    expect_shape(stations, (len(times), *stations.shape[1:]), "the stations")
    expect_shape(guesses, stations.shape, "the guesses")
    chosen = torch.linspace(0, len(times) - 1, min(shown, len(times))).round().long().tolist()
    return strips(
        {
            "what it\nis given": [stations[i] for i in chosen],
            "what it\nsees in it": [guesses[i] for i in chosen],
        },
        [f"t = {times[i]}" for i in chosen],
    )


def slide_film(
    stations: Float[Tensor, "N 3 H W"], guesses: Float[Tensor, "N 3 H W"], times: Sequence[int]
) -> Clickable:
    """The whole film on a slider."""
    return slide_panels(
        {"what it is given": stations / 2 + 0.5, "what it sees in it": guesses / 2 + 0.5},
        [f"step {number} of {len(times)}, t = {t}" for number, t in enumerate(times, start=1)],
        "the way from noise to a picture",
    )


def kernels(
    picture: Float[Tensor, "1 3 H W"],
    made: Mapping[str, tuple[Float[Tensor, "kh kw"], Float[Tensor, "1 3 h w"]]],
) -> Picture:
    """A picture, and for each kernel its numbers, and what the picture becomes."""
    tall = picture.shape[2] / picture.shape[3]
    each = WIDTH / (len(made) + 1)
    figure, axes = new_axes(
        2, len(made) + 1, width=WIDTH, height=(0.75 + tall) * each + 0.6, heights=[0.75, tall]
    )
    above, below = axes[: len(made) + 1], axes[len(made) + 1 :]
    above[0].axis("off")
    _show(below[0], picture[0])
    below[0].set_xlabel("the picture", fontsize=10.5, color=INK)
    for axis, result, (name, (kernel, after)) in zip(above[1:], below[1:], made.items(), strict=True):
        reach = float(kernel.abs().max())
        axis.imshow(array(kernel), cmap="RdBu", vmin=-1.6 * reach, vmax=1.6 * reach)
        for row, values in enumerate(kernel.tolist()):
            for column, value in enumerate(values):
                axis.text(column, row, _short(value), ha="center", va="center", fontsize=11, color=INK)
        axis.set(xticks=[], yticks=[])
        axis.set_title(name, fontsize=11, color=INK)
        if after.dim() != 4 or after.shape[:2] != (1, 3):
            raise ValueError(f"{name!r} should make a picture [1, 3, h, w]; it made {list(after.shape)}")
        _show(result, after[0])
        result.set_xlabel(" × ".join(map(str, after.shape[2:])), fontsize=9.5, color=FAINT)
    return Picture(figure, f"A picture, and what kernels make of it: {', '.join(made)}.")


def clock(embedding: Float[Tensor, "T dim"], t: int = 500) -> Picture:
    """Every time's embedding as a column of colours; beside it how much it resembles that of one time."""
    T, dim = embedding.shape
    figure, (left, right) = new_axes(1, 2, width=WIDTH, height=3.6, widths=[1.6, 1])
    image = left.imshow(array(embedding.T), cmap="RdBu", vmin=-1, vmax=1, aspect="auto")
    left.set_yticks(
        [dim // 4, dim // 2 + dim // 4], ["cosines:\nfast\nto\nslow", "sines:\nfast\nto\nslow"], fontsize=9.5
    )
    left.tick_params(axis="y", length=0)
    left.axhline(dim / 2 - 0.5, color="white", lw=1.2)
    left.set_xlabel("t")
    left.set_title(f"timestep_embedding(t, {dim}): a column for each t", fontsize=10.5, color=INK)
    figure.colorbar(image, ax=left, shrink=0.8)
    likeness = nn.functional.cosine_similarity(embedding, embedding[t : t + 1])
    right.plot(array(likeness), color=PALETTE[0], lw=1.6)
    right.axvline(t, color=PALETTE[1], lw=1, ls=":")
    right.set(xlabel="t", ylim=(-0.1, 1.05))
    right.set_title(f"how much each resembles t = {t}", fontsize=10.5, color=INK)
    plain(right)
    return Picture(
        figure,
        f"A heat map of the embeddings of {T} times: fast waves above, slow ones below, for cosines and "
        f"sines; and their likeness to t = {t}, a narrow peak on a broad hill.",
    )


def feature_maps(
    given: Mapping[str, Float[Tensor, "3 H W"]], made: Mapping[str, Float[Tensor, "C h w"]], count: int = 7
) -> Picture:
    """For each time: what the network is given, and the same channels of what a block makes of it.

    Of all channels those `count` that are smoothest in the first row; each has one scale for all rows.
    """
    first = next(iter(made.values()))
    steps = (first[:, 1:] - first[:, :-1]).square().mean((1, 2)) + 1e-9
    chosen = (first.flatten(1).var(1) / steps).argsort(descending=True)[:count]
    maps = {name: values[chosen] for name, values in made.items()}
    stacked = torch.stack(list(maps.values()))  # [rows, count, h, w]
    low, high = stacked.amin((0, 2, 3)), stacked.amax((0, 2, 3))
    each = (WIDTH - 0.8) / (count + 1)
    figure, axes = new_axes(len(maps), count + 1, width=WIDTH, height=(each + 0.08) * len(maps) + 0.3)
    for row, (name, picture) in enumerate(given.items()):
        own = axes[row * (count + 1) : (row + 1) * (count + 1)]
        _show(own[0], picture)
        own[0].set_ylabel(name, fontsize=10.5, color=INK, rotation=0, ha="right", va="center", labelpad=8)
        for at, (axis, values) in enumerate(zip(own[1:], maps[name], strict=True)):
            axis.imshow(array(values), cmap=WEIGHTS, vmin=float(low[at]), vmax=float(high[at]))
            axis.set(xticks=[], yticks=[])
            if row == 0:
                axis.set_title(f"channel {int(chosen[at])}", fontsize=9.5, color=FAINT)
    return Picture(
        figure, f"Rows for {', '.join(given)}: what the network is given, and {count} channels of a block."
    )


def heat_maps(
    picture: Float[Tensor, "3 H W"],
    maps: Mapping[str, Float[Tensor, "h w"]],
    what: str,
    *,
    together: bool = True,
) -> Picture:
    """A picture and heat maps of places; `together`: one scale for all, else each up to its own largest."""
    figure, axes = new_axes(1, len(maps) + 1, width=WIDTH, height=WIDTH / (len(maps) + 1) + 0.75)
    _show(axes[0], picture)
    axes[0].set_title("the picture", fontsize=10, color=FAINT)
    highest = max(float(values.max()) for values in maps.values())
    image: Any = None
    for axis, (title, values) in zip(axes[1:], maps.items(), strict=True):
        image = axis.imshow(
            array(values), cmap=WEIGHTS, vmin=0, vmax=highest if together else float(values.max())
        )
        axis.set(xticks=[], yticks=[])
        axis.set_title(textwrap.fill(title, 18), fontsize=10.5, color=INK)
    if together:
        figure.colorbar(image, ax=axes, location="bottom", shrink=0.35, aspect=40, label=what)
    return Picture(figure, f"Heat maps, {what}, over a picture: {', '.join(maps)}.")


# --- The plan of the network -------------------------------------------------------------------------------

_LEFT = (
    ("conv_in", "3 → 32", 0, 32),
    ("down_blocks.0   resnets.0", "32 → 32", 0, 32),
    ("down_blocks.0   downsamplers.0", "32, half the size", 1, 32),
    ("down_blocks.1   resnets.0, attentions.0", "32 → 64", 1, 64),
)
_RIGHT = (
    ("up_blocks.1   resnets.1", "32 + 32 → 32", 0),
    ("up_blocks.1   resnets.0", "64 + 32 → 32", 0),
    ("up_blocks.0   resnets.1, attentions.1", "64 + 32 → 64", 1),
    ("up_blocks.0   resnets.0, attentions.0", "64 + 64 → 64", 1),
)
_GROUND = ("#dcecf7", "#fde8cf")  # of a size: 16 x 16, and 8 x 8


def plan() -> Picture:
    """The steps of UNet() in the shape of a U: what is kept on the way down, and where it comes back."""
    figure, (axis,) = new_axes(1, 1, width=WIDTH, height=6.2)
    rows, left, right, middle = (5.2, 4.25, 2.65, 1.7), 1.75, 8.25, 5.0
    for (name, numbers, size, kept), y in zip(_LEFT, rows, strict=True):
        _box(axis, left, y, name, numbers, _GROUND[size])
        axis.annotate(
            "",
            (right - 1.72, y),
            (left + 1.72, y),
            arrowprops={"arrowstyle": "-|>", "color": PALETTE[2], "lw": 1.8, "ls": "--"},
        )
        axis.text(middle, y + 0.09, f"kept: {kept} channels", ha="center", fontsize=9.5, color=PALETTE[2])
    for (name, numbers, size), y in zip(_RIGHT, rows, strict=True):
        _box(axis, right, y, name, numbers, _GROUND[size])
    _box(axis, middle, 0.55, "mid_block   resnets.0, attentions.0, resnets.1", "64", _GROUND[1], width=3.9)
    _box(axis, right, 3.45, "up_blocks.0   upsamplers.0", "64, twice the size", _GROUND[0])
    _box(axis, right, 6.15, "conv_norm_out, SiLU, conv_out", "32 → 3", _GROUND[0])
    axis.text(left, 6.1, "noisy image, 3 × 16 × 16", ha="center", va="center", fontsize=10.5, color=INK)
    axis.text(right, 6.82, "noise, 3 × 16 × 16", ha="center", va="center", fontsize=10.5, color=INK)

    for here, there in (
        ((left, 5.95), (left, 5.5)),
        ((left, 4.9), (left, 4.55)),
        ((left, 3.95), (left, 2.95)),
        ((left, 2.35), (left, 2.0)),
        ((left, 1.4), (middle - 1.95, 0.62)),
        ((middle + 1.95, 0.62), (right, 1.4)),
        ((right, 2.0), (right, 2.35)),
        ((right, 2.95), (right, 3.15)),
        ((right, 3.75), (right, 3.95)),
        ((right, 4.55), (right, 4.9)),
        ((right, 5.5), (right, 5.85)),
        ((right, 6.45), (right, 6.7)),
    ):
        axis.annotate("", there, here, arrowprops={"arrowstyle": "-|>", "color": INK, "lw": 1.5})
    axis.text(
        middle,
        6.5,
        "The time goes to every ResBlock, the words to every SpatialTransformer.\n"
        "Blue: 16 × 16 pixels. Orange: 8 × 8.",
        ha="center",
        va="center",
        fontsize=9.5,
        color=FAINT,
    )
    axis.set(xlim=(-0.1, 10.1), ylim=(0.1, 7.0))
    axis.axis("off")
    return Picture(
        figure,
        "A U. Down its left side: conv_in, a ResBlock, Downsample, a ResBlock with attention; what each "
        "returns is kept. Below, the middle block. Up its right side: two ResBlocks with attention, "
        "Upsample, two ResBlocks, conv_out; each ResBlock takes back the last thing kept that is left.",
    )


def _box(
    axis: Any,
    x: float,
    y: float,
    name: str,
    numbers: str,
    ground: str,
    *,
    width: float = 3.4,
    height: float = 0.6,
) -> None:
    from matplotlib.patches import FancyBboxPatch

    corner = (x - width / 2 + 0.05, y - height / 2 + 0.05)
    style = "round,pad=0.05,rounding_size=0.08"
    axis.add_patch(
        FancyBboxPatch(
            corner, width - 0.1, height - 0.1, boxstyle=style, facecolor=ground, edgecolor="#9a9a9a", lw=0.8
        )
    )
    axis.text(x, y + 0.11, name, ha="center", va="center", fontsize=9, color=INK)
    axis.text(x, y - 0.14, numbers, ha="center", va="center", fontsize=9, color=INK, weight="bold")


def where_the_numbers_are(networks: Mapping[str, nn.Module]) -> Picture:
    """For each network, how its parameters are shared out among its parts."""
    figure, axes = new_axes(1, len(networks), width=WIDTH, height=3.3)
    said = []
    for axis, (name, network) in zip(axes, networks.items(), strict=True):
        parts = _counted(network)
        total = sum(parts.values())
        places = range(len(parts))
        shares = [count / total for count in parts.values()]
        colours = [PALETTE[0] if "block" in part else FAINT for part in parts]
        axis.barh(places, shares, color=colours)
        for place, count in zip(places, parts.values(), strict=True):
            axis.text(count / total + 0.01, place, f"{count:,}", va="center", fontsize=8.5, color=INK)
        axis.set_yticks(places, list(parts), fontsize=9)
        axis.set(xlim=(0, 1.3 * max(shares)), ylim=(len(parts) - 0.4, -0.6), xticks=[])
        axis.spines[["top", "right", "bottom"]].set_visible(False)
        axis.tick_params(length=0)
        axis.set_title(f"{name}: {total:,}", fontsize=11, color=INK)
        said.append(f"{name}, {total:,}")
    return Picture(figure, f"Bars for how many parameters each part of a network has: {'; '.join(said)}.")


def _counted(network: nn.Module) -> dict[str, int]:
    parts: dict[str, int] = {}
    for name, parameter in network.named_parameters():
        first, second, *_ = name.split(".")
        part = f"{first}.{second}" if first in ("down_blocks", "up_blocks") else first
        parts[part] = parts.get(part, 0) + parameter.numel()
    order = ("conv_in", "time", "down", "mid", "up", "conv_norm", "conv_out")
    return dict(
        sorted(parts.items(), key=lambda item: [item[0].startswith(each) for each in order].index(True))
    )


def _show(axis: Any, picture: Float[Tensor, "3 H W"]) -> None:
    axis.imshow(pixels((picture + 1) / 2), interpolation="nearest")
    axis.set(xticks=[], yticks=[])
    axis.spines[:].set_edgecolor("#bbbbbb")


def _short(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".").replace("-", "−")
