"""How many cores there are to work with."""

from __future__ import annotations

import os


def usable() -> int:
    """The cores that this process may use: in a container or a batch job fewer than there are."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
