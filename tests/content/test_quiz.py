"""A quiz with its keys: what a notebook shows of it, and keys that do not fit stop everything."""

import ast
from fractions import Fraction
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from autograder.build import answers
from autograder.content.course_root import CourseRoot
from autograder.content.quiz import Key, KeyedQuestion, answers_source, questions_text, read_quiz, with_keys
from autograder.errors import ContentError
from course.catalogue.quiz import Question
from tests.build.tiny_course import KEYS, QUIZ, write_tiny_course


@pytest.fixture
def tiny(tmp_path: Path) -> CourseRoot:
    return write_tiny_course(tmp_path)


def read(root: CourseRoot) -> tuple[KeyedQuestion, ...]:
    return read_quiz(root, root.module("tiny"))


def test_each_question_is_shown_with_its_id_and_choices(tiny: CourseRoot) -> None:
    text = questions_text(read(tiny))

    assert "**q1.** Which is even?\n\n- **a.** one\n- **b.** two\n- **c.** three\n\n**q2.**" in text


def test_the_students_answers_are_a_literal_of_nones_that_says_what_form_each_must_have(
    tiny: CourseRoot,
) -> None:
    source = answers(tiny, "tiny", "stub")["tiny_quiz"]

    assert source.splitlines() == [
        "answers = {",
        '    "q1": None,  # one letter: "a", "b" or "c"',
        '    "q2": None,  # one number, e.g. 2.5',
        '    "q3": None,  # a list with each letter that applies, from "a" to "c"',
        "}",
    ]


def test_the_solved_answers_are_a_literal_of_the_keys(tiny: CourseRoot) -> None:
    source = answers(tiny, "tiny", "solved")["tiny_quiz"]

    assert ast.literal_eval(source.removeprefix("answers = ")) == {"q1": "b", "q2": 0.5, "q3": ["a", "c"]}


@given(st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(10**9), 10**9))
def test_any_number_can_be_written_in(number: float) -> None:
    keys = yaml.safe_dump({"q": {"answer": number}})
    (asked,) = with_keys([Question(id="q", kind="number", text="?", digits=9)], keys, "k")

    source = answers_source([asked], answered=True)

    assert ast.literal_eval(source.removeprefix("answers = ")) == {"q": asked.key.answer}


def test_a_quiz_under_another_id_than_the_syllabus_has_is_refused(tmp_path: Path) -> None:
    root = write_tiny_course(tmp_path, quiz=QUIZ.replace("tiny_quiz", "quiz_of_old"))

    with pytest.raises(ContentError, match=r"course/modules/tiny/quiz\.yaml, .*'quiz_of_old'.*'tiny_quiz'"):
        read(root)


def test_yaml_that_cannot_be_parsed_is_named_by_file_and_line(tmp_path: Path) -> None:
    root = write_tiny_course(tmp_path, quiz="id: tiny_quiz\nquestions: [\n")

    with pytest.raises(ContentError, match=r"course/modules/tiny/quiz\.yaml, line 3"):
        read(root)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("q2:", "q7:", "line 1: there is no key for 'q2': add `q2: {answer: ...}`."),
        ("q3: {", "q4: {answer: a}\nq3: {", "line 3: there is no question 'q4': remove its key."),
        (
            "answer: 0.5",
            'answer: "0.5"',
            "line 2: the key of 'q2' answers no such question: a plain number is",
        ),
        (
            "answer: 0.5",
            "answer: .nan",
            "line 2: the key of 'q2' answers no such question: a finite number is",
        ),
        ("answer: 0.5", "answer: true", "line 2: q2.answer"),
        (
            "answer: b",
            "answer: [b]",
            "line 1: the key of 'q1' answers no such question: one letter in quotes",
        ),
        (
            "answer: b",
            "answer: d",
            "line 1: the key of 'q1' answers no such question: 'd' is none of the choices",
        ),
        ("[a, c]", "a", "line 3: the key of 'q3' answers no such question: a list of letters is expected"),
        ("[a, c]", "[]", "line 3: the key of 'q3' answers no such question: the list is empty"),
        ("[a, c]", "[a, x]", "line 3: the key of 'q3' answers no such question: 'x' is none of the choices"),
        (
            "answer: 0.5",
            "answer: 0.333",
            "line 2: 0.333 of 'q2', rounded to 1 digit after the point, is outside of its tolerance: say "
            "`digits: 2` in the question.",
        ),
        ("tolerance: 0.01", "tolerance: -1", "line 2: q2.tolerance"),
        ("tolerance", "tolerence", "line 2: q2.tolerence: Extra inputs are not permitted"),
        (KEYS, "- q1\n", "line 1: expected a mapping"),
    ],
)
def test_a_key_that_does_not_fit_is_refused_by_file_and_line(
    old: str, new: str, said: str, tmp_path: Path
) -> None:
    assert KEYS.count(old) == 1
    root = write_tiny_course(tmp_path, keys=KEYS.replace(old, new))

    with pytest.raises(ContentError) as error:
        read(root)

    assert str(error.value).startswith(f"autograder/hidden/tiny/keys.yaml, {said}")


def test_keys_that_are_missing_are_refused(tiny: CourseRoot) -> None:
    tiny.keys("tiny").unlink()

    with pytest.raises(ContentError, match=r"autograder/hidden/tiny/keys\.yaml cannot be read"):
        read(tiny)


def test_only_what_answers_the_question_is_right(tiny: CourseRoot) -> None:
    one, half, odd = read(tiny)

    two_of_six = [True] * 2 + [False] * 4
    assert [one.is_right(answer) for answer in ("b", " B ", "a", ["b"], None, 1)] == two_of_six
    assert [half.is_right(answer) for answer in (0.5, 0.509, 0.52, "0.5", True, None)] == two_of_six
    answers = (["a", "c"], {"C", "A"}, ("c", "a", "a"), ["a"], "ac", [])
    assert [odd.is_right(answer) for answer in answers] == [True] * 3 + [False] * 3


@pytest.mark.parametrize(
    ("right", "digits", "answer", "said"),
    [
        (0.1667, 3, 0.17, "0.17 is near, but too coarse: it takes 3 digits after the point"),
        (0.1667, 3, 0.16, "0.16 is near, but too coarse: it takes 3 digits after the point"),  # cut off
        (0.1667, 3, Fraction(17, 100), "0.17 is near, but too coarse: it takes 3 digits after the point"),
        (0.1667, 3, 0.2, ""),  # 20 % off: another number
        (0.1667, 3, 0.164, ""),  # with all its digits it is another number
        (7.2, None, 7, "7 is near, but too coarse: it takes 1 digit after the point"),
        (17504, None, 17500, "17500 is near, but rounded: the exact number is asked for"),
        (17504, None, 17503, ""),
        (17504, None, 2e4, ""),
        (12, None, 12.05, ""),
        (-0.52, 2, -0.5, "-0.5 is near, but too coarse: it takes 2 digits after the point"),
        (0, None, 0.1, ""),
        (12, None, "12", ""),
        (12, None, None, ""),
        (0.1667, 3, 1 / 6, ""),  # right
    ],
)
def test_a_rounded_answer_is_told_how_many_digits_are_needed(
    right: float, digits: int | None, answer: object, said: str
) -> None:
    question = Question(id="q", kind="number", text="?", digits=digits)

    assert KeyedQuestion(question, Key(answer=right)).too_coarse(answer) == said


def test_the_answers_cell_says_how_many_digits_are_asked_for() -> None:
    question = Question(id="q", kind="number", text="?", digits=3)

    source = answers_source([KeyedQuestion(question, Key(answer=0.1667))])

    assert '"q": None,  # one number, to 3 digits after the point, e.g. 2.718' in source
