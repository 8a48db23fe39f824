"""Rows of small pictures, each row with a name: the commonest figure of the demos."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping, Sequence

from torch import Tensor

from course.pictures import canvas
from course.pictures.canvas import FAINT, INK
from course.pictures.picture import Picture

__all__ = ["strips"]


def strips(
    rows: Mapping[str, Sequence[Tensor]],
    titles: Sequence[str],
    notes: Mapping[str, str] | None = None,
    width: float = 11.5,
) -> Picture:
    """Rows of pictures [3, H, W], numbers from -1 to 1, each row with its name.

    titles  one above each column; long ones are wrapped
    notes   by the row's name, something to stand at its right end
    width   of all the columns together, in inches, as long as they are not too few
    """
    _, H, W = next(iter(rows.values()))[0].shape
    columns = len(titles)
    each = min(2.4, width / columns)
    # Longer titles go on in a second line, before they run into one another.
    above = [
        "\n".join(textwrap.fill(line, round(10 * each)) for line in title.split("\n")) for title in titles
    ]
    lines = max(title.count("\n") for title in above)
    beside = 0.09 * (_longest(rows) + _longest((notes or {}).values()))
    figure, axes = canvas.axes(
        len(rows),
        columns,
        width=each * columns + beside + 0.2,
        height=(each * H / W + 0.05) * len(rows) + 0.16 * lines + 0.3,
    )
    for row, (name, pictures) in enumerate(rows.items()):
        if len(pictures) != columns:
            raise ValueError(f"the row {name!r} should have {columns} pictures; it has {len(pictures)}")
        for column, picture in enumerate(pictures):
            axis = axes[row * columns + column]
            axis.imshow(canvas.pixels((picture + 1) / 2))
            axis.set(xticks=[], yticks=[])
            axis.spines[:].set_edgecolor("#bbbbbb")
            if row == 0:
                axis.set_title(above[column], fontsize=10, color=INK)
        axes[row * columns].set_ylabel(
            name, fontsize=10.5, color=INK, rotation=0, ha="right", va="center", labelpad=8
        )
        if note := (notes or {}).get(name):
            last = axes[row * columns + columns - 1]
            last.text(1.08, 0.5, note, transform=last.transAxes, fontsize=10, color=FAINT, va="center")
    named = f"Rows of pictures, {_told(rows)}" if any(rows) else f"A row of {columns} pictures"
    told = _told([title for title in titles if title])
    said = "; ".join(f"{_told([name])}: {_told([note])}" for name, note in (notes or {}).items())
    return Picture(figure, f"{named}{': ' if told else ''}{told}{'. ' if said else ''}{said}.")


def _told(lines: Sequence[str] | Mapping[str, object]) -> str:
    return ", ".join(" ".join(line.split()) for line in lines)


def _longest(texts: Iterable[str]) -> int:
    return max((len(line) for text in texts for line in text.split("\n")), default=0)
