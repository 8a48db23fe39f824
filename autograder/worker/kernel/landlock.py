"""Landlock: the kernel refuses this process every file but those named (Linux 5.13 and later).

Rights, numbers and struct layouts are those of <linux/landlock.h>; what an older kernel does not know
is left out of the ruleset, so that the rest still holds. Gaps of the older ones (`truncate()` before
version 3, signals before 6) and what no version guards (`chmod`, `utime`, extended attributes) are
closed by `seccomp.py`.
"""

from __future__ import annotations

import errno
import os
import stat
import struct
import sys
from collections.abc import Sequence

from .libc import KernelRefused, call, no_new_privileges

# The same numbers on every architecture.
CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446

EXECUTE, WRITE_FILE, READ_FILE, READ_DIR, REMOVE_DIR, REMOVE_FILE = (1 << bit for bit in range(6))
MAKE_CHAR, MAKE_DIR, MAKE_REG, MAKE_SOCK, MAKE_FIFO, MAKE_BLOCK, MAKE_SYM = (1 << bit for bit in range(6, 13))
REFER, TRUNCATE, IOCTL_DEV = 1 << 13, 1 << 14, 1 << 15
BIND_TCP, CONNECT_TCP = 1 << 0, 1 << 1
SCOPE_ABSTRACT_UNIX_SOCKET, SCOPE_SIGNAL = 1 << 0, 1 << 1

ASK_VERSION = 1 << 0
RULE_PATH_BENEATH = 1
LOG_SAME_EXEC_OFF = 1 << 0

READ = READ_FILE | READ_DIR
# No links, sockets, pipes or devices, and no moving from one folder to another.
WRITE = READ | WRITE_FILE | TRUNCATE | MAKE_REG | MAKE_DIR | REMOVE_FILE | REMOVE_DIR
OF_A_FILE = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEV


def abi() -> int:
    """The version of Landlock that this kernel has; 0 where it has none, or has it switched off."""
    if sys.platform != "linux":
        return 0  # the number would be another call there
    try:
        return call("tell its version of Landlock", "syscall", CREATE_RULESET, None, 0, ASK_VERSION)
    except KernelRefused:  # not built in, switched off, or filtered by a container
        return 0


def known_rights(version: int) -> int:
    """Every right on files that this version of Landlock can refuse."""
    highest = {1: MAKE_SYM, 2: REFER, 3: TRUNCATE, 4: TRUNCATE}.get(version, IOCTL_DEV)
    return (highest << 1) - 1


def restrict(read: Sequence[str], write: Sequence[str]) -> int:
    """Takes from this thread and its children every file but these, TCP, and the reach of signals.

    `read`: files, and folders with all that is in them. `write`: files that may be written (a device
    named here may get its ioctls too), and folders in which files and folders may be made, changed and
    removed. Nothing may be executed; mapping a library needs no such right. Paths that do not exist, or
    that this user cannot reach, grant nothing.

    Returns the version of Landlock in force, which tells how much is (see the head of this file).
    Raises `KernelRefused` where there is none.
    """
    version = abi()
    if version < 1:
        raise KernelRefused("restrict files with Landlock", errno.ENOSYS)
    ruleset = _ruleset(version)
    try:
        for paths, rights in ((read, READ), (write, WRITE)):
            for path in paths:
                _allow(ruleset, path, rights, version)
        no_new_privileges()
        quiet = LOG_SAME_EXEC_OFF if version >= 7 else 0  # a student must not fill the machine's audit log
        call("enforce Landlock", "syscall", RESTRICT_SELF, ruleset, quiet)
    finally:
        os.close(ruleset)
    return version


def _ruleset(version: int) -> int:
    fields = [known_rights(version)]
    if version >= 4:
        fields.append(BIND_TCP | CONNECT_TCP)
    if version >= 6:
        fields.append(SCOPE_ABSTRACT_UNIX_SOCKET | SCOPE_SIGNAL)
    attributes = struct.pack(f"={len(fields)}Q", *fields)
    return call("make a Landlock ruleset", "syscall", CREATE_RULESET, attributes, len(attributes), 0)


def _allow(ruleset: int, path: str, rights: int, version: int) -> None:
    try:
        place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return  # what cannot be reached needs no rule
    try:
        mode = os.fstat(place).st_mode
        if not stat.S_ISDIR(mode):
            rights &= OF_A_FILE
            if stat.S_ISCHR(mode) and rights & WRITE_FILE:
                rights |= IOCTL_DEV
        rule = struct.pack("=Qi", rights & known_rights(version), place)
        call(f"allow {path} in Landlock", "syscall", ADD_RULE, ruleset, RULE_PATH_BENEATH, rule, 0)
    finally:
        os.close(place)
