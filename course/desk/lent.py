"""Whether later notebooks get the course's own parts for now, whatever a student has: `course/parts.py`.

In grading always, so that the same answer gets the same points from everybody. While something is checked,
too: a check is about one exercise, and a slip in an earlier part is not to fail it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_for_now: ContextVar[bool] = ContextVar("lent_for_now", default=False)
_for_good: list[bool] = []


def only() -> bool:
    """Whether parts are the course's now."""
    return bool(_for_good) or _for_now.get()


def for_good() -> None:
    """From now on, until the process ends."""
    _for_good[:] = [True]


@contextmanager
def for_now() -> Iterator[None]:
    """As long as the block runs."""
    token = _for_now.set(True)
    try:
        yield
    finally:
        _for_now.reset(token)
