"""Grading without isolation, in this very process: for one's own code, on any system.

The student's code still runs in a subprocess of its own and speaks the same protocol.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..content.course_root import CourseRoot
from ..contract.jobs import Job
from ..worker.environment import ENVIRONMENT
from .pool import OnFinished, Setup, once_more, settled

if TYPE_CHECKING:
    from ..grading.suite import Suite


def run(setup: Setup, jobs: Sequence[Job], on_finished: OnFinished) -> None:
    """Grades the jobs one after another; imports torch here."""
    os.environ.update({name: value for name, value in ENVIRONMENT.items() if "THREADS" in name})
    from ..grading.suite import with_suites
    from ..sandbox.plain import PlainWorker
    from .answering import Answering, settings_of

    root = CourseRoot(Path(setup.root))

    def body(suites: dict[str, Suite]) -> None:
        settings = settings_of(root, suites, setup)
        answering = Answering(
            settings, lambda _: PlainWorker(setup.device), setup.device, setup.limits, setup.front_ends
        )
        waiting = deque(jobs)
        while waiting:
            job = waiting.popleft()
            finished = answering.answer(job)
            if again := once_more(job, finished):
                waiting.append(again)
            else:
                on_finished(job, settled(setup, job, finished))

    with_suites({module: root.suite(module) for module in setup.modules}, body)
