"""Whatever lies in `mine/`, the same answer gets the same points: in grading all parts are the course's."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from autograder import build
from autograder.content.course_root import CourseRoot
from autograder.run.store import Store
from tests.desk.answers import keep_all

# Raises in a worker that would take a student's own attention.
ONLY_LENT = """\
        assert parts.attention.CrossAttention.__module__ == "course.modules.attention.lent"
        self.norm1 = nn.LayerNorm(dim)
"""


@pytest.mark.slow
@pytest.mark.parametrize("level", ["none", "auto"])
def test_mine_beside_a_submission_changes_nothing(
    level: str, course_root: CourseRoot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("COURSE_MINE", raising=False)
    solved = build.answers(course_root, "unet", "solved")
    block = solved["TransformerBlock"].replace("        self.norm1 = nn.LayerNorm(dim)\n", ONLY_LENT)
    assert ONLY_LENT in block
    notebook = build.compose(course_root, "unet", {"TransformerBlock": block})
    for student in ("Ada", "Ben"):
        (tmp_path / "class" / student).mkdir(parents=True)
        nbformat.write(notebook, tmp_path / "class" / student / "unet.ipynb")
    keep_all(tmp_path / "class" / "Ada", "attention")
    keep_all(tmp_path, "attention")  # and where the run was started

    out = tmp_path / "out"
    command = [sys.executable, "-m", "autograder.cli", "grade", "class", "--out", str(out)]
    done = subprocess.run(
        [*command, "--sandbox", level, "--course-root", str(course_root.path)],
        cwd=tmp_path, capture_output=True, text=True, timeout=500, check=False,
        env={**os.environ, "COURSE_MINE": str(tmp_path / "mine")},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    results = {result.student: result for result in Store(out).results()}
    points = {
        student: {one.id: (one.points, one.max_points) for one in result.exercises}
        for student, result in results.items()
    }
    assert points["Ada"] == points["Ben"]
    reached, most = points["Ada"]["TransformerBlock"]
    assert reached == most
