"""`hint(...)`: one more each time, counted, and off where the instructors want it off."""

from __future__ import annotations

from pathlib import Path

import pytest

from course import hint
from course.catalogue.hints import HintError, hints_of, parse
from course.catalogue.syllabus import load
from course.checking.report import Report, State
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


@pytest.mark.parametrize("thing", ["attention_is_all", "attention_quiz", 3, len, "x" * 1000])
def test_what_has_no_hints_is_answered_in_a_sentence(thing: object) -> None:
    text = next_hint(thing)
    assert text.startswith("There are no hints for ")
    known = ", ".join(exercise.id for module in load().modules for exercise in module.exercises)
    assert text.endswith(f". There are some for {known}.")
    assert len(text) < 120 + len(known)  # what was asked for is cut short


# --- After a check ------------------------------------------------------------------------------------------


def found(exercise: str, check: str, problem: str, state: State = "failed") -> Report:
    return Report("", f"attention/{exercise}", state, problem=problem, check=check)


NAN = found("stable_softmax", "large_scores", "there is NaN in the result, first at [0], where 0.25 is right")
NO_SCALE = found(
    "scaled_dot_product_attention", "one_query", "This is what comes out without the division by sqrt(d)."
)


@pytest.mark.parametrize("asked", [None, "stable_softmax"])
def test_after_a_check_that_failed_the_first_hint_is_for_what_it_found(asked: str | None) -> None:
    progress.record_checks([NAN])
    said = [next_hint(asked) for _ in range(5)]
    title, problem, *rest = said[0].splitlines()
    assert (title, problem) == ("stable_softmax · for what check found", f"  ✗ {NAN.problem}")
    assert "which one makes the largest of them harmless?" in " ".join(" ".join(rest).split())
    assert [text.splitlines()[0] for text in said[1:]] == [
        "stable_softmax · hint 1 of 3",
        "stable_softmax · hint 2 of 3",
        "stable_softmax · hint 3 of 3",
        "stable_softmax · all 4 hints again",
    ]
    assert "which one makes the largest of them harmless?" in " ".join(said[4].split())
    assert progress.load().of("attention/stable_softmax").hints == 4


def test_another_problem_has_another_hint_and_the_degrees_go_on_where_they_were() -> None:
    progress.record_checks([NAN])
    for _ in range(2):
        next_hint()
    progress.record_checks(
        [found("stable_softmax", "shares", "it changed its argument x: make a new tensor instead")]
    )
    assert "Print x before and after a call of yours." in " ".join(next_hint().split())
    assert next_hint().startswith("stable_softmax · hint 2 of 3\n")
    progress.record_checks([NAN])  # its hint was read before
    assert next_hint().startswith("stable_softmax · hint 3 of 3\n")
    assert progress.load().of("attention/stable_softmax").hints == 5


def test_without_a_name_it_is_about_the_check_that_failed_last(monkeypatch: pytest.MonkeyPatch) -> None:
    assert (
        next_hint()
        == 'No check has failed here. Name an exercise for its hints, as in hint("stable_softmax").'
    )
    moments = iter(f"2030-01-01T00:00:0{second}+00:00" for second in range(9))
    monkeypatch.setattr(progress, "_now", lambda: next(moments))
    progress.record_checks([NO_SCALE])
    progress.record_checks([NAN])
    assert next_hint().startswith("stable_softmax · for what check found")
    progress.record_checks([found("stable_softmax", "", "", "passed")])
    assert next_hint().startswith("scaled_dot_product_attention · for what check found")
    progress.record_checks([found("split_heads", "", "not written yet", "untouched")])
    assert next_hint().startswith("split_heads · hint 1 of 3\n")


def test_of_several_that_one_command_checked_it_is_about_the_first_that_failed() -> None:
    untouched = found("stable_softmax", "", "not written yet", "untouched")
    progress.record_checks(
        [untouched, NO_SCALE, found("CrossAttention", "lengths", "it raised ValueError: no")]
    )
    assert next_hint().startswith("scaled_dot_product_attention · for what check found")


def test_a_forbidden_call_has_a_hint_of_its_own() -> None:
    problem = (
        "this exercise asks you to write `stable_softmax` yourself: `torch.softmax` (cell 2, line 3) does it"
    )
    progress.record_checks([found("stable_softmax", "", problem)])
    assert "Go back to the formula" in " ".join(next_hint().split())


@pytest.mark.parametrize(
    ("says", "name"),
    [
        ("`split_heads` is not defined: its cell raised an error, or was deleted or renamed", "not_there"),
        ("it returned None: does it end with `return ...`?", "returned_nothing"),
        ("a tensor is expected, a list was returned", "no_tensor"),
        ("it raised NameError: name 'qq' is not defined", "not_imported"),
        ("it raised TypeError: split_heads() got an unexpected keyword argument 'heads'", "other_arguments"),
        ("it raised TypeError: 'NoneType' object is not subscriptable", "may_be_none"),
        ("the dtype is float32, it should be int32, as that of the input", "other_dtype"),
        (
            "it raised RuntimeError: The size of tensor a (3) must match the size of tensor b (2)",
            "sizes_do_not_meet",
        ),
        (
            "it raised RuntimeError: mat1 and mat2 shapes cannot be multiplied (2x2 and 3x2)",
            "product_of_shapes",
        ),
        ("no gradient can flow back: something in it is detached", "graph_cut"),
        ("the largest error is 3", "there_and_back"),
    ],
)
def test_what_is_said_of_any_exercise_has_a_hint_before_the_checks_own(says: str, name: str) -> None:
    hint = hints_of("attention")["split_heads"].for_found("there_and_back", says)
    assert hint is not None
    assert hint[0] == name


def test_where_a_module_has_no_hint_for_what_was_found_the_degrees_come() -> None:
    hints = parse("hints:\n  one: {degrees: [a, b]}\n")["one"]
    assert hints.for_found("any", "the largest error is 3") is None


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
            for _ in hints_of(module.id)[exercise.id].degrees:
                assert all(len(line) <= 88 for line in next_hint(exercise.id).splitlines())


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "hints:\n  one:\n    degrees: [a]\n",
            "h.yaml, line 3: hints.one.degrees: List should have at least 2 items",
        ),
        (
            "hints:\n  one:\n    degrees:\n      - a\n      - 3\n",
            "h.yaml, line 5: hints.one.degrees.1: Input should be a valid string",
        ),
        (
            "hints:\n  one:\n    found:\n      odd: {hint: a}\n    degrees: [a, b]\n",
            "h.yaml, line 3: hints.one.found: odd says neither for which `check` it is nor what that `says`",
        ),
        (
            "hints:\n  one:\n    found: [a]\n    degrees: [a, b]\n",
            "h.yaml, line 3: hints.one.found: Input should be a valid dictionary",
        ),
        ("- a", "h.yaml, line 1: expected a mapping with `hints`"),
    ],
)
def test_an_error_in_a_file_of_hints_names_file_and_line(text: str, said: str) -> None:
    with pytest.raises(HintError) as error:
        parse(text, source="h.yaml")
    assert str(error.value).startswith(said)
