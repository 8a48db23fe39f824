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


def test_cells_of_the_light_format_and_what_stands_between_them() -> None:
    text = "# ---\n# jupyter: {}\n# ---\n\n# # Title\n\nimport a\n\n# + [markdown]\n# text\n# -\n\nx = 1\n\n"
    text += '# + tags=["demo"]\ny = 2\n\nz = 3\n# -\n\nw = 4\n'
    assert [source for _, source in code(parse(text.encode())) if source] == [
        "# ---\n# jupyter: {}\n# ---\n\n# # Title\n\nimport a",
        "x = 1",
        "y = 2\n\nz = 3",
        "w = 4",
    ]


@pytest.mark.parametrize("mark", ["#%% md", "# %% [markdown] {}", "#%% raw", "# <markdowncell>", "# + [md]"])
def test_prose_of_every_editor_is_no_code(mark: str) -> None:
    text = f'# %%\nx = 1\n{mark}\n"""Not code."""\nnor this\n# %% [code] {{"id": 1}}\ny = 2\n'
    assert [source for _, source in code(parse(text.encode()))] == ["x = 1", "y = 2"]


def test_magics_that_nbconvert_wrote_as_calls_are_magics_again() -> None:
    text = (
        "# In[1]:\n\nget_ipython().run_line_magic('time', 'x = f(\"a\")')\nget_ipython().system('ls')\n"
        "files = get_ipython().getoutput('ls')\n# In[2]:\n\n"
        "get_ipython().run_cell_magic('time', '', 'def f(x):\\n    return x\\n')\n"
    )
    assert code(parse(text.encode())) == [
        (1, '%time x = f("a")\n!ls\nfiles = !ls'),
        (2, "%%time\ndef f(x):\n    return x"),
    ]


def test_what_colab_commented_out_for_a_magic_is_code_again() -> None:
    note = "# Commented out IPython magic to ensure Python compatibility.\n"
    text = (
        note + "# %matplotlib inline\nx = 1\n\n" + note + "# %%time\n# def f(x):\n#     return x\n#\ny = 2\n"
    )
    text += note + "# %%bash\n# ls\n"
    (cell,) = parse(text.encode()).cells
    assert "\n# %%time\ndef f(x):\n    return x\n\ny = 2\n" in cell.source
    assert cell.source.endswith("# %%bash\n# ls\n")
    assert cell.source.count("\n") == text.count("\n")


def test_cells_of_databricks() -> None:
    mark = "\n\n# COMMAND ----------\n\n"
    cells = [
        "# Databricks notebook source\n# MAGIC %md\n# MAGIC # Title",
        "x = 1",
        "# MAGIC %pip install torch\ny = 2",
        "# DBTITLE 1,Query\n# MAGIC %sql\n# MAGIC SELECT 1",
    ]
    notebook = parse(mark.join(cells).encode())
    assert [(number, source) for number, source in code(notebook) if "Databricks" not in source] == [
        (2, "x = 1"),
        (3, "%pip install torch\ny = 2"),
    ]


def test_cells_of_marimo() -> None:
    text = '''import marimo

__generated_with = "0.9.14"
app = marimo.App()

with app.setup:
    import torch


@app.cell
def _():
    import marimo as mo
    return (mo,)


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""# Title""")
    return


@app.cell
def softmax_cell(
    torch,
    nn,
):
    def f(x):
        return x

    y = f(1)
    return (
        f,
        y,
    )


@app.function
def g(x):
    return x


if __name__ == "__main__":
    app.run()
'''
    assert [source for _, source in code(parse(text.encode())) if source] == [
        "import torch",
        "def f(x):\n    return x\n\ny = f(1)",
        "def g(x):\n    return x",
    ]


@pytest.mark.parametrize(
    ("encoding", "head"),
    [
        ("utf-16", ""),
        ("utf-16-le", ""),
        ("utf-32", ""),
        ("latin-1", "# -*- coding: latin-1 -*-\n"),
        ("cp1252", "#!/usr/bin/env python\n# coding: cp1252\n"),
    ],
)
def test_encodings_that_editors_write(encoding: str, head: str) -> None:
    (cell,) = parse(f"{head}s = 'é'\n".encode(encoding)).cells
    assert cell.source == f"{head}s = 'é'\n"


@pytest.mark.parametrize("said", ["punycode", "unicode_escape", "zlib", "utf-7"])
def test_no_codec_of_the_files_choice_is_run(said: str) -> None:
    (cell,) = parse(f"# coding: {said}\ns = 'é'\n".encode()).cells
    assert "é" in cell.source
