"""A bar that says how far a loop has come, below the cell of a notebook or in the line of a terminal.

    with Bar(150, "pastel") as bar:
        for _ in range(150):
            bar.advance(f"loss {...:.3f}")

Nothing is written to stderr, and where the output is a file, there is only the last line.
"""

from __future__ import annotations

import html
import sys
import time
from dataclasses import dataclass
from typing import Any

_SECONDS_BETWEEN = 0.2  # a notebook redraws the whole output each time


@dataclass(frozen=True)
class _State:
    text: str
    share: float

    def __repr__(self) -> str:
        return self.text

    def _repr_html_(self) -> str:
        return (
            f'<progress value="{self.share:.3f}" max="1" style="width:240px"></progress> '
            f"<span>{html.escape(self.text)}</span>"
        )


class Bar:
    """Counts up to `count`; `what` is the name that stands before the numbers."""

    def __init__(self, count: int, what: str) -> None:
        self._count, self._what = count, what
        self._done, self._note, self._shown = 0, "", 0.0
        self._start = time.monotonic()
        self._handle: Any = None
        self._width = 0

    def __enter__(self) -> Bar:
        self._start = time.monotonic()
        if _in_a_notebook():
            from IPython.display import display

            self._handle = display(self._state(), display_id=True)  # type: ignore[no-untyped-call]
        return self

    def advance(self, note: str = "") -> None:
        """One step more; `note` is said after the count, until the next."""
        self._done, self._note = self._done + 1, note
        now = time.monotonic()
        if now - self._shown >= _SECONDS_BETWEEN:
            self._shown = now
            self._show()

    def __exit__(self, *_: object) -> None:
        self._show(last=True)

    def _state(self) -> _State:
        parts = (
            f"{self._what}: {self._done} of {self._count} steps",
            self._note,
            f"{time.monotonic() - self._start:.0f} s",
        )
        return _State(", ".join(part for part in parts if part), self._done / max(self._count, 1))

    def _show(self, last: bool = False) -> None:
        state = self._state()
        if self._handle is not None:
            self._handle.update(state)
        elif sys.stdout.isatty():
            # Blanks over what is left of a longer line.
            print(f"\r{state.text:<{self._width}}", end="\n" if last else "", flush=True)
            self._width = len(state.text)
        elif last:
            print(state.text)


def _in_a_notebook() -> bool:
    if "IPython" not in sys.modules:
        return False
    from IPython import get_ipython

    return getattr(get_ipython(), "kernel", None) is not None
