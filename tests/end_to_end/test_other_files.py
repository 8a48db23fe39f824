"""What lies beside a submission is never run: only its notebook is, in the locked worker."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from autograder.content.course_root import CourseRoot
from autograder.run.store import Store
from tests.end_to_end.small_class import POINTS, write
from tests.sample_class import Material

NAMES_ON_THE_WAY = ("torch", "msgspec", "pytest", "numpy", "random", "solutions", "sitecustomize")
MARKS = """
import os
open(os.path.join({folder!r}, "ran"), "a").write(__name__ + "\\n")
raise ImportError("this file is a student's")
"""


@pytest.mark.slow
@pytest.mark.parametrize("sandbox", ["auto", "none"])
def test_modules_in_the_folder_of_a_submission_are_not_imported(
    sandbox: str, course_root: CourseRoot, tmp_path: Path, material: Material
) -> None:
    """A grader who stands in the folder and grades what is there, as a self-learner does."""
    here = tmp_path / "here"
    write(here, "mine", material)
    for folder in (here, here / "mine"):
        for name in NAMES_ON_THE_WAY:
            (folder / f"{name}.py").write_text(MARKS.format(folder=str(tmp_path)))
    command = [
        str(Path(sys.executable).with_name("autograder")),
        "grade",
        "mine",
        "--out",
        str(tmp_path / "out"),
    ]
    done = subprocess.run(
        [*command, "--sandbox", sandbox, "--seed", "1", "--course-root", str(course_root.path)],
        cwd=here,
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert not (tmp_path / "ran").exists(), (tmp_path / "ran").read_text()
    (result,) = Store(tmp_path / "out").results()
    assert result.points == POINTS
