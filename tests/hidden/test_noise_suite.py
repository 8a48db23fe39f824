"""The hidden suite of `noise`: mistakes fail, variants pass, and its sentences suit a student's eyes."""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Callable, Iterator
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import nn

from autograder.errors import StudentFailure
from autograder.grading.line import InProcess
from autograder.grading.student import Student
from autograder.testing import Answer, Draw
from autograder.testing.marks import TestMark, answers_in
from course.syllabus import load
from solutions import noise as reference

HIDDEN = Path(__file__).parents[2] / "autograder" / "hidden"
EXERCISES = {exercise.id: exercise for exercise in load().module("noise").exercises}
SEED = 3


def _import(path: Path) -> ModuleType:
    spec = spec_from_file_location(f"tested_{path.parent.name}_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    sys.modules[spec.name] = module  # where inspect looks for a class's source
    spec.loader.exec_module(module)
    return module


Test = tuple[str, Callable[[Student, Draw], None], TestMark]


def _tests() -> dict[str, list[Test]]:
    suite = _import(HIDDEN / "noise.py")
    return {
        getattr(cls, "__exercise__"): [  # noqa: B009 - mypy does not know it
            (name, getattr(cls(), name), function.__mark__)
            for name, function in vars(cls).items()
            if hasattr(function, "__mark__")
        ]
        for cls in vars(suite).values()
        if inspect.isclass(cls) and "__exercise__" in vars(cls)
    }


TESTS = _tests()
MISTAKES = answers_in(_import(HIDDEN / "mistakes" / "noise.py"))
VARIANTS = answers_in(_import(HIDDEN / "variants" / "noise.py"))


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def failed_tests(exercise: str, names: dict[str, Any]) -> dict[str, BaseException]:
    """The exercise's tests that fail when `names` take the place of the reference's."""
    student = Student(InProcess({**vars(reference), **names}))
    failed: dict[str, BaseException] = {}
    for name, test, _ in TESTS[exercise]:
        draw = Draw(SEED, f"{exercise}.{name}")
        student.reset(draw.seed)
        try:
            test(student, draw)
        except (AssertionError, StudentFailure) as failure:
            failed[name] = failure
    return failed


def defined_by(answer: Answer) -> dict[str, Any]:
    """What a notebook has that holds this answer's source and nothing else."""
    namespace: dict[str, Any] = {}
    exec(compile(answer.source, answer.id, "exec", dont_inherit=True), namespace)
    return {answer.defines: namespace[answer.defines]}


def identified(answers: list[Answer]) -> list[Any]:
    return [pytest.param(answer, id=f"{answer.exercise}-{answer.id}") for answer in answers]


def test_every_exercise_of_the_syllabus_is_tested() -> None:
    assert list(TESTS) == list(EXERCISES)


@pytest.mark.parametrize("exercise", EXERCISES)
def test_an_exercise_has_enough_of_everything(exercise: str) -> None:
    kinds = [mark.kind for _, _, mark in TESTS[exercise]]
    assert kinds.count("value") >= 5
    assert kinds.count("rule") >= 2
    assert len([mistake for mistake in MISTAKES if mistake.exercise == exercise]) >= 5
    assert len([variant for variant in VARIANTS if variant.exercise == exercise]) >= 2


def test_answers_stand_in_for_names_of_their_exercise() -> None:
    for answer in MISTAKES + VARIANTS:
        assert answer.defines in EXERCISES[answer.exercise].defines, answer.id


def test_every_function_has_mistakes_and_variants() -> None:
    names = {name for exercise in EXERCISES.values() for name in exercise.defines}
    for answers in (MISTAKES, VARIANTS):
        assert {answer.defines for answer in answers} == names


@pytest.mark.parametrize("exercise", EXERCISES)
def test_the_reference_passes_every_test(exercise: str) -> None:
    assert failed_tests(exercise, {}) == {}


@pytest.mark.parametrize("answer", identified(MISTAKES))
def test_the_source_of_a_mistake_stands_alone_and_fails(answer: Answer) -> None:
    assert failed_tests(answer.exercise, defined_by(answer))


@pytest.mark.parametrize("answer", identified(VARIANTS))
def test_the_source_of_a_variant_stands_alone_and_passes(answer: Answer) -> None:
    assert failed_tests(answer.exercise, defined_by(answer)) == {}


ODD_ANSWERS: dict[str, Callable[..., Any]] = {
    "nothing": lambda *_, **__: None,
    "a number": lambda *_, **__: 0.5,
    "a class": lambda *_, **__: nn.Linear,
    "a tuple": lambda x, *_, **__: (x, x),
    "complex numbers": lambda x, *_, **__: x.to(torch.complex128),
    "booleans": lambda x, *_, **__: x > 0,
    "no elements": lambda x, *_, **__: x[:0],
    "a list of words": lambda *_, **__: ["mean", "variance"],
    "two empty tensors": lambda *_, **__: (torch.empty(0), torch.empty(0)),
    "infinity": lambda x, *_, **__: torch.full_like(x, torch.inf),
}


@pytest.mark.parametrize("exercise", EXERCISES)
@pytest.mark.parametrize("odd", ODD_ANSWERS)
def test_a_test_fails_and_never_breaks_on_an_odd_answer(exercise: str, odd: str) -> None:
    failed = failed_tests(exercise, dict.fromkeys(EXERCISES[exercise].defines, ODD_ANSWERS[odd]))
    assert all(name in failed for name, _, mark in TESTS[exercise] if mark.kind == "value")


def test_what_a_student_reads_is_a_sentence_that_gives_nothing_away() -> None:
    for tests in TESTS.values():
        for name, test, _ in tests:
            sentence = " ".join((test.__doc__ or "").split())
            assert re.fullmatch(r"[a-zA-Z].{30,110}\.", sentence), name
            without_dtypes = re.sub(r"float(16|32|64)", "", sentence)
            assert not re.search(r"\d{2}|\d\.\d|\de\d|tensor\(|draw|assert|student\.", without_dtypes), name


def test_titles_are_short_and_differ_and_hints_are_sentences() -> None:
    for exercise in EXERCISES:
        titles = [mistake.title for mistake in MISTAKES if mistake.exercise == exercise]
        assert len(set(titles)) == len(titles)
        assert all(len(title) <= 72 and not title.endswith(".") for title in titles)
    for mistake in MISTAKES:
        assert re.fullmatch(r"\S.{60,260}[.?)]", mistake.hint), mistake.id
        assert mistake.title not in mistake.hint
