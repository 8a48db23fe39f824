"""Reads who handed in which submission out of Gradescope's `submission_metadata.yml`.

Ruby wrote it: its keys are symbols (`:submitters`), dates may be objects of a class. Nothing is made of
either: every value is a string here, and no tag means anything.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from .. import errors

MAX_BYTES = 64_000_000  # an export has it once, and it lists everybody

_LOADER: Any = getattr(yaml, "CBaseLoader", yaml.BaseLoader)


@dataclass(frozen=True)
class Submitter:
    """A student of Gradescope's. `folder` is of the submission, where nothing else says who it is."""

    name: str
    number: str = ""
    address: str = ""
    folder: str = ""

    @property
    def key(self) -> tuple[str, ...]:
        """Who it is; the name is not asked."""
        return self.number, self.address, self.folder


def load(path: Path, shown: str) -> dict[str, tuple[Submitter, ...]]:
    """Folder → submitters; raises `errors.UsageError` naming `shown`, and `errors.Fault`."""
    try:
        if path.stat().st_size > MAX_BYTES:
            raise errors.UsageError(f"{shown} is larger than {MAX_BYTES / 1e6:.0f} MB: export fewer students")
        data = yaml.load(path.read_bytes(), Loader=_LOADER)
    except OSError as error:
        raise errors.Fault(f"{shown} could not be read: {error.strerror or error}") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f" (line {mark.line + 1})" if mark is not None else ""
        raise errors.UsageError(f"{shown} is no YAML{where}: download the export again") from None
    if not isinstance(data, dict):
        raise errors.UsageError(f"{shown} does not list submissions: download the export again")
    return {folder: _submitters(folder, entry) for folder, entry in data.items() if isinstance(folder, str)}


def _submitters(folder: str, entry: object) -> tuple[Submitter, ...]:
    listed = entry.get(":submitters") if isinstance(entry, dict) else None
    found = []
    for one in listed if isinstance(listed, list) else []:
        if isinstance(one, dict):
            name, number, address = (_text(one.get(key)) for key in (":name", ":sid", ":email"))
            if said := name or address or number:
                found.append(Submitter(said, number, address, "" if number or address else folder))
    return tuple(dict.fromkeys(found))


def _text(value: object) -> str:
    text = value if isinstance(value, str) else ""
    return unicodedata.normalize("NFC", " ".join(text.split()))
