"""What a student expected of a demo, written down before it ran: a small JSON file beside `progress.json`.

It is theirs: it is sent nowhere and counts for nothing. Where nothing can be written, it lasts as long as the
kernel.
"""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path

from course.desk import atomic, progress

FILE = "predictions.json"  # in the folder's `.course`
SCHEMA = 1

_unwritten: dict[Path, dict[str, str]] = {}


def load(start: Path | None = None) -> dict[str, str]:
    """All that were written down in a folder (by default where we are), by key; none of a broken file."""
    path = progress.folder(start) / FILE
    if path in _unwritten:
        return dict(_unwritten[path])
    try:
        found = json.loads(path.read_text(encoding="utf-8"))["predictions"]
        return {str(key): str(text) for key, text in found.items()}
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return {}


def record(key: str, text: str, start: Path | None = None) -> None:
    """Keeps a prediction, in the place of an earlier one of this key. A broken file is kept aside first."""
    path = progress.folder(start) / FILE
    kept = load(start)
    if not kept and path.is_file():
        with suppress(OSError):
            path.replace(path.with_name("predictions-unreadable.json"))
    kept[key] = text
    content = json.dumps({"schema": SCHEMA, "predictions": dict(sorted(kept.items()))}, indent=1)
    try:
        atomic.write(path, f"{content}\n".encode())
        _unwritten.pop(path, None)
    except OSError:  # a folder that is not ours, a full disk
        _unwritten[path] = kept
