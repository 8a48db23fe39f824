"""What students see of a result in Gradescope, and when."""

from __future__ import annotations

from typing import Any, get_args

import pytest

from autograder.examined import Examined
from autograder.gradescope.results import results_json
from autograder.gradescope.settings import Details, Settings, Visibility
from autograder.results import ErrorExcerpt, Result
from course.catalogue.syllabus import Module, parse_module
from tests.gradescope.container import check, seen

MODULE: Module = parse_module(
    "tiny",
    """
title: Tiny
summary: For tests.
exercises:
  - {id: add, title: Adding, points: 3, minutes: 1, difficulty: 1}
  - {id: halve, title: Halving, points: 7, minutes: 1, difficulty: 1}
""",
)

EXAMINED = Examined.model_validate(
    {
        "student": "s",
        "module": "tiny",
        "key": "k",
        "exercises": [{"id": "add", "title": "Adding", "state": "failed", "lines": ["✗ 1 + 1 is 2."]}],
    }
)


def result(**rest: Any) -> Result:
    """`add` has a third and a named mistake; `halve` was not begun."""

    def test(id: str, title: str, passed: bool, weight: float, **more: Any) -> dict[str, Any]:
        return {"id": id, "title": title, "kind": "value", "passed": passed, "weight": weight, **more}

    add = [test("a", "Adds.", True, 1), test("b", "Adds tensors.", False, 2, message="the values are wrong")]
    return Result.model_validate(
        {
            "schema": 1,
            "student": "s",
            "module": "tiny",
            "path": "tiny.ipynb",
            "sha256": "ab",
            "key": "k",
            "run_seed": 4711,
            "device": "cpu",
            "isolation": "landlock",
            "status": "graded",
            "seconds": 1,
            "started": "2026-01-02T03:04:05Z",
            "points": 1,
            "max_points": 10,
            "exercises": [
                {
                    "id": "add",
                    "title": "Adding",
                    "points": 1,
                    "max_points": 3,
                    "state": "answered",
                    "tests": add,
                    "mistakes": [{"id": "m", "title": "added twice", "hint": "Count the terms."}],
                },
                {
                    "id": "halve",
                    "title": "Halving",
                    "points": 0,
                    "max_points": 7,
                    "state": "untouched",
                    "tests": [test("c", "Halves.", False, 1)],
                },
            ],
            "flags": [{"kind": "tampering", "exercise": "add", "message": "forged an answer"}],
            **rest,
        }
    )


def made(
    given: Result | None = None,
    visibility: Visibility = "after_published",
    details: Details = "exercises",
    examined: Examined | None = EXAMINED,
) -> dict[str, Any]:
    settings = Settings(module="tiny", seed=4711, visibility=visibility, details=details)
    found = results_json(given or result(), MODULE, settings, examined, 3.21)
    check(found)
    return found


def test_an_entry_for_each_exercise() -> None:
    found = made()
    scored = [test for test in found["tests"] if "score" in test]
    assert [(t["number"], t["name"], t["score"], t["max_score"], t["status"]) for t in scored] == [
        ("1", "Adding", 1, 3, "failed"),
        ("2", "Halving", 0, 7, "failed"),
    ]
    assert scored[0]["output"].split("\n") == [
        "This looks like a known mistake: added twice.",
        "Count the terms.",
        "✓ Adds.",
        "✗ Adds tensors.",
        "    the values are wrong",
    ]
    assert scored[1]["output"] == "Not begun."
    assert (found["score"], found["execution_time"]) == (1, 3.2)


def test_an_entry_for_each_property_adds_up_to_the_same() -> None:
    scored = [test for test in made(details="properties")["tests"] if "score" in test]
    assert [(t["number"], t["name"], t["score"], t["max_score"]) for t in scored] == [
        ("1.1", "Adding: Adds.", 1, 1),
        ("1.2", "Adding: Adds tensors.", 0, 2),
        ("2.1", "Halving: Halves.", 0, 7),
    ]
    assert "known mistake" not in scored[0]["output"]
    assert scored[1]["output"].startswith("This looks like a known mistake: added twice.")


@pytest.mark.parametrize("details", get_args(Details))
def test_before_the_grades_are_published_nothing_hidden_is_seen(details: Details) -> None:
    found = made(details=details)
    before = seen(found, published=False)
    assert [test["name"] for test in before] == ["Public checks: Adding"]
    assert "score" not in before[0]
    said = str([found["output"], before])
    assert not any(word in said for word in ("Adds", "known mistake", "tampering", "forged", "4711"))
    assert "shown when grades are published" in found["output"]
    assert len(seen(found, published=True)) > len(before)


@pytest.mark.parametrize("visibility", get_args(Visibility))
def test_the_points_are_visible_when_the_instructor_said(visibility: Visibility) -> None:
    scored = [test for test in made(visibility=visibility)["tests"] if "score" in test]
    assert {test["visibility"] for test in scored} == {visibility}


def test_what_is_for_a_person_to_judge_no_student_sees() -> None:
    (flags,) = [test for test in made(visibility="visible")["tests"] if "tampering" in test["output"]]
    assert flags["visibility"] == "hidden"
    assert "score" not in flags


def test_an_unreadable_file_says_so_at_once() -> None:
    found = made(result(status="unreadable", reason="The file is empty.", points=0, exercises=[]))
    assert found["score"] == 0
    (entry,) = [test for test in seen(found, published=False) if "Public" not in test["name"]]
    assert entry["name"] == "Your submission could not be read"
    assert entry["output"].split("\n") == [
        "The file is empty.",
        "Wanted is tiny.ipynb: hand it in again, saved from Jupyter as a notebook.",
    ]


def test_what_a_student_wrote_is_plain_text_of_bounded_size() -> None:
    given = result()
    given.exercises[0].tests[1].error = ErrorExcerpt(
        type="E\x1b[31m", message="<script>x</script>" * 10_000, trace="line\n" * 10_000
    )
    found = made(given)
    output = next(test["output"] for test in found["tests"] if test.get("number") == "1")
    assert "\x1b" not in output
    assert len(output) < 20_000
    assert not any("format" in key for test in found["tests"] for key in test)  # Gradescope's default: text
