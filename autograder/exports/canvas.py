"""Canvas' `submissions.zip`: who handed in what, newest attempt only.

Files side by side, `lovelaceada_LATE_1234_56789_attention.ipynb`: the student, perhaps LATE, the numbers of
student and file, and the file's own name, to which Canvas adds `-1`, `-2` where the student has handed in one
of that name before. LATE changes nothing here.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace

from course.cells.notebook import MAX_BYTES

from ..submission.export import HandedIn
from ..submission.file import File, Parts

ALSO: Mapping[str, int] = {".html": MAX_BYTES}  # Canvas writes text and links as HTML

_CANVAS = re.compile(
    r"(?:(?P<name>\w*?)(?:_LATE)?_(?P<id>\d+)|(?:LATE_)?anon_(?P<anonymous>[A-Za-z0-9]+))_"
    r"(?:(?P<file>\d+)_(?P<its_name>.+)|(?:text|link)\.html)"
)
_RESUBMITTED = re.compile(r"-\d{1,2}(?=\.\w+$)")


def recognised(places: Sequence[Parts]) -> bool:
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


def handed_in(files: Mapping[Parts, File], shown: str) -> list[HandedIn]:
    """One a student, with the newest of several files of one name; no export is broken."""
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
            of[student][its_name] = number, replace(file, parts=(its_name,))
    return [
        HandedIn((student,), (), [file for _, file in newest.values()])
        for student, newest in sorted(of.items())
    ]
