"""A class in which one is honest, one cheats and one never comes to an end, graded by formgrader's button."""

from __future__ import annotations

import hashlib
import json
import sqlite3
import urllib.request
from contextlib import closing
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from autograder.nbgrader.settings import FOLDER
from autograder.run.store import Store
from tests.hub.live.formgrader import open_formgrader
from tests.hub.live.lab import MODULE, log_in, take_picture
from tests.hub.live.running import Running, running
from tests.nbgrader.directory import Directory
from tests.sample_class import CLASS, Material
from tests.sample_class.students import ALL, SOFTMAX, SPATIAL

pytestmark = [pytest.mark.browser, pytest.mark.timeout(900)]

# Student of the hub → of the sample class.
ADA, BEN, CHLOE = "Ada", "Mallory", "Rasmus"
# What a cheat who knows this hub would try, and what then happens, in one line each.
REACHES = """\
import json, os, socket, sqlite3, sys, urllib.request

def attempt(what, do):
    try:
        print(f"REACHED {what}: {do()!r}")
    except BaseException as error:
        print(f"FAILED {what}: {type(error).__name__}")

def better_grades():
    gradebook = sqlite3.connect(GRADEBOOK)
    gradebook.execute("UPDATE grade SET auto_score = 100, manual_score = 100")
    gradebook.commit()
    return gradebook.total_changes

def better_result():
    with open(RESULT, "w") as file:
        return file.write("{}")

def tokens():
    found = [name for name in os.environ if "TOKEN" in name or "JUPYTERHUB" in name]
    if not found:
        raise LookupError("none")
    return found

attempt("the gradebook", better_grades)
attempt("a classmate's result", better_result)
attempt("the hub", lambda: urllib.request.urlopen(HUB, timeout=3).status)
attempt("a socket", lambda: socket.create_connection(("127.0.0.1", PORT), 3))
attempt("the passwords", lambda: open(PASSWORDS).read())
attempt("a classmate's home", lambda: os.listdir(HOMES))
attempt("the hub's tokens", tokens)
"""
TARGETS = [
    "the gradebook",
    "a classmate's result",
    "the hub",
    "a socket",
    "the passwords",
    "a classmate's home",
    "the hub's tokens",
]


def results_of(hub: Running) -> Store:
    return Store(hub.hub.course / FOLDER / MODULE)


def work_of(name: str, material: Material) -> bytes:
    (found,) = (student for student in CLASS if name in student.name)
    return found.write(material)


def cheating(material: Material, hub: Running) -> bytes:
    """Mallory's notebook, which patches torch and looks for answers; and a cell for this hub."""
    places = {
        "GRADEBOOK": str(hub.hub.course / "gradebook.db"),
        "RESULT": str(results_of(hub).path("ada", MODULE)),
        "HUB": f"{hub.address}/hub/api/",
        "PORT": int(hub.address.rsplit(":", 1)[1]),
        "PASSWORDS": str(hub.hub.path / "hub.json"),
        "HOMES": str(hub.hub.homes),
    }
    notebook = json.loads(work_of(BEN, material))
    source = "".join(f"{name} = {value!r}\n" for name, value in places.items()) + REACHES
    for cell in notebook["cells"]:
        if "torch.allclose = " in "".join(cell["source"]):
            cell["source"] = [source, "\n", *cell["source"]]
            return json.dumps(notebook).encode()
    raise LookupError("Mallory no longer cheats: change tests/hub")


def digests(*folders: Path) -> dict[str, str]:
    """Every file in these folders."""
    return {
        str(file): hashlib.sha256(file.read_bytes()).hexdigest()
        for folder in folders
        for file in sorted(folder.rglob("*"))
        if file.is_file()
    }


def gradebook_without(student: str, gradebook: Path) -> dict[str, list[tuple[object, ...]]]:
    """All rows that are not of this student's submission, by table."""
    with closing(sqlite3.connect(f"file:{gradebook}?mode=ro", uri=True)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        names = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        tables = {name: connection.execute(f"SELECT * FROM {name}").fetchall() for name in names}
    own = {row[0] for row in tables["submitted_assignment"] if student in row}
    own |= {row[0] for row in tables["submitted_notebook"] if own & set(row)}
    return {name: [row for row in rows if not own & set(row)] for name, rows in tables.items()}


def test_a_cheat_and_an_endless_loop_cost_nobody_else_anything(
    tmp_path: Path, browser: Browser, material: Material
) -> None:
    with running(tmp_path / "hub") as hub:
        works = {
            "ada": work_of(ADA, material),
            "ben": cheating(material, hub),
            "chloe": work_of(CHLOE, material),
        }
        for name, work in works.items():
            lab = log_in(browser, hub, name)
            lab.choose("Assignment List")
            lab.fetch()
            lab.notebook_file.chmod(0o644)
            lab.notebook_file.write_bytes(work)
            lab.submit()
            lab.page.context.close()
        formgrader = open_formgrader(log_in(browser, hub, "ivan"))
        assert formgrader.press("collect").count("Collected:") == 3
        formgrader.open_submissions()
        gradebook = Directory(hub.hub.course)

        assert "Successfully autograded" in formgrader.press("autograde", "ada")
        others = digests(
            hub.hub.course / "submitted",
            hub.hub.course / "autograded",
            hub.hub.exchange,
            hub.hub.homes / "ada",
        )
        results = digests(results_of(hub).folder / "results")
        assert str(results_of(hub).path("ada", MODULE)) in results
        before = gradebook_without("ben", hub.hub.course / "gradebook.db")
        assert any(before["grade"])
        assert "Successfully autograded" in formgrader.press("autograde", "ben")
        after = gradebook_without("ben", hub.hub.course / "gradebook.db")
        assert after == before
        now = digests(
            hub.hub.course / "submitted",
            hub.hub.course / "autograded",
            hub.hub.exchange,
            hub.hub.homes / "ada",
        )
        assert {path: digest for path, digest in now.items() if "/autograded/ben/" not in path} == others
        assert results.items() <= digests(results_of(hub).folder / "results").items()
        assert "Successfully autograded" in formgrader.press("autograde", "chloe")
        take_picture(formgrader.page, "21 instructor: one honest, one cheating, one endless")

        full = {exercise.id: exercise.points for exercise in material.module.graded}
        assert formgrader.row("ada") == {"status": "graded", "score": "110 / 110"}
        assert formgrader.row("ben")["score"] == "10 / 110"
        assert formgrader.row("chloe") == {"status": "graded", "score": "95 / 110"}
        entries = gradebook.entries()
        given = {
            name: {exercise: grade[0] for exercise, grade in entry.grades.items()}
            for name, entry in entries.items()
        }
        assert given == {
            "ada": full,
            "ben": {**dict.fromkeys(ALL, 0), SOFTMAX: full[SOFTMAX]},
            "chloe": {**full, SPATIAL: 0},
        }
        assert {name: entry.flagged for name, entry in entries.items()} == {
            "ada": False,
            "ben": True,
            "chloe": False,
        }

        record = results_of(hub).read("ben", MODULE)
        assert record is not None
        said = [line for line in record.stdout.splitlines() if line.startswith(("REACHED", "FAILED"))]
        assert [line.split(":")[0] for line in said] == [f"FAILED {target}" for target in TARGETS]
        # The same attempts succeed from outside a worker: they are no attempts that fail anyway.
        with urllib.request.urlopen(f"{hub.address}/hub/api/", timeout=10) as answer:
            assert answer.status == 200
        assert (hub.hub.path / "hub.json").read_text()

        formgrader.open_manual_grading()
        take_picture(formgrader.page, "22 instructor: whom to look at")
