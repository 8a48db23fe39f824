"""Gradescope's `assignment_123_export`: who handed in what, newest attempt only.

A folder `submission_456` each, and `submission_metadata.yml`, which names the submitters of each. A group's
submission is each member's.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace

from .. import errors
from ..submission.choose import SUFFIXES
from ..submission.export import HandedIn
from ..submission.file import File, Parts
from ..submission.people import student, told_apart
from . import gradescope_metadata
from .gradescope_metadata import Submitter

METADATA = "submission_metadata.yml"
OWN_NAME = re.compile(r"(?:assignment_\d+_)?export(?: ?\(\d+\))?", re.IGNORECASE)

_SUBMISSION = re.compile(r"submission_\d+")


def recognised(places: Sequence[Parts]) -> bool:
    """By the list of submissions at the top, where all that could be graded lies in submissions' folders.

    A list within a student's folder is the student's, and a file.
    """
    work = [parts for parts in places if parts[-1].lower().endswith(SUFFIXES)]
    return (METADATA,) in places and all(len(parts) > 1 and _SUBMISSION.fullmatch(parts[0]) for parts in work)


def handed_in(files: Mapping[Parts, File], shown: str) -> list[HandedIn]:
    """One a folder, and of those that a student is in the newest."""
    where = f"{shown}: its {METADATA}"
    listed = files[(METADATA,)].unpacked(gradescope_metadata.MAX_BYTES)
    if listed.problem:
        raise errors.UsageError(f"{where} cannot be read: download the export again")
    submitters = gradescope_metadata.load(listed.path, where)
    inside: dict[str, list[File]] = defaultdict(list)
    for parts, file in files.items():
        if len(parts) > 1 and _SUBMISSION.fullmatch(parts[0]):
            inside[parts[0]].append(replace(file, parts=parts[1:]))
    folders = sorted({*filter(_SUBMISSION.fullmatch, submitters), *inside}, key=_number)
    # A folder that nobody is named for is somebody's all the same.
    who = {folder: submitters.get(folder) or (Submitter(folder, folder=folder),) for folder in folders}
    names = _names([one for group in who.values() for one in group])
    return _newest([HandedIn(tuple(names[one] for one in who[f]), (f,), inside.get(f, [])) for f in folders])


def _names(submitters: Sequence[Submitter]) -> dict[Submitter, str]:
    """What each is called: as the name stands, with student number or address where another has the same."""
    spellings: dict[tuple[str, ...], list[str]] = {}
    for one in submitters:
        more = [one.number, one.address, f"{one.number}, {one.address}", one.folder]
        told = [f"{one.name} ({said})" for said in more if said.strip(", ")]
        spellings.setdefault(one.key, [student(text) for text in (one.name, *told)])
    names = told_apart(spellings)
    return {one: names[one.key] for one in submitters}


def _newest(found: Sequence[HandedIn]) -> list[HandedIn]:
    """In the order in which they were handed in: of two that a student is in, the later one counts."""
    last = {student: number for number, one in enumerate(found) for student in one.students}
    kept = []
    for number, one in enumerate(found):
        if students := tuple(student for student in one.students if last[student] == number):
            kept.append(HandedIn(tuple(dict.fromkeys(students)), one.place, one.files))
    return kept


def _number(folder: str) -> tuple[int, str]:
    digits = re.search(r"(\d{1,18})\D*$", folder)
    return (int(digits[1]) if digits else -1), folder
