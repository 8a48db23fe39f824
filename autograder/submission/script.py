"""Reads a `.py` file as the notebook that it stands for.

Cells begin at `# %%` lines (jupytext, VS Code, Spyder) or at `# In[3]:` (nbconvert); cells marked
`[markdown]` or `[raw]` are no code. A plain module is one cell, so that line n of the cell is line n of the
file. Nothing is run or parsed here.
"""

from __future__ import annotations

import re

from .notebook import (
    MAX_CELLS,
    MAX_CODE,
    BrokenNotebook,
    Kind,
    Notebook,
    NotebookCell,
    refuse_other_formats,
    too_much_code,
)

# Not `# %%time`, which is how jupytext writes a cell's magic.
_BEGINS = re.compile(r"#[ \t]*(?:%%(?P<title>[ \t].*)?|In\[[ \d]*\]:[ \t]*)")
_PROSE = re.compile(r"\[(?:markdown|md|raw)\]")


def parse(data: bytes, sha256: str = "") -> Notebook:
    """The notebook in `data`; raises `BrokenNotebook` and nothing else. It never says its module."""
    if len(data) > 4 * MAX_CODE:  # a character takes at most four bytes
        raise too_much_code()
    refuse_other_formats(data)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BrokenNotebook(
            f"The file is not valid UTF-8 text: byte {error.start} (0x{data[error.start]:02x}) is wrong; "
            "save it as UTF-8 and hand it in again."
        ) from None
    if len(text) > MAX_CODE:
        raise too_much_code()
    cells = _cells(text.replace("\r\n", "\n").replace("\r", "\n").split("\n"))
    if len(cells) > MAX_CELLS:
        raise BrokenNotebook(f"The file has {len(cells):,} cells; the limit is {MAX_CELLS:,}.")
    return Notebook(tuple(cells), sha256)


def _cells(lines: list[str]) -> list[NotebookCell]:
    found: list[tuple[Kind, list[str]]] = [("code", [])]
    for line in lines:
        begins = _BEGINS.fullmatch(line)
        if begins is None:
            found[-1][1].append(line)
        else:
            found.append(("markdown" if _PROSE.search(begins["title"] or "") else "code", []))
    if len(found) > 1 and not any(line.strip() and not line.startswith("#") for line in found[0][1]):
        del found[0]  # jupytext's header, or nothing
    return [
        NotebookCell(number, kind, "\n".join(source)) if kind == "code" else NotebookCell(number, kind)
        for number, (kind, source) in enumerate(found, 1)
    ]
