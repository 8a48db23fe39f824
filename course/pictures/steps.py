"""A bar that says how far a loop has come: below the cell of a notebook, or in the line of a terminal.

    with counting(150, "pastel") as one_more:
        for _ in range(150):
            one_more(f"loss {...:.3f}")

    for scale in counted(scales, "drawing"):
        ...

Nothing is written to stderr, and where the output is a file, there is only the last line.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from typing import TypeVar

T = TypeVar("T")

_SECONDS_BETWEEN = 0.2  # a notebook redraws the whole output each time
_TEXT = "{task.description}: {task.completed} of {task.total} steps{task.fields[note]}, {task.elapsed:.0f} s"


@contextmanager
def counting(count: int, what: str) -> Iterator[Callable[..., None]]:
    """Counts up to `count` calls of what it gives; `what` stands before the numbers, each call's note after.

    In a notebook rich itself would take a widget, which needs ipywidgets and is gone from a saved notebook:
    here it is one output that is replaced.
    """
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn

    plain = BarColumn(20, *("",) * 4)  # rich's own green is too pale for a page
    bar = Progress(plain, TextColumn(_TEXT, markup=False), console=Console(), auto_refresh=False)
    task = bar.add_task(what, total=count, note="")
    shown = 0.0
    if bar.console.is_jupyter:
        from IPython.display import display

        output = display(bar, display_id=True)  # type: ignore[no-untyped-call]

        def show() -> None:
            output.update(bar)
    else:
        bar.start()
        show = bar.refresh

    def one_more(note: str = "") -> None:
        nonlocal shown
        bar.update(task, advance=1, note=note and f", {note}")
        if time.monotonic() - shown >= _SECONDS_BETWEEN:
            shown = time.monotonic()
            show()

    try:
        yield one_more
    finally:
        show()
        bar.stop()


def counted(items: Collection[T], what: str) -> Iterator[T]:
    """Gives the items one after another, with a bar that counts those that are done.

    The bar appears when the first one is: where that one fails, only its error is to be seen.
    """
    coming = iter(items)
    for first in coming:
        yield first
        with counting(len(items), what) as one_more:
            one_more()
            for item in coming:
                yield item
                one_more()
