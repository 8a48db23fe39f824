"""Small pieces of HTML for the pages, escaped."""

from __future__ import annotations

import re
from html import escape


def attributes(**values: str | int | None) -> str:
    """` name="value"` for each that is not None; `_` in a name is `-`, and nothing at its end (`class_`)."""
    return "".join(
        f' {name.rstrip("_").replace("_", "-")}="{escape(str(value))}"'
        for name, value in values.items()
        if value is not None
    )


def lines_of_code(page: str) -> str:
    """The page with a class on each line of code, for Pygments's ids, which each block has anew."""
    return re.sub(r'<span id="__span-[\d-]+">', '<span class="code-line">', page)


def picture(source: str, alt: str, width: int | None = None, caption: str = "", dark: str = "") -> str:
    """A picture in a frame of its own, for the eye and in words; `source` is relative to the page.

    `dark` is what stands in its place on a dark page: Material's style sheet shows one of the two.
    """
    shown = {f"{source}#only-light": alt, f"{dark}#only-dark": alt} if dark else {source: alt}
    images = "".join(
        f"<img{attributes(src=each, alt=words, width=width, loading='lazy')}>"
        for each, words in shown.items()
    )
    below = f"<figcaption>{escape(caption)}</figcaption>" if caption else ""
    return f'<figure class="output picture">{images}{below}</figure>'
