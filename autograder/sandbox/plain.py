"""A worker that is a plain subprocess: for one's own code, where no lock exists (macOS, Windows).

It speaks the same frames, over pipes. CPU time is not measured, so wall time alone ends a call.
"""

from __future__ import annotations

import contextlib
import os
import queue
import select
import subprocess
import sys
import threading
import time

from ..worker import wire
from ..worker.environment import ENVIRONMENT
from .levels import python_path
from .line import Deadline, Ending, Gone, OutOfTime

MOST_PRINTED, MOST_AT_ONCE = 1 << 20, 1 << 16
CAN_LOOK = os.name == "posix"  # whether there is anything in a pipe; Windows' select knows sockets alone


class PlainWorker:
    """A subprocess of this Python. It can do whatever its user can."""

    def __init__(self, device: str = "cpu") -> None:
        self.printed = bytearray()
        self._lock = threading.Lock()
        self._waiting = bytearray()
        self._printed_so_far = bytearray()
        self._nothing_follows = False
        path = {"PATH": os.environ.get("PATH", ""), "PYTHONPATH": python_path()}
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "autograder.worker.worker", device],
            env={**os.environ, **ENVIRONMENT, **path},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self._parts: queue.Queue[bytes] = queue.Queue(maxsize=64)
        threading.Thread(target=self._pump_answers, daemon=True).start()
        threading.Thread(target=self._pump_prints, daemon=True).start()

    def send(self, encoded: wire.Encoded, deadline: Deadline) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(bytes(encoded))
            self._process.stdin.flush()
        except OSError:
            raise Gone from None

    def read(self, count: int, deadline: Deadline) -> bytearray:
        while len(self._waiting) < count:
            try:
                part = self._parts.get(timeout=max(0.001, deadline.until - time.monotonic()))
            except queue.Empty:
                raise OutOfTime(wall=True) from None
            if not part:
                raise Gone
            self._waiting += part
        data, self._waiting = self._waiting[:count], self._waiting[count:]
        return data

    def cpu(self) -> float:
        return 0.0

    def drain(self) -> None:
        # The thread that takes what is printed may not have come to it yet.
        for _ in range(MOST_PRINTED // MOST_AT_ONCE):
            if not (CAN_LOOK and self._take_printed()):
                break
        with self._lock:
            self.printed += self._printed_so_far
            self._printed_so_far.clear()

    def end(self, patience: float = 0.0) -> Ending | None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(patience)
        asked = self._process.poll() is None
        if self._process.stdin is not None:
            try:
                self._process.stdin.close()
                self._process.wait(0.2)
            except (OSError, subprocess.TimeoutExpired):
                self._process.kill()
        code = self._process.wait()
        return Ending(status=-code if code < 0 else code << 8, cpu=0.0, maxrss=0, asked=asked)

    def _pump_answers(self) -> None:
        assert self._process.stdout is not None
        while part := os.read(self._process.stdout.fileno(), 1 << 16):
            self._parts.put(part)
        self._parts.put(b"")

    def _pump_prints(self) -> None:
        assert self._process.stderr is not None
        pipe = self._process.stderr.fileno()
        while not self._nothing_follows:
            if CAN_LOOK:
                select.select([pipe], [], [])
                self._take_printed()
            else:
                part = os.read(pipe, MOST_AT_ONCE)
                with self._lock:
                    self._keep_printed(part)

    def _take_printed(self) -> bool:
        """Reads once if there is anything to read, and nobody else does meanwhile; whether there was."""
        assert self._process.stderr is not None
        pipe = self._process.stderr.fileno()
        with self._lock:
            if self._nothing_follows or not select.select([pipe], [], [], 0)[0]:
                return False
            return self._keep_printed(os.read(pipe, MOST_AT_ONCE))

    def _keep_printed(self, part: bytes) -> bool:
        self._nothing_follows = not part
        if len(self._printed_so_far) < MOST_PRINTED:
            self._printed_so_far += part
        return bool(part)
