"""The commands of docs/gradescope.md, run as they stand there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest
from typer.testing import CliRunner

from autograder.cli import app
from autograder.content.course_root import CourseRoot
from autograder.gradescope.settings import Visibility

MADE = {"attention.zip", "noise.zip"}


def test_the_export_makes_the_zips_that_the_page_names(
    course_root: CourseRoot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (course_root.path / "docs" / "gradescope.md").read_text(encoding="utf-8")
    (command,) = re.findall(r"^    autograder (gradescope export .*)$", text, re.MULTILINE)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    done = CliRunner().invoke(app, [*command.split(), "--course-root", str(course_root.path)])
    assert done.exit_code == 0, done.output
    assert {path.name for path in (tmp_path / "gradescope").iterdir()} == MADE
    assert all(f"`{name}`" in text for name in MADE)
    assert all(value in text for value in get_args(Visibility))
