"""How much a submission may use, over all its calls and all its workers together."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from ..errors import BudgetSpent


@dataclass(frozen=True)
class Limits:
    """Honest submissions use a tenth of these at most; a busy machine changes wall time, not CPU time."""

    submission_cpu: float = 60.0  # seconds, over all workers, and of the grader on their behalf
    submission_bytes: int = 256 << 20  # of memory that messages take, both ways
    submission_callbacks: int = 20_000
    cell_cpu: float = 6.0  # seconds for running one cell
    call_cpu: float = 4.0  # seconds for one call
    wall_factor: float = 5.0  # wall time allowed for each second of CPU time
    submission_wall: float = 120.0  # seconds of waiting for answers, over all workers
    workers: int = 12  # a submission that ends its process more often is not started again
    memory: int = 2 << 30  # bytes of address space on top of what zygote and host have; a grader's, too
    grader_cpu: float = 180.0  # seconds of a grader for one submission, its tests and diagnosis included
    scratch: int = 64 << 20  # bytes of files
    stdout: int = 64 << 10  # bytes kept of what is printed
    startup: float = 60.0  # wall seconds for a worker to say hello: ours, not the student's

    @property
    def unusual(self) -> dict[str, Any]:
        """Which of them are not as usual and may change a grade, by their names."""
        usual = asdict(Limits())
        return {
            name: value for name, value in asdict(self).items() if value != usual[name] and name != "stdout"
        }


TIMES = ("call_cpu", "cell_cpu", "submission_cpu", "submission_wall", "grader_cpu", "startup")


def limits_of(asked: Mapping[str, float]) -> Limits:
    """The limits that a syllabus or a command line asks for, with the names and units of `Allowances`."""
    usual, slower = asdict(Limits()), asked.get("slower", 1.0)
    known = {
        "memory": ("memory", 1 << 20),
        "messages": ("submission_bytes", 1 << 20),
        "stdout": ("stdout", 1 << 10),
    }
    sizes = {field: int(asked[name] * unit) for name, (field, unit) in known.items() if name in asked}
    times = {name: asked.get(name, usual[name]) * slower for name in TIMES}
    return Limits(**usual | times | sizes)


@dataclass
class Budget:
    """What one submission has used so far. Each `spend_` raises BudgetSpent once the limit is passed."""

    limits: Limits
    cpu: float = 0.0  # of the workers
    served: float = 0.0  # seconds of CPU time of the grader, on their behalf
    wall: float = 0.0
    bytes: int = 0
    callbacks: int = 0
    workers: int = 0

    @property
    def cpu_left(self) -> float:
        return max(0.0, self.limits.submission_cpu - self.cpu - self.served)

    @property
    def wall_left(self) -> float:
        return max(0.0, self.limits.submission_wall - self.wall)

    def spend_worker(self) -> None:
        self.workers += 1
        if self.workers > self.limits.workers:
            raise BudgetSpent("your code ended its own process too often; it was not started again")
        if self.cpu_left <= 0:
            raise BudgetSpent(f"the notebook used up its {self.limits.submission_cpu:g} s of CPU time")
        if self.wall_left <= 0:
            raise BudgetSpent(
                f"the notebook kept the grader waiting for {self.limits.submission_wall:g} s in all"
            )

    def spend_bytes(self, count: int) -> None:
        self.bytes += count
        if self.bytes > self.limits.submission_bytes:
            raise BudgetSpent(
                f"what your code sent and was sent takes over {self.limits.submission_bytes >> 20} MiB in all"
            )

    def spend_callback(self) -> None:
        self.callbacks += 1
        if self.callbacks > self.limits.submission_callbacks:
            raise BudgetSpent("the functions called the models they were given far too often")


def process_cpu(pid: int) -> float:
    """CPU seconds used so far by all threads of a process of this machine; raises OSError if it is gone.

    Linux numbers a process's CPU clock by its id: see clock_getcpuclockid(3) and the kernel's posix-timers.h.
    """
    clock = (~pid << 3) | 2
    return time.clock_gettime_ns(clock) / 1e9
