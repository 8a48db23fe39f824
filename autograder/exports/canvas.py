"""Canvas' `submissions.zip`: who handed in what, newest attempt only.

Files side by side, `lovelaceada_LATE_1234_56789_attention.ipynb`: the student, perhaps LATE, the numbers of
student and file, and the file's own name, to which Canvas adds `-1`, `-2` where the student has handed in one
of that name before. LATE changes nothing here. What a student typed or linked to is `..._1234_text.html`.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace

from ..submission.choose import SUFFIXES
from ..submission.export import HandedIn
from ..submission.file import File, Parts

OWN_NAME = re.compile(r"submissions( ?\(\d+\))?")

# The file's own name is the student's: it may hold anything, and decides nothing.
_CANVAS = re.compile(
    r"(?:(?P<name>\w*?)(?:_LATE)?_(?P<id>\d+)|(?:LATE_)?anon_(?P<anonymous>[A-Za-z0-9]+))_"
    r"(?:(?P<file>\d+)_(?P<its_name>.+)|(?P<typed>text|link)\.html)",
    re.DOTALL,
)
_RESUBMITTED = re.compile(r"-\d{1,2}(?=(?:\.\w+)+$)")
_TYPED = {
    "text": "It is a text that was typed into Canvas, not a file: hand in the notebook (.ipynb) itself.",
    "link": "It is a link to a web page, not a file: hand in the notebook (.ipynb) itself.",
}


def recognised(places: Sequence[Parts]) -> bool:
    """All files lie side by side and have such names; no two files have the same number.

    That, and that no student's number goes with two names, tells it from names with a date in them.
    """
    matches = [match for parts in places if len(parts) == 1 and (match := _CANVAS.fullmatch(parts[0]))]
    others = [parts for parts in places if len(parts) > 1 or not _CANVAS.fullmatch(parts[0])]
    if any(parts[-1].lower().endswith(SUFFIXES) for parts in others):
        return False
    numbers = [match["file"] for match in matches if match["file"]]
    people = {(match["id"], match["name"]) for match in matches if match["id"]}
    return len(set(numbers)) == len(numbers) > 0 and len({id for id, _ in people}) == len(people)


def handed_in(files: Mapping[Parts, File], shown: str) -> list[HandedIn]:
    """One a student, with the newest of several files of one name; no export is broken."""
    of: dict[str, dict[str, tuple[int, File]]] = defaultdict(dict)
    for (name, *_), file in files.items():
        match = _CANVAS.fullmatch(name)
        if match is None:
            continue  # a table or the like, which Canvas did not put there
        # The student's number, too: Canvas writes names without what tells them apart.
        student = f"{match['name']}_{match['id']}" if match["id"] else f"anon_{match['anonymous']}"
        its_name = _RESUBMITTED.sub("", match["its_name"]) if match["its_name"] else name
        number = int(match["file"] or -1)
        if match["typed"] and not file.problem:
            file = replace(file, problem=_TYPED[match["typed"]])
        here = of[student].get(its_name)
        if here is None or here[0] < number:
            of[student][its_name] = number, replace(file, parts=(its_name,))
    return [
        HandedIn((student,), (), [file for _, file in newest.values()])
        for student, newest in sorted(of.items())
    ]
