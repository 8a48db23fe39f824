"""JupyterHub, from its start to its end, and the end of all that it started: none of it outlives the hub."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from ..console import signals_to
from ..errors import Fault, UsageError
from .config import ADDRESS, MARK, Ports
from .folder import Hub

START = 120.0  # seconds until the formgrader must have answered
STOP = 60.0  # seconds that JupyterHub has to end what it started
PATIENCE = 5.0  # seconds between the request to end and the end of what it left over


@contextmanager
def alone(hub: Hub) -> Iterator[None]:
    """The folder for this process only; raises UsageError where a hub runs from it."""
    hub.state.mkdir(exist_ok=True)
    with open(hub.state / "lock", "a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.seek(0)
            raise UsageError(
                f"The hub in {hub.path} runs already (process {lock.read().strip()}): stop it first, or name "
                "another folder with --dir and another --port."
            ) from None
        lock.truncate(0)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        yield


@contextmanager
def serving(hub: Hub, config: Path, ports: Ports) -> Iterator[subprocess.Popen[bytes]]:
    """A hub that answers; it and all that it started have ended when the context is left. Raises Fault."""
    (hub.state / "formgrader").mkdir(exist_ok=True)
    with open(hub.log, "ab") as log:
        hub_process = subprocess.Popen(
            [sys.executable, "-m", "jupyterhub", "--config", str(config)],
            cwd=hub.state,
            env={**os.environ, MARK: str(hub.path)},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,  # Ctrl-C is for this process, which then stops the hub in good order
        )
    try:
        _wait_until_it_answers(hub, hub_process, ports)
        yield hub_process
    finally:
        # Whoever is impatient presses Ctrl-C again; half a stop would leave servers behind.
        with signals_to(signal.SIG_IGN):
            hub_process.terminate()
            try:
                hub_process.wait(STOP)
            except subprocess.TimeoutExpired:
                hub_process.kill()
                hub_process.wait()
            end_left_over(hub)


def said_last(hub: Hub, lines: int = 5) -> str:
    """The end of the hub's log."""
    try:
        return "\n".join(hub.log.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])
    except OSError:
        return ""


def _wait_until_it_answers(hub: Hub, process: subprocess.Popen[bytes], ports: Ports) -> None:
    until = time.monotonic() + START
    addresses = [
        f"http://{ADDRESS}:{ports.public}/hub/health",
        f"http://{ADDRESS}:{ports.public}/services/{hub.people.course_id}/api",
    ]
    while addresses:
        if process.poll() is not None:
            raise Fault(
                f"JupyterHub ended at its start (exit code {process.returncode}); the last lines of "
                f"{hub.log}:\n{said_last(hub)}"
            )
        if time.monotonic() > until:
            raise Fault(f"{addresses[0]} did not answer within {START:g} s; {hub.log} says why")
        if _answers(addresses[0]):
            addresses.pop(0)
        else:
            time.sleep(0.5)


# Not through a proxy that the environment names.
_direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def _answers(address: str) -> bool:
    try:
        with _direct.open(address, timeout=5) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


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
    """Ends proxy, formgrader, users' servers and kernels; how many there were."""
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
