"""A hub as a person runs it: the command, read as it prints, and stopped by Ctrl-C."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from autograder.hub.config import MARK
from autograder.hub.folder import Hub, there
from autograder.hub.needs import PROXY

PATIENCE = 180.0  # seconds until a hub must have started or stopped


@dataclass(frozen=True)
class Running:
    """A hub that answers."""

    hub: Hub
    address: str
    said: list[str]
    process: subprocess.Popen[str]

    def password(self, name: str) -> str:
        people = self.hub.people
        return people.instructor_password if name in people.instructors else people.student_password

    def processes(self) -> list[psutil.Process]:
        """What the hub started, and what that started."""
        return marked(self.hub.path)

    def listening(self) -> set[str]:
        """The addresses at which any of these can be reached."""
        found = set()
        for process in self.processes():
            with suppress(psutil.NoSuchProcess):  # it has just ended
                connections = process.net_connections()
                found |= {one.laddr.ip for one in connections if one.status == psutil.CONN_LISTEN}
        return found

    def stop(self, number: signal.Signals = signal.SIGINT) -> list[str]:
        """Ends the command and gives what it still had to say."""
        self.process.send_signal(number)
        assert self.process.stdout
        said = self.process.stdout.read().splitlines()
        self.process.wait(PATIENCE)
        return said


def command(folder: Path, *arguments: str) -> list[str]:
    return [sys.executable, "-m", "autograder.cli", "hub", "up", "--dir", str(folder), *arguments]


@contextmanager
def running(folder: Path, *arguments: str) -> Iterator[Running]:
    """A hub at a free port; stopped at the end, if it was not before."""
    if shutil.which("node") is None:
        pytest.skip("no Node on this machine, which JupyterHub's proxy needs: apt install nodejs npm")
    if not (Path(sys.executable).parent / PROXY).exists() and shutil.which(PROXY) is None:
        pytest.skip("JupyterHub's proxy is not installed: make proxy")
    process = subprocess.Popen(
        command(folder, "--port", "0", *arguments),
        cwd=Path(__file__).parents[3],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    # Reading a line waits for it; so that this ends, the process does.
    too_late = threading.Timer(PATIENCE, process.kill)
    too_late.start()
    try:
        said: list[str] = []
        assert process.stdout
        for line in process.stdout:
            said.append(line.rstrip("\n"))
            if line.startswith("Ctrl-C"):
                break
        else:
            pytest.fail("the hub did not start:\n" + "\n".join(said))
        too_late.cancel()
        (address,) = re.findall(r"^JupyterHub: +(http://127\.0\.0\.1:\d+)$", "\n".join(said), re.MULTILINE)
        yield Running(there(folder), address, said, process)
    finally:
        too_late.cancel()
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=PATIENCE)
        for left in marked(folder):
            with suppress(psutil.NoSuchProcess):
                left.kill()


def marked(folder: Path) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(MARK) == str(folder) and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except psutil.Error:
            continue
    return found
