"""The pages of the built site, as their links, anchors and texts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit


@dataclass
class Page:
    """One HTML file: its ids, what it links to, what a browser loads for it, and its pictures' words."""

    ids: list[str] = field(default_factory=list)
    links: list[str] = field(default_factory=list)
    loads: list[str] = field(default_factory=list)
    alts: dict[str, str | None] = field(default_factory=dict)
    text: str = ""


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.page = Page()
        self.silent = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.silent += tag in ("script", "style")
        if id := given.get("id"):
            self.page.ids.append(id)
        if tag == "a" and given.get("href"):
            self.page.links.append(given["href"] or "")
        if tag in ("script", "img", "iframe", "source", "video", "audio") and given.get("src"):
            self.page.loads.append(given["src"] or "")
        if tag == "link" and given.get("rel") in ("stylesheet", "icon", "preload", "preconnect"):
            self.page.loads.append(given["href"] or "")
        if tag == "img":
            self.page.alts[given.get("src") or ""] = given.get("alt")

    def handle_endtag(self, tag: str) -> None:
        self.silent -= tag in ("script", "style")

    def handle_data(self, data: str) -> None:
        if not self.silent:
            self.page.text += data


def read(site: Path) -> dict[str, Page]:
    """Name (from the site's root) → page, for every HTML file that is a page of its own."""
    pages = {}
    for path in sorted(site.rglob("*.html")):
        reader = _Reader()
        reader.feed(path.read_text(encoding="utf-8"))
        pages[path.relative_to(site).as_posix()] = reader.page
    return pages


def external(address: str) -> bool:
    return bool(urlsplit(address).scheme or urlsplit(address).netloc)


def broken(site: Path, pages: dict[str, Page]) -> Iterator[str]:
    """Links and loads within the site that lead to no file, or to no anchor of a page."""
    for name, page in pages.items():
        for address in (*page.links, *page.loads):
            parts = urlsplit(address)
            if external(address) or (not parts.path and not parts.fragment):
                continue
            root = site if parts.path.startswith("/") else (site / name).parent
            target = (root / unquote(parts.path).lstrip("/")).resolve() if parts.path else site / name
            if target.is_dir():
                target /= "index.html"
            if not target.is_file():
                yield f"{name}: {address} leads to no file"
            elif parts.fragment and target.suffix == ".html":
                ids = pages[target.relative_to(site.resolve()).as_posix()].ids if parts.path else page.ids
                if unquote(parts.fragment) not in ids:
                    yield f"{name}: {address} leads to no place on that page"
