"""The trusted process that has torch, pytest, the references and the suites loaded, and forks graders.

    python -c "from autograder.processes.host import main; main()" DESCRIPTOR < specification.json

Over the control line to the parent come a grader's two lines, as descriptors: to the parent (jobs in,
outcomes out, JSON in length-prefixed messages) and to the zygote. A grader lives until the parent hangs
up. It never runs a student's code: that happens at the other end of a `WorkerLine`.
"""

from __future__ import annotations

import gc
import os
import resource
import signal
import socket
import sys
import time
from multiprocessing.connection import Connection

import msgspec
import torch

from course.checking import portability

from ..content.course_root import CourseRoot
from ..content.module import GradedModule
from ..contract.budget import Budget, Limits
from ..contract.jobs import Job
from ..errors import AutograderError
from ..grading.setting import Setting
from ..grading.suite import Suite, with_suites
from ..sandbox.locked import LockedWorker
from ..worker.kernel.limits import address_space
from ..worker.zygote import WorkerOrder
from .answering import Answering, rehearse, settings_of
from .pool import Specification


def main() -> None:
    control = socket.socket(fileno=int(sys.argv[1]))
    specification = msgspec.json.decode(
        sys.stdin.buffer.read(), type=Specification, dec_hook=lambda kind, text: kind(text)
    )
    root = CourseRoot(specification.setup.root)
    try:
        with_suites(
            {module: root.suite(module) for module in specification.setup.modules},
            lambda suites: _serve(control, specification, suites),
        )
    except AutograderError as error:
        control.send(f"{error.exit_code}{error}".encode()[:8000])
        raise SystemExit(error.exit_code) from None


def _serve(control: socket.socket, specification: Specification, suites: dict[str, Suite]) -> None:
    setup = specification.setup
    settings = settings_of(CourseRoot(setup.root), suites, setup)
    if setup.rehearse:
        for module, setting in settings.values():
            rehearse(module, setting)
    else:
        _warm_up()
    gc.freeze()
    gc.enable()
    control.send(b"ready")
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        data, descriptors, _, _ = socket.recv_fds(control, 64, 4)
        if not data:
            return
        if os.fork() == 0:
            try:
                control.close()
                parent, zygote = Connection(descriptors[0]), socket.socket(fileno=descriptors[1])
                _answer_jobs(parent, zygote, specification, settings)
            finally:
                os._exit(0)
        for descriptor in descriptors:
            os.close(descriptor)


def _warm_up() -> None:
    """What torch and the pretended accelerator load at first use, once for all graders; starts no thread."""
    portability.prepare()
    torch.ones(1, requires_grad=True).exp().sum().backward()  # type: ignore[no-untyped-call]  # torch gives it no types


def _answer_jobs(
    parent: Connection,
    zygote: socket.socket,
    specification: Specification,
    settings: dict[str, tuple[GradedModule, Setting]],
) -> None:
    setup, read = specification.setup, tuple(specification.read)
    limits = setup.limits
    order = WorkerOrder(setup.level, setup.device, limits.memory, limits.scratch, read, specification.home)

    def start(budget: Budget) -> LockedWorker:
        # Two seconds beyond what is left: our own clock ends it first, and says why.
        return LockedWorker(zygote, order, int(budget.cpu_left) + 2)

    answering = Answering(settings, start, setup.device, limits, setup.front_ends)
    if setup.device == "cpu":  # CUDA reserves terabytes of addresses
        # Never less than usual: a worker's limit is lowered in a small container, a suite's needs are not.
        _limit(resource.RLIMIT_AS, address_space() + max(limits.memory, Limits.memory))
    parent.send_bytes(str(os.getpid()).encode())
    while True:
        try:
            job = msgspec.json.decode(parent.recv_bytes(), type=Job)
        except (EOFError, OSError):
            return
        # The last resort against a single call into C without an end: the kernel ends this grader then.
        until = resource.RLIM_INFINITY if job.proof else int(time.process_time() + limits.grader_cpu) + 1
        _limit(resource.RLIMIT_CPU, until)
        parent.send_bytes(msgspec.json.encode(answering.answer(job)))


def _limit(which: int, value: int) -> None:
    """Sets a limit of this process, no higher than it may go."""
    hard = resource.getrlimit(which)[1]
    within = hard != resource.RLIM_INFINITY and not 0 <= value <= hard
    resource.setrlimit(which, (hard if within else value, hard))
