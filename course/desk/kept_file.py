"""The text of `mine/MODULE.py`: its imports, then a section for each answer and for each of its helpers.

    # %% stable_softmax: A softmax that survives large numbers

begins a section, which editors show as a cell. What stands in sections of other names is the student's own
and stays where it is. Text goes in and text comes out; no file is touched here.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from course.cells import names

_MARK = re.compile(r"^# %%(?:[ \t]+(?P<id>\w*)(?P<rest>.*))?$", re.MULTILINE)


@dataclass(frozen=True)
class Section:
    """One section: `id` is an exercise's, a helper's name, or whatever a student wrote."""

    id: str
    title: str
    source: str

    @property
    def text(self) -> str:
        return f"# %% {self.id}{self.title}\n\n\n{self.source}\n"


@dataclass(frozen=True)
class KeptFile:
    """The file in its parts; `head` is what stands above the first section."""

    head: str = ""
    sections: tuple[Section, ...] = field(default_factory=tuple)

    @classmethod
    def parse(cls, text: str) -> KeptFile:
        """Never fails: a file without a section is all head."""
        marks = list(_MARK.finditer(text))
        ends = [*(mark.start() for mark in marks[1:]), len(text)]
        sections = tuple(
            Section(mark["id"] or "", (mark["rest"] or "").rstrip(), text[mark.end() : end].strip("\n"))
            for mark, end in zip(marks, ends, strict=False)
        )
        return cls(text[: marks[0].start()] if marks else text, sections)

    @property
    def text(self) -> str:
        """As it is written: two blank lines between sections."""
        return "\n\n".join([self.head.rstrip("\n") + "\n", *(one.text for one in self.sections)])

    def section(self, id: str) -> Section | None:
        return next((one for one in self.sections if one.id == id), None)

    def with_section(self, section: Section, order: Sequence[str]) -> KeptFile:
        """With this section in the place of the one of its id, or else where `order` has it."""
        section = replace(section, source=_no_marks(section.source))
        if self.section(section.id):
            found = (section if one.id == section.id else one for one in self.sections)
            return replace(self, sections=tuple(found))
        later = set(order[order.index(section.id) + 1 :])
        places = [place for place, one in enumerate(self.sections) if one.id in later]
        place = places[0] if places else len(self.sections)
        while place and self.sections[place - 1].title == HELPER:
            place -= 1
        return replace(self, sections=(*self.sections[:place], section, *self.sections[place:]))

    def with_helper(self, name: str, source: str, user: str) -> KeptFile:
        """With a helper above the section `user` that needs it, if it does not stand above it already."""
        helper = Section(name, HELPER, _no_marks(source))
        ids = [one.id for one in self.sections]
        at = ids.index(user)
        if name in ids[:at] and self.sections[ids.index(name)].title == HELPER:
            found = (helper if one.id == name and one.title == HELPER else one for one in self.sections)
            return replace(self, sections=tuple(found))
        above = self.sections[:at]
        below = tuple(one for one in self.sections[at:] if (one.id, one.title) != (name, HELPER))
        return replace(self, sections=(*above, helper, *below))

    def with_imports(self, lines: Iterable[str], about: str) -> tuple[KeptFile, tuple[str, ...]]:
        """With these imports in its head, and those that are left: they would change what a name means there.

        A head that nobody has edited is written anew, in the usual order. To another one lines are added.
        `about` is the docstring of a new file.
        """
        there = _imports_in(self.head)
        bound = {_bound(line): line for line in there}
        new = [line for line in lines if line not in there]
        left = tuple(line for line in new if bound.get(_bound(line), line) != line)
        new = [line for line in new if line not in left]
        if not self.head.strip() or self.head.strip() == _head(about, there).strip():
            return replace(self, head=_head(about, [*there, *new])), left
        head = self.head.rstrip("\n") + "\n" + "".join(f"{line}\n" for line in new) if new else self.head
        return replace(self, head=head), left


HELPER = " (used below)"


def _no_marks(source: str) -> str:
    """Without lines that would begin a section: cells of VS Code's within an answer."""
    return _MARK.sub(lambda mark: mark[0].replace("# %%", "#  %%", 1), source)


def _head(about: str, lines: Iterable[str]) -> str:
    """A docstring and imports: the standard library's, others', grouped by what they are imported from."""
    blocks: tuple[list[str], ...] = ([], [], [])
    members: dict[str, list[str]] = {}
    for line in dict.fromkeys(lines):
        module = line.split()[1]
        if line.startswith("from "):
            members.setdefault(module, []).append(line.partition(" import ")[2])
        else:
            blocks[_block(module)].append(line)
    for block in blocks:
        block.sort(key=lambda line: line.split()[1])
    for module in sorted(members):
        blocks[_block(module)].append(f"from {module} import {', '.join(sorted(members[module]))}")
    shown = ["\n".join(block) for block in blocks if block]
    return f'"""{about}"""\n\n' + "\n\n".join(shown) + ("\n" if shown else "")


def _block(module: str) -> int:
    if module == "__future__":
        return 0
    return 1 if module.partition(".")[0] in sys.stdlib_module_names else 2


def _imports_in(head: str) -> list[str]:
    """Each name that the head imports, as a line of its own; none, if it is no Python."""
    try:
        tree = names.parsed(head)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []
    found = []
    for statement in tree.body:
        if isinstance(statement, ast.Import | ast.ImportFrom):
            begin = "" if isinstance(statement, ast.Import) else f"from {statement.module} "
            for alias in statement.names:
                found.append(f"{begin}import {alias.name}{f' as {alias.asname}' if alias.asname else ''}")
    return found


def _bound(line: str) -> str:
    """The name that an import line binds; of `import torch.nn`, which only adds to `torch`, all of it."""
    name = line.rpartition(" import ")[2] if line.startswith("from ") else line.removeprefix("import ")
    return name.rpartition(" as ")[2]
