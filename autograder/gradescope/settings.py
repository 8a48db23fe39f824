"""What a zip was made for: chosen at the export, read in the container."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

FILE = "settings.json"
NOT_GRADED = "not_graded.json"  # the results.json that says so, ready to be copied
COURSE = "course_root"


class Visibility(StrEnum):
    """When students see the hidden tests' results: Gradescope's own words."""

    AFTER_PUBLISHED = "after_published"
    AFTER_DUE_DATE = "after_due_date"
    VISIBLE = "visible"
    HIDDEN = "hidden"


class Details(StrEnum):
    """What is an entry of its own."""

    EXERCISES = "exercises"
    PROPERTIES = "properties"


class Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    module: str
    seed: int = Field(ge=0, lt=1 << 32)  # all students of an assignment get the same inputs
    visibility: Visibility = Visibility.AFTER_PUBLISHED
    details: Details = Details.EXERCISES
    sandbox: str = "auto"

    @classmethod
    def read(cls, source: Path) -> Settings:
        """Those of the zip unpacked in `source`; raises OSError and ValueError."""
        return cls.model_validate_json((source / FILE).read_bytes())

    @property
    def public_first(self) -> bool:
        """Whether students need the public checks, because they do not see the hidden tests at once."""
        return self.visibility is not Visibility.VISIBLE
