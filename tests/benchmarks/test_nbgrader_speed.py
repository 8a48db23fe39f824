"""How fast a class is in nbgrader's gradebook, against nbgrader's own `autograde` on the same notebooks.

Prints its figures and asserts nothing about time: `make benchmarks`. NBGRADER_SUBMISSIONS and NBGRADER_STOCK
set how many submissions there are, and how many of them stock nbgrader gets.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from autograder.content.course_root import CourseRoot
from autograder.nbgrader.course import init
from tests.nbgrader.directory import ASSIGNMENT, COURSE_ID, Directory
from tests.sample_class import CLASS, load_material

pytestmark = [pytest.mark.benchmark, pytest.mark.stock]

ROOT = CourseRoot.find(Path(__file__).parent)
SUBMISSIONS = int(os.environ.get("NBGRADER_SUBMISSIONS", "60"))
STOCK = int(os.environ.get("NBGRADER_STOCK", "3"))  # enough for a rate: each costs seconds
JOBS = "2"
STOCK_CONFIG = f"c = get_config()\nc.CourseDirectory.course_id = {COURSE_ID!r}\n"


@pytest.fixture
def class_(tmp_path: Path) -> Directory:
    """Copies of those of the sample class whose notebooks do no harm in a kernel and can be read there."""
    made = Directory(tmp_path / "ours")
    init(ROOT, made.path, [ASSIGNMENT], COURSE_ID)
    material = load_material(ROOT)
    works = [one.write(material) for one in CLASS if one.honest and one.expected.status == "graded"]
    for number in range(SUBMISSIONS):
        made.hand_in(f"student-{number:02}", works[number % len(works)])
    return made


def seconds(*command: str, directory: Directory, check: bool = True) -> float:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT.path)}
    began = time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", *command],
        cwd=directory.path,
        env=environment,
        check=check,
        capture_output=True,
    )
    return time.perf_counter() - began


@pytest.mark.timeout(3000)
def test_a_class_in_the_gradebook(class_: Directory, tmp_path: Path) -> None:
    stock = Directory(shutil.copytree(class_.path, tmp_path / "stock"))
    (stock.path / "nbgrader_config.py").write_text(STOCK_CONFIG)
    chosen = range(0, SUBMISSIONS, max(1, SUBMISSIONS // STOCK))
    keep = {f"student-{number:02}" for number in list(chosen)[:STOCK]}
    for folder in (stock.path / "submitted").iterdir():
        if folder.name not in keep:
            shutil.rmtree(folder)

    ours = seconds("autograder.cli", "nbgrader", "autograde", ASSIGNMENT, "--jobs", JOBS, directory=class_)
    again = seconds("autograder.cli", "nbgrader", "autograde", ASSIGNMENT, "--jobs", JOBS, directory=class_)
    # It fails, and goes on, where a demo takes longer than its limit for a cell.
    theirs = seconds("nbgrader", "autograde", ASSIGNMENT, directory=stock, check=False)

    assert len(class_.entries()) == SUBMISSIONS
    assert stock.entries().keys() <= keep
    each, stock_each = ours / SUBMISSIONS, theirs / len(keep)
    print(
        f"\n{SUBMISSIONS} submissions graded and entered, --jobs {JOBS}, start included: {ours:.1f} s, "
        f"{each:.2f} s each; once more with nothing new: {again:.1f} s"
        f"\nstock nbgrader autograde on {len(keep)} of them: {theirs:.1f} s, {stock_each:.2f} s each; "
        f"ratio {stock_each / each:.1f}"
    )
