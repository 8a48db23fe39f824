"""A course directory of nbgrader's: made from the course, and brought up to date with it.

What was written is kept below .autograder/source/, so that an update can tell an instructor's edits from the
course's own changes.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode
from nbgrader.api import Gradebook, MissingEntry
from nbgrader.apps.baseapp import NbGrader
from nbgrader.converters import GenerateAssignment
from nbgrader.converters.base import NbGraderException

from ..atomic import write_atomically
from ..build import answers, compose, dump
from ..content.course_root import CourseRoot
from ..errors import Fault, UsageError
from .apps import CONFIG, nbgrader_in, pointed_at
from .gradebook import is_free_for
from .settings import FOLDER, AutograderCourse
from .steps.config import GRADEBOOK_VARIABLE

NBGRADER_CONFIG = """\
# nbgrader's configuration for this course directory, written by `autograder nbgrader init`.
# It is yours to edit; `autograder nbgrader update` leaves it alone.
import os

from autograder.nbgrader.steps.config import configure

c = get_config()  # noqa: F821 - nbgrader puts it here

c.CourseDirectory.course_id = {course_id!r}
c.CourseDirectory.root = os.path.dirname(os.path.abspath(__file__))

# The clone of the course with the hidden suites, seen from this folder (or absolute). The environment
# variable AUTOGRADER_COURSE_ROOT overrides it.
configure(c, course_root={course_root!r})

# How students' code is kept in, and what it runs on: `autograder doctor` says what this machine has.
# c.AutograderCourse.sandbox = "full"
# c.AutograderCourse.device = "cpu"

# Whether hint(...) gives students hints. After a change: `nbgrader generate_assignment NAME --force`, then
# `nbgrader release_assignment NAME --force`.
{hints}

# What `autograder nbgrader watch` shows students of a submission, at once: what the public checks say;
# that and their points ("points"); or all of the feedback ("full").
# c.AutograderCourse.show = "public"

# Where students fetch and submit: a folder that all of them may write to (chmod 777).
# c.Exchange.root = "/usr/local/share/nbgrader/exchange"

# A submission after the due date gets no points; for a rule of your own, see nbgrader's documentation.
# c.LateSubmissionPlugin.penalty_method = "zero"
"""


@dataclass(frozen=True)
class Change:
    """What an update did with one module. `refused`: something would have been lost."""

    module: str
    said: str
    refused: bool = False


def init(
    root: CourseRoot, folder: Path, modules: Sequence[str], course_id: str, *, hints: bool = True
) -> None:
    """Makes a course directory with these modules as assignments, generated and ready to be released.

    Without `hints`, hint(...) gives students none.

    Raises UsageError for a folder that is not empty and for another course's gradebook, ContentError where
    the course is wrong.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(f"{folder} is not empty: name a new folder, or use `autograder nbgrader update`.")
    notebooks = {module: source_notebook(root, module) for module in modules}
    if url := os.environ.get(GRADEBOOK_VARIABLE):
        is_free_for(url, course_id)
    folder.mkdir(parents=True, exist_ok=True)
    config = NBGRADER_CONFIG.format(
        course_id=course_id,
        course_root=_seen_from(folder.resolve(), root.path),
        hints="# c.AutograderCourse.hints = False" if hints else "c.AutograderCourse.hints = False",
    )
    write_atomically(folder / CONFIG, config)
    for module, content in notebooks.items():
        _write(folder, module, content)
    with nbgrader_in(folder) as app:
        for module in modules:
            _generate(app, module)


def update(folder: Path, modules: Sequence[str]) -> Iterator[Change]:
    """Brings the source notebooks of these modules (by default those of the directory) up to date.

    Nothing that an instructor edited is touched, and no assignment that has submissions loses or gains cells.
    """
    with nbgrader_in(folder) as app:
        root = AutograderCourse(parent=app).root
        folder = folder.resolve()
        for module in modules or [module.id for module in root.syllabus.modules]:
            place = _source(folder, root.module(module).id)
            if modules or place.exists() or _as_written(folder, module).exists():
                yield _update(root, app, folder, module)
            else:
                yield Change(
                    module, f"not in this directory: `autograder nbgrader update DIR {module}` adds it"
                )


def source_notebook(root: CourseRoot, module: str) -> bytes:
    """The notebook that nbgrader makes its release from: with the solutions, between their markers."""
    return dump(compose(root, module, answers(root, module, "marked")))


def _update(root: CourseRoot, app: NbGrader, folder: Path, module: str) -> Change:
    path, kept = _source(folder, module), _as_written(folder, module)
    new = source_notebook(root, module)
    here, written = _cells(path), _cells(kept)
    if here == _cells(new):
        return Change(module, "up to date")
    if here is None and written is not None:
        return Change(module, "left out, since you removed it")
    if here != written and written == _cells(new):
        return Change(module, "your edits are kept; the course has nothing new")
    if here != written:
        edited = ", ".join(_differing(here, written)[:4])
        return Change(
            module,
            f"not updated: you edited {path.relative_to(folder)} (cell {edited}) and the course changed it "
            "too; move your file away, run this again, and make your edits anew",
            refused=True,
        )
    if lost := _lost_cells(app, module, new):
        return Change(module, lost, refused=True)
    added = here is None
    _write(folder, module, new)
    _generate(app, module)
    return Change(module, "added" if added else "updated and generated; release it again")


def _lost_cells(app: NbGrader, module: str, new: bytes) -> str:
    """Why the gradebook cannot follow, if so: nbgrader changes no cells of an assignment with submissions."""
    with Gradebook(app.coursedir.db_url, app.coursedir.course_id) as gradebook:
        try:
            notebook = gradebook.find_notebook(module, module)
        except MissingEntry:
            return ""
        before, handed_in = {cell.name for cell in notebook.source_cells}, len(notebook.submissions)
    marks = [cell.metadata["nbgrader"] for cell in _notebook(new).cells if "nbgrader" in cell.metadata]
    now = {mark["grade_id"] for mark in marks if mark["solution"] or mark["grade"] or mark["locked"]}
    if not handed_in or before == now:
        return ""
    changes = [f"without {id}" for id in sorted(before - now)] + [f"with {id}" for id in sorted(now - before)]
    return (
        f"not updated: the course now has it {', '.join(changes)}, and {handed_in} submission(s) are in the "
        "gradebook, whose grades would be lost; finish this term with the old version"
    )


def _generate(app: NbGrader, module: str) -> None:
    converter = GenerateAssignment(coursedir=app.coursedir, parent=app)
    converter.force = True
    try:
        with pointed_at(app.coursedir, assignment_id=module):
            converter.start()
    except (NbGraderException, SystemExit) as error:
        raise Fault(f"nbgrader could not generate {module!r} ({error}); its message is above") from None


def _seen_from(folder: Path, root: Path) -> str:
    """The course's root as the config names it: relative where the two lie near one another."""
    try:
        near = os.path.commonpath([folder, root])
    except ValueError:  # on two drives
        return str(root)
    return Path(os.path.relpath(root, folder)).as_posix() if near != os.path.sep else str(root)


def _source(folder: Path, module: str) -> Path:
    return folder / "source" / module / f"{module}.ipynb"


def _as_written(folder: Path, module: str) -> Path:
    return folder / FOLDER / "source" / f"{module}.ipynb"


def _write(folder: Path, module: str, content: bytes) -> None:
    # In this order: killed in between, the notebook counts as edited, and nothing of it is overwritten.
    write_atomically(_source(folder, module), content)
    write_atomically(_as_written(folder, module), content)


def _notebook(content: bytes) -> NotebookNode:
    notebook: NotebookNode = nbformat.reads(content.decode(), as_version=4)
    return notebook


def _cells(content: Path | bytes) -> dict[str, Any] | None:
    """What counts in a notebook, by cell id in order; not its outputs, which running it changes."""
    if isinstance(content, Path):
        if not content.is_file():
            return None
        content = content.read_bytes()
    try:
        notebook = _notebook(content)
    except Exception:  # nbformat raises what it likes; a file that is no notebook is an edited one
        return {"the whole file": content}
    return {
        cell.get("id", f"cell {number}"): (number, cell.cell_type, cell.source, cell.metadata.get("nbgrader"))
        for number, cell in enumerate(notebook.cells)
    }


def _differing(one: dict[str, Any] | None, other: dict[str, Any] | None) -> list[str]:
    one, other = one or {}, other or {}
    return [id for id in {**one, **other} if (one.get(id) or [0])[1:] != (other.get(id) or [0])[1:]] or [
        "order"
    ]
