"""The page that a student's JupyterLab opens with: where the assignments are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..atomic import write_atomically
from .folder import Hub

FILE = "START.md"

TEXT = """\
# Where to begin

Your notebooks are **assignments**.

1. In the menu at the top: **Nbgrader**, then **Assignment List**.
2. Beside an assignment: **Fetch**. Then click its name, and the notebook below it.
3. Write, run the checks, save. **Submit** stands in the same list; you can submit as often as you like.
4. What comes back: **Fetch Feedback**, in the same list.
"""


@dataclass(frozen=True)
class Welcome:
    """What JupyterHub does before it starts a server: a student's home gets the page, if it has none."""

    hub: Hub

    def __call__(self, spawner: Any) -> None:
        name = spawner.user.name
        page = self.hub.homes / name / FILE
        if name in self.hub.people.students and not page.exists():
            page.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(page, TEXT)
