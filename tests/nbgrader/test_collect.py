"""Submitting under another's name, through a real exchange."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import pytest
from nbgrader.exchange import ExchangeFactory

from autograder.nbgrader import collect
from autograder.nbgrader.apps import CONFIG, nbgrader_in
from autograder.nbgrader.collect import CollectOwned
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
    monkeypatch.setattr(collect, "owner", lambda path: Path(path, "owner").read_text())
    monkeypatch.setattr(collect, "own_id", lambda: -1)
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
    monkeypatch.setattr(collect, "own_id", os.getuid)
    arrive(exchange, "ada", "jovyan", 1, b"hers")

    assert collected(directory, caplog) == {"ada": b"hers"}
