from __future__ import annotations

import csv
import io
import json

import pytest

from autograder.reports.tables import grades_csv, results_jsonl
from autograder.results import Result, Status

from . import examples


def rows(results: list[Result]) -> list[dict[str, str]]:
    table = grades_csv(results, examples.SYLLABUS, examples.pages(results))
    return list(csv.DictReader(io.StringIO(table)))


def test_a_row_a_submission_and_a_column_an_exercise() -> None:
    table = rows(examples.small_class())
    assert len(table) == 22
    assert list(table[0])[:7] == [
        "student",
        "module",
        "points",
        "max_points",
        "status",
        "isolation",
        "device",
    ]
    assert list(table[0])[7:-2] == [f"attention.{exercise.id}" for exercise in examples.ATTENTION.graded]
    assert list(table[0])[-2:] == ["remark", "page"]
    lena = next(row for row in table if row["student"] == "lena-fischer")
    assert (lena["points"], lena["attention.stable_softmax"], lena["status"]) == ("62.68", "7.14", "graded")


def test_a_row_says_what_was_handed_in_and_where_the_page_is() -> None:
    table = {row["student"]: row for row in rows(examples.small_class())}
    assert "line 1 begins with `PK`" in table["samir-haddad"]["remark"]
    assert table["nadia-benali"]["remark"].startswith("Of several files attention.ipynb was graded")
    assert table["lena-fischer"]["remark"] == ""
    assert table["lena-fischer"]["page"] == "feedback/lena-fischer/attention.html"


def test_what_was_not_graded_is_zero_and_another_modules_exercise_is_empty() -> None:
    noise = examples.graded("ada-okafor", module=examples.NOISE)
    table = rows([examples.unreadable(), noise])
    assert [row["student"] for row in table] == ["ada-okafor", "samir-haddad"]
    assert (table[0]["noise.q_sample"], table[0]["attention.split_heads"]) == ("15", "")
    assert (table[1]["noise.q_sample"], table[1]["attention.split_heads"]) == ("", "0")


def test_whom_a_person_has_to_grade_has_no_points() -> None:
    result = examples.unreadable().model_copy(update={"status": Status.NOT_GRADED, "reason": "By hand."})
    (row,) = rows([result])
    assert (row["status"], row["points"], row["attention.split_heads"]) == ("not graded", "", "")
    assert row["remark"] == "By hand."


@pytest.mark.parametrize("name", ["=1+1", "+cmd", "-x", "@SUM(A1)", "\t=1", "＝1+1"])
def test_a_name_cannot_become_a_formula(name: str) -> None:
    assert rows([examples.graded(name)])[0]["student"].startswith("'")


@pytest.mark.parametrize("name", ["-12", "+49", "4.5", "ada", "O'Neil"])
def test_numbers_and_names_stay_as_they_are(name: str) -> None:
    assert rows([examples.graded(name)])[0]["student"] == name


def test_quotes_commas_and_line_ends_in_a_name_stay_in_their_cell() -> None:
    table = rows([examples.graded('a,"b"\nc\x1b')])
    assert table[0]["student"] == 'a,"b"\nc␛'
    assert table[0]["points"] == "110"


def test_lines_of_json_give_back_the_results() -> None:
    results = examples.small_class()
    lines = results_jsonl(results[::-1]).splitlines()
    assert [Result.model_validate(json.loads(line)) for line in lines] == results


def test_a_line_stays_a_line_whatever_a_student_printed() -> None:
    result = examples.graded("ada", stdout="a\u2028b\x85c\n\ud800\0")
    text = results_jsonl([result])
    assert text.isascii()
    assert len(text.splitlines()) == 1
    assert json.loads(text)["stdout"] == result.stdout
    assert json.loads(text)["schema"] == 1
