"""What students do to nbgrader's cells and files."""

from __future__ import annotations

import copy
from collections.abc import Callable

from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_output

from tests.nbgrader.directory import ASSIGNMENT, Directory
from tests.sample_class import Draft, Material

SPLIT, CROSS, SOFTMAX = "split_heads", "CrossAttention", "stable_softmax"
TRAPS: dict[str, Callable[[Draft], bytes | None]] = {}


def trap(work: Callable[[Draft], bytes | None]) -> Callable[[Draft], bytes | None]:
    """Adds a student, called like the function, whose notebook is all right but for what it does."""
    TRAPS[work.__name__] = work
    return work


def value(text: str) -> NotebookNode:
    return new_output("execute_result", data={"text/plain": text})


@trap
def nothing_odd(draft: Draft) -> None:
    pass


@trap
def deleted_check(draft: Draft) -> None:
    draft.delete(f"check_{SPLIT}")


@trap
def deleted_exercise(draft: Draft) -> None:
    draft.delete(f"check_{CROSS}")
    draft.delete(CROSS)


@trap
def copied_check(draft: Draft) -> None:
    twin = copy.deepcopy(draft.check_cell(SPLIT))
    twin.id, twin.source, twin.outputs = "twin", "10", [value("10")]
    draft.notebook.cells.append(twin)


@trap
def copied_answer(draft: Draft) -> None:
    twin = copy.deepcopy(draft.cell(SOFTMAX))
    twin.id, twin.source = "twin", "def stable_softmax(x, dim):\n    return x\n"
    draft.notebook.cells.append(twin)


@trap
def split_cells(draft: Draft) -> None:
    """JupyterLab's "split cell" gives both halves the metadata."""
    cells = draft.notebook.cells
    for grade_id, at in ((SPLIT, "def merge_heads"), (f"check_{SOFTMAX}", "(")):
        place = cells.index(draft.cell(grade_id))
        first, second = copy.deepcopy(cells[place]), copy.deepcopy(cells[place])
        cut = first.source.index(at)
        first.source, second.source, second.id = first.source[:cut], second.source[cut:], f"half-{place}"
        cells[place : place + 1] = [first, second]


@trap
def reordered(draft: Draft) -> None:
    cells = draft.notebook.cells
    cells.sort(key=lambda cell: not cell.metadata.get("nbgrader", {}).get("grade", False))


@trap
def edited_check(draft: Draft) -> None:
    cell = draft.check_cell(SPLIT)
    cell.source = "print('all right')\n1000"
    cell.metadata.nbgrader.points = 1000
    cell.metadata.nbgrader.locked = False
    cell.outputs = [value("1000")]


@trap
def false_claims(draft: Draft) -> None:
    """Untouched, with outputs and metadata that stock nbgrader gives full marks for."""
    for cell in draft.notebook.cells:
        if cell.metadata.get("nbgrader", {}).get("solution"):
            cell.source = "pass"
            cell.metadata.nbgrader.update({"grade": True, "points": 100})
    draft.check_cell(SOFTMAX).outputs = [value("nan")]
    draft.check_cell(SPLIT).outputs = [value("-3")]
    draft.check_cell(CROSS).outputs = [value("1e9")]
    draft.check_cell(CROSS).metadata.nbgrader.grade = False


@trap
def unknown_ids(draft: Draft) -> None:
    marks = {"schema_version": 3, "grade": True, "solution": False, "locked": True, "task": False}
    extra = new_code_cell("50", id="extra")
    extra.metadata["nbgrader"] = {**marks, "grade_id": "extra_credit", "points": 50}
    broken = new_code_cell("1", id="broken")
    broken.metadata["nbgrader"] = {"schema_version": "<b>", "grade": "yes"}
    draft.notebook.cells += [extra, broken]


@trap
def other_kinds(draft: Draft) -> None:
    """A check cell made Markdown, and an answer made raw text by the keys M and R."""
    cells = draft.notebook.cells
    for grade_id, kind in ((f"check_{SOFTMAX}", "markdown"), (SPLIT, "raw")):
        cell = draft.cell(grade_id)
        cells[cells.index(cell)] = new_markdown_cell(cell.source, id=cell.id, metadata=cell.metadata)
        draft.cell(grade_id).cell_type = kind


@trap
def stderr(draft: Draft) -> None:
    draft.answer(SPLIT, draft.cell(SPLIT).source + "\n\nimport sys\n\nprint('careful', file=sys.stderr)\n")
    for exercise in (SPLIT, SOFTMAX):
        draft.check_cell(exercise).outputs = [new_output("stream", name="stderr", text="a warning")]


@trap
def not_json(draft: Draft) -> bytes:
    return draft.bytes()[:20_000]


@trap
def empty(draft: Draft) -> bytes:
    return b""


@trap
def too_large(draft: Draft) -> bytes:
    return draft.bytes() + b" " * 21_000_000


@trap
def hostile_nesting(draft: Draft) -> bytes:
    return b'{"nbformat": 4, "cells": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"


@trap
def a_byte_order_mark(draft: Draft) -> bytes:
    """Readable to us, and to nbgrader only because it gets a notebook that was written anew."""
    return b"\xef\xbb\xbf" + draft.bytes()


def hand_in_all(directory: Directory, material: Material) -> None:
    """Every trap, and what is no file of the right name."""
    for name, work in TRAPS.items():
        draft = material.draft()
        draft.solve()
        content = work(draft)
        directory.hand_in(name, draft.bytes() if content is None else content)
    honest = directory.submitted("nothing_odd") / f"{ASSIGNMENT}.ipynb"
    directory.hand_in("misnamed", honest.read_bytes(), name="attention (final).ipynb")
    for name in ("a_link", "a_folder"):
        directory.submitted(name).mkdir(parents=True)
    (directory.submitted("a_link") / honest.name).symlink_to(honest)
    (directory.submitted("a_folder") / honest.name).mkdir()
