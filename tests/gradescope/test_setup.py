"""`setup.sh` for real: its own environment, PyTorch and both packages from the registries, the trial."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from autograder.sandbox.levels import Isolation, probe
from tests.gradescope.container import Container
from tests.sample_class import Material

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(bool(probe()[Isolation.LANDLOCK]), reason="needs Landlock"),
]


@pytest.mark.timeout(1800)
def test_an_image_is_built_and_grades(archive: Path, material: Material, tmp_path: Path) -> None:
    container = Container.of(archive, tmp_path / "autograder", ready=False)
    done = subprocess.run(
        ["bash", str(container.tree / "source" / "setup.sh")],
        cwd="/",
        env={**os.environ, "PYTHONPATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "attention can be graded here, isolation landlock" in done.stdout

    draft = material.draft()
    draft.solve()
    draft.mistake("divided_by_d")
    container.hand_in({"attention.ipynb": draft.bytes()})
    container.run()
    found = container.results()
    assert found["extra_data"]["status"] == "graded"
    assert 90 < found["score"] < 110
    public = [test for test in found["tests"] if test["name"].startswith("Public checks")]
    assert [test["status"] for test in public].count("failed") == 1


def test_a_course_that_cannot_be_graded_stops_the_build(archive: Path, tmp_path: Path) -> None:
    """That is where an instructor sees why; no student has handed in anything yet."""
    container = Container.of(archive, tmp_path / "autograder")
    (container.tree / "source/course_root/autograder/hidden/attention/suite.py").write_text("broken = = 1\n")
    trial = [container.tree / "venv/bin/python", "-I", "-m", "autograder.gradescope.run", container.tree]
    done = subprocess.run([*trial, "--trial"], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "Not graded" in done.stdout
    assert not (container.tree / "results" / "results.json").exists()
