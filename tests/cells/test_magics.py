"""Cells become plain Python line for line, and IPython agrees on what is Python in them."""

# IPython has no types.
# mypy: disable-error-code="no-untyped-call"
from __future__ import annotations

import ast
import re
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from IPython.core.inputtransformer2 import TransformerManager

from autograder.submission.extract import MAX_CELL
from course.cells.magics import to_python


@pytest.mark.parametrize(
    ("cell", "python"),
    [
        ("%matplotlib inline\nx = 1", "pass\nx = 1"),
        ("!pip install torch\nx = 1", "pass\nx = 1"),
        ("!pip install \\\n  torch\nx = 1", "pass\n\nx = 1"),
        ("!echo \"it's (open\nx = 1", "pass\nx = 1"),
        ("if a:\n    !ls\nelse:\n    %cd x\ny", "if a:\n    pass\nelse:\n    pass\ny"),
        ("?x\nx?\nx.y??\n%time?\ny = 1", "pass\npass\npass\npass\ny = 1"),
        ("files = !ls -l", "files = None"),
        ("a = b = !ls \\\n  -l\nc = 1", "a = b = None\n\nc = 1"),
        ("out = %sql SELECT 1", "out = None"),
        ("x.y[0] = %sql 1", "x.y[0] = None"),
        ("x, y = !ls", "x, y = None"),
        ("!!ls\n/f 1\n,f a\n;f b\nx = 1;", "pass\npass\npass\npass\nx = 1;"),
    ],
)
def test_magics_shell_and_help_lines_do_nothing(cell: str, python: str) -> None:
    assert to_python(cell) == python
    ast.parse(python)


@pytest.mark.parametrize(
    ("cell", "python"),
    [
        ("%time x = f(1)", "x = f(1)"),
        ("y = %time f(1)", "y = f(1)"),
        ("    %time x = f(1)\n    y = 2", "x = f(1)\ny = 2"),
        ("%time -q x = 1", "pass"),
        ("%time x = (", "pass"),
        ("%timeit x = f(1)", "pass"),
        ("%%time\nx = 1\n%%time", "\nx = 1\npass"),
        ("%%capture out\nx = 1", "out = None\nx = 1"),
        ("%%capture --no-stderr out\nx = 1", "out = None\nx = 1"),
        ("\n\n%%time\n%%capture\n!ls\nx = 1", "\n\n\n\npass\nx = 1"),
        ("%%snakeviz\nx = 1", "\nx = 1"),
    ],
)
def test_what_is_timed_or_captured_runs(cell: str, python: str) -> None:
    assert to_python(cell) == python


@pytest.mark.parametrize(
    "magic", ["bash", "html", "HTML", "writefile x.py", "timeit n = 1", "javascript", "latex", "R", "!", "sh"]
)
def test_cells_of_other_languages_and_those_that_leave_no_names_are_dropped(magic: str) -> None:
    assert to_python(f"%%{magic}\nx = 1\n\ny = 2\n") == "\n\n\n\n"


@pytest.mark.parametrize(
    "cell",
    [
        "x = 1",
        "",
        "\n\n",
        's = """\n%no\n!no\nwhy?\n"""',
        "x = (a\n%b)",
        "x = a \\\n% b",
        "# %no\n#!no\n# why?",
        "print('100%')\ny = x != 3",
        "f'{x!r}'",
        "x = 1 if a!=b else 2",
        "In[1]: int",
    ],
)
def test_plain_python_is_left_as_it_is(cell: str) -> None:
    assert to_python(cell) == cell


@pytest.mark.parametrize(
    ("cell", "python"),
    [
        ('s = """\n%no\nwhy?\n"""\n%yes', 's = """\n%no\nwhy?\n"""\npass'),
        ("s = '\\\n%no'\n%yes", "s = '\\\n%no'\npass"),
        ("f(a\n%b, '''(''')\n!yes", "f(a\n%b, '''(''')\npass"),
        ("x = 5 # %no (\n%yes", "x = 5 # %no (\npass"),
        ("d = {1: 2,\n%no\n}\n%yes", "d = {1: 2,\n%no\n}\npass"),
    ],
)
def test_beside_a_magic_strings_comments_and_brackets_keep_theirs(cell: str, python: str) -> None:
    assert to_python(cell) == python


@pytest.mark.parametrize(
    ("cell", "python"),
    [
        (">>> x = 1\n>>> def f():\n...     return 1", "x = 1\ndef f():\n    return 1"),
        ("In [1]: x = 1\n   ...: y = 2", "x = 1\ny = 2"),
        ("  x = 1\n  y = 2\n", "x = 1\ny = 2\n"),
        (
            "\n    def f():\n        return 1\n  # left\n    x = f()",
            "\ndef f():\n    return 1\n  # left\nx = f()",
        ),
        ("    # what I did\n    x = 1", "# what I did\nx = 1"),
        ("\tif x:\n\t\ty = 1", "if x:\n\ty = 1"),
        ("%%time\n  x = 1\n  y = 2", "\nx = 1\ny = 2"),
        ("    # only a remark\nx = 1", "    # only a remark\nx = 1"),
        ("\n  x = 1\n  !ls\n", "\nx = 1\npass\n"),
    ],
)
def test_what_was_pasted_with_prompts_or_indented(cell: str, python: str) -> None:
    assert to_python(cell) == python


def test_errors_are_left_for_the_parser() -> None:
    assert to_python("def f(:\n%time") == "def f(:\n%time"
    assert to_python("x = a\n% b") == "x = a\n% b"
    assert to_python("f(x=!ls)\n%yes") == "f(x=!ls)\npass"
    assert to_python("x)\n%yes") == "x)\npass"


# ------------------------------------------------------------------------------------- IPython as oracle


class _Quiet(ast.NodeTransformer):
    """Takes out what IPython puts in for a magic, so that what is left is the cell's own Python."""

    def visit_Expr(self, node: ast.Expr) -> Any:
        return ast.Pass() if "get_ipython()" in ast.unparse(node) else node

    def visit_Call(self, node: ast.Call) -> Any:
        return ast.Constant(None) if "get_ipython()" in ast.unparse(node.func) else node


def by_ipython(cell: str) -> str:
    return ast.unparse(_Quiet().visit(ast.parse(TransformerManager().transform_cell(cell))))


LINES = [
    "%matplotlib inline",
    "!pip install torch",
    "!echo 'a' \\\n  \"b\"",
    "%cd ..",
    "files = !ls *.py",
    "out = %who_ls",
    "softmax?",
    "?softmax",
    "softmax??",
    "x = 10 % 3",
    "s = '''%no\n!no\n'''",
    "y = (1\n%2)",
    "def f(x):\n    !ls\n    return x",
    "for i in range(3):\n    %cd x\n    y = !ls\n\n    z = i",
    "# why?",
    "print('why?')",
    "a = {'k': [1,\n  2]}",
    "if x:\n    pass\nelse:\n    !ls",
    "",
    "t = 'it\\'s' # it's",
]


@given(st.lists(st.sampled_from(LINES), max_size=8))
def test_ipython_agrees(lines: list[str]) -> None:
    cell = "\n".join(lines)
    assert ast.unparse(ast.parse(to_python(cell))) == by_ipython(cell)


# ----------------------------------------------------------------------------------------- hostile cells

SPECIAL = st.sampled_from(
    [
        *list("%!?\\\n\n\n'\"#()[]{}= \t;:x1"),
        "%%",
        '"""',
        "'''",
        ">>> ",
        "In [1]: ",
        "%time ",
        "%%time\n",
        "\r",
        "\x0c",
    ]
)


@given(st.lists(SPECIAL | st.text(max_size=4), max_size=40).map("".join))
@settings(max_examples=300)
def test_any_cell_keeps_its_lines(cell: str) -> None:
    assert to_python(cell).count("\n") == cell.count("\n")


@given(st.lists(SPECIAL, max_size=30).map("".join))
@settings(max_examples=300)
def test_what_python_can_parse_python_gets(cell: str) -> None:
    try:
        expected = ast.parse(cell)
    except (SyntaxError, ValueError):
        return
    if not re.match(r"\s*In \[", cell):
        assert ast.dump(ast.parse(to_python(cell))) == ast.dump(expected)


@pytest.mark.parametrize(
    "piece",
    [
        "%a\n",
        "!(",
        "'''",
        '"\\',
        "\\\n",
        "(\n",
        "\n",
        " ",
        "x?",
        "x = !",
        "= ",
        "%time x\n",
        "In [1]: ",
        ">>> ",
        "%%time\n",
        "'''a",
        "?",
        "=!",
        "{'",
        "#",
        "\\",
        "%%",
        "x\\\n?",
    ],
)
def test_no_cell_takes_more_than_a_moment(piece: str) -> None:
    for cell in (piece * (MAX_CELL // len(piece)), piece * (MAX_CELL // len(piece)) + "\n!x"):
        began = time.process_time()
        to_python(cell)
        assert time.process_time() - began < 3
