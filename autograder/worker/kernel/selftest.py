"""Locks a process as a worker is locked, and says in a sentence what this machine refuses."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from typing import NoReturn

from . import namespaces
from .limits import ProcessLimits
from .lock import Locks, lock

HOLDS = "holds"


def reason(scratch: str | None, read: tuple[str, ...]) -> str:
    """Empty when a worker can be locked here: with namespaces and this scratch folder, or without."""
    hears, says = os.pipe()
    monitor = os.fork()
    if monitor == 0:
        os.close(hears)
        _monitor(scratch, read, says)
    os.close(says)
    with os.fdopen(hears) as answer:
        sentence = answer.read()
    os.waitpid(monitor, 0)
    return "" if sentence == HOLDS else sentence or "the locked process ended without a word"


def _monitor(scratch: str | None, read: tuple[str, ...], says: int) -> NoReturn:
    try:
        if scratch is not None:
            namespaces.unshare()
        worker = os.fork()
        if worker:
            os.waitpid(worker, 0)
            os._exit(0)
        lock(
            Locks(
                read=read, limits=ProcessLimits(memory=1 << 30, cpu_seconds=10), scratch=scratch, keep=(says,)
            )
        )
        os.write(says, _what_does_not_hold().encode())
    except Exception as error:
        os.write(says, (str(error) or type(error).__name__).encode())
    finally:
        os._exit(0)


def _what_does_not_hold() -> str:
    thread = threading.Thread(target=len, args=("",))
    thread.start()
    thread.join()
    forbidden: dict[str, Callable[[], object]] = {
        "read a file that it was not given": lambda: os.open("/etc/passwd", os.O_RDONLY),
        "start another process": os.fork,
        "take memory outside its limits": lambda: os.memfd_create("outside"),
    }
    for what, attempt in forbidden.items():
        try:
            attempt()
        except OSError:
            continue
        return f"a locked process can still {what}"
    return HOLDS


def main() -> None:
    """Arguments: the scratch folder, empty for none, and what may be read. Prints the reason or nothing."""
    scratch, *read = sys.argv[1:]
    print(reason(scratch or None, tuple(read)))
