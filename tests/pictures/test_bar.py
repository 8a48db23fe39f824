"""The bar of a training loop: in a notebook, on a terminal, in a file; never on stderr."""

from __future__ import annotations

import io
import sys
from types import SimpleNamespace
from typing import Any

import pytest

from course.pictures import bar
from course.pictures.bar import Bar


@pytest.fixture(autouse=True)
def stopped_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a bar shows depends on the time that its loop takes: here it takes none."""
    monkeypatch.setattr(bar, "time", SimpleNamespace(monotonic=lambda: 100.0))


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def run(count: int = 3, note: str = "loss 0.5") -> None:
    with Bar(count, "pastel") as shown:
        for _ in range(count):
            shown.advance(note)


def test_in_a_file_there_is_one_line(capfd: pytest.CaptureFixture[str]) -> None:
    run()
    told = capfd.readouterr()
    assert told.out == "pastel: 3 of 3 steps, loss 0.5, 0 s\n"
    assert told.err == ""


def test_on_a_terminal_the_line_is_written_again(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    run()
    lines = terminal.getvalue().split("\r")
    assert lines[1].startswith("pastel: 1 of 3 steps, loss 0.5")
    assert lines[-1] == "pastel: 3 of 3 steps, loss 0.5, 0 s\n"


def test_a_shorter_line_covers_a_longer_one(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    with Bar(2, "pastel") as shown:
        shown.advance("a long note that is not repeated")
        shown.advance("")
    longest, last = terminal.getvalue().split("\r")[1:]
    assert len(last.rstrip("\n")) == len(longest)


def test_in_a_notebook_one_output_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    import IPython.display

    shown: list[Any] = []

    class Handle:
        update = shown.append

    def display(state: Any, display_id: bool) -> type[Handle]:
        assert display_id
        shown.append(state)
        return Handle

    monkeypatch.setattr(bar, "_in_a_notebook", lambda: True)
    monkeypatch.setattr(IPython.display, "display", display)
    run()
    assert repr(shown[0]) == "pastel: 0 of 3 steps, 0 s"
    assert repr(shown[-1]) == "pastel: 3 of 3 steps, loss 0.5, 0 s"
    assert '<progress value="1.000"' in shown[-1]._repr_html_()


def test_what_is_shown_is_text_and_no_html(monkeypatch: pytest.MonkeyPatch) -> None:
    state = bar._State("<b>loss</b>", 0.5)
    assert "<b>" not in state._repr_html_()


def test_it_ends_its_line_when_the_loop_is_interrupted(capfd: pytest.CaptureFixture[str]) -> None:
    def interrupted() -> None:
        with Bar(9, "pastel") as shown:
            shown.advance()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert capfd.readouterr().out == "pastel: 1 of 9 steps, 0 s\n"
