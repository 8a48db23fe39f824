"""Which lines of a Markdown text are code, and so are no links, lists or placeholders."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

_FENCE = re.compile(r"\s*(`{3,}|~{3,})")


def in_code(lines: Iterable[str]) -> Iterator[bool]:
    """For each line, whether it belongs to a fenced block, the fences themselves included."""
    fence = ""
    for line in lines:
        marked = _FENCE.match(line)
        inside = bool(fence) or marked is not None
        if marked and (not fence or marked[1].startswith(fence)):
            fence = "" if fence else marked[1]
        yield inside
