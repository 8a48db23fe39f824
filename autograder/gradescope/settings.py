"""What a zip was made for: chosen at the export, read in the container."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, Field

FILE = "settings.json"
NOT_GRADED = "not_graded.json"  # the results.json that says so, ready to be copied
COURSE = "course_root"


# When students see the hidden tests' results: Gradescope's own words.
Visibility = Literal["after_published", "after_due_date", "visible", "hidden"]
Details = Literal["exercises", "properties"]  # what is an entry of its own
Sandbox = Literal["auto", "full", "landlock"]


class Settings(BaseModel, extra="forbid", frozen=True):
    module: str
    seed: int = Field(ge=0, lt=1 << 63)  # the secret from which each submission's inputs are drawn
    visibility: Visibility = "after_published"
    details: Details = "exercises"
    sandbox: Sandbox = "auto"

    @classmethod
    def read(cls, source: Path) -> Settings:
        """Those of the zip unpacked in `source`; raises OSError and ValueError."""
        return cls.model_validate_json((source / FILE).read_bytes())

    @property
    def public_first(self) -> bool:
        """Whether students need the public checks, because they do not see the hidden tests at once."""
        return self.visibility != "visible"
