"""Pictures side by side, and where the pixels of one attend."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence

from jaxtyping import Float
from torch import Tensor

from course.pictures import canvas
from course.pictures.canvas import INK, WEIGHTS
from course.pictures.picture import Picture


def gallery(pictures: Mapping[str, Float[Tensor, "3 H W"]]) -> Picture:
    """Pictures side by side, each under its title."""
    figure, axes = canvas.axes(1, len(pictures), width=3.5 * len(pictures), height=2.9)
    for axis, (title, picture) in zip(axes, pictures.items(), strict=True):
        axis.imshow(canvas.pixels(picture))
        axis.set_title(textwrap.fill(title, 32), fontsize=10.5, color=INK)
        axis.set(xticks=[], yticks=[])
    return Picture(figure, f"Pictures side by side: {'; '.join(pictures)}.")


def pixel_attention(
    picture: Float[Tensor, "3 H W"],
    weights: Float[Tensor, "H*W H*W"],
    pixels: Sequence[tuple[int, int]],
) -> Picture:
    """The picture with some (row, column) marked, and for each of them where its attention goes."""
    _, height, width = picture.shape
    canvas.expect_shape(weights, (height * width, height * width), "the attention between pixels")
    figure, axes = canvas.axes(1, len(pixels) + 1, width=3.1 * (len(pixels) + 1), height=2.7)
    axes[0].imshow(canvas.pixels(picture))
    axes[0].set_title("the picture", fontsize=11, color=INK)
    for number, (row, column) in enumerate(pixels, start=1):
        axes[0].plot(column, row, "o", ms=13, mfc="white", mec="black")
        axes[0].text(column, row, number, ha="center", va="center_baseline", fontsize=9, color="black")
        heat = weights[row * width + column].reshape(height, width)
        # Up to the brightest but a few: a pixel's weight on itself may be far above the rest.
        axes[number].imshow(canvas.array(heat), cmap=WEIGHTS, vmin=0, vmax=float(heat.quantile(0.99)))
        axes[number].plot(column, row, "o", ms=13, mfc="none", mec="#56B4E9", mew=2.2)
        axes[number].set_title(f"where pixel {number} looks", fontsize=11, color=INK)
    for axis in axes:
        axis.set(xticks=[], yticks=[])
    return Picture(figure, f"A picture, and where its pixels {list(pixels)} attend: bright is much.")
