"""The pictures of the sampling module's demos; `figures.py` says what they have in common."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from course.lab.mixture import ALPHAS_CUMPROD, Mixture
from course.pictures import canvas
from course.pictures.canvas import FAINT, INK, PALETTE
from course.pictures.picture import Picture, needs
from course.pictures.steps import counted
from course.pictures.strips import strips

__all__ = [
    "Picture",
    "clouds",
    "counted",
    "levels",
    "needs",
    "orders",
    "race",
    "strips",
    "timesteps",
    "walks",
]


def clouds(
    world: Mixture, of: Mapping[str, Float[Tensor, "N 2"]], starts: Float[Tensor, "M 2"] | None = None
) -> Picture:
    """Clouds of points, each under its title, over the world they should come from.

    starts  points to mark in each panel
    """
    figure, axes = canvas.axes(1, len(of), width=2.9 * len(of), height=3.2, sharey=True)
    for axis, (title, points) in zip(axes, of.items(), strict=True):
        canvas.expect_shape(points, (len(points), 2), f"the cloud {title!r}")
        _ground(axis, world)
        axis.scatter(*canvas.array(points.T), s=4, color=INK, alpha=0.4, lw=0)
        if starts is not None:
            axis.plot(*canvas.array(starts.T), "X", ms=9, mfc=PALETTE[4], mec="white", lw=0)
        axis.set_title(title, fontsize=10.5, color=INK)
    names = ", ".join(" ".join(title.split()) for title in of)
    return Picture(figure, f"Clouds of points over the arms of a pinwheel: {names}.")


def walks(world: Mixture, of: Mapping[str, Float[Tensor, "steps N 2"]]) -> Picture:
    """The ways of a few points from noise to sample, for each title: from a ring to a dot."""
    figure, axes = canvas.axes(1, len(of), width=3.6 * len(of), height=3.8, sharey=True)
    lengths = []
    for axis, (title, ways) in zip(axes, of.items(), strict=True):
        canvas.expect_shape(ways, (*ways.shape[:2], 2), f"the ways of {title!r}")
        _ground(axis, world)
        for which in range(ways.shape[1]):
            colour = PALETTE[which % len(PALETTE)]
            x, y = canvas.array(ways[:, which].T)
            axis.plot(x, y, color=colour, lw=1.2, alpha=0.9)
            axis.plot(x[0], y[0], "o", ms=8, mfc="white", mec=colour, mew=1.5)
            axis.plot(x[-1], y[-1], "o", ms=7, color=colour)
        length = float((ways[1:] - ways[:-1]).norm(dim=2).sum(0).mean())
        lengths.append(f"{' '.join(title.split())}: {length:.1f} long")
        axis.set_title(f"{title}\nways {length:.1f} long", fontsize=10.5, color=INK)
    return Picture(
        figure,
        f"The ways of some points from noise to sample, side by side. On average {'; '.join(lengths)}.",
    )


def timesteps(of: Mapping[str, Sequence[int]], size: int = len(ALPHAS_CUMPROD)) -> Picture:
    """Which timesteps are asked for, each list a row of marks below what is left of the picture there."""
    figure, axes = canvas.axes(
        2, 1, width=9.6, height=1.5 + 0.36 * len(of), heights=[1.2, 0.36 * len(of) + 0.1]
    )
    root = ALPHAS_CUMPROD[:size].sqrt()
    axes[0].plot(canvas.array(root), color=PALETTE[0], label="$\\sqrt{\\bar\\alpha_t}$, the picture")
    axes[0].plot(
        canvas.array((1 - root**2).sqrt()), color=PALETTE[1], label="$\\sqrt{1-\\bar\\alpha_t}$, the noise"
    )
    axes[0].legend(fontsize=9, frameon=False, loc="center left")
    axes[0].set(xticks=[])
    for row, times in enumerate(of.values()):
        axes[1].plot(list(times), [row] * len(times), "|", ms=13, mew=2, color=PALETTE[row % len(PALETTE)])
    axes[1].set_yticks(range(len(of)), list(of), fontsize=10)
    axes[1].set(ylim=(len(of) - 0.4, -0.6), xlabel="t")
    for axis in axes:
        axis.set_xlim(size + 9, -10)  # a sampler begins on the left, where all is noise
        canvas.plain(axis)
    said = "; ".join(f"{name}: {', '.join(map(str, times))}" for name, times in of.items())
    return Picture(figure, f"Rows of marks for the timesteps that are asked for. {said}.")


def levels(of: Mapping[str, Sequence[float]], what: str, scale: str = "linear") -> Picture:
    """How noisy it is after each step, a line for each name; `what` it is, and on which `scale`."""
    figure, axes = canvas.axes(1, 1, width=7.4, height=3.2)
    for row, (name, numbers) in enumerate(of.items()):
        colour = PALETTE[row % len(PALETTE)]
        axes[0].plot(range(len(numbers)), list(numbers), "o-", ms=4, color=colour, label=name)
    axes[0].set(xlabel="step", ylabel=what, yscale=scale)
    axes[0].legend(fontsize=9, frameon=False)
    canvas.plain(axes[0])
    said = "; ".join(
        f"{name}: {', '.join(f'{each:.3g}' for each in numbers)}" for name, numbers in of.items()
    )
    return Picture(figure, f"Lines that fall: {what} after each step. {said}.")


def orders(errors: Mapping[str, Mapping[int, float]]) -> Picture:
    """Errors over network calls, both on logarithmic scales, where a solver's order is a slope."""
    figure, axes = canvas.axes(1, 1, width=7.4, height=4.2)
    _draw_orders(axes[0], errors)
    return Picture(figure, f"Lines that fall with the calls of the network. {_slopes(errors)}.")


def race(right: Mapping[str, Mapping[int, float]], errors: Mapping[str, Mapping[int, float]]) -> Picture:
    """Two panels over network calls: the share of pictures that are right, and errors on a known flow."""
    figure, axes = canvas.axes(1, 2, width=12, height=4.2)
    for row, (name, shares) in enumerate(right.items()):
        style: dict[str, Any] = {"color": PALETTE[row % len(PALETTE)], "label": name}
        line = ("o-", "o--")[row % 2]  # where two run together, both are seen
        axes[0].plot(list(shares), list(shares.values()), line, ms=5, alpha=0.85, **style)
    axes[0].set_xscale("log", base=2)
    axes[0].set_xticks([1, 2, 4, 8, 16], ["1", "2", "4", "8", "16"], fontsize=9)
    axes[0].set(xlabel="calls of the network", ylabel="pictures that show all four words", ylim=(-0.03, 1.05))
    axes[0].legend(fontsize=9, frameon=False, loc="lower right")
    axes[0].set_title("on pictures: who obeys, and how soon", fontsize=11, color=INK)
    canvas.plain(axes[0])
    _draw_orders(axes[1], errors)
    axes[1].set_title("where the answer is known: the order", fontsize=11, color=INK)
    best = "; ".join(
        f"{name}: {', '.join(f'{share:.0%} of {call}' for call, share in shares.items())} calls"
        for name, shares in right.items()
    )
    return Picture(
        figure, f"Left, right pictures over calls. {best}. Right, errors over calls. {_slopes(errors)}."
    )


def _draw_orders(axis: Any, errors: Mapping[str, Mapping[int, float]]) -> None:
    for row, (name, by_calls) in enumerate(errors.items()):
        label = f"{name}: slope {_slope(by_calls):.1f}"
        axis.plot(
            list(by_calls),
            list(by_calls.values()),
            "o-",
            ms=5,
            color=PALETTE[row % len(PALETTE)],
            label=label,
        )
    axis.set_xscale("log", base=2)
    axis.set_yscale("log")
    known = [call for by_calls in errors.values() for call in by_calls]
    calls = [2**power for power in range(12) if min(known) < 1.2 * 2**power < 1.5 * max(known)]
    axis.set_xticks(calls, [str(call) for call in calls], fontsize=9)
    axis.minorticks_off()
    axis.set(xlabel="calls of the network", ylabel="largest error")
    axis.legend(fontsize=9, frameon=False)
    canvas.plain(axis)


def _slope(by_calls: Mapping[int, float]) -> float:
    """Of the line from the first to the last point: by which power of the calls the error falls."""
    calls, errors = list(by_calls), torch.tensor(list(by_calls.values()), dtype=torch.float64)
    fallen = (errors[0] / errors[-1]).log() / torch.tensor(calls[-1] / calls[0], dtype=torch.float64).log()
    return float(fallen)


def _slopes(errors: Mapping[str, Mapping[int, float]]) -> str:
    return "; ".join(f"{name} falls by the power {_slope(by_calls):.1f}" for name, by_calls in errors.items())


def _ground(axis: Any, world: Mixture) -> None:
    labels = torch.arange(world.classes).repeat(300)
    points = world.draw(labels, torch.Generator().manual_seed(0))
    for label in range(world.classes):
        own = canvas.array(points[labels == label].T)
        axis.scatter(*own, s=2, color=PALETTE[label], alpha=0.22, lw=0)
    axis.set(xlim=(-3.4, 3.4), ylim=(-3.4, 3.4), aspect="equal", xticks=[], yticks=[])
    axis.spines[:].set_color(FAINT)
