"""How strongly a worker can be locked on this machine, and what it may read there."""

from __future__ import annotations

import importlib.util
import os
import site
import sys
from collections.abc import Iterator, Sequence
from enum import StrEnum
from functools import cache
from pathlib import Path

from ..errors import SandboxUnavailable, UsageError
from ..worker.kernel import landlock, seccomp
from . import bubblewrap

WORKER_FOLDER = Path(__file__).resolve().parent.parent / "worker"

SYSTEM = (
    "/lib",
    "/lib32",
    "/lib64",
    "/libx32",
    "/usr/lib",
    "/usr/lib32",
    "/usr/lib64",
    "/usr/libx32",
    "/usr/local/lib",
    "/usr/local/lib64",
    "/etc/alternatives",
    "/etc/ld.so.cache",
    "/etc/localtime",
    "/usr/share/zoneinfo",
    "/proc/cpuinfo",
    "/sys/devices/system/cpu",
    "/dev/null",
    "/dev/urandom",
    "/dev/zero",
)
STORES = ("/nix/store", "/gnu/store")  # where such a Python's libraries lie, each in a folder of its own
OF_A_PREFIX = ("lib", "lib64", "pyvenv.cfg")
SITE = ("site-packages", "dist-packages")


class Isolation(StrEnum):
    """How a worker is isolated, strongest first."""

    FULL = "full"
    LANDLOCK = "landlock"
    NONE = "none"


@cache
def probe() -> dict[Isolation, str]:
    """For each level, empty when a worker can be locked so here, else a sentence: why not, what to do."""
    return {Isolation.FULL: _full(), Isolation.LANDLOCK: _landlock(), Isolation.NONE: ""}


def strongest(asked: str) -> Isolation:
    """The level to use for `--sandbox asked`: "auto" takes the strongest that isolates.

    Raises `UsageError` for a word that is no level, `SandboxUnavailable` for one that this machine
    cannot do; isolation is given up only when "none" is asked for by name.
    """
    if asked == "auto":
        for level in (Isolation.FULL, Isolation.LANDLOCK):
            if not probe()[level]:
                return level
        if sys.platform != "linux":
            raise SandboxUnavailable(
                f"code can be locked in on Linux only, and this is {_system()}: for your own add "
                "--sandbox none, for anybody else's use a Linux machine, a container or WSL 2"
            )
        reasons = "; ".join(f"{level}: {probe()[level]}" for level in (Isolation.FULL, Isolation.LANDLOCK))
        raise SandboxUnavailable(
            f"this machine cannot isolate a student's code ({reasons}). "
            "Only for code that you trust, such as your own: --sandbox none"
        )
    if asked not in set(Isolation):
        raise UsageError(f"--sandbox {asked!r} is none of auto, {', '.join(Isolation)}")
    level = Isolation(asked)
    if reason := probe()[level]:
        raise SandboxUnavailable(f"--sandbox {level} does not work on this machine: {reason}")
    return level


def _full() -> str:
    if reason := _not_linux() or bubblewrap.available():
        return reason
    try:
        read = read_only_paths([])
    except SandboxUnavailable as error:
        return str(error)
    reason = _selftest(
        bubblewrap.command(read, WORKER_FOLDER), bubblewrap.INSIDE, bubblewrap.SCRATCH, [bubblewrap.INSIDE]
    )
    if reason.startswith(tuple(f"the kernel refused to {step} " for step in ("make", "write", "mount"))):
        return f"inside bubblewrap {reason}: {bubblewrap.REMEDY}"
    return reason


def _landlock() -> str:
    if reason := _not_linux():
        return reason
    if landlock.abi() < 1:
        return (
            "this kernel has no Landlock: it needs Linux 5.13 or later with `landlock` "
            "in the boot option `lsm=` (see /sys/kernel/security/lsm)"
        )
    return _selftest([], str(WORKER_FOLDER.parent), "", [str(WORKER_FOLDER)])


def python_path() -> str:
    """PYTHONPATH for a process of ours: this package first, from wherever it was started."""
    return os.pathsep.join(
        part for part in (str(WORKER_FOLDER.parents[1]), os.environ.get("PYTHONPATH", "")) if part
    )


def _not_linux() -> str:
    if sys.platform != "linux":
        return f"isolation needs Linux, this is {_system()}: use a Linux machine, a container or WSL 2"
    machine = os.uname().machine
    if machine not in seccomp.MACHINES:
        return f"there is no system call filter for {machine}, only for {', '.join(seccomp.MACHINES)}"
    return ""


def _system() -> str:
    return {"darwin": "macOS", "win32": "Windows"}.get(sys.platform, sys.platform)


def _selftest(inside: list[str], importable: str, scratch: str, read: list[str]) -> str:
    code = (
        f"import sys; sys.path.insert(0, {importable!r}); from worker.kernel import selftest; selftest.main()"
    )
    try:
        return bubblewrap.tried([*inside, sys.executable, "-I", "-S", "-B", "-c", code, scratch, *read])
    except OSError as error:
        return f"the self-test could not be run ({error})"
    except SandboxUnavailable as error:
        return f"the self-test failed ({error})"


def read_only_paths(private: Sequence[Path], extra: Sequence[Path] = ()) -> list[str]:
    """Which files and folders a worker may read: Python, its packages, and the system's libraries.

    `private`: folders that must stay hidden, the course's root first among them; `extra`: more to
    grant. Of an environment inside a private folder only its libraries are granted. Raises
    `SandboxUnavailable` when something granted would contain something private.
    """
    granted = dict.fromkeys(path for path in map(str, [*_python(), *SYSTEM, *extra]) if os.path.exists(path))
    for path in granted:
        for hidden in private:
            if hidden.resolve().is_relative_to(Path(path).resolve()):
                raise SandboxUnavailable(
                    f"{hidden} lies inside {path}, which student code must be able to read: "
                    "move the course out of the Python environment, or use another environment"
                )
    return list(granted)


def _python() -> Iterator[Path]:
    for prefix in {sys.prefix, sys.exec_prefix, sys.base_prefix, sys.base_exec_prefix}:
        for name in OF_A_PREFIX:
            yield Path(prefix, name)
        for store in STORES:
            if prefix.startswith(f"{store}/"):
                yield Path(store)
    # The programs themselves, with every name under which a symbolic link leads on to the next.
    for program in {sys.executable, getattr(sys, "_base_executable", sys.executable)}:
        path = Path(program)
        yield path
        while path.is_symlink():
            path = path.parent / path.readlink()
            yield path
    torch = folder_of("torch") or Path()
    for folder in {*sys.path, *site.getsitepackages(), str(torch.parent)}:
        if os.path.basename(folder) in SITE:
            yield Path(folder)


def folder_of(package: str) -> Path | None:
    """Where an installed package lies, found without importing it."""
    found = importlib.util.find_spec(package)
    return Path(found.origin).parent if found and found.origin else None
