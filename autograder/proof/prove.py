"""What is tried of one exercise with one seed, in this process: every known answer, once.

What a known mistake answers here serves its diagnosis too, which need not try it again. Whether it would
fail on a GPU is asked only of an answer that is right: of the others it says nothing about the suite.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from course.catalogue.syllabus import Exercise, Module
from course.cells.python import Cell
from course.checking.examine import on_exercise
from course.checking.forbidden import forbidden_calls, listed

from ..content.module import GradedModule
from ..content.reference import Reference
from ..contract.jobs import Proof
from ..contract.line import InProcess
from ..contract.student import Student
from ..contract.trace import same_behaviour
from ..grading.attempt import attempt, portability
from ..grading.diagnose import diagnose, remember
from ..grading.exercise import flag_oddities, score
from ..grading.setting import Attempt, Setting
from ..results import ExerciseResult
from ..testing import Answer
from .finding import Finding, KnownMistake, Proven, not_full, not_named, not_zero
from .shares import kept, unfair
from .trivial import trivial

Names = dict[str, Any]


def prove(module: GradedModule, setting: Setting, proof: Proof) -> Proven:
    """The reference, trivial answers, known mistakes and variants of an exercise, by its hidden tests.

    Unless it is to be quick, also what no seed changes: each known answer cut out of its file, as it stands
    in a notebook, by the hidden tests once more and by the public checks.
    Raises Fault when a hidden test itself is broken.
    """
    exercise = module.entry.exercise(proof.exercise)
    setting = replace(setting, run_seed=proof.seed, diagnosis_seed=proof.seed, behaviours={})
    findings = [
        Finding(module.id, exercise.id, kind, id, proof.seed, "process", not problem, problem, *share)
        for kind, id, problem, *share in _found(module, exercise, setting, proof.quick)
    ]
    first = next(iter(setting.reference.mistakes[exercise.id]), None)
    mistake = KnownMistake(first.id, first.defines, first.source) if first else None
    return Proven(findings, mistake)


def _found(
    module: GradedModule, exercise: Exercise, setting: Setting, quick: bool
) -> Iterator[tuple[str, str, str] | tuple[str, str, str, float]]:
    """Kind and name of all that was tried, what is wrong with what came of it; of a mistake what it keeps."""
    reference = setting.reference

    tried = partial(_Tried, setting, exercise)

    own = tried(reference.namespace)
    remember(setting, None, own.attempts)
    yield "reference", "reference", not_full(own.as_right())
    for name, namespace in trivial(reference.namespace, exercise):
        it = tried(namespace, kinds=("value",))  # rules give no points to whom no value test does
        if any(one.passed for one in it.attempts):
            it = tried(namespace)
        yield "trivial", name, not_zero(it.scored())
    mistakes = [(each, tried(reference.with_answer(each))) for each in reference.mistakes[exercise.id]]
    variants = [(each, tried(reference.with_answer(each))) for each in reference.variants[exercise.id]]
    for mistake, it in mistakes:
        remember(setting, mistake, it.attempts)
    for mistake, it in mistakes:
        result = it.as_wrong()
        problem = not_named(result, mistake.id) or unfair(result, mistake)
        yield "mistake", mistake.id, problem, kept(result)
    for variant, it in variants:
        yield "variant", variant.id, not_full(it.as_right())
    if quick:
        return
    solution = module.root.solution(module.id).read_text(encoding="utf-8")
    accused = partial(_accused, module.entry, exercise, solution)
    problem = _seen_in_public(module.entry, exercise, reference.namespace, None)
    yield "public", "reference", problem or accused("")
    for answer, it in (*mistakes, *variants):
        written = in_a_notebook(reference, answer)
        yield "source", answer.id, _not_alike(tried(written).attempts, it.attempts)
        problem = _seen_in_public(module.entry, exercise, written, answer)
        yield "public", answer.id, problem or (accused(answer.source) if answer.correct else "")


class _Tried:
    """An answer with the tests that it was put to."""

    def __init__(
        self,
        setting: Setting,
        exercise: Exercise,
        namespace: Names,
        kinds: Sequence[str] = ("value", "rule"),
    ) -> None:
        self._setting, self._exercise = setting, exercise
        self._line = InProcess(namespace, setting.device)
        self.attempts = attempt(setting, Student(self._line), exercise, kinds)

    def scored(self) -> ExerciseResult:
        flag_oddities(self._setting, self._exercise, self.attempts)  # a broken test is none of the answer's
        return score(self._exercise, self.attempts)

    def as_right(self) -> ExerciseResult:
        """With what would be said of it on a GPU."""
        result = self.scored()
        result.portability = portability(self._setting, self._exercise, self._line, self.attempts)
        return result

    def as_wrong(self) -> ExerciseResult:
        """With the mistakes by which it would be called."""
        result = self.scored()
        traces = {each.test.id: each.trace for each in self.attempts}  # the draws are those of diagnosis
        result.mistakes = diagnose(self._setting, self._exercise, self.attempts, lambda test: traces[test.id])
        return result


def in_a_notebook(reference: Reference, answer: Answer) -> Names:
    """The names of a notebook whose cells are the reference's, but for this answer's source."""
    notebook = {name: value for name, value in reference.namespace.items() if not name.startswith("__")}
    exec(compile(answer.source, f"<{answer.id}>", "exec", dont_inherit=True), notebook)
    return reference.with_answer(replace(answer, object=notebook[answer.defines]))


def _not_alike(written: Sequence[Attempt], known: Sequence[Attempt]) -> str:
    for one, other in zip(written, known, strict=True):
        if one.passed != other.passed or not same_behaviour(one.trace, other.trace):
            return f"cut out of its file it does otherwise in {one.test.id}: what it needs did not come along"
    return ""


def _seen_in_public(module: Module, exercise: Exercise, names: Names, answer: Answer | None) -> str:
    """What is wrong with what the public checks say of an answer (None: the reference)."""
    report = on_exercise(module, exercise, {name: names[name] for name in exercise.defines}, uses="")
    if answer is None or answer.correct:
        alarms = [line for line in report.lines if line.startswith("!")]
        return "" if report.passed and not alarms else f"the public checks say: {report.problem or alarms[0]}"
    if report.passed and not answer.only_hidden:
        return "the public checks do not see it: write one that does, or mark it only_hidden=True"
    if answer.only_hidden and not report.passed:
        return f"is marked only_hidden=True, and the public checks see it: {report.problem}"
    return ""


def _accused(module: Module, exercise: Exercise, solution: str, source: str) -> str:
    """Of which forbidden call a correct answer would be accused, or suspected."""
    found = forbidden_calls([Cell(1, solution), Cell(2, source)], module, exercise)
    return f"is taken for a forbidden call: {found[0].name} in {listed(found[0].places)}" if found else ""
