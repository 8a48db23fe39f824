"""Lesson + solution + syllabus → `exercises/MODULE.ipynb`."""

from .notebook import answers, check_source, compose, dump
from .write import Stale, build, render

__all__ = ["Stale", "answers", "build", "check_source", "compose", "dump", "render"]
