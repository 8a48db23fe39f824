"""The text of a quiz, and the form of the answers to it."""

from __future__ import annotations

import enum
import math
from collections import OrderedDict
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sympy
import torch
import yaml
from torch import nn

import course
from course.catalogue.answers import plain_answers
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


class Text(str):
    pass


class Whole(enum.IntEnum):
    THREE = 3


@pytest.mark.parametrize(
    ("id", "answer", "meant"),
    [
        ("q1", "a", "a"),
        ("q1", " B ", " B "),
        ("q1", Text("a"), "a"),
        ("q1", np.str_("a"), "a"),
        ("q1", np.array(["b"]), "b"),
        ("q2", ["a"], ["a"]),
        ("q2", ("a", "b"), ["a", "b"]),
        ("q2", {"a"}, ["a"]),
        ("q2", frozenset("b"), ["b"]),
        ("q2", ["A", "a"], ["A", "a"]),
        ("q2", np.array(["a", "c"]), ["a", "c"]),
        ("q3", 3, 3),
        ("q3", -0.5, -0.5),
        ("q3", Fraction(5, 2), 2.5),
        ("q3", Decimal("0.17"), 0.17),
        ("q3", Whole.THREE, 3),
        ("q3", np.float32(2.5), 2.5),
        ("q3", np.longdouble(2.5), 2.5),
        ("q3", np.int64(3), 3),
        ("q3", np.array([[2.5]]), 2.5),
        ("q3", np.array(Fraction(5, 2), dtype=object), 2.5),
        ("q3", torch.tensor(2.5), 2.5),
        ("q3", torch.tensor([3]), 3),
        ("q3", nn.Parameter(torch.tensor([2.5])), 2.5),
        ("q3", sympy.Rational(5, 2), 2.5),
        ("q3", sympy.sqrt(4), 2),
    ],
    ids=lambda value: f"{type(value).__name__} {value}"[:30],
)
def test_whatever_means_a_number_or_letters_is_an_answer(
    text: QuizText, id: str, answer: Any, meant: Any
) -> None:
    given = {**RIGHT, id: answer}
    assert problems(text.questions, given) == {}
    plain = plain_answers(given, {question.id: question.kind for question in text.questions})
    assert isinstance(plain, dict)
    assert plain[id] == meant
    assert type(plain[id]) in (int, float, str, list)


LETTER = "one letter in quotes is expected (a, b), this is"
LETTERS = 'a list of letters is expected, such as ["a"], this is'
NUMBER = "a plain number is expected, without quotes; this is"


@pytest.mark.parametrize(
    ("id", "answer", "said"),
    [
        ("q1", None, "not answered yet"),
        ("q1", "c", "'c' is none of the choices a, b"),
        ("q1", "ab", "'ab' is none of the choices a, b"),
        ("q1", "", "'' is none of the choices a, b"),
        ("q1", ["a"], f"{LETTER} a list"),
        ("q1", 1, f"{LETTER} the number 1"),
        ("q1", True, f"{LETTER} the truth value True"),
        ("q1", str, f"{LETTER} a class"),
        ("q1", torch.ones(2), f"{LETTER} a tensor of 2 values"),
        ("q1", nn.Linear(1, 1), f"{LETTER} a Linear"),
        ("q2", "a", f"{LETTERS} the text 'a'"),
        ("q2", {"a": True}, f"{LETTERS} a dictionary"),
        ("q2", [], "the list is empty: at least one choice applies"),
        ("q2", ["a", "d"], "'d' is none of the choices a, b, c"),
        ("q2", ["a", 2], "the number 2 is none of the choices a, b, c"),
        ("q2", [["a"]], "a list is none of the choices a, b, c"),
        ("q3", "2.5", f"{NUMBER} the text '2.5'"),
        ("q3", np.array("2.5"), f"{NUMBER} the text '2.5'"),
        ("q3", b"2.5", f"{NUMBER} a bytes"),
        ("q3", True, f"{NUMBER} the truth value True"),
        ("q3", np.bool_(True), f"{NUMBER} the truth value True"),
        ("q3", torch.tensor([True]), f"{NUMBER} the truth value True"),
        ("q3", 1j, f"{NUMBER} the number 1j"),
        ("q3", [2.5], f"{NUMBER} a list"),
        ("q3", np.arange(3), f"{NUMBER} an array of 3 values"),
        ("q3", torch.ones(2, 2), f"{NUMBER} a tensor of 4 values"),
        ("q3", lambda: 2.5, f"{NUMBER} a function"),
        ("q3", math.nan, "a finite number is expected, this is nan"),
        ("q3", Decimal("1e400"), "a finite number is expected, this is inf"),
        ("q3", torch.tensor(-math.inf), "a finite number is expected, this is -inf"),
        ("q3", 10**5000, f"{NUMBER} a number that is far too large"),
        ("q3", "x" * 10_000, f"{NUMBER} the text 'xxxx"),
    ],
    ids=lambda value: "very large" if type(value) is int and value > 9 else str(value)[:20],
)
def test_a_malformed_answer_is_named_in_a_sentence(text: QuizText, id: str, answer: Any, said: str) -> None:
    found = problems(text.questions, {**RIGHT, id: answer})
    assert list(found) == [id]
    assert found[id].startswith(said)
    assert len(found[id]) < 200


@pytest.mark.parametrize(
    ("key", "shown"),
    [
        ("q4", "'q4'"),
        ("Q1", "'Q1'"),
        (3, "the number 3"),
        (None, "None"),
        (("q1",), "a tuple"),
        (10**5000, "a number that is far too large"),
        (torch.tensor(1), "the number 1"),
    ],
    ids=["text", "capital", "int", "None", "tuple", "very large int", "tensor"],
)
def test_a_key_that_is_no_question_is_named(text: QuizText, key: Any, shown: str) -> None:
    assert problems(text.questions, {**RIGHT, key: 1}) == {
        shown: "there is no such question; there are q1, q2 and q3"
    }


def test_a_key_may_be_of_any_text(text: QuizText) -> None:
    given = OrderedDict((np.str_(id), answer) for id, answer in RIGHT.items())
    assert problems(text.questions, given) == {}


def test_what_is_no_dictionary_is_named_at_each_question(text: QuizText) -> None:
    said = "`answers` is a list: keep the dictionary and fill in its values"
    assert problems(text.questions, [1, 2]) == dict.fromkeys(RIGHT, said)


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
        (("text: Which?", "text: Which?\n    digits: 2"), "line 3: questions.0: 'q1' asks for no number"),
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
            assert question.keys() <= {"id", "kind", "text", "choices", "form", "digits"}
