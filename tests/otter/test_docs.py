"""Every command of docs/otter.md, in its order."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from autograder.content.course_root import CourseRoot
from tests.otter.conftest import named
from tests.sample_class import Student

FOLDER = "../otter"


@pytest.mark.slow
def test_the_commands_of_the_guide(
    course_root: CourseRoot, tmp_path: Path, for_otter: Callable[[Student], bytes]
) -> None:
    text = (course_root.path / "docs" / "otter.md").read_text(encoding="utf-8")
    export, run = re.findall(r"^    ((?:autograder )?otter .*)$", text, re.MULTILINE)
    (tmp_path / "attention.ipynb").write_bytes(for_otter(named("Fatima")))
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "OMP_NUM_THREADS": "1",
    }

    for command, folder in ((export, course_root.path), (run, tmp_path)):
        words = command.replace(FOLDER, str(tmp_path / "otter")).split()
        done = subprocess.run(
            words, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=280
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"

    assert sorted(path.name for path in (tmp_path / "otter" / "students").iterdir()) == ["attention", "noise"]
    results = json.loads((tmp_path / "results.json").read_text())
    by_name = {test["name"]: test for test in results["tests"]}
    assert 0 < by_name["attention.split_heads"]["score"] < by_name["attention.split_heads"]["max_score"]
    assert "This looks like a known mistake" in by_name["attention.split_heads"]["output"]
