"""The reports of a known class, byte by byte. After a wanted change: UPDATE_GOLDEN=1 pytest tests/reports."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from autograder.reports.class_report import class_html
from autograder.reports.feedback import feedback_html
from autograder.reports.tables import grades_csv, results_jsonl

from . import examples
from .markup import without_style

GOLDEN = Path(__file__).parent / "golden"


def class_report() -> str:
    results = examples.small_class()
    fault = ("walter-petit", "attention", "The worker would not start: no space left on the scratch disk.")
    return without_style(class_html(results, examples.SYLLABUS, examples.pages(results), [fault]))


REPORTS: dict[str, Callable[[], str]] = {
    "feedback-mixed.html": lambda: without_style(feedback_html(examples.mixed(), examples.ATTENTION)),
    "feedback-unreadable.html": lambda: without_style(
        feedback_html(examples.unreadable(), examples.ATTENTION)
    ),
    "class.html": class_report,
    "grades.csv": lambda: grades_csv(
        examples.small_class(), examples.SYLLABUS, examples.pages(examples.small_class())
    ),
    "results.jsonl": lambda: results_jsonl([examples.mixed(), examples.unreadable()]),
}


@pytest.mark.parametrize("name", REPORTS)
def test_a_report_is_as_it_was(name: str) -> None:
    made, path = REPORTS[name](), GOLDEN / name
    if os.environ.get("UPDATE_GOLDEN"):
        path.write_text(made, encoding="utf-8", newline="\n")
    assert made == path.read_text(encoding="utf-8")
