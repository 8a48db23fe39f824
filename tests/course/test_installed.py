"""What a self-learner does, in an environment that has the students' wheel and its dependencies alone."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import nbformat
import pytest
from jupyter_client.manager import AsyncKernelManager

from course.catalogue.syllabus import load
from tests.course.installed import Installed, install
from tests.kernels import execute

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.name != "posix", reason="environments are put together with symbolic links"),
]

ANSWER = (
    "weights = (x - x.amax(dim, keepdim=True)).exp()\n    return weights / weights.sum(dim, keepdim=True)"
)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    return install(tmp_path_factory.mktemp("student"))


@pytest.fixture(scope="module")
def folder(installed: Installed, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that `course start` made, in which the first exercise is answered and the second wrong."""
    home = tmp_path_factory.mktemp("home")
    said = installed.run("course", "start", folder=home).stdout
    assert "JupyterLab is not installed: open the folder" in said
    folder = home / "diffusion-course"
    assert {path.name for path in folder.glob("*.ipynb")} == {f"{one.id}.ipynb" for one in load().modules}
    path = folder / "attention.ipynb"
    notebook = nbformat.read(path, as_version=4)
    for exercise, answer in (
        ("stable_softmax", ANSWER),
        ("scaled_dot_product_attention", "return q @ k.mT @ v"),
    ):
        cell = next(cell for cell in notebook.cells if f"def {exercise}(" in cell.source)
        stub = f'raise NotImplementedError("write {exercise}")'
        assert stub in cell.source
        cell.source = cell.source.replace(stub, answer)
    nbformat.write(notebook, path)
    return folder


def test_it_is_alone(installed: Installed, tmp_path: Path) -> None:
    """So that what follows proves something: the wheel is what is imported, with no instructors' package."""
    absent = ["autograder", "solutions", "nbgrader", "diffusers", "pytest", "jupyterlab"]
    code = (
        "import course, json, sys; from importlib.util import find_spec\n"
        "print(json.dumps([course.__file__, [name for name in sys.argv[1:] if find_spec(name)]]))"
    )
    home, found = json.loads(installed.run("python", "-c", code, *absent, folder=tmp_path).stdout)
    assert Path(home).is_relative_to(installed.path)
    assert found == []


def test_check_and_progress(installed: Installed, folder: Path) -> None:
    checked = installed.run("course", "check", "attention.ipynb", folder=folder, check=False)
    assert checked.returncode == 1, checked.stderr
    assert "1 of 7 pass. Grading tests more." in checked.stdout
    progress = installed.run("course", "progress", folder=folder).stdout
    assert "Next: Scaled dot-product attention" in progress
    assert installed.run("python", "-m", "course", "progress", folder=folder).stdout == progress


def said(outputs: list[Any]) -> str:
    """What a cell shows, as text."""
    return "".join(one.get("text") or one.get("data", {}).get("text/plain", "") for one in outputs)


def test_a_notebook_in_a_kernel(installed: Installed, folder: Path) -> None:
    """Every cell of it, and a hint, as Jupyter and VS Code run them: by messages to ipykernel."""

    class Manager(AsyncKernelManager):
        @property
        def kernel_spec(self):  # type: ignore[no-untyped-def]
            spec = super().kernel_spec
            spec.argv[0] = str(installed.python)
            return spec

    notebook = nbformat.read(folder / "attention.ipynb", as_version=4)
    question = nbformat.v4.new_code_cell("import sys; hint('split_heads'); print(sys.prefix)")
    notebook.cells.append(question)
    execute(
        notebook,
        folder,
        seconds=240,
        env=installed.environment,
        kernel_manager_class=Manager,
        allow_errors=True,
    )

    assert "split_heads · hint 1 of 3" in said(question.outputs)
    assert said(question.outputs).endswith(f"{installed.path}\n")
    checks = {cell.source: cell.outputs for cell in notebook.cells if cell.source.startswith("check(")}
    assert "All 6 checks hold." in said(checks["check(stable_softmax)"])
    *report, error = checks["check(scaled_dot_product_attention)"]
    assert "the largest error is" in said(report)
    assert "(shape (" in said(report)
    # One line, whatever shows it: no traceback through the course.
    assert error.ename == "CheckFailed"
    assert error.traceback == [f"CheckFailed: {error.evalue}"]
    drawn = [
        cell
        for cell in notebook.cells
        if cell.cell_type == "code" and any("image/png" in one.get("data", {}) for one in cell.outputs)
    ]
    assert drawn


def test_a_newer_version_is_installed_over_it(installed: Installed, folder: Path) -> None:
    """The notebooks in the environment change, as an update changes them."""
    (packed,) = installed.path.glob("lib/python*/site-packages/course/exercises")
    for module in ("attention", "noise"):
        path = packed / f"{module}.ipynb"
        path.write_text(path.read_text(encoding="utf-8").replace("# ", "# New: ", 1), encoding="utf-8")
    mine = (folder / "attention.ipynb").read_bytes()

    said = installed.run("course", "start", "--no-open", folder=folder).stdout

    assert "A new version, as you had not worked in it: noise.ipynb\n" in said
    assert "attention.ipynb is yours and stays; its new version is attention-new.ipynb\n" in said
    assert (folder / "attention.ipynb").read_bytes() == mine
    assert "# New: " in (folder / "attention-new.ipynb").read_text(encoding="utf-8")
