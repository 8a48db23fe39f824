"""Grades a quiz: the plain values of `answers` against the keys."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from course.catalogue.answers import Other
from course.catalogue.quiz import problems
from course.catalogue.syllabus import Exercise

from ..content.quiz import KeyedQuestion
from ..contract.line import legible
from ..contract.student import Student
from ..errors import ProtocolViolation
from ..results import ExerciseResult, TestResult

_LONGEST = 200  # characters of words that a worker has for a value


def grade_quiz(exercise: Exercise, questions: Sequence[KeyedQuestion], student: Student) -> ExerciseResult:
    """One result a question, all of equal weight. An answer in a wrong form is wrong, and told so.

    Raises StudentFailure where the notebook has no answers.
    """
    answers = answers_of(student, questions)
    found = problems([keyed.question for keyed in questions], answers)
    given = answers if isinstance(answers, dict) else {}
    tests = []
    for number, keyed in enumerate(questions, start=1):
        id = keyed.question.id
        problem = found.pop(id, "")
        passed = not problem and keyed.is_right(given.get(id))
        tests.append(
            TestResult(
                id=f"{exercise.id}.{id}",
                title=f"Question {number}",
                kind="question",
                passed=passed,
                weight=1,
                message=problem or keyed.too_coarse(given.get(id)),
            )
        )
    return ExerciseResult(
        id=exercise.id,
        title=exercise.title,
        points=round(exercise.points * sum(test.passed for test in tests) / len(tests), 2),
        max_points=exercise.points,
        state="answered",
        tests=tests,
        note="\n\n".join(f"{key}: {problem}." for key, problem in found.items()),
    )


def answers_of(student: Student, questions: Sequence[KeyedQuestion]) -> dict[str | Other, Any] | Other:
    """What the notebook's `answers` come to, as `course.catalogue.answers.plain_answers` has them.

    Raises StudentFailure: StudentError where there are none, ProtocolViolation for what no worker says.
    """
    kinds = {keyed.question.id: keyed.question.kind for keyed in questions}
    said = student.ask("answers", "answers", name="answers", kinds=kinds)
    try:
        if isinstance(said, dict):
            return _other(said)
        return {_received(key): _received(answer) for key, answer in said}
    except (TypeError, ValueError, KeyError):
        raise ProtocolViolation("the worker's answer is not what was asked for") from None


def _received(value: Any) -> Any:
    if isinstance(value, dict):
        return _other(value)
    if type(value) is list:
        return list(map(_received, value))
    if type(value) not in (str, int, float, type(None)):
        raise TypeError
    return value


def _other(said: dict[str, str]) -> Other:
    return Other(legible(said["other"], _LONGEST))
