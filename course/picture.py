"""A picture in a notebook, with words for those who cannot see it, and patience with what is not written yet."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DOTS_PER_INCH = 160  # twice what a notebook shows, so that the picture is sharp on any screen


@dataclass(frozen=True)
class Picture:
    """A drawn figure. As the last line of a cell it shows itself; inside a block, call `show()`."""

    figure: Figure
    description: str

    def png(self) -> bytes:
        """The picture as a PNG file."""
        file = io.BytesIO()
        self.figure.savefig(file, format="png", dpi=DOTS_PER_INCH, facecolor="white")
        return file.getvalue()

    def show(self) -> None:
        """Show the picture below the cell; outside a notebook, say what would be seen."""
        from IPython import get_ipython
        from IPython.display import display

        if get_ipython() is None:  # type: ignore[no-untyped-call]
            print(self.description)
        else:
            display(self)  # type: ignore[no-untyped-call]

    def _repr_mimebundle_(self, **_: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        width = int(self.figure.get_figwidth() * DOTS_PER_INCH / 2)
        return (
            {"image/png": self.png(), "text/plain": self.description},
            {"image/png": {"width": width, "alt": self.description}},
        )


@contextmanager
def needs(*names: str) -> Iterator[None]:
    """Around the body of a demo that calls the student's `names`: one line instead of a traceback.

    A demo is there to be looked at. What is wrong with an answer is for `check` to say.
    """
    what = " and ".join(f"`{name}`" for name in names)
    try:
        yield
    except NotImplementedError:
        print(f"Write {what} first: this picture is drawn with it.")
    except NameError as error:
        if error.name not in names:
            raise
        print(f"Run the cell that defines `{error.name}` first: this picture is drawn with it.")
    except Exception as error:
        reason = " ".join(str(error).split())[:300]
        print(f"No picture yet. With your {what} came {type(error).__name__}: {reason}")
        print("The check above says more.")
