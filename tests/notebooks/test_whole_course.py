"""A student's whole course: brought by `course start`, answered, run in fresh kernels; at the end all theirs.

Without the demos, which `test_executed.py` runs, so that it takes a minute or two.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from autograder import build
from autograder.content.course_root import CourseRoot
from course.catalogue.syllabus import load
from tests.kernels import execute

ROOT = CourseRoot.find(Path(__file__).parent)
MODULES = [module.id for module in load().modules]

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


def course(*words: str, folder: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "course.cli", *words],
        cwd=folder, capture_output=True, encoding="utf-8", check=True, timeout=280,
        env={**os.environ, "PYTHONPATH": str(ROOT.path), "PYTHONIOENCODING": "utf-8"},
    )  # fmt: skip
    return done.stdout


def answer(notebook: nbformat.NotebookNode, module: str) -> None:
    """Writes the solutions into the cells, and leaves the demos out."""
    answers = build.answers(ROOT, module, "solved")
    for cell in notebook.cells:
        marks = cell.metadata.get("nbgrader", {})
        if marks.get("solution"):
            cell.source = answers[marks["grade_id"]]
    notebook.cells = [cell for cell in notebook.cells if not _is_demo(cell, module)]


def _is_demo(cell: nbformat.NotebookNode, module: str) -> bool:
    return "demo" in cell.metadata.get("tags", []) and "parts.taken_by" not in cell.source


# On a hub it is enough to see that the second notebook finds what the first one left.
@pytest.mark.parametrize(
    ("on_a_hub", "modules"),
    [(False, MODULES), (True, MODULES[:2])],
    ids=["one folder", "a folder for each assignment"],
)
def test_at_the_end_every_part_is_the_students_own(
    on_a_hub: bool, modules: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("COURSE_MINE", raising=False)
    home = tmp_path / "diffusion-course"
    course("start", "--no-open", folder=tmp_path)
    if on_a_hub:  # as nbgrader fetches assignments
        for module in modules:
            (tmp_path / "hub" / module).mkdir(parents=True)
            (home / f"{module}.ipynb").rename(tmp_path / "hub" / module / f"{module}.ipynb")
        home = tmp_path / "hub"
    assert "Nothing is yours yet." in course("mine", folder=home)

    for module in modules:
        folder = home / module if on_a_hub else home
        path = folder / f"{module}.ipynb"
        notebook = nbformat.read(path, as_version=4)
        answer(notebook, module)
        execute(notebook, folder)
        nbformat.write(notebook, path)
        said = "".join(
            output.get("text", "")
            for cell in notebook.cells
            for output in cell.get("outputs", ())
            if "parts.taken_by" in cell.source
        )
        assert said.count("yours, checked on ") == sum(map(len, load().module(module).takes.values()))

    assert {path.name for path in (home / "mine").glob("[a-z]*.py")} == {f"{id}.py" for id in modules}
    shown = course("mine", folder=home)
    names = {
        module.id: [name for exercise in module.exercises for name in exercise.defines]
        for module in load().modules
    }
    own = sum(len(names[module]) for module in modules)
    assert shown.count("\tyours\t") == own
    assert f"{own} of {sum(map(len, names.values()))} parts are yours." in shown
