"""A pool at each level of isolation, in which tests have single cells graded the whole way."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from shutil import which

import pytest

from autograder import build
from autograder.content.course_root import CourseRoot
from autograder.contract.budget import Limits
from autograder.contract.jobs import Finished, Job
from autograder.processes.pool import Pool, Setup
from autograder.results import Result
from autograder.sandbox.levels import Isolation, probe

ROOT = CourseRoot.find(Path(__file__).parent)
# Short, so that an attack on patience takes seconds; long enough for honest code on a busy machine.
LIMITS = Limits(call_cpu=0.5, cell_cpu=1.0, submission_cpu=2.0, wall_factor=10.0, submission_wall=20.0)


@dataclass
class Graders:
    """`grade(cell)` grades a notebook of which this one cell was written by the student."""

    level: Isolation
    pool: Pool
    folder: Path
    results: dict[str, Result] = field(default_factory=dict)

    def finish(self, answers: dict[str, str]) -> Finished:
        path = self.folder / "attention.ipynb"
        path.write_bytes(build.dump(build.compose(ROOT, "attention", answers)))
        finished: list[Finished] = []
        job = Job("student", "attention", str(path), path.name, "", self.level.value)
        self.pool.run([job], lambda job, answer: finished.append(answer))
        return finished[0]

    def grade(self, answers: dict[str, str]) -> Result:
        finished = self.finish(answers)
        assert not finished.fault, finished.fault
        return Result.from_json(finished.result)

    def points_of_an_honest_student(self) -> float:
        """Of stable_softmax alone, which is quick to grade."""
        solved = build.answers(ROOT, "attention", "solved")
        result = self.grade({"stable_softmax": solved["stable_softmax"]})
        return next(exercise.points for exercise in result.exercises if exercise.id == "stable_softmax")


def _graders(level: Isolation, folder: Path, limits: Limits) -> Iterator[Graders]:
    if reason := probe()[level]:
        pytest.skip(f"isolation {level.value} does not work on this machine: {reason}")
    with Pool(Setup(ROOT.path, ["attention"], 7, "cpu", level, jobs=1, limits=limits)) as pool:
        yield Graders(level, pool, folder)


# The strongest that there is; the other is for `make test-all`.
LEVELS = [Isolation.FULL, Isolation.LANDLOCK] if which("bwrap") else [Isolation.LANDLOCK, Isolation.FULL]
FIRST, OTHER = (
    pytest.param(level, id=level.value, marks=marks)
    for level, marks in zip(LEVELS, ((), pytest.mark.slow), strict=True)
)


@pytest.fixture(scope="package", params=[FIRST, OTHER])
def graders(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Graders]:
    yield from _graders(request.param, tmp_path_factory.mktemp("submissions"), LIMITS)


@pytest.fixture(scope="package")
def impatient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Graders]:
    """Graders whose wall time is short, for what sleeps."""
    limits = replace(LIMITS, call_cpu=0.4, cell_cpu=0.4, wall_factor=5.0, submission_wall=5.0)
    yield from _graders(Isolation.LANDLOCK, tmp_path_factory.mktemp("submissions"), limits)
