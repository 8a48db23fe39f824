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
from typing import Any

from msgspec.structs import replace as replace_fields

from ..content.course_root import CourseRoot
from ..content.module import GradedModule
from ..contract.budget import Limits, limits_of
from ..contract.jobs import Job, key_of
from ..errors import Fault, Unreadable
from ..grading.ungraded import ungraded
from ..results import Result
from ..submission.find import Found, settle
from ..submission.people import printable
from ..submission.read import read
from .store import Store

UNKNOWN = "unknown"  # the module of a file that does not say which it is


@dataclass
class Plan:
    """`jobs` go to graders; `unplaced` are results already, of no module's files; `kept` were graded before.

    `copies`: a group's submission is graded once, for the student and module of the key; the others get that.
    `examinations` are for the public checks, of all submissions that have a file and were not examined yet.
    `notes`, by student and module, say which of several files is graded. `faults`: student, module and reason
    where a file cannot be read for no fault of the student's.
    """

    jobs: list[Job] = field(default_factory=list)
    unplaced: list[Result] = field(default_factory=list)
    kept: list[Job] = field(default_factory=list)
    examinations: list[Job] = field(default_factory=list)
    copies: dict[tuple[str, str], list[Job]] = field(default_factory=dict)
    notes: dict[tuple[str, str], str] = field(default_factory=dict)
    faults: list[tuple[str, str, str]] = field(default_factory=list)


@dataclass(frozen=True)
class Conditions:
    """What a grade depends on besides the notebook."""

    run_seed: int
    device: str
    isolation: str
    limits: Limits | None = None  # the syllabus's


def plan(
    root: CourseRoot,
    found: Sequence[Found],
    store: Store,
    conditions: Conditions,
    *,
    force: bool = False,
    examine: bool = False,
) -> Plan:
    """Sorts submissions into those to grade, those of no module, and those graded before.

    With `examine` also into those that the public checks have yet to be run on. Raises ContentError before
    anybody is graded, where a module's content is wrong.
    """
    made = Plan()
    bases: dict[str, str] = {}
    known: list[Found] = []
    groups: dict[tuple[str, str], Job] = {}  # by file and module
    for one in found:
        try:
            known.append(_with_module(one, root))
        except Fault as fault:
            made.faults.append((printable(one.student), one.module or UNKNOWN, str(fault)))
    for one in settle(known):
        module, problem = one.module or UNKNOWN, one.problem
        if module not in bases:
            bases[module] = _basis(root, module, conditions)
        # What is said of the file is as much of a grade as its bytes.
        basis = key_of(problem or one.note, bases[module]) if problem or one.note else bases[module]
        job = Job(
            student=one.student,
            module=module,
            path=printable(str(one.path)) if problem else str(one.path),
            shown=one.shown,
            key=key_of(content_of(one.path), basis),
            isolation=conditions.isolation,
            basis=basis,
            problem=problem,
        )
        if one.note:
            made.notes[one.student, module] = one.note
        if examine and not problem and (force or store.examined(one.student, module, job.key) is None):
            made.examinations.append(replace_fields(job, examine=True))
        if not force and store.has(one.student, module, job.key):
            made.kept.append(job)
        elif module == UNKNOWN:
            seed, device = conditions.run_seed, conditions.device
            made.unplaced.append(ungraded(job, problem, [], run_seed=seed, device=device))
        elif one.shared and not problem and (first := groups.setdefault((job.path, module), job)) is not job:
            made.copies.setdefault((first.student, module), []).append(job)
        else:
            made.jobs.append(job)
    return made


def _with_module(found: Found, root: CourseRoot) -> Found:
    """The same with the module that the notebook says it is of; without one, with what is wrong with that.

    Raises Fault where the machine is at fault.
    """
    if not found.problem and not _is_text(str(found.path), found.student, found.shown):
        raise Fault(f"{printable(found.shown)}: its name is no UTF-8 text; rename it and run again")
    if found.module is not None:
        return found
    known = [module.id for module in root.syllabus.modules]
    only = known[0] if len(known) == 1 else None
    if found.problem:
        return replace(found, module=only)
    try:
        said = read(found.path).module
    except Unreadable as error:
        return replace(found, module=only, problem=str(error))
    if said in known or only is not None:
        return replace(found, module=said if said in known else only)
    return replace(
        found, problem=f"It is not clear which module this is: name the file after one of {', '.join(known)}."
    )


def _is_text(*names: str) -> bool:
    """Whether graders, who are told in UTF-8, can be told these."""
    try:
        "".join(names).encode()
    except UnicodeEncodeError:
        return False
    return True


def _basis(root: CourseRoot, module: str, conditions: Conditions) -> str:
    """What a grade depends on besides the notebook; raises ContentError where the module is wrong."""
    digest = "" if module == UNKNOWN else GradedModule.load(root, module).digest
    parts: list[Any] = [digest, version("torch"), conditions.device, conditions.isolation]
    limits = conditions.limits or limits_of(root.syllabus.limits.asked)
    if limits.unusual:  # who ran out under others may not do so under these, and the other way round
        parts.append(limits.unusual)
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def content_of(path: Path) -> str:
    """A hash of the file's bytes; of what can be said about it where it is no ordinary file."""
    try:
        status = os.lstat(path)
        if not stat.S_ISREG(status.st_mode) or status.st_size > 1 << 28:
            return f"{status.st_mode} {status.st_size} {status.st_mtime_ns}"
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        return f"errno {error.errno}"
