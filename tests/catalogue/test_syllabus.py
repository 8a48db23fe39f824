"""The syllabus: the only list of exercises, and errors that say where to look."""

from __future__ import annotations

from pathlib import Path

import pytest

from course.catalogue.syllabus import Quiz, SyllabusError, load, parse, parse_module

SYLLABUS = """\
title: A course
modules: [one, two]
planned:
  - {id: three, title: The third, summary: What comes of it., after: two}
"""
ONE = """\
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
"""
TWO = """\
title: The second
summary: What that is about.
exercises:
  - {id: third, title: The third exercise, points: 1, minutes: 1, difficulty: 1}
"""


def written(folder: Path, one: str = ONE, two: str = TWO) -> Path:
    """The path of a syllabus with its modules beside it."""
    for id, text in {"one": one, "two": two}.items():
        module = folder / "modules" / id / "module.yaml"
        module.parent.mkdir(parents=True)
        module.write_text(text, encoding="utf-8")
    (folder / "syllabus.yaml").write_text(SYLLABUS, encoding="utf-8")
    return folder / "syllabus.yaml"


def test_a_syllabus_has_modules_and_exercises_in_order(tmp_path: Path) -> None:
    syllabus = load(written(tmp_path))
    one, two = syllabus.modules
    assert [exercise.id for exercise in one.graded] == ["first", "second", "one_quiz"]
    assert (one.points, one.minutes) == (19.5, 55)
    assert (two.quiz, two.graded) == (None, two.exercises)
    assert syllabus.module("two") is two
    assert one.exercise("one_quiz") is one.quiz
    assert [module.id for module in syllabus.road] == ["one", "two", "three"]


def test_what_a_forbidden_call_does_is_said_for_all_and_by_a_module_for_itself(tmp_path: Path) -> None:
    path = written(tmp_path, two=f"{TWO}forbidden: withhold\n")
    assert {module.forbidden for module in load(path).modules} == {"withhold"}
    load.cache_clear()
    path.write_text(f"{SYLLABUS}forbidden: flag\n", encoding="utf-8")
    assert [module.forbidden for module in load(path).modules] == ["flag", "withhold"]


def test_an_exercise_defines_its_own_id_unless_it_says_otherwise() -> None:
    first, second, quiz = parse_module("one", ONE).graded
    assert first.defines == ("first",)
    assert second.defines == ("split", "merge")
    assert isinstance(quiz, Quiz)
    assert quiz.defines == ("answers",)


def test_what_is_not_there_is_a_key_error(tmp_path: Path) -> None:
    syllabus = load(written(tmp_path))
    with pytest.raises(KeyError):
        syllabus.module("three")
    with pytest.raises(KeyError):
        syllabus.modules[0].exercise("third")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("points: 10", "points: -1", "line 6: exercises.0.points: Input should be greater than 0"),
        ("points: 10", "points: ten", "line 6: exercises.0.points: Input should be a valid number"),
        ("difficulty: 5", "difficulty: 6", "line 14: exercises.1.difficulty: Input should be less than"),
        ("minutes: 20\n", "minuts: 20\n", "line 4: exercises.0.minutes: Field required"),
        ("id: second", "id: second one", "line 9: exercises.1.id: String should match"),
        ("id: second", "id: first", "line 1: exercise id 'first' stands twice in module 'one'"),
        ("[first]", "[third]", "line 1: 'second' depends on 'third', which is no earlier exercise"),
        ("title: The first\n", "title: The first: one\n", "line 1: mapping values are not allowed here"),
        ("[split, merge]", "[split, merge", "line 12: "),
        ("minutes: 20\n", "points: 20\n", "line 7: 'points' stands twice in one mapping"),
        (ONE, "[]", "line 1: expected a mapping with `title` and `summary` and `exercises` and `quiz`"),
    ],
)
def test_an_error_names_file_line_and_field(old: str, new: str, said: str) -> None:
    assert ONE.count(old) == 1
    with pytest.raises(SyllabusError) as error:
        parse_module("one", ONE.replace(old, new), source="my/module.yaml")
    assert str(error.value).startswith(f"my/module.yaml, {said}")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("title: A course", "titel: A course", "line 1: title: Field required"),
        ("[one, two]", "[one, two, one]", "line 1: module id 'one' stands twice"),
        ("[one, two]", "[one, two three]", "line 2: modules.1: String should match"),
        ("after: two", "after: four", "line 1: 'three' is planned after 'four', which stands nowhere above"),
        (SYLLABUS, "[]", "line 1: expected a mapping with `title` and `modules` and `planned` and `limits`"),
        (
            SYLLABUS,
            f"{SYLLABUS}limits: {{call_cpu: 0}}\n",
            "line {last}: limits.call_cpu: Input should be gr",
        ),
        (SYLLABUS, f"{SYLLABUS}limits: {{memory: 2 GB}}\n", "line {last}: limits.memory: Input should be a"),
        (SYLLABUS, f"{SYLLABUS}limits: {{memory: 64}}\n", "line {last}: limits.memory: Input should be gr"),
        (SYLLABUS, f"{SYLLABUS}limits: {{slower: .nan}}\n", "line {last}: limits.slower: Input should be "),
        (SYLLABUS, f"{SYLLABUS}limits: {{patience: 5}}\n", "line {last}: limits.patience: Extra inputs"),
    ],
)
def test_an_error_in_the_order_does_too(old: str, new: str, said: str) -> None:
    with pytest.raises(SyllabusError) as error:
        parse(SYLLABUS.replace(old, new), source="my/syllabus.yaml")
    said = said.replace("{last}", str(SYLLABUS.count("\n") + 1))
    assert str(error.value).startswith(f"my/syllabus.yaml, {said}")


def test_limits_are_those_that_are_named() -> None:
    asked = parse(f"{SYLLABUS}limits: {{call_cpu: 8, memory: 4096, slower: 1.5}}\n").limits.asked
    assert asked == {"call_cpu": 8, "memory": 4096, "slower": 1.5}
    assert parse(SYLLABUS).limits.asked == {}


def test_the_courses_own_syllabus_is_valid_and_read_once() -> None:
    assert load() is load()
    assert load().modules[0].id == "attention"


def test_a_module_of_ones_own_syllabus_is_read_from_beside_it(tmp_path: Path) -> None:
    path = written(tmp_path, one=ONE.replace("points: 10", "points: x"))
    with pytest.raises(SyllabusError, match=r"line 6: exercises\.0\.points") as error:
        load(path)
    assert str(tmp_path / "modules" / "one" / "module.yaml") in str(error.value)


def test_a_module_without_its_file_is_named(tmp_path: Path) -> None:
    path = written(tmp_path)
    (tmp_path / "modules" / "two" / "module.yaml").unlink()
    with pytest.raises(SyllabusError, match=r"two/module\.yaml cannot be read: No such file"):
        load(path)
