"""How much of its points a known mistake may keep."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from autograder.proof.finding import Finding
from autograder.proof.shares import unfair
from autograder.reports.terminal import shares_table
from autograder.results import ExerciseResult, TestResult
from autograder.testing import Answer
from autograder.testing.marks import Stakes


def result(points: float, *failed: str) -> ExerciseResult:
    tests = [
        TestResult(id=f"f.{name}", title=name, kind="value", passed=name not in failed, weight=1)
        for name in ("right", "gradients", "same_in_eval")
    ]
    return ExerciseResult(id="f", title="F", points=points, max_points=10, state="answered", tests=tests)


def mistake(*, stakes: Stakes = "", only_hidden: bool = False) -> Answer:
    return Answer("f", "Wrong", "wrong", "Look.", "f", None, False, only_hidden, stakes)


@pytest.mark.parametrize(
    ("points", "failed", "of", "said"),
    [
        (9.9, ["right"], mistake(), ""),
        (0, ["right"], mistake(), ""),
        (6.67, ["right"], mistake(stakes="trap"), ""),
        (7, ["right"], mistake(stakes="trap"), "keeps 70% of the points, and may keep 67%: it is what"),
        (7.5, ["gradients"], mistake(), ""),
        (9.3, ["gradients"], mistake(), "keeps 93% of the points, and may keep 75%: no right gradient"),
        (7, ["gradients"], mistake(stakes="trap"), "keeps 70% of the points, and may keep 67%: it is what"),
        (
            9,
            ["same_in_eval"],
            mistake(),
            "keeps 90% of the points, and may keep 88%: it is right in training",
        ),
        (5, ["right"], mistake(only_hidden=True), ""),
        (4.9, ["right"], mistake(only_hidden=True), "keeps 49% of the points, and the notebook is green"),
        (4.9, ["right"], mistake(stakes="slip"), "keeps 49% of the points, and is a slip"),
    ],
)
def test_a_share_that_no_teacher_would_defend_is_told(
    points: float, failed: list[str], of: Answer, said: str
) -> None:
    found = unfair(result(points, *failed), of)
    assert found.startswith(said) if said else not found


def test_the_list_has_who_keeps_most_first_and_how_it_differs_between_seeds() -> None:
    findings = [
        Finding("m", "f", "mistake", id, seed, "process", True, kept=kept)
        for id, seed, kept in (("Small", 0, 0.9), ("Large", 0, 0.0), ("Drawn", 0, 0.5), ("Drawn", 1, 0.95))
    ]
    out = io.StringIO()
    Console(file=out, width=100).print(
        shares_table([*findings, Finding("m", "f", "stub", "stub", 0, "process", True)])
    )
    rows = [line.split() for line in out.getvalue().splitlines() if "%" in line]
    assert rows == [["m.f", "Drawn", "50%", "to", "95%"], ["Small", "90%"], ["Large", "0%"]]
