"""A report in colours where colours are shown, and the same words anywhere."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook
from rich.console import Console

import course
from course.checking.report import Report
from course.checking.shown import bar, in_html, in_rich, say
from tests.kernels import execute

ROOT = str(Path(course.__path__[0]).parent)
WRONG = Report(
    "stable_softmax · A softmax",
    "attention/stable_softmax",
    lines=[
        "✓ Scores become <shares>.",
        "✗ Nothing overflows.",
        "    there is [NaN] in it",
        "1 of 2 checks hold.",
    ],
    problem="there is [NaN] in it",
    hold=1,
    count=2,
)


def on_a_terminal(report: Report, **settings: Any) -> str:
    file = io.StringIO()
    Console(file=file, force_terminal=True, color_system="standard", **settings).print(in_rich(report))
    return file.getvalue()


def test_a_terminal_has_marks_in_colours_the_problem_bold_and_a_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    lines = on_a_terminal(WRONG).splitlines()
    assert lines[0] == "\x1b[1mstable_softmax · A softmax\x1b[0m"
    assert lines[1] == "  \x1b[1;32m✓\x1b[0m Scores become <shares>."
    assert lines[2] == "  \x1b[1;31m✗\x1b[0m Nothing overflows."
    assert lines[3] == "\x1b[1m      there is [NaN] in it\x1b[0m"
    assert lines[4] == f"  1 of 2 checks hold.  \x1b[32m{'━' * 10}\x1b[0m\x1b[90m{'·' * 10}\x1b[0m"


def test_no_color_leaves_the_colours_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    shown = on_a_terminal(WRONG)
    assert re.search(r"\x1b\[(\d;)?[39]\d", shown) is None
    assert re.sub(r"\x1b\[\d*m| *━+·+", "", shown) == WRONG.text() + "\n"
    assert "color" not in in_html(WRONG)


def test_html_escapes_what_is_said_and_takes_the_pages_own_foreground(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    page = in_html(WRONG)
    assert "Scores become &lt;shares&gt;." in page
    assert "    <b>there is [NaN] in it</b>" in page
    assert re.findall(r'<b style="color: #[0-9a-f]{6}">(.*?)</b>', page) == ["✓", "✗", "━" * 10]
    bare = re.sub(r" *━+·+", "", re.sub(r"<[^>]+>", "", page)).replace("&lt;", "<").replace("&gt;", ">")
    assert bare == WRONG.text()


@pytest.mark.parametrize(
    ("done", "of", "full"), [(0, 6, 0), (1, 100, 1), (3, 6, 10), (99, 100, 19), (6, 6, 20), (0, 0, 0)]
)
def test_a_bar_is_full_only_where_all_is_done_and_empty_only_where_nothing_is(
    done: int, of: int, full: int
) -> None:
    shown = bar(done, of)
    assert shown.plain == "━" * full + "·" * (20 - full)
    assert sum(span.end - span.start for span in shown.spans if span.style == "green") == full


def test_anywhere_else_it_is_plain_text(capsys: pytest.CaptureFixture[str]) -> None:
    say(WRONG)
    assert capsys.readouterr().out == WRONG.text() + "\n"


def test_a_notebook_is_given_both_and_hint_follows_check(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", ROOT)
    monkeypatch.delenv("COURSE_HINTS", raising=False)
    answer = "def stable_softmax(x, dim):\n    return torch.softmax(x, dim)"
    cells = ["import torch\nfrom course import check, hint", answer, "check(stable_softmax)", "hint()"]
    notebook = new_notebook(cells=[new_code_cell(cell) for cell in cells])
    execute(notebook, tmp_path, allow_errors=True)
    shown, error = notebook.cells[2].outputs
    asked = r"  ✗ this exercise asks you to write .* yourself: `torch.softmax` \(.*2.*\) does it for you"
    assert re.search(asked, shown.data["text/plain"])
    assert "</b> this exercise asks you to write" in shown.data["text/html"]
    assert shown.metadata == {"text/html": {"only_colours": True}}
    assert error.ename == "CheckFailed"
    (hint,) = notebook.cells[3].outputs
    assert hint.text.startswith("stable_softmax · for what check found\n  ✗ this exercise asks you to write")
    assert "Go back to the formula" in " ".join(hint.text.split())
    nbformat.validate(notebook)
