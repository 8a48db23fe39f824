"""The pictures of the guidance module's demos; `figures.py` says what they have in common."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from course.lab.mixture import ALPHAS_CUMPROD, Mixture
from course.pictures import canvas
from course.pictures.canvas import FAINT, INK, PALETTE
from course.pictures.clickable import Clickable
from course.pictures.picture import Picture, needs
from course.pictures.slider import slide_panels
from course.pictures.steps import counted
from course.pictures.strips import strips

__all__ = [
    "Picture",
    "arrows",
    "clouds",
    "counted",
    "dropped",
    "lookup",
    "needs",
    "noised",
    "on_a_line",
    "pictures",
    "slide_scales",
    "strips",
]

Guide = Callable[[Tensor, Tensor, float], Tensor]
GREY = "#9a9a9a"


def noised(world: Mixture, times: Sequence[int] = (0, 200, 400, 999), count: int = 900) -> Picture:
    """Samples of each class of a world in the plane, with more and more noise."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(world.classes).repeat(count)
    samples = world.draw(labels, generator)
    noise = torch.randn(samples.shape, generator=generator)
    figure, axes = canvas.axes(1, len(times), width=3.1 * len(times), height=3.3, sharey=True)
    for axis, t in zip(axes, times, strict=True):
        abar = float(ALPHAS_CUMPROD[t])
        _scatter(axis, abar**0.5 * samples + (1 - abar) ** 0.5 * noise, labels)
        axis.set_title(f"t = {t}", fontsize=11, color=INK)
    return Picture(
        figure,
        f"Points of {world.classes} classes, each a curved arm of its own colour; with noise the arms run "
        "into one another, and at the last timestep nothing is left of them.",
    )


def lookup(
    table: Float[Tensor, "rows dim"], labels: Int[Tensor, " B"], found: Float[Tensor, "B dim"]
) -> Picture:
    """The table of an embedding, and beside it the rows that were found for some labels."""
    canvas.expect_shape(found, (len(labels), table.shape[1]), "what was found for the labels")
    names = [*map(str, range(len(table) - 1)), "null"]
    rows = max(len(table), len(labels))
    figure, axes = canvas.axes(1, 2, width=9.6, height=0.27 * rows + 0.7)
    reach = float(table.detach().abs().max())
    for axis, values, titles, what in (
        (axes[0], table, names, "the table"),
        (axes[1], found, [names[label] for label in labels.tolist()], "what a batch of labels gets"),
    ):
        axis.imshow(canvas.array(values), cmap="RdBu", vmin=-reach, vmax=reach, aspect="auto")
        axis.set_yticks(range(len(values)), titles, fontsize=10)
        for tick, title in zip(axis.get_yticklabels(), titles, strict=True):
            tick.set(color=PALETTE[1] if title == "null" else INK, weight="bold" if title == "null" else None)
        axis.set(xticks=[], ylim=(rows - 0.5, -0.5))  # a row is as high on the right as on the left
        axis.tick_params(length=0)
        axis.spines[:].set_visible(False)
        axis.set_title(what, fontsize=11, color=INK)
    axes[0].set_ylabel("label")
    axes[1].set_ylabel("label asked for")
    return Picture(
        figure,
        f"On the left a table of {len(table)} rows, the last one for the null label; on the right the rows "
        f"that were found for the labels {', '.join(names[label] for label in labels.tolist())}.",
    )


def dropped(drop: Callable[..., Tensor], p: float = 0.15, classes: int = 3) -> Picture:
    """A few batches of labels after dropping, and the share that is dropped for every p."""
    generator = torch.Generator().manual_seed(1)
    batches, size = 14, 32
    labels = torch.arange(size) % classes
    null = torch.tensor(classes)
    after = [drop(labels, null, p, generator) for _ in range(batches)]
    for each in after:
        canvas.expect_shape(each, labels.shape, "the labels after dropping")
    chances = torch.linspace(0, 1, 21)
    many = torch.zeros(1000, dtype=torch.long)
    shares = [(drop(many, null, float(chance), generator) == null).double().mean() for chance in chances]

    figure, axes = canvas.axes(1, 2, width=10.4, height=3.7, widths=[1.9, 1])
    for row, kept in enumerate(after):
        for column, label in enumerate(kept.tolist()):
            hollow = label == classes
            axes[0].plot(
                column,
                row,
                "s",
                ms=8,
                mfc="white" if hollow else PALETTE[label % len(PALETTE)],
                mec=GREY if hollow else "none",
                alpha=1 if hollow else 0.75,
            )
    axes[0].set(xlim=(-0.8, size - 0.2), ylim=(batches - 0.3, -0.7), xticks=[], yticks=[])
    axes[0].set(xlabel="the samples of a batch", ylabel="one batch after another")
    axes[0].spines[:].set_visible(False)
    share = torch.stack(after).eq(classes).double().mean()
    axes[0].set_title(f"p = {p:g}: hollow = null, {share:.0%} of these", fontsize=11, color=INK)
    axes[1].plot([0, 1], [0, 1], color=GREY, lw=1.2, label="what p says")
    axes[1].plot(
        canvas.array(chances), shares, "o", ms=5, color=PALETTE[0], label="1000 labels, dropped by you"
    )
    axes[1].set(xlabel="p", ylabel="share that became null", xlim=(-0.03, 1.03), ylim=(-0.03, 1.03))
    axes[1].legend(fontsize=9, frameon=False, loc="upper left")
    axes[1].set_title("the rate", fontsize=11, color=INK)
    canvas.plain(axes[1])
    return Picture(
        figure,
        f"On the left {batches} batches of coloured squares, here and there a hollow one whose label was "
        "dropped; on the right the share that is dropped, beside the line that p asks for.",
    )


def on_a_line(guide: Guide, uncond: float = 1.0, cond: float = 3.0) -> Picture:
    """Where `guide` puts each scale on the line through two predictions, and what the paper calls it."""
    u, c = torch.tensor([uncond]), torch.tensor([cond])
    figure, axes = canvas.axes(1, 1, width=9.6, height=2.1)
    axis = axes[0]
    scales = range(-1, 6)
    places = [float(guide(u, c, float(w))) for w in scales]
    left, right = min(*places, uncond), max(*places, cond)
    axis.plot([left - 0.8, right + 0.8], [0, 0], color=INK, lw=1.4, zorder=1)
    for w, place in zip(scales, places, strict=True):
        axis.plot([place, place], [-0.13, 0.13], color=INK, lw=1.2)
        axis.text(place, 0.25, f"{w}", ha="center", fontsize=11, color=PALETTE[0])
        axis.text(place, -0.48, f"{w - 1}", ha="center", fontsize=11, color=PALETTE[1])
    for place, name, colour in ((uncond, "uncond", GREY), (cond, "cond", PALETTE[2])):
        axis.plot(place, 0, "o", ms=13, color=colour, zorder=3)
        axis.text(place, 0.66, name, ha="center", fontsize=11, color=colour, weight="bold")
    edge = left - 1.0
    axis.text(edge, 0.25, "w, here and in diffusers", ha="right", fontsize=10, color=PALETTE[0])
    axis.text(edge, -0.48, "w in the paper, (1+w) c - w u", ha="right", fontsize=10, color=PALETTE[1])
    axis.set(xlim=(edge - 0.48 * (right - left), right + 1), ylim=(-0.7, 0.95))
    axis.axis("off")
    return Picture(
        figure,
        "A line through the unconditional and the conditional prediction, with the places of the scales -1 "
        f"to 5: {', '.join(f'{place:g}' for place in places)}. The paper counts one less.",
    )


def arrows(
    world: Mixture, guide: Guide, scales: Sequence[float] = (0, 1, 3, 7), target: int = 0, t: int = 200
) -> Picture:
    """Where a noisy point is sent: the guided prediction of the noise, turned round, for some scales.

    The first panel has the difference of the two predictions, over the probability of the class. Long arrows
    are shortened: each has the right direction, and a length that grows ever more slowly with its own.
    """
    reach, count = 2.9, 12
    steps = torch.linspace(-reach, reach, count) * 0.93
    grid = torch.cartesian_prod(steps, steps)  # [count * count, 2]
    time = torch.full((len(grid),), t)
    uncond = world.eps(grid, time, world.null.expand(len(grid)))
    cond = world.eps(grid, time, torch.full((len(grid),), target))
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(world.classes).repeat(400)
    abar = float(ALPHAS_CUMPROD[t])
    points = world.draw(labels, generator)
    points = abar**0.5 * points + (1 - abar) ** 0.5 * torch.randn(points.shape, generator=generator)

    figure, axes = canvas.axes(1, len(scales) + 1, width=2.9 * (len(scales) + 1), height=3.2, sharey=True)
    fine = torch.linspace(-reach, reach, 120)
    where = torch.cartesian_prod(fine, fine)
    chance = world.probability(where, torch.full((len(where),), t))[:, target].view(120, 120).T
    extent = (-reach, reach, -reach, reach)
    axes[0].imshow(canvas.array(chance), cmap="Blues", vmin=0, vmax=1.4, extent=extent, origin="lower")
    panels = [(f"cond - uncond over p(class {target} | x)", cond - uncond)]
    for w in scales:
        guided = guide(uncond, cond, float(w))
        canvas.expect_shape(guided, uncond.shape, "the guided prediction")
        panels.append((f"guided, w = {w:g}", guided))
    for axis, (title, eps) in zip(axes, panels, strict=True):
        if axis is not axes[0]:
            _scatter(axis, points, labels, size=4, alpha=0.4)
        length = eps.norm(dim=1, keepdim=True)
        shown = -eps / length.clamp(min=1e-9) * (0.55 * length / (length + 0.7))
        axis.quiver(
            *canvas.array(grid.T),
            *canvas.array(shown.T),
            angles="xy",
            scale_units="xy",
            scale=1,
            width=0.008,
            headwidth=3.6,
            headlength=4,
            headaxislength=3.6,
            pivot="middle",
            color=INK,
        )
        axis.set(xlim=(-reach, reach), ylim=(-reach, reach), aspect="equal", xticks=[], yticks=[])
        axis.set_title(title, fontsize=10, color=INK)
    return Picture(
        figure,
        f"Fields of arrows. The difference of the two predictions points to where class {target} is more "
        "probable; with growing w the guided arrows leave the crowd for one arm, and then point past it.",
    )


def clouds(world: Mixture, of: Mapping[str, Float[Tensor, "N 2"]], target: int | None = 0) -> Picture:
    """Clouds of points, each under its title, over the world they should come from.

    Where there is a target, the mean of its class is marked, and the mean of the points.
    """
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(world.classes).repeat(400)
    background = world.draw(labels, generator)
    figure, axes = canvas.axes(1, len(of), width=2.95 * len(of), height=3.5, sharey=True)
    said = []
    for axis, (title, points) in zip(axes, of.items(), strict=True):
        canvas.expect_shape(points, (len(points), 2), f"the cloud {title!r}")
        _scatter(axis, background, labels, size=2, alpha=0.22)
        axis.scatter(*canvas.array(points.T), s=3, color=INK, alpha=0.35, lw=0)
        figures = f"spread {_spread(points):.2f}"
        if target is not None:
            own, centre = background[labels == target].mean(0), points.mean(0)
            axis.plot(*own.tolist(), "P", ms=11, mfc=PALETTE[target], mec="white", mew=1.3)
            axis.plot(*centre.tolist(), "o", ms=9, mfc="#ffd000", mec="black", mew=1.1)
            figures += f", mean off by {(centre - own).norm():.2f}"
        axis.set_title(f"{title}\n{figures}", fontsize=10.5, color=INK)
        axis.set(xlim=(-3.3, 3.9), ylim=(-3.3, 3.3), aspect="equal", xticks=[], yticks=[])
        said.append(f"{title}: {figures}")
    return Picture(figure, f"Clouds of points over the arms of the classes. {'; '.join(said)}.")


def pictures(of: Mapping[str, Float[Tensor, "1 3 H W"]]) -> Picture:
    """Pictures with colours from -1 to 1, each with its standard deviation; what lies outside is cut off."""
    figure, axes = canvas.axes(1, len(of), width=2.75 * len(of), height=2.7)
    said = []
    for axis, (title, picture) in zip(axes, of.items(), strict=True):
        figures = f"standard deviation {picture.std():.2f},\n"
        figures += f"{(picture.abs() > 1).double().mean():.0%} cut off"
        axis.imshow(canvas.pixels(picture[0] / 2 + 0.5))
        axis.set_title(f"{title}\n{figures}", fontsize=10, color=INK)
        axis.set(xticks=[], yticks=[])
        said.append(f"{title}: {' '.join(figures.split())}")
    return Picture(figure, f"Pictures side by side. {'; '.join(said)}.")


def slide_scales(
    scales: Sequence[float], of: Mapping[str, Sequence[Float[Tensor, "3 H W"]]], start: int = 0
) -> Clickable:
    """For each name a picture with colours from -1 to 1; one slider sets the guidance scale of them all."""
    panels = {name: torch.stack(list(pictures)) / 2 + 0.5 for name, pictures in of.items()}
    return slide_panels(panels, [f"w = {w:g}" for w in scales], "the guidance scale", start)


def _scatter(
    axis: Any, points: Float[Tensor, "N 2"], labels: Int[Tensor, " N"], size: float = 3, alpha: float = 0.5
) -> None:
    for label in sorted(set(labels.tolist())):
        colour = PALETTE[label % len(PALETTE)]
        axis.scatter(*canvas.array(points[labels == label].T), s=size, color=colour, alpha=alpha, lw=0)
    axis.set(xlim=(-3.6, 3.6), ylim=(-3.6, 3.6), aspect="equal", xticks=[], yticks=[])
    axis.spines[:].set_color(FAINT)


def _spread(points: Float[Tensor, "N 2"]) -> float:
    """The root of the mean squared distance from the mean."""
    return float((points - points.mean(0)).square().sum(1).mean().sqrt())
