"""Namespaces: a worker with its own user, processes, mounts, network, IPC and host name.

`unshare` is for the monitor; its next child is the first process of the new PID namespace and calls
`mount`, which gives it mounts of its own: the monitor keeps its view of /proc. Being the first, the
worker gets no signal that it did not ask for, except faults, SIGKILL from outside and the kernel's at a
hard limit: tests prove that abort() and the CPU limit still end it.
"""

from __future__ import annotations

import contextlib
import errno
import os

from .libc import KernelRefused, call

NEWNS, NEWUTS, NEWIPC = 0x20000, 0x4000000, 0x8000000
NEWUSER, NEWPID, NEWNET = 0x10000000, 0x20000000, 0x40000000
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC = 1, 2, 4, 8
MS_REMOUNT, MS_BIND, MS_REC, MS_PRIVATE = 1 << 5, 1 << 12, 1 << 14, 1 << 18
UNTRUSTED = MS_NOSUID | MS_NODEV | MS_NOEXEC

MOST_FILES = 1024  # and folders, in the scratch
FEWEST_PROCESSES = 301  # the kernel accepts no lower pid_max


def unshare() -> None:
    """Moves this single-threaded process into new namespaces, keeping its user and group number.

    Processes that it forks from here on live in a new PID namespace; it does not itself.
    Raises `KernelRefused` where user namespaces are switched off, used up or filtered.
    """
    user, group = os.geteuid(), os.getegid()
    call("make new namespaces", "unshare", NEWUSER | NEWPID | NEWNET | NEWIPC | NEWUTS)
    for file, text in (
        ("setgroups", "deny"),
        ("uid_map", f"{user} {user} 1"),
        ("gid_map", f"{group} {group} 1"),
    ):
        try:
            with open(f"/proc/self/{file}", "w") as handle:
                handle.write(text)
        except OSError as error:
            raise KernelRefused(f"write {file} of the new user namespace", error.errno or 0) from error


def mount(scratch: str, scratch_bytes: int) -> str:
    """Gives this process a scratch folder of its own, in memory, capped, and no view of other processes.

    `scratch`: an existing folder to put it on. A mount on /tmp becomes read-only. Returns how /proc is:
    "own" (of this PID namespace alone) or "hidden". Raises `KernelRefused`.
    """
    call("make a new mount namespace", "unshare", NEWNS)
    _mount("none", "/", None, MS_REC | MS_PRIVATE)
    _mount("tmpfs", scratch, "tmpfs", UNTRUSTED, f"size={scratch_bytes},nr_inodes={MOST_FILES},mode=0700")
    if os.path.ismount("/tmp"):
        _mount("none", "/tmp", None, MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV)
    try:
        if _something_is_mounted_below("/proc"):  # the kernel would refuse, and log that it did
            raise KernelRefused("mount proc on /proc", errno.EPERM)
        _mount("proc", "/proc", "proc", UNTRUSTED)
    except KernelRefused:
        _mount("tmpfs", "/proc", "tmpfs", UNTRUSTED | MS_RDONLY, "size=4k,nr_inodes=2,mode=0555")
        return "hidden"
    # Linux 6.14 counts per PID namespace: the one limit on threads that also binds root.
    with contextlib.suppress(OSError), open("/proc/sys/kernel/pid_max", "w") as file:
        file.write(str(FEWEST_PROCESSES))
    return "own"


def _something_is_mounted_below(folder: str) -> bool:
    with open("/proc/self/mountinfo") as mounts:
        return any(line.split()[4].startswith(f"{folder}/") for line in mounts)


def _mount(source: str, target: str, kind: str | None, flags: int, options: str | None = None) -> None:
    call(
        f"mount {kind or 'privately'} on {target}",
        "mount",
        source.encode(),
        target.encode(),
        kind.encode() if kind else None,
        flags,
        options.encode() if options else None,
    )
