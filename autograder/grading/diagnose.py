"""Names the mistake: which of the known ones gives, call by call, exactly the student's answers?

Asked on draws of its own, the same in every round of an output folder: what known mistakes answer to them is
worked out once for all that a grader sees. No points hang on it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from course.catalogue.syllabus import Exercise

from ..contract.line import InProcess
from ..contract.student import Student
from ..contract.trace import Trace, same_behaviour
from ..errors import BudgetSpent, ProtocolViolation, StudentTimeout, WorkerDied
from ..results import NamedMistake
from ..testing import Answer
from .setting import Attempt, Setting
from .suite import Test, run_test

NOT_ANSWERED = (StudentTimeout, BudgetSpent, WorkerDied, ProtocolViolation)
SECONDS = 5.0  # of CPU time for one exercise; a mistake not tried by then is not named

Again = Callable[[Test], Trace | None]  # what the student answers to the draws of diagnosis, if anything


def can_be_diagnosed(attempts: Sequence[Attempt]) -> bool:
    """Something failed, and all that was asked was answered."""
    return not all(attempt.passed for attempt in attempts) and not any(
        isinstance(attempt.raised, NOT_ANSWERED) for attempt in attempts
    )


def diagnose(
    setting: Setting, exercise: Exercise, attempts: Sequence[Attempt], again: Again
) -> list[NamedMistake]:
    """The known mistakes whose behaviour is the student's: one, or several that cannot be told apart.

    Such a one gives the student's answers in every test that the student failed, and passes every test that
    the student passed. The student's answers must differ from the reference's. A failed test is run `again`
    only as long as any mistake fits.
    """
    fitting = setting.reference.mistakes.get(exercise.id, [])
    if not fitting or not can_be_diagnosed(attempts):
        return []
    deadline = time.process_time() + SECONDS  # a busy machine is no reason to name less
    differs = False
    for test in [each.test for each in attempts if not each.passed]:
        answered = again(test)
        if answered is None:
            return []
        differs |= not same_behaviour(answered, _behaviour(setting, None, test, setting.diagnosis_seed)[0])
        fitting = [
            one
            for one in fitting
            if time.process_time() <= deadline
            and same_behaviour(answered, _behaviour(setting, one, test, setting.diagnosis_seed)[0])
        ]
        if not fitting:
            return []
    passed = [each.test for each in attempts if each.passed]
    return [
        NamedMistake(id=one.id, title=one.title, hint=one.hint)
        for one in fitting
        if differs and time.process_time() <= deadline and _passes(setting, one, passed)
    ]


def _passes(setting: Setting, candidate: Answer, tests: Sequence[Test]) -> bool:
    """On the draws by which the student passed: with others a small error may be above what is allowed."""
    return all(_behaviour(setting, candidate, test, setting.run_seed)[1] for test in tests)


def remember(setting: Setting, known: Answer | None, attempts: Sequence[Attempt]) -> None:
    """Keeps what a known mistake (None: the reference) has answered, which then need not be tried again."""
    id, seed = known.id if known else "", setting.run_seed
    setting.behaviours.update({(id, each.test.id, seed): (each.trace, each.passed) for each in attempts})


def _behaviour(setting: Setting, candidate: Answer | None, test: Test, seed: int) -> tuple[Trace, bool]:
    """What the candidate (None: the reference) answers in this test, and whether it passes.

    The same for every submission, since all are drawn the same inputs: tried once.
    """
    key = candidate.id if candidate else "", test.id, seed
    if key not in setting.behaviours:
        reference = setting.reference
        namespace = reference.with_answer(candidate) if candidate else reference.namespace
        student = Student(InProcess(namespace, setting.device), Trace())
        raised = run_test(setting.suite, test, student, seed, setting.device)
        setting.behaviours[key] = student.trace or Trace(), raised is None
    return setting.behaviours[key]
