"""The pictures of the demos. Each function draws one from numbers, and returns a `Picture`.

matplotlib is imported where it is used: `import course` must stay quick, and grading draws nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from course.pictures import canvas
from course.pictures.canvas import FAINT, INK, PALETTE, WEIGHTS
from course.pictures.clickable import point_at_pixels
from course.pictures.gallery import gallery, pixel_attention
from course.pictures.picture import Picture, needs
from course.pictures.steps import counted
from course.pictures.strips import strips

__all__ = [
    "Picture",
    "counted",
    "gallery",
    "head_layout",
    "needs",
    "pixel_attention",
    "point_at_pixels",
    "scale_of_scores",
    "softmax_under_shift",
    "strips",
    "word_attention",
    "word_heat",
    "word_links",
    "word_places",
]

Softmax = Callable[[Tensor, int], Tensor]


def softmax_under_shift(softmax: Softmax, reach: int = 120) -> Picture:
    """The weights of three scores when the same number is added to all: nothing should change."""
    shift = torch.arange(-reach, reach + 1)
    scores = torch.tensor([0.0, 1.0, 2.0]) + shift[:, None]

    def naive(x: Tensor, dim: int) -> Tensor:
        return x.exp() / x.exp().sum(dim, keepdim=True)

    panels = (
        ("exp(x) / sum, float16", naive(scores.half(), -1)),
        ("exp(x) / sum, float32", naive(scores, -1)),
        ("yours, float16", softmax(scores.half(), -1)),
    )
    figure, axes = canvas.axes(1, 3, width=10.5, height=3.2, sharey=True)
    for axis, (title, weights) in zip(axes, panels, strict=True):
        canvas.expect_shape(weights, scores.shape, "the softmax of the scores")
        weights = weights.float()
        lost = ~weights.isfinite().all(-1)
        for column, name in reversed(list(enumerate(("c + 0", "c + 1", "c + 2")))):
            values = weights[:, column].masked_fill(lost, math.nan)
            axis.plot(
                canvas.array(shift),
                canvas.array(values),
                color=PALETTE[column],
                lw=2.4,
                label=f"score {name}",
            )
        axis.fill_between(
            canvas.array(shift),
            0,
            1,
            where=canvas.array(lost),
            step="mid",
            facecolor="#eeeeee",
            edgecolor="#bbbbbb",
            hatch="//",
            lw=0,
        )
        for side in (shift[lost & (shift < 0)], shift[lost & (shift > 0)]):
            if len(side):
                turned = 90 if len(side) < reach / 3 else 0
                axis.text(
                    float(side.float().mean()),
                    0.5,
                    "NaN",
                    rotation=turned,
                    ha="center",
                    va="center",
                    fontsize=12,
                    color=INK,
                )
        axis.set_title(title, fontsize=11, color=INK)
        axis.set(xlabel="c, added to all scores", xlim=(-reach, reach), ylim=(0, 1))
        canvas.plain(axis)
    axes[0].set_ylabel("weight")
    axes[-1].legend(loc="upper right", fontsize=9, frameon=True, framealpha=0.9)
    return Picture(
        figure,
        "Three panels. The plain formula turns to NaN beyond scores of about 11 in float16 and 89 in "
        "float32; the stable one keeps the same three weights throughout.",
    )


def scale_of_scores(softmax: Softmax, dims: Sequence[int] = (4, 64, 1024), tokens: int = 12) -> Picture:
    """Attention weights of random queries and keys of growing size, undivided and divided by sqrt(d)."""
    generator = torch.Generator().manual_seed(0)
    figure, axes = canvas.axes(2, len(dims), width=9.6, height=5.9)
    image: Any = None
    for column, d in enumerate(dims):
        q, k = (torch.randn(tokens, d, generator=generator) for _ in range(2))
        for row, (name, scores) in enumerate({"q·k": q @ k.T, "q·k / √d": q @ k.T / math.sqrt(d)}.items()):
            weights = softmax(scores, -1)
            canvas.expect_shape(weights, scores.shape, "the softmax of the scores")
            axis = axes[row * len(dims) + column]
            image = axis.imshow(canvas.array(weights), cmap=WEIGHTS, vmin=0, vmax=1)
            largest = weights.amax(-1).mean()
            title = f"d = {d}: scores {name}\nspread {scores.std():.1f}, largest weight {largest:.2f}"
            axis.set_title(title, fontsize=10, color=INK)
            axis.set(xticks=[], yticks=[])
    for row in (0, len(dims)):
        axes[row].set_ylabel("queries")
    for axis in axes[len(dims) :]:
        axis.set_xlabel("keys")
    figure.colorbar(image, ax=axes, shrink=0.7, label="weight")
    return Picture(
        figure,
        "Undivided, the weights of long random vectors pick a single key each; divided by the root of d, "
        "they look alike for every d.",
    )


def word_attention(maps: Mapping[str, Float[Tensor, "L L"]], words: Sequence[str]) -> Picture:
    """A heat map for each title: the row asks, the column is asked. Weights from 0.1 are written out."""
    figure, axes = canvas.axes(1, len(maps), width=5.6 * len(maps) + 0.6, height=5.4)
    image: Any = None
    for axis, (title, weights) in zip(axes, maps.items(), strict=True):
        canvas.expect_shape(weights, (len(words), len(words)), f"the attention map {title!r}")
        image = axis.imshow(canvas.array(weights), cmap=WEIGHTS, vmin=0, vmax=1)
        for row, column in (weights >= 0.095).nonzero().tolist():
            weight = float(weights[row, column])
            shade = "black" if weight > 0.6 else "white"
            axis.text(column, row, f"{weight:.1f}", ha="center", va="center", fontsize=8.5, color=shade)
        axis.set_xticks(range(len(words)), words, rotation=45, ha="left", rotation_mode="anchor", fontsize=10)
        axis.set_yticks(range(len(words)), words, fontsize=10)
        axis.tick_params(top=True, labeltop=True, bottom=False, labelbottom=False, length=0)
        axis.set_xlabel("… is asked (key)", color=FAINT)
        axis.set_title(title, fontsize=12, color=INK, pad=12)
    axes[0].set_ylabel("who asks (query)", color=FAINT)
    figure.colorbar(image, ax=axes, shrink=0.6, label="weight")
    strongest = [
        f"{words[row]} to {words[int(weights.argmax())]}"
        for row, weights in enumerate(next(iter(maps.values())))
        if weights.max() > 0.5
    ]
    return Picture(figure, f"Attention between words: {', '.join(strongest) or 'no pair stands out'}.")


def head_layout(x: Float[Tensor, "L C"], heads: Float[Tensor, "heads L d"]) -> Picture:
    """Which entry of x went where: a colour for each token, a number for each channel, a box for each head.

    The entries of x are their own addresses: x[token, channel] = token * C + channel.
    """
    L, C = x.shape
    count, _, d = heads.shape
    canvas.expect_shape(heads, (count, L, C // count), "the heads")
    naive = x.reshape(count, L, d)
    figure, axes = canvas.axes(2, count + 1, width=3.2 + 1.3 * count, height=4.6, widths=[C] + [d] * count)
    for axis in axes:
        axis.set(xticks=[], yticks=[], aspect="equal")
        axis.spines[:].set_visible(False)
    above, below = axes[: count + 1], axes[count + 1 :]
    _addresses(above[0], x, C)
    above[0].set(title="x", ylabel="tokens", xlabel="channels")
    for index, (good, bad) in enumerate(zip(above[1:], below[1:], strict=True)):
        _addresses(good, heads[index], C)
        _addresses(bad, naive[index], C)
        good.set_title(f"head {index}", fontsize=11, color=INK)
        bad.set_title(f"head {index}", fontsize=11, color=FAINT)
    above[1].set_ylabel("split_heads", color=INK)
    below[1].set_ylabel("a bare view", color=FAINT)
    below[0].set(xlim=(0, 1), ylim=(0, 1), aspect="auto")
    below[0].text(
        0.95,
        0.5,
        "a head that\nmixes tokens\ncannot compare\nthem",
        ha="right",
        va="center",
        fontsize=11,
        color=FAINT,
    )
    return Picture(
        figure,
        "Above, your heads: which token (colour) and which channel (number) each entry came from. Below, "
        "a plain view: its heads mix the tokens.",
    )


def _addresses(axis: Any, part: Float[Tensor, "L d"], C: int) -> None:
    rows, columns = part.shape
    axis.set(xlim=(0, columns), ylim=(rows, 0))
    for row, addresses in enumerate(part.long().tolist()):
        for column, address in enumerate(addresses):
            colour = PALETTE[address // C % len(PALETTE)]
            axis.fill_between([column, column + 1], row, row + 1, color=colour, ec="white", lw=1.5)
            middle = column + 0.5, row + 0.5
            axis.text(
                *middle, address % C, ha="center", va="center", color="white", fontsize=10, weight="bold"
            )


def word_links(weights: Float[Tensor, "heads L L"], words: Sequence[str], titles: Sequence[str]) -> Picture:
    """For each head, a line from every word that asks to the words it attends to, as thick as the weight."""
    canvas.expect_shape(weights, (len(titles), len(words), len(words)), "the attention of the heads")
    figure, axes = canvas.axes(1, len(titles), width=3.7 * len(titles), height=0.36 * len(words) + 1.3)
    for head, (axis, title) in enumerate(zip(axes, titles, strict=True)):
        colour = PALETTE[head % len(PALETTE)]
        for asks, row in enumerate(weights[head].tolist()):
            for asked, weight in enumerate(row):
                axis.plot([0, 1], [asks, asked], color=colour, lw=4.5 * weight, alpha=min(1.0, 0.15 + weight))
        for at, word in enumerate(words):
            axis.text(-0.04, at, word, ha="right", va="center", fontsize=10.5, color=INK)
            axis.text(1.04, at, word, ha="left", va="center", fontsize=10.5, color=INK)
        axis.set(xlim=(-0.62, 1.62), ylim=(len(words) - 0.4, -1.1))
        axis.text(-0.04, -0.9, "asks", ha="right", fontsize=9, color=FAINT)
        axis.text(1.04, -0.9, "is asked", ha="left", fontsize=9, color=FAINT)
        axis.set_title(f"head {head}: {title}", fontsize=11, color=colour)
        axis.axis("off")
    return Picture(figure, f"Lines between words, one panel a head: {'; '.join(titles)}.")


def word_places(
    picture: Float[Tensor, "3 H W"], weights: Float[Tensor, "H*W S"], words: Sequence[str]
) -> Picture:
    """For each word, how much every place of the picture attends to it."""
    _, height, width = picture.shape
    canvas.expect_shape(weights, (height * width, len(words)), "the attention from places to words")
    columns = math.ceil((len(words) + 1) / 2)
    figure, axes = canvas.axes(2, columns, width=2.35 * columns + 0.7, height=3.9)
    for axis in axes:
        axis.set(xticks=[], yticks=[])
    axes[0].imshow(canvas.pixels(picture))
    axes[0].set_title("the picture", fontsize=10.5, color=FAINT)
    image: Any = None
    for axis, word, heat in zip(axes[1:], words, weights.T, strict=False):
        image = axis.imshow(canvas.array(heat.reshape(height, width)), cmap=WEIGHTS, vmin=0, vmax=1)
        axis.set_title(f"“{word}”", fontsize=12, color=INK)
    for axis in axes[len(words) + 1 :]:
        axis.axis("off")
    figure.colorbar(image, ax=axes, shrink=0.7, label="weight")
    return Picture(figure, f"A heat map over the picture for each of the words {', '.join(words)}.")


def word_heat(
    picture: Float[Tensor, "3 H W"],
    looks: Mapping[str, Float[Tensor, "S h w"]],
    words: Sequence[str],
    chosen: Sequence[str],
    inside: Bool[Tensor, "h w"],
) -> Picture:
    """How much the places of a drawn picture looked at some of the words: a row a word, a column a layer.

    picture  numbers from -1 to 1
    looks    by the layer's name, the weight of each word at each place
    inside   where the shape is; the weights are averaged inside and outside of it
    """
    layers = len(looks)
    figure, axes = canvas.axes(
        len(chosen), layers + 1, width=1.95 * (layers + 1) + 1.0, height=2.15 * len(chosen) + 0.5
    )
    rows, image, said = [axes[i : i + layers + 1] for i in range(0, len(axes), layers + 1)], None, []
    for layer, weights in looks.items():
        canvas.expect_shape(weights, (len(words), *inside.shape), f"the looks of {layer!r}")
    which = [list(words).index(word) for word in chosen]
    highest = max(float(weights[which].max()) for weights in looks.values())
    for axis in axes:
        axis.set(xticks=[], yticks=[])
    rows[0][0].imshow(canvas.pixels((picture + 1) / 2))
    rows[0][0].set_title("the picture", fontsize=10, color=FAINT)
    for row in rows[1:]:
        row[0].axis("off")
    for row, word, at in zip(rows, chosen, which, strict=True):
        for number, (layer, weights) in enumerate(looks.items()):
            heat, axis = weights[at], row[number + 1]
            image = axis.imshow(canvas.array(heat), cmap=WEIGHTS, vmin=0, vmax=highest)
            within, without = float(heat[inside].mean()), float(heat[~inside].mean())
            title = f"{within:.2f} inside, {without:.2f} outside"
            said.append(f"{word} in {' '.join(layer.split())}: {title}")
            axis.set_title(f"{layer}\n{title}" if row is rows[0] else title, fontsize=9, color=INK)
        row[1].set_ylabel(f"“{word}”", fontsize=12, color=INK)
    figure.colorbar(image, ax=axes, shrink=0.5, label="weight")
    return Picture(figure, f"Heat maps of words over a picture, by layer. {'; '.join(said)}.")
