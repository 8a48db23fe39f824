"""New course content in a course directory that is in use: nothing edited is touched, no grade is lost."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from typer.testing import CliRunner

from autograder.cli import app
from autograder.content.course_root import CourseRoot
from autograder.nbgrader.course import Change, init, update
from course.catalogue import syllabus
from tests.build.tiny_course import LESSON, MODULE, SOLUTION, write_tiny_course
from tests.nbgrader.directory import COURSE_ID, Directory

NEW_LESSON = LESSON.replace("Welcome.", "Hello.")
FEWER = MODULE.replace("  - {id: double, title: Doubling, points: 10, minutes: 5, difficulty: 1}\n", "")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny course, and beside it a course directory of it. Tests copy both."""
    folder = tmp_path_factory.mktemp("update")
    init(write_tiny_course(folder / "course"), folder / "directory", ["tiny"], COURSE_ID)
    return folder


@pytest.fixture
def tiny(made: Path, tmp_path: Path) -> CourseRoot:
    import shutil

    shutil.copytree(made, tmp_path / "both")
    syllabus.load.cache_clear()
    return CourseRoot(tmp_path / "both" / "course")


@pytest.fixture
def directory(tiny: CourseRoot) -> Directory:
    return Directory(tiny.path.parent / "directory", "tiny")


def only(directory: Directory) -> Change:
    syllabus.load.cache_clear()
    (change,) = update(directory.path, [])
    return change


def source(directory: Directory) -> Path:
    return directory.path / "source" / "tiny" / "tiny.ipynb"


def released(directory: Directory) -> str:
    return (directory.path / "release" / "tiny" / "tiny.ipynb").read_text()


def edit(directory: Directory, text: str = "Hand in by Friday.") -> None:
    """The instructor adds a cell, and saves it in Jupyter, which keeps outputs as well."""
    notebook = nbformat.read(source(directory), as_version=4)
    notebook.cells.insert(1, nbformat.v4.new_markdown_cell(text, id="mine"))
    notebook.cells[2].outputs = [nbformat.v4.new_output("stream", name="stdout", text="seen")]
    nbformat.write(notebook, source(directory))


def hand_in(directory: Directory) -> None:
    with directory.gradebook() as gradebook:
        gradebook.add_student("ada")
        gradebook.add_submission("tiny", "ada")
        gradebook.find_grade("check_double", "tiny", "tiny", "ada").auto_score = 8
        gradebook.db.commit()


def score(directory: Directory) -> float | None:
    with directory.gradebook() as gradebook:
        found: float | None = gradebook.find_grade("check_double", "tiny", "tiny", "ada").auto_score
        return found


def test_the_configuration_finds_a_course_that_lies_beside_it(directory: Directory) -> None:
    assert "course_root='../course'" in (directory.path / "nbgrader_config.py").read_text()


def test_nothing_new(directory: Directory) -> None:
    before = source(directory).read_bytes()

    assert only(directory) == Change("tiny", "up to date")
    assert source(directory).read_bytes() == before


def test_new_content_is_brought_in_and_generated(tiny: CourseRoot, directory: Directory) -> None:
    write_tiny_course(tiny.path, lesson=NEW_LESSON, solution=SOLUTION.replace("Twice x.", "Two times x."))
    hand_in(directory)

    change = only(directory)

    assert (change.said, change.refused) == ("updated and generated; release it again", False)
    assert "Hello." in released(directory)
    assert "Two times x." in released(directory)
    assert "secret" not in released(directory)
    assert score(directory) == 8


def test_edits_are_kept_while_the_course_has_nothing_new(directory: Directory) -> None:
    edit(directory)
    before = source(directory).read_bytes()

    change = only(directory)

    assert (change.said, change.refused) == ("your edits are kept; the course has nothing new", False)
    assert source(directory).read_bytes() == before


def test_outputs_are_no_edits(tiny: CourseRoot, directory: Directory) -> None:
    notebook = nbformat.read(source(directory), as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = [nbformat.v4.new_output("stream", name="stdout", text="seen")]
    nbformat.write(notebook, source(directory))
    write_tiny_course(tiny.path, lesson=NEW_LESSON)

    assert not only(directory).refused
    assert "Hello." in released(directory)


def test_edits_and_new_content_are_for_a_person(tiny: CourseRoot, directory: Directory) -> None:
    edit(directory)
    write_tiny_course(tiny.path, lesson=NEW_LESSON)
    before = source(directory).read_bytes()

    change = only(directory)

    assert change.refused
    assert "you edited source/tiny/tiny.ipynb (cell mine)" in change.said
    assert source(directory).read_bytes() == before


def test_an_assignment_that_was_removed_stays_away(directory: Directory) -> None:
    source(directory).unlink()

    assert only(directory) == Change("tiny", "left out, since you removed it")
    assert not source(directory).exists()


def test_a_module_that_is_not_there_is_added_only_by_name(tiny: CourseRoot, directory: Directory) -> None:
    for file in (tiny.solution("tiny"), *tiny.public("tiny").iterdir(), *tiny.secret("tiny").iterdir()):
        copy = Path(str(file.relative_to(tiny.path)).replace("tiny", "second"))
        (tiny.path / copy).parent.mkdir(exist_ok=True)
        (tiny.path / copy).write_text(file.read_text().replace("tiny_quiz", "second_quiz"))
    write_tiny_course(tiny.path, syllabus="title: A tiny course\nmodules: [tiny, second]\n")
    syllabus.load.cache_clear()

    _, change = update(directory.path, [])
    assert change.said.startswith("not in this directory")
    assert [one.said for one in update(directory.path, ["second"])] == ["added"]
    assert (directory.path / "release" / "second" / "second.ipynb").is_file()


def test_other_exercises_are_refused_once_somebody_has_handed_in(
    tiny: CourseRoot, directory: Directory
) -> None:
    solution = SOLUTION[: SOLUTION.index("def double")] + SOLUTION[SOLUTION.index("def split") :]
    without = LESSON[: LESSON.index("## Doubling")] + LESSON[LESSON.index("## Pairs") :]
    write_tiny_course(tiny.path, module=FEWER, lesson=without, solution=solution)
    hand_in(directory)
    before = source(directory).read_bytes()

    change = only(directory)

    assert change.refused
    assert "without check_double" in change.said
    assert "1 submission(s)" in change.said
    assert source(directory).read_bytes() == before
    assert score(directory) == 8


def test_other_exercises_are_taken_before_that(tiny: CourseRoot, directory: Directory) -> None:
    solution = SOLUTION[: SOLUTION.index("def double")] + SOLUTION[SOLUTION.index("def split") :]
    without = LESSON[: LESSON.index("## Doubling")] + LESSON[LESSON.index("## Pairs") :]
    write_tiny_course(tiny.path, module=FEWER, lesson=without, solution=solution)

    assert not only(directory).refused
    assert "double" not in released(directory)


def test_the_command_says_what_it_did_and_exits_with_1_where_it_refused(
    tiny: CourseRoot, directory: Directory
) -> None:
    edit(directory)
    write_tiny_course(tiny.path, lesson=NEW_LESSON)

    said = CliRunner().invoke(app, ["nbgrader", "update", str(directory.path)])

    assert said.exit_code == 1
    assert "tiny: not updated: you edited" in said.stdout
    assert "not updated: tiny" in said.stderr


def test_a_folder_that_is_no_course_directory(tmp_path: Path) -> None:
    said = CliRunner().invoke(app, ["nbgrader", "update", str(tmp_path)])

    assert said.exit_code == 2
    assert "is no course directory" in said.stderr
