"""The pictures of the LoRA module's demos; `figures.py` says what they have in common."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from course.lab.judge.palette import palette
from course.lab.shapes import COLOURS, attributes_of
from course.pictures import canvas
from course.pictures.canvas import FAINT, INK, PALETTE
from course.pictures.clickable import Clickable
from course.pictures.picture import Picture, needs
from course.pictures.slider import slide
from course.pictures.steps import counted

__all__ = [
    "Picture",
    "counted",
    "first_steps",
    "lora_layers",
    "needs",
    "panels",
    "pastel",
    "rows",
    "singular_values",
    "slide_strength",
    "starts",
    "striped",
    "updates",
    "where",
]

FROZEN, ADAPTED, ADDED = "#d9d9d9", PALETTE[5], PALETTE[1]


# --- Numbers ----------------------------------------------------------------------------------------------


def pastel(pictures: Float[Tensor, "B 3 H W"], captions: Sequence[str]) -> Float[Tensor, " B"]:
    """How pastel the shape of each picture is: 0 for the plain colour of its caption, 1 for the pastel one.

    Below 0 it is stronger than plain. Measured on the median colour of the shape's pixels, without a network.
    """
    plain = torch.tensor(list(COLOURS.values()), dtype=torch.float32)[attributes_of(captions).colour]
    way = (240 - plain) / 2  # from the plain colour to the pastel one
    return ((palette(pictures).shape - plain) * way).sum(1) / way.square().sum(1)


def striped(pictures: Float[Tensor, "B 3 H W"]) -> Float[Tensor, " B"]:
    """How far each picture consists of one-pixel stripes: near 0 for plain shapes, 0.8 for striped ones.

    From row to row the distance from the background goes up or down, and in stripes the two alternate. What
    alternates from column to column as well is no stripe but noise, and is taken off.
    """
    ground = palette(pictures).ground[:, :, None, None]
    away = ((pictures.clamp(-1, 1) + 1) * 127.5 - ground).square().sum(1).sqrt()
    return _alternating(away) - _alternating(away.mT)


def _alternating(values: Float[Tensor, "B H W"]) -> Float[Tensor, " B"]:
    """Which part of the ups and downs along H is followed by its opposite: from 0 to 1."""
    steps = values.diff(dim=1)
    one, next_one = steps[:, :-1], steps[:, 1:]
    turns = (-one * next_one).clamp(min=0).sum((1, 2))
    return 2 * turns / (one.square() + next_one.square()).sum((1, 2)).clamp(min=1e-6)


def lora_layers(network: nn.Module) -> list[Any]:
    """Every LoRA layer in a network. If there is none, then inject_lora has not been written yet."""
    layers = [layer for layer in network.modules() if hasattr(layer, "lora_B")]
    if not layers:
        raise NotImplementedError("write inject_lora")
    return layers


# --- Pictures ---------------------------------------------------------------------------------------------


def rows(
    of: Mapping[str, Float[Tensor, "B 3 H W"]],
    captions: Sequence[str],
    notes: Mapping[str, str] | None = None,
) -> Picture:
    """Rows of pictures (-1 to 1), a caption over each column, a title and perhaps a note beside each row."""
    count = len(captions)
    figure, axes = canvas.axes(len(of), count, width=1.3 * count, height=1.3 * len(of) + 0.5)
    for row, (title, pictures) in enumerate(of.items()):
        canvas.expect_shape(pictures, (count, *pictures.shape[1:]), f"the pictures of {title!r}")
        for column, picture in enumerate(pictures):
            axis = axes[row * count + column]
            axis.imshow(canvas.pixels(picture / 2 + 0.5))
            axis.set(xticks=[], yticks=[])
            axis.spines[:].set_color("#bbbbbb")
            if row == 0:
                axis.set_title(textwrap.fill(captions[column], 14), fontsize=8.5, color=INK)
        note = (notes or {}).get(title, "")
        axes[row * count].set_ylabel(f"{title}\n{note}" if note else title, fontsize=10, color=INK)
    said = "; ".join(f"{title} {(notes or {}).get(title, '')}".strip() for title in of)
    return Picture(figure, f"Rows of small pictures, for the captions {', '.join(captions)}. {said}.")


def slide_strength(
    strengths: Sequence[float],
    of: Sequence[Float[Tensor, "B 3 H W"]],
    captions: Sequence[str],
    columns: int = 4,
) -> Clickable:
    """Pictures to go through with a slider, one set for each strength of the update; it starts at 0."""
    tiles = torch.stack([_tiled(pictures / 2 + 0.5, columns) for pictures in of])
    said = [
        f"strength {strength:g}: pastel {pastel(pictures, captions).mean():.2f}"
        for strength, pictures in zip(strengths, of, strict=True)
    ]
    start = min(range(len(strengths)), key=lambda at: abs(strengths[at]))
    return slide(tiles, said, "the strength of the update", start)


def _tiled(pictures: Float[Tensor, "B 3 H W"], columns: int) -> Float[Tensor, "3 height width"]:
    """The pictures in rows, with a white line between them."""
    framed = torch.nn.functional.pad(pictures.clamp(0, 1), (0, 1, 0, 1), value=1.0)
    lines = [torch.cat(list(row), 2) for row in torch.split(framed, columns)]
    return torch.cat(lines, 1)[:, :-1, :-1]


def updates(
    base: Float[Tensor, "D C"], wanted: Float[Tensor, "D C"], learned: Mapping[int, Float[Tensor, "D C"]]
) -> Picture:
    """What updates of several ranks have learned, as pictures, and how far they are from what is wanted.

    learned  for each rank the update: what the layer's weight has become, less the base
    """
    for rank, update in learned.items():
        canvas.expect_shape(update, wanted.shape, f"the update of rank {rank}")
    figure, axes = canvas.axes(2, len(learned) + 1, width=2.25 * (len(learned) + 1), height=4.6)
    above, below = axes[: len(learned) + 1], axes[len(learned) + 1 :]
    reach = float(wanted.abs().max())
    D, C = wanted.shape
    panels = [("wanted: W + this", wanted, f"{D * C} numbers")]
    left = {rank: _left(wanted - update, wanted) for rank, update in learned.items()}
    for rank, update in learned.items():
        panels.append((f"B A, rank {rank}", update, f"{rank * (D + C)} numbers, {left[rank]:.0%} missing"))
    for over, under, (title, update, note) in zip(above, below, panels, strict=True):
        for axis, values in ((over, update), (under, base + update)):
            axis.imshow(canvas.array(values), cmap="gray", vmin=-reach, vmax=reach)
            axis.set(xticks=[], yticks=[])
        over.set_title(title, fontsize=11, color=INK)
        over.set_xlabel(note, fontsize=9, color=FAINT)
    above[0].set_ylabel("the update", fontsize=11, color=INK)
    below[0].set_ylabel("W + the update", fontsize=11, color=INK)
    said = ", ".join(f"{share:.0%} at rank {rank}" for rank, share in left.items())
    return Picture(
        figure,
        "A picture hidden in the change of a weight, and what updates of growing rank have learned of it, "
        f"alone and added to the weight. What is missing: {said}.",
    )


def _left(missing: Tensor, wanted: Tensor) -> float:
    return float(missing.norm() / wanted.norm())


def singular_values(
    of: Mapping[str, Float[Tensor, "D C"]],
    learned: Mapping[int, float] | None = None,
    shown: int = 24,
) -> Picture:
    """The singular values of matrices; and beside them, what is left of the first one without its largest r.

    learned  for each rank r the part of the first matrix that an update of this rank has not learned
    """
    figure, axes = canvas.axes(1, 2 if learned else 1, width=9.6 if learned else 7.2, height=3.1)
    said = []
    for at, (title, matrix) in enumerate(of.items()):
        values = torch.linalg.svdvals(matrix.detach().double())
        there = int((values > 1e-5 * values[0]).sum())
        said.append(f"{title}: {there} of {len(values)} are not 0")
        places = torch.arange(1, min(shown, len(values)) + 1)
        axes[0].bar(
            canvas.array(places + (at - (len(of) - 1) / 2) * 0.4),
            canvas.array(values[: len(places)]),
            width=0.4 if len(of) > 1 else 0.7,
            color=PALETTE[at],
            label=f"{title} ({there} of {len(values)} are not 0)",
        )
    axes[0].set(xlabel="which singular value", ylabel="its size", xlim=(0.3, shown + 0.7))
    axes[0].legend(fontsize=9, frameon=False, loc="upper right")
    canvas.plain(axes[0])
    if learned:
        values = torch.linalg.svdvals(next(iter(of.values())).detach().double())
        rest = values.square().flip(0).cumsum(0).flip(0).sqrt() / values.norm()
        most = max(learned) + 2
        axes[1].plot(
            range(most + 1), canvas.array(rest[: most + 1]), color=FAINT, lw=1.6, label="the best possible"
        )
        axes[1].plot(
            list(learned), list(learned.values()), "o", ms=8, color=PALETTE[1], label="learned by your layer"
        )
        axes[1].set(xlabel="rank r", ylabel="part that is missing", ylim=(0, 1.03), xlim=(-0.3, most + 0.3))
        axes[1].legend(fontsize=9, frameon=False)
        canvas.plain(axes[1])
        said.append(", ".join(f"{share:.0%} missing at rank {rank}" for rank, share in learned.items()))
    return Picture(figure, f"Bars of singular values, falling. {'; '.join(said)}.")


def starts(losses: Mapping[str, Sequence[float]]) -> Picture:
    """How the loss falls from different starts."""
    figure, axes = canvas.axes(1, 1, width=8.2, height=3.0)
    for at, (title, values) in enumerate(losses.items()):
        axes[0].plot(values, color=PALETTE[at], lw=2.2, ls=("-", "--", "-.")[at % 3], label=title)
    axes[0].set(xlabel="step", ylabel="loss", ylim=(0, None))
    axes[0].legend(fontsize=9.5, frameon=False, loc="center left", bbox_to_anchor=(1.01, 0.5))
    canvas.plain(axes[0])
    said = "; ".join(f"{title}: from {values[0]:.2f} to {values[-1]:.2f}" for title, values in losses.items())
    return Picture(figure, f"Lines of the loss over the steps. {said}.")


def first_steps(sizes: Mapping[str, Sequence[float]]) -> Picture:
    """The sizes of gradients in the first steps of training, a group of bars for each step."""
    figure, axes = canvas.axes(1, 1, width=8.2, height=2.7)
    for at, (title, values) in enumerate(sizes.items()):
        shift = (at - (len(sizes) - 1) / 2) * 0.38
        places = [step + shift for step in range(1, len(values) + 1)]
        axes[0].bar(places, values, width=0.36, color=PALETTE[at], label=title)
        if values[0] == 0:
            axes[0].text(places[0], 0, "0", ha="center", va="bottom", fontsize=11, color=PALETTE[at])
    axes[0].set(xlabel="step", ylabel="size of the gradient")
    axes[0].set_xticks(range(1, 1 + max(map(len, sizes.values()))))
    axes[0].legend(fontsize=9.5, frameon=False, loc="center left", bbox_to_anchor=(1.01, 0.5))
    canvas.plain(axes[0])
    said = "; ".join(
        f"{title}: {', '.join(f'{value:.2g}' for value in values)}" for title, values in sizes.items()
    )
    return Picture(figure, f"The sizes of gradients step by step. {said}.")


def panels(of: Mapping[str, Tensor]) -> Picture:
    """Panels side by side: [3, H, W] is shown in colour (from 0 to 1), [H, W] in blue (positive) and red."""
    figure, axes = canvas.axes(1, len(of), width=11.4, height=10.6 / len(of))
    for axis, (title, values) in zip(axes, of.items(), strict=True):
        if values.dim() == 3:
            axis.imshow(canvas.pixels(values))
        else:
            reach = max(float(values.detach().abs().max()), 1e-9)
            axis.imshow(canvas.array(values), cmap="RdBu", vmin=-reach, vmax=reach)
        axis.set_title(textwrap.fill(title, 30), fontsize=10.5, color=INK)
        axis.set(xticks=[], yticks=[])
    return Picture(figure, f"Panels side by side: {'; '.join(of)}.")


def where(network: nn.Module) -> Picture:
    """For each block of a UNet: how many weights it has, which of them are adapted, and what LoRA adds."""
    lora_layers(network)
    counts: dict[str, dict[str, int]] = {}
    for name, parameter in network.named_parameters():
        parts = name.split(".")
        block = ".".join(parts[:2]) if parts[0] in ("down_blocks", "up_blocks") else parts[0]
        kind = "added" if ".lora_" in name else "adapted" if ".base_layer" in name else "frozen"
        counts.setdefault(block, dict.fromkeys(("frozen", "adapted", "added"), 0))[kind] += parameter.numel()
    order = sorted(counts, key=_from_in_to_out)
    figure, axes = canvas.axes(1, 1, width=9.4, height=0.36 * len(order) + 1.0)
    axis = axes[0]
    named = {
        "frozen": "not touched",
        "adapted": "with a LoRA layer around it",
        "added": "added by LoRA: trained",
    }
    for at, block in enumerate(order):
        left = 0
        for kind, colour in (("frozen", FROZEN), ("adapted", ADAPTED), ("added", ADDED)):
            label = named[kind] if at == 0 else None
            axis.barh(at, counts[block][kind], left=left, color=colour, height=0.72, label=label)
            left += counts[block][kind]
        if counts[block]["added"]:
            axis.text(left, at, f" + {counts[block]['added']}", va="center", fontsize=9.5, color=ADDED)
    axis.set_yticks(range(len(order)), order, fontsize=10)
    axis.tick_params(length=0)
    axis.set(ylim=(len(order) - 0.4, -0.6), xlabel="weights")
    axis.legend(fontsize=9.5, frameon=False, loc="lower right")
    axis.xaxis.set_major_formatter("{x:,.0f}")
    canvas.plain(axis)
    total = {kind: sum(count[kind] for count in counts.values()) for kind in named}
    return Picture(
        figure,
        f"Bars of the weights in each block of the network: {total['frozen']} are not touched, "
        f"{total['adapted']} have a LoRA layer around them, {total['added']} are added.",
    )


def _from_in_to_out(block: str) -> tuple[int, str]:
    order = ("conv_in", "time", "down", "mid", "up", "conv_norm_out", "conv_out")
    return next((at for at, start in enumerate(order) if block.startswith(start)), len(order)), block
