"""Every command of docs/nbgrader.md, in its order, with a student in between."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from autograder.course_root import CourseRoot
from tests.nbgrader.directory import COURSE_ID, Directory

FOLDER = "../diffusion-course-2026"


def commands(root: CourseRoot) -> list[str]:
    """The lines that stand indented by themselves."""
    text = (root.path / "docs" / "nbgrader.md").read_text(encoding="utf-8")
    return re.findall(r"^    ((?:autograder )?nbgrader .*)$", text, re.MULTILINE)


@pytest.mark.slow
def test_the_commands_of_the_guide(
    course_root: CourseRoot, tmp_path: Path, work_of: Callable[[str], bytes]
) -> None:
    exchange, folder = tmp_path / "exchange", tmp_path / "directory"
    exchange.mkdir()
    exchange.chmod(0o777)
    scripts = Path(sys.executable).parent
    environment = {
        **os.environ,
        "PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(tmp_path),  # nbgrader's cache of what was fetched
        "OMP_NUM_THREADS": "1",
    }

    def run(command: str, where: Path) -> None:
        done = subprocess.run(
            command.split(), cwd=where, env=environment, capture_output=True, text=True, timeout=280
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"

    first, *rest = commands(course_root)
    assert first == f"autograder nbgrader init {FOLDER} attention noise"
    run(first.replace(FOLDER, str(folder)), course_root.path)
    config = folder / "nbgrader_config.py"
    config.write_text(config.read_text() + f"\nc.Exchange.root = {str(exchange)!r}\n")
    student = tmp_path / "student"
    student.mkdir()
    exchange_line = f"c.Exchange.root = {str(exchange)!r}\n"
    (student / "nbgrader_config.py").write_text(
        f"c = get_config()\n{exchange_line}c.CourseDirectory.course_id = {COURSE_ID!r}\n"
    )

    for command in rest:
        run(command, folder)
        if "release_assignment" in command:
            run("nbgrader fetch_assignment attention", student)
            (student / "attention" / "attention.ipynb").write_bytes(work_of("Dalia"))
            run("nbgrader submit attention --student dalia", student)

    (entry,) = Directory(folder).entries().values()
    # The guide's command draws a fresh seed, and a softmax that overflows is right as long as nothing does.
    assert entry.score == pytest.approx(106, abs=1.5)
    (released,) = (exchange / COURSE_ID / "feedback").iterdir()
    assert "no maximum subtracted" in released.read_text(encoding="utf-8")
    header = (folder / "canvas.csv").read_text().splitlines()[0]
    assert header == "Student,ID,SIS Login ID,Section,attention (1201),noise"
    assert "dalia" in (folder / "moodle.csv").read_text()
