"""What is found about an answer, as a few lines for a student."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from typing import Literal

State = Literal["passed", "failed", "untouched"]


@dataclass
class Report:
    """What is said about one exercise. `key` is `module/exercise`, empty if it is about none."""

    title: str
    key: str = ""
    state: State = "failed"
    lines: list[str] = field(default_factory=list)
    problem: str = ""
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


def say(text: str) -> None:
    """Prints, also on a terminal whose encoding has no ticks and crosses."""
    try:
        print(text)
    except UnicodeEncodeError:
        plain = text.translate({ord("✓"): "+", ord("✗"): "x", ord("·"): "-", ord("→"): ">"})
        encoding = sys.stdout.encoding or "ascii"
        print(plain.encode(encoding, "replace").decode(encoding))
