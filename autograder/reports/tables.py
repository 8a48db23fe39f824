"""The results as tables for other programs: CSV for a spreadsheet or gradebook, JSON lines for all else."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping, Sequence

from course.catalogue.syllabus import Syllabus

from ..results import Result, Status
from . import statistics
from .text import sentence

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠")
_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?")


def grades_csv(results: Sequence[Result], syllabus: Syllabus, pages: Mapping[tuple[str, str], str]) -> str:
    """One row a student and module, one column an exercise of the modules that occur, as `module.exercise`.

    Rows are by student, then module; columns by the syllabus. An exercise of another module is left
    empty, one of the row's own module that was not graded is 0; whom a person has to grade has no points at
    all. The last two columns are a sentence on what was handed in, where there is something to say, and the
    place of the student's page, which `pages` has by student and module. A cell that a spreadsheet would take
    for a formula begins with an apostrophe; control characters are spelled out.
    """
    present = {result.module for result in results}
    columns = [(m.id, e.id) for m in syllabus.modules if m.id in present for e in m.graded]
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(
        ["student", "module", "points", "max_points", "status", "isolation", "device"]
        + [f"{module}.{exercise}" for module, exercise in columns]
        + ["remark", "page"]
    )
    for result in statistics.in_order(results, syllabus.modules):
        points = {exercise.id: exercise.points for exercise in result.exercises}
        words = [result.status.value, result.isolation, result.device]
        counts = result.status is not Status.NOT_GRADED
        writer.writerow(
            [
                _word(result.student),
                _word(result.module),
                _points(result.points) if counts else "",
                _points(result.max_points),
            ]
            + [_word(word) for word in words]
            + [
                _points(points.get(exercise, 0.0)) if counts and module == result.module else ""
                for module, exercise in columns
            ]
            + [_word(result.reason or result.note), pages.get((result.student, result.module), "")]
        )
    return out.getvalue()


def results_jsonl(results: Sequence[Result]) -> str:
    """Each result as one line of ASCII JSON, by student and module; `json.loads` gives back the record.

    ASCII, because a line must hold no character that some reader takes for the end of a line, nor a lone
    surrogate, which a student's program can print and UTF-8 cannot hold.
    """
    ordered = sorted(results, key=lambda result: (result.student.casefold(), result.student, result.module))
    return "".join(f"{result.to_json()}\n" for result in ordered)


def _word(text: str) -> str:
    if text.startswith(_FORMULA) and not _NUMBER.fullmatch(text):
        return "'" + sentence(text)
    return sentence(text)


def _points(value: float) -> str:
    return f"{value:.4f}".rstrip("0").rstrip(".")
