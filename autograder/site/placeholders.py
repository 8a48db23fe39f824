"""The places in a page of `docs/` that are filled from the course's own files.

A placeholder is a comment alone on its line, outside code:

    <!-- readings: before -->      a name, and after a colon what it needs to know, parted by `|`
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ..content.fences import in_code
from ..errors import ContentError

_LINE = re.compile(r"\s*<!--\s*(?P<name>[a-z][a-z-]*)\s*(?::\s*(?P<arguments>[^>]*?))?\s*-->\s*$")


@dataclass(frozen=True)
class Placeholder:
    """One of them, with the page and the line that it stands in."""

    page: str
    line: int
    name: str
    arguments: tuple[str, ...]

    def error(self, what: str) -> ContentError:
        return ContentError(f"docs/{self.page}, line {self.line}: {what}.")

    def only(self, *allowed: str) -> str:
        """The single argument, if it is one of `allowed`; raises ContentError."""
        if len(self.arguments) != 1 or self.arguments[0] not in allowed:
            raise self.error(f"`<!-- {self.name}: ... -->` takes one of {', '.join(allowed)}")
        return self.arguments[0]


Writer = Callable[[Placeholder], str]


def alone(text: Callable[[], str]) -> Writer:
    """Writes this text for a placeholder without arguments; raises ContentError if there is one."""

    def write(placeholder: Placeholder) -> str:
        if placeholder.arguments:
            raise placeholder.error(f"`<!-- {placeholder.name} -->` takes nothing after its name")
        return text()

    return write


def one_of(**texts: Callable[[], str]) -> Writer:
    """Writes the text that the placeholder's single argument names; raises ContentError for another."""
    return lambda placeholder: texts[placeholder.only(*texts)]()


def fill(text: str, page: str, writers: Mapping[str, Writer]) -> str:
    """The page with what its writer gives in the place of each placeholder; raises ContentError."""
    lines: list[str] = []
    given = text.splitlines()
    for number, (line, code) in enumerate(zip(given, in_code(given), strict=True), start=1):
        found = None if code else _LINE.match(line)
        if not found:
            lines.append(line)
            continue
        arguments = tuple(part.strip() for part in (found["arguments"] or "").split("|") if part.strip())
        placeholder = Placeholder(page, number, found["name"], arguments)
        if placeholder.name not in writers:
            known = ", ".join(sorted(writers))
            raise placeholder.error(f"nothing is called {placeholder.name!r} here; there are {known}")
        lines += ["", writers[placeholder.name](placeholder), ""]
    return "\n".join(lines) + "\n"
