"""`import course` loads next to nothing, and `check` only what it needs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import course
from course.catalogue.syllabus import load

ROOT = str(Path(course.__path__[0]).parent)
NEVER = {
    "diffusers",
    "peft",
    "transformers",
    "pandas",
    "matplotlib",
    "solutions",
    "autograder",
    "nbformat",
    "IPython",
}


def loaded_after(source: str, folder: Path) -> set[str]:
    """The names of the packages that are loaded after `source` ran in a fresh process."""
    run = subprocess.run(
        [sys.executable, "-c", f"{source}\nimport sys; print('loaded:', *sorted(sys.modules))"],
        capture_output=True, text=True, check=False, cwd=folder, env={**os.environ, "PYTHONPATH": ROOT},
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    return set(run.stdout.rsplit("loaded:", 1)[1].split())


def test_import_course_loads_the_standard_library_alone(tmp_path: Path) -> None:
    before = loaded_after("", tmp_path)
    after = loaded_after("import course; from course import check, hint", tmp_path)
    packages = {name.split(".")[0] for name in after - before} - sys.stdlib_module_names
    assert packages == {"course"}
    assert after - before >= {"course.check", "course.hint"}
    assert (
        not {"course.checking.examine", "course.catalogue.syllabus", "course.modules.attention.figures"}
        & after
    )


def test_check_loads_nothing_that_takes_seconds(tmp_path: Path) -> None:
    source = (
        "import torch; from course import check\n"
        "def stable_softmax(x, dim): return torch.softmax(x, dim)\n"
        "check(stable_softmax)"
    )
    after = loaded_after(source, tmp_path)
    assert "course.checking.examine" in after
    assert not NEVER & {name.split(".")[0] for name in after}
    assert "torch._dynamo" not in after


@pytest.mark.slow
def test_no_check_of_any_exercise_loads_them(tmp_path: Path) -> None:
    """With the reference's answers, so that each check is run to its end."""
    source = (
        "import importlib; from course import check; from course.catalogue.syllabus import load\n"
        "for module in load().modules:\n"
        "    answers = importlib.import_module(f'solutions.{module.id}')\n"
        "    for exercise in module.exercises:\n"
        "        check(*(getattr(answers, name) for name in exercise.defines))"
    )
    after = loaded_after(source, tmp_path)
    assert {f"course.modules.{module.id}.checks" for module in load().modules} <= after
    assert not (NEVER - {"solutions"}) & {name.split(".")[0] for name in after}


def test_a_notebook_is_read_without_torch_and_without_a_schema(tmp_path: Path) -> None:
    notebook = Path(ROOT, "exercises", "attention.ipynb")
    source = (
        "import pathlib, course.cli; from course.desk.notebook import read\n"
        f"assert read(pathlib.Path({str(notebook)!r}))[0]"
    )
    after = loaded_after(source, tmp_path)
    assert "course.desk.notebook" in after
    assert not {"torch", *NEVER} & {name.split(".")[0] for name in after}


def test_hint_and_progress_do_without_torch(tmp_path: Path) -> None:
    after = loaded_after("import course; course.hint('stable_softmax')", tmp_path)
    assert "torch" not in after
    assert not NEVER & {name.split(".")[0] for name in after}


def test_check_and_hint_are_functions_that_can_be_replaced_on_the_package(tmp_path: Path) -> None:
    source = (
        "import course, course.check, course.hint, course.desk.progress\n"
        "assert callable(course.check) and callable(course.hint)\n"
        "from course.check import CheckFailed\n"
        "course.check = course.hint = lambda *_, **__: print('replaced')\n"
        "from course import check, hint\n"
        "check(len); hint('x')\n"
        "from course.check import check as real\n"
        "assert real is not check"
    )
    loaded_after(source, tmp_path)
