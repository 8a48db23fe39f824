"""Gradescope's `assignment_123_export`: who handed in what, newest attempt only.

A folder `submission_456` each, and `submission_metadata.yml`, which names the submitters of each. A group's
submission is each member's.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from .. import errors
from ..submission.export import HandedIn
from ..submission.file import File, Parts
from . import gradescope_metadata

METADATA = "submission_metadata.yml"
ALSO: Mapping[str, int] = {".yml": gradescope_metadata.MAX_BYTES}


def recognised(places: Sequence[Parts]) -> bool:
    """By the list of submissions."""
    return _metadata(places) is not None


def handed_in(files: Mapping[Parts, File], shown: str) -> list[HandedIn]:
    """One a folder, and of those that a student is in the newest."""
    metadata = _metadata(files)
    if metadata is None or files[metadata].problem:
        raise errors.UsageError(f"{shown}: its {METADATA} is damaged: download the export again")
    submitters = gradescope_metadata.load(files[metadata].path, f"{shown}: its {METADATA}")
    top = metadata[:-1]
    inside: dict[str, list[File]] = defaultdict(list)
    for parts, file in files.items():
        below = parts[len(top) :]
        if parts[: len(top)] == top and len(below) > 1:
            inside[below[0]].append(replace(file, parts=below[1:]))
    names = _told_apart([one for group in submitters.values() for one in group])
    found = [
        HandedIn(
            tuple(names[one] for one in submitters.get(folder, ())) or (folder,),
            (*top, folder),
            inside.get(folder, []),
        )
        for folder in sorted(submitters.keys() | inside.keys(), key=_number)
    ]
    return _newest(found)


def _metadata(places: Iterable[Parts]) -> Parts | None:
    found = [parts for parts in places if parts and parts[-1] == METADATA and len(parts) < 3]
    return min(found, key=len, default=None)


def _told_apart(
    submitters: Sequence[gradescope_metadata.Submitter],
) -> dict[gradescope_metadata.Submitter, str]:
    """A name for each: as it stands, with the student number or address where two have the same."""
    who: dict[str, set[str]] = defaultdict(set)
    for one in submitters:
        who[one.name].add(one.key)
    return {one: f"{one.name} ({one.key})" if len(who[one.name]) > 1 else one.name for one in submitters}


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
