"""Forks one locked worker for each line on its input, runs the line's code in it, and tells what happened.

Not imported: `conftest.py` runs its text, as the zygote is run, inside bubblewrap or out of it.
"""

import ast
import contextlib
import ctypes
import errno
import io
import json
import mmap
import os
import resource
import select
import signal
import socket
import subprocess
import sys
import threading
import time

from worker.kernel import (  # type: ignore[import-not-found]
    landlock,
    libc,
    limits,
    lock,
    namespaces,
    seccomp,
    syscalls,
)

SCRATCH = "/scratch"
MOST_THREADS = 1000


def main() -> None:
    level, may_read, preload = sys.argv[1], json.loads(sys.argv[2]), sys.argv[3]
    if preload:
        warm_up()
    print("ready", flush=True)
    for line in sys.stdin:
        print(json.dumps(one_worker(level, may_read, **json.loads(line))), flush=True)


def warm_up() -> None:
    import numpy
    import torch

    torch.set_num_threads(1)
    torch.nn.Conv2d(2, 2, 3)(torch.ones(1, 2, 8, 8)).sum().backward()
    numpy.ones(2)
    assert len(os.listdir("/proc/self/task")) == 1


def one_worker(
    level: str,
    may_read: list[str],
    code: str,
    memory: int = 1 << 30,
    cpu: int = 20,
    scratch_bytes: int = 4 << 20,
    abi: int | None = None,
    kill_monitor: bool = False,
) -> dict[str, object]:
    hears, says = os.pipe()
    reports_here, reports = os.pipe()
    sys.stdout.flush()
    monitor = os.fork()
    if monitor == 0:
        limits.die_with_parent()
        os.close(hears)
        if level == "full":
            namespaces.unshare()
        worker = os.fork()
        if worker == 0:
            os.close(reports)
            run_locked(level, may_read, code, memory, cpu, scratch_bytes, abi, says)
        os.close(says)
        end = select.poll()
        end.register(os.pidfd_open(worker), select.POLLIN)
        while not end.poll(20):
            if limits.threads_of(worker) > MOST_THREADS:
                os.kill(worker, signal.SIGKILL)
        _, status, usage = os.wait4(worker, 0)
        os.write(reports, json.dumps({"status": status, "cpu": usage.ru_utime + usage.ru_stime}).encode())
        os._exit(0)
    os.close(says)
    os.close(reports)
    told = b""
    with os.fdopen(hears, "rb", buffering=0) as answer, os.fdopen(reports_here, "rb") as report:
        while part := answer.read(1 << 16):  # ends when the worker has ended
            told += part
            if kill_monitor and told.endswith(b"\n"):
                os.kill(monitor, signal.SIGKILL)
        ending = report.read()
    os.waitpid(monitor, 0)
    outcome = json.loads(told) if told and not kill_monitor else {}
    ended = json.loads(ending) if ending else {"status": None, "cpu": None}
    return {"value": None, "error": None, "printed": "", **outcome, **ended}


def run_locked(
    level: str,
    may_read: list[str],
    code: str,
    memory: int,
    cpu: int,
    scratch_bytes: int,
    abi: int | None,
    says: int,
) -> None:
    if abi is not None:
        landlock.abi = lambda: abi  # as on an older kernel
    line, peer = socket.socketpair()
    os.dup2(0, 300)  # left open, to be closed
    known: dict[str, object] = {
        module.__name__.rpartition(".")[2]: module
        for module in (ast, ctypes, errno, mmap, os, resource, signal, socket, subprocess, sys, time)
    }
    known |= {"threading": threading, "libc": libc, "seccomp": seccomp, "syscalls": syscalls}
    known |= {"line": line, "peer": peer, "says": says}
    for name in ("torch", "numpy"):
        if name in sys.modules:
            known[name] = sys.modules[name]
    outcome: dict[str, object] = {}
    tree = ast.parse(code)
    end = tree.body[-1]
    last = end.value if isinstance(end, ast.Expr) else None
    del tree.body[-1 if last else len(tree.body) :]
    try:
        known["locked"] = lock.lock(
            lock.Locks(
                read=tuple(may_read),
                limits=limits.ProcessLimits(memory=memory, cpu_seconds=cpu),
                scratch=SCRATCH if level == "full" else None,
                scratch_bytes=scratch_bytes,
                keep=(says, line.fileno(), peer.fileno()),
                # torch makes this folder as torch._dynamo is imported, as Adam does: any that exists will do
                environment={"HOME": SCRATCH, "TORCHINDUCTOR_CACHE_DIR": SCRATCH if level == "full" else "/"},
            )
        )
        exec(compile(tree, "<worker>", "exec"), known)
        if last is not None:
            outcome["value"] = eval(compile(ast.Expression(last), "<worker>", "eval"), known)
    except BaseException as error:
        outcome["error"] = type(error).__name__
        outcome["printed"] = str(error)[:500]
    with contextlib.suppress(BaseException), io.FileIO(says, "w") as told:
        told.write(json.dumps(outcome, default=repr).encode())
    os._exit(0)


main()
