"""What the tests of Otter share: an export, made once, and the sample class in Otter's notebooks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import nbformat
import pytest

from autograder.build import dump
from autograder.content.course_root import CourseRoot
from autograder.otter.export import export
from autograder.otter.notebook import with_grader
from tests.made_once import made_once
from tests.sample_class import CLASS, Material, Student

SEED = 20


@pytest.fixture(scope="session")
def exported(course_root: CourseRoot, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made_once(
        tmp_path_factory, "otter", lambda folder: export(course_root, folder, ["attention"], seed=SEED)
    )


@pytest.fixture(scope="session")
def archive(exported: Path) -> Path:
    return exported / "instructors" / "attention" / "autograder.zip"


@pytest.fixture(scope="session")
def for_otter(material: Material) -> Callable[[Student], bytes]:
    """What a student of the sample class hands in where the course uses Otter."""

    def converted(student: Student) -> bytes:
        content = student.write(material)
        if student.expected.status != "graded":
            return content
        notebook = nbformat.reads(content.decode(), as_version=nbformat.NO_CONVERT)
        return dump(with_grader(notebook, material.module))

    return converted


def named(part: str) -> Student:
    """The one of the sample class whose name contains this."""
    (found,) = (student for student in CLASS if part in student.name)
    return found
