"""Collecting where each pod runs under the number made from a name; with real accounts: tests/deployment."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from nbgrader.coursedir import CourseDirectory
from traitlets.config import Config

from autograder.nbgrader.steps import collect_owned
from autograder.nbgrader.steps.accounts import account_of
from autograder.nbgrader.steps.collect_owned import CollectOwned


@pytest.fixture
def numbers(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """Ada's pod runs under our own number, and whoever collects does not."""
    numbers = {"ada": os.getuid(), "eve": os.getuid() + 1}
    monkeypatch.setattr(collect_owned, "account_of", numbers.__getitem__)
    monkeypatch.setattr(collect_owned, "own_id", lambda: -1)
    return numbers


@pytest.mark.usefixtures("numbers")
@pytest.mark.parametrize("numbered", [True, False])
def test_the_number_of_the_named_student_owns(numbered: bool, tmp_path: Path) -> None:
    config = Config({"CollectOwned": {"numbered_accounts": numbered}})
    collector = CollectOwned(coursedir=CourseDirectory(config=config), config=config)
    collector.inbound_path = str(tmp_path)
    (tmp_path / "submission").mkdir()

    def owned(name: str) -> bool:
        return collector._owned({"username": name, "filename": "submission"})

    assert owned("ada") is numbered  # no account of the system is called so
    assert not owned("eve")


def test_numbers_are_above_all_that_systems_hand_out_and_fit_everywhere() -> None:
    numbers = {account_of(f"student-{n}") for n in range(10_000)}
    assert min(numbers) >= 1 << 30
    assert max(numbers) < 1 << 31
    assert len(numbers) > 9_990
    assert account_of("ada") == 2112766733  # for ever: it is in volumes
