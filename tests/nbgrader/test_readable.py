"""Any file becomes a valid notebook, or one sentence."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nbformat
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from nbformat import NotebookNode

from autograder.errors import Unreadable
from autograder.nbgrader.steps.readable import inert, note_instead, readable

SETTINGS = settings(
    max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
CELL = st.fixed_dictionaries(
    {"cell_type": st.sampled_from(["code", "markdown", "raw"]), "source": st.text() | st.lists(st.text())},
    optional={"id": JSON, "metadata": JSON, "outputs": JSON, "execution_count": JSON, "attachments": JSON},
)


def read_back(path: Path, content: object) -> NotebookNode:
    path.write_text(json.dumps(content), encoding="utf-8")
    return readable(path)


@SETTINGS
@given(cells=st.lists(CELL, max_size=5), metadata=JSON, outputs=st.lists(JSON, max_size=5))
def test_whatever_the_cells_say(tmp_path: Path, cells: list[Any], metadata: Any, outputs: list[Any]) -> None:
    for cell in cells:
        cell.setdefault("outputs", outputs)
    try:
        notebook = read_back(
            tmp_path / "any.ipynb", {"nbformat": 4, "nbformat_minor": 5, "metadata": metadata, "cells": cells}
        )
    except Unreadable:
        return

    nbformat.validate(notebook)
    assert len(notebook.cells) == len(cells)
    nbformat.writes(notebook).encode()


@SETTINGS
@given(content=st.binary(max_size=200))
def test_whatever_the_bytes(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "any.ipynb"
    path.write_bytes(content)
    with pytest.raises(Unreadable):
        readable(path)


@SETTINGS
@given(reason=st.text())
def test_whatever_the_reason(reason: str) -> None:
    nbformat.validate(note_instead(reason))


def test_a_reason_is_no_markup() -> None:
    note = note_instead("**<b>** [x](javascript:y)").cells[0].source

    assert note.endswith(r"\*\*\<b\>\*\* \[x\]\(javascript:y\)")


def test_an_old_notebook(tmp_path: Path) -> None:
    cell = {"cell_type": "code", "input": ["a = 1\n", "b = 2"], "outputs": [], "language": "python"}
    old = {"nbformat": 3, "metadata": {}, "worksheets": [{"cells": [cell]}]}

    assert [cell.source for cell in read_back(tmp_path / "old.ipynb", old).cells] == ["a = 1\nb = 2"]


def test_half_a_surrogate_pair_becomes_the_replacement_character(tmp_path: Path) -> None:
    cell = {"cell_type": "markdown", "source": f"a{chr(0xD800)}b"}

    notebook = read_back(tmp_path / "half.ipynb", {"nbformat": 4, "cells": [cell]})

    assert notebook.cells[0].source == f"a{chr(0xFFFD)}b"


def test_endless_outputs_are_cut() -> None:
    outputs = [{"output_type": "stream", "name": "stdout", "text": "x\n" * 100_000}] * 1000
    kept = inert(outputs)

    assert len(kept) == 20
    assert all(len(output.text) < 2000 for output in kept)


def test_a_value_becomes_a_display() -> None:
    """nbgrader takes a value in a check cell for points."""
    (output,) = inert([{"output_type": "execute_result", "data": {"text/plain": "10"}}])

    assert output.output_type == "display_data"
