"""Files that are either the old ones or the new ones, whatever happens in between."""

from __future__ import annotations

from pathlib import Path

from course.desk import atomic

from .errors import Fault


def write_atomically(path: Path, content: str | bytes, *, mode: int = 0o644) -> None:
    """Writes a file by rename, so that a reader sees the old one or the new one; raises Fault."""
    data = content.encode("utf-8") if isinstance(content, str) else content
    try:
        atomic.write(path, data, mode=mode)
    except OSError as error:
        raise Fault(f"{path}: cannot be written: {error.strerror or error}") from None
