"""Starts the zygote behind the lock that was chosen, and hands its lines to graders."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import Fault
from ..worker.environment import ENVIRONMENT
from . import bubblewrap
from .levels import WORKER_FOLDER, Isolation, folder_of, read_only_paths

START_SECONDS = 180.0  # to import torch on a slow disk
PRELOAD = ("torch", "numpy", "jaxtyping")

# Two packages from two folders, without the folders around them: those hold secrets, and names that
# would shadow the standard library's.
_BOOT = """
import gc, importlib.util, sys
gc.disable()  # until all is imported: none of it is garbage
for name, folder in (argument.split("=", 1) for argument in sys.argv[2:]):
    spec = importlib.util.spec_from_file_location(
        name, folder + "/__init__.py", submodule_search_locations=[folder])
    sys.modules[name] = module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
from worker.zygote import main
main(int(sys.argv[1]))
"""


@dataclass
class Zygote:
    """A running zygote. `read` is what its workers may read, `home` their home: a scratch folder each at
    level `full`, an empty folder that nobody can write to at level `landlock`."""

    process: subprocess.Popen[bytes]
    control: socket.socket
    read: list[str]
    home: str

    def wait_until_ready(self) -> None:
        """Raises Fault with the zygote's own words if it could not start."""
        said = first_word(self.control, START_SECONDS)
        if said != b"ready":
            self.close()
            reason = said.decode(errors="replace") or f"it ended with exit code {self.process.returncode}"
            raise Fault(f"the zygote did not start: {reason}")

    def connect(self) -> socket.socket:
        """A new line for one grader; raises Fault if the zygote is gone."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            socket.send_fds(self.control, [b"+"], [theirs.fileno()])
        except OSError:
            ours.close()
            raise Fault("the zygote is gone") from None
        finally:
            theirs.close()
        return ours

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    def close(self) -> None:
        """Hanging up ends it, and every worker with it."""
        self.control.close()
        if self.home != bubblewrap.SCRATCH:
            shutil.rmtree(self.home, ignore_errors=True)
        wait_or_kill(self.process)


def first_word(control: socket.socket, seconds: float) -> bytes:
    """What a process first says on its control line; empty if it says nothing."""
    control.settimeout(seconds)
    try:
        return control.recv(1 << 14)
    except OSError:
        return b""
    finally:
        control.settimeout(None)


def wait_or_kill(process: subprocess.Popen[bytes]) -> None:
    """The end of a process that has been hung up on."""
    try:
        process.wait(5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def start(level: Isolation, course_root: Path, *, preload: Sequence[str] = (), device: str = "cpu") -> Zygote:
    """Starts a zygote at this level of isolation; call `wait_until_ready` once all else has been started.

    Raises SandboxUnavailable if what a worker must be able to read would contain the course's secrets.
    """
    course = folder_of("course")  # the students' package, which workers may read: everyone may
    if course is None:
        raise Fault("the package `course` is not installed: run `pip install .` in the course's folder")
    course = course.resolve()
    environment = {**ENVIRONMENT, "PRELOAD": ",".join((*PRELOAD, *preload))}
    python = [sys.executable, "-I", "-B", "-c", _BOOT]
    devices = bubblewrap.nvidia_devices() if device == "cuda" else []
    granted = read_only_paths([course_root / name for name in ("solutions", "autograder/hidden", "tests")])
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    if level is Isolation.FULL:
        inside = bubblewrap.command(granted, WORKER_FOLDER, course, environment=environment, devices=devices)
        packages = [f"worker={bubblewrap.WORKER}", f"course={bubblewrap.COURSE}"]
        read, home = [*granted, bubblewrap.INSIDE], bubblewrap.SCRATCH
    else:
        inside = []
        packages = [f"worker={WORKER_FOLDER}", f"course={course}"]
        # Matplotlib, for one, wants a home that exists.
        home = tempfile.mkdtemp(prefix="autograder-")
        read = [*granted, str(WORKER_FOLDER), str(course), home]
    with theirs:
        process = subprocess.Popen(
            [*inside, *python, str(theirs.fileno()), *packages],
            env=environment,
            cwd="/",
            stdin=subprocess.DEVNULL,
            pass_fds=(theirs.fileno(),),
            start_new_session=True,  # Ctrl-C is for the parent, which ends the others in order
        )
    return Zygote(process, ours, [*read, *devices], home)
