"""`run_autograder` of the zip in a made-up `/autograder`: results.json is valid whatever happens."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from autograder.otter import container
from autograder.otter.archive import _FIRST as FIRST
from tests.otter import hostile
from tests.otter.conftest import named
from tests.otter.events import tree
from tests.sample_class import Material, Student


@pytest.fixture
def autograder(archive: Path, tmp_path: Path) -> Path:
    """The tree before anybody has handed in."""
    folder = tmp_path / "autograder"
    tree(archive, folder, b"").unlink()
    (folder / "submission" / "tests").rmdir()
    (folder / "results").rmdir()
    return folder


def run_autograder(autograder: Path, python: str = sys.executable) -> subprocess.CompletedProcess[str]:
    """The script of the zip, its places moved to the made-up tree; there is no mamba here."""
    programs = autograder.parent / "programs"
    programs.mkdir(exist_ok=True)
    for name, text in (("mamba", ""), ("python", f'exec {python} "$@"')):
        (programs / name).write_text(f"#!/bin/bash\n{text}\n")
        (programs / name).chmod(0o755)
    script = (autograder / "source" / "run_autograder").read_text()
    return subprocess.run(
        ["bash", "-c", script.replace("/autograder/", f"{autograder}/").replace("/root/", "/nowhere/")],
        env={**os.environ, "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def results(autograder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((autograder / "results" / "results.json").read_text())
    return found


def test_results_are_valid_before_anything_else_is_tried(autograder: Path) -> None:
    done = run_autograder(autograder, python="/nowhere/python")

    assert done.returncode != 0
    assert "no fault of yours" in results(autograder)["output"]
    assert (autograder / "source" / "run_autograder").read_text().splitlines()[1] == FIRST.splitlines()[0]


@pytest.mark.parametrize(
    "otter",
    ["raise RuntimeError('ours')", "import os; os._exit(0)", "import os; os.kill(os.getpid(), 9)"],
    ids=["raises", "ends without a word", "is killed"],
)
def test_they_stay_valid_when_otter_does_not_come_to_its_end(
    otter: str, autograder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(container, "_OTTER", otter)

    assert container.main(autograder) == 3
    assert results(autograder)["tests"][0]["name"] == "Not graded"


@pytest.mark.parametrize("written", ['{"tests": [', "{}", '{"tests": [{"name": "a"}]}', "[]"])
def test_half_a_result_is_none(written: str, autograder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = f"import sys; open(sys.argv[1] + '/results/results.json', 'w').write({written!r})"
    monkeypatch.setattr(container, "_OTTER", write)

    assert container.main(autograder) == 3
    assert results(autograder)["tests"][0]["name"] == "Not graded"


def test_a_student_keeps_the_score_that_gradescope_has(
    autograder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {"previous_submissions": [{"submission_time": "2026-01-01T10:00:00", "score": 88.5}]}
    (autograder / "submission_metadata.json").write_text(json.dumps(before))
    monkeypatch.setattr(container, "_OTTER", "raise RuntimeError")

    container.main(autograder)

    assert results(autograder)["score"] == 88.5


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", ["Fatima", "Ulrike", "Víctor"])
def test_a_submission_is_graded_a_broken_one_too(
    name: str, autograder: Path, for_otter: Callable[[Student], bytes], material: Material
) -> None:
    student = named(name)
    (autograder / "submission" / "attention.ipynb").write_bytes(for_otter(student))

    done = run_autograder(autograder)

    assert done.returncode == 0, done.stderr
    found = {test["name"]: test["score"] for test in results(autograder)["tests"]}
    assert list(found) == [f"attention.{exercise.id}" for exercise in material.module.graded]
    wrong = {id for id, score in found.items() if score != material.module.exercise(id[10:]).points}
    assert wrong == {f"attention.{id}" for id in student.expected.points}
    assert (autograder / "results" / "results.pkl").stat().st_size
    assert (autograder / "submission" / "attention.ipynb").read_bytes() == for_otter(student)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_hostile_one_runs_nothing(autograder: Path, material: Material, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    mark.mkdir()
    zipped = tmp_path / "hostile.zip"
    zipped.write_bytes(hostile.submission(material, mark))
    with zipfile.ZipFile(zipped) as members:  # Gradescope unpacks it
        members.extractall(autograder / "submission")

    done = run_autograder(autograder)

    assert done.returncode == 0, done.stderr
    assert list(mark.iterdir()) == []
    assert sum(test["score"] for test in results(autograder)["tests"]) < 40
