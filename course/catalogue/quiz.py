"""The questions of a quiz, and whether an answer has the form that its question asks for.

Whether an answer is right is not known here: the keys are the instructors'.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from course.catalogue import yaml_lines
from course.catalogue.answers import Other, plain, plain_answers, quoted

Letter = Annotated[str, Field(pattern=r"^[a-z]$")]


class QuizError(ValueError):
    """A quiz is not as it must be; the message names the file and the line."""


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Question(_Entry):
    """One question. `choices` belong to `single` and `multiple`.

    `form` tells how to write a number, `digits` how many after the point are asked for.
    """

    id: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
    kind: Literal["single", "multiple", "number"]
    text: str = Field(min_length=1)
    choices: dict[Letter, str] = {}
    form: str = ""
    digits: Annotated[int, Field(ge=1, le=9)] | None = None

    @model_validator(mode="after")
    def _choices_fit_the_kind(self) -> Question:
        if self.kind == "number" and self.choices:
            raise ValueError(f"{self.id!r} asks for a number and has choices: remove them or change its kind")
        if self.kind != "number" and len(self.choices) < 2:
            raise ValueError(f"{self.id!r} needs at least two choices, it has {len(self.choices)}")
        if self.kind != "number" and self.digits:
            raise ValueError(f"{self.id!r} asks for no number: take `digits` out")
        return self

    def problem(self, answer: Any) -> str:
        """What is wrong with the form of an answer, in a sentence for the student; empty if nothing is.

        What counts as a number or a letter: `course.catalogue.answers.plain`.
        """
        value = plain(answer, self.kind)
        if value is None:
            return "not answered yet"
        if self.kind == "number":
            if isinstance(value, Other):
                return f"a plain number is expected, without quotes; this is {value.what}"
            return "" if math.isfinite(value) else f"a finite number is expected, this is {value}"
        letters = ", ".join(self.choices)
        if self.kind == "single":
            if isinstance(value, Other):
                return f"one letter in quotes is expected ({letters}), this is {value.what}"
            return "" if self._is_choice(value) else f"{quoted(value)} is none of the choices {letters}"
        if isinstance(value, Other):
            example = next(iter(self.choices))
            return f'a list of letters is expected, such as ["{example}"], this is {value.what}'
        if not value:
            return "the list is empty: at least one choice applies"
        for item in value:
            if not self._is_choice(item):
                what = item.what if isinstance(item, Other) else quoted(item)
                return f"{what} is none of the choices {letters}"
        return ""

    def _is_choice(self, answer: Any) -> bool:
        return isinstance(answer, str) and answer.strip().lower() in self.choices


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


def problems(questions: Collection[Question], answers: Any) -> dict[str, str]:
    """For each question that is unanswered or malformed, and each key that is no question, one sentence.

    In the quiz's order, unknown keys last. Empty: every question has an answer that can be graded.
    """
    given = plain_answers(answers, {question.id: question.kind for question in questions})
    if isinstance(given, Other):
        return dict.fromkeys((question.id for question in questions), no_answers(given))
    found = {question.id: question.problem(given.get(question.id)) for question in questions}
    found = {id: problem for id, problem in found.items() if problem}
    unknown = f"there is no such question; there are {_span([question.id for question in questions])}"
    return found | {key.what: unknown for key in given if isinstance(key, Other)}


def no_answers(given: Other) -> str:
    """That `answers` is not what it was."""
    return f"`answers` is {given.what}: keep the dictionary and fill in its values"


def _span(ids: Collection[str]) -> str:
    *most, last = ids
    return f"{', '.join(most)} and {last}" if most else last
