"""What folders are called that hold a student's results, and those that hold what is given back.

The first are for programs, so a hash decides; the second are for people, so the name does.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable

from ..submission.people import sha256

MAX_BYTES = 120  # of a name, so that the whole path is not too long for any file system

EARLIER = re.compile(r".*-[0-9a-f]{6}")  # what `earlier_name` gives

_SPECIAL = re.compile(r'[<>:"/\\|?*]')  # to Windows, whose users get these folders, too
_RESERVED = re.compile(r"(?:con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(?:\..*)?", re.IGNORECASE)
_HASHED = re.compile(r".*-[0-9a-f]{16}")
_JOINERS = "\u200c\u200d"  # Persian and Hindi are not written without


def folder_name(student: str) -> str:
    """A file name for any name: what is legible of it in ASCII, and 128 bits of a hash of all of it."""
    return f"{_slug(student)}-{sha256(student)[:32]}"


def earlier_name(student: str) -> str:
    """What it was called when 24 bits were thought to be enough: what was stored then is still found."""
    return f"{_slug(student)}-{sha256(student)[:6]}"


def feedback_folders(students: Iterable[str]) -> dict[str, str]:
    """The folder of each student's pages: the name as it is, in any script.

    Where a name had to be changed for some file system, or two would be one where case or Unicode's forms do
    not matter, a hash of the name follows. The order of the students changes nothing.
    """
    legible = {student: _legible(student) for student in students}
    count = Counter(map(_folded, legible.values()))
    return {
        student: name
        if name == student and count[_folded(name)] == 1 and not _HASHED.fullmatch(_folded(name))
        else f"{name}-{sha256(student)[:16]}"
        for student, name in legible.items()
    }


def _legible(student: str) -> str:
    """The name without what some file system would not take."""
    name = unicodedata.normalize("NFC", student)
    name = "".join("_" if _is_odd(character) else character for character in _SPECIAL.sub("_", name))
    name = name.encode()[:MAX_BYTES].decode("utf-8", "ignore").strip(" .")
    return f"_{name}" if not name or _RESERVED.fullmatch(name) else name


def _is_odd(character: str) -> bool:
    """Controls, lone surrogates, what nobody sees, and what has no meaning yet."""
    return character not in _JOINERS and (
        unicodedata.category(character) in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")
        or (character.isspace() and character != " ")
    )


def _folded(name: str) -> str:
    """The same for all names that some file system takes for one, and for some more."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold().upper()).casefold()


def _slug(student: str) -> str:
    plain = unicodedata.normalize("NFKD", student).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:40] or "student"
