"""Brings the course's notebooks into a student's own folder, again after each update, and loses no work.

What has been given is noted in the folder. A notebook whose cells are as they were given, and which shows no
results yet, is nobody's work: a newer one may take its place. Beside any other the newer one is put.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

from course.catalogue.syllabus import load
from course.desk import atomic, progress, settings
from course.desk.last_fold import NoSolutions, find, with_solutions

FOLDER = "diffusion-course"  # where students work, if they name no other
RECORD = "notebooks.json"  # in the folder's `.course`
SCHEMA = 1

State = Literal["copied", "current", "updated", "kept", "beside", "stranger"]


class StartError(ValueError):
    """The notebooks cannot be brought; the message says why, in a sentence."""


@dataclass(frozen=True)
class Brought:
    """What came of one notebook, and the file that is meant.

    copied    it was not there
    current   it is there as the course has it now
    updated   it was untouched, and is the new version now
    kept      the student has worked in it, and there is no newer version than they know of
    beside    the student has worked in it: the new version is in `file`, beside it
    stranger  it was there before the course had given one; it stays, and so it does from now on
    """

    module: str
    state: State
    file: Path


def default_folder() -> Path:
    """Where we are, if that is a folder that was started before; otherwise a folder inside it."""
    here = Path()
    return here if (here / progress.FOLDER / RECORD).is_file() else Path(FOLDER)


def bring(folder: Path, *, solutions: bool = False) -> list[Brought]:
    """Brings every module's notebook into `folder`, which is made if need be. Raises StartError.

    With `solutions` those of a clone have each solution in a fold (`solutions.py`), now and from then on.
    """
    source = course_notebooks()
    if folder.exists() and not folder.is_dir():
        raise StartError(f"{folder} is a file: name a folder for your notebooks")
    if folder.resolve() == source.resolve():
        raise StartError(f"{folder} is where the course keeps its own notebooks: name a folder of yours")
    record = _Record(folder / progress.FOLDER / RECORD)
    answers = _solutions(folder, source, record, asked=solutions)
    try:
        brought = []
        for module in load().modules:
            plain = (source / f"{module.id}.ipynb").read_bytes()
            content = with_solutions(plain, module, answers) if answers else plain
            brought.append(_bring_one(module.id, content, folder, record, plain))
            record.save()
        rule = source / settings.FILE  # from `autograder release --no-hints`
        if rule.is_file():
            atomic.write(folder / settings.FILE, rule.read_bytes())
    except NoSolutions as error:
        raise StartError(str(error)) from None
    except OSError as error:
        where = error.filename or folder
        raise StartError(f"{where} cannot be read or written: {error.strerror or error}") from None
    return brought


def course_notebooks() -> Path:
    """Where the course has its notebooks: in the installed package, or beside it in a clone."""
    package = Path(str(files("course")))
    first = f"{load().modules[0].id}.ipynb"
    for place in (package / "exercises", package.parent / "exercises"):
        if (place / first).is_file():
            return place
    raise StartError(f"the course in {package} came without its notebooks: install it again")


def _solutions(folder: Path, source: Path, record: _Record, *, asked: bool) -> Path | None:
    """Where the solutions lie, if they are asked for now or were before; raises StartError for now alone."""
    if not (asked or record.solutions):
        return None
    try:
        found = find(folder, source)
    except NoSolutions as error:
        if asked:
            raise StartError(str(error)) from None
        return None
    record.solutions = True
    return found


def _bring_one(module: str, content: bytes, folder: Path, record: _Record, plain: bytes) -> Brought:
    path = folder / f"{module}.ipynb"
    new = _fingerprint(content)
    given = [*record.given.get(module, []), new]
    before = given[:-1]
    if new not in before:
        record.given[module] = given
    if (other := _fingerprint(plain)) not in record.given[module]:
        record.given[module].append(other)  # the same version without folds, so no news
    if not path.exists():
        atomic.write(path, content)
        return Brought(module, "copied", path)
    there = _fingerprint(path.read_bytes())
    if there == new:
        return Brought(module, "current", path)
    if there in before:
        atomic.write(path, content)
        return Brought(module, "updated", path)
    if not before:
        return Brought(module, "stranger", path)
    if new in before:
        return Brought(module, "kept", path)
    beside = _free_name(path, given)
    atomic.write(beside, content)
    return Brought(module, "beside", beside)


def _free_name(path: Path, given: list[str]) -> Path:
    """`attention-new.ipynb`, or with a number where somebody works in one of that name already."""
    number = 1
    while True:
        free = path.with_name(f"{path.stem}-new{f'-{number}' if number > 1 else ''}{path.suffix}")
        if not free.exists() or _fingerprint(free.read_bytes()) in given:
            return free
        number += 1


def _fingerprint(notebook: bytes) -> str:
    """Of all that a student can have done in a notebook; not of what Jupyter notes down on opening it."""
    try:
        done: Any = [
            [
                cell["cell_type"],
                "".join(cell["source"]),
                cell.get("outputs") or [],
                cell.get("attachments") or {},
            ]
            for cell in json.loads(notebook)["cells"]
        ]
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        done = None  # no notebook, so like none that the course gave
    return hashlib.sha256(json.dumps(done, sort_keys=True).encode()).hexdigest()


class _Record:
    """Which versions of each notebook the folder was given, as fingerprints."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.given: dict[str, list[str]] = {}
        self.solutions = False  # whether they have been asked for
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
            found, self.solutions = data["given"], data.get("solutions") is True
            self.given = {str(module): [str(one) for one in ones] for module, ones in found.items()}
        except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
            pass  # none yet, or broken: then what is there counts as the student's

    def save(self) -> None:
        kept: dict[str, Any] = {"schema": SCHEMA, "given": self.given}
        text = json.dumps({**kept, "solutions": True} if self.solutions else kept, indent=1)
        atomic.write(self.path, (text + "\n").encode())
