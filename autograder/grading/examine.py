"""One submission, from its file to what the public checks say of it.

In a worker of its own, in which no hidden test has been: code that had seen the hidden inputs could print
them on the page that its author gets back at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from course.catalogue.syllabus import Exercise, Module
from course.checking.forbidden import forbidden_calls, sentence

from ..contract.budget import Budget
from ..contract.jobs import Job
from ..contract.line import NOT_ASKED_FOR, legible, texts
from ..errors import ProtocolViolation, StudentFailure, Unreadable
from ..examined import Examined, ExaminedExercise
from ..sandbox.line import WorkerLine
from ..submission.extract import Extracted, extract
from ..submission.read import read
from .grade import Bench, cell_error

STATES = ("passed", "failed", "untouched")
MOST_LINES = 60  # of a report; an honest one has twenty
LONGEST_LINE = 400
_WITHOUT_ANSWER = {
    "untouched": "Still to be written.",
    "missing": "Nothing of this name was found in the notebook.",
}


def examine_submission(job: Job, bench: Bench) -> tuple[Examined, bool]:
    """What the public checks say, and whether wall time decided anything in it.

    Raises Fault for what is not the student's; everything else is in the record.
    """
    module = bench.module
    found = Examined(student=job.student, module=job.module, key=job.key)
    try:
        notebook = read(Path(job.path))
        found.sha256 = notebook.sha256
        modules = module.root.syllabus.modules
        extracted = extract(notebook, module.released, module.entry, modules, bench.front_ends)
    except Unreadable as error:
        found.sha256, found.reason = getattr(error, "sha256", found.sha256), str(error)
        found.key = job.key_of(found.sha256)
        return found, False
    found.key = job.key_of(found.sha256)
    line = bench.open_line(Budget(bench.limits), [(cell.number, cell.source) for cell in extracted.cells])
    try:
        line.load()
        found.exercises = list(_exercises(module.entry, line, extracted))
    except StudentFailure as failure:  # not one cell could be run, or messages are forged
        found.reason = str(failure)
    finally:
        line.close()
    errors = {error.cell: error for error in extracted.cell_errors}
    errors |= {number: cell_error(number, header) for number, header in line.cell_errors.items()}
    found.cell_errors = [errors[number] for number in sorted(errors)]
    return found, line.wall_timeout


def _exercises(module: Module, line: WorkerLine, extracted: Extracted) -> Iterator[ExaminedExercise]:
    for exercise in module.graded:
        if (state := extracted.states[exercise.id]) != "answered":
            lines = [_WITHOUT_ANSWER[state]]
            yield ExaminedExercise(id=exercise.id, title=exercise.title, state=state, lines=lines)
            continue
        found = forbidden_calls(extracted.cells, module, exercise)
        uses = sentence(exercise, found)
        try:
            asked = {"module": module.id, "exercise": exercise.id, "uses": uses}
            said = line.request("examine", asked)
        except ProtocolViolation:
            raise
        except StudentFailure as failure:  # it ran out of time, or ended the process: the others go on
            said = ("failed", [f"✗ {failure}"])
        told = _told(exercise, said)
        if uses and module.forbidden == "withhold":  # whatever code in the worker makes of it
            told.state = "failed"
            told.lines = told.lines if f"✗ {uses}" in told.lines else [f"✗ {uses}", *told.lines]
        told.lines = [*(f"! {note}" for note in extracted.notes.get(exercise.id, ())), *told.lines]
        yield told


def _told(exercise: Exercise, said: Any) -> ExaminedExercise:
    """The worker's report, which its code can have made of anything."""
    if not isinstance(said, tuple) or len(said) != 2 or said[0] not in STATES:
        raise ProtocolViolation(NOT_ASKED_FOR)
    state, lines = said[0], texts(said[1])
    lines = [legible(line, LONGEST_LINE).replace("\n", " ") for line in lines[:MOST_LINES]]
    return ExaminedExercise(id=exercise.id, title=exercise.title, state=state, lines=lines)
