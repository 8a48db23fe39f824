"""Locks this process for good: every layer, in the only order in which they go on."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field

from . import landlock, limits, namespaces, seccomp
from .limits import ProcessLimits


@dataclass(frozen=True, kw_only=True)
class Locks:
    """How a worker is locked.

    `read`, `write`: as for `landlock.restrict`. `scratch`: where a folder of its own is put, of
    `scratch_bytes`; it can be written then. Only with `namespaces.unshare` called by the parent; None
    leaves mounts as they are, and the worker with nothing to write that `write` does not name.
    `keep`: descriptors left open, besides 0, 1 and 2. `environment`: every variable that it will have.
    """

    read: tuple[str, ...]
    write: tuple[str, ...] = ("/dev/null",)
    limits: ProcessLimits
    scratch: str | None = None
    scratch_bytes: int = 64 << 20
    keep: tuple[int, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Locked:
    """What holds now. `landlock`: its version, 0 for none; `proc`: "own", "hidden" or "shared"."""

    landlock: int
    proc: str


def lock(locks: Locks) -> Locked:
    """Puts on all layers; nothing can take one off again, and everything forked inherits them.

    Call it in the freshly forked worker, single-threaded, before anything of the student's is read.
    Without namespaces Landlock is a must; inside bubblewrap and namespaces the mounts alone already
    hide every file, so that a kernel without Landlock will do. Raises `KernelRefused`.
    """
    limits.die_with_parent()
    limits.close_others({0, 1, 2, *locks.keep})
    os.umask(0o077)
    os.environ.clear()
    os.environ.update(locks.environment)
    limits.apply(locks.limits, own_user_namespace=locks.scratch is not None)
    proc = "shared" if locks.scratch is None else namespaces.mount(locks.scratch, locks.scratch_bytes)
    os.chdir(locks.scratch or "/")
    # Some libraries ask for it as they are imported; looking for one that can be written would raise.
    tempfile.tempdir = locks.scratch or "/"
    limits.drop_capabilities()
    limits.undumpable()
    version = 0
    if locks.scratch is None or landlock.abi() > 0:
        write = locks.write if locks.scratch is None else (*locks.write, locks.scratch)
        version = landlock.restrict(locks.read, write)
    seccomp.install()
    return Locked(version, proc)
