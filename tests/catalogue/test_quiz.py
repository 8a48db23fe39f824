"""The text of a quiz, and the form of the answers to it."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml

import course
from course.catalogue.quiz import QuizError, QuizText, load_quiz, parse, problems

QUIZ = """\
id: a_quiz
questions:
  - id: q1
    kind: single
    text: Which?
    choices: {a: this, b: that}
  - id: q2
    kind: multiple
    text: Which of them?
    choices:
      a: this
      b: that
      c: or the other
  - id: q3
    kind: number
    text: How many?
    form: one number, e.g. 2.5
"""


@pytest.fixture
def text() -> QuizText:
    return parse(QUIZ)


RIGHT: dict[str, Any] = {"q1": "a", "q2": ["a", "c"], "q3": 2.5}


@pytest.mark.parametrize(
    ("id", "answer"),
    [
        ("q1", "a"),
        ("q1", "B"),
        ("q1", " b "),
        ("q2", ["a"]),
        ("q2", ("a", "b")),
        ("q2", {"a", "c"}),
        ("q2", frozenset("abc")),
        ("q2", ["A", "a"]),
        ("q3", 3),
        ("q3", -0.5),
        ("q3", 1 / 3),
    ],
)
def test_an_answer_in_the_right_form_is_no_problem(text: QuizText, id: str, answer: Any) -> None:
    assert problems(text.questions, {**RIGHT, id: answer}) == {}


class Text(str):
    pass


@pytest.mark.parametrize(
    ("id", "answer", "said"),
    [
        ("q1", None, "not answered yet"),
        ("q1", "c", "'c' is none of the choices a, b"),
        ("q1", "ab", "'ab' is none of the choices a, b"),
        ("q1", "", "'' is none of the choices a, b"),
        ("q1", ["a"], "one letter in quotes is expected (a, b), this is a list"),
        ("q1", 1, "one letter in quotes is expected (a, b), this is an int"),
        ("q1", Text("a"), "one letter in quotes is expected (a, b), this is a Text"),
        ("q2", "a", "a list of letters is expected, such as [\"a\"], this is the text 'a'"),
        ("q2", {"a": True}, 'a list of letters is expected, such as ["a"], this is a dict'),
        ("q2", [], "the list is empty: at least one choice applies"),
        ("q2", ["a", "d"], "'d' is none of the choices a, b, c"),
        ("q2", ["a", 2], "2 is none of the choices a, b, c"),
        ("q2", [["a"]], "a list is none of the choices a, b, c"),
        ("q3", "2.5", "a plain number is expected, without quotes; this is the text '2.5'"),
        ("q3", True, "a plain number is expected, without quotes; this is the truth value True"),
        ("q3", 1j, "a plain number is expected, without quotes; this is a complex"),
        ("q3", [2.5], "a plain number is expected, without quotes; this is a list"),
        ("q3", torch.tensor(2.5), "a plain number is expected, without quotes; this is a Tensor"),
        ("q3", np.float64(2.5), "a plain number is expected, without quotes; this is a float64"),
        ("q3", math.nan, "a finite number is expected, this is nan"),
        ("q3", -math.inf, "a finite number is expected, this is -inf"),
        ("q3", 10**400, "the number is too large"),
        ("q3", "x" * 10_000, "a plain number is expected, without quotes; this is the text 'xxxx"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_a_malformed_answer_is_named_in_a_sentence(text: QuizText, id: str, answer: Any, said: str) -> None:
    found = problems(text.questions, {**RIGHT, id: answer})
    assert list(found) == [id]
    assert found[id].startswith(said)
    assert len(found[id]) < 200


@pytest.mark.parametrize(
    ("key", "shown"),
    [("q4", "'q4'"), (3, "3"), (None, "None"), (("q1",), "a tuple"), (10**5000, "an int")],
    ids=["text", "int", "None", "tuple", "very large int"],
)
def test_a_key_that_is_no_question_is_named(text: QuizText, key: Any, shown: str) -> None:
    assert problems(text.questions, {**RIGHT, key: 1}) == {
        shown: "there is no such question; there are q1, q2 and q3"
    }


def test_problems_come_in_the_order_of_the_quiz(text: QuizText) -> None:
    assert list(problems(text.questions, {"zz": 1, "q3": "?", "q1": "?"})) == ["q1", "q2", "q3", "'zz'"]


def test_it_never_tells_which_answer_is_right(text: QuizText) -> None:
    for first in "ab":
        for second in (["a"], ["b", "c"], ["a", "b", "c"]):
            assert problems(text.questions, {"q1": first, "q2": second, "q3": 1.0}) == {}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            ("kind: number", "kind: numeric"),
            "line 15: questions.2.kind: Input should be 'single', 'multiple'",
        ),
        (
            ("choices: {a: this, b: that}", "choices: {a: this}"),
            "line 3: questions.0: 'q1' needs at least two",
        ),
        (
            ("    form:", "    choices: {a: x, b: y}\n    form:"),
            "line 14: questions.2: 'q3' asks for a number and has",
        ),
        (("id: q2", "id: q1"), "line 1: question id 'q1' stands twice"),
        (("id: q2", "id: Q 2"), "line 7: questions.1.id: String should match"),
        (("      b: that\n", "      B: that\n"), "line 12: questions.1.choices.B"),
        (("text: How many?", "txt: How many?"), "line 14: questions.2.text: Field required"),
        (("id: a_quiz\n", ""), "line 1: id: Field required"),
        (("questions:", "questions: {"), "line "),
        ((QUIZ, "- a\n"), "line 1: expected a mapping with `id` and `questions`"),
        ((QUIZ, ""), "line 1: expected a mapping with `id` and `questions`"),
        ((QUIZ, "id: \x07"), "not YAML: "),
    ],
)
def test_an_error_in_the_file_names_file_and_line(change: tuple[str, str], said: str) -> None:
    assert QUIZ.count(change[0]) == 1
    with pytest.raises(QuizError) as error:
        parse(QUIZ.replace(*change), source="quizzes/a.yaml")
    assert str(error.value).startswith("quizzes/a.yaml")
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_a_file_that_cannot_be_read_is_an_error_with_its_name(tmp_path: Path) -> None:
    with pytest.raises(QuizError, match=r"none\.yaml: cannot be read"):
        load_quiz(tmp_path / "none.yaml")
    (tmp_path / "latin.yaml").write_bytes(b"id: caf\xe9")
    with pytest.raises(QuizError, match=r"latin\.yaml: not UTF-8"):
        load_quiz(tmp_path / "latin.yaml")


def test_the_files_have_no_keys() -> None:
    for path in Path(course.__path__[0], "modules").glob("*/quiz.yaml"):
        for question in yaml.safe_load(path.read_text(encoding="utf-8"))["questions"]:
            assert question.keys() <= {"id", "kind", "text", "choices", "form"}
