"""The bar of a training loop: in a notebook, on a terminal, in a file; never on stderr."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import nbformat
import pytest

from course.pictures.steps import counted, counting
from tests.kernels import execute

LOOP = """
from course.pictures.steps import counting
with counting(300, "pastel") as one_more:
    for _ in range(300):
        one_more("loss <b>0.5</b>")
"""


def run(count: int = 3) -> None:
    with counting(count, "pastel") as one_more:
        for _ in range(count):
            one_more("loss 0.5")


def test_in_a_file_there_is_one_line(capfd: pytest.CaptureFixture[str]) -> None:
    run()
    told = capfd.readouterr()
    assert told.out.endswith("pastel: 3 of 3 steps, loss 0.5, 0 s\n")
    assert told.out.count("\n") == 1
    assert told.err == ""


def test_on_a_terminal_the_line_is_written_again(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stdout", terminal := Terminal())
    run()
    shown = terminal.getvalue()
    assert "pastel: 1 of 3 steps, loss 0.5" in shown
    assert "pastel: 3 of 3 steps, loss 0.5" in shown
    assert shown.count("\n") == 1


def test_it_ends_its_line_when_the_loop_is_interrupted(capfd: pytest.CaptureFixture[str]) -> None:
    def interrupted() -> None:
        with counting(9, "pastel") as one_more:
            one_more()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert capfd.readouterr().out.endswith("pastel: 1 of 9 steps, 0 s\n")


@pytest.mark.slow
def test_in_a_notebook_one_output_is_replaced(tmp_path: Path) -> None:
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(LOOP)])
    execute(notebook, tmp_path)
    (output,) = notebook.cells[0].outputs
    assert output.output_type == "display_data"
    assert output.data.keys() == {"text/plain", "text/html"}
    assert "pastel: 300 of 300 steps, loss &lt;b&gt;0.5&lt;/b&gt;, " in output.data["text/html"]


def test_items_are_counted_one_after_another(capfd: pytest.CaptureFixture[str]) -> None:
    assert list(counted(["a", "b", "c"], "drawing")) == ["a", "b", "c"]
    assert capfd.readouterr().out == "━━━━━━━━━━━━━━━━━━━━ drawing: 3 of 3 steps, 0 s\n"


def test_no_bar_is_drawn_where_the_first_item_fails_or_there_is_none(
    capfd: pytest.CaptureFixture[str],
) -> None:
    assert next(iter(counted([1, 2], "drawing"))) == 1  # whoever fails here asks for no second one
    assert list(counted([], "drawing")) == []
    assert capfd.readouterr().out == ""
