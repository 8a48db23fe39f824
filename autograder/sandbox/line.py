"""A submission's line to its worker: starts one when needed, runs the cells, asks under a budget.

What differs between a locked worker and a plain subprocess is behind `Worker`.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NoReturn, Protocol

import torch

from ..contract.budget import Budget
from ..contract.line import Ahead, Line, answer_in, legible, texts
from ..contract.on_behalf import on_behalf
from ..errors import (
    BudgetSpent,
    Ended,
    Fault,
    ProtocolViolation,
    StudentError,
    StudentFailure,
    StudentTimeout,
    WorkerDied,
)
from ..worker import wire

SIGKILL, SIGXCPU = 9, 24
DYING_SECONDS = 1.0  # a process that is killed closes its line some time before it is gone
QUESTIONS = ("callback", "callback_with_grad", "vector_jacobian")

Cells = Sequence[tuple[int, str]]


@dataclass(frozen=True)
class Deadline:
    """Until when a worker may take: monotonic time, and CPU time on its own clock (None: any)."""

    until: float
    cpu: float | None


class OutOfTime(Exception):
    """A worker passed its deadline."""

    def __init__(self, *, wall: bool) -> None:
        super().__init__()
        self.wall = wall


class Gone(Exception):
    """The worker closed its line."""


@dataclass(frozen=True)
class Ending:
    """How a worker's process ended: a wait status, CPU seconds, bytes of resident memory.

    `asked`: it was still running when it was told to end. `too_many_threads`: that is what it was killed for.
    """

    status: int
    cpu: float
    maxrss: int
    asked: bool = False
    too_many_threads: bool = False


class Worker(Protocol):
    """A running worker."""

    printed: bytearray  # what was printed since this was last emptied; never more than was asked to be kept

    def send(self, encoded: wire.Encoded, deadline: Deadline) -> None:
        """Raises OutOfTime or Gone."""

    def read(self, count: int, deadline: Deadline) -> bytearray:
        """Exactly so many bytes; raises OutOfTime or Gone."""

    def cpu(self) -> float:
        """CPU seconds used so far; 0 where that cannot be known."""

    def drain(self) -> None:
        """Takes what has been printed."""

    def end(self, patience: float = 0.0) -> Ending | None:
        """Kills it if it still runs after `patience` seconds; None if nobody can say how it ended."""


class WorkerLine(Line):
    """A submission's line to a worker.

    `cell_errors` says which cells raised, hung or ended the process; `wall_timeout`, whether a cell or a call
    used up its wall time, which a busy machine can cause; `exhausting`, in a sentence, what of the grader's
    own it used up; `tampered`, what no honest code sends.
    """

    def __init__(
        self, start: Callable[[], Worker], budget: Budget, cells: Cells, device: torch.device | None = None
    ) -> None:
        super().__init__()
        self._start_worker, self._budget, self._cells = start, budget, list(cells)
        self._worker: Worker | None = None
        self._cpu_seen = 0.0  # on the worker's clock, at the last look
        self._ended_in: set[int] = set()  # places in `cells`
        self.tampered: ProtocolViolation | None = None
        self.cell_errors: dict[int, wire.ErrorHeader] = {}
        self.wall_timeout = False
        self.exhausting = ""
        self.printed = bytearray()  # by the cells; what is printed in a test could be its inputs
        self._loaded = False  # whether all cells have been run once
        self._last_words = ""
        self.maxrss = 0
        self.device = device or torch.device("cpu")

    def load(self) -> None:
        """Runs the cells in a first worker."""
        if self._worker is None:
            self._start()

    def _put(self, kind: str, payload: dict[str, Any]) -> Any:
        self.load()
        return self._exchange(partial(self._converse, kind, payload), self._budget.limits.call_cpu)

    def together(self, frames: bytes, count: int) -> Ahead:
        self.load()
        ahead = Ahead(frames, count)
        id = secrets.randbits(60)  # not to be guessed before all are put
        asked: wire.Encoded | None = wire.together(id, frames)
        for number in range(id, id + count):
            try:
                answer = self._exchange(
                    partial(self._one_of, ahead, number, asked), self._budget.limits.call_cpu
                )
            except StudentFailure as failure:
                answer = failure
            ahead.answers.append(answer)
            asked = None
            if self._worker is None:
                self.one_by_one = True
                break
        return ahead

    def close(self) -> None:
        if self._worker is not None:
            self._end()

    # A worker's life

    def _start(self) -> None:
        """A new worker in which the cells have been run; a cell that ends it is left out of the next one."""
        if self.tampered is not None:
            raise self.tampered  # whoever forges messages gets no second worker to try again
        while True:
            self._budget.spend_worker()
            self._greet()
            if all(self._run_cell(*place) for place in enumerate(self._cells)):
                self._loaded = True
                return

    def _greet(self) -> None:
        worker = self._worker = self._start_worker()
        self._cpu_seen = 0.0
        try:
            hello = self._receive(worker, Deadline(time.monotonic() + self._budget.limits.startup, None))
        except OutOfTime:
            self._end()
            raise Fault("a worker did not start in time") from None
        except (Gone, wire.WireError) as error:
            ending = self._end(DYING_SECONDS)
            how = _how(ending.status) if ending else "its monitor is gone, and the zygote with it"
            raise Fault(
                f"a worker ended before it was ready ({str(error) or how}){self._last_words}"
            ) from None
        if hello.kind != "hello":
            self._end()
            raise Fault(f"a worker could not be locked: {hello.error.message if hello.error else hello.kind}")
        self._cpu_seen = worker.cpu()  # locking is ours; what comes now is the student's

    def _run_cell(self, place: int, cell: tuple[int, str]) -> bool:
        """Whether the worker is still there for the next cell. Several may have one number, as its parts."""
        number, source = cell
        if place in self._ended_in:
            return True
        try:
            asked = partial(self._converse, "load", {"cell": number, "source": source})
            report = self._exchange(asked, self._budget.limits.cell_cpu)
        except (StudentTimeout, WorkerDied) as failure:
            self._ended_in.add(place)
            self.cell_errors[number] = wire.ErrorHeader(type(failure).__name__, str(failure), "")
            return False
        if report is not None:
            kind, message, trace = (legible(text, 2000) for text in texts(report, 3))
            self.cell_errors.setdefault(number, wire.ErrorHeader(kind, message, trace))
        return True

    def _end(self, patience: float = 0.0) -> Ending | None:
        worker, self._worker = self._worker, None
        assert worker is not None
        self._look_at_cpu(worker)
        ending = worker.end(patience)
        self._keep_printed(worker)
        if ending is not None:
            self._budget.cpu += max(0.0, ending.cpu - self._cpu_seen)
            self.maxrss = max(self.maxrss, ending.maxrss)
        return ending

    # One request

    def _exchange(self, converse: Callable[[Worker, Deadline], wire.Message], cpu: float) -> Any:
        """What `converse` is answered, within its time. All but the student's own errors end the worker."""
        worker = self._worker
        assert worker is not None
        allowed = min(cpu, self._budget.cpu_left)
        wall = min(max(allowed, 0.2) * self._budget.limits.wall_factor, self._budget.wall_left)
        begun, served = time.monotonic(), time.process_time()
        deadline = Deadline(begun + wall, self._cpu_seen + allowed)
        try:
            return answer_in(on_behalf(allowed, partial(converse, worker, deadline)))
        except StudentError:
            raise
        except OutOfTime as late:
            self.wall_timeout |= late.wall
            self._too_slow(allowed, wall=late.wall)
        except Gone:
            self._died()
        except wire.WireError as error:
            self._end()
            self.tampered = ProtocolViolation(f"the worker broke the protocol: {error}")
            raise self.tampered from None
        except StudentFailure as failure:
            if isinstance(failure, ProtocolViolation):
                self.tampered = failure
            elif isinstance(failure, BudgetSpent):
                self.exhausting = str(failure)
            self.forget()
            if self._worker is not None:
                self._end()
            raise
        finally:
            self._budget.wall += time.monotonic() - begun
            self._budget.served += time.process_time() - served

    def _converse(
        self, kind: str, payload: dict[str, Any], worker: Worker, deadline: Deadline
    ) -> wire.Message:
        """A request and its answer, callbacks in between."""
        id = secrets.randbits(60)  # not to be guessed: an answer sent before the question is refused
        worker.send(wire.encode(kind, id, payload, extend=self.extend), deadline)
        while True:
            message = self._receive(worker, deadline)
            if message.kind not in QUESTIONS:
                break
            self._budget.spend_callback()
            reply = self.serve(message)
            self._budget.spend_bytes(reply.size)
            worker.send(reply, deadline)
        return self._taken(worker, message, id)

    def _one_of(
        self, ahead: Ahead, number: int, asked: wire.Encoded | None, worker: Worker, deadline: Deadline
    ) -> wire.Message:
        """One of the answers to requests that are put together: with the first, all are `asked`."""
        if asked is not None:
            worker.send(asked, deadline)
        return self._taken(worker, self._receive(worker, deadline, partial(ahead.seen, number)), number)

    def _taken(self, worker: Worker, message: wire.Message, id: int) -> wire.Message:
        if message.id != id:
            raise ProtocolViolation("the worker sent an answer to a question that was not asked")
        self._look_at_cpu(worker)
        self._keep_printed(worker)
        return message

    def _receive(
        self,
        worker: Worker,
        deadline: Deadline,
        seen: Callable[[bytearray, bytearray], None] | None = None,
    ) -> wire.Message:
        head = worker.read(wire.FRAME.size, deadline)
        header, payload = wire.frame_lengths(head)
        self._budget.spend_bytes(len(head) + header + payload)
        device = self.device if self.device.type != "cpu" else None
        parts = worker.read(header, deadline), worker.read(payload, deadline)
        if seen is not None:
            seen(*parts)
        message = wire.decode(*parts, self.resolve, device)
        self._budget.spend_bytes(message.overhead)
        return message

    # How it failed

    def _too_slow(self, allowed: float, *, wall: bool) -> NoReturn:
        self._end()
        limit = self._budget.limits.submission_cpu
        if not wall and self._budget.cpu_left <= 0:
            raise BudgetSpent(f"the notebook used up its {limit:g} s of CPU time")
        raise StudentTimeout(
            "your code waited too long without an answer"
            if wall
            else f"your code computed for more than {allowed:.3g} s without an answer"
        )

    def _died(self) -> NoReturn:
        ending = self._end(DYING_SECONDS)
        if ending is None:
            raise Fault("a worker's monitor is gone, and the zygote with it")
        signal, limit = ending.status & 0x7F, self._budget.limits.submission_cpu
        if signal in (SIGXCPU, SIGKILL) and self._budget.cpu_left <= 1:
            raise BudgetSpent(f"the notebook used up its {limit:g} s of CPU time")
        if ending.too_many_threads:
            raise WorkerDied("your code started hundreds of threads, and its process was ended")
        if ending.asked:
            raise WorkerDied("your code closed the line on which it is asked")
        if signal == SIGKILL:
            # A worker cannot send this signal, so someone else did: a person, or the kernel short of memory.
            raise Ended("a worker was killed from outside (if it was the kernel: is there memory enough?)")
        raise WorkerDied(f"your code ended its own process ({_how(ending.status)})")

    def _look_at_cpu(self, worker: Worker) -> None:
        now = max(worker.cpu(), self._cpu_seen)
        self._budget.cpu += now - self._cpu_seen
        self._cpu_seen = now

    def _keep_printed(self, worker: Worker) -> None:
        worker.drain()
        if not self._loaded:
            room = self._budget.limits.stdout - len(self.printed)
            self.printed += worker.printed[: max(0, room)]
        if words := bytes(worker.printed[-300:]).decode("utf-8", "replace").strip():
            self._last_words = f": {words.splitlines()[-1]}"
        worker.printed.clear()


def _how(status: int) -> str:
    return f"signal {status & 0x7F}" if status & 0x7F else f"exit code {status >> 8}"
