"""How long the syllabus site takes to build."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from autograder.content.course_root import CourseRoot
from autograder.site import katex
from tests.site.conftest import build
from tests.site.pages import read

pytestmark = pytest.mark.benchmark


def test_a_build_of_the_site(course_root: CourseRoot, tmp_path: Path) -> None:
    if not katex.installed():
        pytest.skip("KaTeX is not installed: make katex")
    started = time.perf_counter()
    made = build(course_root.path, tmp_path / "site")
    seconds = time.perf_counter() - started

    assert made.returncode == 0, made.stderr
    print(f"\nthe syllabus site, {len(read(tmp_path / 'site'))} pages: {seconds:.1f} s")
