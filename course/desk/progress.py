"""What a student's checks have found, and which hints they have read: one small JSON file in their folder.

It is theirs: nothing is sent anywhere, and nothing of it counts in grading. Whatever happens to the file,
`check` and `hint` go on working: a broken one is kept aside, and where nothing can be written, what is
recorded lasts as long as the notebook's kernel.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from course.checking.report import Report, State
from course.desk import atomic

FOLDER = ".course"
FILE = "progress.json"
SCHEMA = 1
_LONGEST = 300  # characters of a problem that are kept; a student's own error can have any number


@dataclass
class Entry:
    """About one exercise: how its last check went (`passed`, `failed`, `untouched`), and the hints read.

    What it found first is `check`, the name of one of the exercise's public checks or empty, and `problem`,
    the sentence. `hints` counts all that were read, those for what was found included; `told` names these.
    """

    state: str = ""
    checked: str = ""  # when, in UTC; empty: never
    hints: int = 0
    check: str = ""
    problem: str = ""
    told: list[str] = field(default_factory=list)


@dataclass
class Progress:
    """All entries, by `module/exercise`. `other` is what a later version of the course keeps in the file."""

    entries: dict[str, Entry] = field(default_factory=dict)
    other: dict[str, Any] = field(default_factory=dict)

    def of(self, key: str) -> Entry:
        """The entry of an exercise, an empty one if there is none."""
        return self.entries.get(key, Entry())


_unwritten: dict[Path, Progress] = {}


def folder(start: Path | None = None) -> Path:
    """Where the record of a folder of notebooks is (by default of where we are). It need not exist."""
    return (start or Path.cwd()).absolute() / FOLDER


def load(start: Path | None = None) -> Progress:
    """What is recorded. A file that cannot be understood is moved aside, and nothing is recorded any more."""
    path = folder(start) / FILE
    if path in _unwritten:
        return _unwritten[path]
    try:
        return _parse(path.read_text(encoding="utf-8"))
    except OSError:
        return Progress()
    except (ValueError, TypeError, AttributeError, RecursionError):
        with suppress(OSError):
            path.replace(path.with_name(f"progress-unreadable-{datetime.now(UTC):%Y%m%dT%H%M%S}.json"))
        return Progress()


def gather(start: Path | None = None) -> Progress:
    """What is recorded in a folder and in those inside it, such as one for each of nbgrader's assignments.

    Of an exercise with several records, the one checked last counts, and the most hints.
    """
    here = (start or Path.cwd()).absolute()
    gathered = load(here)
    for file in sorted(here.glob(f"*/{FOLDER}/{FILE}")):
        for key, entry in load(file.parent.parent).entries.items():
            known = gathered.of(key)
            latest = max(known, entry, key=lambda one: one.checked)
            gathered.entries[key] = replace(latest, hints=max(known.hints, entry.hints))
    return gathered


def record_checks(reports: Iterable[Report], start: Path | None = None) -> None:
    """Notes how the last check of each exercise went, all as of one moment, and what it found."""
    given = list(reports)
    if not given:
        return
    progress, now = load(start), _now()
    for report in given:
        entry = progress.entries.setdefault(report.key, Entry())
        entry.state, entry.checked = report.state, now
        failed = report.state == "failed"
        entry.check, entry.problem = (report.check, report.problem[:_LONGEST]) if failed else ("", "")
    _save(progress, start)


def record_check(key: str, state: State, start: Path | None = None) -> None:
    """As `record_checks`, of one exercise of which no more is known."""
    record_checks([Report("", key, state)], start)


def record_hint(key: str, start: Path | None = None, told: str = "") -> None:
    """Counts one more hint that was read; `told` is its name, if it is one for what was found."""
    progress = load(start)
    entry = progress.entries.setdefault(key, Entry())
    entry.hints += 1
    entry.told += [told] if told else []
    _save(progress, start)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _parse(text: str) -> Progress:
    data = json.loads(text)
    entries = {
        str(key): Entry(
            str(entry.get("state", "")),
            str(entry.get("checked", "")),
            int(entry.get("hints", 0)),
            str(entry.get("check", "")),
            str(entry.get("problem", "")),
            [str(name) for name in entry.get("told", [])],
        )
        for key, entry in data.get("exercises", {}).items()
    }
    return Progress(
        entries, {key: value for key, value in data.items() if key not in ("schema", "exercises")}
    )


def _save(progress: Progress, start: Path | None) -> None:
    path = folder(start) / FILE
    exercises = {key: vars(entry) for key, entry in sorted(progress.entries.items())}
    text = json.dumps({"schema": SCHEMA, "exercises": exercises, **progress.other}, indent=1)
    try:
        atomic.write(path, (text + "\n").encode())
        _unwritten.pop(path, None)
    except OSError:  # a folder that is not ours, a full disk
        _unwritten[path] = progress
