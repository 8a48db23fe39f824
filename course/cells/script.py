"""Reads a `.py` file as the notebook that it stands for.

| written by | a cell begins at |
|---|---|
| jupytext (percent), VS Code, Kaggle, PyCharm | `# %%`; `[markdown]`, `md` or `[raw]` behind it: no code |
| jupytext (light) | `# +`, or behind the `# -` that ends one |
| nbconvert | `# In[3]:`; its `get_ipython()...` become magics again |
| Databricks | `# COMMAND ----------`; lines of `# MAGIC` are magics, `%md` and other languages are no code |
| marimo | `@app.cell`, `@app.function`, `with app.setup:` |
| Colab, and a plain module | nowhere: it is one cell, so that line n of the cell is line n of the file |

Nothing is run here, and no statement is parsed.
"""

from __future__ import annotations

import ast
import re
import textwrap

from course.cells import magics
from course.cells.notebook import (
    MAX_CELLS,
    MAX_CODE,
    BrokenNotebook,
    Kind,
    Notebook,
    NotebookCell,
    encoding_of,
    not_text,
    refuse_other_formats,
    too_much_code,
)

# Not `# %%time`, which is how jupytext writes a cell's magic.
_BEGINS = re.compile(
    r"#[ \t]*(?:%{2,}(?P<title>[ \t].*)?|In\[[ \d]*\]:[ \t]*|COMMAND -{10}[ \t]*"
    r"|[+](?P<light>[ \t].*)?|-[ \t]*|<(?P<old>code|markdown|html|raw)cell>[ \t]*)"
)
_PROSE = re.compile(r"\[(?:markdown|md|raw)\]|[ \t]*(?:md|markdown|raw)[ \t]*")
_OTHER_LANGUAGE = re.compile(r"\s*%(?:md|md-sandbox|sql|scala|r|sh|fs|run|bash)\b")
_OF_NBCONVERT = re.compile(r"([ \t]*(?:\w+[ \t]*=[ \t]*)?)get_ipython\(\)\.(\w+)(\(.*\))[ \t]*")
_COMMENTED_OUT = "# Commented out IPython magic to ensure Python compatibility."
_MARIMO = re.compile(r"^app = marimo\.App\(", re.MULTILINE)
_HEAD_OF_MARIMO = re.compile(r"@app\.cell[^\n]*\n(?:async )?def \w+\([^()]*\)[^:\n]*:\n|with [^\n]*:\n")
# What a file may say of itself, of the codecs that take linear time and no more memory than the text.
_CODING = re.compile(rb"\A(?:#.*\n)?#.*?coding[:=][ \t]*(latin-?1|iso-8859-15?|(?:cp|windows-)125\d)\b", re.I)


def parse(data: bytes, sha256: str = "") -> Notebook:
    """The notebook in `data`; raises `BrokenNotebook` and nothing else. It never says its module."""
    if len(data) > 4 * MAX_CODE:  # a character takes at most four bytes
        raise too_much_code()
    refuse_other_formats(data)
    text = _text(data)
    if len(text) > MAX_CODE:
        raise too_much_code()
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    cells = _of_marimo(lines) if _MARIMO.search(text) else _cells(lines)
    if len(cells) > MAX_CELLS:
        raise BrokenNotebook(f"The file has {len(cells):,} cells; the limit is {MAX_CELLS:,}.")
    numbered = enumerate(cells, 1)
    return Notebook(tuple(NotebookCell(n, kind, "\n".join(source)) for n, (kind, source) in numbered), sha256)


def _text(data: bytes) -> str:
    encoding = encoding_of(data)
    if encoding == "utf-8" and (said := _CODING.match(data[:500])):
        encoding = said[1].decode("ascii").lower()
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        raise not_text(encoding, error, data) from None


def _cells(lines: list[str]) -> list[tuple[Kind, list[str]]]:
    found: list[tuple[Kind, list[str]]] = [("code", [])]
    for line in lines:
        begins = _BEGINS.fullmatch(line)
        if begins is None:
            found[-1][1].append(line)
            continue
        title = begins["title"] or begins["light"] or begins["old"] or ""
        prose = _PROSE.match(title.strip()) or (_PROSE.search(title) and "[" in title)
        found.append(("markdown" if prose else "code", []))
    if len(found) > 1 and not any(_is_code(line) for line in found[0][1]):
        del found[0]  # jupytext's header, or nothing
    return [_as_in_the_notebook(kind, source) for kind, source in found]


def _is_code(line: str) -> bool:
    return bool(line.strip()) and (not line.startswith("#") or line.startswith("# MAGIC"))


def _as_in_the_notebook(kind: Kind, source: list[str]) -> tuple[Kind, list[str]]:
    """The cell with magics in the place of what a tool had to make of them, line for line."""
    if kind != "code":
        return kind, []
    if any(line.startswith("# MAGIC") for line in source):
        source = [re.sub(r"^# MAGIC ?", "", line) for line in source]
        first = next((line for line in source if line.strip() and not line.startswith("#")), "")
        if _OTHER_LANGUAGE.match(first):
            return "raw", []
        source = ["" if line.strip() == "%python" else line for line in source]
    code = [line for line in source if line.strip()]
    if len(code) == 1 and (cell_magic := _cell_magic(code[0])):
        return kind, cell_magic
    return kind, _uncommented([_line_magic(line) for line in source])


def _line_magic(line: str) -> str:
    """`%time f()` where nbconvert made `get_ipython()...` of it, or jupytext a comment."""
    if line.lstrip().startswith("# %time "):
        return line.replace("# ", "", 1)
    if (call := _OF_NBCONVERT.fullmatch(line)) and (arguments := _literals(call[3])):
        if call[2] == "run_line_magic" and len(arguments) == 2:
            return f"{call[1]}%{arguments[0]} {arguments[1]}"
        if call[2] in ("system", "getoutput"):
            return f"{call[1]}!{arguments[0]}"
    return line


def _cell_magic(line: str) -> list[str] | None:
    """The cell that is nbconvert's `get_ipython().run_cell_magic('time', '', 'x = 1\\n')`."""
    call = _OF_NBCONVERT.fullmatch(line)
    if call is None or call[2] != "run_cell_magic" or len(arguments := _literals(call[3])) != 3:
        return None
    name, rest, body = arguments
    return [f"%%{name} {rest}".rstrip(), *body.rstrip("\n").split("\n")]


def _literals(arguments: str) -> list[str]:
    """The arguments of a call that are strings; none, if one is anything else."""
    try:
        found = ast.literal_eval(f"({arguments[1:-1]},)")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []
    return [one for one in found if isinstance(one, str)]


def _uncommented(lines: list[str]) -> list[str]:
    """With the cells that Colab comments out whole for the sake of a magic at their top."""
    done: list[str] = []
    inside = False
    for line in lines:
        opened = re.match(r"# %%(\w+)", line) if done and done[-1] == _COMMENTED_OUT else None
        if opened:
            inside = not magics.is_dropped(opened[1])
        elif inside and line.startswith("#"):
            line = re.sub(r"^# ?", "", line)
        else:
            inside = False
        done.append(line)
    return done


def _of_marimo(lines: list[str]) -> list[tuple[Kind, list[str]]]:
    """The bodies of marimo's cells without the `return` at their end, and its top-level definitions."""
    text = "\n".join(lines)
    found: list[tuple[Kind, list[str]]] = []
    for part in re.split(r"\n(?=@app\.|with app\.setup)", text)[1:]:
        part = re.split(r"\nif __name__ ==", part)[0]
        head = _HEAD_OF_MARIMO.match(part)
        if head is None:  # a function or a class, below its decorator
            found.append(("code", part.split("\n")[1:]))
            continue
        body = re.split(r"\n?^    return\b", part[head.end() :], flags=re.MULTILINE)[0]
        source = re.sub(r"^import marimo as mo$", "", textwrap.dedent(body), flags=re.MULTILINE)
        found.append(("markdown" if source.lstrip().startswith("mo.md(") else "code", source.split("\n")))
    return found
