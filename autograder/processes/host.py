"""The trusted process that has torch, pytest, the references and the suites loaded, and forks graders.

    python -m autograder.processes.host DESCRIPTOR < specification.json

Over the control line to the parent come a grader's two lines, as descriptors: to the parent (jobs in,
outcomes out, JSON in length-prefixed messages) and to the zygote. A grader lives until the parent hangs
up. It never runs a student's code: that happens at the other end of a `WorkerLine`.
"""

from __future__ import annotations

import gc
import os
import signal
import socket
import sys
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import msgspec

from ..content.course_root import CourseRoot
from ..contract.budget import Budget, Limits
from ..contract.jobs import Finished, Job, Specification
from ..errors import AutograderError, ContentError, Fault
from ..grading.examine import examine_submission
from ..grading.grade import Course, grade_submission
from ..grading.suite import Suite, with_suites
from ..sandbox.line import WorkerLine
from ..sandbox.locked import LockedWorker, WorkerConditions


def main() -> None:
    control = socket.socket(fileno=int(sys.argv[1]))
    specification = msgspec.json.decode(sys.stdin.buffer.read(), type=Specification)
    try:
        with_suites(
            {module: CourseRoot(Path(specification.root)).suite(module) for module in specification.modules},
            lambda suites: _serve(control, specification, suites),
        )
    except AutograderError as error:
        control.send(f"{error.exit_code}{error}".encode()[:8000])
        raise SystemExit(error.exit_code) from None


def load_course(root: CourseRoot, suite: Suite, run_seed: int, device: str) -> Course:
    """Everything about a module that grading needs; raises ContentError."""
    import torch

    from course.catalogue.quiz import load_quiz

    from ..content.reference import load_reference
    from ..grading.exercise import Setting
    from ..grading.quiz import load_keys
    from ..submission.read import read

    module = root.module(suite.module)
    setting = Setting(suite, load_reference(root, suite.module), run_seed, torch.device(device))
    quiz = load_quiz(root.quiz(suite.module)) if module.quiz else None
    keys = load_keys(root.keys(suite.module)) if module.quiz else {}
    released = read(root.exercise_notebook(suite.module))
    return Course(module, setting, released, quiz, keys, root.syllabus.modules)


def rehearse(course: Course) -> None:
    """Grades the reference once, so that a broken suite stops the run before it costs anyone a point.

    It also pays, for all graders at once, for what torch loads at the first backward pass.
    Raises ContentError.
    """
    from ..contract.line import InProcess
    from ..grading.exercise import grade_exercise

    for exercise in course.module.exercises:
        line = InProcess(course.setting.reference.namespace, course.setting.device)
        for test in grade_exercise(course.setting, line, exercise, []).result.tests:
            if not test.passed:
                raise ContentError(f"the reference fails its own hidden test {test.id}: {test.message}")


def _serve(control: socket.socket, specification: Specification, suites: dict[str, Suite]) -> None:
    import torch

    torch.set_num_threads(1)
    root = CourseRoot(Path(specification.root))
    courses = {
        module: load_course(root, suite, specification.run_seed, specification.device)
        for module, suite in suites.items()
    }
    for course in courses.values():
        rehearse(course)
    gc.collect()
    gc.freeze()
    control.send(b"ready")
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        data, descriptors, _, _ = socket.recv_fds(control, 64, 4)
        if not data:
            return
        if os.fork() == 0:
            try:
                control.close()
                _grade_jobs(
                    Connection(descriptors[0]), socket.socket(fileno=descriptors[1]), specification, courses
                )
            finally:
                os._exit(0)
        for descriptor in descriptors:
            os.close(descriptor)


def _grade_jobs(
    parent: Connection, zygote: socket.socket, specification: Specification, courses: dict[str, Course]
) -> None:
    import torch

    limits = specification.limits
    request = WorkerConditions(
        specification.level,
        specification.device,
        limits.memory,
        limits.scratch,
        tuple(specification.read),
        specification.home,
    )

    def open_line(budget: Budget, cells: list[tuple[int, str]]) -> WorkerLine:
        def start() -> LockedWorker:
            # Two seconds beyond what is left: our own clock ends it first, and says why.
            return LockedWorker(zygote, request, int(budget.cpu_left) + 2)

        return WorkerLine(start, budget, cells, torch.device(specification.device))

    parent.send_bytes(str(os.getpid()).encode())
    while True:
        try:
            job = msgspec.json.decode(parent.recv_bytes(), type=Job)
        except (EOFError, OSError):
            return
        parent.send_bytes(msgspec.json.encode(_finish(job, courses[job.module], open_line, limits)))


def _finish(job: Job, course: Course, open_line: Any, limits: Limits) -> Finished:
    try:
        if job.examine:
            examined, wall_timeout = examine_submission(job, course, open_line, limits)
            return Finished(result=examined.to_json(), wall_timeout=wall_timeout)
        outcome = grade_submission(job, course, open_line, limits)
    except Fault as fault:
        return Finished(fault=str(fault))
    except (MemoryError, OSError) as error:
        return Finished(fault=f"{type(error).__name__} in the grader: {error}")
    except Exception as error:  # a bug of ours: say where, and let the other submissions go on
        where = _innermost(error)
        return Finished(fault=f"the grader failed at {where}: {type(error).__name__}: {error}")
    return Finished(result=outcome.result.to_json(), wall_timeout=outcome.wall_timeout)


def _innermost(error: Exception) -> str:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return "an unknown place"
    return f"{Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}"


if __name__ == "__main__":
    main()
