"""The pictures of the vision_transformers module's demos; `figures.py` says what they have in common."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from course.pictures import canvas
from course.pictures.canvas import FAINT, INK, PALETTE
from course.pictures.picture import Picture, needs
from course.pictures.steps import counted
from course.pictures.strips import strips

__all__ = [
    "Picture",
    "costs",
    "counted",
    "curves",
    "cut",
    "needs",
    "places",
    "products",
    "strips",
    "who_hears_whom",
]


def cut(picture: Float[Tensor, "3 H W"], tokens: Float[Tensor, "L n"], patch: int) -> Picture:
    """A picture, and the patches that its tokens are, in their order; each token is read as it should be."""
    _, height, width = picture.shape
    rows, columns = height // patch, width // patch
    canvas.expect_shape(tokens, (rows * columns, 3 * patch * patch), "the tokens")
    figure, axes = canvas.axes(1, 2, width=9.2, height=3.9, widths=[1, 1.25])
    axes[0].imshow(canvas.pixels((picture + 1) / 2))
    for line in range(1, rows):
        axes[0].axhline(line * patch - 0.5, color="white", lw=0.8)
    for line in range(1, columns):
        axes[0].axvline(line * patch - 0.5, color="white", lw=0.8)
    gap = 1
    sheet = torch.ones(3, rows * (patch + gap), columns * (patch + gap))
    for number, token in enumerate(tokens):
        row, column = divmod(number, columns)
        top, left = row * (patch + gap), column * (patch + gap)
        piece = token.detach().reshape(patch, patch, 3).permute(2, 0, 1)
        sheet[:, top : top + patch, left : left + patch] = (piece + 1) / 2
    axes[1].imshow(canvas.pixels(sheet))
    for number in range(rows * columns):
        row, column = divmod(number, columns)
        axes[1].text(
            column * (patch + gap) + patch - 0.45,
            row * (patch + gap) + patch - 0.1,
            str(number),
            ha="right",
            va="top",
            fontsize=7,
            color=FAINT,
        )
    for axis, title in zip(axes, ("the picture", "its tokens, numbered"), strict=True):
        axis.set(xticks=[], yticks=[])
        axis.spines[:].set_visible(False)
        axis.set_title(title, fontsize=11, color=INK)
    return Picture(
        figure,
        f"On the left a picture with the lines along which it is cut; on the right its {rows * columns} "
        "patches, apart from one another and numbered row by row.",
    )


def places(table: Float[Tensor, "L dim"], rows: int, columns: int, shown: Sequence[int]) -> Picture:
    """How alike the place of some tokens is to every place of the grid: products, dark to bright."""
    canvas.expect_shape(table, (rows * columns, table.shape[1]), "the table of positions")
    figure, axes = canvas.axes(1, len(shown), width=2.9 * len(shown), height=3.0)
    for axis, number in zip(axes, shown, strict=True):
        alike = (table @ table[number]).reshape(rows, columns)
        axis.imshow(canvas.array(alike), cmap=canvas.WEIGHTS)
        row, column = divmod(number, columns)
        axis.plot(column, row, "o", ms=7, mfc="none", mec=PALETTE[0], mew=2)
        axis.set(xticks=[], yticks=[])
        axis.set_title(f"token {number}: row {row}, column {column}", fontsize=10.5, color=INK)
    return Picture(
        figure,
        "For some tokens of a grid, how alike all places are to theirs: brightest at the token itself, "
        "bright along its row and its column, and darker the further away.",
    )


def curves(losses: Mapping[str, Sequence[float]], ylabel: str, keep: float = 0.9) -> Picture:
    """Losses step by step, each smoothed: what is drawn keeps the share `keep` of what it was."""
    figure, (axis,) = canvas.axes(1, 1, width=7.6, height=3.6)
    said = []
    for (name, values), colour in zip(losses.items(), PALETTE, strict=False):
        smooth: list[float] = []
        for value in values:
            smooth.append(value if not smooth else keep * smooth[-1] + (1 - keep) * value)
        axis.plot(smooth, color=colour, lw=1.8, label=f"{name}: {smooth[-1]:.3f} in the end")
        said.append(f"{name} ends at {smooth[-1]:.3f}")
    axis.set(xlabel="step", ylabel=ylabel)
    axis.legend(frameon=False, fontsize=10)
    canvas.plain(axis)
    return Picture(figure, f"Losses that fall from step to step: {'; '.join(said)}.")


def products(rotate: Callable[..., Tensor], count: int = 24, channels: int = 32) -> Picture:
    """Products of one query and one key at all pairs of positions: with waves added, and turned."""
    generator = torch.Generator().manual_seed(3)
    q, k = (torch.randn(channels, generator=generator) for _ in range(2))
    positions = torch.arange(count)
    frequencies = 10_000 ** (-torch.arange(0, channels, 2) / channels)
    angles = positions[:, None] * frequencies
    waves = torch.cat([angles.sin(), angles.cos()], dim=1)
    turned = [rotate(each.expand(1, 1, count, channels), positions)[0, 0] for each in (q, k)]
    for each in turned:
        canvas.expect_shape(each, (count, channels), "what rotate gives for each head")
    tables = {
        "waves added to both": (q + waves) @ (k + waves).T,
        "both turned": turned[0] @ turned[1].T,
    }
    figure, axes = canvas.axes(1, 2, width=7.8, height=3.9)
    for axis, (title, table) in zip(axes, tables.items(), strict=True):
        axis.imshow(canvas.array(table), cmap="viridis")
        axis.set(xlabel="position of the key", ylabel="position of the query")
        axis.set_title(title, fontsize=11, color=INK)
    return Picture(
        figure,
        "Two tables of products, a row for each position of the query and a column for each of the key. With "
        "waves added the pattern changes along a diagonal; with both turned every diagonal has one colour.",
    )


@torch.no_grad()
def who_hears_whom(
    joint: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]], dim: int, image: int = 6, text: int = 4
) -> Picture:
    """Which token's answer changes when another token is changed: for each pair, by how much."""
    generator = torch.Generator().manual_seed(0)
    tokens = torch.randn(image + text, dim, generator=generator)

    def ask(given: Tensor) -> Tensor:
        own, told = joint(given[None, :image], given[None, image:])
        canvas.expect_shape(own, (1, image, dim), "the picture's answer")
        canvas.expect_shape(told, (1, text, dim), "the text's answer")
        return torch.cat([own[0], told[0]])

    before, heard = ask(tokens), torch.zeros(len(tokens), len(tokens))
    for number in range(len(tokens)):
        changed = tokens.clone()
        changed[number] += torch.randn(dim, generator=generator)
        heard[:, number] = (ask(changed) - before).norm(dim=1)
    figure, (axis,) = canvas.axes(1, 1, width=5.6, height=4.4)
    shown = axis.imshow(canvas.array(heard), cmap=canvas.WEIGHTS, vmin=0)
    axis.axhline(image - 0.5, color="white", lw=2)
    axis.axvline(image - 0.5, color="white", lw=2)
    names = [*(f"patch {n}" for n in range(image)), *(f"word {n}" for n in range(text))]
    axis.set_xticks(range(len(names)), names, rotation=60, ha="right", fontsize=9)
    axis.set_yticks(range(len(names)), names, fontsize=9)
    axis.set(xlabel="this token is changed", ylabel="how much this one's answer changes")
    figure.colorbar(shown, ax=axis, shrink=0.8)
    return Picture(
        figure,
        "A table of all patches and words: how much each one's answer changes when another is changed. No "
        "part of it is dark: patches hear words, and words hear patches.",
    )


def costs(multiplications: Callable[[int, int, int], int], dim: int, side: int) -> Picture:
    """What a block costs for patches of several sizes, in millions, and the share of it among tokens."""
    patches = [patch for patch in (8, 4, 2, 1) if side % patch == 0]
    counts = [(side // patch) ** 2 for patch in patches]
    whole = [multiplications(count, dim, 4 * dim) / 1e6 for count in counts]
    among = [2 * count**2 * dim / 1e6 for count in counts]
    figure, (axis,) = canvas.axes(1, 1, width=6.8, height=3.5)
    places_ = range(len(patches))
    axis.bar(places_, whole, color=PALETTE[0], width=0.6, label="layers and mlp")
    axis.bar(places_, among, color=PALETTE[1], width=0.6, label="scores, and shares of values")
    axis.set_yscale("log")
    axis.set_xticks(places_, [f"patch {p}\n{n} tokens" for p, n in zip(patches, counts, strict=True)])
    for place, total in zip(places_, whole, strict=True):
        axis.text(place, total * 1.1, f"{total:,.1f}", ha="center", fontsize=9.5, color=INK)
    axis.set_ylabel("million multiplications")
    axis.legend(frameon=False, fontsize=9.5)
    axis.spines[["top", "right"]].set_visible(False)
    said = "; ".join(f"patch {p}: {total:,.1f} million" for p, total in zip(patches, whole, strict=True))
    return Picture(figure, f"What one block costs for one picture of {side} by {side} pixels: {said}.")
