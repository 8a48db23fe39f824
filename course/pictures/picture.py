"""A picture in a notebook: with words for who cannot see it, and patience with what is not written yet."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DOTS_PER_INCH = 160  # twice what a notebook shows, so that the picture is sharp on any screen


@dataclass(frozen=True)
class Picture:
    """A drawn figure. As the last line of a cell it shows itself; inside a block, call `show()`."""

    figure: Figure
    description: str
    ground: ClassVar[str] = "white"

    def png(self) -> bytes:
        """The picture as a PNG file."""
        file = io.BytesIO()
        self.figure.savefig(
            file,
            format="png",
            dpi=DOTS_PER_INCH,
            facecolor=self.ground,
            bbox_inches="tight",
            pad_inches=0.1,
        )
        return file.getvalue()

    def show(self) -> None:
        """Show the picture below the cell; outside a notebook, say what would be seen."""
        show_below_cell(self, otherwise=self.description)

    def _repr_mimebundle_(self, **_: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        png = self.png()
        (pixels,) = struct.unpack(">I", png[16:20])  # the width, from the file's own header
        return (
            {"image/png": png, "text/plain": self.description},
            {"image/png": {"width": pixels // 2, "alt": self.description}},
        )


def show_below_cell(item: object, otherwise: str) -> None:
    """Show `item` below the cell that runs; outside a notebook, print a sentence instead."""
    from IPython import get_ipython
    from IPython.display import display

    if get_ipython() is None:
        print(otherwise)
    else:
        display(item)  # type: ignore[no-untyped-call]


@contextmanager
def needs(*names: str) -> Iterator[None]:
    """Around the body of a demo that calls the student's `names`: one line instead of a traceback.

    A demo is there to be looked at. What is wrong with an answer is for `check` to say.
    """
    what = " and ".join(f"`{name}`" for name in names)
    try:
        yield
    except NameError as error:
        if error.name not in names:
            raise
        print(f"Run the cell that defines `{error.name}` first: this picture is drawn with it.")
    except Exception as error:
        task, _, name = str(error).partition(" ")
        # An untouched stub says what to write; torch, too, raises this error, for other reasons.
        if isinstance(error, NotImplementedError) and task == "write":
            print(f"Write `{name}` first: this picture is drawn with it.")
        else:
            reason = " ".join(str(error).split())[:300]
            print(f"No picture yet. With your {what} came {type(error).__name__}: {reason}")
            print("The check above says more.")
