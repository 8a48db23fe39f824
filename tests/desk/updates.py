"""An installed course that is updated, and a student's notebook that is worked in."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
import pytest

from course.desk import start
from course.desk.start import course_notebooks


def copy_of_the_course(factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The notebooks that `course start` brings, for a test to change as an update does."""
    copy = shutil.copytree(course_notebooks(), factory.mktemp("installed") / "exercises")
    monkeypatch.setattr(start, "course_notebooks", lambda: copy)
    return copy


def edit(path: Path, change: Callable[[Any], None]) -> bytes:
    """Changes a notebook, and writes it the way Jupyter does; its bytes."""
    notebook = nbformat.read(path, as_version=4)
    change(notebook)
    nbformat.write(notebook, path)
    return path.read_bytes()


def answer(notebook: Any) -> None:
    notebook.cells[7].source += "\n# my answer"


def new_lesson(notebook: Any) -> None:
    notebook.cells[0].source += "\n\nOne more paragraph."


def newer_lesson(notebook: Any) -> None:
    notebook.cells[0].source += "\n\nAnd another."


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}
