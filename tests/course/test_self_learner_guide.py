"""Every command of docs/self-learner.md, in its order, in an environment with the students' wheel alone."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import nbformat
import pytest

from autograder.content.fences import blocks
from tests.course.installed import ROOT, Installed, install
from tests.kernels import execute

GUIDE = (ROOT / "docs" / "self-learner.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^    (\S.*)$", GUIDE, re.MULTILINE)
INSTALL = [
    "python -m venv .venv",
    "source .venv/bin/activate",
    'python -m pip install ".[lab]"',
    "python -m pip install ./autograder",
]


def test_the_commands_are_those_that_the_tests_run() -> None:
    assert [command for command in COMMANDS if command not in INSTALL] == [
        "course start",
        "course check attention.ipynb",
        "course progress",
        "course mine",
        "course start",
        "autograder grade diffusion-course/attention.ipynb",
    ]
    assert COMMANDS[:4] == [*INSTALL[:3], "course start"]


def test_what_is_installed_is_there_to_be_installed() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert any(line.startswith("jupyterlab") for line in project["optional-dependencies"]["lab"])
    assert project["requires-python"] == ">=3.11,<3.15"
    assert "Python 3.11 to 3.14" in GUIDE
    assert (ROOT / "autograder" / "pyproject.toml").is_file()


@pytest.mark.slow
def test_the_first_picture_is_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    (source,) = [block.text for block in blocks(GUIDE.splitlines()) if block.language == "python"]
    cell = nbformat.v4.new_code_cell(source)
    notebook = nbformat.v4.new_notebook(cells=[cell])
    execute(notebook, tmp_path)

    assert ["image/png" in output.data for output in cell.outputs] == [True]


def answer_softmax(path: Path) -> None:
    """With the mistake that the first exercise is about."""
    notebook = nbformat.read(path, as_version=4)
    (cell,) = [cell for cell in notebook.cells if "def stable_softmax(" in cell.source]
    stub = 'raise NotImplementedError("write stable_softmax")'
    cell.source = cell.source.replace(stub, "return x.exp() / x.exp().sum(dim, keepdim=True)")
    nbformat.write(notebook, path)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    return install(tmp_path_factory.mktemp("student"))


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="environments are put together with symbolic links")
def test_the_commands(installed: Installed, tmp_path: Path) -> None:
    folder = tmp_path
    for command in COMMANDS:
        words = command.split()
        if words[0] == "course":
            done = installed.run(*words, folder=folder, check=False)
            assert done.returncode == (1 if "check" in words else 0), done.stderr  # little is answered yet
            folder = tmp_path / "diffusion-course"
            answer_softmax(folder / "attention.ipynb")
        elif words[0] == "autograder":  # in the clone, where the hidden suites are
            results = [
                str(tmp_path / "diffusion-course" / "attention.ipynb"),
                "--out",
                str(tmp_path / "graded"),
            ]
            command = [sys.executable, "-m", "autograder.cli", *words[1:2], *results]
            graded = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
            assert graded.returncode == 0, graded.stderr
            (page,) = (tmp_path / "graded" / "feedback").rglob("*.html")
            assert "no maximum subtracted" in page.read_text(encoding="utf-8")
        else:
            assert command in INSTALL
