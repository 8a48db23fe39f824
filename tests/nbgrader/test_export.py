"""The tables for Canvas and Moodle, against files that were compared with what the two import."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest
from nbgrader.api import Gradebook
from typer.testing import CliRunner

from autograder.cli import app
from autograder.nbgrader.export import canvas, moodle
from tests.nbgrader.directory import Directory

GOLDEN = Path(__file__).parent / "golden"


@pytest.fixture(scope="module")
def gradebook() -> Gradebook:
    """Four students: one all graded, one late, one in part not graded, one who handed in nothing."""
    book = Gradebook("sqlite:///:memory:", "diffusion")
    for name, points in (("attention", 110), ("noise", 40.5)):
        book.add_assignment(name, duedate=datetime(2026, 3, 1))
        book.add_notebook(name, name)
        book.add_grade_cell("check_one", name, name, max_score=points, cell_type="code")
    book.add_student("ada", first_name="Ada", last_name="Lindqvist, MSc", email="ada@example.org")
    book.add_student("émile", first_name="Émile", last_name="Okafor", email="emile@example.org")
    book.add_student("kwame")
    book.add_student("zoe", first_name='=HYPERLINK("x")', last_name=None, email=None)
    for student, name, points in (
        ("ada", "attention", 105.625),
        ("ada", "noise", 40.5),
        ("émile", "attention", 90.0),
        ("kwame", "attention", None),
        ("kwame", "noise", 0.0),
    ):
        book.add_submission(name, student)
        book.find_grade("check_one", name, name, student).auto_score = points
    book.find_submission_notebook("attention", "attention", "émile").late_submission_penalty = 12.5
    book.db.commit()
    return book


def test_canvas(gradebook: Gradebook) -> None:
    table = canvas(gradebook, ["attention", "noise"], {"attention": "1201"})

    assert table.text.encode() == (GOLDEN / "canvas.csv").read_bytes()
    assert table.ungraded == [("kwame", "attention")]


def test_moodle(gradebook: Gradebook) -> None:
    table = moodle(gradebook, ["attention", "noise"])

    assert table.text.encode() == (GOLDEN / "moodle.csv").read_bytes()
    assert table.ungraded == [("kwame", "attention")]


def test_the_command(graded_once: Directory, tmp_path: Path) -> None:
    file = tmp_path / "canvas.csv"

    said = CliRunner().invoke(
        app, ["nbgrader", "export", str(file), "--to", "canvas", "--course-dir", str(graded_once.path)]
    )

    assert said.exit_code == 0, said.output
    rows = file.read_text().splitlines()
    assert rows[:2] == ["Student,ID,SIS Login ID,Section,attention", "    Points Possible,,,,110"]
    assert "Dalia,,Dalia,,106.67" in rows


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--assignment", "nosie"], "no assignment 'nosie'"),
        (["--canvas-id", "attention"], "is not ASSIGNMENT=NUMBER"),
    ],
)
def test_what_is_wrong_is_said(
    arguments: list[str], said: str, graded_once: Directory, tmp_path: Path
) -> None:
    command = ["nbgrader", "export", str(tmp_path / "x.csv"), "--to", "canvas"]

    done = CliRunner().invoke(app, [*command, *arguments, "--course-dir", str(graded_once.path)])

    assert done.exit_code == 2
    assert said in done.stderr
