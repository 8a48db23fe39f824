"""Grading in one's own process keeps the promises of a pool: see `autograder.processes.answering`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from autograder.content.course_root import CourseRoot
from autograder.contract.budget import Limits
from autograder.contract.jobs import Finished, Job
from autograder.processes import inline
from autograder.processes.pool import Setup
from autograder.results import Result, Status
from autograder.sandbox.levels import Isolation
from tests.sample_class import Material

SOFTMAX = "stable_softmax"
RIGHT = (
    "def stable_softmax(x, dim):\n    e = (x - x.amax(dim, keepdim=True)).exp()\n"
    "    return e / e.sum(dim, keepdim=True)\n"
)

pytestmark = pytest.mark.slow


def notebook(material: Material, path: Path, answer: str) -> Job:
    draft = material.draft()
    draft.answer(SOFTMAX, answer)
    path.write_bytes(draft.bytes())
    return Job(path.stem, "attention", str(path), path.name, "planned", "none", basis="basis")


def run(root: CourseRoot, jobs: list[Job], limits: Limits | None = None) -> dict[str, tuple[Job, Finished]]:
    setup = Setup(root.path, ["attention"], 1, "cpu", Isolation.NONE, 1, limits=limits or Limits())
    found: dict[str, tuple[Job, Finished]] = {}
    inline.run(setup, jobs, lambda job, finished: found.update({job.student: (job, finished)}))
    return found


def test_a_fault_in_one_submission_is_reported_and_the_others_are_graded(
    course_root: CourseRoot, material: Material, tmp_path: Path
) -> None:
    first, second = (notebook(material, tmp_path / f"{name}.ipynb", RIGHT) for name in ("ada", "ben"))
    Path(first.path).unlink()
    lost = replace_problem(second, "cleo", "It is a symbolic link.")

    found = run(course_root, [first, second, lost])

    assert "ada.ipynb" in found["ada"][1].fault
    ben = Result.from_json(found["ben"][1].result)
    assert ben.exercises[0].points == ben.exercises[0].max_points
    assert ben.key == second.key_of(ben.sha256) != "planned"
    cleo = Result.from_json(found["cleo"][1].result)
    assert (cleo.status, cleo.reason, cleo.points) == (Status.UNREADABLE, "It is a symbolic link.", 0)
    # Its properties are listed as those of a notebook that is broken.
    assert [len(exercise.tests) for exercise in cleo.exercises[:-1]] == [
        len(exercise.tests) for exercise in ben.exercises[:-1]
    ]


def replace_problem(job: Job, student: str, problem: str) -> Job:
    from msgspec.structs import replace as with_fields

    return with_fields(job, student=student, problem=problem)


def test_what_wall_time_ended_is_graded_once_more(
    course_root: CourseRoot, material: Material, tmp_path: Path
) -> None:
    """The machine was busy at the first attempt, and is not at the second."""
    seen = tmp_path / "seen"
    late = (
        "import os, time\n"
        "def stable_softmax(x, dim):\n"
        f"    if not os.path.exists({str(seen)!r}):\n"
        f"        open({str(seen)!r}, 'w').close()\n"
        "        time.sleep(1000)\n"
        "    e = (x - x.amax(dim, keepdim=True)).exp()\n    return e / e.sum(dim, keepdim=True)\n"
    )
    job = notebook(material, tmp_path / "ada.ipynb", late)

    found = run(course_root, [job], replace(Limits(), call_cpu=1.0, wall_factor=4.0))

    (again, finished) = found["ada"]
    result = Result.from_json(finished.result)
    assert again.attempt == 2
    assert [flag.kind for flag in result.flags if flag.kind == "wall-timeout"] == []
    assert result.exercises[0].points == result.exercises[0].max_points
