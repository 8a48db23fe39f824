"""Calls into the C library, and the one error of this folder: the kernel refused."""

from __future__ import annotations

import ctypes
import os
from functools import cache

PR_SET_NO_NEW_PRIVS = 38


class KernelRefused(OSError):
    """The kernel would not put on a layer; `what` is the step that failed."""

    def __init__(self, what: str, number: int) -> None:
        super().__init__(number, f"the kernel refused to {what}: {os.strerror(number)}")
        self.what = what

    def __str__(self) -> str:
        return str(self.args[1])


@cache
def library() -> ctypes.CDLL:
    """The C library of this process; opened late, so that this module imports on any system."""
    return ctypes.CDLL(None, use_errno=True)


def call(what: str, function: str, *arguments: int | bytes | ctypes.c_char_p | None) -> int:
    """Calls `function` of the C library and returns its result.

    Integers go over as C longs. Raises `KernelRefused` with `what`, an infinitive, when it returns
    a negative number.
    """
    result: int = getattr(library(), function)(
        *(ctypes.c_long(one) if isinstance(one, int) else one for one in arguments)
    )
    if result < 0:
        raise KernelRefused(what, ctypes.get_errno())
    return result


def no_new_privileges() -> None:
    """From here on no program that this process starts gains a privilege; Landlock and seccomp ask for it."""
    call("promise that no program gains privileges", "prctl", PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
