"""The fenced blocks of a Markdown text: what is in them is code, and so no link, list or placeholder."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

_OPENS = re.compile(r"(?P<indent>\s*)(?P<fence>`{3,}(?=[^`]*$)|~{3,})\s*(?P<info>.*?)\s*")


@dataclass(frozen=True)
class Block:
    """A block from its opening to its closing fence; `info` is what stands after the first."""

    indent: str
    fence: str
    info: str
    first: int  # the lines of the fences, counted from 1
    last: int
    lines: tuple[str, ...]  # between them
    closed: bool

    @property
    def language(self) -> str:
        return self.info.partition(" ")[0]

    @property
    def text(self) -> str:
        return "".join(f"{line}\n" for line in self.lines)


def blocks(lines: Sequence[str]) -> Iterator[Block]:
    """The blocks in these lines, in order. One that is never closed goes to the end, as in CommonMark."""
    opened, first = None, 0
    for number, line in enumerate(lines, start=1):
        if opened is None:
            opened, first = _OPENS.fullmatch(line), number
        elif line.strip().startswith(opened["fence"]) and not line.strip().strip(opened["fence"][0]):
            yield Block(
                **opened.groupdict(),
                first=first,
                last=number,
                lines=tuple(lines[first : number - 1]),
                closed=True,
            )
            opened = None
    if opened is not None:
        yield Block(
            **opened.groupdict(), first=first, last=len(lines), lines=tuple(lines[first:]), closed=False
        )


def in_code(lines: Sequence[str]) -> list[bool]:
    """For each line, whether it belongs to a block, the fences themselves included."""
    code = [False] * len(lines)
    for block in blocks(lines):
        code[block.first - 1 : block.last] = [True] * (block.last - block.first + 1)
    return code
