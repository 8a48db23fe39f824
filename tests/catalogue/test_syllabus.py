"""The syllabus: the only list of exercises, and errors that say where to look."""

from __future__ import annotations

from pathlib import Path

import pytest

from course.catalogue.syllabus import Quiz, SyllabusError, load, parse

SYLLABUS = """\
title: A course
modules:
  - id: one
    title: The first
    summary: What it is about.
    exercises:
      - id: first
        title: The first exercise
        points: 10
        minutes: 20
        difficulty: 1
      - id: second
        title: The second exercise
        defines: [split, merge]
        points: 5.5
        minutes: 30
        difficulty: 5
        depends_on: [first]
        forbidden: [torch.softmax]
    quiz:
      id: one_quiz
      title: Questions
      points: 4
      minutes: 5
      difficulty: 2
  - id: two
    title: The second
    summary: What that is about.
    exercises:
      - {id: third, title: The third exercise, points: 1, minutes: 1, difficulty: 1}
"""


def test_a_syllabus_has_modules_and_exercises_in_order() -> None:
    syllabus = parse(SYLLABUS)
    one, two = syllabus.modules
    assert [exercise.id for exercise in one.graded] == ["first", "second", "one_quiz"]
    assert (one.points, one.minutes) == (19.5, 55)
    assert (two.quiz, two.graded) == (None, two.exercises)
    assert syllabus.module("two") is two
    assert one.exercise("one_quiz") is one.quiz


def test_an_exercise_defines_its_own_id_unless_it_says_otherwise() -> None:
    first, second, quiz = parse(SYLLABUS).modules[0].graded
    assert first.defines == ("first",)
    assert second.defines == ("split", "merge")
    assert isinstance(quiz, Quiz)
    assert quiz.defines == ("answers",)


def test_what_is_not_there_is_a_key_error() -> None:
    syllabus = parse(SYLLABUS)
    with pytest.raises(KeyError):
        syllabus.module("three")
    with pytest.raises(KeyError):
        syllabus.modules[0].exercise("third")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("points: 10", "points: -1", "line 9: modules.0.exercises.0.points: Input should be greater than 0"),
        ("points: 10", "points: ten", "line 9: modules.0.exercises.0.points: Input should be a valid number"),
        (
            "difficulty: 5",
            "difficulty: 6",
            "line 17: modules.0.exercises.1.difficulty: Input should be less than",
        ),
        ("minutes: 20\n", "minuts: 20\n", "line 7: modules.0.exercises.0.minutes: Field required"),
        ("title: A course", "titel: A course", "line 1: title: Field required"),
        ("id: second", "id: second one", "line 12: modules.0.exercises.1.id: String should match"),
        ("id: second", "id: first", "line 3: modules.0: exercise id 'first' stands twice in module 'one'"),
        (
            "[first]",
            "[third]",
            "line 3: modules.0: 'second' depends on 'third', which is no earlier exercise",
        ),
        ("id: two", "id: one", "line 1: module id 'one' stands twice"),
        ("title: The first\n", "title: The first: one\n", "line 4: mapping values are not allowed here"),
        ("[split, merge]", "[split, merge", "line 15: "),
        ("minutes: 20\n", "points: 20\n", "line 10: 'points' stands twice in one mapping"),
        (SYLLABUS, "[]", "line 1: expected a mapping with `title` and `modules`"),
    ],
)
def test_an_error_names_file_line_and_field(old: str, new: str, said: str) -> None:
    assert SYLLABUS.count(old) == 1
    with pytest.raises(SyllabusError) as error:
        parse(SYLLABUS.replace(old, new), source="my/syllabus.yaml")
    assert str(error.value).startswith(f"my/syllabus.yaml, {said}")


def test_the_courses_own_syllabus_is_valid_and_read_once() -> None:
    assert load() is load()
    assert load().modules[0].id == "attention"


def test_a_syllabus_of_ones_own_is_read_from_its_path(tmp_path: Path) -> None:
    path = tmp_path / "syllabus.yaml"
    path.write_text(SYLLABUS.replace("points: 10", "points: x"), encoding="utf-8")
    with pytest.raises(SyllabusError, match=r"line 9: modules\.0\.exercises\.0\.points") as error:
        load(path)
    assert str(path) in str(error.value)
