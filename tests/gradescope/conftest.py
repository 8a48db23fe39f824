from __future__ import annotations

from pathlib import Path

import pytest

from autograder.course_root import CourseRoot
from autograder.gradescope.export import export
from tests.gradescope.container import Container

SEED = 1


@pytest.fixture(scope="module")
def archive(course_root: CourseRoot, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The zip of `attention`, for the isolation that a container without privileges allows."""
    folder = tmp_path_factory.mktemp("zips")
    (path,) = export(course_root, folder, ["attention"], sandbox="landlock", seed=SEED)
    return path


@pytest.fixture(scope="module")
def container(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Container:
    return Container.of(archive, tmp_path_factory.mktemp("container") / "autograder")
