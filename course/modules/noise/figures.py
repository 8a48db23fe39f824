"""The pictures of the noise module's demos. Each function draws one from numbers, and returns a `Picture`.

Unlike in the figures of `attention`, the numbers of a picture go from -1 to 1 here, as where noise is added
to them. matplotlib is imported where it is used: `import course` must stay quick, and grading draws nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from course.lab import shapes
from course.pictures.canvas import FAINT, INK, PALETTE, array, expect_shape, pixels, plain
from course.pictures.canvas import axes as new_axes
from course.pictures.clickable import Clickable
from course.pictures.picture import Picture, needs
from course.pictures.slider import slide_panels
from course.pictures.steps import counted
from course.pictures.strips import strips

__all__ = [
    "Picture",
    "counted",
    "lights",
    "needs",
    "pure_noise",
    "schedules",
    "snr_curves",
    "strips",
    "time_slider",
    "towards_the_bell",
    "two_gaussians",
]

Posterior = Callable[[Tensor, Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]
QSample = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]


def schedules(betas: Mapping[str, Float[Tensor, " T"]]) -> Picture:
    """The betas of some schedules, and beside them what they leave of the picture."""
    figure, (left, right) = new_axes(1, 2, width=9.6, height=3.2)
    for colour, (name, values) in zip(PALETTE, betas.items(), strict=False):
        expect_shape(values, (values.numel(),), f"the schedule {name!r}")
        t = range(len(values))
        left.plot(t, array(values), color=colour, lw=2.2, label=name)
        right.plot(t, array(torch.cumprod(1 - values, 0)), color=colour, lw=2.2, label=name)
    left.set_title("noise that step t adds: its variance, $\\beta_t$", fontsize=11, color=INK)
    right.set_title("picture left after step t: $\\bar\\alpha_t$", fontsize=11, color=INK)
    top = sorted(float(values.max()) for values in betas.values())
    if len(top) > 1 and top[-1] > 4 * top[-2]:  # one that shoots up at its end would flatten the others
        left.set_ylim(0, 1.5 * top[-2])
    for axis in (left, right):
        axis.set_xlabel("t")
        plain(axis)
    right.set_ylim(0, 1.02)
    right.legend(fontsize=9.5, frameon=False)
    return Picture(
        figure, f"Two panels with a curve each for {_listed(betas)}: betas rise, what is left falls."
    )


def towards_the_bell(noised: Float[Tensor, "n 3 H W"], titles: Sequence[str]) -> Picture:
    """Pictures, and below each how its numbers are spread, with the bell of pure noise."""
    if noised.dim() != 4 or len(noised) != len(titles):
        raise ValueError(
            f"one picture for each of {len(titles)} titles is expected; got {list(noised.shape)}"
        )
    figure, axes = new_axes(2, len(titles), width=1.9 * len(titles) + 0.4, height=3.3, sharey="row")
    x = torch.linspace(-4, 4, 200)
    bell = (-(x**2) / 2).exp() / math.sqrt(2 * math.pi)
    for picture, title, above, below in zip(
        noised, titles, axes[: len(titles)], axes[len(titles) :], strict=True
    ):
        above.imshow(pixels((picture + 1) / 2))
        above.set_title(title, fontsize=10, color=INK)
        above.set(xticks=[], yticks=[])
        below.hist(array(picture.flatten()), bins=40, range=(-4, 4), density=True, color=PALETTE[5])
        below.plot(array(x), array(bell), color=INK, lw=1.6)
        below.set(xlim=(-4, 4), ylim=(0, 1), yticks=[], xticks=[-2, 0, 2])
        below.spines[["top", "right", "left"]].set_visible(False)
    axes[len(titles)].set_ylabel("spread of the\nnumbers", fontsize=9.5, color=FAINT)
    return Picture(
        figure,
        f"Pictures at {', '.join(titles)}. Below each a histogram of its numbers, which nears the bell curve "
        "of pure noise.",
    )


def snr_curves(ratios: Mapping[str, Float[Tensor, " T"]], floor: float = 1e-6) -> Picture:
    """Signal to noise over time, on a logarithmic axis; a ratio of 0 is an arrow down."""
    figure, (axis,) = new_axes(1, 1, width=7.6, height=4.0)
    for colour, (name, ratio) in zip(PALETTE, ratios.items(), strict=False):
        expect_shape(ratio, (ratio.numel(),), f"the ratio of {name!r}")
        t = torch.arange(len(ratio))
        seen = ratio > floor
        axis.plot(array(t[seen]), array(ratio[seen]), color=colour, lw=2.2, label=name)
        if bool((ratio == 0).any()):
            end = len(ratio) - 1
            arrow = {"arrowstyle": "-|>", "color": colour, "lw": 2.2}
            axis.annotate("", (end, floor), (end, 30 * floor), arrowprops=arrow)
            axis.text(0.985 * end, 2 * floor, "exactly 0", color=colour, fontsize=10, ha="right")
    axis.axhline(1, color=FAINT, lw=1, ls=":")
    longest = max(len(ratio) for ratio in ratios.values())
    axis.text(longest, 1.35, "as much signal as noise", fontsize=9, color=FAINT, ha="right")
    axis.set(yscale="log", ylim=(floor, 1e5), xlabel="t", ylabel="signal to noise")
    axis.legend(fontsize=9.5, frameon=False, loc="lower left")
    plain(axis)
    return Picture(
        figure, f"Signal to noise over time on a logarithmic axis, falling, for {_listed(ratios)}."
    )


def pure_noise(
    q_sample: QSample,
    alphas_cumprod: Mapping[str, Float[Tensor, " T"]],
    sizes: Sequence[int] = (8, 16, 32, 64),
    shown: int = 16,
    count: int = 300,
) -> Picture:
    """How often the background, black or white, is guessed right from the mean of the last x_t alone.

    The pictures are those of `course.lab.shapes`, `count` with each of the two backgrounds.
    """
    generator = torch.Generator().manual_seed(0)
    grounds = torch.tensor([list(shapes.BACKGROUNDS).index(name) for name in ("black", "white")])
    asked = replace(
        shapes.sample_attributes(2 * count, generator), background=grounds.repeat_interleave(count)
    )
    names = list(alphas_cumprod)
    hits: dict[str, list[float]] = {name: [] for name in names}
    means: dict[str, list[Tensor]] = {}
    for size in sizes:
        x0 = shapes.draw(asked, size, size, generator=generator)
        for name, abar in alphas_cumprod.items():
            last = torch.full((len(x0),), len(abar) - 1)
            xt = q_sample(x0, last, torch.randn(x0.shape, generator=generator), abar)
            expect_shape(xt, x0.shape, "what q_sample returned")
            black, white = xt.mean((1, 2, 3)).view(2, count)
            hits[name].append(float(torch.cat([black < 0, white >= 0]).double().mean()))
            if size == shown:
                means[name] = [black, white]
    figure, axes = new_axes(1, len(names) + 1, width=3.6 * (len(names) + 1), height=3.1)
    edge = 1.05 * max(float(each.abs().max()) for pair in means.values() for each in pair)
    for name, axis in zip(names, axes, strict=False):
        for values, colour, label in zip(
            means[name], ("#222222", PALETTE[4]), ("black", "white"), strict=True
        ):
            axis.hist(array(values), bins=28, range=(-edge, edge), color=colour, alpha=0.65, label=label)
        axis.axvline(0, color=FAINT, lw=1, ls=":")
        right = hits[name][list(sizes).index(shown)]
        axis.set_title(f"{name}:\nguess right {right:.0%} of the time", fontsize=10.5, color=INK)
        axis.set(xlabel=f"mean of the last x_t, {shown} × {shown} pixels", yticks=[])
        axis.spines[["top", "right", "left"]].set_visible(False)
    axes[0].legend(title="background", fontsize=9, frameon=False, title_fontsize=9)
    for name, colour in zip(names, PALETTE, strict=False):
        axes[-1].plot(sizes, hits[name], "o-", color=colour, lw=2.2, label=name)
    axes[-1].axhline(0.5, color=FAINT, lw=1, ls=":")
    axes[-1].text(sizes[0], 0.46, "a coin", fontsize=9, color=FAINT)
    axes[-1].set(xscale="log", xlabel="height and width of the picture", ylim=(0.4, 1.02))
    axes[-1].set_xticks(sizes, [str(size) for size in sizes])
    axes[-1].minorticks_off()
    axes[-1].set_title("share of right guesses\nfor larger pictures", fontsize=10.5, color=INK)
    axes[-1].legend(fontsize=9, frameon=False, loc="center right")
    plain(axes[-1])
    found = "; ".join(f"{name}, {', '.join(f'{hit:.0%}' for hit in hits[name])}" for name in names)
    return Picture(
        figure,
        f"How often the background is guessed from the mean of pure noise, for sizes {list(sizes)}: {found}.",
    )


def two_gaussians(
    q_posterior: Posterior,
    betas: Float[Tensor, " T"],
    steps: Sequence[int],
    x0: float = 1.0,
    noise: float = -0.8,
) -> Picture:
    """What x0 says about x_{t-1}, what x_t says about it, and what `q_posterior` says of both together."""
    betas = betas.double()
    abar = torch.cumprod(1 - betas, dim=0)
    x = torch.linspace(-3.2, 3.2, 800, dtype=torch.float64)
    figure, axes = new_axes(1, len(steps), width=3.9 * len(steps), height=3.0)
    for axis, step in zip(axes, steps, strict=True):
        now, before = float(abar[step]), float(abar[step - 1]) if step else 1.0
        beta = float(betas[step])
        xt = math.sqrt(now) * x0 + math.sqrt(1 - now) * noise
        given = torch.tensor([[x0]], dtype=torch.float64), torch.tensor([[xt]], dtype=torch.float64)
        mean, variance = q_posterior(*given, torch.tensor([step]), betas)
        expect_shape(mean, (1, 1), "the mean")
        expect_shape(variance, (1, 1), "the variance")
        curves = {
            "from x0": (math.sqrt(before) * x0, 1 - before, PALETTE[0]),
            "from xt": (xt / math.sqrt(1 - beta), beta / (1 - beta), PALETTE[1]),
            "from both: yours": (float(mean), float(variance), PALETTE[2]),
        }
        for label, (middle, spread, colour) in curves.items():
            y = (-((x - middle) ** 2) / (2 * spread)).exp() / math.sqrt(2 * math.pi * spread)
            axis.plot(array(x), array(y), color=colour, lw=2.2, label=label)
            if label.startswith("from both"):
                axis.fill_between(array(x), 0, array(y), color=colour, alpha=0.2)
        axis.plot([xt], [0], "^", color=PALETTE[1], ms=9, clip_on=False)
        axis.plot([x0], [0], "^", color=PALETTE[0], ms=9, clip_on=False)
        axis.set_title(f"t = {step}: variance {float(variance):.2f}", fontsize=11, color=INK)
        axis.set(xlabel="$x_{t-1}$", yticks=[], xlim=(-3.2, 3.2))
        axis.set_ylim(bottom=0)
        axis.spines[["top", "right", "left"]].set_visible(False)
    axes[0].legend(fontsize=9, frameon=False, loc="upper left")
    return Picture(
        figure,
        f"For t = {', '.join(map(str, steps))}, three bell curves over x_(t-1): what x0 says, what xt says, "
        "and a narrower one for both together.",
    )


def lights(
    drawn: Mapping[str, Float[Tensor, "N 3 H W"]], known: Float[Tensor, "M 3 H W"], shown: int = 14
) -> Picture:
    """Pictures drawn under each schedule, from the darkest to the brightest, and how light is spread."""
    figure, axes = new_axes(len(drawn), 2, width=11.5, height=1.2 * len(drawn) + 0.3, widths=[4, 1])
    for number, (name, pictures) in enumerate(drawn.items()):
        left, right = axes[2 * number : 2 * number + 2]
        light = pictures[:, :, 0, 0].mean(1)  # of the upper left corner: the background
        order = light.argsort()[torch.linspace(0, len(light) - 1, shown).round().long()]
        left.imshow(pixels((torch.cat(list(pictures[order]), dim=2) + 1) / 2))
        left.set(xticks=[], yticks=[])
        left.set_ylabel(name, fontsize=10.5, color=INK, rotation=0, ha="right", va="center", labelpad=8)
        colour = PALETTE[number % len(PALETTE)]
        right.hist(array(light), bins=11, range=(-1, 1), density=True, color=colour, alpha=0.75)
        right.plot([-1, 1], [0.5, 0.5], color=INK, lw=1.4, ls="--")
        right.set(xlim=(-1, 1), ylim=(0, 1.6), yticks=[], xticks=[-1, 1])
        right.set_xticklabels(["black", "white"])
        right.spines[["top", "right", "left"]].set_visible(False)
    axes[0].set_title(
        f"{shown} of {len(next(iter(drawn.values())))}, from the darkest to the brightest",
        fontsize=10,
        color=INK,
    )
    axes[1].set_title("light (dashed: the album's)", fontsize=10, color=INK)
    spread = known[:, :, 0, 0].mean(1).std()
    told = "; ".join(
        f"{name}, {float(pictures[:, :, 0, 0].mean(1).std()):.2f}" for name, pictures in drawn.items()
    )
    return Picture(
        figure,
        f"Pictures drawn from noise, sorted by their light. It spreads by {spread:.2f} in the album; in what "
        f"was drawn, by: {told}.",
    )


def time_slider(
    films: Mapping[str, Float[Tensor, "n 3 H W"]],
    steps: Sequence[int],
    notes: Mapping[str, Sequence[str]] | None = None,
    start: int = 0,
) -> Clickable:
    """A slider over timesteps; above it, for each name, the picture at that step, and a note below."""
    captions = [f"t = {t}. Move the slider, with the pointer or the arrow keys." for t in steps]
    panels = {name: (film + 1) / 2 for name, film in films.items()}
    return slide_panels(panels, captions, "the timestep", start, notes)


def _listed(named: Mapping[str, Any]) -> str:
    return ", ".join(named)
