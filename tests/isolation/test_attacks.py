"""No cheat changes a point, disturbs the next submission, or stops the run; at both levels."""

from __future__ import annotations

import pytest

from autograder.results import Result

from .attacks import ANSWERS, ATTACKS, ON_THE_LINE, OUTWARD, SLEEPERS
from .conftest import ROOT, Graders


def cheat(cell: str) -> dict[str, str]:
    """Every exercise answered with zeros, after the attack has run."""
    source = cell + ANSWERS
    names = ["scaled_dot_product_attention", "split_heads", "MultiHeadSelfAttention", "CrossAttention"]
    untouched = dict.fromkeys([*names, "SpatialSelfAttention", "attention_quiz"], "pass")
    return {"stable_softmax": source, **untouched}


def graded(graders: Graders, name: str) -> Result:
    """The cheat's result, graded once for all the tests that ask."""
    if name not in graders.results:
        graders.results[name] = graders.grade(cheat(ATTACKS[name]))
    return graders.results[name]


@pytest.mark.parametrize("name", ATTACKS)
def test_a_cheat_earns_nothing_and_leaves_nothing(graders: Graders, name: str) -> None:
    result = graded(graders, name)
    assert result.points == 0, [test.id for e in result.exercises for test in e.tests if test.passed]
    assert graders.points_of_an_honest_student() == 10


@pytest.mark.parametrize("name", OUTWARD)
def test_an_attack_on_the_machine_is_refused_without_an_error_of_ours(graders: Graders, name: str) -> None:
    """The attacks assert in the cell that nothing was reached."""
    result = graded(graders, name)
    assert [error.error.type for error in result.cell_errors] == []


@pytest.mark.parametrize("name", sorted(set(ON_THE_LINE) - {"closes the line"}))
def test_tampering_with_the_line_is_flagged_for_a_person(graders: Graders, name: str) -> None:
    result = graded(graders, name)
    assert "tampering" in {flag.kind for flag in result.flags}


def test_another_students_file_cannot_be_read(graders: Graders) -> None:
    other = graders.folder / "other" / "attention.ipynb"
    other.parent.mkdir(exist_ok=True)
    other.write_text("the other student's work")
    mine = graders.folder / "attention.ipynb"
    cell = f"""
for path in ({str(other)!r}, {str(mine)!r}, {str(ROOT.exercise_notebook("attention"))!r}):
    try:
        print(open(path).read()[:40])
    except OSError as refused:
        print("refused", refused.errno)
"""
    result = graders.grade(cheat(cell))
    assert result.stdout.count("refused") % 3 == 0
    assert result.stdout.strip()
    assert set(result.stdout.split()) <= {"refused", "2", "13"}


@pytest.mark.parametrize("name", SLEEPERS)
def test_a_sleeper_is_ended_by_wall_time(impatient: Graders, name: str) -> None:
    result = impatient.grade(cheat(SLEEPERS[name]))
    assert result.points == 0
    assert "wall-timeout" in {flag.kind for flag in result.flags}
    assert impatient.points_of_an_honest_student() == 10
