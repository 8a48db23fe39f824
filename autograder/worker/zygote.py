"""Loads torch once, then forks a locked worker for each request. Holds no secret and runs nobody's code.

The one argument is the descriptor of the control line to the parent of the run. What comes over it is
one byte and the descriptor of another control line: a grader's. Over a grader's line come requests for
workers, each a JSON object with three descriptors: the worker's line, where it prints, and its
monitor's line.

Forking is safe only from a process that never ran an operation on two threads, and CUDA must not have
been touched: see `prepare`.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import select
import signal
import socket
import sys
from dataclasses import asdict, dataclass
from glob import glob
from typing import Any

from .environment import ENVIRONMENT

LOOK_MILLISECONDS = 25
MOST_THREADS = 600


@dataclass(frozen=True)
class WorkerOrder:
    """What a grader asks for; the same for all workers of a run, but for the CPU seconds."""

    level: str
    device: str
    memory: int
    scratch: int
    read: tuple[str, ...]
    home: str
    cpu: int = 0


def prepare(preload: list[str]) -> None:
    """Imports and warms up all that workers need, on one thread, so that each has it for free."""
    import torch

    torch.set_num_threads(1)
    torch.set_num_interop_threads(1)
    # `worker`, and what is pulled in by the first use otherwise, in each worker anew.
    own = [
        f"{__package__}.{name}" for name in ("worker", "kernel.limits", "kernel.lock", "kernel.namespaces")
    ]
    for name in (*preload, *own, "inspect", "linecache", "random", "traceback"):
        __import__(name)
    convolution = torch.nn.Conv2d(2, 2, 3)
    image = torch.ones(1, 2, 8, 8, requires_grad=True)
    convolution(image).sum().backward()
    (torch.ones(8, 8) @ torch.ones(8, 8)).softmax(-1)
    try:
        from course.checking import portability

        portability.prepare()
    except ImportError:
        pass
    threads = len(os.listdir("/proc/self/task"))
    if threads != 1:
        raise RuntimeError(f"the zygote has {threads} threads, so it cannot fork safely")
    gc.freeze()
    gc.enable()


def main(control_descriptor: int) -> None:
    control = socket.socket(fileno=control_descriptor)
    try:
        prepare([name for name in os.environ.get("PRELOAD", "").split(",") if name])
    except BaseException as error:
        control.send(f"{type(error).__name__}: {error}".encode()[:4000])
        raise SystemExit(1) from None
    control.send(b"ready")
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # monitors report to graders, not to us
    lines = {control.fileno(): control}
    poll = select.poll()
    poll.register(control, select.POLLIN)
    while True:
        for number, _ in poll.poll():
            data, descriptors, _, _ = socket.recv_fds(lines[number], 1 << 16, 8)
            if number == control.fileno():
                if not data:
                    return  # the run is over
                line = socket.socket(fileno=descriptors[0])
                lines[line.fileno()] = line
                poll.register(line, select.POLLIN)
            elif not data:
                poll.unregister(number)
                lines.pop(number).close()
            else:
                _fork_monitor(json.loads(data), descriptors, list(lines.values()))


def _fork_monitor(request: dict[str, Any], descriptors: list[int], lines: list[socket.socket]) -> None:
    if os.fork() == 0:
        try:
            for line in lines:
                line.close()
            _monitor(WorkerOrder(**request), *descriptors)
        finally:
            os._exit(99)
    for descriptor in descriptors:
        os.close(descriptor)


def _monitor(request: WorkerOrder, line: int, printed: int, grader: int) -> None:
    """Forks the worker, kills it when the grader hangs up, and reports how it ended."""
    from .kernel import limits, namespaces

    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    limits.die_with_parent()
    if request.level == "full":
        try:
            namespaces.unshare()
        except OSError as error:
            _refuse(line, error)
            os._exit(0)
    worker = os.fork()
    if worker == 0:
        os.close(grader)
        try:
            _worker(request, line, printed)
        finally:
            os._exit(98)
    for descriptor in (line, printed):
        os.close(descriptor)
    handle = os.pidfd_open(worker)
    poll = select.poll()
    poll.register(handle, select.POLLIN)
    poll.register(grader, select.POLLIN | select.POLLHUP)
    too_many_threads = False
    while not (ready := poll.poll(LOOK_MILLISECONDS)):
        # The kernel does not hold root to the limit on threads; a worker with all of a machine's could.
        if limits.threads_of(worker) > MOST_THREADS:
            too_many_threads = True
            signal.pidfd_send_signal(handle, signal.SIGKILL)
    asked = handle not in dict(ready)
    if asked:
        signal.pidfd_send_signal(handle, signal.SIGKILL)
    _, status, usage = os.wait4(worker, 0)
    asked = asked and os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
    report = {
        "status": status,
        "cpu": usage.ru_utime + usage.ru_stime,
        "maxrss": usage.ru_maxrss << 10,
        "asked": asked,
        "too_many_threads": too_many_threads,
    }
    with contextlib.suppress(OSError):  # the grader is gone too
        os.write(grader, json.dumps(report).encode())
    os._exit(0)


def _worker(request: WorkerOrder, line: int, printed: int) -> None:
    """Locks this process and answers until the grader hangs up."""
    from . import worker
    from .kernel.limits import ProcessLimits
    from .kernel.lock import Locks, lock

    null = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((null, 0), (printed, 1), (printed, 2)):
        os.dup2(source, target)
    sys.stdin, sys.stdout, sys.stderr = (
        os.fdopen(0, "r", closefd=False),
        os.fdopen(1, "w", buffering=1, closefd=False, errors="backslashreplace"),
        os.fdopen(2, "w", buffering=1, closefd=False, errors="backslashreplace"),
    )
    full = request.level == "full"
    cuda = request.device == "cuda"
    locks = Locks(
        read=tuple(request.read),
        write=("/dev/null", *(glob("/dev/nvidia*") if cuda else ())),
        # CUDA reserves terabytes of addresses; there, resident memory is what counts.
        limits=ProcessLimits(memory=None if cuda else request.memory, cpu_seconds=request.cpu),
        scratch=request.home if full else None,
        scratch_bytes=request.scratch,
        keep=(line,),
        environment={
            **ENVIRONMENT,
            **dict.fromkeys(("HOME", "TMPDIR", "MPLCONFIGDIR", "TORCHINDUCTOR_CACHE_DIR"), request.home),
        },
    )
    try:
        locked = lock(locks)
    except OSError as error:
        _refuse(line, error)
        return
    worker.silence_course()
    connection = socket.socket(fileno=line)
    conversation = worker.Conversation(*worker.over_socket(connection), request.device)
    conversation.serve({"level": request.level, **asdict(locked)})


def _refuse(line: int, error: OSError) -> None:
    """Tells the grader why a worker cannot be locked here."""
    from . import wire

    header = wire.ErrorHeader(type(error).__name__, str(error), "")
    socket.socket(fileno=line).sendall(bytes(wire.encode("refused", 0, error=header)))
