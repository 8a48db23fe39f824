"""Mutants of a module's solution that may survive its hidden tests, each with the reason."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import RootModel, StringConstraints

from course.catalogue import yaml_lines

from ..errors import ContentError
from .course_root import CourseRoot

Reason = Annotated[str, StringConstraints(strict=True, strip_whitespace=True, min_length=1)]


class _Equivalents(RootModel[dict[str, Reason]]):
    """What an `equivalents.yaml` holds: a mutant's id → why no test can tell it from the solution."""


def read_equivalents(root: CourseRoot, module: str) -> Mapping[str, str]:
    """Those that are listed, none without a list; raises ContentError with file and line."""
    path = root.equivalents(module)
    if not path.is_file():
        return {}
    return yaml_lines.parse(_Equivalents, root.read(path), root.relative(path), ContentError).root
