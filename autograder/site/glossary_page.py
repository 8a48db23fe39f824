"""The glossary, whole, and a module's part of it."""

from __future__ import annotations

import re

from ..content.course_root import CourseRoot
from .glossary import Term, load


def of_module(root: CourseRoot, module: str) -> str:
    """The words that a reader of this module meets."""
    words = load(root)
    return "\n\n".join(f"{term.term}\n:   {_definition(term)}" for term in words.of_module(module))


def all_words(root: CourseRoot) -> str:
    """All of them from A to Z, each with an anchor of its own, its module and what else to look up."""
    words = load(root)
    parts = []
    for term in sorted(words.terms, key=lambda term: term.term.casefold()):
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
