"""What is found about an answer, as a few lines for a student."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

State = Literal["passed", "failed", "untouched"]


@dataclass
class Report:
    """What is said about one exercise. `key` is `module/exercise`, empty if it is about none.

    `problem` is what was found first, in a sentence, and `check` the name of the check that found it, empty
    if none did. `hold` of `count` checks hold.
    """

    title: str
    key: str = ""
    state: State = "failed"
    lines: list[str] = field(default_factory=list)
    problem: str = ""
    check: str = ""
    hold: int = 0
    count: int = 0
    bonus: bool = False

    @property
    def passed(self) -> bool:
        return self.state == "passed"

    def text(self) -> str:
        """The whole report, for below the cell."""
        return "\n".join([self.title, *(f"  {line}" for line in self.lines)])

    def summary(self) -> str:
        """The first problem in one line."""
        return f"{self.title.split(' · ')[0]}: {self.problem}"
