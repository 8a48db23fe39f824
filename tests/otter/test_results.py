"""Our results as Otter's objects: points, words, and what of a student's text is left in them."""

from __future__ import annotations

import io

import dill
from otter.run.run_autograder.autograder_config import AutograderConfig
from otter.test_files import GradingResults

from autograder.otter import results as ours
from autograder.otter.archive import config
from autograder.reports.lines import receipt
from autograder.results import ErrorExcerpt, Result, Status
from tests.reports.examples import ATTENTION, small_class


def graded() -> list[Result]:
    return [result for result in small_class() if result.module == "attention"]


def as_otters(result: Result) -> GradingResults:
    made = GradingResults([])
    made.results = ours.files_for_otter(result, ATTENTION)
    made.set_output(ours.summary(result))
    return made


def test_points_are_equal_exercise_by_exercise() -> None:
    for result in graded():
        made = as_otters(result)
        assert {name: (file.score, file.possible) for name, file in made.results.items()} == {
            f"attention.{one.id}": (one.points, one.max_points) for one in result.exercises
        }
        assert made.possible == sum(one.max_points for one in result.exercises)
        assert abs(made.total - result.points) < 1e-6


def test_a_named_mistake_and_each_property_are_in_the_message() -> None:
    found = 0
    for result in graded():
        messages = {
            name: file.test_case_results[0].message for name, file in as_otters(result).results.items()
        }
        for exercise in result.exercises:
            if result.status is not Status.GRADED or exercise.state != "answered":
                continue
            message = messages[f"attention.{exercise.id}"]
            for mistake in exercise.mistakes:
                found += 1
                assert mistake.title in message
    assert found


def test_gradescope_is_shown_the_words_once_grades_are_published() -> None:
    shown = as_otters(graded()[0]).to_gradescope_dict(AutograderConfig(config(ATTENTION, 1)))

    assert [test["name"] for test in shown["tests"]] == [f"attention.{one.id}" for one in ATTENTION.graded]
    assert {test["visibility"] for test in shown["tests"]} == {"after_published"}
    assert all("points from the automatic tests" in test["output"] for test in shown["tests"])


def test_or_at_once_where_the_configuration_says_so() -> None:
    chosen = AutograderConfig({**config(ATTENTION, 1), "show_all_public": True})
    shown = as_otters(graded()[0]).to_gradescope_dict(chosen)

    assert {test["visibility"] for test in shown["tests"]} == {"visible"}


def test_an_unreadable_submission_has_its_reason_in_front() -> None:
    result = next(one for one in graded() if one.status is Status.UNREADABLE)

    assert as_otters(result).total == 0
    output = as_otters(result).output or ""
    assert result.reason in output
    assert "Wanted is attention.ipynb" in output


def test_the_summary_is_a_receipt() -> None:
    result = graded()[0]

    assert receipt(result) in ours.summary(result)
    assert f"attention.ipynb (SHA-256 {result.sha256[:12]})" in receipt(result)


def test_a_students_words_are_no_tags_in_otters_html() -> None:
    result = graded()[0].model_copy(deep=True)
    answer = result.exercises[0]
    answer.state, answer.points = "answered", 0
    for test in answer.tests:
        test.passed = False
        test.error = ErrorExcerpt(type="ValueError", message="<img src=x onerror=alert(1)></pre><script>")

    (first, *_) = as_otters(result).results.values()

    assert "onerror=alert(1)" in first._repr_html_()
    assert "<img" not in first._repr_html_()
    assert "<script" not in first._repr_html_()


def test_results_are_read_where_this_package_is_not_installed() -> None:
    """`otter grade` unpickles them outside of the container."""
    pickled = dill.dumps(as_otters(graded()[0]))

    class Reader(dill.Unpickler):
        def find_class(self, module: str, name: str) -> object:
            assert not module.startswith(("autograder", "course")), module
            return super().find_class(module, name)

    assert Reader(io.BytesIO(pickled)).load().total == as_otters(graded()[0]).total


def test_flags_are_for_whoever_grades() -> None:
    result = next(one for one in graded() if one.flags)

    assert result.flags[0].message in ours.report(result)
    assert result.flags[0].message not in ours.summary(result)
