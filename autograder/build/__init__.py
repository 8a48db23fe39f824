"""Lesson + solution + syllabus → `exercises/MODULE.ipynb`."""

from .notebook import check_source, compose, dump, marked_sources, solved_sources, stub_sources
from .write import Stale, build, render

__all__ = [
    "Stale",
    "build",
    "check_source",
    "compose",
    "dump",
    "marked_sources",
    "render",
    "solved_sources",
    "stub_sources",
]
