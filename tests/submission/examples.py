"""A small course module and its released notebook, composed in code, and ways to hand it in."""

# nbformat has no types.
# mypy: disable-error-code="no-untyped-call"
from __future__ import annotations

import copy
import json
from itertools import zip_longest
from typing import Any

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from autograder.submission.extract import Extracted, extract
from course.catalogue.syllabus import Module
from course.cells.ipynb import parse
from course.cells.notebook import Notebook
from course.cells.python import Cell

MODULE = Module.model_validate(
    {
        "id": "attention",
        "title": "Attention",
        "summary": "A module for tests.",
        "exercises": [
            {
                "id": "softmax",
                "title": "Softmax",
                "points": 10,
                "minutes": 10,
                "difficulty": 1,
                "forbidden": ["torch.softmax", "torch.nn.functional.softmax", "torch.nn.Softmax", ".softmax"],
            },
            {
                "id": "heads",
                "title": "Heads",
                "defines": ["split_heads", "merge_heads"],
                "points": 10,
                "minutes": 10,
                "difficulty": 1,
            },
            {
                "id": "Attention",
                "title": "Attention",
                "points": 10,
                "minutes": 10,
                "difficulty": 2,
                "depends_on": ["softmax"],
                "forbidden": [
                    "torch.nn.functional.scaled_dot_product_attention",
                    "torch.nn.MultiheadAttention",
                ],
            },
        ],
        "quiz": {"id": "quiz", "title": "Quiz", "points": 5, "minutes": 5, "difficulty": 1},
    }
)
OTHER = Module.model_validate(
    {
        "id": "unet",
        "title": "UNet",
        "summary": "Another one.",
        "exercises": [{"id": "conv2d", "title": "Conv", "points": 1, "minutes": 1, "difficulty": 1}],
        "quiz": {"id": "unet_quiz", "title": "Quiz", "points": 5, "minutes": 5, "difficulty": 1},
    }
)

SET_UP = """import torch
from torch import Tensor, nn
import torch.nn.functional as F

from course import check"""
STUBS = {
    "softmax": '''def softmax(x: Tensor, dim: int) -> Tensor:
    """The softmax of x along dim."""
    raise NotImplementedError("write the softmax")''',
    "heads": """def split_heads(x: Tensor, heads: int) -> Tensor:
    raise NotImplementedError("write split_heads")


def merge_heads(x: Tensor) -> Tensor:
    raise NotImplementedError("write merge_heads")""",
    "Attention": '''class Attention(nn.Module):
    """Attention with one head."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        raise NotImplementedError("make the layers")

    def forward(self, x: Tensor) -> Tensor:
        raise NotImplementedError("attend")''',
    "quiz": """answers = {
    "q1": None,  # one letter
    "q2": None,  # one number
}""",
}
CHECKS = {
    "softmax": "check(softmax)",
    "heads": "check(split_heads, merge_heads)",
    "Attention": "check(Attention)",
    "quiz": 'check(answers, quiz="quiz")',
}
LONG_DEMO = """from course.lab import words

scores = split_heads(torch.ones(1, 2, 4), 2)
figures.show(words.of(scores))"""
DEMO = "figures.bars(softmax(torch.arange(3.0), 0), F.softmax(torch.arange(3.0), 0))"


def code(source: str, id: str = "", grade_id: str = "", **metadata: Any) -> dict[str, Any]:
    """A code cell, of the student's own making unless it has an id or a grade id."""
    cell: dict[str, Any] = new_code_cell(source, metadata=metadata)
    if id:
        cell["id"] = id
    if grade_id:
        grade = grade_id.startswith("check_")
        cell["metadata"]["nbgrader"] = {
            "schema_version": 3,
            "grade_id": grade_id,
            "grade": grade,
            "solution": not grade,
        }
    return cell


def released_json() -> dict[str, Any]:
    """The notebook that students are given, as JSON."""
    cells = [new_markdown_cell("# Attention", id="title"), code(SET_UP, id="set-up")]
    for exercise, stub in STUBS.items():
        cells += [
            new_markdown_cell(f"## {exercise}", id=f"{exercise}-text"),
            code(stub, id=f"{exercise}-solution", grade_id=exercise),
            code(CHECKS[exercise], id=f"{exercise}-check", grade_id=f"check_{exercise}"),
        ]
        if exercise == "softmax":
            cells.append(code(DEMO, id="softmax-demo", tags=["demo"]))
        if exercise == "heads":
            cells.append(code(LONG_DEMO, id="heads-demo", tags=["demo"]))
    return new_notebook(cells=cells, metadata={"course": {"module": "attention"}})  # type: ignore[no-any-return]


def encoded(notebook: dict[str, Any]) -> bytes:
    return json.dumps(notebook).encode()


def as_notebook(notebook: dict[str, Any]) -> Notebook:
    return parse(encoded(notebook), sha256="0" * 64)


class Draft:
    """The released notebook in a student's hands."""

    def __init__(self) -> None:
        self.json = copy.deepcopy(released_json())

    @property
    def cells(self) -> list[dict[str, Any]]:
        return self.json["cells"]  # type: ignore[no-any-return]

    def cell(self, id: str) -> dict[str, Any]:
        return next(cell for cell in self.cells if cell["id"] == id)

    def number(self, cell: dict[str, Any]) -> int:
        return 1 + next(index for index, one in enumerate(self.cells) if one is cell)

    def write(self, exercise: str, source: str) -> dict[str, Any]:
        """Puts an answer into the exercise's solution cell."""
        cell = self.cell(f"{exercise}-solution")
        cell["source"] = source
        return cell

    def add(self, source: str, after: str = "set-up", **more: Any) -> dict[str, Any]:
        """A new code cell below the one with the id `after`."""
        cell = code(source, **more)
        self.cells.insert(self.number(self.cell(after)), cell)
        return cell

    def remove(self, id: str) -> None:
        self.cells.remove(self.cell(id))

    def run(self) -> list[Cell]:
        """What is to be run, the parts of a cell put together again."""
        found: dict[int, Cell] = {}
        for cell in self.extract().cells:
            before = found.get(cell.number, Cell(cell.number, ""))
            pairs = zip_longest(before.source.split("\n"), cell.source.split("\n"), fillvalue="")
            source = "\n".join(one or other for one, other in pairs)
            found[cell.number] = Cell(cell.number, source, before.exercise or cell.exercise)
        return list(found.values())

    def extract(self, others: tuple[Module, ...] = ()) -> Extracted:
        return extract(as_notebook(self.json), as_notebook(released_json()), MODULE, others)


def notebook_bytes(*sources: str) -> bytes:
    """Any notebook with these code cells, as nbformat writes it."""
    notebook = new_notebook(cells=[new_code_cell(source) for source in sources])
    return nbformat.writes(notebook).encode()  # type: ignore[no-any-return]
