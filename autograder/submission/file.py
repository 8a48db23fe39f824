"""One file of what was handed in, be it in a folder, in a zip or in another system's export."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

from course.desk import mine_folder

Parts = tuple[str, ...]

KEPT = (mine_folder.FOLDER, mine_folder.RECORD)  # a student's own library, and what tells it from a student


@dataclass(frozen=True)
class File:
    """A file by its place in what was handed in, and where its bytes are. With a `problem`: nowhere.

    Without `parts` its place is a lie. The last one is empty for what stands for a folder as a whole, one
    that cannot be looked into. `unpack` is for a file in a zip, whose `path` is the zip's until
    then: it is told how many bytes there may be, and gives the new path, and a problem or ''.
    """

    parts: Parts
    path: Path
    problem: str = ""
    unpack: Callable[[int], tuple[Path, str]] | None = field(default=None, compare=False, repr=False)
    origin: Parts = field(default=(), compare=False)  # below the path on the command line; not if no zip is

    @property
    def place(self) -> PurePosixPath:
        return PurePosixPath(*self.parts)

    def unpacked(self, most: int) -> File:
        """The file where it can be read, of `most` bytes at most; raises `errors.Fault`."""
        if self.problem or self.unpack is None:
            return self
        path, problem = self.unpack(most)
        return replace(self, path=path, problem=problem, unpack=None)


def ignored(name: str) -> bool:
    """Whether a file or folder is nobody's work: hidden, a checkpoint, or what macOS adds to a zip."""
    return name.startswith(".") or name in ("__MACOSX", "__pycache__", "Thumbs.db", "desktop.ini")
