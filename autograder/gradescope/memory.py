"""How much memory a student's code may take in this container.

Beyond the container's limit the kernel kills, and that looks like a fault of the machine: a submission that
hoards memory would never be graded. So a worker has a limit below that, and reaching it is the student's.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

OURS = 640 << 20  # bytes: graders and one worker at rest, measured at 500 MB
LEAST = 512 << 20  # what honest answers must be able to take; a container this small may still kill


def for_workers(usual: int, proc: Path = Path("/proc"), cgroups: Path = Path("/sys/fs/cgroup")) -> int:
    """Bytes for one worker: `usual`, or what this container has left for it."""
    limits = list(_limits(proc, cgroups))
    return max(LEAST, min([usual, *(limit - OURS for limit in limits)]))


def _limits(proc: Path, cgroups: Path) -> Iterator[int]:
    """The limits that hold for this process: of its own group, and of that which a container sees on top."""
    for line in _read(proc / "self" / "cgroup").splitlines():
        _, _, rest = line.partition(":")
        controllers, _, group = rest.partition(":")
        if controllers == "":  # version 2
            top, name = cgroups, "memory.max"
        elif "memory" in controllers.split(","):
            top, name = cgroups / "memory", "memory.limit_in_bytes"
        else:
            continue
        for place in {top, top / group.lstrip("/")}:
            if (text := _read(place / name).strip()).isdecimal():
                yield int(text)


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except (OSError, ValueError):
        return ""
