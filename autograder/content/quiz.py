"""A quiz with its keys, each held against its question; and the cells that a notebook has of it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import yaml
from pydantic import BaseModel, Field, RootModel, StrictFloat, StrictInt, StrictStr

from course.catalogue import yaml_lines
from course.catalogue.answers import plain
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
        right, given = self.key.answer, plain(answer, self.question.kind)
        if self.question.problem(given):
            return False
        if isinstance(right, int | float):
            return bool(abs(float(given) - right) <= self.key.tolerance)
        return _letters(given) == _letters(right)

    def too_coarse(self, answer: Any) -> str:
        """That a wrong number is the right one with too few digits, in a sentence; empty if it is not."""
        right, given = self.key.answer, plain(answer, self.question.kind)
        if not isinstance(right, int | float) or self.question.problem(given) or self.is_right(given):
            return ""
        whole = right == int(right)
        asked, exact = 0 if whole else self.question.digits or 1, Decimal(repr(right))
        digits = _digits(given)
        apart = abs(Decimal(repr(given)) - exact)
        if digits >= asked or apart >= Decimal(10) ** -digits or apart > abs(exact) / 20:
            return ""
        if whole:
            return f"{given} is near, but rounded: the exact number is asked for"
        return f"{given} is near, but too coarse: it takes {_after_the_point(asked)}"


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
        if problem := _lacks_digits(question, keys[question.id]):
            raise ContentError(f"{source}, line {yaml_lines.line_of(tree, (question.id,))}: {problem}.")
        keyed.append(KeyedQuestion(question, keys[question.id]))
    if strange := [id for id in keys if id not in ids]:
        line = yaml_lines.line_of(tree, (strange[0],))
        raise ContentError(f"{source}, line {line}: there is no question {strange[0]!r}: remove its key.")
    return tuple(keyed)


def _lacks_digits(question: Question, key: Key) -> str:
    """That a student who gives as many digits as the question asks for could be wrong; empty if not."""
    digits = question.digits or 1
    if isinstance(key.answer, str | list) or abs(round(key.answer, digits) - key.answer) <= key.tolerance:
        return ""
    needed = next(
        (n for n in range(digits, 10) if abs(round(key.answer, n) - key.answer) <= key.tolerance), 9
    )
    return (
        f"{key.answer} of {question.id!r}, rounded to {_after_the_point(digits)}, is "
        f"outside of its tolerance: say `digits: {needed}` in the question"
    )


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


def _digits(number: float) -> int:
    """Digits after the point that a number has; zeros before it count negative: 0.17 has 2, 17500 has -2."""
    exponent = Decimal(repr(number)).normalize().as_tuple().exponent
    assert isinstance(exponent, int)
    return -exponent


def _after_the_point(digits: int) -> str:
    return f"{digits} digit{'s' if digits > 1 else ''} after the point"


def _letters(answer: Any) -> set[str]:
    return {letter.strip().lower() for letter in ([answer] if isinstance(answer, str) else answer)}


def _form(question: Question) -> str:
    letters = [f'"{letter}"' for letter in question.choices]
    if question.kind == "single":
        return f"one letter: {', '.join(letters[:-1])} or {letters[-1]}"
    if question.kind == "multiple":
        return f"a list with each letter that applies, from {letters[0]} to {letters[-1]}"
    if question.digits:
        example = f"{2.718281828:.{question.digits}f}"
        return f"one number, to {_after_the_point(question.digits)}, e.g. {example}"
    return question.form or "one number, e.g. 2.5"


def _literal(answer: Any) -> str:
    # JSON's strings, and lists of them, are Python's.
    return json.dumps(answer, ensure_ascii=False) if isinstance(answer, str | list) else repr(answer)
