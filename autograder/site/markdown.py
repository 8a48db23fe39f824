"""A notebook's Markdown (CommonMark, as Jupyter has it) as Python-Markdown, which mkdocs has, wants it."""

from __future__ import annotations

import re

from ..content.fences import in_code

_OPEN = re.compile(r"\s*<details>\s*$")
_SUMMARY = re.compile(r"\s*(?:<details>\s*)?<summary>(?P<text>.*)</summary>\s*$")
_CLOSE = re.compile(r"\s*</details>\s*$")
_ITEM = re.compile(r" *(?:[-*+]|\d+[.)]) +\S")
_HEADING = re.compile(r"#{1,6} ")


def for_mkdocs(text: str) -> str:
    """The same text; folded parts become foldable blocks, and lists and formulas are set off."""
    lines: list[str] = []
    depth = 0
    given = text.splitlines()
    for line, code in zip(given, in_code(given), strict=True):
        if code:
            pass
        elif _OPEN.match(line):
            continue
        elif summary := _SUMMARY.match(line):
            title = summary["text"].replace('"', "&quot;")
            lines += ["", _indented(f'??? tip "{title}"', depth), ""]
            depth += 1
            continue
        elif _CLOSE.match(line):
            depth -= 1
            lines.append("")
            continue
        lines.append(_indented(line, depth))
    return "\n".join(_set_off(lines)) + "\n"


def with_anchors(text: str, id: str) -> str:
    """The text with `id` as the anchor of the heading it begins with, not one made from its words."""
    first, _, rest = text.partition("\n")
    return f"{first} {{ #{id} }}\n{rest}" if _HEADING.match(first) else text


def _indented(line: str, depth: int) -> str:
    return f"{'    ' * depth}{line}" if line.strip() else ""


def _set_off(lines: list[str]) -> list[str]:
    """The lines with an empty one before each list, and around each formula that has lines of its own.

    In Jupyter, both may follow a paragraph, or one another, at once.
    """
    made: list[str] = []
    in_list = in_formula = after_formula = False
    for line, code in zip(lines, in_code(lines), strict=True):
        text = "" if code else line.strip()
        item = not in_formula and bool(_ITEM.match(text))
        begins = text.startswith("$$") and not in_formula
        if made and made[-1].strip() and ((item and not in_list) or begins or after_formula):
            made.append("")
        in_list = item or (in_list and bool(text))
        after_formula = (begins or in_formula) and text.endswith("$$") and text != "$$" * begins
        in_formula = (begins or in_formula) and not after_formula
        made.append(line)
    return made
