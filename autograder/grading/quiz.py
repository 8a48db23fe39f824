"""Grades a quiz: the plain values of `answers` against the keys."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from course.catalogue.quiz import problems
from course.catalogue.syllabus import Exercise

from ..content.quiz import KeyedQuestion
from ..results import ExerciseResult, TestResult
from ..worker.wire import Token


def grade_quiz(exercise: Exercise, questions: Sequence[KeyedQuestion], answers: Any) -> ExerciseResult:
    """One result a question, all of equal weight. An answer in a wrong form is wrong, and told so."""
    given = answers if isinstance(answers, dict) else {}
    malformed = problems([keyed.question for keyed in questions], given)
    tests = []
    for number, keyed in enumerate(questions, start=1):
        id = keyed.question.id
        problem = malformed.get(id, "")
        if isinstance(given.get(id), Token):  # what stayed in the worker is named as it is called there
            problem = problem.replace("a Token", _article(given[id]))
        if not isinstance(answers, dict):
            problem = f"`answers` is {_article(answers)}; keep the dictionary and fill in its values"
        tests.append(
            TestResult(
                id=f"{exercise.id}.{id}",
                title=f"Question {number}",
                kind="question",
                passed=not problem and keyed.is_right(given.get(id)),
                weight=1,
                message=problem,
            )
        )
    return ExerciseResult(
        id=exercise.id,
        title=exercise.title,
        points=round(exercise.points * sum(test.passed for test in tests) / len(tests), 2),
        max_points=exercise.points,
        state="answered",
        tests=tests,
    )


def _article(value: Any) -> str:
    kind = value.type_name if isinstance(value, Token) else type(value).__name__
    return "None" if kind == "NoneType" else f"a {kind}"
