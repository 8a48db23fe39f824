"""Reads a module's `self_check.yaml`, questions that count for nothing, and writes them for the site.

They become blocks of mkdocs-quiz: `<quiz>`, the question, its choices as `- [x]` and `- [ ]`, and below them
the explanation, which is shown with the first answer.
"""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import BaseModel, Field, field_validator, model_validator

from course.catalogue import yaml_lines
from course.catalogue.quiz import Letter, Question

from ..errors import ContentError
from .course_root import CourseRoot

Text = Annotated[str, Field(min_length=1)]

# What mkdocs-quiz would take for its own: a tag, a line that begins like a choice or like a remark on one,
# and `[[...]]`, which makes a gap to fill in out of the whole question.
_TAKEN = re.compile(r"</?quiz>|^[ \t]*[-*] \[.?\] |^[ \t]*>|\[\[[^\]]+\]\]", re.MULTILINE)


class SelfCheckQuestion(Question):
    """One question with its answer, in Markdown; choices lose their letters, so no text may name one."""

    kind: Literal["single", "multiple"]
    choices: dict[Letter, Text] = Field(min_length=2)
    answer: tuple[Letter, ...]
    explanation: Text

    @field_validator("answer", mode="before")
    @classmethod
    def _one_letter_is_a_list_of_one(cls, answer: object) -> object:
        return (answer,) if isinstance(answer, str) else answer

    @field_validator("text", "explanation")
    @classmethod
    def _mkdocs_quiz_takes_none_of_it_for_its_own(cls, text: str) -> str:
        if taken := _TAKEN.search(text):
            raise ValueError(f"mkdocs-quiz would misread {taken[0].strip()!r}: write it in another way")
        return text

    @field_validator("choices")
    @classmethod
    def _choices_are_lines_that_differ(cls, choices: dict[str, str]) -> dict[str, str]:
        for letter, choice in choices.items():
            if "\n" in choice.strip():
                raise ValueError(f"choice {letter!r} has several lines: a choice is one line")
            if taken := _TAKEN.search(choice):
                raise ValueError(f"mkdocs-quiz would misread {taken[0].strip()!r} in choice {letter!r}")
        if len({choice.strip() for choice in choices.values()}) < len(choices):
            raise ValueError("two choices have the same text, and mkdocs-quiz tells them apart by it")
        return choices

    @model_validator(mode="after")
    def _answers_are_choices(self) -> SelfCheckQuestion:
        if wrong := [letter for letter in self.answer if letter not in self.choices]:
            raise ValueError(
                f"the answer {wrong[0]!r} of {self.id!r} is none of its choices {', '.join(self.choices)}"
            )
        if len(set(self.answer)) < len(self.answer):
            raise ValueError(f"{self.id!r} names an answer twice")
        if self.kind == "single" and len(self.answer) != 1:
            raise ValueError(f"{self.id!r} is single and has {len(self.answer)} answers: it needs one")
        # With one right answer mkdocs-quiz shows round buttons, which say that there is only one.
        if self.kind == "multiple" and not 2 <= len(self.answer) < len(self.choices):
            raise ValueError(f"{self.id!r} is multiple: at least two choices are right, and not all of them")
        return self


class SelfCheck(BaseModel, extra="forbid", frozen=True):
    """The questions of one module, in order."""

    questions: tuple[SelfCheckQuestion, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _ids_are_unique(self) -> SelfCheck:
        ids = [question.id for question in self.questions]
        if twice := [id for id in ids if ids.count(id) > 1]:
            raise ValueError(f"question id {twice[0]!r} stands twice")
        return self


def parse(text: str, source: str = "self-check.yaml") -> SelfCheck:
    """Validated questions; raises ContentError with file and line."""
    return yaml_lines.parse(SelfCheck, text, source, ContentError)


def load(root: CourseRoot, module: str) -> SelfCheck:
    """The questions of a module; raises ContentError."""
    path = root.self_check(module)
    return parse(root.read(path), root.relative(path))


def markdown(check: SelfCheck) -> str:
    """All questions, numbered, in the syntax of mkdocs-quiz."""
    return "\n\n".join(_block(number, question) for number, question in enumerate(check.questions, start=1))


def _block(number: int, question: SelfCheckQuestion) -> str:
    all_that_apply = " *(Choose all that apply.)*" if question.kind == "multiple" else ""
    text = f"**{number}.** {question.text.strip()}{all_that_apply}"
    choices = "\n".join(
        f"- [{'x' if letter in question.answer else ' '}] {choice.strip()}"
        for letter, choice in question.choices.items()
    )
    return f"<quiz>\n{text}\n\n{choices}\n\n{question.explanation.strip()}\n</quiz>"
