"""Grading without isolation, in this very process: for one's own code, on any system.

The student's code still runs in a subprocess of its own and speaks the same protocol.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from ..contract.jobs import Finished, Job
from ..errors import Fault
from ..worker.environment import ENVIRONMENT
from .pool import OnFinished, Setup


def run(setup: Setup, jobs: Sequence[Job], on_finished: OnFinished) -> None:
    """Grades the jobs one after another; imports torch here."""
    os.environ.update({name: value for name, value in ENVIRONMENT.items() if "THREADS" in name})
    import torch

    from ..content.course_root import CourseRoot
    from ..contract.budget import Budget
    from ..grading.examine import examine_submission
    from ..grading.grade import grade_submission
    from ..grading.suite import Suite, with_suites
    from ..sandbox.line import WorkerLine
    from ..sandbox.plain import PlainWorker
    from .host import load_course

    torch.set_num_threads(1)
    root = CourseRoot(Path(setup.root))
    device = torch.device(setup.device)

    def open_line(budget: Budget, cells: list[tuple[int, str]]) -> WorkerLine:
        return WorkerLine(lambda: PlainWorker(setup.device), budget, cells, device)

    def body(suites: dict[str, Suite]) -> None:
        courses = {
            module: load_course(root, suite, setup.run_seed, setup.device) for module, suite in suites.items()
        }
        for job in jobs:
            try:
                if job.examine:
                    examined, _ = examine_submission(job, courses[job.module], open_line, setup.limits)
                    on_finished(job, Finished(result=examined.to_json()))
                    continue
                outcome = grade_submission(job, courses[job.module], open_line, setup.limits)
            except Fault as fault:
                on_finished(job, Finished(fault=str(fault)))
            else:
                on_finished(job, Finished(result=outcome.result.to_json()))

    with_suites({module: root.suite(module) for module in setup.modules}, body)
