"""The one record of a graded submission. Every report, export and gradebook entry is a view of it."""

from __future__ import annotations

import json
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

SCHEMA: Literal[1] = 1

Points = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Status(StrEnum):
    """What became of a submission."""

    GRADED = "graded"
    UNREADABLE = "unreadable"  # the file itself is broken: zero points, with a reason
    FAILED_TO_RUN = "failed to run"  # not one cell of it could be run
    NOT_GRADED = "not graded"  # it ended what grades it, twice: for a person; its points mean nothing


class ErrorExcerpt(_Record):
    """An exception of the student's code, with only their own lines in the trace."""

    type: str
    message: str
    trace: str = ""


class TestResult(_Record):
    """One property of one exercise, as a sentence a student can act on."""

    __test__ = False  # not a test class, whatever pytest thinks of the name

    id: str
    title: str
    kind: Literal["value", "rule", "question"]
    passed: bool
    counts: bool = True  # a rule counts only once a value test passes
    weight: float = Field(gt=0)
    message: str = ""
    error: ErrorExcerpt | None = None


class NamedMistake(_Record):
    """A known mistake whose behaviour the student's code reproduces exactly."""

    id: str
    title: str
    hint: str


class Portability(_Record):
    """What the pretended accelerator found. A message, never points."""

    ok: bool
    message: str = ""


class ExerciseResult(_Record):
    id: str
    title: str
    points: Points
    max_points: Points
    state: Literal["answered", "untouched", "missing"]
    tests: list[TestResult] = []
    mistakes: list[NamedMistake] = []  # one, or several that cannot be told apart
    portability: Portability | None = None
    followed_through: list[str] = []  # earlier exercises that the reference stood in for
    withheld: str = ""  # why there are no points, whatever the tests say: a forbidden call
    note: str = ""


class CellError(_Record):
    """A cell of the notebook that raised when it was run; the cells after it were run all the same."""

    cell: int  # 1-based, as the reader counts
    error: ErrorExcerpt


class Flag(_Record):
    """Something for a person to look at. Takes no points by itself: see `ExerciseResult.withheld`."""

    kind: Literal[
        "forbidden-call",
        "tampering",
        "odd-answer",
        "edited-cell",
        "duplicate-id",
        "other-course",
        "wall-timeout",
        "exhausting",
        "not-graded",
    ]
    exercise: str = ""
    message: str
    submission: str = ""  # the beginning of its hash, where it was found in another one of the student's


class Result(_Record):
    schema_: Literal[1] = Field(default=SCHEMA, alias="schema")
    student: str
    module: str
    path: str  # as given on the command line, never absolute unless that was
    sha256: str
    key: str  # what must be equal for a repeated run to keep this result
    run_seed: int  # of all hidden inputs: `--seed` with it draws them again
    round: int = 0  # which run of its output folder; 0 where the seed was given
    device: str
    isolation: str
    status: Status
    reason: str = ""
    note: str = ""  # which of several files was graded, for student and teacher
    started: datetime
    seconds: float
    points: Points
    max_points: Points
    exercises: list[ExerciseResult] = []
    cell_errors: list[CellError] = []
    stdout: str = ""
    flags: list[Flag] = []

    model_config = ConfigDict(extra="forbid", populate_by_name=True, serialize_by_alias=True)

    def to_json(self, indent: int | None = None) -> str:
        """JSON in ASCII, so that even half a surrogate pair in a file's name can be written and read back."""
        return json.dumps(self.model_dump(mode="json", by_alias=True), ensure_ascii=True, indent=indent)

    @classmethod
    def from_json(cls, text: str | bytes) -> Result:
        """The inverse of `to_json`; raises ValueError (pydantic's ValidationError is one)."""
        return cls.model_validate(json.loads(text))
