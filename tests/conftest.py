"""What all tests share. Nothing heavy is imported here: many tests need no torch."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from autograder.course_root import CourseRoot

# Before the first import of torch, so that tests that run at the same time do not fight for the cores.
os.environ.setdefault("OMP_NUM_THREADS", "1")


# What fills the machine or counts what is on it: never two of these at a time.
ALONE = ("end_to_end/test_faults.py", "hub/live/", "isolation/", "sandbox/", "worker/kernel/")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """For `--dist loadgroup`: a file's tests stay together, since what they have in common is made once."""
    here = Path(__file__).parent
    for item in items:
        file = item.path.relative_to(here).as_posix()
        item.add_marker(pytest.mark.xdist_group("alone" if file.startswith(ALONE) else file))


@pytest.fixture(scope="session")
def course_root() -> CourseRoot:
    """The course of this checkout."""
    return CourseRoot(Path(__file__).resolve().parents[1])
