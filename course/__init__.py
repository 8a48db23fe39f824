"""Write the parts of a diffusion model yourself, and have each one checked.

    from course import check, figures, hint

Importing it is quick: torch, the syllabus and matplotlib are loaded by what needs them.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from course.check import CheckFailed, check
from course.hint import hint

if TYPE_CHECKING:
    from course import figures

__all__ = ["CheckFailed", "check", "figures", "hint"]


def __getattr__(name: str) -> Any:
    if name == "figures":
        return importlib.import_module("course.figures")
    raise AttributeError(f"module 'course' has no attribute {name!r}")
