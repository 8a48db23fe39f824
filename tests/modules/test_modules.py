"""Every hidden suite: mistakes fail, variants pass, and its sentences suit a student's eyes."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from autograder.testing import Answer
from course.catalogue.syllabus import load

from .bank import Bank, bank

ROOT = Path(__file__).parents[2]
MODULES = [module.id for module in load().modules]
EXERCISES = [(module, exercise) for module in MODULES for exercise in bank(module).exercises]


def identified(kind: str) -> list[Any]:
    return [
        pytest.param(bank(module), answer, id=f"{answer.exercise}-{answer.id}")
        for module in MODULES
        for answer in getattr(bank(module), kind)
    ]


@pytest.mark.parametrize("module", MODULES)
def test_every_exercise_of_the_syllabus_is_tested(module: str) -> None:
    assert list(bank(module).tests) == list(bank(module).exercises)


@pytest.mark.parametrize(("module", "exercise"), EXERCISES)
def test_an_exercise_has_enough_of_everything(module: str, exercise: str) -> None:
    it = bank(module)
    kinds = [mark.kind for _, _, mark in it.tests[exercise]]
    assert kinds.count("value") >= 5
    assert kinds.count("rule") >= 2
    assert len([mistake for mistake in it.mistakes if mistake.exercise == exercise]) >= 5
    assert len([variant for variant in it.variants if variant.exercise == exercise]) >= 2


@pytest.mark.parametrize("module", MODULES)
def test_every_name_of_an_exercise_has_mistakes_and_variants(module: str) -> None:
    it = bank(module)
    for answers in (it.mistakes, it.variants):
        for exercise in it.exercises.values():
            found = {answer.defines for answer in answers if answer.exercise == exercise.id}
            assert found == set(exercise.defines)


@pytest.mark.parametrize(("module", "exercise"), EXERCISES)
def test_the_reference_passes_every_test(module: str, exercise: str) -> None:
    assert bank(module).failed_tests(exercise, {}) == {}


@pytest.mark.parametrize(("it", "answer"), identified("mistakes"))
def test_the_source_of_a_mistake_stands_in_a_notebook_and_fails(it: Bank, answer: Answer) -> None:
    assert it.failed_tests(answer.exercise, it.defined_by(answer))


@pytest.mark.parametrize(("it", "answer"), identified("variants"))
def test_the_source_of_a_variant_stands_in_a_notebook_and_passes(it: Bank, answer: Answer) -> None:
    assert it.failed_tests(answer.exercise, it.defined_by(answer)) == {}


def test_no_suite_loads_a_heavy_library() -> None:
    """They cost seconds of CPU to import; what the reference owes to them is tested in tests/solutions."""
    code = f"""
import sys
sys.path.insert(0, {str(ROOT)!r})
from tests.modules.bank import bank
for module in {MODULES!r}:
    bank(module)
print(*sorted({{'diffusers', 'peft', 'transformers', 'matplotlib'}} & set(sys.modules)))
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert run.stdout.split() == []


def _tensor(args: tuple[Any, ...]) -> Tensor:
    return next((arg for arg in args if isinstance(arg, Tensor)), torch.ones(3, 2))


ODD_ANSWERS: dict[str, Callable[..., Any]] = {
    "nothing": lambda *_, **__: None,
    "a number": lambda *_, **__: 0.5,
    "a class": lambda *_, **__: nn.Linear,
    "a tuple": lambda *args, **__: (_tensor(args), _tensor(args)),
    "the first argument, whatever it is": lambda x=None, *_, **__: x,
    "complex numbers": lambda *args, **__: _tensor(args).to(torch.complex128),
    "booleans": lambda *args, **__: _tensor(args) > 0,
    "no elements": lambda *args, **__: _tensor(args)[:0],
    "a list of words": lambda *_, **__: ["mean", "variance"],
    "two empty tensors": lambda *_, **__: (torch.empty(0), torch.empty(0)),
    "infinity": lambda *args, **__: torch.full_like(_tensor(args), torch.inf),
    "a generator": lambda *_, **__: torch.Generator(),
}


@pytest.mark.parametrize(("module", "exercise"), EXERCISES)
@pytest.mark.parametrize("odd", ODD_ANSWERS)
def test_a_test_fails_and_never_breaks_on_an_odd_answer(module: str, exercise: str, odd: str) -> None:
    it, answer = bank(module), ODD_ANSWERS[odd]
    names: dict[str, Any] = {}
    for name in it.exercises[exercise].defines:
        original = getattr(it.reference, name)
        forward = {"forward": lambda self, *args, **kwargs: answer(*args, **kwargs)}
        names[name] = type("Odd", (original,), forward) if inspect.isclass(original) else answer
    failed = it.failed_tests(exercise, names)
    assert all(name in failed for name, _, mark in it.tests[exercise] if mark.kind == "value")


@pytest.mark.parametrize("module", MODULES)
def test_answers_stand_in_for_names_of_their_exercise(module: str) -> None:
    for answer in bank(module).mistakes + bank(module).variants:
        assert answer.defines in bank(module).exercises[answer.exercise].defines, answer.id


@pytest.mark.parametrize("module", MODULES)
def test_what_a_student_reads_is_a_sentence_that_gives_nothing_away(module: str) -> None:
    for tests in bank(module).tests.values():
        for name, test, _ in tests:
            sentence = " ".join((test.__doc__ or "").split())
            assert re.fullmatch(r"[a-zA-Z].{30,110}\.", sentence), name
            without_dtypes = re.sub(r"float(16|32|64)", "", sentence)
            assert not re.search(r"\d{2}|\d\.\d|\de\d|tensor\(|draw|assert|student\.", without_dtypes), name


@pytest.mark.parametrize("module", MODULES)
def test_titles_are_short_and_differ_and_hints_are_sentences(module: str) -> None:
    for exercise in bank(module).exercises:
        titles = [mistake.title for mistake in bank(module).mistakes if mistake.exercise == exercise]
        assert len(set(titles)) == len(titles)
        assert all(len(title) <= 72 and not title.endswith(".") for title in titles)
    for mistake in bank(module).mistakes:
        assert re.fullmatch(r"\S.{60,260}[.?)]", mistake.hint), mistake.id
        assert mistake.title not in mistake.hint
