"""Lesson + solution + syllabus → `exercises/MODULE.ipynb`."""

from .first_cell import without as without_opening
from .notebook import answers, check_source, compose, dump
from .write import Stale, build, render

__all__ = ["Stale", "answers", "build", "check_source", "compose", "dump", "render", "without_opening"]
