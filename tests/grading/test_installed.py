"""Suites where the autograder is installed from a wheel: `solutions` is in none, and not beside it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from autograder.content.course_root import CourseRoot

COLLECT = """
import sys
sys.path = [{installed!r}, *(path for path in sys.path if path not in ("", {root!r}))]
from pathlib import Path
from autograder.grading.suite import with_suites
assert not any(Path(path, "solutions").exists() for path in sys.path)
with_suites(
    {{"attention": Path({suite!r})}},
    lambda suites: print(sum(len(tests) for tests in suites["attention"].tests.values())),
)
"""


@pytest.mark.slow
def test_a_suite_finds_the_solutions(course_root: CourseRoot, tmp_path: Path) -> None:
    for package in ("autograder", "course"):
        (tmp_path / package).symlink_to(course_root.path / package)
    code = COLLECT.format(
        installed=str(tmp_path), root=str(course_root.path), suite=str(course_root.suite("attention"))
    )

    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=200,
    )

    assert done.returncode == 0, done.stderr
    assert int(done.stdout.split()[-1]) > 20
