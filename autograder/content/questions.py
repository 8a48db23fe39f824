"""A quiz's cells: the questions as text, and `answers = {...}` with one line a question."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from course.catalogue.quiz import Question, QuizError
from course.catalogue.quiz import parse as parse_quiz

from ..errors import ContentError


def read_questions(text: str, quiz_id: str, source: str) -> tuple[Question, ...]:
    """The questions of a `course/modules/MODULE/quiz.yaml`; raises ContentError with file and line."""
    try:
        quiz = parse_quiz(text, source)
    except QuizError as error:
        raise ContentError(str(error)) from None
    if quiz.id != quiz_id:
        raise ContentError(f"{source}, line 1: the quiz is {quiz.id!r}, but the syllabus has {quiz_id!r}.")
    return quiz.questions


def read_answers(text: str, questions: Sequence[Question], source: str) -> dict[str, Any]:
    """The right answer to each question, from an `autograder/hidden/MODULE/keys.yaml`; raises ContentError.

    As it is written there: whether it fits its question is for the grading to say.
    """
    try:
        keys = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ContentError(f"{source} is not YAML: {' '.join(str(error).split())}") from None
    answers = {}
    for question in questions:
        key = keys.get(question.id) if isinstance(keys, dict) else None
        if not isinstance(key, dict) or "answer" not in key:
            example = f"`{question.id}: {{answer: ...}}`"
            raise ContentError(f"{source}, line 1: there is no key for {question.id!r}: add {example}.")
        answers[question.id] = key["answer"]
    return answers


def questions_text(questions: Sequence[Question]) -> str:
    """The Markdown of the questions, each with its id and its choices."""
    parts = []
    for question in questions:
        parts.append(f"**{question.id}.** {question.text.strip()}")
        if question.choices:
            parts.append("\n".join(f"- **{letter}.** {text}" for letter, text in question.choices.items()))
    return "\n\n".join(parts)


def answers_source(questions: Sequence[Question], answers: Mapping[str, Any] | None = None) -> str:
    """The answers cell: for each question its answer, or None, and the form that it must have."""
    chosen = answers or {}
    lines = [f'    "{each.id}": {_literal(chosen.get(each.id))},  # {_form(each)}' for each in questions]
    return "\n".join(["answers = {", *lines, "}"])


def _form(question: Question) -> str:
    letters = [f'"{letter}"' for letter in question.choices]
    if question.kind == "single":
        return f"one letter: {', '.join(letters[:-1])} or {letters[-1]}"
    if question.kind == "multiple":
        return f"a list with each letter that applies, from {letters[0]} to {letters[-1]}"
    return question.form or "one number, e.g. 2.5"


def _literal(answer: Any) -> str:
    if isinstance(answer, list):
        return f"[{', '.join(_literal(each) for each in answer)}]"
    # JSON's strings are Python's.
    return json.dumps(answer, ensure_ascii=False) if isinstance(answer, str) else repr(answer)
