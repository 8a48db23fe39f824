"""`autograder doctor`: what this machine can do, and what to do about what it cannot."""

from __future__ import annotations

import platform
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Literal

from .content.course_root import CourseRoot
from .cores import usable
from .processes.devices import cuda_problem
from .sandbox.levels import Isolation, probe

PACKAGES = ("torch", "numpy", "pytest", "nbformat", "IPython", "msgspec", "jinja2", "pydantic")


@dataclass(frozen=True)
class Observation:
    """`bad` means that grading cannot work; `note` that something is weaker or missing but not needed."""

    state: Literal["ok", "note", "bad"]
    what: str
    said: str


def observe(root: CourseRoot | None) -> Iterator[Observation]:
    """One finding a subject, the most important first."""
    yield from _isolation()
    yield _device()
    yield Observation("ok", "cores", f"{usable()} (grade uses as many submissions at a time; --jobs)")
    yield _python()
    yield from _packages()
    if root is None:
        yield Observation("note", "course", "this is no course's folder: go into one, or use --course-root")
    else:
        yield Observation("ok", "course", f"{len(root.syllabus.modules)} module(s)")


def _isolation() -> Iterator[Observation]:
    levels = probe()
    working = [level for level in (Isolation.FULL, Isolation.LANDLOCK) if not levels[level]]
    if working:
        yield Observation("ok", "isolation", f"{working[0].value} (what --sandbox auto takes)")
    else:
        yield Observation("bad", "isolation", "none: students' code cannot be locked in on this machine")
    for level in (Isolation.FULL, Isolation.LANDLOCK):
        if levels[level]:
            yield Observation("note", f"isolation {level.value}", levels[level])


def _device() -> Observation:
    problem = cuda_problem()
    if problem:
        return Observation("note", "GPU", f"none: {problem}. Grading on the CPU needs none")
    return Observation("ok", "GPU", "CUDA works (--device cuda; `make test-gpu` proves the whole path)")


def _python() -> Observation:
    said = f"Python {platform.python_version()} on {platform.system()} {platform.machine()}"
    if not (3, 11) <= sys.version_info < (3, 15):
        return Observation("bad", "Python", f"{said}: 3.11 to 3.14 is needed")
    return Observation("ok", "Python", said)


def _packages() -> Iterator[Observation]:
    found, missing = [], []
    for name in PACKAGES:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            missing.append(name)
    if missing:
        yield Observation(
            "bad", "packages", f"missing: {', '.join(missing)}; run `pip install . ./autograder`"
        )
    yield Observation("ok", "versions", ", ".join(found))
