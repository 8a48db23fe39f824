"""What the parent and the graders tell one another. Both are trusted; JSON all the same."""

from __future__ import annotations

import msgspec

from .budget import Limits


class Specification(msgspec.Struct, frozen=True):
    """What all graders of a run have in common. Not on the command line: other users could read it there."""

    root: str
    modules: list[str]
    run_seed: int
    device: str
    level: str
    read: list[str]
    home: str
    limits: Limits


class Job(msgspec.Struct, frozen=True):
    """One submission to grade; with `examine`, to look at with the public checks alone."""

    student: str
    module: str
    path: str
    shown: str
    key: str
    isolation: str
    attempt: int = 1
    examine: bool = False


class Finished(msgspec.Struct, frozen=True):
    """A grader's answer to a job: a Result or an Examined as JSON, or what was not the student's fault."""

    result: str = ""
    fault: str = ""
    wall_timeout: bool = False
