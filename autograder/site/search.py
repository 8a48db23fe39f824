"""Keeps out of the search what nobody looks for in words: the source of formulas, and a notebook's code.

Material's search leaves out every element with `data-search-exclude`.
"""

from __future__ import annotations

import re

_LEFT_OUT = re.compile(
    r'<(?P<tag>span|div) class="(?P<classes>arithmatex|(?:cell(?: yours| check)?|output) highlight)">'
)


def words_only(html: str) -> str:
    """The page's HTML with formulas, a notebook's cells and what these print marked as not to be searched."""
    return _LEFT_OUT.sub(r'<\g<tag> class="\g<classes>" data-search-exclude>', html)
