"""What the public checks say of a submission: for the student, at once. Never points.

The checks of `course.modules` run in the locked worker, beside the student's code, which could make them say
anything: so this is a message, and no grade is ever computed from it.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel

from .results import CellError


class ExaminedExercise(BaseModel, extra="forbid"):
    """One exercise, or the quiz. `lines` are the report that `check` shows below the cell.

    `passed` for a quiz: every question is answered; whether rightly is not known to any public check.
    """

    id: str
    title: str
    state: Literal["passed", "failed", "untouched", "missing"]
    lines: list[str] = []


class Examined(BaseModel, extra="forbid"):
    """A submission as the public checks see it. `reason` says why there was nothing to check, if so."""

    student: str
    module: str
    key: str  # that of the grade of the same notebook, made under the same conditions
    sha256: str = ""
    reason: str = ""
    exercises: list[ExaminedExercise] = []
    cell_errors: list[CellError] = []

    def to_json(self) -> str:
        """JSON in ASCII: see `Result.to_json`."""
        return self.model_dump_json(indent=1, ensure_ascii=True)

    @classmethod
    def from_json(cls, text: str | bytes) -> Examined:
        """The inverse of `to_json`; raises ValueError."""
        return cls.model_validate_json(text)
