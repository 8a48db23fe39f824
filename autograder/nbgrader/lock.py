"""One writer at a time in a course directory."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from ..errors import Fault
from .settings import FOLDER

LOOK_SECONDS = 0.2

GRADING = "grading"  # results, autograded/ and the gradebook
FEEDBACK = "feedback"  # the exchange's feedback, for the moment in which a file is put there


def _look_again() -> None:
    time.sleep(LOOK_SECONDS)


def said_once(
    say: Callable[[str], object], look_again: Callable[[], None] = _look_again
) -> Callable[[], None]:
    """A `waiting` for `locked` that says so the first time."""
    unsaid = ["waiting for another autograder command in this course directory"]

    def waiting() -> None:
        if unsaid:
            say(unsaid.pop())
        look_again()

    return waiting


@contextlib.contextmanager
def locked(course: Path, what: str, waiting: Callable[[], None] = _look_again) -> Iterator[None]:
    """Held by one process at a time, and given up when that ends, however it ends.

    `waiting` is called again and again while another one has it; it sleeps, or raises to give up.
    """
    try:
        import fcntl
    except ImportError:  # Windows, where nbgrader has no exchange and nobody watches it
        yield
        return
    path = course / FOLDER / f"{what}.lock"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o664)
    except OSError as error:
        raise Fault(f"{path}: cannot be opened: {error.strerror or error}") from None
    try:
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                waiting()
            except OSError as error:
                raise Fault(f"{path}: cannot be locked: {error.strerror or error}") from None
        yield
    finally:
        os.close(descriptor)
