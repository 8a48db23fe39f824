"""seccomp: which system calls this process may make, and with what arguments (x86_64 and aarch64).

The filter splits the whole number line into runs that share an answer: allowed, to be checked, refused
with EPERM, and everything else as if the kernel did not have it. Numbers are in `syscalls.py`.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct
from collections.abc import Callable, Iterable
from typing import NamedTuple

from . import bpf, syscalls
from .bpf import IF_EQUAL, Assembler, Instruction, argument
from .libc import KernelRefused, call, no_new_privileges

ALLOW = 0x7FFF0000
KILL_PROCESS = 0x80000000
ERRNO = 0x00050000
NOT_PERMITTED = ERRNO | errno.EPERM
NO_SUCH_CALL = ERRNO | errno.ENOSYS

SET_MODE_FILTER = 1
TSYNC = 1 << 0  # all threads at once


class Machine(NamedTuple):
    """What the kernel calls an architecture (<linux/audit.h>), and the number of seccomp(2) on it."""

    audit: int
    seccomp: int


MACHINES = {"x86_64": Machine(0xC000003E, 317), "aarch64": Machine(0xC00000B7, 277)}

# A thread as the C libraries make one: shares memory, files, folder and signal handlers with the rest.
THREAD = 0x00010F00
THREAD_AT_MOST = 0x017D0F00

O_TRUNC, O_ACCMODE, O_WRONLY, O_RDWR = 0x200, 0x3, 0x1, 0x2

PRCTL_ALLOWED = {
    "PR_GET_DUMPABLE": 3,
    "PR_SET_NAME": 15,
    "PR_GET_NAME": 16,
    "PR_GET_SECCOMP": 21,
    "PR_CAPBSET_READ": 23,
    "PR_SET_TIMERSLACK": 29,
    "PR_GET_TIMERSLACK": 30,
    "PR_SET_NO_NEW_PRIVS": 38,
    "PR_GET_NO_NEW_PRIVS": 39,
    "PR_SET_THP_DISABLE": 41,
    "PR_GET_THP_DISABLE": 42,
    "PR_SVE_SET_VL": 50,
    "PR_SVE_GET_VL": 51,
    "PR_PAC_RESET_KEYS": 54,
    "PR_SET_TAGGED_ADDR_CTRL": 55,
    "PR_GET_TAGGED_ADDR_CTRL": 56,
    "PR_SME_SET_VL": 63,
    "PR_SME_GET_VL": 64,
    "PR_SET_VMA": 0x53564D41,
}
# Each of these can have the kernel signal another process of the same user, or pins kernel memory.
FCNTL_REFUSED = {
    "F_SETOWN": 8,
    "F_SETSIG": 10,
    "F_SETOWN_EX": 15,
    "F_SETLEASE": 1024,
    "F_NOTIFY": 1026,
    "F_SETPIPE_SZ": 1031,
}
# Nobody could tell these from a signal of the kernel's or of a person's; SIGSTOP waits without an end.
SIGNALS_REFUSED = {"SIGKILL": 9, "SIGSTOP": 19, "SIGXCPU": 24}
IOCTL_REFUSED = {"TIOCSTI": 0x5412, "TIOCLINUX": 0x541C, "FIOSETOWN": 0x8901, "SIOCSPGRP": 0x8902}


def install() -> None:
    """Puts the filter on every thread of this process, for good.

    Raises `KernelRefused` on a machine that the filter is not written for, or without seccomp.
    """
    machine = platform.machine()
    if machine not in MACHINES or struct.calcsize("P") != 8:
        raise KernelRefused(f"filter system calls: there is no filter for {machine}", errno.ENOSYS)
    program = build(machine, os.getpid())
    code = ctypes.create_string_buffer(bpf.packed(program), 8 * len(program))
    header = struct.pack("@HP", len(program), ctypes.addressof(code))
    no_new_privileges()
    number = MACHINES[machine].seccomp
    if call("filter system calls", "syscall", number, SET_MODE_FILTER, TSYNC, header) > 0:
        raise KernelRefused("filter system calls of every thread", errno.EBUSY)


def build(machine: str, process: int) -> list[Instruction]:
    """The filter for a machine, for the process of this number (which may signal itself)."""
    program = Assembler()
    program.load(bpf.ARCHITECTURE)
    program.test(IF_EQUAL, MACHINES[machine].audit, yes="ours")
    program.answer(KILL_PROCESS)  # 32-bit calls have other numbers
    program.label("ours")
    program.load(bpf.NUMBER)
    for end, verdict in _runs(machine):
        # Runs come in order, so a number that reaches one is not below it. x32 numbers are in the last.
        if end is not None:
            program.test(bpf.IF_AT_LEAST, end, yes=f"from {end}")
        if isinstance(verdict, str):
            program.jump(verdict)
        else:
            program.answer(verdict)
        if end is not None:
            program.label(f"from {end}")
    for name, check in CHECKS.items():
        program.label(name)
        check(program, process)
    program.label("allow")
    program.answer(ALLOW)
    program.label("refuse")
    program.answer(NOT_PERMITTED)
    return program.assemble()


def _runs(machine: str) -> list[tuple[int | None, int | str]]:
    """Ends (exclusive; None for infinity) and answers that together cover every number once."""
    answers: dict[int, int | str] = {}
    for calls, answer in (
        (syscalls.ALLOWED, ALLOW),
        (syscalls.REFUSED, NOT_PERMITTED),
        (syscalls.CHECKED, ""),
    ):
        for name, numbers in calls.items():
            number: int | None = getattr(numbers, machine)
            if number is not None:
                answers[number] = answer or name
    runs: list[tuple[int | None, int | str]] = []
    for number in range(max(answers) + 1):
        here = answers.get(number, NO_SUCH_CALL)
        if here != answers.get(number + 1, NO_SUCH_CALL):
            runs.append((number + 1, here))
    return [*runs, (None, NO_SUCH_CALL)]


# Each check sees the call's arguments and ends in "allow" or "refuse". The kernel takes 32 bits of
# what it declares as int, so the high half counts only for pointers.


def _check_clone(program: Assembler) -> None:
    program.load(argument(0))
    program.keep_bits(~THREAD_AT_MOST)
    program.test(IF_EQUAL, 0, no="refuse")
    program.load(argument(0))
    program.keep_bits(THREAD)
    program.test(IF_EQUAL, THREAD, yes="allow", no="refuse")


def _check_prlimit(program: Assembler) -> None:
    """Its own limits, and only to read them."""
    program.load(argument(0))
    program.test(IF_EQUAL, 0, no="refuse")
    _only_null(program, 2)


def _check_prctl(program: Assembler) -> None:
    program.load(argument(0))
    for option in PRCTL_ALLOWED.values():
        program.test(IF_EQUAL, option, yes="allow")
    program.jump("refuse")


def _check_tgkill(program: Assembler, process: int) -> None:
    """A signal to itself: abort() and raise() are made of it."""
    program.load(argument(0))
    program.test(IF_EQUAL, process, no="refuse")
    _none_of(program, 2, SIGNALS_REFUSED.values())


def _is(program: Assembler, index: int, value: int) -> None:
    program.load(argument(index))
    program.test(IF_EQUAL, value, yes="allow", no="refuse")


def _only_null(program: Assembler, index: int) -> None:
    program.load(argument(index))
    program.test(IF_EQUAL, 0, no="refuse")
    program.load(argument(index) + 4)
    program.test(IF_EQUAL, 0, yes="allow", no="refuse")


def _none_of(program: Assembler, index: int, values: Iterable[int]) -> None:
    program.load(argument(index))
    for value in values:
        program.test(IF_EQUAL, value, yes="refuse")
    program.jump("allow")


def _truncates_only_what_it_may_write(program: Assembler, index: int) -> None:
    """open(file, O_RDONLY | O_TRUNC) empties the file, and Landlock before version 3 does not see it."""
    program.load(argument(index))
    program.test(bpf.IF_ANY_BIT, O_TRUNC, no="allow")
    program.keep_bits(O_ACCMODE)
    program.test(IF_EQUAL, O_WRONLY, yes="allow")
    program.test(IF_EQUAL, O_RDWR, yes="allow", no="refuse")


CHECKS: dict[str, Callable[[Assembler, int], None]] = {
    "clone": lambda program, process: _check_clone(program),
    "prlimit64": lambda program, process: _check_prlimit(program),
    "prctl": lambda program, process: _check_prctl(program),
    "tgkill": _check_tgkill,
    # send(), not a message to an address of its own choice.
    "sendto": lambda program, process: _only_null(program, 4),
    "ioctl": lambda program, process: _none_of(program, 1, IOCTL_REFUSED.values()),
    "fcntl": lambda program, process: _none_of(program, 1, FCNTL_REFUSED.values()),
    "open": lambda program, process: _truncates_only_what_it_may_write(program, 1),
    "openat": lambda program, process: _truncates_only_what_it_may_write(program, 2),
    "sched_setaffinity": lambda program, process: _is(program, 0, 0),
}
