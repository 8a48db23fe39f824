"""What a course directory's nbgrader_config.py says about this autograder, and where things lie there."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from nbgrader.coursedir import CourseDirectory
from traitlets import Bool, Enum, Unicode
from traitlets.config import Configurable

from ..content.course_root import ROOT_VARIABLE, CourseRoot
from ..errors import UsageError

FOLDER = ".autograder"  # in the course directory: results, reports, and the source notebooks as written


class AutograderCourse(Configurable):
    """Options of the autograder in nbgrader_config.py."""

    course_root = Unicode(
        "",
        help="The clone of the course that has the hidden suites; relative to the course directory. "
        f"The environment variable {ROOT_VARIABLE} overrides it.",
    ).tag(config=True)
    sandbox = Unicode("auto", help="full, landlock, or auto: the strongest that works.").tag(config=True)
    device = Unicode("auto", help="cpu, cuda, or auto.").tag(config=True)

    show = Enum(
        ("public", "points", "full"),
        "public",
        help="What `autograder nbgrader watch` shows students at once: what the public checks say; that and "
        "their points; or all of the feedback.",
    ).tag(config=True)
    hints = Bool(
        True, help="Whether hint(...) gives hints in the assignments that are generated from now on."
    ).tag(config=True)

    @property
    def root(self) -> CourseRoot:
        """The course that grades; raises UsageError."""
        named = os.environ.get(ROOT_VARIABLE) or self.course_root
        if not named:
            raise UsageError(
                "nbgrader_config.py does not say where the course lies that has the hidden suites: "
                f"set c.AutograderCourse.course_root, or the environment variable {ROOT_VARIABLE}."
            )
        return CourseRoot.find(Path(coursedir_of(self).root, named))


def coursedir_of(configurable: Configurable) -> CourseDirectory:
    """The course directory that a preprocessor or exporter works for: a converter above it has it."""
    parent: Any = configurable
    while parent is not None:
        if isinstance(found := getattr(parent, "coursedir", None), CourseDirectory):
            return found
        parent = parent.parent
    raise UsageError(f"{type(configurable).__name__} runs in nbgrader's converters only.")
