"""What all figures of the course have in common: colours, empty axes, and tensors as matplotlib takes them.

matplotlib is imported where it is used: `import course` must stay quick, and grading draws nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any, Literal

from jaxtyping import Float
from torch import Tensor

# Okabe and Ito's colours: told apart by nearly everyone.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
WEIGHTS = "magma"  # dark = 0, bright = 1; reads the same in grey
INK, FAINT = "#222222", "#8a8a8a"


def axes(
    rows: int,
    columns: int,
    *,
    width: float,
    height: float,
    sharey: bool | Literal["row"] = False,
    widths: Sequence[float] | None = None,
    heights: Sequence[float] | None = None,
) -> tuple[Any, list[Any]]:
    """A figure, and its rows x columns axes in one list, row by row; sizes in inches."""
    # Its note that it builds a font cache, once on every new machine, would land among the pictures.
    logging.getLogger("matplotlib.font_manager").setLevel(logging.ERROR)
    # A figure of its own, not pyplot's: nothing global, and nothing that shows itself a second time.
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    grid = figure.subplots(
        rows, columns, squeeze=False, sharey=sharey, width_ratios=widths, height_ratios=heights
    )
    return figure, list(grid.flat)


def plain(axis: Any) -> None:
    """Two spines less, and a faint grid."""
    axis.spines[["top", "right"]].set_visible(False)
    axis.grid(alpha=0.25)


def pixels(picture: Float[Tensor, "3 H W"]) -> Any:
    """A picture of numbers from 0 to 1 as matplotlib's imshow takes it."""
    return array(picture.clamp(0, 1).permute(1, 2, 0))


def array(values: Tensor) -> Any:
    """The numbers as a NumPy array."""
    return values.detach().cpu().numpy()


def expect_shape(values: Tensor, shape: Sequence[int], what: str) -> None:
    """Raises ValueError, in a sentence for the student, if the shape is another one."""
    if tuple(values.shape) != tuple(shape):
        raise ValueError(f"{what} should have the shape {list(shape)}; it has {list(values.shape)}")
