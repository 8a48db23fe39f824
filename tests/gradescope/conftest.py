from __future__ import annotations

from pathlib import Path

import pytest

from autograder.content.course_root import CourseRoot
from autograder.gradescope.export import export
from tests.gradescope.container import Container
from tests.made_once import made_once

SEED = 1


@pytest.fixture(scope="session")
def archive(course_root: CourseRoot, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The zip of `attention`, for the isolation that a container without privileges allows."""

    def make(folder: Path) -> None:
        export(course_root, folder, ["attention"], sandbox="landlock", seed=SEED)

    (path,) = made_once(tmp_path_factory, "gradescope", make).iterdir()
    return path


@pytest.fixture(scope="module")
def container(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Container:
    return Container.of(archive, tmp_path_factory.mktemp("container") / "autograder")
