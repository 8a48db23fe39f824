"""Whether the hidden tests of an exercise notice a mutant of its solution, in this process."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from course.catalogue.syllabus import Exercise

from ..content.module import GradedModule
from ..contract.jobs import Proof
from ..contract.line import InProcess
from ..contract.student import Student
from ..grading.attempt import attempt_one, portability
from ..grading.setting import Attempt, Setting
from .finding import Finding, Proven
from .mutate import Mutant, of_exercise

TEST_CPU = 10.0  # seconds for one test, which takes an answer one at most: a mutant may have no end


class _Endless(BaseException):
    """A test took too long."""


def try_mutant(module: GradedModule, setting: Setting, proof: Proof) -> Proven:
    """A finding that is as it must be if a test of the exercise fails, or if it would fail on a GPU."""
    solution = module.root.read(module.root.solution(module.id))
    mutant = of_exercise(module.entry, proof.exercise, solution)[proof.mutant]
    exercise = module.entry.exercise(proof.exercise)
    by = _killed_by(setting, exercise, proof, mutant)
    found = Finding(module.id, proof.exercise, "mutant", mutant.id, proof.seed, "process", bool(by), by)
    return Proven([found])


def _killed_by(setting: Setting, exercise: Exercise, proof: Proof, mutant: Mutant) -> str:
    """The first test that fails, in a clause; empty if the mutant gets full marks."""
    names = dict(setting.reference.namespace)
    attempts: list[Attempt] = []
    try:
        with _at_most(TEST_CPU):
            exec(compile(mutant.source, "<mutant>", "exec", dont_inherit=True), names)
        line = InProcess(names, setting.device)
        student = Student(line)
        for test in setting.suite.tests.get(proof.exercise, []):
            with _at_most(TEST_CPU):
                attempts.append(attempt_one(setting, student, test, proof.seed))
            if not attempts[-1].passed:
                return f"fails {test.id}"
        with _at_most(TEST_CPU):
            ported = portability(setting, exercise, line, attempts)
    except _Endless:
        return f"has no end in {TEST_CPU:g} s of CPU time"
    except Exception as error:
        if attempts:
            raise  # not the mutant's
        return f"cannot be defined: {type(error).__name__}: {error}"
    return "" if ported is None or ported.ok else f"would fail on a GPU: {ported.message}"


@contextmanager
def _at_most(seconds: float) -> Iterator[None]:
    """Raises _Endless in what takes more CPU time; only the pool ends a call into C without an end."""

    def end(number: int, frame: FrameType | None) -> None:
        raise _Endless

    before = signal.signal(signal.SIGPROF, end)
    signal.setitimer(signal.ITIMER_PROF, seconds, seconds)  # again, where the test goes on in spite of it
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)
