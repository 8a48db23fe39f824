"""What all tests share. Nothing heavy is imported here: many tests need no torch."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, settings

from autograder.content.course_root import CourseRoot
from tests.where_time_went import WhereTimeWent

if TYPE_CHECKING:
    from tests.deployment.postgresql import Server
    from tests.sample_class import Material

# Before the first import of torch, so that tests that run at the same time do not fight for the cores.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# How long an example takes says how busy the machine is.
settings.register_profile("untimed", settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")

# What fills the machine or counts what is on it: never two of these at a time.
ALONE = (
    "end_to_end/test_faults.py",
    "hub/live/",
    "isolation/test_attacks.py",
    "isolation/test_exhausting.py",
    "sandbox/",
    "worker/kernel/",
)
# The tests of these files share nothing that takes long to make: all of one file would be one long turn.
APART = ("modules/test_modules.py", "notebooks/test_executed.py")
# What takes longest begins first, so that no process is left with it when the others have ended.
FIRST = (
    *ALONE,
    *("gradescope/test_class.py", "notebooks/", "nbgrader/test_postgresql.py", "otter/test_sample_class.py"),
    *(
        "nbgrader/test_docs.py",
        "site/",
        "isolation/",
        "gradescope/",
        "otter/",
        "nbgrader/",
        "end_to_end/",
        "modules/",
        "course/",
        "desk/",
        "lab/",
    ),
)


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(WhereTimeWent())


def group_of(nodeid: str) -> str:
    """Tests of one group run one after the other in one process: a file's share what is made for them."""
    file = nodeid.partition("::")[0].removeprefix("tests/")
    if file.startswith(ALONE):
        return "alone"
    return nodeid if file in APART else file


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """For `pytest -n`, in place of `--dist`: groups by `group_of`, in the order in which they are collected.

    The marks of `--dist loadgroup` do nothing where pytest 9.2 meets pytest-xdist 3.8.
    """
    from xdist.scheduler import LoadScopeScheduling

    class ByGroup(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return group_of(nodeid)

    config.option.loadscopereorder = False  # by how many tests a group has
    return ByGroup(config, log)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Two more than there are cores: many tests wait, for browsers, kernels, and what they have killed."""
    return len(os.sched_getaffinity(0)) + 2


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    def rank(item: pytest.Item) -> int:
        file = item.nodeid.removeprefix("tests/")
        return next((number for number, start in enumerate(FIRST) if file.startswith(start)), len(FIRST))

    items.sort(key=rank)


@pytest.fixture
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The current folder is an empty one: a student's record of what is done lies there."""
    monkeypatch.chdir(tmp_path)


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
