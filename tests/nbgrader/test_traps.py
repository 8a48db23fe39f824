"""What students do to nbgrader's cells and files: graded, or for a person to look at; never lost, and never
full marks by accident. One class, graded once by real nbgrader; each test looks at one student of it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from autograder.content.course_root import CourseRoot
from tests.nbgrader.conftest import graded_directory
from tests.nbgrader.directory import ASSIGNMENT, Directory, Entry, cell_of
from tests.nbgrader.traps import CROSS, SOFTMAX, SPLIT, TRAPS, hand_in_all
from tests.sample_class import Material

FULL = 110.0

# A class of its own is graded.
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def trapped(everything: Directory, material: Material, tmp_path_factory: pytest.TempPathFactory) -> Directory:
    """The class, handed in and graded."""
    return graded_directory(
        everything, tmp_path_factory.mktemp("graded") / "directory", lambda here: hand_in_all(here, material)
    )


@pytest.fixture(scope="module")
def entries(trapped: Directory) -> dict[str, Entry]:
    return trapped.entries()


ALL_RIGHT = {
    "nothing_odd",
    "deleted_check",
    "copied_check",
    "split_cells",
    "reordered",
    "edited_check",
    "unknown_ids",
    "stderr",
    "a_byte_order_mark",
}
UNREADABLE = {"not_json", "empty", "too_large", "hostile_nesting", "misnamed", "a_link", "a_folder"}


def test_nobody_is_lost(entries: dict[str, Entry]) -> None:
    assert entries.keys() == TRAPS.keys() | UNREADABLE
    for entry in entries.values():
        assert all(auto is not None for auto, _, _ in entry.grades.values())
        assert len(entry.grades) == 7


@pytest.mark.parametrize("student", sorted(ALL_RIGHT))
def test_right_answers_are_worth_their_points(student: str, entries: dict[str, Entry]) -> None:
    assert entries[student].score == FULL
    assert not entries[student].needs_manual_grade


def test_what_was_deleted_is_worth_nothing_and_all_else_its_points(entries: dict[str, Entry]) -> None:
    entry = entries["deleted_exercise"]

    assert entry.grades[CROSS] == (0.0, None, False)
    assert entry.score == FULL - 20
    assert "Nothing of this name" in (entry.comments[CROSS] or "")


def test_of_two_answers_the_last_counts(entries: dict[str, Entry]) -> None:
    assert entries["copied_answer"].grades[SOFTMAX][0] == 0.0
    assert entries["copied_answer"].flagged


def test_outputs_and_metadata_of_the_students_are_not_believed(entries: dict[str, Entry]) -> None:
    assert entries["false_claims"].score == 0
    assert (
        entries["other_kinds"].grades[SPLIT][0] == 10.0
    )  # a Markdown cell that holds an answer is read as code
    assert entries["other_kinds"].grades[SOFTMAX][0] == 10.0


@pytest.mark.parametrize("student", ["edited_check", "copied_check", "split_cells"])
def test_tampered_cells_are_flagged(student: str, entries: dict[str, Entry]) -> None:
    assert entries[student].flagged


@pytest.mark.parametrize("student", sorted(UNREADABLE))
def test_an_unreadable_file_is_for_a_person(
    student: str, entries: dict[str, Entry], trapped: Directory
) -> None:
    assert entries[student].score == 0
    assert entries[student].needs_manual_grade
    note = trapped.autograded(student).cells[0].source
    assert "could not be read" in note


def test_what_was_handed_in_is_not_touched(trapped: Directory) -> None:
    assert (trapped.submitted("empty") / "attention.ipynb").read_bytes() == b""
    assert len((trapped.submitted("not_json") / "attention.ipynb").read_bytes()) == 20_000
    assert (trapped.submitted("a_link") / "attention.ipynb").is_symlink()


def test_each_check_cell_stands_once_with_its_source_its_feedback_and_one_number(
    trapped: Directory, course_root: CourseRoot
) -> None:
    for student in TRAPS.keys() | UNREADABLE:
        notebook = trapped.autograded(student)
        for exercise in course_root.module(ASSIGNMENT).graded:
            cell = cell_of(notebook, f"check_{exercise.id}")
            shown, number = cell.outputs
            assert cell.metadata.nbgrader.points == exercise.points
            assert cell.source.endswith(f"check({', '.join(exercise.defines)})") or "quiz=" in cell.source
            assert (shown.output_type, number.output_type) == ("display_data", "execute_result")
            points = float(number.data["text/plain"])
            assert 0 <= points <= exercise.points
            # What people see in the place of a bare number.
            assert (
                f">{points:g} of {exercise.points:g} points from the automatic tests<"
                in (number.data["text/html"])
            )
            cell_of(notebook, exercise.id)


def test_feedback_can_be_generated(trapped: Directory) -> None:
    trapped.generate_feedback("too_large", "misnamed", "unknown_ids")

    assert "too large" in trapped.feedback("too_large")
    assert "attention (final).ipynb" in trapped.feedback("misnamed")


def test_the_results_say_the_same(trapped: Directory, entries: dict[str, Entry]) -> None:
    lines = (trapped.path / ".autograder" / ASSIGNMENT / "results.jsonl").read_text().splitlines()
    points = {result["student"]: result["points"] for result in map(json.loads, lines)}

    assert {name: entry.score for name, entry in entries.items()} == pytest.approx(
        {name: points[name] for name in entries}
    )


@pytest.mark.slow
def test_nbgraders_own_command_gives_the_same_gradebook(
    trapped: Directory, entries: dict[str, Entry], tmp_path: Path
) -> None:
    """But for a submission without the notebook, which nbgrader's own does not look at."""
    again = Directory(shutil.copytree(trapped.path, tmp_path / "again", symlinks=True))
    with again.gradebook() as gradebook:
        for student in list(gradebook.students):
            gradebook.remove_student(student.id)
    shutil.rmtree(again.path / "autograded")
    shutil.rmtree(again.submitted("misnamed").parent)

    again.stock_autograde()

    assert again.entries() == {name: entry for name, entry in entries.items() if name != "misnamed"}
