"""The hints of a module: `course/modules/MODULE/hints.yaml`.

    stable_softmax:
      found:                        # what check found → the hint for it
        shares: ...                 # for the check of this name, whatever it says
        cut_off:                    # for these words of a symptom in checks.py
          says: became equal
          hint: ...
      degrees: [...]                # whatever was found: the symptom, the principle, nearly the line

What `course/checking/` says of an answer to any exercise has its hints in `course/checking/hints.yaml`.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator

from course.catalogue import yaml_lines

Text = Annotated[str, Field(min_length=1)]
Texts = Annotated[list[Text], BeforeValidator(lambda given: [given] if isinstance(given, str) else given)]


class HintError(ValueError):
    """A file of hints is not as it must be; the message names the file and the line."""


class ForFound(BaseModel):
    """A hint, and what has to be found for it to be the right one: one of the checks, any of the words."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    hint: Text
    check: Texts = []  # names of checks; empty: whichever it was
    says: Texts = []  # words of what it said; empty: whatever it said

    def fits(self, check: str, sentence: str) -> bool:
        """Whether it is for what this check said."""
        return (not self.check or check in self.check) and (
            not self.says or any(words in sentence for words in self.says)
        )


Found = Annotated[dict[str, ForFound], BeforeValidator(lambda given: _spelt_out(given))]


class Hints(BaseModel):
    """The hints of one exercise: those for what was found, by name, and the degrees."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    found: Found = {}
    degrees: Annotated[list[Text], Field(min_length=2, max_length=3)]

    @field_validator("found")
    @classmethod
    def _is_for_something(cls, found: dict[str, ForFound]) -> dict[str, ForFound]:
        for name, one in found.items():
            if not one.check and not one.says:
                raise ValueError(f"{name} says neither for which `check` it is nor what that `says`")
        return found

    def for_found(self, check: str, sentence: str) -> tuple[str, str] | None:
        """Name and text of the hint for what a check said; None if there is none.

        Words come before checks, and the exercise's own before those for any exercise.
        """
        with_words = [(name, one) for name, one in self.found.items() if one.says]
        whatever = [(name, one) for name, one in self.found.items() if not one.says]
        for name, one in (*with_words, *_for_any_exercise().items(), *whatever):
            if one.fits(check, sentence):
                return name, one.hint
        return None


class _OfModule(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    hints: dict[str, Hints]


class _OfAny(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    found: Found


def _spelt_out(found: Any) -> Any:
    """A plain text is for the check whose name it has."""
    if not isinstance(found, Mapping):
        return found
    return {
        name: {"check": [name], "hint": given} if isinstance(given, str) else given
        for name, given in found.items()
    }


def parse(text: str, source: str = "hints.yaml") -> dict[str, Hints]:
    """Exercise → hints; raises HintError with file and line."""
    return yaml_lines.parse(_OfModule, text, source, HintError).hints


@cache
def hints_of(module: str) -> dict[str, Hints]:
    """The hints of a module, none if it has no file of hints; raises HintError."""
    path = files("course") / "modules" / module / "hints.yaml"
    if not path.is_file():
        return {}
    return parse(path.read_text(encoding="utf-8"), source=f"course/modules/{module}/hints.yaml")


@cache
def _for_any_exercise() -> dict[str, ForFound]:
    text = (files("course") / "checking" / "hints.yaml").read_text(encoding="utf-8")
    return yaml_lines.parse(_OfAny, text, "course/checking/hints.yaml", HintError).found
