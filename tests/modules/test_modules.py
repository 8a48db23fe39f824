"""What holds of every module: its public texts, checks and figures, and what its hidden suite is made of.

That the suite fails what is wrong and passes what is right is proven by `autograder verify`.
"""

from __future__ import annotations

import inspect
import io
import re
import subprocess
import sys
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import pytest
import torch
from torch import Tensor

from autograder.content.course_root import CourseRoot
from autograder.content.reference import load_reference
from course.catalogue.hints import hints_of
from course.catalogue.quiz import quiz_of
from course.checking import expect
from course.checking.examine import on_exercise
from course.checking.expect import checks_of
from course.pictures.picture import Picture

from .bank import MODULES, ROOT, bank

each_module = pytest.mark.parametrize("module", MODULES)
each_exercise = pytest.mark.parametrize(
    ("module", "exercise"), [(module, exercise) for module in MODULES for exercise in bank(module).exercises]
)


def checks_tried(module: str) -> Any:
    """A module's own tests of `check`: what it says of which mistake; None while there are none yet."""
    name = f"tests.modules.{module}.test_checks"
    return import_module(name) if find_spec(name) else None


@pytest.mark.slow
@each_exercise
def test_the_public_checks_tell_right_from_wrong_by_orders_of_magnitude(
    module: str, exercise: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Right answers stay far within the tolerance, and what is seen of a wrong one is far outside of it."""
    apart: list[float] = []
    measured = expect._apart

    def noted(own: Tensor, expected: Tensor, tolerance: float | None = None) -> float:
        found = measured(own, expected, tolerance)
        if sys._getframe(1).f_code is expect.close.__code__:  # not where it looks for a mistake's name
            apart.append(found)
        return found

    monkeypatch.setattr(expect, "_apart", noted)
    known = load_reference(CourseRoot(ROOT), module)
    entry = bank(module).exercises[exercise]
    answers = [(answer.id, answer.correct, known.with_answer(answer)) for answer in known.mistakes[exercise]]
    answers += [(answer.id, True, known.with_answer(answer)) for answer in known.variants[exercise]]
    for id, correct, names in [("reference", True, known.namespace), *answers]:
        apart.clear()
        report = on_exercise(bank(module).module, entry, {name: names[name] for name in entry.defines})
        if correct:
            assert max(apart, default=0) < 0.3, id
        else:
            off = [found for found in apart if found > 1]
            by_values_alone = len(off) == sum(line.startswith("✗") for line in report.lines)
            assert not off or not by_values_alone or max(off) > 5, id


# --- What students get ------------------------------------------------------------------------------------


@each_module
def test_every_exercise_has_two_or_three_degrees_of_hints_and_nothing_else_has(module: str) -> None:
    hints = hints_of(module)
    assert set(hints) == set(bank(module).exercises)
    assert {len(each.degrees) for each in hints.values()} <= {2, 3}


@each_module
def test_a_quiz_can_be_read_and_has_the_id_of_the_syllabus(module: str) -> None:
    quiz = bank(module).module.quiz
    assert quiz is None or quiz_of(module).id == quiz.id


@each_exercise
def test_an_exercise_has_several_public_checks_with_a_rule_each(module: str, exercise: str) -> None:
    checks = checks_of(import_module(f"course.modules.{module}.checks"), exercise)
    assert len(checks) >= 3
    assert all(len(check.rule) > 20 for check in checks)


@pytest.mark.parametrize(
    ("module", "mistake"),
    [(module, mistake) for module in MODULES for mistake in getattr(checks_tried(module), "SAID", ())],
)
def test_check_names_a_known_mistake_by_what_it_gives(module: str, mistake: str) -> None:
    text = bank(module).said_of(mistake)
    assert "✗" in text
    assert checks_tried(module).SAID[mistake] in text, text


@pytest.mark.parametrize(
    ("module", "name", "answer"),
    [(module, *answer) for module in MODULES for answer in getattr(checks_tried(module), "ALSO_NAMED", ())],
)
def test_check_names_some_by_their_docstring_that_the_hidden_tests_do_not_know(
    module: str, name: str, answer: Any
) -> None:
    assert str(answer.__doc__) in bank(module).report(name, **{name: answer})


# --- Figures ----------------------------------------------------------------------------------------------

WITH_FIGURES = [
    module for module in MODULES if (ROOT / "course" / "modules" / module / "figures.py").is_file()
]


def figures_of(module: str) -> Any:
    """A module's own tests of its figures: what they draw, and what cannot be drawn."""
    return import_module(f"tests.modules.{module}.test_figures")


@pytest.mark.parametrize(
    ("module", "name"), [(module, name) for module in WITH_FIGURES for name in figures_of(module).DRAWINGS]
)
def test_every_drawing_can_be_drawn_and_has_a_description(module: str, name: str) -> None:
    picture: Picture = figures_of(module).DRAWINGS[name]()
    picture.figure.savefig(io.BytesIO(), format="png", dpi=20)  # small: nobody will look at it
    assert re.fullmatch(r"[A-Z].+\.", picture.description)


@pytest.mark.parametrize("module", WITH_FIGURES)
def test_every_public_drawing_is_drawn_here(module: str) -> None:
    figures, own = import_module(f"course.modules.{module}.figures"), figures_of(module)
    assert set(figures.__all__) == set(own.DRAWINGS) | {"Picture", "counted", "needs"} | own.NO_DRAWINGS


@pytest.mark.parametrize(
    ("draw", "sentence"), [case for module in WITH_FIGURES for case in figures_of(module).OF_A_WRONG_SHAPE]
)
def test_a_wrong_shape_is_told_in_a_sentence(draw: Callable[[], object], sentence: str) -> None:
    with pytest.raises(ValueError, match=re.escape(sentence)):
        draw()


# --- The hidden suite -------------------------------------------------------------------------------------


@each_module
def test_every_exercise_of_the_syllabus_is_tested(module: str) -> None:
    assert list(bank(module).tests) == list(bank(module).exercises)


@each_exercise
def test_an_exercise_has_enough_of_everything(module: str, exercise: str) -> None:
    it = bank(module)
    kinds = [mark.kind for _, _, mark in it.tests[exercise]]
    assert kinds.count("value") >= 5
    assert kinds.count("rule") >= 2
    assert len([mistake for mistake in it.mistakes if mistake.exercise == exercise]) >= 5
    assert len([variant for variant in it.variants if variant.exercise == exercise]) >= 2


@each_module
def test_every_name_of_an_exercise_has_mistakes_and_variants_and_no_other_has(module: str) -> None:
    it = bank(module)
    for answers in (it.mistakes, it.variants):
        for exercise in it.exercises.values():
            found = {answer.defines for answer in answers if answer.exercise == exercise.id}
            assert found == set(exercise.defines)


@each_module
def test_what_a_mistake_uses_of_earlier_exercises_is_the_notebooks_own(module: str) -> None:
    for answer in bank(module).mistakes + bank(module).variants:
        assert "solutions" not in answer.source, answer.id


def test_suites_load_no_heavy_library_and_figures_none_before_they_draw() -> None:
    """What the reference owes to diffusers and the like is tested beside this, module by module."""
    code = f"""
import sys
from importlib import import_module
sys.path.insert(0, {str(ROOT)!r})
from tests.modules.bank import bank
for module in {MODULES!r}:
    bank(module)
for module in {WITH_FIGURES!r}:
    import_module(f"course.modules.{{module}}.figures")
print(*sorted({{'diffusers', 'peft', 'transformers', 'matplotlib', 'IPython', 'pandas'}} & set(sys.modules)))
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=ROOT)
    assert run.returncode == 0, run.stderr
    assert run.stdout.split() == []


def _tensor(args: tuple[Any, ...]) -> Tensor:
    return next((arg for arg in args if isinstance(arg, Tensor)), torch.ones(3, 2))


# Beside the trivial answers, which `verify` tries.
ODD_ANSWERS: dict[str, Callable[..., Any]] = {
    "a tuple": lambda *args, **__: (_tensor(args), _tensor(args)),
    "complex numbers": lambda *args, **__: _tensor(args).to(torch.complex128),
    "booleans": lambda *args, **__: _tensor(args) > 0,
    "a list of words": lambda *_, **__: ["mean", "variance"],
    "two empty tensors": lambda *_, **__: (torch.empty(0), torch.empty(0)),
    "infinity": lambda *args, **__: torch.full_like(_tensor(args), torch.inf),
    "a generator": lambda *_, **__: torch.Generator(),
}


@each_exercise
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


@each_module
def test_what_a_student_reads_is_a_sentence_that_gives_nothing_away(module: str) -> None:
    for tests in bank(module).tests.values():
        for name, test, _ in tests:
            sentence = " ".join((test.__doc__ or "").split())
            assert re.fullmatch(r"[a-zA-Z].{30,110}\.", sentence), name
            without_dtypes = re.sub(r"float(16|32|64)", "", sentence)
            assert not re.search(r"\d{2}|\d\.\d|\de\d|tensor\(|draw|assert|student\.", without_dtypes), name


@each_module
def test_titles_are_short_and_differ_and_hints_are_sentences(module: str) -> None:
    for exercise in bank(module).exercises:
        titles = [mistake.title for mistake in bank(module).mistakes if mistake.exercise == exercise]
        assert len(set(titles)) == len(titles)
        assert all(len(title) <= 72 and not title.endswith(".") for title in titles)
    for mistake in bank(module).mistakes:
        assert re.fullmatch(r"\S.{60,260}[.?)]", mistake.hint), mistake.id
        assert mistake.title not in mistake.hint
