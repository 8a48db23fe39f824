"""The questions of a quiz, and whether an answer has the form that its question asks for.

Whether an answer is right is not known here: the keys are the instructors'.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from course.catalogue import yaml_lines

Letter = Annotated[str, Field(pattern=r"^[a-z]$")]


class QuizError(ValueError):
    """A quiz is not as it must be; the message names the file and the line."""


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Question(_Entry):
    """One question. `choices` belong to `single` and `multiple`; `form` tells how to write a number."""

    id: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
    kind: Literal["single", "multiple", "number"]
    text: str = Field(min_length=1)
    choices: dict[Letter, str] = {}
    form: str = ""

    @model_validator(mode="after")
    def _choices_fit_the_kind(self) -> Question:
        if self.kind == "number" and self.choices:
            raise ValueError(f"{self.id!r} asks for a number and has choices: remove them or change its kind")
        if self.kind != "number" and len(self.choices) < 2:
            raise ValueError(f"{self.id!r} needs at least two choices, it has {len(self.choices)}")
        return self

    def problem(self, answer: Any) -> str:
        """What is wrong with the form of an answer, in a sentence for the student; empty if nothing is.

        The type is asked for exactly: an object that only claims to be a string or a list is neither.
        """
        if answer is None:
            return "not answered yet"
        if self.kind == "number":
            return self._problem_of_number(answer)
        letters = ", ".join(self.choices)
        if self.kind == "single":
            if type(answer) is not str:
                return f"one letter in quotes is expected ({letters}), this is {_a(answer)}"
            return "" if self._is_choice(answer) else f"{_quoted(answer)} is none of the choices {letters}"
        if type(answer) not in (list, tuple, set, frozenset):
            return (
                f'a list of letters is expected, such as ["{next(iter(self.choices))}"], this is {_a(answer)}'
            )
        if not answer:
            return "the list is empty: at least one choice applies"
        wrong = [item for item in answer if not self._is_choice(item)]
        return f"{_quoted(wrong[0])} is none of the choices {letters}" if wrong else ""

    def _is_choice(self, answer: Any) -> bool:
        return type(answer) is str and answer.strip().lower() in self.choices

    def _problem_of_number(self, answer: Any) -> str:
        if type(answer) not in (int, float):
            return f"a plain number is expected, without quotes; this is {_a(answer)}"
        try:
            finite = math.isfinite(answer)
        except OverflowError:  # an int that no float can hold
            return "the number is too large"
        return "" if finite else f"a finite number is expected, this is {answer}"


class QuizText(_Entry):
    """The questions of one quiz, in order."""

    id: str
    questions: tuple[Question, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _ids_are_unique(self) -> QuizText:
        ids = [question.id for question in self.questions]
        if twice := [id for id in ids if ids.count(id) > 1]:
            raise ValueError(f"question id {twice[0]!r} stands twice")
        return self


def parse(text: str, source: str = "quiz.yaml") -> QuizText:
    """A validated quiz; raises QuizError with file and line."""
    return yaml_lines.parse(QuizText, text, source, QuizError)


def load_quiz(path: Path | Traversable) -> QuizText:
    """The quiz in a file; raises QuizError."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise QuizError(f"{path}: cannot be read ({error.strerror})") from None
    except UnicodeDecodeError as error:
        raise QuizError(f"{path}: not UTF-8 (byte {error.start})") from None
    return parse(text, source=str(path))


@cache
def quiz_of(module: str) -> QuizText:
    """The quiz shipped with the course for a module of the syllabus; raises QuizError."""
    return load_quiz(files("course") / "modules" / module / "quiz.yaml")


def problems(questions: Collection[Question], answers: Mapping[Any, Any]) -> dict[str, str]:
    """For each question that is unanswered or malformed, and each key that is no question, one sentence.

    In the quiz's order, unknown keys last. Empty: every question has an answer that can be graded.
    """
    found = {question.id: question.problem(answers.get(question.id)) for question in questions}
    found = {id: problem for id, problem in found.items() if problem}
    ids = [question.id for question in questions]
    for key in answers:
        if not (type(key) is str and key in ids):
            found[_quoted(key)] = f"there is no such question; there are {_span(ids)}"
    return found


def _span(ids: Collection[str]) -> str:
    *most, last = ids
    return f"{', '.join(most)} and {last}" if most else last


def _a(value: Any) -> str:
    """'a list', 'the text "2.5"': what a value is, in words."""
    if type(value) is str:
        return f"the text {_quoted(value)}"
    if type(value) is bool:
        return f"the truth value {value}"
    name = type(value).__name__
    return f"{'an' if name[:1].lower() in 'aeiou' else 'a'} {name}"


def _quoted(value: Any) -> str:
    if type(value) in (str, float, bool, type(None)) or (type(value) is int and value.bit_length() < 128):
        text = repr(value)
        return text if len(text) <= 40 else f"{text[:37]}..."
    return _a(value)
