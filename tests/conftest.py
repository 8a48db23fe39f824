"""What all tests share. Nothing heavy is imported here: many tests need no torch."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from autograder.course_root import CourseRoot

# Before the first import of torch, so that tests that run at the same time do not fight for the cores.
os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture(scope="session")
def course_root() -> CourseRoot:
    """The course of this checkout."""
    return CourseRoot(Path(__file__).resolve().parents[1])
