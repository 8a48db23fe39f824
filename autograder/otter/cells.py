"""The cells by which a notebook for Otter differs from the exercise notebook.

They are known here, so that such a notebook gets the same result wherever it is graded: like the released
demo and check cells, they are left out as long as they are as they were. What a student wrote around a check
may still call `grader`, which then does nothing, as `check` does.
"""

from __future__ import annotations

SETUP = "import otter\n\ngrader = otter.Notebook()"
STAND_IN = """\
class grader:
    check = check_all = export = to_pdf = staticmethod(lambda *args, **kwargs: None)
"""
EXPORT = "grader.export(pdf=False)"


def own_cells(module: str) -> dict[str, str]:
    """Cell id → source of the code cells that only Otter's notebook has, in their order."""
    return {f"{module}-otter-setup": SETUP, f"{module}-otter-export": EXPORT}


def check_source(module: str, exercise: str) -> str:
    """What stands in the check cell instead of `check(...)`."""
    return f'grader.check("{question(module, exercise)}")'


def question(module: str, exercise: str) -> str:
    """What Otter calls an exercise: also the name of its test file."""
    return f"{module}.{exercise}"
