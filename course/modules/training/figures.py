"""The pictures of the training module's demos: each function draws one from numbers."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from course.lab.mixture import Mixture
from course.pictures import canvas
from course.pictures.canvas import FAINT, INK, PALETTE
from course.pictures.picture import Picture, needs
from course.pictures.steps import counted
from course.pictures.strips import strips

__all__ = [
    "Picture",
    "averages",
    "clouds",
    "costs",
    "counted",
    "energy_distance",
    "losses",
    "needs",
    "progress",
    "quarter_circle",
    "scalings",
    "strips",
    "three_errors",
    "weights",
]

Velocity = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]
Weight = Callable[[Tensor, str], Tensor]
NAMES = {"eps": "the noise, eps", "x0": "the picture, x0", "v": "the velocity, v"}
AS_ERRORS = {prediction: f"as an error of {name}" for prediction, name in NAMES.items()}


def quarter_circle(velocity: Velocity, angles: int = 7) -> Picture:
    """Picture and noise as two axes: the way from one to the other, and the velocity on it."""
    turned = torch.linspace(0, torch.pi / 2, angles, dtype=torch.float64)
    alphas_cumprod, t = turned.cos().square(), torch.arange(angles)
    x0 = torch.tensor([[1.0, 0.0]], dtype=torch.float64).expand(angles, 2)
    noise = torch.tensor([[0.0, 1.0]], dtype=torch.float64).expand(angles, 2)
    v = velocity(x0, noise, t, alphas_cumprod)
    canvas.expect_shape(v, (angles, 2), "the velocity")
    xt = turned.cos()[:, None] * x0 + turned.sin()[:, None] * noise
    figure, (axis,) = canvas.axes(1, 1, width=4.6, height=4.4)
    fine = torch.linspace(0, torch.pi / 2, 100)
    axis.plot(canvas.array(fine.cos()), canvas.array(fine.sin()), color=FAINT, lw=1.4)
    axis.quiver(
        *canvas.array(xt.T),
        *canvas.array(0.33 * v.T),
        angles="xy",
        scale_units="xy",
        scale=1,
        color=PALETTE[1],
        width=0.009,
    )
    axis.plot(*canvas.array(xt.T), "o", color=PALETTE[0], ms=7)
    axis.text(1.03, -0.1, "picture", ha="center", fontsize=11, color=INK)
    axis.text(-0.16, 1.06, "noise", ha="center", fontsize=11, color=INK)
    axis.set(xlim=(-0.5, 1.5), ylim=(-0.5, 1.5), aspect="equal", xticks=[], yticks=[])
    axis.axhline(0, color=FAINT, lw=0.8)
    axis.axvline(0, color=FAINT, lw=0.8)
    axis.spines[:].set_visible(False)
    crooked = float((v * xt).sum(1).abs().max())
    told = "each a tangent" if crooked < 1e-6 else "not all of them tangents"
    return Picture(
        figure,
        f"A quarter of a circle from the picture to the noise, with {angles} places on it and at each "
        f"an arrow, the velocity: {told}.",
    )


def three_errors(times: Sequence[int], errors: Mapping[str, Sequence[float]]) -> Picture:
    """Mean squared errors by timestep: of one network, read as noise, picture and velocity, or of several."""
    figure, (axis,) = canvas.axes(1, 1, width=7.2, height=3.8)
    for colour, (name, values) in zip(PALETTE, errors.items(), strict=False):
        if len(values) != len(times):
            raise ValueError(f"there should be {len(times)} errors of {name}; there are {len(values)}")
        axis.plot(times, values, "o-", ms=4, lw=2, color=colour, label=AS_ERRORS.get(name, name))
    axis.set(yscale="log", xlabel="timestep t", ylabel="mean squared error")
    axis.legend(fontsize=9.5, frameon=False)
    canvas.plain(axis)
    said = "; ".join(f"{name} {values[0]:.2g} to {values[-1]:.2g}" for name, values in errors.items())
    return Picture(
        figure, f"Curves over the timestep from {times[0]} to {times[-1]}, mean squared errors: {said}."
    )


def losses(of: Mapping[str, Sequence[float]], title: str = "", smooth: int = 1) -> Picture:
    """Losses by step, each a mean over the last `smooth` steps."""
    figure, (axis,) = canvas.axes(1, 1, width=7.2, height=3.4)
    _curves(axis, of, smooth)
    axis.set_title(title, fontsize=11, color=INK)
    said = "; ".join(f"{name} from {values[0]:.3g} to {values[-1]:.3g}" for name, values in of.items())
    return Picture(figure, f"Losses by step: {said}.")


def progress(
    rows: Mapping[str, Float[Tensor, "n 3 H W"]], of: Mapping[str, Sequence[float]], steps: int
) -> Picture:
    """What is drawn so far, a row for each network, with numbers from -1 to 1; beside it the losses."""
    count = max(len(pictures) for pictures in rows.values())
    figure, axes = canvas.axes(
        1, 2, width=11.5, height=max(2.4, 0.66 * len(rows) + 0.7), widths=[count * 0.55 + 0.6, 3.6]
    )
    left, right = axes
    H, W = next(iter(rows.values())).shape[-2:]
    gap = 1
    sheet = torch.zeros(4, len(rows) * (H + gap) - gap, count * (W + gap) - gap)  # gaps are transparent
    for row, pictures in enumerate(rows.values()):
        canvas.expect_shape(pictures, (len(pictures), 3, H, W), "the drawn pictures")
        for column, picture in enumerate(pictures):
            y, x = row * (H + gap), column * (W + gap)
            sheet[:3, y : y + H, x : x + W] = picture.detach().nan_to_num(nan=0).clamp(-1, 1) / 2 + 0.5
            sheet[3, y : y + H, x : x + W] = 1
    left.imshow(canvas.array(sheet.permute(1, 2, 0)), interpolation="nearest")
    left.set_xticks([])
    left.set_yticks([row * (H + gap) + H / 2 for row in range(len(rows))], list(rows), fontsize=11)
    left.tick_params(length=0)
    left.spines[:].set_visible(False)
    done = max((len(values) for values in of.values()), default=0)
    left.set_title(f"after {done} of {steps} steps", fontsize=11, color=INK)
    _curves(right, of, smooth=20)
    right.set(xlim=(0, steps), ylabel="loss")
    last = "; ".join(
        f"{name} {sum(values[-20:]) / len(values[-20:]):.3f}" for name, values in of.items() if values
    )
    return Picture(
        figure,
        f"Rows of pictures, drawn after {done} of {steps} steps: {', '.join(rows)}. Beside them the losses"
        f"{': ' if last else ''}{last}.",
    )


def _plain(loss: float, _: int) -> str:
    return f"{loss:g}"


def _sparing(loss: float, _: int) -> str:
    """The numbers between powers of ten that begin with 2, 3 and 5."""
    return _plain(loss, _) if f"{loss:e}"[0] in "235" else ""


def _curves(axis: Any, of: Mapping[str, Sequence[float]], smooth: int) -> None:
    for colour, (name, values) in zip(PALETTE, of.items(), strict=False):
        if not values:
            continue
        total = torch.tensor([0.0, *values], dtype=torch.float64).cumsum(0)
        ends = torch.arange(1, len(values) + 1)
        starts = (ends - smooth).clamp(min=0)
        axis.plot(
            canvas.array(ends),
            canvas.array((total[ends] - total[starts]) / (ends - starts)),
            lw=1.8,
            color=colour,
            label=name,
        )
    axis.set(yscale="log", xlabel="step")
    axis.yaxis.set_major_formatter(_plain)
    axis.yaxis.set_minor_formatter(_sparing)
    if any(of.values()):
        axis.legend(fontsize=9.5, frameon=False)
    canvas.plain(axis)


def averages(path: Sequence[float], averaged: Mapping[str, Sequence[float]]) -> Picture:
    """One weight by step, and what averages of it make of it."""
    figure, (axis,) = canvas.axes(1, 1, width=9.0, height=3.6)
    axis.plot(range(len(path)), path, color=FAINT, lw=0.8, label="the weight itself")
    for colour, (name, values) in zip(PALETTE, averaged.items(), strict=False):
        if len(values) != len(path):
            raise ValueError(f"the average {name!r} should have {len(path)} numbers; it has {len(values)}")
        axis.plot(range(len(values)), values, color=colour, lw=2.2, label=name)
    axis.set(xlabel="step", ylabel="weight")
    axis.legend(fontsize=9.5, frameon=False, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=4)
    canvas.plain(axis)
    half = len(path) // 2

    def spread(values: Sequence[float]) -> float:
        return float(torch.tensor(values[half:], dtype=torch.float64).std())

    said = "; ".join(f"{name} by {spread(values):.3f}" for name, values in averaged.items())
    return Picture(
        figure,
        f"A weight that jumps about, by step, and averages of it. In the second half the weight varies by "
        f"{spread(path):.3f}; {said}.",
    )


def weights(weight: Weight, alphas_cumprod: Float[Tensor, " T"]) -> Picture:
    """The weight of each prediction's loss by timestep, and what all three come to for the picture."""
    snr = alphas_cumprod / (1 - alphas_cumprod)
    # What an error of 1 in the picture is, squared, in each prediction.
    of_picture = {"eps": snr, "x0": torch.ones_like(snr), "v": snr + 1}
    figure, axes = canvas.axes(1, 2, width=11.0, height=3.7)
    for colour, style, name in zip(PALETTE, ("-", "--", ":"), of_picture, strict=False):
        found = weight(snr, name)
        canvas.expect_shape(found, snr.shape, f"the weights for {name}")
        label = NAMES[name]
        axes[0].plot(canvas.array(found), color=colour, lw=2.2, label=f"for {label}")
        axes[1].plot(
            canvas.array(found * of_picture[name]), style, color=colour, lw=2.6, label=f"from {label}"
        )
    axes[0].set_title("the weight of each loss", fontsize=11, color=INK)
    axes[1].set_title("what an error in the picture costs", fontsize=11, color=INK)
    for axis in axes:
        axis.set(xlabel="timestep t", ylim=(0, None))
        axis.legend(fontsize=9.5, frameon=False)
        canvas.plain(axis)
    return Picture(
        figure,
        "On the left three curves over the timestep, the weights for noise, picture and velocity; "
        "on the right what an error in the picture costs under each of them.",
    )


def costs(times: Sequence[int], nats: Sequence[float], numbers: int, early: int = 50) -> Picture:
    """What a network's guesses cost at some timesteps, from 1 on, in bits for each number of a sample.

    Of the timesteps in between, the logarithms of time and cost are taken to lie on straight lines. `early`:
    up to which timestep the cost is told apart.
    """
    if len(nats) != len(times):
        raise ValueError(f"there should be {len(times)} costs; there are {len(nats)}")
    bits = [each / numbers / math.log(2) for each in nats]
    figure, (axis,) = canvas.axes(1, 1, width=7.6, height=3.4)
    axis.plot(times, bits, "o-", ms=4, lw=2, color=PALETTE[0])
    axis.axvspan(times[0], early, color=PALETTE[0], alpha=0.12, lw=0)
    axis.set(xscale="log", yscale="log", xlabel="timestep t", ylabel="bits for each number")
    canvas.plain(axis)
    every = _at_every(times, bits)
    total, first = sum(every.values()), sum(cost for t, cost in every.items() if t <= early)
    share = f"{first / total:.0%}" if total else "nothing"
    told = f"{total:.2f} bits for each number, {share} of it up to t = {early}"
    axis.set_title(f"all timesteps together: {told}", fontsize=11, color=INK)
    return Picture(figure, f"A falling curve over the timestep, what the guesses cost: together {told}.")


def _at_every(times: Sequence[int], values: Sequence[float]) -> dict[int, float]:
    """Values at every timestep from the first to the last, by straight lines between logarithms."""
    tiny = 1e-30
    found = {times[0]: values[0]}
    for a, b, left, right in zip(times, times[1:], values, values[1:], strict=False):
        slope = math.log(max(right, tiny) / max(left, tiny)) / math.log(b / a)
        found |= {t: left * (t / a) ** slope for t in range(a + 1, b + 1)}
    return found


def scalings(edm_scalings: Callable[..., Any], sigma_data: float = 0.5) -> Picture:
    """The four scalings over the noise level."""
    sigma = torch.logspace(-3, 2, 120, dtype=torch.float64)
    found = edm_scalings(sigma, sigma_data)
    figure, axes = canvas.axes(1, 2, width=10.6, height=3.6, widths=[1.6, 1])
    for colour, name, values in zip(PALETTE, ("c_skip", "c_out", "c_in"), found, strict=False):
        canvas.expect_shape(values, sigma.shape, name)
        axes[0].plot(canvas.array(sigma), canvas.array(values), lw=2.2, color=colour, label=name)
    axes[1].plot(canvas.array(sigma), canvas.array(found[3]), lw=2.2, color=PALETTE[3], label="c_noise")
    for axis in axes:
        axis.set(xscale="log", xlabel="sigma, the standard deviation of the noise")
        axis.axvline(sigma_data, color=FAINT, lw=1, ls="--")
        axis.legend(fontsize=9.5, frameon=False)
        canvas.plain(axis)
    return Picture(
        figure,
        "Curves over the noise level. c_skip falls from 1 to 0, c_out rises from 0 to the standard deviation "
        f"of the data, {sigma_data:g}; c_in falls, and c_noise rises evenly.",
    )


def energy_distance(one: Float[Tensor, "N 2"], other: Float[Tensor, "M 2"]) -> float:
    """How far two clouds are apart: 0 if they come from one distribution, but for what chance makes of it.

    Source: Szekely & Rizzo, "Energy statistics" (2013).
    """
    between, within = (
        torch.cdist(one, other).mean(),
        torch.cdist(one, one).mean() + torch.cdist(other, other).mean(),
    )
    return float(2 * between - within)


def clouds(world: Mixture, rows: Mapping[str, Mapping[str, Float[Tensor, "N 2"]]]) -> Picture:
    """Rows of clouds of points, each over the world that it should come from, with its distance from it."""
    truth = world.draw(world.null.expand(1500), torch.Generator().manual_seed(2)).float()
    columns = max(len(row) for row in rows.values())
    figure, axes = canvas.axes(len(rows), columns, width=2.9 * columns, height=2.9 * len(rows), sharey=True)
    said = []
    for at, (row, of) in enumerate(rows.items()):
        for column, (title, points) in enumerate(of.items()):
            axis = axes[at * columns + column]
            canvas.expect_shape(points, (len(points), 2), f"the cloud {title!r}")
            far = energy_distance(points, truth)
            axis.scatter(*canvas.array(truth.T), s=3, color=PALETTE[4], alpha=0.25, lw=0)
            axis.scatter(*canvas.array(points.T), s=3, color=PALETTE[0], alpha=0.5, lw=0)
            axis.set(xlim=(-3.2, 3.2), ylim=(-3.2, 3.2), aspect="equal", xticks=[], yticks=[])
            axis.set_title(f"{title}\ndistance {far:.4f}", fontsize=10.5, color=INK)
            axis.spines[:].set_color(FAINT)
            said.append(f"{row}, {title}: {far:.4f}")
        axes[at * columns].set_ylabel(row, fontsize=11, color=INK)
    return Picture(
        figure,
        f"Clouds of points over the world that they should come from, and distances. {'; '.join(said)}.",
    )
