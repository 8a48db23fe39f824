"""Collecting from a real exchange: each one's own latest work, whole or not at all."""

from __future__ import annotations

import logging
import os
from datetime import datetime
from pathlib import Path

import pytest
from nbgrader.exchange import ExchangeFactory

from autograder.nbgrader.apps import CONFIG, nbgrader_in
from autograder.nbgrader.collect import collect_new
from autograder.nbgrader.steps import collect_owned
from autograder.nbgrader.steps.collect_owned import Collection, CollectOwned, date_of
from tests.nbgrader.directory import ASSIGNMENT, COURSE_ID, Directory

FORGED = b"forged"


@pytest.fixture
def exchange(directory: Directory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where submissions arrive. Whose a folder is, its file `owner` says here."""
    root = tmp_path / "exchange"
    inbound = root / COURSE_ID / "inbound"
    inbound.mkdir(parents=True)
    (root / COURSE_ID / "outbound").mkdir()
    root.chmod(0o777)
    config = directory.path / CONFIG
    config.write_text(config.read_text() + f"\nc.Exchange.root = {str(root)!r}\n")
    monkeypatch.setattr(collect_owned, "owner", lambda path: Path(path, "owner").read_text())
    monkeypatch.setattr(collect_owned, "own_id", lambda: -1)
    return inbound


def arrive(inbound: Path, named: str, owner: str, day: int, content: bytes) -> None:
    folder = inbound / f"{named}+{ASSIGNMENT}+2026-03-{day:02} 12:00:00 UTC+random"
    folder.mkdir()
    (folder / f"{ASSIGNMENT}.ipynb").write_bytes(content)
    (folder / "timestamp.txt").write_text(f"2026-03-{day:02} 12:00:00 UTC")
    (folder / "owner").write_text(owner)


def collected(directory: Directory, caplog: pytest.LogCaptureFixture) -> dict[str, bytes]:
    with nbgrader_in(directory.path, logging.ERROR) as app:
        app.coursedir.assignment_id = ASSIGNMENT
        factory = ExchangeFactory(parent=app)
        assert factory.collect is CollectOwned
        app.log.addHandler(caplog.handler)
        factory.Collect(coursedir=app.coursedir, authenticator=None, parent=app).start()
    submitted = directory.path / "submitted"
    found = sorted(submitted.iterdir()) if submitted.is_dir() else []
    return {path.name: (path / ASSIGNMENT / f"{ASSIGNMENT}.ipynb").read_bytes() for path in found}


def test_each_owns_work_is_collected(
    directory: Directory, exchange: Path, caplog: pytest.LogCaptureFixture
) -> None:
    arrive(exchange, "ada", "ada", 1, b"first")
    arrive(exchange, "ada", "ada", 2, b"second")
    arrive(exchange, "eve", "eve", 1, b"hers")

    assert collected(directory, caplog) == {"ada": b"second", "eve": b"hers"}


def test_a_later_one_of_somebody_else_does_not_take_its_place(
    directory: Directory, exchange: Path, caplog: pytest.LogCaptureFixture
) -> None:
    arrive(exchange, "ada", "ada", 1, b"hers")
    arrive(exchange, "ada", "eve", 2, FORGED)

    assert collected(directory, caplog) == {"ada": b"hers"}


def test_what_only_somebody_else_handed_in_stays_in_the_exchange_and_is_named(
    directory: Directory, exchange: Path, caplog: pytest.LogCaptureFixture
) -> None:
    arrive(exchange, "ada", "eve", 1, FORGED)
    arrive(exchange, "bob", "bob", 1, b"his")

    assert collected(directory, caplog) == {"bob": b"his"}
    assert "was handed in for ada by eve" in caplog.text
    assert len(list(exchange.iterdir())) == 2


def test_where_all_accounts_are_one_owners_say_nothing(
    directory: Directory, exchange: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(collect_owned, "own_id", os.getuid)
    arrive(exchange, "ada", "jovyan", 1, b"hers")

    assert collected(directory, caplog) == {"ada": b"hers"}


def test_one_that_cannot_be_copied_costs_nobody_anything(
    directory: Directory, exchange: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Ada's later folder has a link to nowhere in it: her earlier work stays, and Bob's is collected."""
    arrive(exchange, "ada", "ada", 1, b"first")
    collected(directory, caplog)
    arrive(exchange, "ada", "ada", 2, b"second")
    (next(exchange.glob("ada*-02 *")) / "data").symlink_to("nowhere")
    arrive(exchange, "bob", "bob", 1, b"his")

    collection = collected_anew(directory)

    assert collection.new == ["bob"]
    ((student, reason),) = collection.left
    assert student == "ada"
    assert "cannot be copied" in reason
    assert collected(directory, caplog) == {"ada": b"first", "bob": b"his"}
    assert [
        path.name for path in (directory.path / "submitted" / "ada").iterdir() if path.name[0] != "."
    ] == [ASSIGNMENT]


def test_a_folder_without_a_date_in_its_name_stops_nobody(
    directory: Directory, exchange: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for name in (f"eve+{ASSIGNMENT}+yesterday", f"ada+{ASSIGNMENT}+99999999999-01-01 12:00:00 UTC+x"):
        (exchange / name).mkdir()
        (exchange / name / "owner").write_text("eve")
    arrive(exchange, "ada", "ada", 1, b"hers")

    collection = collected_anew(directory)

    assert collection.new == ["ada"]
    assert [(student, "no date in its name" in reason) for student, reason in collection.left] == [
        ("eve", True)
    ]
    assert collected(directory, caplog) == {"ada": b"hers"}


def test_the_date_is_that_of_the_folder_whatever_the_file_in_it_says(
    directory: Directory, exchange: Path
) -> None:
    """Else a student could be early by writing so, or be collected anew in each round."""
    arrive(exchange, "ada", "ada", 2, b"hers")
    arrive(exchange, "bob", "bob", 2, b"his")
    for said, text in (("ada", "2020-01-01 12:00:00 UTC"), ("bob", "half past nine")):
        (next(exchange.glob(f"{said}*")) / "timestamp.txt").write_text(text)

    assert sorted(collected_anew(directory).new) == ["ada", "bob"]
    assert collected_anew(directory).new == []
    for student in ("ada", "bob"):
        assert date_of(directory.submitted(student)) == datetime(2026, 3, 2, 12)


def test_only_what_is_newer_takes_the_place_of_what_was_collected(
    directory: Directory, exchange: Path, caplog: pytest.LogCaptureFixture
) -> None:
    arrive(exchange, "ada", "ada", 2, b"second")
    collected_anew(directory)
    arrive(exchange, "ada", "ada", 1, b"first")
    assert collected_anew(directory).new == []
    arrive(exchange, "ada", "ada", 3, b"third")

    assert collected(directory, caplog) == {"ada": b"second"}  # `nbgrader collect` without --update
    assert collected_anew(directory).new == ["ada"]
    assert collected(directory, caplog) == {"ada": b"third"}


def collected_anew(directory: Directory) -> Collection:
    with nbgrader_in(directory.path) as app:
        return collect_new(app, ASSIGNMENT)
