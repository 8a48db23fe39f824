"""How long the class report of a thousand students takes."""

from __future__ import annotations

import time

import pytest

from autograder.reports.class_report import class_html
from tests.reports import examples

pytestmark = pytest.mark.benchmark

STUDENTS = 1000


def test_a_class_report() -> None:
    results = examples.large_class(STUDENTS)
    links = {(result.student, result.module): "page.html" for result in results}
    started = time.perf_counter()
    html = class_html(results, examples.SYLLABUS, links)
    seconds = time.perf_counter() - started

    print(f"\nthe class report of {STUDENTS} students: {seconds:.1f} s, {len(html) / 1e6:.1f} MB")
