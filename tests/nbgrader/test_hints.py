"""Hints switched off once for a course hold in the student's kernel, by way of nbgrader's own release."""

from __future__ import annotations

import logging
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbgrader.converters import GenerateAssignment
from typer.testing import CliRunner

from autograder.cli import app
from autograder.content.course_root import CourseRoot
from autograder.nbgrader.apps import nbgrader_in
from tests.kernels import execute
from tests.nbgrader.directory import ASSIGNMENT, COURSE_ID, Directory

RULE = "course-settings.toml"


def generate(folder: Path) -> list[str]:
    """What `nbgrader generate_assignment attention --force` does; the files of the release."""
    with nbgrader_in(folder, logging.CRITICAL) as nbgrader:
        nbgrader.coursedir.assignment_id = ASSIGNMENT
        converter = GenerateAssignment(coursedir=nbgrader.coursedir, parent=nbgrader)
        converter.force = True
        converter.start()
    return sorted(path.name for path in (folder / "release" / ASSIGNMENT).iterdir())


def test_the_setting_switches_them_off_and_on_again(directory: Directory) -> None:
    released = directory.path / "release" / ASSIGNMENT
    before = (released / f"{ASSIGNMENT}.ipynb").read_bytes()
    config = directory.path / "nbgrader_config.py"
    usual = config.read_text()
    assert "\n# c.AutograderCourse.hints = False\n" in usual
    assert not (released / RULE).exists()

    config.write_text(usual.replace("# c.AutograderCourse.hints", "c.AutograderCourse.hints"))
    assert generate(directory.path) == [f"{ASSIGNMENT}.ipynb", RULE]
    assert (released / f"{ASSIGNMENT}.ipynb").read_bytes() == before

    config.write_text(usual)
    assert generate(directory.path) == [f"{ASSIGNMENT}.ipynb"]


@pytest.mark.slow
def test_a_student_who_fetched_it_gets_no_hints_and_the_submission_is_graded(
    course_root: CourseRoot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    exchange, folder, student = (tmp_path / name for name in ("exchange", "directory", "student"))
    exchange.mkdir()
    exchange.chmod(0o777)
    student.mkdir()
    monkeypatch.setenv("HOME", str(tmp_path))  # nbgrader's cache of what was fetched
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("PYTHONPATH", str(course_root.path))

    def nbgrader(command: str, where: Path) -> None:
        done = subprocess.run(
            [sys.executable, "-m", "nbgrader", *command.split()], cwd=where, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr

    made = CliRunner().invoke(
        app,
        ["nbgrader", "init", str(folder), ASSIGNMENT, "--no-hints", "--course-root", str(course_root.path)],
    )
    assert made.exit_code == 0, made.output
    place = f"c.Exchange.root = {str(exchange)!r}\n"
    with (folder / "nbgrader_config.py").open("a") as config:
        config.write(place)
    (student / "nbgrader_config.py").write_text(
        f"c = get_config()\n{place}c.CourseDirectory.course_id = {COURSE_ID!r}\n"
    )
    nbgrader(f"release_assignment {ASSIGNMENT}", folder)
    nbgrader(f"fetch_assignment {ASSIGNMENT}", student)

    path = student / ASSIGNMENT / f"{ASSIGNMENT}.ipynb"
    notebook = nbformat.read(path, as_version=4)
    setup = next(cell for cell in notebook.cells if "import check" in cell.source)
    question = nbformat.v4.new_code_cell("hint('stable_softmax')")
    both = nbformat.v4.new_notebook(cells=[setup, question])
    execute(both, path.parent)
    assert [output.text for output in question.outputs] == ["Hints are switched off in this course.\n"]

    answer = next(cell for cell in notebook.cells if "def stable_softmax" in cell.source)
    answer.source = answer.source.replace(
        'raise NotImplementedError("write stable_softmax")',
        "weights = (x - x.amax(dim, True)).exp()\n    return weights / weights.sum(dim, True)",
    )
    nbformat.write(notebook, path)
    nbgrader(f"submit {ASSIGNMENT} --student ada", student)
    nbgrader(f"collect {ASSIGNMENT}", folder)
    Directory(folder).autograde()
    (entry,) = Directory(folder).entries().values()
    assert entry.score == pytest.approx(10)
