"""Shows a report where it is read: in colours in a terminal or a notebook, as plain text anywhere else.

Light to import, as `check` and `hint` are; rich is loaded for a terminal alone. `NO_COLOR` in the environment
leaves colours out: https://no-color.org.
"""

from __future__ import annotations

import html
import os
import sys
from typing import TYPE_CHECKING, Any

from course.checking.report import Report

if TYPE_CHECKING:
    from rich.console import Group

GREEN, RED, YELLOW = "green", "red", "yellow"
MARKS = {"✓": GREEN, "✗": RED, "!": YELLOW}
# Of these, each is seen on white and on black: a page in a notebook may have either behind it.
_ON_ANY_PAGE = {GREEN: "#2e9e4f", RED: "#e0524d", YELLOW: "#b58900"}
_BAR = 20  # characters
_DONE, _OPEN = "━", "·"  # told apart without colours, too


def say(said: Report | str) -> None:
    """Shows a report, or prints a text."""
    if isinstance(said, Report):
        if _in_a_notebook():
            from IPython.display import display

            both = {"text/plain": said.text(), "text/html": in_html(said)}
            about = {"text/html": {"only_colours": True}}  # a page that has its own colours takes the text
            display(both, metadata=about, raw=True)  # type: ignore[no-untyped-call]
            return
        if getattr(sys.stdout, "isatty", bool)():
            from rich.console import Console

            Console(file=sys.stdout).print(in_rich(said), soft_wrap=True)
            return
        said = said.text()
    try:
        print(said)
    except UnicodeEncodeError:  # a terminal whose encoding has no ticks and crosses
        plain = said.translate({ord("✓"): "+", ord("✗"): "x", ord("·"): "-", ord("→"): ">"})
        encoding = sys.stdout.encoding or "ascii"
        print(plain.encode(encoding, "replace").decode(encoding))


def _in_a_notebook() -> bool:
    """Whether a Jupyter kernel runs this, so that its front end chooses between text and HTML."""
    shell: Any = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return getattr(shell, "kernel", None) is not None


def in_rich(report: Report) -> Group:
    """The report for rich: marks in colours, the first problem bold, and a bar of the checks that hold."""
    from rich.console import Group
    from rich.text import Text

    lines = [Text(report.title, "bold")]
    for line in report.lines:
        mark, style = line[:1], "bold" if line.strip() == report.problem else ""
        shown = Text(f"  {line}", style)
        if mark in MARKS:
            shown.stylize(f"bold {MARKS[mark]}", 2, 3)
        lines.append(shown)
    if report.count > 1:
        lines[-1].append("  ").append_text(bar(report.hold, report.count))
    return Group(*lines)


def bar(done: float, of: float, width: int = _BAR) -> Any:
    """A bar as text of rich's: so much of it in green."""
    from rich.text import Text

    full = _full(done, of, width)
    return Text().append(_DONE * full, GREEN).append(_OPEN * (width - full), "bright_black")


def _full(done: float, of: float, width: int) -> int:
    """How much of a bar is full: all of it only where all is done, and none only where nothing is."""
    if done >= of or not done:
        return width if done else 0
    return min(max(round(width * done / of), 1), width - 1)


def in_html(report: Report) -> str:
    """The report as HTML for a page of any colour: the page's own foreground, and coloured marks."""

    def coloured(text: str, colour: str) -> str:
        if "NO_COLOR" in os.environ:
            return f"<b>{text}</b>"
        return f'<b style="color: {_ON_ANY_PAGE[colour]}">{text}</b>'

    lines = [f"<b>{html.escape(report.title)}</b>"]
    for line in report.lines:
        mark, text = line[:1], html.escape(line)
        if mark in MARKS:
            text = coloured(mark, MARKS[mark]) + html.escape(line[1:])
        elif line.strip() == report.problem:
            text = f"{line[: len(line) - len(line.lstrip())]}<b>{html.escape(line.strip())}</b>"
        lines.append(f"  {text}")
    if report.count > 1:
        full = _full(report.hold, report.count, _BAR)
        rest = f'<span style="opacity: 0.6">{_OPEN * (_BAR - full)}</span>'
        lines[-1] += f"  {coloured(_DONE * full, GREEN) if full else ''}{rest}"
    return f'<pre style="white-space: pre-wrap">{chr(10).join(lines)}</pre>'
