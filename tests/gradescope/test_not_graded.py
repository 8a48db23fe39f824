"""What stands in results.json for as long as there is no grade."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, get_args

import pytest

from autograder.gradescope.not_graded import not_graded, previous_score
from autograder.gradescope.settings import Settings, Visibility
from tests.gradescope.container import check, seen


def earlier(tree: Path, *scores: Any, results: Any = None) -> float | None:
    before = [
        {"submission_time": f"2026-11-{day:02}T10:00:00.0-07:00", "score": score, "results": results or {}}
        for day, score in enumerate(scores, 1)
    ]
    metadata = {"previous_submissions": before[::-1]}
    (tree / "submission_metadata.json").write_text(json.dumps(metadata))
    return previous_score(tree)


def test_the_score_of_the_submission_before_is_kept(tmp_path: Path) -> None:
    assert earlier(tmp_path, 3.0, "41.5") == 41.5


@pytest.mark.parametrize("score", [None, "nan", "-3", "x", [], {}])
def test_a_score_that_is_none_is_not_kept(tmp_path: Path, score: Any) -> None:
    assert earlier(tmp_path, score) is None


def test_a_zero_that_was_no_grade_is_not_kept_either(tmp_path: Path) -> None:
    mark = {"extra_data": {"not_graded": True}}
    assert earlier(tmp_path, 0.0, results=mark) is None
    assert earlier(tmp_path, 41.5, results=mark) == 41.5  # kept once, and so kept again
    assert earlier(tmp_path, 0.0) == 0


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"previous_submissions": []}', '{"previous_submissions": 3}']
)
def test_no_or_broken_metadata_is_none(tmp_path: Path, text: str) -> None:
    assert previous_score(tmp_path) is None
    (tmp_path / "submission_metadata.json").write_text(text)
    assert previous_score(tmp_path) is None


@pytest.mark.parametrize("visibility", get_args(Visibility))
@pytest.mark.parametrize("previous", [None, 41.5])
def test_it_is_valid_and_shows_no_score_early(visibility: Visibility, previous: float | None) -> None:
    found = not_graded(Settings(module="m", seed=1, visibility=visibility), previous)
    check(found)
    assert found["score"] == (previous or 0)
    assert "no fault of yours" in seen(found, published=False)[0]["output"]
    # Gradescope shows no total to students for as long as a test is hidden from them.
    assert {test["visibility"] for test in found["tests"]} == {"visible", visibility}
