"""What there is to grade, under which key, and what was graded before."""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from pathlib import Path

from msgspec.structs import replace as replace_fields

from course.catalogue.syllabus import Module

from ..content.course_root import CourseRoot
from ..contract.jobs import Job
from ..errors import Fault, Unreadable
from ..results import Result, Status
from ..submission.find import Found, settle
from ..submission.read import read
from .store import Store

UNKNOWN = "unknown"  # the module of a file that does not say which it is


@dataclass
class Plan:
    """`jobs` go to graders; `unreadable` are results already; `kept` were graded before.

    `copies`: a group's submission is graded once, for the student and module of the key; the others get that.

    `examinations` are for the public checks, of all submissions that have a file and were not examined yet.
    `faults`: student, module and reason where a file cannot be read for no fault of the student's.
    """

    jobs: list[Job] = field(default_factory=list)
    unreadable: list[Result] = field(default_factory=list)
    kept: list[Job] = field(default_factory=list)
    examinations: list[Job] = field(default_factory=list)
    copies: dict[tuple[str, str], list[Job]] = field(default_factory=dict)
    faults: list[tuple[str, str, str]] = field(default_factory=list)


@dataclass(frozen=True)
class Conditions:
    """What a grade depends on besides the notebook."""

    run_seed: int
    device: str
    isolation: str


def plan(
    root: CourseRoot,
    found: Sequence[Found],
    store: Store,
    conditions: Conditions,
    *,
    force: bool = False,
    examine: bool = False,
) -> Plan:
    """Sorts submissions into those to grade, those that cannot be read, and those graded before.

    With `examine` also into those that the public checks have yet to be run on.
    """
    made = Plan()
    digests: dict[str, str] = {}
    known: list[Found] = []
    groups: dict[tuple[str, str], Job] = {}  # by file and module
    for one in found:
        try:
            known.append(_with_module(one, root))
        except Fault as fault:
            made.faults.append((one.student, UNKNOWN, str(fault)))
    for one in settle(known):
        module, problem = one.module or UNKNOWN, one.problem
        if module not in digests:
            digests[module] = "" if module == UNKNOWN else course_digest(root, module)
        key = _key(one.path, digests[module], conditions)
        job = Job(
            student=one.student,
            module=module,
            path=str(one.path),
            shown=one.shown,
            key=key,
            isolation=conditions.isolation,
        )
        if examine and not problem and (force or store.examined(one.student, module, key) is None):
            made.examinations.append(replace_fields(job, examine=True))
        if not force and store.has(one.student, module, key):
            made.kept.append(job)
        elif problem:
            its_module = None if module == UNKNOWN else root.module(module)
            made.unreadable.append(unreadable(job, its_module, problem, conditions))
        elif one.shared and (first := groups.setdefault((job.path, module), job)) is not job:
            made.copies.setdefault((first.student, module), []).append(job)
        else:
            made.jobs.append(job)
    return made


def _with_module(found: Found, root: CourseRoot) -> Found:
    """The same with the module that the notebook says it is of, or with what is wrong with that."""
    if found.module is not None:
        return found
    known = [module.id for module in root.syllabus.modules]
    only = known[0] if len(known) == 1 else UNKNOWN
    if found.problem:
        return replace(found, module=only)
    try:
        said = read(found.path).module
    except Unreadable as error:
        return replace(found, module=only, problem=str(error))
    if said in known or only != UNKNOWN:
        return replace(found, module=said if said in known else only)
    problem = f"It is not clear which module this is: name the file after one of {', '.join(known)}."
    return replace(found, module=UNKNOWN, problem=problem)


def unreadable(job: Job, module: Module | None, reason: str, conditions: Conditions) -> Result:
    """The result of a submission that was not even opened."""
    from datetime import UTC, datetime

    exercises = [
        {
            "id": exercise.id,
            "title": exercise.title,
            "points": 0,
            "max_points": exercise.points,
            "state": "missing",
        }
        for exercise in (module.graded if module else ())
    ]
    return Result.model_validate(
        {
            "schema": 1,
            "student": job.student,
            "module": job.module,
            "path": job.shown,
            "sha256": "",
            "key": job.key,
            "run_seed": conditions.run_seed,
            "device": conditions.device,
            "isolation": conditions.isolation,
            "status": Status.UNREADABLE,
            "reason": reason,
            "started": datetime.now(UTC),
            "seconds": 0,
            "points": 0,
            "max_points": module.points if module else 0,
            "exercises": exercises,
        }
    )


def course_digest(root: CourseRoot, module: str) -> str:
    """Changes whenever the module's suite, reference, quiz, keys, released notebook or syllabus entry does.

    The mistakes bank is left out: a new hint is no reason to grade a class again.
    """
    digest = hashlib.sha256(root.module(module).model_dump_json().encode())
    for path in (
        root.suite(module),
        root.solution(module),
        root.keys(module),
        root.quiz(module),
        root.exercise_notebook(module),
    ):
        digest.update(path.read_bytes() if path.is_file() else b"-")
        digest.update(b"\0")
    return digest.hexdigest()


def _key(path: Path, course: str, conditions: Conditions) -> str:
    parts = [_content(path), course, version("torch"), conditions.device, conditions.isolation]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _content(path: Path) -> str:
    """A hash of the file's bytes; of what can be said about it where it is no ordinary file."""
    try:
        status = os.lstat(path)
        if not stat.S_ISREG(status.st_mode) or status.st_size > 1 << 28:
            return f"{status.st_mode} {status.st_size} {status.st_mtime_ns}"
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        return f"errno {error.errno}"
