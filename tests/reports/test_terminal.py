from __future__ import annotations

import io

import pytest
from rich.console import Console

from autograder.reports.outcomes import Outcome, outcome
from autograder.reports.terminal import summary_table
from autograder.results import Result

from . import examples


def printed(results: list[Result], *, colour: bool = False) -> str:
    out = io.StringIO()
    console = Console(file=out, width=100, force_terminal=colour, color_system="standard" if colour else None)
    console.print(summary_table(results, examples.SYLLABUS))
    return out.getvalue()


def row(text: str, student: str) -> str:
    """The student's line with white space collapsed."""
    return " ".join(next(line for line in text.splitlines() if student in line).split())


def test_a_row_says_points_outcomes_the_mistake_and_flags() -> None:
    text = printed(examples.small_class())
    assert row(text, "dmitri").startswith("dmitri-volkov 107.14/110 ½ ✓ ✓ ✓ ✓ ✓ ✓ The exponential")
    assert row(text, "jonas") == "jonas-lind 0/110 · · · · · · ·"
    assert row(text, "samir").startswith("samir-haddad 0/110 unreadable This file")
    assert row(text, "rosa").endswith("tampering, odd-answer")
    assert "22 submissions, 19 graded, median 98 points" in text


def test_it_fits_a_hundred_columns_and_is_plain_when_not_a_terminal() -> None:
    text = printed(examples.small_class())
    assert max(len(line) for line in text.splitlines()) <= 100
    assert "\x1b" not in text
    assert "\x1b[32m" in printed(examples.small_class(), colour=True)


def test_the_module_is_a_column_only_where_there_are_several() -> None:
    both = [examples.graded("ada"), examples.graded("ada", module=examples.NOISE)]
    assert "Module" in printed(both)
    assert "Module" not in printed(both[:1])


def test_neither_markup_nor_escape_codes_of_a_student_are_obeyed() -> None:
    text = printed([examples.graded("[red]x[/red]\x1b[2J")], colour=True)
    assert "[red]x[/red]␛[2J" in text


@pytest.mark.parametrize(
    ("points", "state", "expected"),
    [
        (10.0, "answered", Outcome.COMPLETE),
        (3.0, "answered", Outcome.PARTLY),
        (0.0, "answered", Outcome.NOT_YET),
        (0.0, "untouched", Outcome.UNTOUCHED),
        (0.0, "missing", Outcome.MISSING),
    ],
)
def test_outcomes(points: float, state: str, expected: Outcome) -> None:
    exercise = examples.graded("ada").exercises[0].model_copy(update={"points": points, "state": state})
    assert outcome(exercise) is expected
