"""Everything that a hub started: proxy, formgrader, users' servers, kernels. None of it outlives the hub."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress

import psutil

from .config import MARK
from .folder import Hub

PATIENCE = 5.0  # seconds between the request to end and the end


def left_over(hub: Hub) -> Iterator[psutil.Process]:
    """Processes that carry the hub's mark, but for this one and those above it.

    JupyterHub ends them itself when it is stopped; one that was killed leaves them all.
    """
    own = {os.getpid(), *(parent.pid for parent in psutil.Process().parents())}
    for process in psutil.process_iter():
        try:
            if process.pid not in own and process.environ().get(MARK) == str(hub.path):
                yield process
        except (psutil.Error, OSError):  # another account's, or it has just ended
            continue


def end_left_over(hub: Hub) -> int:
    """Ends them; how many there were."""
    found = list(left_over(hub))
    for process in found:
        with suppress(psutil.NoSuchProcess):
            process.terminate()
    _, alive = psutil.wait_procs(found, timeout=PATIENCE)
    for process in alive:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(alive, timeout=PATIENCE)
    return len(found)
