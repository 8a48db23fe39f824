"""Makes text that a student's program wrote safe and readable: nothing in it stays hidden or endless.

Escaping for HTML is the template engine's work (`page.py`); this is about what escaping leaves alone:
control characters, characters that reorder or hide what surrounds them, and sheer length.
"""

from __future__ import annotations

import re
import unicodedata

from markupsafe import Markup

LONGEST_SENTENCE = 2_000
LONGEST_LINE = 400
MOST_LINES = 200

_REVEALED = {"Cc", "Cf", "Cs", "Zl", "Zp"}  # controls, formatting (bidi overrides), surrogates, odd newlines
_LEFT_ALONE = set("\n\t\u200c\u200d")  # Persian, Hindi and emoji need the two joiners
_ACCENTS = "[\u0300-\u036f\u0483-\u0489\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]"
_PILE = re.compile(f"({_ACCENTS}{{4}}){_ACCENTS}+")
_CODE = re.compile(r"`([^`\n]+)`")
_WORD_ENDS = re.compile(r"(?<=[_.])(?=\w)|(?<=[a-z])(?=[A-Z])")


def visible(text: str) -> str:
    """The text with every character that would act instead of being read replaced by a name for it.

    A terminal escape becomes ␛, a NUL ␀, a right-to-left override ‹U+202E›, a lone surrogate ‹U+D800›.
    Accents piled more than four high, which would print over the lines around, are cut to four.
    """
    text = text.replace("\r\n", "\n")
    acting = {c for c in set(text) - _LEFT_ALONE if unicodedata.category(c) in _REVEALED}
    return _PILE.sub(r"\1", text.translate({ord(c): _name(c) for c in acting}))


def _name(character: str) -> str:
    code = ord(character)
    if code < 0x20:
        return chr(0x2400 + code)
    return "␡" if code == 0x7F else f"‹U+{code:04X}›"


def sentence(text: str, longest: int = LONGEST_SENTENCE) -> str:
    """`visible` text of bounded length; what was left out is counted."""
    cut = len(text) - longest
    return visible(text) if cut <= 0 else f"{visible(text[:longest])} … ({cut:,} more characters)"


def excerpt(text: str, lines: int = MOST_LINES, columns: int = LONGEST_LINE) -> str:
    """`visible` output of bounded size: long lines are cut, of many lines the first and last are kept."""
    every = text.replace("\r\n", "\n").rstrip("\n").split("\n")
    if len(every) > lines:
        tail = lines // 4
        left_out = f"… {len(every) - lines:,} lines left out …"
        every = [*every[: lines - tail], left_out, *every[len(every) - tail :]]
    return "\n".join(sentence(line, columns) for line in every)


def prose(text: str) -> Markup:
    """A sentence as HTML: escaped, with `names in backticks` set as code."""
    parts = _CODE.split(sentence(text))
    return Markup("").join(
        Markup("<code>{}</code>").format(part) if place % 2 else part for place, part in enumerate(parts)
    )


def paragraphs(text: str) -> Markup:
    """Sentences as HTML paragraphs, parted where the text has blank lines."""
    blocks = [block for block in re.split(r"\n\s*\n", sentence(text)) if block.strip()]
    return Markup("").join(Markup("<p>{}</p>").format(prose(block.strip())) for block in blocks)


def breakable(identifier: str) -> Markup:
    """A long Python name as HTML that may be broken between its words."""
    return Markup("<wbr>").join(_WORD_ENDS.split(sentence(identifier)))


def number(value: float) -> str:
    """Points for people: two decimals at most, no trailing zeros."""
    return f"{value:.2f}".rstrip("0").rstrip(".")


def count(n: int, one: str, many: str = "") -> str:
    """`1 student`, `3 students`, `1,000 students`."""
    return f"{n:,} {one if n == 1 else many or one + 's'}"
