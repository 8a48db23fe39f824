"""The processes of a run: one zygote, one host, N graders; and who gets which submission when.

    parent (this, no torch) ─┬─ zygote (locked, no secrets) ─ monitor ─ worker    one a submission
                             └─ host (suites, references) ─── grader              N of them

A lost grader is replaced, a lost zygote or host started again; what that costs is a fault of the run and
never a grade. A submission that ran out of wall time, ended its grader or was killed from outside is graded
once more at the end, alone: the machine may just have been busy, or short of memory. Who ends a grader then,
too, has a result that says so, for a person (`grading/ungraded.py`), so that no run is without an end.
"""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from ..content.course_root import CourseRoot
from ..contract.budget import Limits
from ..contract.front_end import FrontEnd
from ..contract.jobs import Finished, Job
from ..errors import ContentError, Fault
from ..examined import Examined
from ..grading.ungraded import not_graded
from ..sandbox import zygote as zygotes
from ..sandbox.levels import Isolation, python_path
from ..worker.environment import ENVIRONMENT

if TYPE_CHECKING:
    from ..sandbox.zygote import Zygote

START_SECONDS = 300.0
JOBS_A_GRADER = 200  # then it is replaced, so that nothing can pile up in it
RESTARTS = 3  # without a single outcome in between
_BOOT = """
import gc
gc.disable()  # until all is imported: none of it is garbage
from autograder.processes.host import main
main()
"""

OnFinished = Callable[[Job, Finished], None]


@dataclass(frozen=True)
class Setup:
    """How the processes of a run are started."""

    root: Path
    modules: Sequence[str]
    run_seed: int
    device: str
    level: Isolation
    jobs: int
    preload: Sequence[str] = ()
    limits: Limits = field(default_factory=Limits)
    front_ends: tuple[FrontEnd, ...] = ()
    rehearse: bool = True  # the reference, before anybody is graded
    diagnosis_seed: int = 0  # of the draws by which mistakes are named


class Specification(msgspec.Struct, frozen=True):
    """What the host is told. Not on the command line: other users could read it there."""

    setup: Setup
    read: list[str]
    home: str


@dataclass
class _Grader:
    line: Connection
    pid: int
    job: Job | None = None
    deadline: float = 0.0
    done: int = 0


def once_more(job: Job, finished: Finished) -> Job | None:
    """The job again, if wall time decided anything at its first attempt, or that ended its grader."""
    late = finished.ended or (finished.wall_timeout and not finished.fault)
    return msgspec.structs.replace(job, attempt=2) if late and job.attempt == 1 else None


def settled(setup: Setup, job: Job, finished: Finished) -> Finished:
    """What is reported in the end: of what ended its grader twice, a record that says so for a person."""
    if not finished.ended or job.proof:
        return finished
    reason = (
        f"It could not be graded, at two attempts ({finished.fault}). A person has to look at it by hand."
    )
    if job.examine:
        record = Examined(student=job.student, module=job.module, key=job.key, reason=reason).to_json()
    else:
        exercises = CourseRoot(setup.root).module(job.module).graded
        record = not_graded(job, reason, exercises, run_seed=setup.run_seed, device=setup.device).to_json()
    return Finished(result=record, seconds=finished.seconds)


class Pool:
    """Use as a context manager: entering starts the processes, leaving ends them all."""

    def __init__(self, setup: Setup) -> None:
        self._setup = setup
        self._zygote: Zygote | None = None
        self._host: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        self._graders: list[_Grader] = []
        self._restarts = 0

    def __enter__(self) -> Pool:
        try:
            self._start()
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(self, *exception: object) -> None:
        self._stop()

    @property
    def pids(self) -> dict[str, list[int]]:
        """The processes by role, for tests that kill them and for reports."""
        assert self._zygote is not None
        assert self._host is not None
        return {
            "zygote": [self._zygote.process.pid],
            "host": [self._host.pid],
            "grader": [grader.pid for grader in self._graders],
        }

    def run(self, jobs: Sequence[Job], on_finished: OnFinished) -> None:
        """Has every job graded; `on_finished` gets each with its result or fault, in the order they finish.

        Raises Fault only when nothing can be graded any more; jobs that were not finished then got no call.
        """
        waiting, alone = deque(jobs), deque[Job]()
        while waiting or alone or any(grader.job for grader in self._graders):
            idle = [grader for grader in self._graders if not grader.job]
            if not self._sound:
                pass  # nothing more is given out until `_mend` could start anew
            elif waiting:
                for grader in idle[: len(waiting)]:
                    self._give(grader, waiting.popleft())
            elif alone and idle and len(idle) == len(self._graders):
                # What ran out of wall time goes last, one at a time.
                self._give(idle[0], alone.popleft())
            for grader, job, finished in self._collect():
                grader.job = None
                if again := once_more(job, finished):
                    alone.append(again)
                else:
                    on_finished(job, settled(self._setup, job, finished))
            self._mend()

    # One round

    def _give(self, grader: _Grader, job: Job) -> None:
        grader.job = job
        # A backstop for a grader that hangs: its own budgets end any submission long before.
        limits = self._setup.limits
        worst = limits.submission_cpu * limits.wall_factor + limits.startup
        grader.deadline = time.monotonic() + 2 * worst
        with contextlib.suppress(OSError):  # it has died: `_collect` will see that
            grader.line.send_bytes(msgspec.json.encode(job))

    def _collect(self) -> list[tuple[_Grader, Job, Finished]]:
        """What graders have finished, died on, or hung at."""
        found = []
        ready = wait([grader.line for grader in self._graders], timeout=1.0)
        for grader in list(self._graders):
            job = grader.job
            if grader.line in ready:
                try:
                    answer = msgspec.json.decode(grader.line.recv_bytes(), type=Finished)
                    self._restarts = 0
                    grader.done += 1
                except (EOFError, OSError):
                    answer = Finished(fault="its grader died", ended=True)
                    self._drop(grader)
                if job is not None:
                    found.append((grader, job, answer))
            elif job is not None and time.monotonic() > grader.deadline:
                self._drop(grader)
                found.append((grader, job, Finished(fault="its grader hung and was ended", ended=True)))
        return found

    def _mend(self) -> None:
        """Replaces what died or has served its time."""
        for grader in [grader for grader in self._graders if not grader.job and grader.done >= JOBS_A_GRADER]:
            self._drop(grader)
        if not self._sound:
            if any(grader.job for grader in self._graders):
                return  # let the others come to their end first
            self._count_restart()
            self._stop()
            self._start()
        while len(self._graders) < self._setup.jobs:
            if not self._add_grader():
                self._count_restart()
                return

    @property
    def _sound(self) -> bool:
        """Whether zygote and host are there to grade with."""
        assert self._zygote is not None
        assert self._host is not None
        return self._zygote.alive and self._host.poll() is None

    def _count_restart(self) -> None:
        self._restarts += 1
        if self._restarts > RESTARTS:
            raise Fault("the grading processes died again and again; see the messages above")

    def _drop(self, grader: _Grader) -> None:
        self._graders.remove(grader)
        grader.line.close()
        with contextlib.suppress(OSError):
            os.kill(grader.pid, 9)

    # Starting and stopping

    def _start(self) -> None:
        setup = self._setup
        self._zygote = zygotes.start(setup.level, setup.root, preload=setup.preload, device=setup.device)
        self._start_host(self._zygote)
        self._zygote.wait_until_ready()
        self._wait_for_host()
        while len(self._graders) < setup.jobs:
            if not self._add_grader():
                raise Fault("a grader could not be started")

    def _start_host(self, zygote: Zygote) -> None:
        specification = Specification(self._setup, zygote.read, zygote.home)
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        threads = {name: value for name, value in ENVIRONMENT.items() if "THREADS" in name or "OMP" in name}
        with theirs:
            self._host = subprocess.Popen(
                # -P: not what lies in the current folder, which may be a submission's, a torch.py say.
                [sys.executable, "-P", "-c", _BOOT, str(theirs.fileno())],
                env={**os.environ, **threads, "PYTHONPATH": python_path()},
                stdin=subprocess.PIPE,
                pass_fds=(theirs.fileno(),),
                start_new_session=True,  # Ctrl-C is for the parent, which ends the others in order
            )
        assert self._host.stdin is not None
        with self._host.stdin as sink:
            sink.write(msgspec.json.encode(specification, enc_hook=str))

    def _wait_for_host(self) -> None:
        assert self._control is not None
        said = zygotes.first_word(self._control, START_SECONDS)
        if said == b"ready":
            return
        text = said.decode("utf-8", "replace")
        if text.startswith("2"):
            raise ContentError(text[1:])
        raise Fault(text[1:] or "the host of the graders did not start; see the message above")

    def _add_grader(self) -> bool:
        assert self._zygote is not None
        assert self._control is not None
        ours, theirs = socket.socketpair()
        try:
            with theirs, self._zygote.connect() as zygote:
                socket.send_fds(self._control, [b"+"], [theirs.fileno(), zygote.fileno()])
            line = Connection(ours.detach())
            if not line.poll(START_SECONDS):
                return False
            self._graders.append(_Grader(line, int(line.recv_bytes())))
        except (OSError, EOFError, Fault):
            ours.close()
            return False
        return True

    def _stop(self) -> None:
        for grader in list(self._graders):
            self._drop(grader)
        if self._control is not None:
            self._control.close()
            self._control = None
        if self._host is not None:
            zygotes.wait_or_kill(self._host)
            self._host = None
        if self._zygote is not None:
            self._zygote.close()
            self._zygote = None
