from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from autograder.reports import lines
from autograder.reports.feedback import date, exercise_views, feedback_html
from autograder.results import ExerciseResult, Result, TestResult

from . import examples
from .markup import Page, read


def page_of(result: Result) -> Page:
    return read(feedback_html(result, examples.ATTENTION))


def test_a_result_has_no_room_for_what_a_student_must_not_see() -> None:
    record = examples.mixed().model_dump(by_alias=True)
    record["exercises"][0]["tests"][0]["expected"] = "SECRET"
    with pytest.raises(ValidationError, match="Extra inputs are not permitted"):
        Result.model_validate(record)


def test_the_reports_know_neither_suites_nor_keys_nor_torch() -> None:
    """What is not imported cannot leak; and the parent process, which writes them, has no torch."""
    code = (
        "import sys, autograder.reports.feedback, autograder.reports.class_report"
        "\nimport autograder.reports.tables, autograder.reports.terminal\n"
        "print([m for m in sys.modules if m.split('.')[0] in ('torch', 'pytest', 'solutions', 'matplotlib') "
        "or m.startswith('autograder.hidden')])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_only_these_fields_of_a_result_reach_a_students_page() -> None:
    """Each string of the result is marked; the page shows the marks of the allowed fields only."""
    marks: dict[str, str] = {}

    def mark(value: Any, field: str = "") -> Any:
        if isinstance(value, dict):
            return {key: mark(item, f"{field}.{key}".lstrip(".")) for key, item in value.items()}
        if isinstance(value, list):
            return [mark(item, field) for item in value]
        last = field.rsplit(".", 1)[-1]
        free = isinstance(value, str) and last not in {"kind", "state", "status", "module", "started"}
        if not free or field == "exercises.id":
            return value
        code = f"MARK{len(marks):03}"
        marks[code] = field
        return code

    record = mark(examples.mixed().model_dump(by_alias=True, mode="json"))
    record["exercises"][3]["note"] = "MARKNOTE"
    record["exercises"][5]["note"] = "MARKNOTE"
    result = Result.model_validate(record)
    page = page_of(result).text
    shown = {field for code, field in marks.items() if code in page}
    hidden = {field for code, field in marks.items() if code not in page}
    assert shown == {
        "path",  # its last part, and no more: below
        "student",
        "note",
        "device",
        "sha256",
        "stdout",
        "exercises.title",
        "exercises.withheld",
        "exercises.note",
        "exercises.tests.id",  # of quiz questions
        "exercises.tests.title",
        "exercises.tests.message",  # of failed ones
        "exercises.tests.error.type",
        "exercises.tests.error.message",
        "exercises.tests.error.trace",
        "exercises.mistakes.title",
        "exercises.mistakes.hint",
        "exercises.followed_through",
        "exercises.portability.message",
        "cell_errors.error.type",
        "cell_errors.error.message",
        "cell_errors.error.trace",
    }
    assert hidden - shown == {
        "key",
        "isolation",
        "reason",
        "flags.exercise",
        "flags.message",
        "flags.submission",
        "exercises.mistakes.id",
    }


def test_flags_and_the_runs_seed_are_not_for_students() -> None:
    text = page_of(examples.mixed()).text
    assert "forbidden" not in text
    assert "torch.softmax" not in text
    assert str(examples.mixed().run_seed) not in text


def test_of_a_quiz_it_is_said_what_is_right_and_which_form_is_not() -> None:
    result = examples.mixed()
    quiz = result.exercises[-1]
    quiz.tests[2].message = "one letter in quotes is expected (a, b), this is `c`, which is not defined"
    quiz.tests[2].title = "SECRET: what is the standard deviation?"
    quiz.tests[3].message = "left over"
    text = page_of(result).text
    assert "q3 ✗ not right one letter in quotes is expected (a, b), this is c, which is not defined" in text
    assert "q4 ✓ right" in text
    assert "SECRET" not in text
    assert "left over" not in text


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("submissions/ada/attention.ipynb", "attention.ipynb"),
        ("C:\\class\\ada\\my attention.py", "my attention.py"),
        ("attention.ipynb", "attention.ipynb"),
    ],
)
def test_the_page_is_a_receipt(path: str, name: str) -> None:
    result = examples.graded("ada").model_copy(update={"path": path})
    said = f"3 November 2025, 09:00 UTC from {name}, SHA-256 {result.sha256[:12]}."
    page = page_of(result).text
    assert f"Graded on {said}" in page
    assert "submissions" not in page
    assert "class\\" not in page
    assert lines.receipt(result) == f"Graded on {said}".replace(", SHA-256", " (SHA-256")[:-1] + ")."


def test_a_file_that_is_not_there_has_no_name_on_the_receipt() -> None:
    result = examples.unreadable().model_copy(update={"path": "", "sha256": ""})
    assert "Graded on 3 November 2025, 09:00 UTC." in page_of(result).text
    assert lines.receipt(result) == "Graded on 3 November 2025, 09:00 UTC."


def test_points_and_the_bar_agree_with_the_result() -> None:
    page = page_of(examples.mixed())
    assert "62.68 of 110 points" in page.text
    widths = [
        float(style.removeprefix("width:").rstrip("%")) for style in page.values("style") if "width" in style
    ]
    assert widths == [
        pytest.approx(100 * e.points / e.max_points, abs=0.1) for e in examples.mixed().exercises
    ]


def shown_worth(result: Result, number: int) -> list[Decimal]:
    html = feedback_html(result, examples.ATTENTION)
    section = html.split(f'id="exercise-{number}"')[1].split("</section>")[0]
    return [Decimal(cell.split("<")[0]) for cell in section.split('class="num">')[2:]]


def test_the_worth_of_properties_adds_up_to_the_exercise() -> None:
    assert sum(shown_worth(examples.graded("ada"), 1)) == 10


def test_what_holds_adds_up_to_the_points_that_were_given() -> None:
    for result in examples.small_class():
        for number, exercise in enumerate(result.exercises, 1):
            if exercise.state == "answered" and not exercise.id.endswith("quiz"):
                worth = shown_worth(result, number)
                won = zip(worth, exercise.tests, strict=True)
                assert float(sum(one for one, test in won if test.passed and test.counts)) == exercise.points
                assert float(sum(worth)) == exercise.max_points


@given(
    st.lists(st.tuples(st.floats(0.01, 50), st.booleans(), st.booleans()), min_size=1, max_size=30),
    st.integers(1, 100),
)
def test_worth_adds_up_whatever_the_weights(tests: list[tuple[float, bool, bool]], points: int) -> None:
    made = [
        TestResult(id=f"e.{n}", title="", kind="rule", passed=passed, counts=counts, weight=weight)
        for n, (weight, passed, counts) in enumerate(tests)
    ]
    earned = sum(test.weight for test in made if test.passed and test.counts)
    share = round(points * earned / sum(test.weight for test in made), 2)
    exercise = ExerciseResult(id="e", title="", points=share, max_points=points, state="answered", tests=made)
    result = examples.graded("ada").model_copy(update={"exercises": [exercise]})
    (view,) = exercise_views(result, examples.ATTENTION)
    won = sum(row.worth for row in view.properties if row.verdict == "holds")
    assert round(won, 6) == share
    assert round(sum(row.worth for row in view.properties), 6) == points
    exact = [points * row.test.weight / sum(test.weight for test in made) for row in view.properties]
    assert all(abs(row.worth - one) < 0.03 for row, one in zip(view.properties, exact, strict=True))


def test_one_mistake_is_named_and_several_are_said_to_look_alike() -> None:
    text = page_of(examples.mixed()).text
    assert "This looks like The exponential is taken before the largest logit is subtracted" in text
    assert "This looks like one of these Scores are scaled by the model's width" in text


def test_a_rule_that_holds_but_does_not_count_is_said_kindly() -> None:
    page = page_of(examples.mixed())
    assert "holds, waits" in page.text
    assert "will count as soon as your code also computes right values" in page.text
    assert "holds, waits" not in page_of(examples.graded("ada")).text


def test_points_that_were_withheld_are_explained_and_nothing_is_said_to_count() -> None:
    why = "you are to write `stable_softmax` yourself: `x.softmax` (cell 5, line 2) does it for you"
    result = examples.graded("ada", {"stable_softmax": examples.Answer(withheld=why)})
    page = page_of(result)
    assert f"No points: {why.replace('`', '')}." in page.text
    assert "These hold, and will count as soon as the answer is your own." in page.text
    assert sum(shown_worth(result, 1)) == Decimal(examples.ATTENTION.exercise("stable_softmax").points)
    view = exercise_views(result, examples.ATTENTION)[0]
    assert {row.verdict for row in view.properties} == {"waits"}
    said = lines.as_text(lines.whole(result, view)).split("\n")
    assert said[0].startswith("A softmax that survives large numbers: 0 of 10 points")
    assert said[1] == f"No points: {why}."
    assert said[-1] == "○ holds, and will count as soon as it is your own work."


def test_a_failed_property_says_what_happened_and_a_passed_one_only_that_it_holds() -> None:
    result = examples.mixed()
    result.exercises[0].tests[0].message = "left over"
    text = page_of(result).text
    assert "64 of 64 numbers are not finite" in text
    assert "RuntimeError: The size of tensor a (5)" in text
    assert "left over" not in text


def test_an_earlier_exercise_that_failed_costs_nothing_here_and_the_page_says_so() -> None:
    text = page_of(examples.mixed()).text
    assert "builds on A softmax that survives large numbers, which is not right yet" in text


def test_an_exercise_not_begun_says_what_will_be_tested_and_fails_nothing() -> None:
    page = read(feedback_html(examples.small_class()[9], examples.ATTENTION))
    assert "about 45 minutes" in page.text
    assert "What will be tested" in page.text
    assert "fails" not in page.text


def test_a_page_starts_with_the_next_step_and_ends_with_full_marks() -> None:
    assert "A good next step: A softmax that survives large numbers" in page_of(examples.mixed()).text
    assert "Every property we know of holds" in page_of(examples.graded("ada")).text


def test_an_unreadable_notebook_gets_a_reason_and_a_way_out() -> None:
    page = page_of(examples.unreadable())
    assert "Your notebook could not be read" in page.text
    assert "line 1 begins with PK" in page.text
    assert "What to do" in page.text
    assert "Traceback" not in page.text
    assert "0 of 110 points" in page.text


def test_what_could_not_be_read_says_which_file_is_wanted() -> None:
    wanted = "Wanted is attention.ipynb, the notebook of Attention"
    assert wanted in page_of(examples.unreadable()).text
    assert wanted not in page_of(examples.mixed()).text


def test_a_file_of_no_module_has_a_page_that_names_those_it_could_be_of() -> None:
    result = examples.unreadable().model_copy(update={"module": "unknown", "max_points": 0})
    text = read(feedback_html(result, None, examples.SYLLABUS.modules)).text
    assert "A file of no module" in text
    assert "Wanted is one of these:" in text
    for module in examples.SYLLABUS.modules:
        assert f"{module.id}.ipynb, the notebook of {module.title}" in text


def test_which_of_several_files_was_graded_is_said() -> None:
    assert (
        "not looked at: draft.ipynb"
        in page_of(examples.graded("ada", note="not looked at: draft.ipynb")).text
    )


def test_a_notebook_that_would_not_run_shows_its_own_errors_only() -> None:
    page = page_of(examples.small_class()[-1])
    assert "Your notebook could not be run" in page.text
    assert "Cell 1 WorkerDied: os._exit(0) was called." in page.text
    assert "cells after them were run" not in page.text


@pytest.mark.parametrize("result", examples.small_class(), ids=lambda result: result.student)
def test_every_page_is_well_formed_with_landmarks_headings_and_working_links(result: Result) -> None:
    page = page_of(result)
    tags = [tag for tag, _ in page.tags]
    assert (tags.count("main"), tags.count("h1"), tags.count("footer")) == (1, 1, 1)
    levels = [int(tag[1]) for tag in tags if tag in {"h1", "h2", "h3"}]
    assert all(after <= before + 1 for before, after in pairwise(levels))
    ids = page.values("id")
    assert len(ids) == len(set(ids))
    assert {link.removeprefix("#") for link in page.values("href")} <= set(ids)
    assert set(page.values("aria-labelledby")) <= set(ids)


def test_the_same_result_gives_the_same_bytes() -> None:
    assert feedback_html(examples.mixed(), examples.ATTENTION) == feedback_html(
        examples.mixed(), examples.ATTENTION
    )


def test_dates_do_not_depend_on_the_machines_language() -> None:
    assert date(datetime(2025, 3, 1, 9, 5, tzinfo=UTC)) == "1 March 2025, 09:05 UTC"
