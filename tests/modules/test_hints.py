"""Check and hint work together: what check finds in a known mistake is what the first hint is about.

`first_hints.yaml` beside a module's own tests says for each known mistake which hint that is. A person has
judged that it belongs to the mistake; where none does it says `null`, for a twentieth of them at most.
"""

from __future__ import annotations

import ast
import inspect
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import yaml

from autograder.testing import Answer
from course.catalogue.hints import hints_of
from course.checking import examine, expect
from course.checking.expect import checks_of
from course.checking.report import Report
from course.desk import progress
from course.hint import next_hint

from .bank import MODULES, bank

EXERCISES = [(module, exercise) for module in MODULES for exercise in bank(module).exercises]
each_exercise = pytest.mark.parametrize(("module", "exercise"), EXERCISES)


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("COURSE_HINTS", raising=False)


@cache
def first_hints(module: str) -> dict[str, dict[str, str | None]]:
    """Exercise → known mistake → the name of the hint that is right for it, None where there is none."""
    path = Path(__file__).parent / module / "first_hints.yaml"
    table: dict[str, dict[str, str | None]] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return table


def seen(module: str, exercise: str) -> list[Answer]:
    """The known mistakes that the public checks see."""
    return [one for one in bank(module).mistakes if one.exercise == exercise and not one.only_hidden]


def checked(module: str, exercise: str, **answers: Any) -> Report:
    """What check finds in the reference's answer with these in the place of some of its names."""
    it = bank(module)
    entry = it.exercises[exercise]
    names = {name: answers.get(name, getattr(it.reference, name)) for name in entry.defines}
    return examine.on_exercise(it.module, entry, names, "")


def wrong_hint_right(module: str, exercise: str, mistake: Answer) -> str:
    """The journey; '' if the first hint is the one for this mistake, else what it was."""
    wrong = checked(module, exercise, **{mistake.defines: mistake.object})
    assert wrong.state == "failed", mistake.id
    found = hints_of(module)[exercise].for_found(wrong.check, wrong.problem)
    assert found is not None, f"{mistake.id}: no hint for what {wrong.check} says: {wrong.problem}"

    Path(progress.FOLDER, progress.FILE).unlink(missing_ok=True)  # nothing has been read before
    progress.record_checks([wrong])
    said = " ".join(next_hint().split())
    assert said.startswith(f"{exercise} · for what check found")
    assert " ".join(found[1].split()) in said

    progress.record_checks([Report("", wrong.key, "passed")])
    assert next_hint().startswith("No check has failed here.")
    due = first_hints(module)[exercise].get(mistake.id, "")
    return "" if found[0] == due else f"{mistake.id}: {found[0]}, where {due or 'none'} is due"


@each_exercise
def test_the_first_hint_belongs_to_the_first_mistake_of_the_bank(module: str, exercise: str) -> None:
    assert wrong_hint_right(module, exercise, seen(module, exercise)[0]) == ""


@pytest.mark.slow
@each_exercise
def test_the_first_hint_belongs_to_each_mistake_that_check_sees(module: str, exercise: str) -> None:
    other = [wrong_hint_right(module, exercise, mistake) for mistake in seen(module, exercise)]
    assert [line for line in other if line] == []


@pytest.mark.parametrize("module", MODULES)
def test_the_table_has_each_mistake_that_check_sees_and_nearly_all_have_a_hint(module: str) -> None:
    table = first_hints(module)
    for exercise in bank(module).exercises:
        assert set(table[exercise]) == {mistake.id for mistake in seen(module, exercise)}, exercise
    due = [name for of in table.values() for name in of.values()]
    assert sum(name is not None for name in due) >= 0.95 * len(due)


@each_exercise
def test_whatever_a_check_says_there_is_a_hint_for_it(module: str, exercise: str) -> None:
    hints = hints_of(module)[exercise]
    names = {check.name for check in checks_of(_checks(module), exercise)}
    assert {name for one in hints.found.values() for name in one.check} <= names
    for name in names:
        assert hints.for_found(name, "something that nobody has thought of") is not None, name


@pytest.mark.parametrize("module", MODULES)
def test_the_words_of_a_hint_are_words_of_a_check_or_of_an_error_that_a_known_mistake_gets(
    module: str,
) -> None:
    """So that a sentence which changes in `checks.py` does not leave its hint behind."""
    said = _said_in(_checks(module))
    for exercise, hints in hints_of(module).items():
        got = set(first_hints(module)[exercise].values())
        for name, one in hints.found.items():
            for words in one.says:
                assert words in said or name in got, f"{exercise}.{name}: nobody says {words!r}"


def _checks(module: str) -> Any:
    return import_module(f"course.modules.{module}.checks")


def _said_in(checks: Any) -> str:
    """All the text in the files that a module's checks are made of, and in those they are written with."""
    homes = {inspect.getmodule(value) for value in vars(checks).values() if hasattr(value, "_exercise")}
    texts = []
    for home in (*homes, checks, expect, examine):
        for node in ast.walk(ast.parse(inspect.getsource(home))):
            if isinstance(node, ast.JoinedStr):
                texts.append(
                    "".join(part.value if isinstance(part, ast.Constant) else "{}" for part in node.values)
                )
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                texts.append(node.value)
    return "\n".join(texts)
