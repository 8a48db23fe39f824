"""Names the mistake: which of the known ones gives, call by call, exactly the student's answers?"""

from __future__ import annotations

import time
from collections.abc import Sequence

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


def diagnose(setting: Setting, exercise: Exercise, attempts: Sequence[Attempt]) -> list[NamedMistake]:
    """The known mistakes whose behaviour is the student's: one, or several that cannot be told apart.

    A candidate gives the student's answers on every test that the student failed, and passes every test
    that the student passed. The student's answers must differ from the reference's.
    """
    candidates = setting.reference.mistakes.get(exercise.id, [])
    if not candidates or not _can_be_diagnosed(attempts):
        return []
    deadline = time.process_time() + SECONDS  # a busy machine is no reason to name less
    failed = [attempt for attempt in attempts if not attempt.passed]
    passed = [attempt for attempt in attempts if attempt.passed]
    if _answers_alike(setting, None, failed):
        return []
    named = []
    for candidate in candidates:
        if time.process_time() > deadline:
            break
        if _answers_alike(setting, candidate, failed) and _passes(setting, candidate, passed):
            named.append(candidate)
    return [NamedMistake(id=each.id, title=each.title, hint=each.hint) for each in named]


def _can_be_diagnosed(attempts: Sequence[Attempt]) -> bool:
    """Something failed, and all that was asked was answered."""
    return not all(attempt.passed for attempt in attempts) and not any(
        isinstance(attempt.raised, NOT_ANSWERED) for attempt in attempts
    )


def _answers_alike(setting: Setting, candidate: Answer | None, attempts: Sequence[Attempt]) -> bool:
    return all(
        same_behaviour(attempt.trace, _behaviour(setting, candidate, attempt.test)[0]) for attempt in attempts
    )


def _passes(setting: Setting, candidate: Answer, attempts: Sequence[Attempt]) -> bool:
    return all(_behaviour(setting, candidate, attempt.test)[1] for attempt in attempts)


def remember(setting: Setting, known: Answer | None, attempts: Sequence[Attempt]) -> None:
    """Keeps what a known mistake (None: the reference) has answered, which then need not be tried again."""
    id = known.id if known else ""
    setting.behaviours.update({(id, each.test.id): (each.trace, each.passed) for each in attempts})


def _behaviour(setting: Setting, candidate: Answer | None, test: Test) -> tuple[Trace, bool]:
    """What the candidate (None: the reference) answers in this test, and whether it passes.

    The same for every submission of a run, since all are drawn the same inputs: tried once.
    """
    key = candidate.id if candidate else "", test.id
    if key not in setting.behaviours:
        reference = setting.reference
        namespace = reference.with_answer(candidate) if candidate else reference.namespace
        student = Student(InProcess(namespace, setting.device), Trace())
        raised = run_test(setting.suite, test, student, setting.run_seed, setting.device)
        setting.behaviours[key] = student.trace or Trace(), raised is None
    return setting.behaviours[key]
