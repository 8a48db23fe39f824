"""What a student is called: one spelling that can be shown, and no two students with the same."""

from __future__ import annotations

import hashlib
import unicodedata
from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import TypeVar

MAX_NAME = 120  # characters: longer ones are cut, with a hash of the whole

Key = TypeVar("Key", bound=Hashable)


def printable(text: str) -> str:
    """`text` with control characters, lone surrogates and the like spelled out, for terminals and JSON."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def sha256(text: str) -> str:
    """A hash of any text, also of one that UTF-8 cannot hold, as 64 hexadecimal digits."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def student(name: str) -> str:
    """One spelling of a name for each way in which file systems may store it."""
    shown = printable(unicodedata.normalize("NFC", name)).strip() or "unnamed"
    return shown if len(shown) <= MAX_NAME else f"{shown[:MAX_NAME]}… ({sha256(name)[:16]})"


def students(names: Iterable[str]) -> dict[str, str]:
    """What is shown of each of these folders' names.

    Of two that would look the same, as `ada` and `ada ` do, the one that is spelled as it is shown is called
    so, whatever the order, and the other by its characters.
    """
    spellings = {}
    for name in names:
        shown = student(name)
        spellings[name] = [shown] if name == shown else [shown, student(f"{shown} ({name!a})")]
    return told_apart(spellings)


def told_apart(spellings: Mapping[Key, Sequence[str]]) -> dict[Key, str]:
    """For each the first of its spellings that is nobody else's; after the last, a hash tells them apart."""
    chosen = dict.fromkeys(spellings, 0)
    while True:
        labels = {key: spellings[key][number] for key, number in chosen.items()}
        count = Counter(labels.values())
        further = [
            key for key, label in labels.items() if count[label] > 1 and chosen[key] + 1 < len(spellings[key])
        ]
        if not further:
            break
        for key in further:
            chosen[key] += 1
    entitled = {label: key for key, label in reversed(labels.items()) if chosen[key] == 0}
    return {
        key: label
        if count[label] == 1 or entitled.get(label) == key
        else f"{label} ({sha256(repr(key))[:16]})"
        for key, label in labels.items()
    }
