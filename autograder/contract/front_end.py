"""What grading must know of another front end's notebooks. Plain data, since it also goes to the graders."""

from __future__ import annotations

import msgspec


class FrontEnd(msgspec.Struct, frozen=True):
    """The cells by which its notebook of a module differs from the exercise notebook.

    They are left out like the released demo and check cells, as long as they are as they were. In `cells` (id
    → source) the ids, and in `check` the source, have {module} and {exercise} where the ids of these belong.
    """

    cells: dict[str, str]
    check: str  # what stands in a check cell instead of `check(...)`
    stand_ins: dict[str, str]  # source of a cell → what runs in its place, where that is not nothing

    def own_cells(self, module: str) -> dict[str, str]:
        """Cell id → source of the code cells that only its notebook has, in their order."""
        return {id.format(module=module): source for id, source in self.cells.items()}

    def check_source(self, module: str, exercise: str) -> str:
        """What its notebook has in an exercise's check cell."""
        return self.check.format(module=module, exercise=exercise)
