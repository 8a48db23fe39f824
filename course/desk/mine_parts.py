"""Loads what lies in `mine/`, and says of each answer there whether it is a part to be used.

It is if its public checks pass on the file as it stands. What was checked already is not checked again.
"""

from __future__ import annotations

import io
import linecache
import sys
import traceback
from collections.abc import Mapping
from contextlib import redirect_stdout, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType

from course.catalogue.syllabus import Exercise, Module
from course.cells.python import Cell
from course.desk import lent, lock, mine_folder
from course.desk.mine_folder import Kept, KeptModule


class Unusable(ValueError):
    """The file cannot be imported; the message says why and where, in a clause."""


@dataclass(frozen=True)
class Mine:
    """One module's file of a student's: the file, what is known of it, and its text."""

    file: Path
    text: str
    known: KeptModule

    def is_own(self, exercise: Exercise) -> bool:
        """Whether this answer is there and passes."""
        kept = self.known.answers.get(exercise.id)
        return bool(kept) and not (self.why_not(exercise))

    def why_not(self, exercise: Exercise) -> str:
        """Why the answer that is there is not used, in a clause; empty if it is, or if there is none."""
        kept = self.known.answers.get(exercise.id)
        return (self.known.problem or kept.problem) if kept else ""


_seen: dict[Path, tuple[tuple[int, ...], Mine]] = {}
_loaded: dict[str, ModuleType] = {}


def of(module: Module, start: Path | None = None) -> Mine | None:
    """What a student has of a module, None for nothing. What was changed since is checked now."""
    folder = mine_folder.find(start)
    if folder is None:
        return None
    file = folder / f"{module.id}.py"
    try:
        state = _state(file) + _state(folder / mine_folder.RECORD)
        if file in _seen and _seen[file][0] == state:
            return _seen[file][1]
        text = mine_folder.read(file)
    except (OSError, ValueError) as error:
        known = mine_folder.load_record(folder).get(module.id, KeptModule())
        return Mine(file, "", replace(known, problem=str(error)))
    if text is None:
        return None
    known = mine_folder.load_record(folder).get(module.id, KeptModule())
    if known.file != mine_folder.fingerprint(text):
        known = examined(module, text, file, known)
        with suppress(OSError), lock.held(folder / mine_folder.LOCK):
            mine_folder.save_record(folder, {**mine_folder.load_record(folder), module.id: known})
            state = _state(file) + _state(folder / mine_folder.RECORD)
    _seen[file] = state, Mine(file, text, known)
    return _seen[file][1]


def _state(file: Path) -> tuple[int, ...]:
    try:
        found = file.stat()
    except FileNotFoundError:
        return (0, 0)
    return found.st_mtime_ns, found.st_size


def examined(module: Module, text: str, file: Path, known: KeptModule) -> KeptModule:
    """What is to be known of a text: each answer in it whose code is not the one that is known is checked."""
    from course.checking import excerpt

    mark, cell = mine_folder.fingerprint(text), Cell(1, text)
    try:
        names = vars(imported(text, file, f"mine.{module.id}"))
    except Unusable as error:
        return replace(known, file=mark, problem=str(error))
    answers: dict[str, Kept] = {}
    for exercise in module.exercises:
        before = known.answers.get(exercise.id, Kept())
        try:
            code = excerpt.fingerprint([cell], exercise.defines)
        except KeyError:
            continue  # it is not there
        except excerpt.NotByItself:
            code = mark
        if code != before.code:
            problem = _problem(module, exercise, names, cell)
            checked = before.checked if problem else mine_folder.now()
            before = replace(before, code=code, problem=problem, checked=checked)
        answers[exercise.id] = before
    return KeptModule(mark, "", answers)


def imported(text: str, file: Path, name: str) -> ModuleType:
    """The text as a module, which is run once in a process; raises Unusable."""
    mark = f"{file}-{mine_folder.fingerprint(text)}"
    if mark in _loaded:
        sys.modules[name] = _loaded[mark]
        return _loaded[mark]
    module = ModuleType(name)
    module.__file__ = str(file)
    linecache.cache[str(file)] = (len(text), None, text.splitlines(keepends=True), str(file))
    before = sys.modules.get(name)
    sys.modules[name] = module  # dataclasses and pickle look for a class's module there
    try:
        with redirect_stdout(io.StringIO()):
            exec(compile(text, str(file), "exec", dont_inherit=True), vars(module))
    except (Exception, SystemExit) as error:
        sys.modules.pop(name)
        if before is not None:
            sys.modules[name] = before
        raise Unusable(_in_words(error, str(file))) from None
    _loaded[mark] = module
    return module


def _in_words(error: BaseException, file: str) -> str:
    from course.checking.examine import describe

    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == file]
    line = error.lineno if isinstance(error, SyntaxError) else lines[-1] if lines else None
    what = f"SyntaxError: {error.msg}" if isinstance(error, SyntaxError) else describe(error)
    return f"it raised {what}{f' (line {line})' if line else ''}"


def _problem(module: Module, exercise: Exercise, names: Mapping[str, object], cell: Cell) -> str:
    """What the public checks say first; empty if they pass."""
    from course.checking import examine
    from course.checking.forbidden import forbidden_calls, sentence

    uses = sentence(exercise, forbidden_calls([cell], module, exercise))
    with lent.for_now():
        report = examine.on_answer(module, exercise, names, uses)
    return "" if report.passed else report.problem
