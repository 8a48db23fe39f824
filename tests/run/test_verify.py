"""The seeds that `verify` is asked for, and the table of what it found."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from autograder.errors import UsageError
from autograder.proof.finding import Finding
from autograder.reports.terminal import verify_table
from autograder.run.verify import seeds_of
from tests.reports import examples


@pytest.mark.parametrize(
    ("asked", "seeds"), [("1", [0]), ("3", [0, 1, 2]), ("1-3", [1, 2, 3]), ("0-0", [0]), ("7-7", [7])]
)
def test_seeds_are_a_number_of_them_or_a_range(asked: str, seeds: list[int]) -> None:
    assert list(seeds_of(asked)) == seeds


@pytest.mark.parametrize("asked", ["0", "3-1", "-1", "1-", "some", ""])
def test_no_seed_at_all_is_told_in_a_sentence(asked: str) -> None:
    with pytest.raises(UsageError, match="is neither a number of seeds, like 10, nor a range, like 1-9"):
        seeds_of(asked)


def found(kind: str, *, ok: bool = True) -> Finding:
    module = examples.SYLLABUS.modules[0]
    return Finding(module.id, module.exercises[0].id, kind, "it", 0, "process", ok, "" if ok else "no")


def test_the_table_has_a_column_for_each_kind_that_was_tried_and_says_what_it_cost() -> None:
    out = io.StringIO()
    findings = [found("reference"), found("mistake"), found("mistake", ok=False), found("public")]
    Console(file=out, width=100).print(verify_table(findings, {"small": 14.6}, examples.SYLLABUS))
    heading, row = (
        line.split() for line in out.getvalue().splitlines() if "reference" in line or "/" in line
    )
    assert heading == ["Exercise", "reference", "mistake", "public"]
    assert row[1:] == ["1/1", "1/2", "1/1"]
    assert "3 of 4 findings as they must be (75%)" in out.getvalue()
    assert "CPU seconds: small 15" in out.getvalue()
