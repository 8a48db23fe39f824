"""`autograder nbgrader watch` as a process: it ends in order, goes on after a kill, waits for others."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from autograder.cli import app
from autograder.content.course_root import CourseRoot
from autograder.nbgrader.lock import FEEDBACK, GRADING, locked
from autograder.sandbox import zygote as zygotes
from autograder.sandbox.levels import strongest
from tests.end_to_end import processes
from tests.nbgrader.classroom import ADA, OSCAR, Classroom
from tests.nbgrader.directory import ASSIGNMENT, Directory

WATCH = [sys.executable, "-m", "autograder.cli", "nbgrader", "watch", ASSIGNMENT, "--jobs", "2"]
Work = Callable[[str], bytes]


def environment() -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}


# --- One writer at a time ---------------------------------------------------------------------------------


def test_two_never_write_at_once(tmp_path: Path) -> None:
    with locked(tmp_path, GRADING):
        with pytest.raises(_Waits), locked(tmp_path, GRADING, _wait):
            pass
        with locked(tmp_path, FEEDBACK, _wait):
            pass
    with locked(tmp_path, GRADING, _wait):
        pass


class _Waits(Exception):
    pass


def _wait() -> None:
    raise _Waits


@pytest.mark.slow
@pytest.mark.parametrize("command", [["watch", ASSIGNMENT, "--once"], ["autograde", ASSIGNMENT]])
def test_the_commands_wait_for_one_another(room: Classroom, command: list[str]) -> None:
    arguments = [*WATCH[:4], *command, "--course-dir", str(room.course.path)]
    with locked(room.course.path, GRADING):
        run = subprocess.Popen(
            arguments, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        assert run.stdout is not None
        waiting = run.stdout.readline()
        assert "waiting for another autograder command in this course directory" in waiting
        assert run.poll() is None
    said, _ = run.communicate(timeout=120)
    assert run.returncode == 0, said


@pytest.mark.slow
@pytest.mark.usefixtures("no_pool")
def test_an_instructors_release_waits_for_ours_and_the_other_way_round(room: Classroom) -> None:
    released = threading.Event()

    def release() -> None:
        subprocess.run(
            [sys.executable, "-c", RELEASE, str(room.course.path)], check=True, timeout=120, env=environment()
        )
        released.set()

    room.course.generate_feedback(ADA)
    with locked(room.course.path, FEEDBACK):
        other = threading.Thread(target=release)
        other.start()
        assert not released.wait(4)
        assert all(b"public result" in page for page in room.published().values())
    other.join()
    assert any(b"no maximum subtracted" in page for page in room.published().values())


RELEASE = f"""
import sys
from nbgrader.exchange import ExchangeFactory
from autograder.nbgrader.apps import nbgrader_in
from pathlib import Path
with nbgrader_in(Path(sys.argv[1])) as app:
    app.coursedir.assignment_id, app.coursedir.student_id = {ASSIGNMENT!r}, {ADA!r}
    release = ExchangeFactory(parent=app).ReleaseFeedback
    release(coursedir=app.coursedir, authenticator=None, parent=app).start()
"""


# --- The command ------------------------------------------------------------------------------------------


def test_ctrl_c_reaches_the_command_alone(course_root: CourseRoot) -> None:
    """What it has started must live to finish the present submission."""
    zygote = zygotes.start(strongest("auto"), course_root.path)
    try:
        assert os.getpgid(zygote.process.pid) != os.getpgrp()
    finally:
        zygote.close()


@pytest.mark.slow
def test_autograde_collects_first_if_asked(room: Classroom, work_of: Work) -> None:
    room.submit("kai", work_of("Kwame"))

    said = CliRunner().invoke(
        app, ["nbgrader", "autograde", ASSIGNMENT, "--collect", "--course-dir", str(room.course.path)]
    )

    assert said.exit_code == 0, said.output
    assert "Collected:       1 new submission(s)" in said.stdout
    assert room.course.entries().keys() == {ADA, OSCAR, "kai"}
    assert room.offered("kai") == [False]


@pytest.mark.slow
def test_a_watch_that_is_killed_goes_on_where_it_was(fresh: Path, work_of: Work, tmp_path: Path) -> None:
    class_ = {"a": "Ada", "d": "Dalia", "k": "Kwame", "m": "Mallory", "u": "Ulrike"}
    more = [f"x{number}" for number in range(10, 22)]  # so that there is time to kill it before all are shown
    room = Classroom.make(tmp_path / "room", fresh)
    for name, work in class_.items():
        room.submit(name, work_of(work))
    for name in more:
        room.submit(name, b"{")
    arguments = [*WATCH, "--course-dir", str(room.course.path)]

    with subprocess.Popen(arguments, env=environment(), stdout=subprocess.DEVNULL) as run:
        processes.wait_for(lambda: len(room.published()) >= 2 or None, "two are shown")
        run.send_signal(signal.SIGKILL)
    assert len(room.published()) < len(class_) + len(more)
    done = subprocess.run(
        [*arguments, "--once"], env=environment(), capture_output=True, text=True, timeout=250
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert [room.offered(name) for name in class_] == [[True]] * len(class_)
    assert len(room.published()) == len(class_) + len(more)
    undisturbed = Directory(shutil.copytree(fresh, tmp_path / "undisturbed"))
    shutil.copytree(room.course.path / "submitted", undisturbed.path / "submitted")
    undisturbed.autograde()
    assert room.course.entries() == undisturbed.entries()


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_in_order(room: Classroom, work_of: Work, number: signal.Signals) -> None:
    class_ = "abcdefgh"  # so many that there is time to stop it before all are graded
    for name in class_:
        room.submit(name, work_of("Quentin"))
    arguments = [*WATCH[:-1], "1", "--every", "1", "--course-dir", str(room.course.path)]
    graded = room.results / "results"
    before = len(list(graded.glob("*/*.json")))

    run = subprocess.Popen(
        arguments,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    processes.wait_for(lambda: len(list(graded.glob("*/*.json"))) > before or None, "one is graded")
    os.killpg(run.pid, number)  # as a terminal does
    said, _ = run.communicate(timeout=120)

    assert run.returncode == 0, said
    assert "stopping after the present submission" in said
    assert said.splitlines()[-1] == "stopped; the same command goes on from here"
    assert "fault" not in said
    assert len(list(graded.glob("*/*.json"))) < before + len(class_)
    assert room.round_and_whether_clean()[1]
    assert room.offered(class_[-1]) == [True]
