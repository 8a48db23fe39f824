"""A quiz's cells: the questions as text, and `answers = {...}` with one line a question."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from autograder.errors import ContentError


@dataclass(frozen=True)
class Question:
    """One question as the student sees it; `form` says how a number is to be written."""

    id: str
    kind: str
    text: str
    choices: Mapping[str, str] = field(default_factory=dict)
    form: str = ""


def read_questions(path: Path, quiz_id: str, source: str) -> tuple[Question, ...]:
    """The questions of `course/quizzes/MODULE.yaml`; raises ContentError."""
    data = _mapping(path, source)
    if data.get("id") != quiz_id:
        raise ContentError(
            f"{source}, line 1: the quiz is {data.get('id')!r}, but the syllabus has {quiz_id!r}."
        )
    return tuple(Question(**each) for each in data["questions"])


def read_answers(path: Path, questions: Sequence[Question], source: str) -> dict[str, Any]:
    """The right answer to each question, from `autograder/hidden/keys/MODULE.yaml`; raises ContentError."""
    data = _mapping(path, source)
    if missing := [each.id for each in questions if not isinstance(data.get(each.id), dict)]:
        raise ContentError(
            f"{source}, line 1: there is no key for {missing[0]!r}: add `{missing[0]}: {{answer: ...}}`."
        )
    return {each.id: data[each.id].get("answer") for each in questions}


def _mapping(path: Path, source: str) -> dict[str, Any]:
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ContentError(f"{source} cannot be read ({error.strerror}): write it.") from None
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise ContentError(f"{source}, line {line}: {error.problem}") from None
    if not isinstance(data, dict):
        raise ContentError(f"{source}, line 1: expected a mapping.")
    return data


def questions_text(questions: Sequence[Question]) -> str:
    """The Markdown of the questions, each with its id and its choices."""
    parts = []
    for question in questions:
        parts.append(f"**{question.id}.** {question.text.strip()}")
        if question.choices:
            parts.append(
                "\n".join(f"- **{letter}.** {text.strip()}" for letter, text in question.choices.items())
            )
    return "\n\n".join(parts)


def answers_source(questions: Sequence[Question], answers: Mapping[str, Any] | None = None) -> str:
    """The answers cell: for each question its answer, or None, and the form that it must have."""
    chosen = answers or {}
    lines = [f'    "{each.id}": {_literal(chosen.get(each.id))},  # {_form(each)}' for each in questions]
    return "\n".join(["answers = {", *lines, "}"])


def _form(question: Question) -> str:
    letters = list(question.choices)
    if question.kind == "single":
        return f"one letter: {', '.join(letters[:-1])} or {letters[-1]}"
    if question.kind == "multiple":
        return f"a list with each letter that applies, from {letters[0]} to {letters[-1]}"
    return question.form or "one number, e.g. 2.5"


def _literal(answer: Any) -> str:
    if isinstance(answer, list):
        return f"[{', '.join(_literal(each) for each in answer)}]"
    return json.dumps(answer, ensure_ascii=False) if isinstance(answer, str) else repr(answer)
