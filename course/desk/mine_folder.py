"""The folder `mine/`: where it is, and what is noted there of each answer that it keeps.

The file `mine/MODULE.py` is the truth, and a student's own to edit. The record beside it only remembers which
code was checked, and when: lost or broken, everything is checked once more.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from course.catalogue.syllabus import load
from course.desk import atomic, progress, settings
from course.desk.start import RECORD as STARTED

FOLDER = "mine"
EARLIER = "earlier"  # inside it: what has been replaced
RECORD, LOCK = ".kept.json", ".lock"
SCHEMA = 1


@dataclass(frozen=True)
class Kept:
    """What is known of one answer in the file.

    checked  when it passed, in UTC; empty if it never did
    code     fingerprint of all code that it is made of in the file, as it was checked
    given    fingerprint of the answer in the notebook that was kept last
    text     fingerprint of its section, as `check` wrote it
    problem  what its check said first; empty if it passes
    """

    checked: str = ""
    code: str = ""
    given: str = ""
    text: str = ""
    problem: str = ""


@dataclass(frozen=True)
class KeptModule:
    """What is known of `mine/MODULE.py`.

    file     fingerprint of the text that this is about
    problem  why it cannot be imported; empty if it can
    answers  by exercise
    """

    file: str = ""
    problem: str = ""
    answers: dict[str, Kept] = field(default_factory=dict)


def find(start: Path | None = None) -> Path | None:
    """Where the answers of a folder of notebooks are kept (by default of where we are). It need not exist.

    Beside the notebooks; or beside the folder, where that is one of nbgrader's, which has a module's notebook
    alone, so that `unet/` finds what was written in `attention/`. None where settings say so, or are broken.
    """
    here = (start or Path.cwd()).absolute()
    try:
        chosen = settings.folder_for_answers(here)
    except settings.SettingsError:
        return None
    if chosen is not None:
        return chosen or None
    own, above = here / FOLDER, here.parent / FOLDER
    if (here / progress.FOLDER / STARTED).is_file() or (own / RECORD).is_file():
        return own
    if (above / RECORD).is_file():
        return above
    of_a_module = here.name in {module.id for module in load().modules}
    return above if of_a_module and os.access(here.parent, os.W_OK) else own


def read(file: Path) -> str | None:
    """The text of a file in it, None where there is none.

    Raises OSError, and ValueError with a sentence for what is not UTF-8.
    """
    try:
        text = file.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        return None
    except UnicodeDecodeError as error:
        raise ValueError(f"{shown(file)} is not UTF-8 (byte {error.start}): save it as UTF-8") from None
    return text


def shown(path: Path) -> str:
    """A path as a student knows it: from where we are, if that is short."""
    try:
        near = Path(os.path.relpath(path)).as_posix()
    except ValueError:  # another drive
        return str(path)
    return near if near.count("../") <= 1 else str(path)


def fingerprint(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def load_record(folder: Path) -> dict[str, KeptModule]:
    """By module; empty where there is none, or a broken one."""
    try:
        data = json.loads((folder / RECORD).read_text(encoding="utf-8"))
        return {str(id): _module(kept) for id, kept in data["modules"].items()}
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return {}


def save_record(folder: Path, record: dict[str, KeptModule]) -> None:
    """Raises OSError."""
    modules = {id: asdict(kept) for id, kept in sorted(record.items())}
    text = json.dumps({"schema": SCHEMA, "modules": modules}, indent=1)
    atomic.write(folder / RECORD, (text + "\n").encode())


def put_aside(folder: Path, module: str, id: str, text: str) -> Path:
    """Keeps what is to be replaced under a name of its own; raises OSError."""
    home = folder / EARLIER / module
    stem = f"{id}-{datetime.now(UTC):%Y%m%dT%H%M%S}"
    number = 1
    while (path := home / f"{stem}{f'-{number}' if number > 1 else ''}.py").exists():
        number += 1
    atomic.write(path, text.encode())
    return path


def _module(data: Any) -> KeptModule:
    answers = {
        str(id): Kept(**{key: str(one[key]) for key in Kept.__dataclass_fields__ if key in one})
        for id, one in data["answers"].items()
    }
    return KeptModule(str(data["file"]), str(data.get("problem", "")), answers)


def on_day(when: str) -> str:
    """'30 November 2026', in local time."""
    try:
        day = datetime.fromisoformat(when).astimezone()
    except ValueError:
        return "a day that was not noted"
    return f"{day.day} {day:%B %Y}"
