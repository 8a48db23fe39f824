"""One file of what was handed in, be it in a folder, in a zip or in another system's export."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath

Parts = tuple[str, ...]


@dataclass(frozen=True)
class File:
    """A file by its place in what was handed in, and where its bytes are. With a `problem`: nowhere.

    Without `parts` its place is a lie. The last one is empty for what stands for a folder as a whole, one
    that cannot be looked into.
    """

    parts: Parts
    path: Path
    problem: str = ""

    @property
    def place(self) -> PurePosixPath:
        return PurePosixPath(*self.parts)
