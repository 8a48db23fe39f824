"""Resource limits, capabilities, and the small things a process drops before it runs foreign code."""

from __future__ import annotations

import contextlib
import errno
import os
import resource
import signal
import struct
from collections.abc import Iterable
from dataclasses import dataclass

from .libc import KernelRefused, call

PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_CAPBSET_DROP, PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL = 1, 4, 24, 47, 4
CAPABILITY_VERSION_3 = 0x20080522
CLOSE_RANGE = 436  # the same number on every architecture
HIGHEST_DESCRIPTOR = 0xFFFFFFFF


@dataclass(frozen=True, kw_only=True)
class ProcessLimits:
    """What one worker may use.

    `memory`: bytes of address space on top of what the process has at its birth; None: no limit, for
    CUDA, which reserves terabytes. `cpu_seconds`: for its whole life; the kernel kills it then.
    `threads`: the kernel enforces it for every user but root, for whom `threads_of` is there.
    """

    memory: int | None
    cpu_seconds: int
    file_bytes: int = 16 << 20
    open_files: int = 64
    threads: int = 256
    stack: int = 8 << 20
    pending_signals: int = 64


def apply(limits: ProcessLimits, *, own_user_namespace: bool) -> None:
    """Sets the limits, none of which this process can raise again.

    Needs /proc, so it goes before `namespaces.mount`. In a user namespace of its own the kernel counts
    only the worker's threads; elsewhere everything that the user runs, so room is left for that.
    Raises `KernelRefused`.
    """
    if limits.memory is not None:
        _set(resource.RLIMIT_AS, address_space() + limits.memory)
    _set(resource.RLIMIT_CPU, limits.cpu_seconds)
    _set(resource.RLIMIT_FSIZE, limits.file_bytes)
    _set(resource.RLIMIT_NOFILE, limits.open_files)
    _set(resource.RLIMIT_NPROC, limits.threads + (0 if own_user_namespace else threads_on_this_machine()))
    _set(resource.RLIMIT_STACK, limits.stack)
    _set(resource.RLIMIT_SIGPENDING, limits.pending_signals)
    for nothing in (resource.RLIMIT_CORE, resource.RLIMIT_MEMLOCK, resource.RLIMIT_MSGQUEUE):
        _set(nothing, 0)
    for nothing in (resource.RLIMIT_NICE, resource.RLIMIT_RTPRIO):
        _set(nothing, 0)


def _set(which: int, value: int) -> None:
    hard = resource.getrlimit(which)[1]
    if hard != resource.RLIM_INFINITY:
        value = min(value, hard)
    try:
        # Soft equals hard: no warning signal that student code could swallow.
        resource.setrlimit(which, (value, value))
    except (OSError, ValueError) as error:  # Python turns some refusals into ValueError
        number = getattr(error, "errno", None) or errno.EPERM
        raise KernelRefused(f"set resource limit {which} to {value}", number) from error


def address_space() -> int:
    """Bytes of address space that this process has now."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[0]) * resource.getpagesize()


def threads_on_this_machine() -> int:
    """How many threads exist, whoever runs them."""
    with open("/proc/loadavg") as file:
        return int(file.read().split()[3].partition("/")[2])


def threads_of(process: int) -> int:
    """How many threads a process has; 0 when it is gone.

    The kernel exempts root from the limit on threads, so a monitor has to look and to kill.
    """
    try:
        return os.stat(f"/proc/{process}/task").st_nlink - 2
    except OSError:
        return 0


def drop_capabilities() -> None:
    """Gives up every capability, in every set."""
    for capability in range(64):
        with contextlib.suppress(KernelRefused):  # unknown to this kernel, or not ours to drop
            call("drop a capability", "prctl", PR_CAPBSET_DROP, capability, 0, 0, 0)
    with contextlib.suppress(KernelRefused):  # before Linux 4.3 there are no ambient ones
        call("drop ambient capabilities", "prctl", PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)
    call("drop all capabilities", "capset", struct.pack("=Ii", CAPABILITY_VERSION_3, 0), bytes(24))


def die_with_parent() -> None:
    """Has the kernel kill this process when the thread that made it ends.

    It is the thread that counts, so a parent should fork from its main one.
    """
    call("die with the parent", "prctl", PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)


def undumpable() -> None:
    """No core dump, no tracer, and /proc/self belongs to root. The seccomp filter keeps it so."""
    call("forbid core dumps", "prctl", PR_SET_DUMPABLE, 0, 0, 0, 0)


def close_others(keep: Iterable[int]) -> None:
    """Closes every descriptor but these."""
    first = 0
    for kept in sorted({fd for fd in keep if fd >= 0}):
        _close_range(first, kept - 1)
        first = kept + 1
    _close_range(first, HIGHEST_DESCRIPTOR)


def _close_range(first: int, last: int) -> None:
    if first > last:
        return
    try:
        call("close descriptors", "syscall", CLOSE_RANGE, first, last, 0)
    except KernelRefused:  # before Linux 5.9
        os.closerange(first, min(last, resource.getrlimit(resource.RLIMIT_NOFILE)[1]) + 1)
