"""What Gradescope and Canvas export, recognised by its files: who handed in what, newest attempt only.

* Gradescope's `assignment_123_export`: a folder `submission_456` each, and `submission_metadata.yml`, which
  names the submitters of each. A group's submission is each member's.
* Canvas' `submissions.zip`: files side by side, `lovelaceada_LATE_1234_56789_attention.ipynb`: the student,
  perhaps LATE, the numbers of student and file, and the file's own name, to which Canvas adds `-1`, `-2`
  where the student has handed in one of that name before. LATE changes nothing here.

Both are recognised as a zip and unpacked. What is in a submission, `choose` looks at.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from .. import errors
from ..submission.choose import SUFFIXES, File
from ..submission.unzip import ignored
from . import gradescope_metadata

METADATA = "submission_metadata.yml"
WANTED = (*SUFFIXES, ".yml", ".html")  # Canvas writes text and links as HTML

Parts = tuple[str, ...]

_CANVAS = re.compile(
    r"(?:(?P<name>\w*?)(?:_LATE)?_(?P<id>\d+)|(?:LATE_)?anon_(?P<anonymous>[A-Za-z0-9]+))_"
    r"(?:(?P<file>\d+)_(?P<its_name>.+)|(?:text|link)\.html)"
)
_RESUBMITTED = re.compile(r"-\d{1,2}(?=\.\w+$)")


@dataclass(frozen=True)
class HandedIn:
    """One submission: whose it is, several names for a group, and what it consists of."""

    students: tuple[str, ...]
    place: Parts  # below the path on the command line
    files: list[File] = field(default_factory=list)


def recognised(places: Iterable[Parts]) -> bool:
    """Whether files at these places are an export; those that no submission consists of are not looked at."""
    places = [
        parts
        for parts in places
        if parts and parts[-1].lower().endswith(WANTED) and not any(map(ignored, parts))
    ]
    return _metadata(places) is not None or _is_canvas(places)


def handed_in(files: Mapping[Parts, File], shown: str) -> list[HandedIn]:
    """The submissions of an export, whose files lie at these places; `shown` is how messages name it.

    Raises `errors.UsageError` where the export itself is broken.
    """
    metadata = _metadata(files)
    return _canvas(files) if metadata is None else _gradescope(files, metadata, shown)


# ------------------------------------------------------------------------------------------- Gradescope


def _metadata(places: Iterable[Parts]) -> Parts | None:
    found = [parts for parts in places if parts and parts[-1] == METADATA and len(parts) < 3]
    return min(found, key=len, default=None)


def _gradescope(files: Mapping[Parts, File], metadata: Parts, shown: str) -> list[HandedIn]:
    listed = files[metadata]
    if listed.problem:
        raise errors.UsageError(f"{shown}: its {METADATA} is damaged: download the export again")
    submitters = gradescope_metadata.load(listed.path, f"{shown}: its {METADATA}")
    top = metadata[:-1]
    inside: dict[str, list[File]] = defaultdict(list)
    for parts, file in files.items():
        below = parts[len(top) :]
        if parts[: len(top)] == top and len(below) > 1:
            inside[below[0]].append(File(PurePosixPath(*below[1:]), file.path, file.problem))
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


# ----------------------------------------------------------------------------------------------- Canvas


def _is_canvas(places: Sequence[Parts]) -> bool:
    """All files lie side by side and have such names; no two files have the same number.

    That, and that no student's number goes with two names, tells it from names with a date in them.
    """
    folders = {parts[:-1] for parts in places}
    matches = [_CANVAS.fullmatch(parts[-1]) for parts in places]
    # Zipped again by hand, all of it may lie in one folder; a single file in a folder is that folder's.
    if len(folders) != 1 or len(folders.pop()) > (len(places) > 1) or not all(matches):
        return False
    numbers = [match["file"] for match in matches if match and match["file"]]
    people = {(match["id"], match["name"]) for match in matches if match and match["id"]}
    return len(set(numbers)) == len(numbers) > 0 and len({id for id, _ in people}) == len(people)


def _canvas(files: Mapping[Parts, File]) -> list[HandedIn]:
    of: dict[str, dict[str, tuple[int, File]]] = defaultdict(dict)
    for (*_, name), file in files.items():
        match = _CANVAS.fullmatch(name)
        assert match is not None
        # The student's number, too: Canvas writes names without what tells them apart.
        student = f"{match['name']}_{match['id']}" if match["id"] else f"anon_{match['anonymous']}"
        its_name = _RESUBMITTED.sub("", match["its_name"]) if match["its_name"] else name
        number = int(match["file"] or -1)
        here = of[student].get(its_name)
        if here is None or here[0] < number:
            of[student][its_name] = number, File(PurePosixPath(its_name), file.path, file.problem)
    return [
        HandedIn((student,), (), [file for _, file in newest.values()])
        for student, newest in sorted(of.items())
    ]
