"""A prediction is kept, and shown beside what came; skipped, it is as if it were not there."""

from __future__ import annotations

from pathlib import Path

import pytest

from course import predict, predicted
from course.desk import predictions

QUESTION = "Wider, or narrower?"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_what_was_written_stands_beside_what_came(capsys: pytest.CaptureFixture[str], here: Path) -> None:
    predict("m/one", QUESTION, "  wider,\n I think ")
    assert predictions.load() == {"m/one": "wider, I think"}
    assert (here / ".course" / "predictions.json").is_file()
    predicted("m/one", "narrower.")
    assert capsys.readouterr().out.splitlines() == [
        'Noted: "wider, I think"',
        "You wrote:  wider, I think",
        "It came:    narrower.",
    ]


def test_skipped_it_asks_and_keeps_nothing(capsys: pytest.CaptureFixture[str], here: Path) -> None:
    predict("m/one", QUESTION, "")
    assert capsys.readouterr().out.startswith(QUESTION)
    predicted("m/one", "narrower.")
    assert capsys.readouterr().out == "It came:    narrower.\n"
    assert not (here / ".course").exists()


def test_the_last_one_counts_and_an_empty_one_takes_none_away(capsys: pytest.CaptureFixture[str]) -> None:
    for text in ("wider", "narrower", ""):
        predict("m/one", QUESTION, text)
    predict("m/two", QUESTION, "both")
    assert predictions.load() == {"m/one": "narrower", "m/two": "both"}


def test_of_some_to_choose_from_another_is_not_noted(capsys: pytest.CaptureFixture[str]) -> None:
    predict("m/one", QUESTION, "taller", choose=["wider", "narrower"])
    assert 'none of those to choose from: "wider", "narrower"' in capsys.readouterr().out
    predict("m/one", QUESTION, "wider", choose=["wider", "narrower"])
    assert predictions.load() == {"m/one": "wider"}


def test_a_broken_file_is_kept_aside(here: Path) -> None:
    predictions.record("m/one", "wider")
    file = here / ".course" / "predictions.json"
    file.write_text("{")
    assert predictions.load() == {}
    predict("m/two", QUESTION, "narrower")
    assert predictions.load() == {"m/two": "narrower"}
    assert (here / ".course" / "predictions-unreadable.json").read_text() == "{"


def test_where_nothing_can_be_written_it_lasts_as_long_as_the_kernel(here: Path) -> None:
    (here / ".course").write_text("no folder")
    predict("m/one", QUESTION, "wider")
    assert predictions.load() == {"m/one": "wider"}
    predictions._unwritten.clear()
