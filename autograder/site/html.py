"""Small pieces of HTML for the pages, escaped."""

from __future__ import annotations

from html import escape


def attributes(**values: str | int | None) -> str:
    """` name="value"` for each that is not None; `_` in a name is `-`, and nothing at its end (`class_`)."""
    return "".join(
        f' {name.rstrip("_").replace("_", "-")}="{escape(str(value))}"'
        for name, value in values.items()
        if value is not None
    )


def picture(source: str, alt: str, width: int | None = None, caption: str = "") -> str:
    """A picture in a frame of its own, for the eye and in words; `source` is relative to the page."""
    image = f"<img{attributes(src=source, alt=alt, width=width, loading='lazy')}>"
    below = f"<figcaption>{escape(caption)}</figcaption>" if caption else ""
    return f'<figure class="output picture">{image}{below}</figure>'
