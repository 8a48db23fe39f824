"""What one student hands in ends no run and moves nobody else's grade: a class with one of each kind."""

from __future__ import annotations

import csv
import os
from pathlib import Path

import pytest

from autograder.results import Status
from tests.end_to_end.conftest import Grade
from tests.end_to_end.small_class import POINTS, write
from tests.sample_class import Material

LIST = "submission_1:\n  :submitters:\n  - :name: Ann\n    :email: ann@x\n"


@pytest.mark.slow
def test_the_class_is_graded_and_each_has_a_row_that_says_what_it_was(
    tmp_path: Path, grade: Grade, material: Material
) -> None:
    folder, out = tmp_path / "class", tmp_path / "out"
    for name in ("Ann", "ann", "Zoé"):
        write(folder, name, material)
    good = (folder / "Ann" / "attention.ipynb").read_bytes()
    untouched = material.draft().bytes()
    files: dict[bytes, bytes] = {
        b"Eve/attention.ipynb": untouched,
        b"Eve/submission_metadata.yml": LIST.encode(),
        b"Eve/submission_1/attention.ipynb": untouched,
        b"Max/attention.ipynb": good,
        b"Max/attention (1).ipynb": untouched,
        b"Moe/attention-new.ipynb": good,
        b"Moe/attention-old.ipynb": untouched,
        b"M\xfcller/attention.ipynb": good,
        b"Pia/attention.pdf": b"%PDF-1.7",
        b"CON/attention.ipynb.txt": good,
    }
    for name, content in files.items():
        path = os.path.join(os.fsencode(folder), name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        Path(os.fsdecode(path)).write_bytes(content)
    (folder / "Nil").mkdir()

    graded = grade(folder, out=out)
    assert graded.code == 0, graded.complained
    results = graded.results
    assert set(results) == {"Ann", "ann", "Zoé", "Eve", "Max", "Moe", "M\\udcfcller", "Pia", "CON", "Nil"}
    full = {name for name, result in results.items() if result.points == POINTS}
    assert full == {"Ann", "ann", "Zoé", "Max", "M\\udcfcller"}
    assert (results["Eve"].status, results["Eve"].points) == (Status.GRADED, 0)

    with (out / "grades.csv").open(newline="", encoding="utf-8") as file:
        rows = {row["student"]: row for row in csv.DictReader(file)}
    assert rows.keys() == results.keys()
    for name, said in {
        "Max": "not looked at: attention (1).ipynb",
        "Moe": "hand in one of them, named attention.ipynb",
        "Pia": "It has attention.pdf (a PDF)",
        "CON": "It has attention.ipynb.txt (a text file)",
        "Nil": "It is empty",
    }.items():
        assert said in rows[name]["remark"]
        assert said in (out / rows[name]["page"]).read_text(encoding="utf-8")
    assert (rows["Zoé"]["page"], rows["Zoé"]["remark"]) == ("feedback/Zoé/attention.html", "")
    folders = {row["page"].split("/")[1] for row in rows.values()}
    assert len({one.casefold() for one in folders}) == len(rows)
    assert {path.name for path in (out / "feedback").iterdir()} == folders

    again = grade(folder, out=out, options=())
    assert "Grading 0 submission(s)" in again.said
    assert again.results == results

    # A page that has another name once `ann` is gone does not lie about under both.
    for path in (out / "results").glob("ann-*/attention.json"):
        if b'"student": "ann"' in path.read_bytes():
            path.unlink()
    grade(folder / "Ann", out=out, options=())
    assert (out / "feedback" / "Ann" / "attention.html").is_file()
    assert len(list((out / "feedback").glob("*/*.html"))) + 1 == len(rows)
