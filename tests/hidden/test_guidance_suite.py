"""The hidden suite of `guidance`: mistakes fail, variants pass, and its sentences suit a student's eyes."""

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
from solutions import guidance as reference

HIDDEN = Path(__file__).parents[2] / "autograder" / "hidden"
EXERCISES = {exercise.id: exercise for exercise in load().module("guidance").exercises}
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

SUITE = _import(HIDDEN / "guidance.py")


def _tests() -> dict[str, list[Test]]:
    return {
        getattr(cls, "__exercise__"): [  # noqa: B009 - mypy does not know it
            (name, getattr(cls(), name), function.__mark__)
            for name, function in vars(cls).items()
            if hasattr(function, "__mark__")
        ]
        for cls in vars(SUITE).values()
        if inspect.isclass(cls) and "__exercise__" in vars(cls)
    }


TESTS = _tests()
MISTAKES = answers_in(_import(HIDDEN / "mistakes" / "guidance.py"))
VARIANTS = answers_in(_import(HIDDEN / "variants" / "guidance.py"))


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
    assert len([variant for variant in VARIANTS if variant.exercise == exercise]) >= 3


def test_answers_stand_in_for_names_of_their_exercise() -> None:
    for answer in MISTAKES + VARIANTS:
        assert answer.defines in EXERCISES[answer.exercise].defines, answer.id


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
    "a class": lambda *_, **__: nn.Linear,
    "a tuple": lambda x, *_, **__: (x, x),
    "the first argument, a model or a tensor": lambda x, *_, **__: x,
    "booleans": lambda x, *_, **__: torch.ones(3, 2).bool(),
    "no elements": lambda x, *_, **__: torch.ones(0),
    "infinity": lambda x, *_, **__: torch.full((3, 2), torch.inf),
    "a generator": lambda *_, **__: torch.Generator(),
}


@pytest.mark.parametrize("exercise", EXERCISES)
@pytest.mark.parametrize("odd", ODD_ANSWERS)
def test_a_test_fails_and_never_breaks_on_an_odd_answer(exercise: str, odd: str) -> None:
    original = getattr(reference, exercise)
    answer: Any = ODD_ANSWERS[odd]
    if inspect.isclass(original):
        forward = ODD_ANSWERS[odd]
        answer = type("Odd", (original,), {"forward": lambda self, *args: forward(*args)})
    failed = failed_tests(exercise, dict.fromkeys(EXERCISES[exercise].defines, answer))
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


# --- The model that the suite hands out ---------------------------------------------------------------------


def test_the_model_of_the_suite_tells_samples_times_and_conditions_apart() -> None:
    model, x = SUITE.Denoiser(), torch.randn(3, 2, 4, generator=torch.Generator().manual_seed(0))
    t, cond = torch.tensor([1, 5, 9]), torch.tensor([0, 1, 2])
    before = model(x, t, cond)
    for other in (model(x + 0.1, t, cond), model(x, t + 1, cond), model(x, t, cond + 1)):
        assert ((other - before).abs().flatten(1).amax(1) > 1e-3).all()
    order = torch.tensor([2, 0, 1])
    torch.testing.assert_close(model(x[order], t[order], cond[order]), before[order])


@pytest.mark.parametrize(
    ("model", "given", "said"),
    [
        (
            SUITE.Denoiser(),
            (torch.zeros(4, 2), torch.zeros(2), torch.zeros(4)),
            "4 samples, but of timesteps 2",
        ),
        (SUITE.Denoiser(), (torch.zeros(4, 2), torch.zeros(4), torch.tensor(1)), "conditions one for all"),
        (SUITE.Denoiser(rows=6), (torch.zeros(3, 2), torch.zeros(3), torch.zeros(3)), "6 samples at once"),
    ],
)
def test_the_model_of_the_suite_says_what_does_not_fit(model: Any, given: Any, said: str) -> None:
    with pytest.raises(RuntimeError, match=said):
        model(*given)


def test_two_calls_are_told_by_the_model_itself() -> None:
    (two_calls,) = [mistake for mistake in MISTAKES if mistake.id == "two_calls"]
    failed = failed_tests("guided_eps", defined_by(two_calls))
    assert set(failed) == {"one_call", "one_call_for_every_scale"}
    assert "the model was called a second time; one call is enough" in str(failed["one_call"])


def test_a_wrong_rate_is_told_with_what_it_came_to() -> None:
    (keeps,) = [mistake for mistake in MISTAKES if mistake.id == "keeps_with_p"]
    said = str(failed_tests("drop_condition", defined_by(keeps))["how_many"])
    assert re.fullmatch(r"of \d+ samples, a share of 0\.(89|90|91) was dropped, for p = 0\.1", said)
