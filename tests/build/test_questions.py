import ast
from pathlib import Path

import pytest

from autograder.build import solved_sources, stub_sources
from autograder.content.course_root import CourseRoot
from autograder.content.questions import answers_source, questions_text, read_questions
from autograder.errors import ContentError

from .tiny_course import KEYS, QUIZ, write_tiny_course


def test_each_question_is_shown_with_its_id_and_choices(tiny: CourseRoot) -> None:
    text = questions_text(read_questions(QUIZ, "tiny_quiz", "tiny.yaml"))

    assert "**q1.** Which is even?\n\n- **a.** one\n- **b.** two\n- **c.** three\n\n**q2.**" in text


def test_the_students_answers_are_a_literal_of_nones_that_says_what_form_each_must_have(
    tiny: CourseRoot,
) -> None:
    source = stub_sources(tiny, "tiny")["tiny_quiz"]

    assert source.splitlines() == [
        "answers = {",
        '    "q1": None,  # one letter: "a", "b" or "c"',
        '    "q2": None,  # one number, e.g. 2.5',
        '    "q3": None,  # a list with each letter that applies, from "a" to "c"',
        "}",
    ]


def test_the_solved_answers_are_a_literal_of_the_keys(tiny: CourseRoot) -> None:
    source = solved_sources(tiny, "tiny")["tiny_quiz"]

    assert ast.literal_eval(source.removeprefix("answers = ")) == {"q1": "b", "q2": 0.5, "q3": ["a", "c"]}


def test_any_answer_can_be_written_in(tiny: CourseRoot) -> None:
    asked = read_questions(QUIZ, "tiny_quiz", "tiny.yaml")

    source = answers_source(asked, {"q1": 'it\'s "b"', "q2": -1e-300})

    assert ast.literal_eval(source.removeprefix("answers = ")) == {
        "q1": 'it\'s "b"',
        "q2": -1e-300,
        "q3": None,
    }


def test_a_quiz_under_another_id_than_the_syllabus_has_is_refused(tmp_path: Path) -> None:
    root = write_tiny_course(tmp_path, quiz=QUIZ.replace("tiny_quiz", "quiz_of_old"))

    with pytest.raises(ContentError, match=r"course/modules/tiny/quiz\.yaml, .*'quiz_of_old'.*'tiny_quiz'"):
        stub_sources(root, "tiny")


def test_a_question_without_a_key_is_refused_where_keys_are_needed(tmp_path: Path) -> None:
    root = write_tiny_course(tmp_path, keys=KEYS.replace("q2:", "q7:"))

    assert "q2" in stub_sources(root, "tiny")["tiny_quiz"]
    with pytest.raises(ContentError, match=r"autograder/hidden/tiny/keys\.yaml, .* no key for 'q2'"):
        solved_sources(root, "tiny")


def test_yaml_that_cannot_be_parsed_is_named_by_file_and_line(tmp_path: Path) -> None:
    root = write_tiny_course(tmp_path, quiz="id: tiny_quiz\nquestions: [\n")

    with pytest.raises(ContentError, match=r"course/modules/tiny/quiz\.yaml, line 3"):
        stub_sources(root, "tiny")
