"""What has been run in this Jupyter kernel, as cells."""

from __future__ import annotations

import sys

from course.cells.magics import to_python
from course.cells.python import Cell

_LONGEST_CELL, _LONGEST_SESSION = 100_000, 1_000_000  # characters that are read of what a kernel has run


def cells() -> list[Cell]:
    """What has been run, each source once, in the order in which it ran last; none outside of IPython.

    A cell's number is the one that stands beside it, `In [3]`. Of a very long session only the end is read.
    """
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    history = list(getattr(getattr(shell, "history_manager", None), "input_hist_raw", ()))
    last = {source: number for number, source in enumerate(history) if len(source) <= _LONGEST_CELL}
    found: list[Cell] = []
    room = _LONGEST_SESSION
    for source, number in sorted(last.items(), key=lambda one: one[1], reverse=True):
        room -= len(source)
        if room < 0:
            break
        found.append(Cell(number, to_python(source)))
    return found[::-1]
