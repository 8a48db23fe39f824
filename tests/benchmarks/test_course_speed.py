"""How soon a student has an answer: what `import course` adds to torch, and how long `check` takes.

Prints its figures and asserts nothing about time: `make benchmarks`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from statistics import median

import pytest

from autograder.content.course_root import CourseRoot

pytestmark = pytest.mark.benchmark

ROOT = CourseRoot.find(Path(__file__).parent)
TIMES = 5

IMPORT = """
import torch, time
start = time.perf_counter()
from course import check, hint
from course.modules.attention import figures
print(time.perf_counter() - start)
"""

# In the order of the notebook, each twice: the first time what it needs is loaded.
CHECK = """
import contextlib, importlib, io, json, sys, time
import torch
from course import check
from course.catalogue.syllabus import load

answers = importlib.import_module(f"solutions.{sys.argv[1]}")
seconds = {}
for exercise in load().module(sys.argv[1]).exercises:
    seconds[exercise.id] = []
    for _ in range(2):
        start = time.perf_counter()
        with contextlib.redirect_stdout(io.StringIO()):
            check(*(getattr(answers, name) for name in exercise.defines))
        seconds[exercise.id].append(time.perf_counter() - start)
print(json.dumps(seconds))
"""


def in_a_fresh_process(source: str, folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", source, *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT.path)},
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    return done.stdout


def test_import_course(tmp_path: Path) -> None:
    seconds = [float(in_a_fresh_process(IMPORT, tmp_path)) for _ in range(TIMES)]

    print(f"\nimport course, on top of torch: {median(seconds):.3f} s (median of {TIMES} fresh processes)")


@pytest.mark.parametrize("module", [module.id for module in ROOT.syllabus.modules])
def test_check(module: str, tmp_path: Path) -> None:
    seconds: dict[str, list[float]] = json.loads(in_a_fresh_process(CHECK, tmp_path, module))

    first = next(iter(seconds))
    slowest = max(seconds, key=lambda exercise: max(seconds[exercise]))
    again = median(times[1] for times in seconds.values())
    print(
        f"\ncheck, {module}: {seconds[first][0]:.2f} s for the first, then {again:.2f} s (median); "
        f"the slowest, {slowest}: {seconds[slowest][0]:.2f} s, again {seconds[slowest][1]:.2f} s"
    )
    assert all(len(times) == 2 for times in seconds.values())
