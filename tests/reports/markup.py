"""Reads a page back as a browser would see it: its tags, attributes and text."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser

_VOID = {"meta", "wbr", "br", "hr", "img", "link", "input"}
_BLOCKS = {"p", "td", "th", "dt", "dd", "li", "h1", "h2", "h3", "summary", "title", "desc", "pre", "text"}
_DRAWN = {"rect", "line"}  # SVG shapes close themselves


@dataclass
class Page(HTMLParser):
    """A parsed page; raises AssertionError where tags do not nest."""

    tags: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in _VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in _DRAWN, f"<{tag}/> closes itself"
        self.tags.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        if tag in _BLOCKS:
            self.texts.append(" ")
        assert self._open, f"</{tag}> closes nothing"
        assert (last := self._open.pop()) == tag, f"</{tag}> closes <{last}>"

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    @property
    def text(self) -> str:
        """What a reader sees, with white space collapsed; the style sheet is left out."""
        return " ".join("".join(t for t in self.texts if ":root" not in t).split())

    @property
    def skeleton(self) -> list[tuple[str, tuple[str, ...]]]:
        """Tags and the names of their attributes: what a student's text must not be able to change."""
        return [(tag, tuple(attrs)) for tag, attrs in self.tags if tag != "wbr"]

    def values(self, attribute: str) -> list[str]:
        return [attrs[attribute] for _, attrs in self.tags if attribute in attrs]


def read(html: str) -> Page:
    page = Page()
    page.feed(html)
    page.close()
    assert not page._open, f"never closed: {page._open}"
    return page


def without_style(html: str) -> str:
    return re.sub(r"<style>.*?</style>", "<style></style>", html, flags=re.S)
