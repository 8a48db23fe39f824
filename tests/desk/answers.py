"""Notebooks of a student who answers with the solutions, as cells that have run."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from functools import cache
from pathlib import Path

from autograder import build
from autograder.content.course_root import CourseRoot
from course.catalogue.syllabus import load
from course.cells.python import Cell
from course.desk import mine, mine_folder

ROOT = CourseRoot.find(Path(__file__))


@cache
def solved(module: str) -> tuple[Cell, ...]:
    """All cells of a solved notebook but for its demos."""
    notebook = build.compose(ROOT, module, build.answers(ROOT, module, "solved"))
    return tuple(
        Cell(number, cell.source)
        for number, cell in enumerate(notebook.cells, start=1)
        if cell.cell_type == "code" and "demo" not in cell.metadata.get("tags", [])
    )


def keep_all(folder: Path, *modules: str) -> None:
    """Leaves in `folder` what is kept when all of these modules have been done."""
    if modules:
        shutil.copytree(_kept(modules), folder / mine_folder.FOLDER)


@cache
def _kept(modules: tuple[str, ...]) -> Path:
    """Kept once in a process: each answer is checked for it."""
    folder = Path(tempfile.mkdtemp(prefix="kept-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    for module in modules:
        for exercise in load().module(module).exercises:
            said = mine.keep(f"{module}/{exercise.id}", solved(module), folder)
            assert said.startswith("Kept in "), said
    return folder / mine_folder.FOLDER
