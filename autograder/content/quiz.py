"""A quiz with its keys, each held against its question; and the cells that a notebook has of it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import yaml
from pydantic import BaseModel, Field, RootModel, StrictFloat, StrictInt, StrictStr

from course.catalogue import yaml_lines
from course.catalogue.quiz import Question, QuizError
from course.catalogue.quiz import parse as parse_quiz
from course.catalogue.syllabus import Module

from ..errors import ContentError
from .course_root import CourseRoot


class Key(BaseModel, extra="forbid", frozen=True):
    """One question's answer. A number is right within `tolerance` (absolute)."""

    answer: StrictStr | StrictInt | StrictFloat | list[StrictStr]
    tolerance: float = Field(default=1e-3, ge=0, allow_inf_nan=False)
    explanation: str = ""


class _Keys(RootModel[dict[str, Key]]):
    """What a `keys.yaml` holds: question id → key."""


@dataclass(frozen=True)
class KeyedQuestion:
    """A question and its key, which fits it."""

    question: Question
    key: Key

    def is_right(self, answer: Any) -> bool:
        """Whether an answer has the form that is asked for, and is right. Letters may be of either case."""
        right = self.key.answer
        if self.question.problem(answer):
            return False
        if isinstance(right, int | float):
            return bool(abs(float(answer) - right) <= self.key.tolerance)
        return _letters(answer) == _letters(right)


def read_quiz(root: CourseRoot, module: Module) -> tuple[KeyedQuestion, ...]:
    """Questions with their keys, none if it has no quiz; raises ContentError with file and line."""
    if module.quiz is None:
        return ()
    path, keys_path = root.quiz(module.id), root.keys(module.id)
    source = root.relative(path)
    try:
        quiz = parse_quiz(root.read(path), source)
    except QuizError as error:
        raise ContentError(str(error)) from None
    if quiz.id != module.quiz.id:
        raise ContentError(
            f"{source}, line 1: the quiz is {quiz.id!r}, but the syllabus has {module.quiz.id!r}."
        )
    return with_keys(quiz.questions, root.read(keys_path), root.relative(keys_path))


def with_keys(questions: Sequence[Question], text: str, source: str) -> tuple[KeyedQuestion, ...]:
    """Each question with its key out of a `keys.yaml`; raises ContentError with file and line.

    Every question has a key, no key is of another question, and each is an answer to its question.
    """
    keys = yaml_lines.parse(_Keys, text, source, ContentError).root
    tree = yaml.compose(text, Loader=yaml.SafeLoader)
    ids = [question.id for question in questions]
    keyed = []
    for question in questions:
        if question.id not in keys:
            example = f"`{question.id}: {{answer: ...}}`"
            raise ContentError(f"{source}, line 1: there is no key for {question.id!r}: add {example}.")
        if problem := question.problem(keys[question.id].answer):
            line = yaml_lines.line_of(tree, (question.id, "answer"))
            raise ContentError(
                f"{source}, line {line}: the key of {question.id!r} answers no such question: {problem}."
            )
        keyed.append(KeyedQuestion(question, keys[question.id]))
    if strange := [id for id in keys if id not in ids]:
        line = yaml_lines.line_of(tree, (strange[0],))
        raise ContentError(f"{source}, line {line}: there is no question {strange[0]!r}: remove its key.")
    return tuple(keyed)


def questions_text(questions: Sequence[KeyedQuestion]) -> str:
    """The Markdown of the questions, each with its id and its choices."""
    parts = []
    for question in (each.question for each in questions):
        parts.append(f"**{question.id}.** {question.text.strip()}")
        if question.choices:
            parts.append("\n".join(f"- **{letter}.** {text}" for letter, text in question.choices.items()))
    return "\n\n".join(parts)


def answers_source(questions: Sequence[KeyedQuestion], *, answered: bool = False) -> str:
    """The answers cell: for each question its answer, or None, and the form that it must have."""
    lines = []
    for each in questions:
        answer = _literal(each.key.answer if answered else None)
        lines.append(f'    "{each.question.id}": {answer},  # {_form(each.question)}')
    return "\n".join(["answers = {", *lines, "}"])


def _letters(answer: Any) -> set[str]:
    return {letter.strip().lower() for letter in ([answer] if isinstance(answer, str) else answer)}


def _form(question: Question) -> str:
    letters = [f'"{letter}"' for letter in question.choices]
    if question.kind == "single":
        return f"one letter: {', '.join(letters[:-1])} or {letters[-1]}"
    if question.kind == "multiple":
        return f"a list with each letter that applies, from {letters[0]} to {letters[-1]}"
    return question.form or "one number, e.g. 2.5"


def _literal(answer: Any) -> str:
    # JSON's strings, and lists of them, are Python's.
    return json.dumps(answer, ensure_ascii=False) if isinstance(answer, str | list) else repr(answer)
