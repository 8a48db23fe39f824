"""The hints, by degrees: two or three for each exercise, in `MODULE.yaml` beside this file."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from course.catalogue import yaml_lines

Text = Annotated[str, Field(min_length=1)]


class HintError(ValueError):
    """A file of hints is not as it must be; the message names the file and the line."""


class Hints(BaseModel):
    """For each exercise: the symptom, the principle, nearly the line."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    hints: dict[str, Annotated[list[Text], Field(min_length=2, max_length=3)]]


def parse(text: str, source: str = "hints.yaml") -> dict[str, list[str]]:
    """Exercise → hints; raises HintError with file and line."""
    return yaml_lines.parse(Hints, text, source, HintError).hints


@cache
def hints_of(module: str) -> dict[str, list[str]]:
    """The hints of a module, none if it has no file of hints; raises HintError."""
    path = files("course") / "modules" / module / "hints.yaml"
    if not path.is_file():
        return {}
    return parse(path.read_text(encoding="utf-8"), source=f"course/modules/{module}/hints.yaml")
