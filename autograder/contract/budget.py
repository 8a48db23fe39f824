"""How much a submission may use, over all its calls and all its workers together."""

from __future__ import annotations

import time
from dataclasses import dataclass

from ..errors import BudgetSpent


@dataclass(frozen=True)
class Limits:
    """Honest submissions use a tenth of these at most; a busy machine changes wall time, not CPU time."""

    submission_cpu: float = 60.0  # seconds, over all workers
    submission_bytes: int = 256 << 20  # sent back by the workers
    submission_callbacks: int = 20_000
    cell_cpu: float = 6.0  # seconds for running one cell
    call_cpu: float = 4.0  # seconds for one call
    wall_factor: float = 5.0  # wall time allowed for each second of CPU time
    submission_wall: float = 120.0  # seconds of waiting for answers, over all workers
    workers: int = 12  # a submission that ends its process more often is not started again
    memory: int = 2 << 30  # bytes of address space on top of what the zygote has
    scratch: int = 64 << 20  # bytes of files
    stdout: int = 64 << 10  # bytes kept of what is printed
    startup: float = 60.0  # wall seconds for a worker to say hello: ours, not the student's


@dataclass
class Budget:
    """What one submission has used so far. Each `spend_` raises BudgetSpent once the limit is passed."""

    limits: Limits
    cpu: float = 0.0
    wall: float = 0.0
    bytes: int = 0
    callbacks: int = 0
    workers: int = 0

    @property
    def cpu_left(self) -> float:
        return max(0.0, self.limits.submission_cpu - self.cpu)

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
            raise BudgetSpent(f"the answers took more than {self.limits.submission_bytes >> 20} MiB in all")

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
