"""`docs/glossary.yaml`, the field's words, each with the module in which it is met first; and its pages."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import yaml
from pydantic import BaseModel, Field

from course.catalogue import syllabus, yaml_lines

from ..content.course_root import CourseRoot
from ..errors import ContentError

FILE = Path("docs", "glossary.yaml")

Text = Annotated[str, Field(min_length=1)]


class Term(BaseModel, extra="forbid", frozen=True):
    """One word and what it means, in Markdown; `see` are other terms, written as they are there."""

    term: Text
    module: str
    definition: Text
    see: tuple[str, ...] = ()


class Glossary(BaseModel, extra="forbid", frozen=True):
    """All terms, in the order of the file: that of the modules, and in a module that of its lesson."""

    terms: tuple[Term, ...] = Field(min_length=1)

    def of_module(self, module: str) -> tuple[Term, ...]:
        """The terms of one module; none if it has none."""
        return tuple(term for term in self.terms if term.module == module)


def parse(text: str, source: str = "glossary.yaml") -> Glossary:
    """A validated glossary; raises ContentError with file and line.

    Terms are unique whatever their capitals, `see` names other terms, and the module is one of the course's
    syllabus, written or planned.
    """
    glossary = yaml_lines.parse(Glossary, text, source, ContentError)
    if fault := _fault(glossary):
        number, what = fault
        line = yaml_lines.line_of(yaml.compose(text, Loader=yaml.SafeLoader), ("terms", number))
        raise ContentError(f"{source}, line {line}: {what}")
    return glossary


def load(root: CourseRoot) -> Glossary:
    """The course's glossary; raises ContentError."""
    path = root.path / FILE
    return parse(root.read(path), root.relative(path))


def _fault(glossary: Glossary) -> tuple[int, str] | None:
    """The first term that does not fit the others or the syllabus, and what is wrong with it."""
    modules = [module.id for module in syllabus.load().road]
    known = {term.term for term in glossary.terms}
    seen: dict[str, str] = {}
    for number, term in enumerate(glossary.terms):
        if term.module not in modules:
            return number, (
                f"{term.term!r} belongs to module {term.module!r}: choose one of {', '.join(modules)}."
            )
        if (earlier := seen.get(term.term.casefold())) is not None:
            return number, f"{term.term!r} stands above already, as {earlier!r}: keep one of the two."
        seen[term.term.casefold()] = term.term
        for other in term.see:
            if other == term.term:
                return number, f"{term.term!r} refers to itself: leave it out of `see`."
            if other not in known:
                return number, (
                    f"{term.term!r} refers to {other!r}, which is no term: write it as the term is written."
                )
    return None


def of_module(root: CourseRoot, module: str) -> str:
    """The words that a reader of this module meets."""
    words = load(root).of_module(module)
    return "\n\n".join(f"{term.term}\n:   {_definition(term)}" for term in words)


def all_words(root: CourseRoot) -> str:
    """All of them from A to Z, each with an anchor of its own, its module and what else to look up."""
    parts = []
    for term in sorted(load(root).terms, key=lambda term: term.term.casefold()):
        see = ", ".join(f"[{other}](#{_anchor(other)})" for other in term.see)
        more = f" See {see}." if see else ""
        title = root.syllabus.module(term.module).title
        where = f' <span class="chip">[{title}](modules/{term.module}/index.md)</span>'
        anchor = f'<span id="{_anchor(term.term)}"></span>'
        parts.append(f"{anchor}{term.term}{where}\n:   {_definition(term)}{more}")
    return "\n\n".join(parts)


def _definition(term: Term) -> str:
    return " ".join(term.definition.split())


def _anchor(term: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", term.casefold()).strip("-")
