"""Moodle's "Download all submissions": who handed in what.

A folder or a file each, `Ada Lovelace_1234567_assignsubmission_file/attention.ipynb`, with or without `_` at
the end, or `Ada Lovelace_1234567_assignsubmission_file_attention.ipynb` where folders are switched off. The
number is the participant's in this assignment, so that it tells two of one name apart and nothing more.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace

from ..submission.choose import SUFFIXES
from ..submission.export import HandedIn
from ..submission.file import File, Parts
from ..submission.people import student, told_apart

OWN_NAME = re.compile(r".+-\d+")  # COURSE-ASSIGNMENT-NUMBER

# What follows is the student's, and decides nothing. Moodle writes `_` in a name as a blank.
_MOODLE = re.compile(
    r"(?P<name>[^_]*)_(?P<id>\d+)_assign(?P<part>submission|feedback)_(?P<kind>[a-z]+)(?:_(?P<rest>.*))?",
    re.DOTALL,
)
_TYPED = "It is a text that was typed into Moodle, not a file: hand in the notebook (.ipynb) itself."


def recognised(places: Sequence[Parts]) -> bool:
    """All that could be graded lies in such folders or has such a name."""
    matched = [_MOODLE.fullmatch(parts[0]) for parts in places]
    others = [parts for parts, match in zip(places, matched, strict=True) if match is None]
    return any(matched) and not any(parts[-1].lower().endswith(SUFFIXES) for parts in others)


def handed_in(files: Mapping[Parts, File], shown: str) -> list[HandedIn]:
    """One a student; no export is broken."""
    of: dict[tuple[str, str], list[File]] = defaultdict(list)
    for parts, file in files.items():
        match = _MOODLE.fullmatch(parts[0])
        if match is None or match["part"] != "submission":
            continue  # a teacher's own, or what a teacher gave back
        if match["kind"] == "onlinetext" and not file.problem:
            file = replace(file, problem=_TYPED)
        place = (match["rest"],) if match["rest"] else ()
        of[match["name"], match["id"]].append(replace(file, parts=(*place, *parts[1:]) or (parts[-1],)))
    names = told_apart({(name, id): [student(name), student(f"{name} ({id})")] for name, id in sorted(of)})
    return [HandedIn((names[who],), (), handed) for who, handed in sorted(of.items())]
