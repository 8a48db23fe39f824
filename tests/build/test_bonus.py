"""A bonus in a notebook: a task for the student, nothing to nbgrader, and no grade changes with it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from autograder.build import answers, compose
from autograder.build.standalone import check_standalone
from autograder.content.course_root import CourseRoot
from autograder.content.module import GradedModule
from autograder.errors import ContentError
from autograder.handout.leaks import find_leaks, secrets

from .tiny_course import BONUS, LESSON_WITH_BONUS, WITH_BONUS, write_tiny_course


@pytest.fixture
def course(tmp_path: Path) -> CourseRoot:
    return write_tiny_course(tmp_path, module=WITH_BONUS, lesson=LESSON_WITH_BONUS, bonus=BONUS)


def cells(course: CourseRoot, style: Any = "stub") -> dict[str, Any]:
    return {cell.id: cell for cell in compose(course, "tiny", answers(course, "tiny", style)).cells}


def test_it_has_a_cell_to_write_and_one_to_check_and_no_metadata_of_nbgraders(course: CourseRoot) -> None:
    made = cells(course)
    assert 'raise NotImplementedError("write treble")' in made["tiny-treble-bonus"].source
    assert made["tiny-treble-bonus"].metadata == {"tags": ["bonus"]}
    assert made["tiny-treble-check"].source == "check(treble)"
    assert made["tiny-treble-check"].metadata == {"tags": ["bonus", "demo"]}  # as a demo, left out in grading


def test_its_rating_says_that_it_has_no_points(course: CourseRoot) -> None:
    ratings = [cell.source for cell in cells(course).values() if "about 4 minutes" in cell.source]
    assert "**Open bonus, no points · about 4 minutes · difficulty ●●○○○**" in ratings[0]


def test_only_the_solved_notebook_has_its_answer_as_nbgrader_cuts_what_it_grades(course: CourseRoot) -> None:
    shown = {
        style: cells(course, style)["tiny-treble-bonus"].source for style in ("stub", "solved", "marked")
    }
    assert "secret_factor_of_three" in shown["solved"]
    assert shown["marked"] == shown["stub"]


def test_its_answer_is_a_secret(course: CourseRoot) -> None:
    solved = cells(course, "solved")["tiny-treble-bonus"].source
    (leak, *_) = find_leaks([("x.py", solved.encode())], secrets(course))
    assert leak.secret.where.startswith("solutions/bonus/tiny.py")


def test_it_stands_alone_and_no_grade_changes_with_what_is_said_of_it(course: CourseRoot) -> None:
    check_standalone(course, "tiny")
    plain = write_tiny_course(course.path, module=WITH_BONUS.replace("Trebling", "Three times"))
    for root in (course, plain):
        assert "treble" not in {exercise.id for exercise in GradedModule.load(root, "tiny").entry.graded}


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"lesson": LESSON_WITH_BONUS.replace("bonus: treble", "exercise: treble")}, "'treble' is a bonus"),
        ({"lesson": LESSON_WITH_BONUS.replace("<!-- bonus: treble -->", "")}, "no place for 'treble'"),
        ({"module": WITH_BONUS.replace("treble", "double")}, "stands twice"),
        ({"module": WITH_BONUS.replace("open: true", "defines: [split]")}, "as another task does"),
        ({"module": WITH_BONUS.replace("open: true", "points: 5")}, "points"),
        ({"module": WITH_BONUS.replace("[double]", "[nothing]")}, "which is no exercise"),
        ({"bonus": BONUS.replace("def treble", "def other")}, "no bonus of module 'tiny' defines it"),
    ],
)
def test_what_is_wrong_is_said(course: CourseRoot, changed: dict[str, str], message: str) -> None:
    given = {"module": WITH_BONUS, "lesson": LESSON_WITH_BONUS, "bonus": BONUS, **changed}
    with pytest.raises(ContentError, match=message):
        compose(write_tiny_course(course.path / "other", **given), "tiny")
