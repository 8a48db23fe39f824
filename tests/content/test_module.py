"""A module is loaded with all that belongs to it; what is wrong with it is said before anybody is graded."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from autograder.content.course_root import CourseRoot
from autograder.content.imports import imported
from autograder.content.module import GradedModule
from autograder.errors import ContentError, UsageError
from tests.build.tiny_course import KEYS, write_tiny_course

HINTS = "hints:\n  double: {degrees: [Look at it., 'Twice, not more.']}\n"


@pytest.fixture
def tiny(tmp_path: Path) -> CourseRoot:
    return write_tiny_course(tmp_path)


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def test_every_module_of_the_course_is_as_it_must_be(course_root: CourseRoot) -> None:
    for entry in course_root.syllabus.modules:
        module = GradedModule.load(course_root, entry.id)
        assert (module.hints.keys(), bool(module.self_check)) == ({e.id for e in entry.exercises}, True)
        assert len(module.questions) >= 7


def test_a_module_that_is_not_there_is_a_usage_error(tiny: CourseRoot) -> None:
    with pytest.raises(UsageError, match="no module 'tyni'"):
        GradedModule.load(tiny, "tyni")


@pytest.mark.parametrize(
    ("place", "text", "said"),
    [
        (CourseRoot.keys, KEYS.replace("q2:", "q7:"), r"hidden/tiny/keys\.yaml, .*'q2'"),
        (
            CourseRoot.hints,
            HINTS.replace("double", "duoble"),
            r"tiny/hints\.yaml: there is no exercise 'duoble'",
        ),
        (CourseRoot.hints, "hints: [", r"tiny/hints\.yaml, line 1"),
        (CourseRoot.self_check, "questions: []", r"tiny/self_check\.yaml, line 1"),
    ],
)
def test_what_is_wrong_is_named(place, text: str, said: str, tiny: CourseRoot) -> None:  # type: ignore[no-untyped-def]
    write(place(tiny, "tiny"), text)

    with pytest.raises(ContentError, match=said):
        GradedModule.load(tiny, "tiny")


def test_a_suite_that_is_no_python_is_named(tiny: CourseRoot) -> None:
    write(tiny.suite("tiny"), "x = 1\nbroken = = 1\n")

    with pytest.raises(ContentError, match=r"suite\.py, line 2: no Python: invalid syntax"):
        _ = GradedModule.load(tiny, "tiny").digest


def test_hints_and_self_check_may_be_missing(tiny: CourseRoot) -> None:
    module = GradedModule.load(tiny, "tiny")

    assert (module.hints, module.self_check) == ({}, None)


def test_a_notebook_that_was_never_built_is_named(tiny: CourseRoot) -> None:
    with pytest.raises(ContentError, match=r"exercises/tiny\.ipynb is missing: run `autograder build`"):
        _ = GradedModule.load(tiny, "tiny").released


# The digest


def digest(root: CourseRoot) -> str:
    return GradedModule.load(root, "tiny").digest


def with_imports(root: CourseRoot) -> CourseRoot:
    """The suite imports the reference, which imports a layer; and what tests are written with."""
    write(root.suite("tiny"), "from autograder.testing import value\nfrom solutions import tiny\n")
    write(
        root.solution("tiny"), "from course.lab.layers import Attention\n" + root.solution("tiny").read_text()
    )
    write(root.path / "course/lab/layers.py", "from . import scores\n")
    write(root.path / "course/lab/scores.py", "SCALE = 1\n")
    write(root.path / "autograder/testing/__init__.py", "from .assertions import assert_close\n")
    write(root.path / "autograder/testing/assertions.py", "TOLERANCE = 1e-9\n")
    return root


@pytest.mark.parametrize(
    "file",
    [
        "solutions/tiny.py",
        "autograder/hidden/tiny/suite.py",
        "autograder/hidden/tiny/keys.yaml",
        "course/modules/tiny/quiz.yaml",
        "course/lab/layers.py",
        "course/lab/scores.py",
        "autograder/testing/assertions.py",
    ],
)
def test_it_changes_with_whatever_decides_a_grade(file: str, tiny: CourseRoot) -> None:
    before = digest(with_imports(tiny))
    with (tiny.path / file).open("a") as sink:
        sink.write("# something else\n")

    assert digest(tiny) != before


def test_it_does_not_change_with_what_people_read(tiny: CourseRoot) -> None:
    before = digest(with_imports(tiny))
    write(tiny.hints("tiny"), HINTS)
    for path in (tiny.lesson("tiny"), tiny.mistakes("tiny"), tiny.path / "course" / "another.py"):
        with path.open("a") as sink:
            sink.write("\n# something else\n")

    assert digest(tiny) == before


def test_it_is_the_same_wherever_the_course_lies(tiny: CourseRoot, tmp_path: Path) -> None:
    shutil.copytree(with_imports(tiny).path, tmp_path / "else where")

    assert digest(CourseRoot(tmp_path / "else where")) == digest(tiny)


def test_what_is_imported_is_found_where_it_is_installed_if_the_course_has_no_copy(tiny: CourseRoot) -> None:
    write(tiny.suite("tiny"), "from autograder.testing import value\n")

    found = imported(tiny.path, [tiny.suite("tiny")])

    assert {
        "autograder/testing/marks.py",
        "autograder/contract/student.py",
        "autograder/errors.py",
    } <= found.keys()
    assert not any(name.startswith(("torch", "course/modules", "autograder/grading")) for name in found)


def test_the_layers_of_unet_are_in_its_digest(course_root: CourseRoot) -> None:
    paths = [course_root.suite("unet"), course_root.solution("unet")]

    assert "course/lab/layers.py" in imported(course_root.path, paths)


# Other uses


def test_what_grading_needs_is_neither_lesson_nor_variants(tiny: CourseRoot) -> None:
    write(tiny.variants("tiny"), "")
    write(tiny.path / "solutions" / "__init__.py", "")
    write(tiny.path / "solutions" / "other.py", "")
    write(tiny.solution("tiny"), "from solutions import other\n")

    assert set(GradedModule.load(tiny, "tiny").files_to_grade_with()) == {
        "course/syllabus.yaml",
        "course/modules/tiny/module.yaml",
        "course/modules/tiny/quiz.yaml",
        "autograder/hidden/tiny/keys.yaml",
        "autograder/hidden/tiny/mistakes.py",
        "autograder/hidden/tiny/suite.py",
        "solutions/__init__.py",
        "solutions/other.py",
        "solutions/tiny.py",
    }


def test_loading_a_module_needs_no_torch() -> None:
    code = "import sys, autograder.content.module; sys.exit('torch' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
