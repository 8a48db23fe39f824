"""What instructors already do in nbgrader goes on working, and nothing is graded twice."""

from __future__ import annotations

import csv
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell

from autograder.content.course_root import CourseRoot
from autograder.errors import UsageError
from autograder.nbgrader.apps import CONFIG, nbgrader_in
from autograder.nbgrader.course import _generate
from autograder.nbgrader.steps import config
from autograder.run.run import Options, Progress, grade
from tests.nbgrader.conftest import ADA, DALIA, KWAME, MALLORY, QUENTIN
from tests.nbgrader.directory import ASSIGNMENT, SEED, Directory, cell_of

SOFTMAX = "stable_softmax"


def test_points_comments_and_flags(graded_once: Directory) -> None:
    entries = graded_once.entries()

    assert {name: entry.score for name, entry in entries.items()} == pytest.approx(
        {ADA: 110, DALIA: 106.67, KWAME: 0, QUENTIN: 110, MALLORY: 10}, abs=0.01
    )
    assert entries[ADA].comments[SOFTMAX] is None
    assert "no maximum subtracted" in (entries[DALIA].comments[SOFTMAX] or "")
    assert "What does not hold yet" in (entries[DALIA].comments[SOFTMAX] or "")
    assert set(entries[KWAME].comments.values()) == {"No response."}
    assert [name for name, entry in entries.items() if entry.flagged] == [MALLORY]
    assert not any(entry.needs_manual_grade for entry in entries.values())


def test_partial_credit_and_feedback_stand_together_in_the_check_cell(graded_once: Directory) -> None:
    shown, number = cell_of(graded_once.autograded(DALIA), f"check_{SOFTMAX}").outputs

    assert float(number.data["text/plain"]) == graded_once.entries()[DALIA].grades[SOFTMAX][0]
    for said in (shown.data["text/plain"], shown.data["text/html"]):
        assert "6.67 of 10 points" in said
        assert "✗ Gives the right weights for huge scores" in said
        assert "What can you subtract" in said


def test_feedback_lists_the_exercises_by_their_names(graded: Directory) -> None:
    graded.generate_feedback(DALIA)

    page = graded.feedback(DALIA)
    assert "Test cell" not in page
    assert f'<a href="#check_{SOFTMAX}">{SOFTMAX}</a> (Score: 6.67 / 10.0)' in page


def test_what_would_fail_on_a_gpu_is_said(graded_once: Directory) -> None:
    shown, _ = cell_of(graded_once.autograded(QUENTIN), "check_scaled_dot_product_attention").outputs

    assert "Would fail on a GPU" in shown.data["text/plain"]


@pytest.mark.slow
def test_the_same_scores_as_autograder_grade(
    graded_once: Directory, course_root: CourseRoot, tmp_path: Path
) -> None:
    report = grade(
        course_root,
        [graded_once.path / "submitted"],
        Options(tmp_path / "graded", jobs=2, seed=SEED),
        Progress(),
    )

    assert {name: entry.score for name, entry in graded_once.entries().items()} == pytest.approx(
        {result.student: result.points for result in report.results}
    )


def test_a_second_run_grades_and_enters_nothing(graded: Directory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("autograder.run.run.Pool", None)
    monkeypatch.setattr("autograder.nbgrader.autograde._Enter", None)
    before = graded.entries()

    done = graded.autograde()

    assert (done.report.graded, done.report.kept) == (0, 5)
    assert graded.entries() == before


def test_what_was_not_entered_completely_is_entered_again(graded: Directory) -> None:
    """As if the command had been killed: within a file, and between its two steps."""
    before = graded.entries()
    for name, content in ((ADA, b'{"cells": ['), (KWAME, None)):
        path = graded.path / "autograded" / name / ASSIGNMENT / f"{ASSIGNMENT}.ipynb"
        path.unlink()
        if content is not None:
            path.write_bytes(content)
    with graded.gradebook() as gradebook:
        gradebook.remove_student(DALIA)

    graded.autograde()

    assert graded.entries() == before


@pytest.mark.slow
def test_the_latest_submission_counts_though_it_is_worse(
    graded: Directory, work_of: Callable[[str], bytes]
) -> None:
    graded.hand_in(ADA, work_of(KWAME), timestamp="2026-03-01 12:00:00 UTC")

    graded.autograde(ADA)

    assert graded.entries()[ADA].score == 0


def test_a_score_given_by_hand_survives_and_is_to_be_looked_at_again(graded: Directory) -> None:
    with graded.gradebook() as gradebook:
        grade = gradebook.find_grade(f"check_{SOFTMAX}", ASSIGNMENT, ASSIGNMENT, KWAME)
        grade.manual_score, grade.needs_manual_grade = 7.5, False
        comment = gradebook.find_comment(SOFTMAX, ASSIGNMENT, ASSIGNMENT, KWAME)
        comment.manual_comment = "You told me how you meant it."
        gradebook.db.commit()

    graded.stock_autograde(KWAME)

    entry = graded.entries()[KWAME]
    assert entry.score == 7.5
    assert entry.grades[SOFTMAX] == (0.0, 7.5, True)
    with graded.gradebook() as gradebook:
        comment = gradebook.find_comment(SOFTMAX, ASSIGNMENT, ASSIGNMENT, KWAME)
        assert comment.comment == "You told me how you meant it."


@pytest.mark.slow
def test_late_penalties_are_nbgraders(graded: Directory) -> None:
    path = graded.path / CONFIG
    path.write_text(path.read_text() + '\nc.LateSubmissionPlugin.penalty_method = "zero"\n')
    with graded.gradebook() as gradebook:
        gradebook.update_or_create_assignment(ASSIGNMENT, duedate=datetime(2026, 2, 1))
    (graded.submitted(DALIA) / "timestamp.txt").write_text("2026-02-02 12:00:00 UTC")
    (graded.submitted(ADA) / "timestamp.txt").write_text("2026-01-31 12:00:00 UTC")

    graded.autograde()

    entries = graded.entries()
    assert entries[DALIA].late_penalty == entries[DALIA].score > 100
    assert entries[ADA].late_penalty is None


@pytest.mark.slow
def test_nbgrader_export_is_untouched(graded: Directory) -> None:
    nbgrader = [sys.executable, "-m", "nbgrader", "export", "--to", "grades.csv"]
    subprocess.run(nbgrader, cwd=graded.path, check=True, capture_output=True, timeout=120)

    rows = list(csv.DictReader((graded.path / "grades.csv").read_text().splitlines()))
    assert {row["student_id"]: float(row["score"]) for row in rows}[DALIA] == pytest.approx(106.67, abs=0.01)
    assert {row["max_score"] for row in rows} == {"110.0"}


@pytest.mark.slow
def test_formgraders_button_grades_what_has_no_result(
    graded: Directory, work_of: Callable[[str], bytes]
) -> None:
    graded.hand_in("Zoltán", work_of("Zoltán"))

    answer = graded.press_autograde("Zoltán")

    assert answer["success"], answer
    assert graded.entries()["Zoltán"].score == 90
    assert graded.entries().keys() == {ADA, DALIA, KWAME, QUENTIN, MALLORY, "Zoltán"}


@pytest.mark.slow
def test_other_points_than_the_syllabus_has_are_shared_out(directory: Directory, graded: Directory) -> None:
    source = directory.path / "source" / ASSIGNMENT / f"{ASSIGNMENT}.ipynb"
    notebook = nbformat.read(source, as_version=4)
    cell_of(notebook, f"check_{SOFTMAX}").metadata.nbgrader.points = 40
    nbformat.write(notebook, source)
    generate(directory)
    reuse(graded, directory)

    directory.autograde(ADA, DALIA)

    entries = directory.entries()
    assert entries[ADA].score == 140
    assert entries[DALIA].grades[SOFTMAX][0] == pytest.approx(4 * 6.67, abs=0.05)


@pytest.mark.slow
def test_an_instructors_own_cells_are_for_a_person(directory: Directory, graded: Directory) -> None:
    """A test cell is not run and not worth full marks for that; an essay is graded by hand, as ever."""
    marks = {"schema_version": 3, "grade": True, "task": False, "points": 5}
    test = new_code_cell("assert True", id="own-test")
    test.metadata["nbgrader"] = {**marks, "grade_id": "own_test", "solution": False, "locked": True}
    essay = new_markdown_cell("Write what you found.", id="essay")
    essay.metadata["nbgrader"] = {**marks, "grade_id": "essay", "solution": True, "locked": False}
    source = directory.path / "source" / ASSIGNMENT / f"{ASSIGNMENT}.ipynb"
    notebook = nbformat.read(source, as_version=4)
    notebook.cells += [test, essay]
    nbformat.write(notebook, source)
    generate(directory)
    reuse(graded, directory)
    written = json.loads((directory.submitted(ADA) / f"{ASSIGNMENT}.ipynb").read_bytes())
    answered = new_markdown_cell("<script>pwned()</script> Much.", id="essay", metadata=essay.metadata)
    written["cells"] += [json.loads(json.dumps(answered)), json.loads(json.dumps(test))]
    directory.hand_in(ADA, json.dumps(written).encode())

    directory.autograde(ADA, KWAME)

    entries = directory.entries()
    assert entries[ADA].score == 110
    assert entries[ADA].grades["own_test"] == (None, None, True)
    assert entries[ADA].grades["essay"] == (None, None, True)
    assert entries[KWAME].grades["own_test"] == (None, None, True)


def test_a_configuration_that_would_run_students_code_is_refused(graded: Directory) -> None:
    path = graded.path / CONFIG
    path.write_text(
        path.read_text() + "\nfrom nbgrader.preprocessors import Execute\n"
        "c.Autograde.autograde_preprocessors = [Execute, *c.Autograde.autograde_preprocessors]\n"
    )
    with pytest.raises(UsageError, match="would run students' code"):
        graded.autograde()

    path.write_text("c = get_config()\n")
    with pytest.raises(UsageError, match="leaves out the step"):
        graded.autograde()


def test_no_step_of_ours_executes() -> None:
    assert not any("Execute" in step for step in config.SANITIZE + config.AUTOGRADE)


def test_the_environment_overrides_where_the_course_lies(
    graded: Directory, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("AUTOGRADER_COURSE_ROOT", str(tmp_path))
    with pytest.raises(UsageError, match="No course was found"):
        graded.autograde()


def test_without_submissions_or_an_assignment_it_is_said_what_to_do(directory: Directory) -> None:
    with pytest.raises(UsageError, match="collect submissions first"):
        directory.autograde()
    with pytest.raises(UsageError, match="generate_assignment noise"):
        Directory(directory.path, "noise").autograde()


def generate(directory: Directory) -> None:
    with nbgrader_in(directory.path) as app:
        _generate(app, ASSIGNMENT)


def reuse(graded: Directory, directory: Directory) -> None:
    """Hands in what was handed in there, with the results."""
    for folder in ("submitted", ".autograder"):
        shutil.copytree(graded.path / folder, directory.path / folder, dirs_exist_ok=True)
