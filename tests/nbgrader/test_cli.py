"""The sub-commands as commands: nothing is imported before it is needed, killed runs go on."""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from autograder.cli import app
from autograder.content.course_root import CourseRoot
from autograder.nbgrader.course import init
from tests.end_to_end import processes
from tests.nbgrader.directory import SEED, Directory, Entry

COMMAND = [sys.executable, "-m", "autograder.cli", "nbgrader", "autograde", "attention", "--jobs", "2"]


def test_nbgrader_is_imported_by_no_other_command() -> None:
    code = "import sys, autograder.cli; sys.exit('nbgrader' in sys.modules or 'nbconvert' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 0


def test_without_nbgrader_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)

    said = CliRunner().invoke(app, ["nbgrader", "update", str(tmp_path)])

    assert said.exit_code == 2
    assert 'pip install "diffusion-course-autograder[nbgrader]"' in said.stderr


@pytest.mark.slow
def test_the_environment_need_not_be_activated(
    course_root: CourseRoot, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", "/usr/bin:/bin")

    init(course_root, tmp_path / "course", ["attention"], "diffusion")

    assert (tmp_path / "course" / "gradebook.db").is_file()
    assert os.environ["PATH"] == "/usr/bin:/bin"


def test_a_run_says_what_it_did(graded: Directory) -> None:
    said = CliRunner().invoke(app, ["nbgrader", "autograde", "attention", "--course-dir", str(graded.path)])

    assert said.exit_code == 0, said.output
    assert "5 graded before and kept" in said.stdout
    assert "Gradebook:       0 of 5 entered anew" in said.stdout
    assert (graded.path / ".autograder" / "attention" / "report.html").is_file()


CLASS_OF_SIX = ("Ada", "Dalia", "Émile", "Kwame", "Ulrike", "Mallory")
MORE = [f"x{number}" for number in range(10, 22)]  # so that there is time to kill it before all are entered


def hand_in(directory: Directory, work_of: Callable[[str], bytes]) -> None:
    for name in CLASS_OF_SIX:
        directory.hand_in(name, work_of(name))
    for name in MORE:
        directory.hand_in(name, b"{")


@pytest.fixture(scope="module")
def undisturbed(
    fresh: Path, work_of: Callable[[str], bytes], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Entry]:
    """What the class has where nothing is killed."""
    directory = Directory(shutil.copytree(fresh, tmp_path_factory.mktemp("undisturbed") / "directory"))
    hand_in(directory, work_of)
    directory.autograde()
    return directory.entries()


@pytest.mark.slow
@pytest.mark.parametrize("step", ["while it grades", "while it enters"])
def test_a_killed_run_is_completed_by_the_same_command(
    step: str,
    fresh: Path,
    work_of: Callable[[str], bytes],
    undisturbed: dict[str, Entry],
    tmp_path: Path,
) -> None:
    killed = Directory(shutil.copytree(fresh, tmp_path / "directory"))
    hand_in(killed, work_of)
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    arguments = [*COMMAND, "--seed", str(SEED), "--course-dir", str(killed.path)]
    results, entered = killed.path / ".autograder/attention/results", killed.path / "autograded"
    # What is no notebook has its result at once.
    place, pattern, enough = (
        (results, "*/*.json", len(MORE) + 2) if step == "while it grades" else (entered, "*/*/*.ipynb", 2)
    )

    with subprocess.Popen(
        arguments, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as run:
        processes.wait_for(lambda: len(list(place.glob(pattern))) >= enough or None, step)
        run.send_signal(signal.SIGKILL)
    assert run.returncode == -signal.SIGKILL
    assert len(killed.entries()) < len(CLASS_OF_SIX) + len(MORE)

    done = subprocess.run(arguments, env=environment, capture_output=True, text=True, timeout=250)

    assert done.returncode == 0, done.stderr
    assert killed.entries() == undisturbed
