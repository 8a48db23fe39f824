"""The line to a locked worker: asks the zygote for one, talks to it under a budget, ends it for sure."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import select
import socket
import struct
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from ..errors import (
    BudgetSpent,
    Fault,
    ProtocolViolation,
    StudentError,
    StudentFailure,
    StudentTimeout,
    WorkerDied,
)
from ..grading.student import Line, legible, outcome
from ..worker import wire
from .budget import Budget, process_cpu

SIGKILL, SIGXCPU = 9, 24
QUESTIONS = ("callback", "callback_with_grad", "vector_jacobian")
_CREDENTIALS = struct.Struct("3i")

Cells = Sequence[tuple[int, str]]


@dataclass(frozen=True)
class WorkerRequest:
    """What a grader asks a zygote for; the same for all workers of a run."""

    level: str
    device: str
    memory: int
    scratch: int
    read: tuple[str, ...]


@dataclass
class _Worker:
    """One worker: its line, what it prints, and the monitor that can kill it."""

    line: socket.socket
    printed: int
    monitor: socket.socket
    pid: int = 0


class LockedLine(Line):
    """A submission's line to its worker; a new worker is started, and the cells are run, when needed."""

    def __init__(self, zygote: socket.socket, request: WorkerRequest, budget: Budget, cells: Cells) -> None:
        super().__init__()
        self._zygote, self._request, self._budget = zygote, request, budget
        self._cells = list(cells)
        self._worker: _Worker | None = None
        self._cpu_before = 0.0  # of this worker, at its last look
        self.printed = bytearray()
        self.cell_errors: dict[int, wire.ErrorHeader] = {}
        self.ended_in: set[int] = set()  # cells that hung or ended the process; they are not run again
        self.wall_timeout = False
        self.maxrss = 0
        self.device = torch.device(request.device)

    # The line's contract

    def request(self, kind: str, payload: dict[str, Any]) -> Any:
        self.begin()
        if self._worker is None:
            self._start()
        return self._exchange(kind, payload, self._budget.limits.call_cpu)

    def load(self) -> None:
        """Runs the cells in a first worker; `cell_errors` says which of them raised."""
        if self._worker is None:
            self._start()

    def close(self) -> None:
        if self._worker is not None:
            self._end(self._worker)

    # One worker's life

    def _start(self) -> None:
        """A new worker in which the cells have been run; a cell that ends it is left out of the next one."""
        while True:
            self._budget.spend_worker()
            self._lock_in()
            if all(self._run_cell(number, source) for number, source in self._cells):
                return

    def _lock_in(self) -> None:
        worker = self._worker = self._ask_zygote()
        self._cpu_before = 0.0
        try:
            hello = self._receive(worker, time.monotonic() + self._budget.limits.startup, None)
        except wire.WireError as error:
            self._end(worker)
            raise Fault(f"a worker could not lock itself: {error}") from None
        if hello.kind != "hello":
            self._end(worker)
            raise Fault(f"a worker could not lock itself: {hello.error.message if hello.error else hello.kind}")
        self._cpu_before = self._cpu(worker)  # locking is ours; what comes now is the student's

    def _run_cell(self, number: int, source: str) -> bool:
        """Whether the worker is still there for the next cell."""
        if number in self.ended_in:
            return True
        try:
            report = self._exchange("load", {"cell": number, "source": source}, self._budget.limits.cell_cpu)
        except (StudentTimeout, WorkerDied) as failure:
            self.wall_timeout |= isinstance(failure, StudentTimeout) and failure.wall
            self.ended_in.add(number)
            self.cell_errors[number] = wire.ErrorHeader(type(failure).__name__, str(failure), "")
            return False
        if report is not None:
            try:
                kind, message, trace = (legible(text, 2000) for text in report)
            except (TypeError, ValueError):
                raise ProtocolViolation("the worker's answer is not what was asked for") from None
            self.cell_errors[number] = wire.ErrorHeader(kind, message, trace)
        return True

    def _ask_zygote(self) -> _Worker:
        line, theirs = socket.socketpair()
        monitor, monitors = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        printed, prints = os.pipe()
        line.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        request = self._request.__dict__ | {"cpu": int(self._budget.cpu_left) + 2}
        try:
            socket.send_fds(
                self._zygote, [json.dumps(request).encode()], [theirs.fileno(), prints, monitors.fileno()]
            )
        except OSError as error:
            os.close(printed)
            raise Fault(f"the zygote is gone: {error.strerror}") from None
        finally:
            theirs.close()
            monitors.close()
            os.close(prints)
        line.setblocking(False)
        os.set_blocking(printed, False)
        return _Worker(line, printed, monitor)

    def _exchange(self, kind: str, payload: dict[str, Any], cpu: float) -> Any:
        """One request and its answer, callbacks in between; any failure but the student's error ends the worker."""
        worker = self._worker
        assert worker is not None
        allowed = min(cpu, self._budget.cpu_left)
        until = time.monotonic() + max(allowed, 0.2) * self._budget.limits.wall_factor
        stop = self._cpu_before + allowed
        id = secrets.randbits(60)  # not to be guessed: an answer sent before the question is refused
        try:
            self._send(worker, wire.encode(kind, id, payload, extend=self.extend), until, stop)
            while True:
                message = self._receive(worker, until, stop)
                if message.kind not in QUESTIONS:
                    break
                self._budget.spend_callback()
                self._send(worker, self.serve(message), until, stop)
            if message.id != id:
                raise ProtocolViolation("the worker sent an answer to a question that was not asked")
            return self._settled(worker, message)
        except StudentError:
            raise
        except wire.WireError as error:
            self._end(worker)
            raise ProtocolViolation(f"the worker broke the protocol: {error}") from None
        except StudentFailure:
            if self._worker is worker:
                self._end(worker)
            raise

    def _settled(self, worker: _Worker, message: wire.Message) -> Any:
        self._look_at_cpu(worker)
        self._drain(worker)
        return outcome(message)

    # Bytes

    def _send(self, worker: _Worker, encoded: wire.Encoded, until: float, stop: float | None) -> None:
        for part in (encoded.head, *encoded.buffers):
            view = memoryview(part)
            while len(view):
                try:
                    view = view[worker.line.send(view) :]
                except BlockingIOError:
                    self._wait(worker, select.POLLOUT, until, stop)
                except OSError:
                    self._died(worker)

    def _receive(self, worker: _Worker, until: float, stop: float | None) -> wire.Message:
        head = self._read(worker, wire.FRAME.size, until, stop)
        header, payload = wire.frame_lengths(head)
        self._budget.spend_bytes(len(head) + header + payload)
        device = self.device if self.device.type != "cpu" else None
        return wire.decode(
            self._read(worker, header, until, stop), self._read(worker, payload, until, stop), self.resolve, device
        )

    def _read(self, worker: _Worker, count: int, until: float, stop: float | None) -> bytearray:
        data = bytearray()
        while len(data) < count:
            try:
                part, ancillary, _, _ = worker.line.recvmsg(min(count - len(data), 1 << 20), 256)
            except BlockingIOError:
                self._wait(worker, select.POLLIN, until, stop)
                continue
            except OSError:
                self._died(worker)
            if not part:
                self._died(worker)
            self._note_credentials(worker, ancillary)
            data += part
        return data

    @staticmethod
    def _note_credentials(worker: _Worker, ancillary: list[tuple[int, int, bytes]]) -> None:
        """The kernel says, in our own numbering, which process sent this; files sent along are closed."""
        for level, kind, data in ancillary:
            if level != socket.SOL_SOCKET:
                continue
            if kind == socket.SCM_CREDENTIALS and not worker.pid:
                worker.pid = _CREDENTIALS.unpack(data[: _CREDENTIALS.size])[0]
            elif kind == socket.SCM_RIGHTS:
                for (fd,) in struct.iter_unpack("i", data[: len(data) - len(data) % 4]):
                    with contextlib.suppress(OSError):
                        os.close(fd)

    def _wait(self, worker: _Worker, event: int, until: float, stop: float | None) -> None:
        """Until the line is ready; meanwhile what is printed is taken, and both clocks are watched."""
        poll = select.poll()
        poll.register(worker.line, event)
        if worker.printed >= 0:
            poll.register(worker.printed, select.POLLIN)
        while True:
            wall_left = until - time.monotonic()
            cpu_left = wall_left if stop is None else stop - self._cpu(worker)
            if stop is not None and cpu_left <= 0:
                self._too_slow(worker, stop, wall=False)
            if wall_left <= 0:
                self._too_slow(worker, stop, wall=True)
            # CPU time can pass twice as fast as wall time at most as often as there are cores; a second
            # look costs nothing.
            for fd, _ in poll.poll(1e3 * max(0.01, min(wall_left, cpu_left / 2, 1.0))):
                if fd == worker.printed:
                    self._drain(worker)
                    if worker.printed < 0:
                        poll.unregister(fd)
                else:
                    return

    def _too_slow(self, worker: _Worker, stop: float | None, *, wall: bool) -> None:
        if stop is None:
            self._end(worker)
            raise Fault("a worker did not start in time")
        if not wall and self._budget.cpu_left <= self._cpu(worker) - self._cpu_before:
            raise BudgetSpent(
                f"the notebook used up its {self._budget.limits.submission_cpu:g} s of CPU time"
            )
        raise StudentTimeout(
            "your code waited too long without an answer"
            if wall
            else f"your code computed for more than {stop - self._cpu_before:.3g} s without an answer",
            wall=wall,
        )

    def _drain(self, worker: _Worker) -> None:
        """Takes what was printed, keeps the beginning, and never waits for more."""
        for _ in range(64):
            if worker.printed < 0:
                return
            try:
                part = os.read(worker.printed, 1 << 16)
            except BlockingIOError:
                return
            if not part:
                os.close(worker.printed)
                worker.printed = -1
                return
            room = self._budget.limits.stdout - len(self.printed)
            if room > 0:
                self.printed += part[:room]

    # CPU time and the end

    def _cpu(self, worker: _Worker) -> float:
        if not worker.pid:
            return 0.0
        try:
            return process_cpu(worker.pid)
        except OSError:
            return self._cpu_before

    def _look_at_cpu(self, worker: _Worker) -> None:
        now = self._cpu(worker)
        self._budget.cpu += max(0.0, now - self._cpu_before)
        self._cpu_before = max(now, self._cpu_before)

    def _died(self, worker: _Worker) -> None:
        """The line is closed: the worker has ended, and the monitor says how. Always raises."""
        hello_said = worker.pid != 0
        ending = self._end(worker)
        if ending is None:
            raise Fault("a worker's monitor is gone, and the zygote with it")
        status = ending["status"]
        if not hello_said:
            raise Fault(f"a worker ended while it was being locked ({_how(status)}){self._last_words()}")
        if status & 0x7F in (SIGXCPU, SIGKILL) and ending["cpu"] >= self._budget.limits.submission_cpu - 1:
            raise BudgetSpent(f"the notebook used up its {self._budget.limits.submission_cpu:g} s of CPU time")
        if status & 0x7F == SIGKILL:
            # A worker cannot send signals, so someone else did: a person, or the kernel short of memory.
            raise Fault("a worker was killed from outside (if it was the kernel: is there memory enough?)")
        raise WorkerDied(f"your code ended its own process ({_how(status)})")

    def _last_words(self) -> str:
        words = bytes(self.printed[-300:]).decode("utf-8", "replace").strip()
        return f": {words.splitlines()[-1]}" if words else ""

    def _end(self, worker: _Worker) -> dict[str, int] | None:
        """Has the monitor kill the worker; its report, or None if the monitor itself is gone."""
        self._worker = None
        self._look_at_cpu(worker)
        ending = None
        try:
            worker.monitor.shutdown(socket.SHUT_WR)
            worker.monitor.settimeout(10)
            report = worker.monitor.recv(4096)
            if report:
                ending = json.loads(report)
                self._budget.cpu += max(0.0, ending["cpu"] - self._cpu_before)
                self.maxrss = max(self.maxrss, ending["maxrss"])
        except (OSError, ValueError):
            ending = None
        self._drain(worker)
        if worker.printed >= 0:
            os.close(worker.printed)
            worker.printed = -1
        worker.line.close()
        worker.monitor.close()
        return ending


def _how(status: int) -> str:
    return f"signal {status & 0x7F}" if status & 0x7F else f"exit code {status >> 8}"
