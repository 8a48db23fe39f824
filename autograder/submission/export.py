"""What the core knows of another system's export of submissions: how to ask whether it is one, and whose."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from .file import File, Parts


@dataclass(frozen=True)
class HandedIn:
    """One submission: whose it is, several names for a group, and what it consists of."""

    students: tuple[str, ...]
    place: Parts  # below the path on the command line
    files: list[File] = field(default_factory=list)


class Export(Protocol):
    """An export's layout, as a folder or a zip; a module with these names is one."""

    ALSO: Mapping[str, int]  # suffixes of what it has beside submissions, and the bytes that one may have

    def recognised(self, places: Sequence[Parts]) -> bool:
        """Whether files at these places are such an export."""

    def handed_in(self, files: Mapping[Parts, File], shown: str) -> list[HandedIn]:
        """The submissions of an export, whose files lie at these places; `shown` is how messages name it.

        Raises `errors.UsageError` where the export itself is broken.
        """
