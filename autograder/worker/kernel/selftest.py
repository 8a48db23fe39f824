"""Locks a process as a worker is locked, and says in a sentence what this machine refuses."""

from __future__ import annotations

import os
import sys
import threading

from . import namespaces
from .limits import Limits
from .lock import Plan, lock


def reason(scratch: str | None, read: tuple[str, ...]) -> str:
    """Empty when a worker can be locked here: with namespaces and this scratch folder, or without."""
    answer, say = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(answer)
        try:
            os.write(say, _locked_child(scratch, read, say).encode())
        finally:
            os._exit(0)
    os.close(say)
    with os.fdopen(answer) as heard:
        sentence = heard.read()
    _, status = os.waitpid(child, 0)
    return sentence.removeprefix("ok") if sentence else f"the locked process ended with status {status}"


def _locked_child(scratch: str | None, read: tuple[str, ...], say: int) -> str:
    try:
        if scratch is not None:
            namespaces.unshare()
            child = os.fork()
            if child:
                os.waitpid(child, 0)
                os._exit(0)
        lock(Plan(read=read, limits=Limits(memory=1 << 30, cpu_seconds=10), scratch=scratch, keep=(say,)))
        return _what_does_not_hold() or "ok"
    except Exception as error:
        return str(error) or type(error).__name__


def _what_does_not_hold() -> str:
    thread = threading.Thread(target=len, args=("",))
    thread.start()
    thread.join()
    for what, attempt in (
        ("reads a file that it was not given", lambda: os.open("/etc/passwd", os.O_RDONLY)),
        ("starts another process", lambda: os.fork() or os._exit(0)),
        ("takes memory outside its limits", lambda: os.memfd_create("")),
    ):
        try:
            attempt()
        except OSError:
            continue
        return f"the locked process still {what}"
    return ""


def main() -> None:
    """`[SCRATCH] -- READ...`: prints the reason, or nothing."""
    scratch, *read = sys.argv[1:]
    print(reason(scratch or None, tuple(read)))
