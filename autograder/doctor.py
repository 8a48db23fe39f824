"""`autograder doctor`: what this machine can do, and what to do about what it cannot."""

from __future__ import annotations

import platform
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Literal

from .cores import usable
from .course_root import CourseRoot
from .run.devices import cuda_problem
from .sandbox.levels import Level, probe

PACKAGES = ("torch", "numpy", "pytest", "nbformat", "IPython", "msgspec", "jinja2", "pydantic")


@dataclass(frozen=True)
class Finding:
    """`bad` means that grading cannot work; `note` that something is weaker or missing but not needed."""

    state: Literal["ok", "note", "bad"]
    what: str
    said: str


def examine(root: CourseRoot | None) -> Iterator[Finding]:
    """One finding a subject, the most important first."""
    yield from _isolation()
    yield _device()
    yield Finding("ok", "cores", f"{usable()} (grade uses as many submissions at a time; --jobs)")
    yield _python()
    yield from _packages()
    if root is None:
        yield Finding("note", "course", "this is no course's folder: go into one, or use --course-root")
    else:
        yield Finding("ok", "course", f"{len(root.syllabus.modules)} module(s)")


def _isolation() -> Iterator[Finding]:
    levels = probe()
    working = [level for level in (Level.FULL, Level.LANDLOCK) if not levels[level]]
    if working:
        yield Finding("ok", "isolation", f"{working[0].value} (what --sandbox auto takes)")
    else:
        yield Finding("bad", "isolation", "none: students' code cannot be locked in on this machine")
    for level in (Level.FULL, Level.LANDLOCK):
        if levels[level]:
            yield Finding("note", f"isolation {level.value}", levels[level])


def _device() -> Finding:
    problem = cuda_problem()
    if problem:
        return Finding("note", "GPU", f"none: {problem}. Grading on the CPU needs none")
    return Finding("ok", "GPU", "CUDA works (--device cuda; `make test-gpu` proves the whole path)")


def _python() -> Finding:
    said = f"Python {platform.python_version()} on {platform.system()} {platform.machine()}"
    if not (3, 11) <= sys.version_info < (3, 15):
        return Finding("bad", "Python", f"{said}: 3.11 to 3.14 is needed")
    return Finding("ok", "Python", said)


def _packages() -> Iterator[Finding]:
    found, missing = [], []
    for name in PACKAGES:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            missing.append(name)
    if missing:
        yield Finding("bad", "packages", f"missing: {', '.join(missing)}; run `pip install . ./autograder`")
    yield Finding("ok", "versions", ", ".join(found))
