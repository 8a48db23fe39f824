"""What all tests share. Nothing heavy is imported here: many tests need no torch."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from autograder.course_root import CourseRoot

if TYPE_CHECKING:
    from tests.deployment.postgresql import Server
    from tests.sample_class import Material

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


@pytest.fixture(scope="session")
def material(course_root: CourseRoot) -> Material:
    """What the sample class is made of."""
    from tests.sample_class import load_material

    return load_material(course_root)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """A PostgreSQL server of the tests' own."""
    from tests.deployment import postgresql

    bin = postgresql.programs()
    if bin is None:
        pytest.skip("PostgreSQL's initdb is not installed: apt install postgresql")
    with postgresql.running(bin) as server:
        yield server
