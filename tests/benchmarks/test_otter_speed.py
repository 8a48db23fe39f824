"""How long one `otter run` takes with our plugin, and with stock Otter on the same notebook.

Stock Otter runs the public checks in the student's own kernel, demo cells included; the plugin runs the
hidden suite. Prints its figures and asserts nothing about time: `make benchmarks`. OTTER_TIMES: how often.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

import nbformat
import pytest
from otter.generate import main as otter_generate

from autograder.build import dump
from autograder.content.course_root import CourseRoot
from autograder.otter.export import export
from autograder.otter.notebook import with_grader
from tests.sample_class import CLASS, load_material

pytestmark = [pytest.mark.benchmark, pytest.mark.stock]

ROOT = CourseRoot.find(Path(__file__).parent)
TIMES = int(os.environ.get("OTTER_TIMES", "1"))
SCRIPTS = Path(sys.executable).parent


def seconds(folder: Path, *command: str) -> float:
    began = time.perf_counter()
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True)
    return time.perf_counter() - began


@pytest.mark.timeout(1200)
def test_one_submission(tmp_path: Path) -> None:
    material = load_material(ROOT)
    export(ROOT, tmp_path / "exported", ["attention"], seed=1)
    right = next(student for student in CLASS if student.name.startswith("Ada"))
    plain, submission = tmp_path / "plain" / "attention.ipynb", tmp_path / "attention.ipynb"
    plain.parent.mkdir()
    plain.write_bytes(right.write(material))
    notebook = nbformat.read(plain, as_version=nbformat.NO_CONVERT)
    submission.write_bytes(dump(with_grader(notebook, material.module)))
    ours, stock = tmp_path / "exported/instructors/attention/autograder.zip", tmp_path / "stock.zip"
    tests = tmp_path / "exported/students/attention/tests"
    otter_generate(tests_dir=str(tests), output_path=str(stock), no_config=True, no_requirements=True)
    otter = (str(SCRIPTS / "otter"), "run", str(submission), "--no-logo", "-a")

    commands = {
        "otter run with the plugin, hidden suite": (*otter, str(ours)),
        "stock otter run, public checks in a kernel": (*otter, str(stock)),
        "autograder grade, hidden suite": (
            *(str(SCRIPTS / "autograder"), "grade", str(plain), "--out", "graded", "--force"),
            *("--course-root", str(ROOT.path)),
        ),
    }
    # In turns, so that whatever else the machine does weighs on all of them alike.
    took: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(TIMES):
        for name, command in commands.items():
            took[name].append(seconds(tmp_path, *command))

    print(f"\none submission of attention, start included, median of {TIMES}:")
    for name, times in took.items():
        print(f"  {name}: {median(times):.1f} s")
