"""A fault of the machine is no zero: nbgrader keeps what it had, and the command says so."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
from typer.testing import CliRunner

from autograder.cli import app
from autograder.contract.jobs import Finished, Job
from autograder.processes.pool import OnFinished, Pool, Setup
from tests.nbgrader.conftest import ADA, KWAME
from tests.nbgrader.directory import Directory


class BrokenPool:
    """Grades nobody: the disk is full."""

    def __init__(self, setup: Setup) -> None: ...

    def __enter__(self) -> BrokenPool:
        return self

    def __exit__(self, *exception: object) -> None: ...

    def run(self, jobs: Sequence[Job], on_finished: OnFinished) -> None:
        for job in jobs:
            on_finished(job, Finished(fault="the disk is full"))


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("autograder.run.run.Pool", BrokenPool)


@pytest.fixture
def resubmitted(graded: Directory, work_of: Callable[[str], bytes]) -> Directory:
    """Ada hands in again, and Mateusz for the first time."""
    graded.hand_in(ADA, work_of(KWAME))
    graded.hand_in("Mateusz", work_of("Mateusz"))
    return graded


@pytest.mark.usefixtures("broken")
def test_nbgrader_is_left_with_what_it_had(resubmitted: Directory) -> None:
    before = resubmitted.entries()
    written = resubmitted.autograded(ADA)

    done = resubmitted.autograde()

    assert sorted(done.faults) == [(ADA, "the disk is full"), ("Mateusz", "the disk is full")]
    assert resubmitted.entries() == before
    assert "Mateusz" not in before
    assert resubmitted.autograded(ADA) == written


@pytest.mark.slow
@pytest.mark.usefixtures("broken")
def test_the_command_names_everybody_and_exits_with_3(resubmitted: Directory) -> None:
    said = CliRunner().invoke(
        app, ["nbgrader", "autograde", "attention", "--course-dir", str(resubmitted.path)]
    )

    assert said.exit_code == 3
    assert f"not graded: {ADA}: the disk is full" in said.stderr
    assert "not graded: Mateusz: the disk is full" in said.stderr
    assert "2 submission(s) have no new grade" in said.stderr


@pytest.mark.usefixtures("broken")
def test_formgraders_button_gives_no_score_either(resubmitted: Directory) -> None:
    before = resubmitted.entries()

    answers = [resubmitted.press_autograde(name) for name in (ADA, "Mateusz")]

    assert not any(answer["success"] for answer in answers)
    assert "the disk is full" in answers[0]["log"]
    after = resubmitted.entries()
    assert after[ADA] == before[ADA]
    assert {auto for auto, _, _ in after["Mateusz"].grades.values()} == {None}
    assert after["Mateusz"].needs_manual_grade


@pytest.mark.slow
def test_the_next_run_completes_it(resubmitted: Directory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("autograder.run.run.Pool", BrokenPool)
    resubmitted.press_autograde("Mateusz")
    resubmitted.autograde()
    monkeypatch.setattr("autograder.run.run.Pool", Pool)

    assert resubmitted.autograde().faults == []

    entries = resubmitted.entries()
    assert entries[ADA].score == 0
    assert entries["Mateusz"].score == 90
    assert not entries["Mateusz"].needs_manual_grade
