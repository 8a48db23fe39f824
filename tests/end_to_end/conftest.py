"""The command line as a person types it, and the sample class graded once for all tests."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from autograder.content.course_root import CourseRoot
from autograder.contract.budget import Limits
from autograder.contract.jobs import Job
from autograder.processes.pool import Pool, Setup
from autograder.results import Result
from autograder.run.store import Store
from autograder.sandbox.levels import strongest
from tests.end_to_end.small_class import Graders
from tests.made_once import made_once
from tests.sample_class import CLASS, Material, Student, write_class

SEED = 20
COMMAND = [sys.executable, "-m", "autograder.cli", "grade"]


@dataclass(frozen=True)
class Graded:
    """What a run of `autograder grade` left behind and said."""

    out: Path
    code: int
    said: str
    complained: str

    @property
    def results(self) -> dict[str, Result]:
        """The results that count, by student."""
        return {result.student: result for result in Store(self.out).results()}


Grade = Callable[..., Graded]


@pytest.fixture(scope="session")
def grade(course_root: CourseRoot) -> Grade:
    """Runs `autograder grade PATHS --out OUT OPTIONS` to its end."""

    def run(*paths: Path, out: Path, options: Sequence[str] = ("--seed", str(SEED), "--jobs", "2")) -> Graded:
        done = subprocess.run(
            [*COMMAND, *map(str, paths), "--out", str(out), *options, "--course-root", str(course_root.path)],
            cwd=course_root.path,
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=280,
        )
        return Graded(out, done.returncode, done.stdout, done.stderr)

    return run


@pytest.fixture(scope="session")
def sample_class(material: Material, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with everybody's notebook, as STUDENT/attention.ipynb."""
    return made_once(tmp_path_factory, "class", lambda folder: write_class(folder, material))


@pytest.fixture(scope="session")
def class_run(sample_class: Path, grade: Grade, tmp_path_factory: pytest.TempPathFactory) -> Graded:
    """The whole class, graded once. Tests only read what it left; `copy_of` gives one to go on with."""

    def make(folder: Path) -> None:
        folder.mkdir()
        run = grade(sample_class, out=folder / "graded")
        (folder / "run.json").write_text(json.dumps([run.code, run.said, run.complained]), encoding="utf-8")

    folder = made_once(tmp_path_factory, "class-run", make)
    return Graded(folder / "graded", *json.loads((folder / "run.json").read_text(encoding="utf-8")))


@pytest.fixture
def copy_of(tmp_path: Path) -> Callable[[Graded], Path]:
    """A copy of a run's output folder, file times kept."""

    def copy(run: Graded) -> Path:
        return shutil.copytree(run.out, tmp_path / "graded", copy_function=shutil.copy2)

    return copy


def named(name: str) -> Student:
    """The one of the class whose name contains this."""
    (found,) = (student for student in CLASS if name in student.name)
    return found


@pytest.fixture
def impatient(course_root: CourseRoot, monkeypatch: pytest.MonkeyPatch) -> Iterator[Graders]:
    """Two graders that wait for a call or a cell for 10 s at most: only what sleeps takes as long."""
    limits = Limits(call_cpu=2.0, cell_cpu=2.0, wall_factor=5.0)
    setup = Setup(course_root.path, ["attention"], SEED, "cpu", strongest("auto"), 2, limits=limits)
    with Pool(setup) as pool:
        graders = Graders(pool)
        give = pool._give

        def noted(grader: object, job: Job) -> None:
            graders.given.append((job.student, sum(other.job is not None for other in pool._graders)))
            give(grader, job)  # type: ignore[arg-type]

        monkeypatch.setattr(pool, "_give", noted)
        yield graders
