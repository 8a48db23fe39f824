"""A `.py` file as the notebook that it stands for."""

from __future__ import annotations

from pathlib import Path

import pytest

from autograder.submission.read import BrokenNotebook as Refused
from autograder.submission.read import read
from course.cells.notebook import MAX_CODE, BrokenNotebook, Notebook
from course.cells.script import parse


def code(notebook: Notebook) -> list[tuple[int, str]]:
    return [(cell.number, cell.source.strip()) for cell in notebook.cells if cell.kind == "code"]


def test_a_plain_module_is_one_cell_with_the_lines_of_the_file() -> None:
    text = "\n# What I did.\nimport torch\n\n\ndef f(x):\n    return x\n"
    (cell,) = parse(text.encode()).cells
    assert cell.source == text
    assert (cell.number, cell.kind) == (1, "code")


def test_cells_of_the_percent_format_are_numbered_as_an_editor_shows_them() -> None:
    header = "# ---\n# jupyter: {}\n# ---\n\n# %% [markdown]\n# # Title\n\n"
    text = header + "# %%\nx = 1\n\n# %% Next\n# %%time\ny = 2\n"
    assert code(parse(text.encode())) == [(2, "x = 1"), (3, "# %%time\ny = 2")]


def test_code_before_the_first_mark_is_a_cell() -> None:
    assert code(parse(b"import torch\n# %%\nx = 1\n")) == [(1, "import torch"), (2, "x = 1")]


def test_what_nbconvert_writes() -> None:
    header = "#!/usr/bin/env python\n# coding: utf-8\n\n# # Title\n\n"
    text = header + "# In[1]:\n\n\nx = 1\n\n\n# In[ ]:\n\n\ny = 2\n"
    assert code(parse(text.encode())) == [(1, "x = 1"), (2, "y = 2")]


def test_ends_of_lines_and_a_byte_order_mark_are_tolerated() -> None:
    assert code(parse("\ufeffx = 1\r\n# %%\r\ny = 2\r".encode())) == [(1, "x = 1"), (2, "y = 2")]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"  \n", "The file is empty"),
        (b"x = '\xe9'\n", "not valid UTF-8 text: byte 5 (0xe9)"),
        (b"PK\x03\x04rest", "a zip that was renamed"),
        (b"x = 1\n" * MAX_CODE, "more than 500,000 characters of code"),
        (b"# %%\n" * 2_001, "2,001 cells"),
    ],
)
def test_what_cannot_be_read_is_said_in_a_sentence(data: bytes, said: str) -> None:
    with pytest.raises(BrokenNotebook, match=r"^[^\n]*$") as raised:
        parse(data)
    assert said in str(raised.value)


def test_the_ending_of_the_name_decides(tmp_path: Path) -> None:
    script = tmp_path / "attention.py"
    script.write_bytes(b"x = 1\n")
    assert code(read(script)) == [(1, "x = 1")]
    assert read(script).sha256 != ""
    with pytest.raises(Refused):
        read(script.rename(tmp_path / "attention.ipynb"))
