"""nbgrader's rules for cells of its schema 3, and the course's own on top of them."""

import re
from typing import Any

import pytest

from autograder.build import compose
from autograder.content.course_root import CourseRoot
from course.catalogue.syllabus import Module

# Key → type, and whether nbgrader's schema requires it. It allows no other key.
KEYS: dict[str, tuple[type | tuple[type, ...], bool]] = {
    "schema_version": (int, True),
    "grade": (bool, True),
    "solution": (bool, True),
    "locked": (bool, True),
    "task": (bool, True),
    "grade_id": (str, True),
    "points": ((int, float), False),
    "checksum": (str, False),
    "cell_type": (str, False),
}


@pytest.fixture
def cells(tiny: CourseRoot) -> list[Any]:
    return [cell for cell in compose(tiny, "tiny").cells if "nbgrader" in cell.metadata]


@pytest.fixture
def module(tiny: CourseRoot) -> Module:
    return tiny.module("tiny")


def test_the_metadata_is_of_schema_3(cells: list[Any]) -> None:
    for cell in cells:
        about = cell.metadata["nbgrader"]
        assert about["schema_version"] == 3
        assert set(about) <= set(KEYS)
        for key, (type_, required) in KEYS.items():
            assert not required or key in about
            assert key not in about or isinstance(about[key], type_)
        assert re.fullmatch(r"[A-Za-z0-9_\-]+", about["grade_id"])
        assert cell.cell_type == "code"
        assert ("points" in about) == about["grade"]


def test_grade_ids_are_unique(cells: list[Any]) -> None:
    ids = [cell.metadata["nbgrader"]["grade_id"] for cell in cells]

    assert len(set(ids)) == len(ids)


def test_each_exercise_has_a_solution_cell_under_its_id_and_a_check_cell(
    cells: list[Any], module: Module
) -> None:
    def ids(**kind: bool) -> list[str]:
        about = [cell.metadata["nbgrader"] for cell in cells]
        return [each["grade_id"] for each in about if all(each[key] == value for key, value in kind.items())]

    expected = [exercise.id for exercise in module.graded]
    assert ids(solution=True, grade=False, locked=False, task=False) == expected
    assert ids(solution=False, grade=True, locked=True, task=False) == [f"check_{id}" for id in expected]
    assert len(cells) == 2 * len(expected)


def test_the_points_are_those_of_the_syllabus(cells: list[Any], module: Module) -> None:
    about = [cell.metadata["nbgrader"] for cell in cells]
    points = {each["grade_id"]: each["points"] for each in about if each["grade"]}

    assert points == {f"check_{exercise.id}": exercise.points for exercise in module.graded}
    assert sum(points.values()) == module.points


def test_cells_are_locked_as_nbgrader_locks_them_in_a_release(cells: list[Any]) -> None:
    for cell in cells:
        assert cell.metadata["deletable"] is False
        assert cell.metadata.get("editable", True) is cell.metadata["nbgrader"]["solution"]
