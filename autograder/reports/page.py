"""Fills the HTML templates. Two guards stand here once, so that no template can forget them:

every value is escaped (jinja2's autoescape), and every string first goes through `text.sentence`.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from . import text


def _guard(value: Any) -> Any:
    if isinstance(value, Markup):  # made by a macro or by `text`, escaped there
        return value
    if isinstance(value, str):
        return text.sentence(value)
    return text.number(value) if isinstance(value, float) else value


def _excerpt(value: str, lines: int = text.MOST_LINES) -> Markup:
    return escape(text.excerpt(value, lines))  # bounded already, and longer than `_guard` would let through


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("autograder.reports"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_guard,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        prose=text.prose,
        paragraphs=text.paragraphs,
        breakable=text.breakable,
        excerpt=_excerpt,
    )
    css = files("autograder.reports").joinpath("templates", "report.css").read_text(encoding="utf-8")
    environment.globals.update(css=Markup(css), count=text.count)
    return environment


def render(template: str, **values: Any) -> str:
    """The page that `templates/<template>` makes of these values; encodable as UTF-8 whatever they hold."""
    return _environment().get_template(template).render(**values)
