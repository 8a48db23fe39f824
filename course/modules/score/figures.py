"""The pictures of the score module's demos; `figures.py` says what they have in common."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from course.lab import arms
from course.pictures import canvas
from course.pictures.canvas import FAINT, INK, PALETTE
from course.pictures.picture import Picture, needs
from course.pictures.steps import counted
from course.pictures.strips import strips

__all__ = [
    "Picture",
    "arrows",
    "cleaned",
    "counted",
    "levels",
    "likelihoods",
    "needs",
    "strips",
    "walked",
    "wells",
]

Slope = Callable[[Tensor], Tensor]
REACH = 4.2


def arrows(of: Mapping[str, tuple[Slope, float]], count: int = 15) -> Picture:
    """Fields of scores over the landscape: under each name a score(x), and the noise it belongs to.

    Long arrows are shortened: each has the right direction, and a length that grows ever more slowly.
    """
    steps = torch.linspace(-REACH, REACH, count, dtype=torch.float64) * 0.95
    grid = torch.cartesian_prod(steps, steps)
    figure, axes = canvas.axes(1, len(of), width=3.3 * len(of), height=3.6, sharey=True)
    for axis, (title, (score, sigma)) in zip(axes, of.items(), strict=True):
        slope = score(grid).detach()
        canvas.expect_shape(slope, grid.shape, f"the score {title!r}")
        _landscape(axis, sigma)
        length = slope.norm(dim=1, keepdim=True)
        reach = length.median().clamp(min=1e-9)
        shown = slope / length.clamp(min=1e-9) * (0.62 * length / (length + reach))
        axis.quiver(
            *canvas.array(grid.T),
            *canvas.array(shown.T),
            angles="xy",
            scale_units="xy",
            scale=1,
            width=0.007,
            color=INK,
        )
        axis.set_title(title, fontsize=11, color=INK)
    return Picture(
        figure,
        f"Fields of arrows over a landscape of three arms: {', '.join(of)}. They point to where it is high.",
    )


def cleaned(of: Mapping[str, tuple[Float[Tensor, "N 2"], Float[Tensor, "N 2"]]]) -> Picture:
    """Under each name noisy points, and where they are moved to: a line from each, and a dot at its end."""
    figure, axes = canvas.axes(1, len(of), width=3.5 * len(of), height=3.8, sharey=True)
    said = []
    for axis, (title, (noisy, clean)) in zip(axes, of.items(), strict=True):
        canvas.expect_shape(clean, noisy.shape, f"the clean points of {title!r}")
        _landscape(axis, 0.0)
        for start, end in zip(noisy.tolist(), clean.tolist(), strict=True):
            axis.plot(*zip(start, end, strict=True), color=FAINT, lw=0.6, alpha=0.6, zorder=2)
        axis.scatter(*canvas.array(noisy.T), s=4, color=PALETTE[1], lw=0, alpha=0.7, zorder=3)
        axis.scatter(*canvas.array(clean.T), s=7, color=PALETTE[0], lw=0, zorder=4)
        axis.set_title(title, fontsize=11, color=INK)
        said.append(f"{title}: moved by {(noisy - clean).norm(dim=1).mean():.2f} on average")
    return Picture(figure, f"Noisy points, each with a line to where it is moved. {'; '.join(said)}.")


def walked(of: Mapping[str, Float[Tensor, "N 2"]]) -> Picture:
    """Clouds of points over the landscape, coloured by arm, with the share that has come to each."""
    figure, axes = canvas.axes(1, len(of), width=3.2 * len(of), height=3.7, sharey=True)
    said = []
    for axis, (title, points) in zip(axes, of.items(), strict=True):
        canvas.expect_shape(points, (len(points), 2), f"the cloud {title!r}")
        near = arms.nearest(points)
        for arm in range(len(arms.WEIGHTS)):
            axis.scatter(*canvas.array(points[near == arm].T), s=4, color=PALETTE[arm], alpha=0.6, lw=0)
        told = ", ".join(f"{share:.2f}" for share in arms.shares(points))
        axis.set_title(f"{title}\n{told}", fontsize=10.5, color=INK)
        _framed(axis)
        said.append(f"{title}: {told}")
    return Picture(figure, f"Clouds of points on three arms, and the share of each. {'; '.join(said)}.")


def levels(of: Mapping[str, Sequence[float]]) -> Picture:
    """The levels of noise of several walks, on a logarithmic axis."""
    figure, axes = canvas.axes(1, 1, width=7.5, height=2.9)
    for number, (title, sigmas) in enumerate(of.items()):
        axes[0].plot(range(1, len(sigmas) + 1), list(sigmas), "o-", ms=4, color=PALETTE[number], label=title)
    axes[0].set(xlabel="level", ylabel="sigma", yscale="log")
    axes[0].legend(fontsize=9, frameon=False)
    canvas.plain(axes[0])
    return Picture(figure, f"Falling curves of the noise at each level: {', '.join(of)}.")


def wells(weight: Float[Tensor, "D D"], size: tuple[int, int, int], count: int = 8) -> Picture:
    """How single pixels of the first channel are denoised: rows of the weight, as pictures."""
    channels, height, width = size
    canvas.expect_shape(weight, (channels * height * width,) * 2, "the weight")
    places = [(height // 2, 1 + column * (width - 2) // count) for column in range(count)]
    figure, axes = canvas.axes(1, count, width=1.45 * count, height=1.75)
    for axis, (row, column) in zip(axes, places, strict=True):
        own = weight[row * width + column].view(size)[0]
        reach = float(own.abs().max())
        axis.imshow(canvas.array(own), cmap="RdBu_r", vmin=-reach, vmax=reach)
        axis.plot(column, row, "+", color="black", ms=5)
        axis.set(xticks=[], yticks=[])
        axis.set_title(f"pixel {row}, {column}", fontsize=9, color=INK)
    return Picture(
        figure,
        f"For each of {count} pixels a picture of how much its neighbours count when it is denoised: most at "
        "the pixel itself, less around it.",
    )


def likelihoods(
    of: Mapping[str, Float[Tensor, " N"]], exact: Float[Tensor, " N"], points: Float[Tensor, "N 2"]
) -> Picture:
    """Log-densities as they were computed, over those of the formula, and where the points lie."""
    figure, axes = canvas.axes(1, 2, width=9.6, height=3.9, widths=[1.1, 1])
    low, high = float(exact.min()), float(exact.max())
    axes[0].plot([low, high], [low, high], color=FAINT, lw=1.2, label="the formula")
    said = []
    for number, (title, found) in enumerate(of.items()):
        canvas.expect_shape(found, exact.shape, f"the log-likelihoods {title!r}")
        axes[0].scatter(
            *map(canvas.array, (exact, found)), s=9, lw=0, alpha=0.7, color=PALETTE[number], label=title
        )
        said.append(f"{title}: off by {(found - exact).abs().median():.2f} nats in the median")
    axes[0].set(xlabel="log p by the formula, in nats", ylabel="log p along the flow")
    axes[0].legend(fontsize=9, frameon=False)
    canvas.plain(axes[0])
    drawn = axes[1].scatter(
        *canvas.array(points.T), s=12, c=canvas.array(list(of.values())[-1]), cmap="viridis", lw=0
    )
    figure.colorbar(drawn, ax=axes[1], shrink=0.8)
    axes[1].set_title(list(of)[-1], fontsize=11, color=INK)
    _framed(axes[1])
    return Picture(figure, f"Log-densities along the flow over those of the formula. {'; '.join(said)}.")


def _landscape(axis: Any, sigma: float) -> None:
    """The density, light where there is none."""
    steps = torch.linspace(-REACH, REACH, 90, dtype=torch.float64)
    density = arms.log_p(torch.cartesian_prod(steps, steps), sigma).exp().view(90, 90).T
    # The root, so that faint places show beside high ones.
    axis.imshow(
        canvas.array(density.sqrt()),
        extent=(-REACH, REACH, -REACH, REACH),
        origin="lower",
        cmap="Blues",
        vmax=1.6 * float(density.max()) ** 0.5,
    )
    _framed(axis)


def _framed(axis: Any) -> None:
    axis.set(xlim=(-REACH, REACH), ylim=(-REACH, REACH), aspect="equal", xticks=[], yticks=[])
    axis.spines[:].set_color(FAINT)
