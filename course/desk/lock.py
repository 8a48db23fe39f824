"""One writer at a time in a folder: two notebooks, or a notebook and `course check`, on one machine."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

_PATIENCE, _LOOK_AGAIN = 10.0, 0.05  # seconds; who has it writes a few kilobytes


class Busy(OSError):
    """Another process has held the lock all the time."""


@contextmanager
def held(path: Path, wait: Callable[[float], object] = time.sleep) -> Iterator[None]:
    """Holds the lock file `path`, whose folder must be there; a process that ends gives it up.

    Where the file system knows no locks nothing is held. Raises Busy, and OSError if `path` cannot be made.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        waited = 0.0
        while not _taken(descriptor):
            if waited >= _PATIENCE:
                raise Busy(f"{path.parent} is in use by another notebook")
            wait(_LOOK_AGAIN)
            waited += _LOOK_AGAIN
        yield
    finally:
        os.close(descriptor)  # which gives it up, on Windows too


if sys.platform == "win32":

    def _taken(descriptor: int) -> bool:
        import msvcrt

        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except PermissionError:
            return False
        except OSError:
            pass  # no locks on this file system
        return True

else:

    def _taken(descriptor: int) -> bool:
        import fcntl

        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:
            pass  # no locks on this file system
        return True
