"""An installed course that is updated."""

import shutil
from pathlib import Path

import pytest

from course.desk import start


@pytest.fixture
def source(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The notebooks that `course start` brings, for a test to change as an update does."""
    copy = shutil.copytree(start.course_notebooks(), tmp_path_factory.mktemp("installed") / "exercises")
    monkeypatch.setattr(start, "course_notebooks", lambda: copy)
    return copy
