"""Opens a worker and grades: what a grader does with a job, in whatever process it is."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import msgspec
import torch

from ..content.course_root import CourseRoot
from ..content.module import GradedModule
from ..contract.budget import Budget, Limits
from ..contract.front_end import FrontEnd
from ..contract.jobs import Finished, Job
from ..contract.line import InProcess
from ..contract.on_behalf import out_of_memory
from ..errors import ContentError, Ended, Fault
from ..grading.examine import examine_submission
from ..grading.exercise import grade_exercise
from ..grading.grade import Bench, grade_submission
from ..grading.setting import Setting
from ..grading.suite import Suite
from ..proof.mutants import try_mutant
from ..proof.prove import prove
from ..sandbox.line import Worker, WorkerLine
from .pool import Setup

StartWorker = Callable[[Budget], Worker]


def settings_of(
    root: CourseRoot, suites: Mapping[str, Suite], setup: Setup
) -> dict[str, tuple[GradedModule, Setting]]:
    """For each collected suite its module, and what grading it goes by; raises ContentError."""
    torch.set_num_threads(1)
    found = {}
    for id, suite in suites.items():
        module = GradedModule.load(root, id)
        device = torch.device(setup.device)
        found[id] = module, Setting(suite, module.reference, setup.run_seed, device, setup.diagnosis_seed)
    return found


def rehearse(module: GradedModule, setting: Setting) -> None:
    """Grades the reference once, so that a broken suite stops the run before it costs anyone a point.

    It also pays, for all graders at once, for what torch loads at the first backward pass, and leaves in
    `setting` what each test asks.
    Raises ContentError.
    """
    setting = replace(setting, rehearsing=True)
    for exercise in module.entry.exercises:
        line = InProcess(setting.reference.namespace, setting.device)
        for test in grade_exercise(setting, line, exercise, []).result.tests:
            if not test.passed:
                raise ContentError(f"the reference fails its own hidden test {test.id}: {test.message}")


class Answering:
    """Answers jobs, each with workers of its own, which `start_worker` starts."""

    def __init__(
        self,
        settings: Mapping[str, tuple[GradedModule, Setting]],
        start_worker: StartWorker,
        device: str,
        limits: Limits,
        front_ends: tuple[FrontEnd, ...] = (),
    ) -> None:
        self._start_worker, self._device = start_worker, torch.device(device)
        self._budgets: list[Budget] = []  # what the job's workers have used
        self._benches = {
            id: Bench(module, setting, self._open_line, limits, front_ends)
            for id, (module, setting) in settings.items()
        }

    def answer(self, job: Job) -> Finished:
        """The job's record, or what was not the student's fault. Nothing in one stops the others."""
        began = time.process_time()
        self._budgets.clear()
        finished = self._answer(job)
        workers = sum(budget.cpu for budget in self._budgets)
        return msgspec.structs.replace(finished, seconds=time.process_time() - began + workers)

    def _answer(self, job: Job) -> Finished:
        bench = self._benches[job.module]
        try:
            if job.examine:
                examined, wall_timeout = examine_submission(job, bench)
                return Finished(result=examined.to_json(), wall_timeout=wall_timeout)
            if job.proof:
                of = try_mutant if job.proof.mutant else prove
                return Finished(result=of(bench.module, bench.setting, job.proof).to_json())
            result, wall_timeout = grade_submission(job, bench)
        except Fault as fault:
            return Finished(fault=str(fault), ended=isinstance(fault, Ended))
        except OSError as error:
            return Finished(fault=f"{type(error).__name__} in the grader: {error}")
        except Exception as error:
            if out_of_memory(error):
                return Finished(fault="the grader had too little memory for it", ended=True)
            # A bug of ours: say where, and let the other submissions go on.
            at = traceback.extract_tb(error.__traceback__)[-1]
            place = f"{Path(at.filename).name}:{at.lineno}"
            return Finished(fault=f"the grader failed at {place}: {type(error).__name__}: {error}")
        return Finished(result=result.to_json(), wall_timeout=wall_timeout)

    def _open_line(self, budget: Budget, cells: list[tuple[int, str]]) -> WorkerLine:
        self._budgets.append(budget)
        return WorkerLine(lambda: self._start_worker(budget), budget, cells, self._device)
