"""What the core knows of another system's export of submissions: how to ask whether it is one, and whose."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from .file import File, Parts


@dataclass(frozen=True)
class HandedIn:
    """What was handed in together: whose it is, several names for a group, and what it consists of."""

    students: tuple[str, ...]
    place: Parts  # below the path on the command line
    files: list[File] = field(default_factory=list)


class Export(Protocol):
    """An export's layout, as a folder or a zip; a module with these names is one."""

    OWN_NAME: re.Pattern[str]  # how the system itself calls the folder or zip, its suffix left out

    def recognised(self, places: Sequence[Parts]) -> bool:
        """Whether all files, which lie at these places, are such an export.

        What students named may decide nothing here; only what the system itself named, at the top.
        """

    def handed_in(self, files: Mapping[Parts, File], shown: str) -> list[HandedIn]:
        """The submissions of an export, whose files lie at these places; `shown` is how messages name it.

        Raises `errors.UsageError` where the export itself is broken.
        """
