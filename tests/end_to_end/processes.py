"""The processes of a run, found from the outside by what they are, so that tests can kill them."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from typing import TypeVar

import psutil

T = TypeVar("T")

PATIENCE = 120.0  # seconds until what must happen has to have happened


def zygotes(run: int) -> list[psutil.Process]:
    """The process that the run started for the zygote: at level `full`, bubblewrap with the zygote in it."""
    return [child for child in _children(run) if "worker.zygote" in " ".join(_command(child))]


def hosts(run: int) -> list[psutil.Process]:
    return [child for child in _children(run) if "autograder.processes.host" in " ".join(_command(child))]


def graders(run: int) -> list[psutil.Process]:
    return [grader for host in hosts(run) for grader in _children(host.pid)]


def monitors(run: int) -> list[psutil.Process]:
    """One for each worker, between it and the zygote."""
    return [child for zygote in zygotes(run) for child in _children(_forking(zygote).pid)]


def workers(run: int) -> list[psutil.Process]:
    """Where students' code runs."""
    return [child for monitor in monitors(run) for child in _children(monitor.pid)]


def busy(run: int) -> list[psutil.Process]:
    """Those workers that have computed for so long that they must be running a student's code."""
    return [worker for worker in workers(run) if sum(worker.cpu_times()[:2]) > 0.2]


Role = Callable[[int], list[psutil.Process]]


def send(number: signal.Signals, role: Role, run: int) -> int:
    """Sends a signal to one process of this kind, as soon as there is one; its id."""

    def look() -> int | None:
        try:
            for process in role(run):
                process.send_signal(number)
                return process.pid
        except psutil.NoSuchProcess:  # it ended while it was looked at
            pass
        return None

    return wait_for(look, f"{role.__name__} of process {run}")


def kill_and_see_it_dead(child: int) -> None:
    """Kills a child of this process and leaves it for whoever started it to be noticed."""
    process = psutil.Process(child)
    process.kill()
    wait_for(lambda: process.status() == psutil.STATUS_ZOMBIE or None, f"the end of process {child}")


def wait_for(look: Callable[[], T | None], what: str) -> T:
    """What `look` finds at last; fails if that takes too long."""
    until = time.monotonic() + PATIENCE
    while (found := look()) is None:
        assert time.monotonic() < until, f"waited {PATIENCE:g} s for {what}"
        time.sleep(0.01)  # between two looks at other processes, which tell nobody when they change
    return found


def _forking(zygote: psutil.Process) -> psutil.Process:
    """The zygote itself, below bubblewrap's own processes."""
    while zygote.name() == "bwrap" and (inside := _children(zygote.pid)):
        zygote = inside[0]
    return zygote


def _children(pid: int) -> list[psutil.Process]:
    return psutil.Process(pid).children()


def _command(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.ZombieProcess:
        return []
