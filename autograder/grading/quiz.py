"""Grades a quiz: the plain values of `answers` against the keys."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from course.catalogue.quiz import Question, QuizText, problems
from course.catalogue.syllabus import Exercise

from ..errors import ContentError
from ..results import ExerciseResult, TestResult
from ..worker.wire import Token


class Key(BaseModel):
    """One question's answer. A number is right within `tolerance` (absolute)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    answer: str | float | list[str]
    tolerance: float = 1e-3
    explanation: str = ""


def load_keys(path: Path) -> dict[str, Key]:
    """The keys in a file; raises ContentError."""
    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
        return {str(id): Key.model_validate(key) for id, key in found.items()}
    except (OSError, yaml.YAMLError, AttributeError, ValidationError) as error:
        raise ContentError(f"{path}: not a file of quiz keys: {str(error).splitlines()[0]}") from None


def grade_quiz(exercise: Exercise, quiz: QuizText, keys: dict[str, Key], answers: Any) -> ExerciseResult:
    """One result a question, all of equal weight. An answer in a wrong form is wrong, and told so."""
    given = answers if isinstance(answers, dict) else {}
    malformed = problems(quiz, given)
    tests = []
    for number, question in enumerate(quiz.questions, start=1):
        problem = malformed.get(question.id, "")
        if not isinstance(answers, dict):
            problem = f"`answers` is {_article(answers)}; keep the dictionary and fill in its values"
        tests.append(
            TestResult(
                id=f"{exercise.id}.{question.id}",
                title=f"Question {number}",
                kind="question",
                passed=not problem and is_right(question, keys[question.id], given.get(question.id)),
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


def is_right(question: Question, key: Key, answer: Any) -> bool:
    """Whether a well-formed answer is right. Letters may be upper or lower case."""
    if question.kind == "number":
        if type(answer) not in (int, float) or not isinstance(key.answer, (int, float)):
            return False
        return bool(abs(float(answer) - float(key.answer)) <= key.tolerance)
    if question.kind == "multiple":
        if not isinstance(answer, (list, tuple, set, frozenset)) or not isinstance(key.answer, list):
            return False
        return {_letter(item) for item in answer} == {_letter(item) for item in key.answer}
    return isinstance(answer, str) and _letter(answer) == _letter(key.answer)


def _letter(value: Any) -> str:
    return str(value).strip().lower()


def _article(value: Any) -> str:
    kind = value.type_name if isinstance(value, Token) else type(value).__name__
    return "None" if kind == "NoneType" else f"a {kind}"
