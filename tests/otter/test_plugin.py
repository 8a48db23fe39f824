"""The plugin alone: what it takes out of Otter's reach, what it refuses, and what it raises."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nbformat
import pytest
from otter.test_files import GradingResults

from autograder.errors import Fault, UsageError
from autograder.otter import plugin
from autograder.otter.handed_in import notebook_in, set_aside
from autograder.otter.plugin import GradeInWorker
from autograder.run.run import Summary
from tests.otter.events import configuration, tree

GIVEN = {"module": "attention", "seed": 1}


@pytest.fixture
def notebook(archive: Path, tmp_path: Path) -> Path:
    return tree(archive, tmp_path / "autograder", b"what a student wrote")


def test_nothing_of_a_student_stays_where_otter_starts_its_kernel(notebook: Path) -> None:
    for name in (".OTTER_LOG", "otter.py", "ipykernel_launcher.py", "results.json"):
        (notebook.parent / name).write_text("mine")
    (notebook.parent / "torch").mkdir()

    aside = set_aside(notebook)

    assert sorted(item.name for item in notebook.parent.iterdir()) == ["attention.ipynb", "tests"]
    assert nbformat.read(notebook, as_version=4).cells == []
    assert (aside / "attention.ipynb").read_bytes() == b"what a student wrote"
    assert {item.name for item in aside.iterdir()} >= {".OTTER_LOG", "otter.py", "torch"}


def test_what_is_aside_already_stays_as_it_is(notebook: Path, tmp_path: Path) -> None:
    first = set_aside(notebook)
    (notebook.parent / "made-by-otter").write_text("")

    assert set_aside(notebook) == first
    assert (notebook.parent / "made-by-otter").exists()
    assert not (first / "made-by-otter").exists()


@pytest.mark.parametrize(
    ("files", "chosen"),
    [
        (["attention (1).ipynb", "__init__.py"], "attention (1).ipynb"),
        (["homework.ipynb", "helpers.py"], "homework.ipynb"),
        (["attention.ipynb", "old.ipynb"], "attention.ipynb"),
        (["mine.py", "__init__.py"], "mine.py"),
    ],
)
def test_the_notebook_of_a_submission(files: list[str], chosen: str, tmp_path: Path) -> None:
    for name in files:
        (tmp_path / name).write_text("")
    found = notebook_in(tmp_path, "attention", tmp_path / "scratch")

    assert (found.path, found.problem) == (tmp_path / chosen, "")


def test_a_submission_without_one_says_so(tmp_path: Path) -> None:
    (tmp_path / "essay.pdf").write_text("")

    assert "no notebook" in notebook_in(tmp_path, "attention", tmp_path / "scratch").problem


@pytest.mark.parametrize("name", ["pdf", "token", "grade_from_log"])
def test_what_would_read_a_students_files_here_is_refused(name: str, notebook: Path) -> None:
    config = configuration(notebook)
    setattr(config, name, True)

    with pytest.raises(UsageError, match=f"sets '{name}'"):
        GradeInWorker(str(notebook), {}, GIVEN).before_grading(config)


@pytest.mark.parametrize(
    ("given", "what"),
    [
        ({}, "module: Field required"),
        ({**GIVEN, "sandbox": "none"}, "sandbox: "),
        ({**GIVEN, "seeds": 2}, "seeds: "),
        (None, "all of it: "),
    ],
)
def test_a_wrong_configuration_is_named(given: Any, what: str, notebook: Path) -> None:
    with pytest.raises(UsageError, match=rf"otter_config\.json, .*: {what}"):
        GradeInWorker(str(notebook), {}, given).before_grading(configuration(notebook))


def test_a_fault_of_ours_is_raised_and_no_score(notebook: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    faulty = Summary(
        [], [("submission", "attention", "the disk is full")], graded=0, kept=0, lower=[], pages={}
    )
    monkeypatch.setattr(plugin, "grade_found", lambda *_: faulty)

    with pytest.raises(Fault, match="for no fault of the student's: the disk is full"):
        GradeInWorker(str(notebook), {}, GIVEN).before_grading(configuration(notebook))


def test_results_that_otter_could_not_read_are_no_zero(notebook: Path) -> None:
    with pytest.raises(Fault, match="could not read its own results"):
        GradeInWorker(str(notebook), {}, GIVEN).after_grading(GradingResults.without_results(EOFError("cut")))


def test_the_configuration_of_the_zip_names_the_plugin(notebook: Path) -> None:
    ((name, given),) = json.loads((notebook.parent.parent / "source" / "otter_config.json").read_text())[
        "plugins"
    ][0].items()

    assert name == f"{GradeInWorker.__module__}.{GradeInWorker.__name__}"
    assert plugin.Settings.model_validate(given).module == "attention"
