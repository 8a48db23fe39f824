"""Which hidden inputs a run draws: its own, unless a seed asks for those of another."""

from __future__ import annotations

from pathlib import Path

import pytest

from autograder.run.rounds import begin, seed_of_submission
from autograder.run.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "graded")


def next_seed(store: Store, given: int | None = None) -> tuple[int, int]:
    now, about = begin(store, given)
    store.write_settings(about)
    return now.number, now.seed


def test_each_round_of_a_folder_has_a_seed_of_its_own(store: Store, tmp_path: Path) -> None:
    rounds = [next_seed(store) for _ in range(3)]
    assert [number for number, _ in rounds] == [1, 2, 3]
    elsewhere = next_seed(Store(tmp_path / "another"))
    assert len({seed for _, seed in [*rounds, elsewhere]}) == 4
    assert all(0 <= seed < 1 << 63 for _, seed in rounds)


def test_a_seed_that_is_given_is_taken_and_changes_nothing_for_the_rounds_after_it(store: Store) -> None:
    first = next_seed(store)
    secret = store.settings()["secret"]
    assert next_seed(store, first[1]) == (0, first[1])
    assert store.settings()["secret"] == secret
    assert next_seed(store)[0] == 2


def test_mistakes_are_named_by_the_same_draws_in_all_rounds_of_a_folder(store: Store, tmp_path: Path) -> None:
    rounds = []
    for given in (None, None, 7):
        now, about = begin(store, given)
        store.write_settings(about)
        rounds.append(now)
    assert len({now.diagnosis for now in rounds}) == 1
    assert rounds[0].diagnosis not in {now.seed for now in rounds}
    assert begin(Store(tmp_path / "another"), 7)[0].diagnosis != rounds[0].diagnosis
    assert begin(Store(tmp_path / "container"), 7, 8)[0].diagnosis == 8


def test_a_folder_of_an_earlier_release_goes_on(store: Store) -> None:
    store.write_settings({"seed": 5, "device": "cpu"})
    assert next_seed(store)[0] == 1


def test_nobody_else_may_read_the_secret(store: Store) -> None:
    next_seed(store)
    assert (store.folder / "run.json").stat().st_mode & 0o007 == 0


def test_a_submission_by_itself_is_a_round_of_its_own_that_can_be_had_again(tmp_path: Path) -> None:
    one, other = tmp_path / "one.ipynb", tmp_path / "other.ipynb"
    one.write_text("{}")
    other.write_text("{ }")
    seeds = [seed_of_submission(7, path, attempt) for path in (one, other) for attempt in (1, 2)]
    assert len({*seeds, seed_of_submission(8, one, 1)}) == 5
    assert seed_of_submission(7, one, 1) == seeds[0]
