"""The results folder: written whole or not at all, and a grade never gets worse by accident."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from autograder.atomic import write_atomically
from autograder.errors import Fault, UsageError
from autograder.results import Flag
from autograder.run.folders import earlier_name
from autograder.run.store import Store
from tests.run.example import result


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "graded")


def files(store: Store) -> set[str]:
    return {path.name for path in store.folder.glob("results/*/*")}


def counts(store: Store) -> float:
    (stored,) = store.results()
    return stored.points


# --- reading back


def test_what_is_written_is_read_back(store: Store) -> None:
    written = result(7.5, stdout="half a pair: \ud83d", reason="ä")
    assert store.write(written)
    assert store.read("Ada", "tiny") == written
    assert list(store.results()) == [written]


def test_results_come_by_student_and_module(store: Store) -> None:
    for student, module in [("Bo", "tiny"), ("Ada", "unet"), ("Ada", "tiny")]:
        store.write(result(1, student=student, module=module))
    assert [(r.student, r.module) for r in store.results()] == [
        ("Ada", "tiny"),
        ("Ada", "unet"),
        ("Bo", "tiny"),
    ]


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"schema": 2}', b"\xff"])
def test_a_broken_result_counts_as_not_graded(store: Store, content: bytes) -> None:
    store.write(result(3))
    store.path("Ada", "tiny").write_bytes(content)
    assert not store.has("Ada", "tiny", "k")
    assert list(store.results()) == []
    assert store.write(result(2))
    assert counts(store) == 2


def test_a_file_that_names_another_student_is_not_taken_for_ones_own(store: Store) -> None:
    store.write(result(9, student="Eve"))
    copied = store.path("Ada", "tiny")
    copied.parent.mkdir()
    copied.write_bytes(store.path("Eve", "tiny").read_bytes())
    store.path("Eve", "huge").write_bytes(copied.read_bytes())
    assert store.read("Ada", "tiny") is None
    assert not store.has("Ada", "tiny", "k")
    assert store.read("Eve", "huge") is None
    assert [(one.student, one.module) for one in store.results()] == [("Eve", "tiny")]
    assert store.write(result(2, student="Ada"))
    assert [one.points for one in store.results()] == [2, 9]


def test_what_an_earlier_version_stored_is_found_again(store: Store) -> None:
    store.write(result(5, key="first"))
    store.write(result(3, key="second"))
    now = store.path("Ada", "tiny").parent
    now.rename(now.with_name(earlier_name("Ada")))
    assert list(store.results()) == []
    store.adopt()
    assert counts(store) == 5
    assert store.has("Ada", "tiny", "second")
    assert [path.name for path in (store.folder / "results").iterdir()] == [now.name]


def test_of_two_students_whose_earlier_folder_was_one_each_has_their_own(store: Store) -> None:
    """What stood there was the last one's: nobody else is given it."""
    store.write(result(5, student="Eve"))
    now = store.path("Eve", "tiny").parent
    now.rename(now.with_name(earlier_name("Ada")))
    store.adopt()
    assert list(store.results()) == []
    assert store.read("Ada", "tiny") is None


# --- which grade counts


def test_a_better_grade_replaces_an_earlier_one(store: Store) -> None:
    store.write(result(3, key="first"))
    assert store.write(result(5, key="second"))
    assert counts(store) == 5
    assert files(store) == {"tiny.json"}


def test_an_equal_grade_replaces_an_earlier_one(store: Store) -> None:
    store.write(result(3, key="first"))
    assert store.write(result(3, key="second"))
    assert store.has("Ada", "tiny", "second")
    assert files(store) == {"tiny.json"}


def test_a_lower_grade_stands_beside_the_better_one_and_is_not_graded_again(store: Store) -> None:
    store.write(result(5, key="first"))
    assert not store.write(result(3, key="second"))
    assert counts(store) == 5
    assert files(store) == {"tiny.json", "tiny.lower.json"}
    assert store.has("Ada", "tiny", "first")
    assert store.has("Ada", "tiny", "second")
    assert not store.has("Ada", "tiny", "third")


def test_an_unreadable_file_costs_no_earlier_points(store: Store) -> None:
    store.write(result(5))
    assert not store.write(result(0, key="broken", status="unreadable", reason="not JSON"))
    assert counts(store) == 5


def test_force_lowers_a_grade_and_keeps_each_old_one_beside(store: Store) -> None:
    for points in (5, 4, 3):
        assert store.write(result(points), force=True)
    assert counts(store) == 3
    assert files(store) == {"tiny.json", "tiny.before-1.json", "tiny.before-2.json"}
    kept = [store.read("Ada", "tiny", f"before-{number}") for number in (1, 2)]
    assert [old.points for old in kept if old] == [5, 4]


def test_what_stands_beside_is_no_result_of_its_own(store: Store) -> None:
    store.write(result(5))
    store.write(result(4))
    store.write(result(3), force=True)
    assert len(files(store)) == 3
    assert counts(store) == 3


def test_one_students_grade_leaves_the_others_alone(store: Store) -> None:
    store.write(result(5, student="Ada"))
    before = store.path("Ada", "tiny").stat()
    store.write(result(9, student="Bo"))
    assert store.path("Ada", "tiny").stat() == before


# --- what a person should look at


def flags_of(store: Store) -> list[tuple[str, str]]:
    found = store.read("Ada", "tiny")
    assert found is not None
    return [(flag.submission, flag.message) for flag in found.flags]


@pytest.mark.parametrize("points", [3, 5, 9])
def test_a_flag_outlives_the_next_submission_whichever_counts(store: Store, points: float) -> None:
    used = Flag(kind="forbidden-call", exercise="double", message="It uses `softmax`.")
    slow = Flag(kind="wall-timeout", message="It waited.")
    store.write(result(5, sha256="a" * 64).model_copy(update={"flags": [used, slow]}))
    for number in range(3):
        store.write(result(points, key=str(number), sha256=str(number) * 64))
    own = [("", used.message), ("", slow.message)]
    told = [("aaaaaaaa", "In another submission (aaaaaaaa): It uses `softmax`.")]
    assert flags_of(store) == (own if points < 5 else told)


def test_a_flag_of_a_lower_one_is_shown_with_the_one_that_counts(store: Store) -> None:
    store.write(result(5, sha256="a" * 64))
    bad = Flag(kind="tampering", message="It asks for the grader.")
    for _ in range(2):
        store.write(result(1, key="new", sha256="b" * 64).model_copy(update={"flags": [bad]}))
    assert flags_of(store) == [("bbbbbbbb", "In another submission (bbbbbbbb): It asks for the grader.")]


def test_the_same_notebook_graded_again_has_its_flags_once(store: Store) -> None:
    bad = Flag(kind="tampering", message="It asks for the grader.")
    for _ in range(2):
        store.write(result(5, sha256="a" * 64).model_copy(update={"flags": [bad]}), force=True)
    assert flags_of(store) == [("", bad.message)]


# --- where it cannot be written


def test_a_place_that_cannot_be_written_is_a_fault_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "graded").write_text("a file where the folder should be")
    with pytest.raises(Fault, match=r"graded.*tiny\.json: cannot be written: Not a directory"):
        Store(tmp_path / "graded").write(result(5))


def test_a_write_that_fails_half_way_leaves_the_old_file_and_nothing_else(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.write(result(5, key="old"))

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(Fault, match="No space left on device"):
        store.write(result(6, key="new"))
    assert files(store) == {"tiny.json"}
    assert store.has("Ada", "tiny", "old")


def test_others_may_read_what_is_written(tmp_path: Path) -> None:
    write_atomically(tmp_path / "page.html", "ä")
    assert (tmp_path / "page.html").read_bytes() == "ä".encode()
    assert (tmp_path / "page.html").stat().st_mode & 0o777 == 0o644


# --- the run's settings


def test_settings_are_kept(store: Store) -> None:
    assert store.settings() == {}
    store.write_settings({"seed": 5, "device": "cpu"})
    assert store.settings() == {"seed": 5, "device": "cpu"}
    assert json.loads((store.folder / "run.json").read_text()) == {"seed": 5, "device": "cpu"}


def test_settings_that_cannot_be_read_are_not_ignored(store: Store) -> None:
    store.write_settings({"seed": 5})
    (store.folder / "run.json").write_text("{")
    with pytest.raises(UsageError, match=r"run\.json: not readable as JSON; mend it"):
        store.settings()
