"""`autograder verify`: proves a module's tests against its reference, known mistakes and variants.

    the reference            full marks
    untouched stubs          0 points
    trivial answers          0 points (zeros, ones, the input, None, NaN, a number, a wrong shape, ...)
    every known mistake      loses points, and is named, and nothing else is
    every correct variant    full marks, and no false alarm about GPUs
    each one's source        does in a notebook what it does in its own file
    public checks            green for what is right, red for every mistake that they can see

Graders do it, as they grade: the first five of each exercise with each seed (`proof/prove.py`), the others
with the first seed alone. The reference, the stubs and one mistake an exercise also travel the whole way, as
notebooks through a worker, once.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from course.catalogue.syllabus import Exercise, Module

from ..content.course_root import CourseRoot
from ..contract.budget import limits_of
from ..contract.jobs import Finished, Job, Proof
from ..errors import Fault, UsageError
from ..processes import inline
from ..processes.pool import OnFinished, Pool, Setup
from ..proof.finding import Finding, KnownMistake, Proven
from ..proof.whole_way import Notebook, notebooks
from ..results import Result
from ..sandbox.levels import Isolation

OnFinding = Callable[[Finding], None]
Run = Callable[[Sequence[Job], OnFinished], None]


def seeds_of(asked: str) -> range:
    """The seeds that are asked for: "10" are ten, from 0; "1-9" are these. Raises UsageError."""
    found = re.fullmatch(r"(?:(\d+)-)?(\d+)", asked)
    seeds = range(int(found[1] or 0), int(found[2]) + bool(found[1])) if found else range(0)
    if not seeds:
        raise UsageError(f"--seeds {asked!r} is neither a number of seeds, like 10, nor a range, like 1-9")
    return seeds


def verify(
    root: CourseRoot,
    modules: Sequence[str],
    seeds: Sequence[int],
    level: Isolation,
    device: str,
    on_finding: OnFinding,
    jobs: int = 1,
    quick: bool = False,
) -> dict[str, float]:
    """Tries everything; `on_finding` gets each outcome. Returns the CPU seconds of each module.

    jobs   how many graders share the work.
    quick  leaves out sources and public checks.
    Raises ContentError for a module that cannot be loaded, Fault for a broken test.
    """
    verifying = _Verifying(root, modules, seeds, level, on_finding, quick)
    with running(root, modules, seeds[0], level, device, jobs) as run:
        verifying.run(run)
    return verifying.seconds


@contextmanager
def running(
    root: CourseRoot, modules: Sequence[str], seed: int, level: Isolation, device: str, jobs: int
) -> Iterator[Run]:
    """What has jobs done, in graders of these modules or, without isolation, in this process."""
    limits = limits_of(root.syllabus.limits.asked)
    setup = Setup(root.path, modules, seed, device, level, jobs, limits=limits, rehearse=False)
    if level is Isolation.NONE:
        yield partial(inline.run, setup)
    else:
        with Pool(setup) as pool:
            yield pool.run


class _Verifying:
    """The jobs, and what is made of their outcomes."""

    def __init__(
        self,
        root: CourseRoot,
        modules: Sequence[str],
        seeds: Sequence[int],
        level: Isolation,
        on_finding: OnFinding,
        quick: bool,
    ) -> None:
        self._root, self._seeds, self._level, self._quick = root, seeds, level, quick
        self._modules = [root.module(id) for id in modules]
        self._on_finding = on_finding
        self._mistakes: dict[str, dict[str, KnownMistake]] = {id: {} for id in modules}
        self._notebooks: dict[str, Notebook] = {}
        self.seconds = dict.fromkeys(modules, 0.0)

    def run(self, run: Run) -> None:
        """First what takes longest; the notebooks need the mistakes that come of it."""
        run(self._proofs(), self._on_proven)
        with tempfile.TemporaryDirectory(prefix="autograder-") as folder:
            run(self._written(Path(folder)), self._on_graded)

    def _proofs(self) -> list[Job]:
        def job(module: Module, exercise: Exercise, seed: int) -> Job:
            proof = Proof(exercise.id, seed, quick=self._quick or seed != self._seeds[0])
            return Job("verify", module.id, "", "", "", self._level.value, proof=proof)

        return [
            job(module, exercise, seed)
            for seed in self._seeds
            for module in self._modules
            for exercise in reversed(module.exercises)  # the last ones, of whole networks, take longest
        ]

    def _on_proven(self, job: Job, finished: Finished) -> None:
        assert job.proof is not None
        proven = Proven.from_json(self._record(job, finished))
        if proven.mistake:
            self._mistakes[job.module][job.proof.exercise] = proven.mistake
        for finding in proven.findings:
            self._on_finding(finding)

    def _written(self, folder: Path) -> list[Job]:
        jobs = []
        for module in self._modules:
            for notebook in notebooks(self._root, module, self._mistakes[module.id]):
                job = notebook.write(self._root, folder, self._level.value)
                self._notebooks[job.path] = notebook
                jobs.append(job)
        return jobs

    def _on_graded(self, job: Job, finished: Finished) -> None:
        result = Result.from_json(self._record(job, finished))
        for finding in self._notebooks[job.path].findings(result):
            self._on_finding(finding)

    def _record(self, job: Job, finished: Finished) -> str:
        if finished.fault:
            raise Fault(f"{job.module}: {finished.fault}")
        self.seconds[job.module] += finished.seconds
        return finished.result
