"""bubblewrap: a file system for the zygote in which only what it needs exists.

Everything is read-only, and nothing of the course is there but the worker's code and the students'
package. Inside it `worker.kernel.namespaces` gives each worker more namespaces and a scratch of its own.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

from ..errors import SandboxUnavailable

# Where things are inside.
INSIDE = "/opt/autograder"
WORKER = f"{INSIDE}/worker"
COURSE = f"{INSIDE}/course"
SCRATCH = "/scratch"  # empty and read-only; each worker mounts its own on it
ISOLATE = ("--unshare-all", "--die-with-parent", "--new-session", "--clearenv")
MADE_BY_BUBBLEWRAP = ("/dev", "/proc")

REMEDY = (
    "allow unprivileged user namespaces (on Ubuntu 24.04 `sysctl "
    "kernel.apparmor_restrict_unprivileged_userns=0`; in a container, a seccomp profile that permits "
    "them), or use --sandbox landlock"
)


def command(
    read: Sequence[str],
    worker_folder: Path,
    course_folder: Path | None = None,
    *,
    environment: Mapping[str, str] | None = None,
    devices: Sequence[str] = (),
) -> list[str]:
    """The start of a command line: what follows it runs inside.

    `read`: files and folders that exist inside, at the same place, read-only (`levels.read_only_paths`).
    `worker_folder` and `course_folder` become `WORKER` and `COURSE`, importable with
    PYTHONPATH=`INSIDE`. `environment`: every variable that there is. `devices`: device files and the
    folders that their drivers need, for CUDA (`nvidia_devices`). Descriptors that the caller passes on
    stay open. Raises `SandboxUnavailable` where bubblewrap is not installed.
    """
    arguments = [_program(), *ISOLATE]
    for name, value in {"PYTHONPATH": INSIDE, **(environment or {})}.items():
        arguments += ["--setenv", name, value]
    arguments += ["--proc", "/proc", "--dev", "/dev"]
    # The zygote's own, since some imports want to write; for a worker `namespaces.mount` seals it.
    arguments += ["--tmpfs", "/tmp", "--dir", SCRATCH]
    for path in sorted(set(read)):  # a folder before what lies in it
        # A symbolic link such as /lib is followed, so merged and unmerged systems look the same inside.
        if not path.startswith(tuple(f"{folder}/" for folder in MADE_BY_BUBBLEWRAP)) and os.path.exists(path):
            arguments += ["--ro-bind", path, path]
    arguments += ["--ro-bind", str(worker_folder), WORKER]
    if course_folder is not None:
        arguments += ["--ro-bind", str(course_folder), COURSE]
    for device in devices:
        arguments += ["--dev-bind-try", device, device]
    return [*arguments, "--remount-ro", "/dev", "--remount-ro", "/", "--chdir", "/", "--"]


def _program() -> str:
    program = shutil.which("bwrap")
    if program is None:
        raise SandboxUnavailable(
            "bubblewrap is not installed: install it (`apt install bubblewrap`, `dnf install bubblewrap`)"
        )
    return program


@cache
def available() -> str:
    """Runs bubblewrap once. Empty when it works here, else a sentence: why not, and what to do."""
    try:
        program = _program()
    except SandboxUnavailable as error:
        return str(error)
    nothing = shutil.which("true") or "/bin/true"
    everything = ("--ro-bind", "/", "/", "--proc", "/proc", "--dev", "/dev")
    try:
        tried([program, *ISOLATE, *everything, "--", nothing])
    except OSError as error:
        return f"bubblewrap could not be run ({error})"
    except SandboxUnavailable as error:
        return f"bubblewrap is refused here ({error}): {REMEDY}"
    return ""


def tried(command: Sequence[str]) -> str:
    """What a command prints within a minute; raises OSError if it cannot, SandboxUnavailable if it fails."""
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", timeout=60
        )
    except subprocess.TimeoutExpired as error:
        raise OSError(error) from None
    if done.returncode:
        said = done.stderr.strip().splitlines()
        raise SandboxUnavailable(said[-1] if said else f"exit code {done.returncode}")
    return done.stdout.strip()


def nvidia_devices() -> list[str]:
    """What of an NVIDIA driver CUDA opens, as far as this machine has it; empty without one."""
    nodes = sorted(str(path) for path in Path("/dev").glob("nvidia*"))
    if not nodes:
        return []
    return [
        *nodes,
        *(path for path in ("/sys/bus/pci", "/sys/devices", "/sys/module") if os.path.isdir(path)),
    ]
