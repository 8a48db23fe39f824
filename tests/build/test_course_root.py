import subprocess
import sys
from pathlib import Path

import pytest

from autograder.content.course_root import CourseRoot
from autograder.errors import ContentError, UsageError

from .tiny_course import write_tiny_course


def test_a_course_is_found_from_any_folder_inside_it(
    tiny: CourseRoot, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside = tiny.path / "course" / "modules" / "tiny"

    assert CourseRoot.find(inside) == CourseRoot(tiny.path.resolve())
    monkeypatch.chdir(inside)
    assert CourseRoot.find() == CourseRoot(tiny.path.resolve())


def test_outside_a_course_the_error_says_where_it_looked_and_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        CourseRoot.find(tmp_path)

    assert str(tmp_path.resolve()) in str(caught.value)
    assert "--course-root" in str(caught.value)


def test_a_syllabus_without_solutions_beside_it_is_the_students_bundle_and_no_course(tmp_path: Path) -> None:
    (tmp_path / "course").mkdir()
    (tmp_path / "course" / "syllabus.yaml").touch()

    with pytest.raises(UsageError):
        CourseRoot.find(tmp_path)


def test_every_file_has_its_place(tiny: CourseRoot) -> None:
    places = {
        tiny.lesson("m"): "course/modules/m/lesson.md",
        tiny.quiz("m"): "course/modules/m/quiz.yaml",
        tiny.solution("m"): "solutions/m.py",
        tiny.exercise_notebook("m"): "exercises/m.ipynb",
        tiny.suite("m"): "autograder/hidden/m/suite.py",
        tiny.mistakes("m"): "autograder/hidden/m/mistakes.py",
        tiny.variants("m"): "autograder/hidden/m/variants.py",
        tiny.keys("m"): "autograder/hidden/m/keys.yaml",
        tiny.equivalents("m"): "autograder/hidden/m/equivalents.yaml",
    }

    assert {tiny.relative(path): place for path, place in places.items()} == {
        place: place for place in places.values()
    }


def test_the_syllabus_is_that_of_the_folder_and_not_the_installed_one(tiny: CourseRoot) -> None:
    assert [module.id for module in tiny.syllabus.modules] == ["tiny"]


def test_a_broken_syllabus_is_an_error_with_file_and_line(tmp_path: Path) -> None:
    root = write_tiny_course(tmp_path, syllabus="title: T\nmodules: []\n")

    with pytest.raises(ContentError, match=r"syllabus\.yaml, line 2: modules"):
        _ = root.syllabus


def test_an_unknown_module_is_answered_with_the_known_ones(tiny: CourseRoot) -> None:
    with pytest.raises(UsageError, match="no module 'tyni': choose one of tiny"):
        tiny.module("tyni")


def test_finding_a_course_does_not_import_torch() -> None:
    code = "import sys, autograder.content.course_root; sys.exit('torch' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
