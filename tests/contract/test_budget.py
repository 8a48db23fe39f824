"""What a submission may use, as a syllabus or a command line asks for it."""

from __future__ import annotations

import pytest

from autograder.contract.budget import Budget, Limits, limits_of
from autograder.errors import BudgetSpent
from course.catalogue.syllabus import Allowances


def test_what_is_not_asked_for_is_as_usual() -> None:
    assert limits_of({}) == Limits()
    assert limits_of({}).unusual == {}


def test_every_allowance_changes_something() -> None:
    for name in Allowances.model_fields:
        assert limits_of({name: 3}) != Limits(), name


def test_sizes_are_in_the_units_of_a_person() -> None:
    limits = limits_of({"memory": 4096, "messages": 100, "stdout": 128})
    assert (limits.memory, limits.submission_bytes, limits.stdout) == (4 << 30, 100 << 20, 128 << 10)


def test_a_slower_machine_has_more_of_all_times_and_of_nothing_else() -> None:
    limits = limits_of({"slower": 2, "call_cpu": 10})
    assert limits.call_cpu == 20
    assert (limits.cell_cpu, limits.submission_wall) == (2 * Limits.cell_cpu, 2 * Limits.submission_wall)
    assert (limits.memory, limits.wall_factor) == (Limits.memory, Limits.wall_factor)


def test_what_the_grader_computes_is_the_submissions_too() -> None:
    budget = Budget(Limits(submission_cpu=10), cpu=4, served=6)
    assert budget.cpu_left == 0
    with pytest.raises(BudgetSpent, match="10 s of CPU time"):
        budget.spend_worker()
