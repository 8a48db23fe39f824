from pathlib import Path

import pytest

from autograder.content.course_root import CourseRoot
from tests.build.tiny_course import write_tiny_course


@pytest.fixture
def tiny(tmp_path: Path) -> CourseRoot:
    """A course of two exercises and a quiz, in a folder of its own."""
    return write_tiny_course(tmp_path / "course")
