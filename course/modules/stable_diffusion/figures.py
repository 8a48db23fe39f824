"""The pictures of the stable_diffusion module's demos; `figures.py` says what they have in common."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from jaxtyping import Float
from torch import Tensor

from course.pictures import canvas
from course.pictures.canvas import INK, PALETTE
from course.pictures.picture import Picture, needs
from course.pictures.steps import counted
from course.pictures.strips import strips

__all__ = ["Picture", "alike", "channels", "counted", "learning", "needs", "strips"]


def channels(
    pictures: Float[Tensor, "B 3 H W"], latents: Float[Tensor, "B C h w"], back: Float[Tensor, "B 3 H W"]
) -> Picture:
    """Each picture, the channels of its latents in shades from blue to red, and what is decoded of them."""
    canvas.expect_shape(back, pictures.shape, "what was decoded")
    rows, columns = len(pictures), latents.shape[1] + 2
    figure, axes = canvas.axes(rows, columns, width=1.05 * columns, height=1.1 * rows)
    for row in range(rows):
        own = axes[row * columns : (row + 1) * columns]
        for axis, picture in ((own[0], pictures[row]), (own[-1], back[row])):
            axis.imshow(canvas.pixels((picture + 1) / 2))
        for axis, channel in zip(own[1:-1], latents[row], strict=True):
            axis.imshow(canvas.array(channel), cmap="RdBu", vmin=-3, vmax=3)
        for axis in own:
            axis.set(xticks=[], yticks=[])
        if row == 0:
            own[0].set_title("picture", fontsize=10, color=INK)
            own[1].set_title(f"{latents.shape[1]} channels of latents", fontsize=10, color=INK, loc="left")
            own[-1].set_title("decoded", fontsize=10, color=INK)
    spread = float(latents.std())
    return Picture(
        figure,
        f"In {rows} rows: a picture, the {latents.shape[1]} channels of its latents, small and coarse, and "
        f"the picture that is decoded of them. The latents' standard deviation is {spread:.2f}.",
    )


def alike(captions: Sequence[str], vectors: Float[Tensor, "N D"]) -> Picture:
    """How alike the vectors of some captions are: the cosine of each pair, as a table of colours."""
    canvas.expect_shape(vectors, (len(captions), vectors.shape[-1]), "the captions' vectors")
    unit = vectors / vectors.norm(dim=1, keepdim=True)
    cosines = unit @ unit.T
    figure, axes = canvas.axes(1, 1, width=5.6, height=4.2)
    axes[0].imshow(canvas.array(cosines), cmap="Blues", vmin=0, vmax=1)
    axes[0].set_xticks(range(len(captions)), captions, rotation=35, ha="right", fontsize=9)
    axes[0].set_yticks(range(len(captions)), captions, fontsize=9)
    for row, values in enumerate(cosines.tolist()):
        for column, value in enumerate(values):
            ink = "white" if value > 0.6 else INK
            axes[0].text(column, row, f"{value:.1f}", ha="center", va="center", fontsize=8, color=ink)
    return Picture(
        figure, f"A table of how alike the captions' vectors are, from 0 to 1, for {', '.join(captions)}."
    )


def learning(losses: Sequence[float], gradients: Mapping[str, Sequence[float]]) -> Picture:
    """The loss by step, and beside it the size of some gradients in the first steps."""
    figure, axes = canvas.axes(1, 2, width=9.6, height=3.0)
    axes[0].plot(losses, color=PALETTE[0])
    axes[0].set(xlabel="step", ylabel="loss", yscale="log")
    for number, (name, sizes) in enumerate(gradients.items()):
        axes[1].plot(range(1, len(sizes) + 1), sizes, "o-", color=PALETTE[number], label=name)
    axes[1].set(xlabel="step", ylabel="largest gradient")
    axes[1].xaxis.get_major_locator().set_params(integer=True)
    axes[1].legend(fontsize=9, frameon=False)
    for axis in axes:
        canvas.plain(axis)
    first = ", ".join(f"{name} {sizes[0]:.1g}" for name, sizes in gradients.items())
    return Picture(
        figure,
        f"The loss falls from {losses[0]:.2g} to {losses[-1]:.2g}. "
        f"Largest gradients in the first step: {first}.",
    )
