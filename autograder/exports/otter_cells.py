"""The cells by which a notebook for Otter differs from the exercise notebook.

Grading is told of them, so that such a notebook gets the same result wherever it is graded. What a student
wrote around a check may still call `grader`, which then does nothing, as `check` does.
"""

from __future__ import annotations

from ..contract.front_end import FrontEnd

_SETUP = "import otter\n\ngrader = otter.Notebook()"
_STAND_IN = """\
class grader:
    check = check_all = export = to_pdf = staticmethod(lambda *args, **kwargs: None)
"""
_QUESTION = "{module}.{exercise}"

OTTER = FrontEnd(
    cells={"{module}-otter-setup": _SETUP, "{module}-otter-export": "grader.export(pdf=False)"},
    check=f'grader.check("{_QUESTION}")',
    stand_ins={_SETUP: _STAND_IN},
)


def question(module: str, exercise: str) -> str:
    """What Otter calls an exercise: also the name of its test file."""
    return _QUESTION.format(module=module, exercise=exercise)
