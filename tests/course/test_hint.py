"""`hint(...)`: one more each time, counted, and off where the instructors want it off."""

from __future__ import annotations

from pathlib import Path

import pytest

from course import hint
from course.catalogue.hints import HintError, hints_of, parse
from course.catalogue.syllabus import load
from course.desk import progress, settings
from course.hint import next_hint


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("COURSE_HINTS", raising=False)


def test_each_call_gives_the_next_hint_and_then_all_again(capsys: pytest.CaptureFixture[str]) -> None:
    said = []
    for _ in range(5):
        hint("stable_softmax")
        said.append(capsys.readouterr().out)
    titles = [text.splitlines()[0].split(" · ")[1] for text in said]
    assert titles == ["hint 1 of 3", "hint 2 of 3", "hint 3 of 3", *["all 3 hints again"] * 2]
    for text, words in zip(said, ("infinity divided", "free to choose", "Take the maximum"), strict=False):
        assert words in " ".join(text.split())
        assert words in " ".join(said[3].split())


def test_only_new_hints_are_counted() -> None:
    for _ in range(5):
        next_hint("stable_softmax")
    next_hint("CrossAttention")
    recorded = progress.load()
    assert recorded.of("attention/stable_softmax").hints == 3
    assert recorded.of("attention/CrossAttention").hints == 1
    assert recorded.of("attention/split_heads").hints == 0


def test_the_last_one_says_so_and_the_others_do_not() -> None:
    said = [
        "That was the last one. The next call shows all of them again." in next_hint("split_heads")
        for _ in range(3)
    ]
    assert said == [False, False, True]


def test_an_exercise_is_named_by_any_of_its_functions_too() -> None:
    def merge_heads() -> None:
        pass

    assert next_hint(merge_heads).startswith("split_heads · hint 1 of 3\n")
    assert next_hint("merge_heads").startswith("split_heads · hint 2 of 3\n")


@pytest.mark.parametrize("thing", ["attention_is_all", "attention_quiz", 3, None, len, "x" * 1000])
def test_what_has_no_hints_is_answered_in_a_sentence(thing: object) -> None:
    text = next_hint(thing)
    assert text.startswith("There are no hints for ")
    known = ", ".join(exercise.id for module in load().modules for exercise in module.exercises)
    assert text.endswith(f". There are some for {known}.")
    assert len(text) < 120 + len(known)  # what was asked for is cut short


OFF = "Hints are switched off in this course."


@pytest.mark.parametrize("value", ["off", "OFF", "0", "no", "false"])
def test_a_whole_machine_can_have_hints_switched_off(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COURSE_HINTS", value)
    assert next_hint("stable_softmax") == OFF
    assert not Path(progress.FOLDER).exists()


@pytest.mark.parametrize("where", [".", ".."])
def test_a_file_beside_the_notebook_or_above_it_switches_hints_off(
    where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "inside").mkdir()
    monkeypatch.chdir(tmp_path / "inside")
    Path(where, settings.FILE).write_text(settings.NO_HINTS)
    assert next_hint("stable_softmax") == OFF
    assert not Path(progress.FOLDER).exists()


@pytest.mark.parametrize("content", ["", "hints = true", "colours = 3"])
def test_a_file_that_says_nothing_against_hints_lets_them_be(content: str) -> None:
    Path(settings.FILE).write_text(content)
    assert next_hint("stable_softmax").startswith("stable_softmax · hint 1 of 3\n")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b'hints = "no"', "has hints = 'no', which must be true or false. Ask your instructors."),
        (b"hints = off", "cannot be understood: Invalid value (at line 1, column 9). Ask your instructors."),
        (b"\xff", "cannot be understood: 'utf-8' codec"),
    ],
)
def test_a_file_that_cannot_be_understood_is_named_and_gives_no_hint(content: bytes, said: str) -> None:
    Path(settings.FILE).write_bytes(content)
    text = next_hint("stable_softmax")
    assert text.startswith(f"There are no hints: {Path(settings.FILE).resolve()} {said}")
    assert not Path(progress.FOLDER).exists()


def test_lines_are_short_enough_for_a_notebook() -> None:
    for module in load().modules:
        for exercise in module.exercises:
            for _ in hints_of(module.id)[exercise.id]:
                assert all(len(line) <= 88 for line in next_hint(exercise.id).splitlines())


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("hints:\n  one: [a]\n", "h.yaml, line 2: hints.one: List should have at least 2 items"),
        ("hints:\n  one:\n    - a\n    - 3\n", "h.yaml, line 4: hints.one.1: Input should be a valid string"),
        ("- a", "h.yaml, line 1: expected a mapping with `hints`"),
    ],
)
def test_an_error_in_a_file_of_hints_names_file_and_line(text: str, said: str) -> None:
    with pytest.raises(HintError) as error:
        parse(text, source="h.yaml")
    assert str(error.value).startswith(said)
