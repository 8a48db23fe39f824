"""A locked worker, asked for from the zygote: its socket, what it prints, its clock, and its sure end."""

from __future__ import annotations

import contextlib
import json
import os
import select
import socket
import struct
import time
from dataclasses import asdict, replace

from ..contract.budget import process_cpu
from ..errors import Fault
from ..worker import wire
from ..worker.zygote import WorkerOrder
from .line import Deadline, Ending, Gone, OutOfTime

_CREDENTIALS = struct.Struct("3i")
AT_ONCE = 1 << 16
MOST_AT_ONCE = 1 << 20


class LockedWorker:
    """A worker forked by the zygote at the other end of `zygote`. Raises Fault if that is gone."""

    def __init__(self, zygote: socket.socket, order: WorkerOrder, cpu_seconds: int) -> None:
        self.printed = bytearray()
        self._pid = 0
        self._last_cpu = 0.0
        self._waiting = bytearray()  # received and not yet asked for
        self._line, theirs = socket.socketpair()
        self._monitor, monitors = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._output, prints = os.pipe()
        self._line.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        asked = json.dumps(asdict(replace(order, cpu=cpu_seconds))).encode()
        try:
            socket.send_fds(zygote, [asked], [theirs.fileno(), prints, monitors.fileno()])
        except OSError as error:
            self._close()
            raise Fault(f"the zygote is gone ({error.strerror})") from None
        finally:
            theirs.close()
            monitors.close()
            os.close(prints)
        self._line.setblocking(False)
        os.set_blocking(self._output, False)

    def send(self, encoded: wire.Encoded, deadline: Deadline) -> None:
        for view in encoded.pieces():
            while len(view):
                try:
                    view = view[self._line.send(view) :]
                except BlockingIOError:
                    self._wait(select.POLLOUT, deadline)
                except OSError:
                    raise Gone from None

    def read(self, count: int, deadline: Deadline) -> bytearray:
        waiting = self._waiting
        while len(waiting) < count:
            missing = count - len(waiting)
            try:
                part, ancillary, _, _ = self._line.recvmsg(min(max(missing, AT_ONCE), MOST_AT_ONCE), 256)
            except BlockingIOError:
                self._wait(select.POLLIN, deadline)
                continue
            except OSError:
                raise Gone from None
            self._note(ancillary)
            if not part:
                raise Gone
            waiting += part
        data, self._waiting = waiting[:count], waiting[count:]
        return data

    def cpu(self) -> float:
        if self._pid:
            with contextlib.suppress(OSError):
                self._last_cpu = process_cpu(self._pid)
        return self._last_cpu

    def drain(self) -> None:
        for _ in range(64):  # a worker that prints without end must not hold us here
            if self._output < 0:
                return
            try:
                part = os.read(self._output, 1 << 16)
            except BlockingIOError:
                return
            if not part:
                os.close(self._output)
                self._output = -1
                return
            if len(self.printed) < MOST_AT_ONCE:
                self.printed += part

    def end(self, patience: float = 0.0) -> Ending | None:
        """Hanging up on the monitor has it kill the worker and report how it ended."""
        ending = None
        try:
            select.select([self._monitor], [], [], patience)  # a report that comes unasked
            self._monitor.shutdown(socket.SHUT_WR)
            self._monitor.settimeout(10)
            if report := self._monitor.recv(4096):
                ending = Ending(**json.loads(report))
        except (OSError, ValueError):
            pass
        self.drain()
        self._close()
        return ending

    def _close(self) -> None:
        if self._output >= 0:
            os.close(self._output)
            self._output = -1
        self._line.close()
        self._monitor.close()

    def _note(self, ancillary: list[tuple[int, int, bytes]]) -> None:
        """The kernel says, in our own numbering, which process sent this; files sent along are closed."""
        for level, kind, data in ancillary:
            if level != socket.SOL_SOCKET:
                continue
            if kind == socket.SCM_CREDENTIALS and not self._pid:
                self._pid = _CREDENTIALS.unpack(data[: _CREDENTIALS.size])[0]
            elif kind == socket.SCM_RIGHTS:
                for (descriptor,) in struct.iter_unpack("i", data[: len(data) - len(data) % 4]):
                    with contextlib.suppress(OSError):
                        os.close(descriptor)

    def _wait(self, event: int, deadline: Deadline) -> None:
        """Until the line is ready; meanwhile what is printed is taken, and both clocks are watched."""
        poll = select.poll()
        poll.register(self._line, event)
        if self._output >= 0:
            poll.register(self._output, select.POLLIN)
        while True:
            wall_left = deadline.until - time.monotonic()
            cpu_left = wall_left if deadline.cpu is None else deadline.cpu - self.cpu()
            if deadline.cpu is not None and cpu_left <= 0:
                raise OutOfTime(wall=False)
            if wall_left <= 0:
                raise OutOfTime(wall=True)
            # Threads may use CPU time faster than the wall clock runs, hence half; a look costs nothing.
            for descriptor, _ in poll.poll(1e3 * max(0.01, min(wall_left, cpu_left / 2, 1.0))):
                if descriptor != self._output:
                    return
                self.drain()
                if self._output < 0:
                    poll.unregister(descriptor)
