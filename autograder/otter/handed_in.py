"""The notebook that was handed in, out of reach of Otter's kernel.

Otter starts its kernel in the folder of the submission, where `otter.py` or `torch.py` from a student's zip
would be imported, and unpickles the `.OTTER_LOG` that it finds there.
"""

from __future__ import annotations

import os
from pathlib import Path

import nbformat

from ..build import dump
from ..submission.find import Found, files_below, the_one

STUDENT = "submission"  # whose it is, Otter does not say
FOLDER = "handed-in"  # beside Otter's folder `submission`


def set_aside(notebook: Path) -> Path:
    """Moves all of a submission out of the folder that Otter works in; the folder that it is in now.

    An empty notebook takes the place of what Otter reads. Where the submission is aside already, as in a
    container, nothing is moved.
    """
    there, aside = notebook.parent, notebook.parent.parent / FOLDER
    if not aside.exists():
        aside.mkdir()
        for item in sorted(there.iterdir()):
            if item.name != "tests":  # Otter has put the zip's there
                os.replace(item, aside / item.name)
        leave_empty(notebook)
    return aside


def leave_empty(notebook: Path) -> None:
    """Writes what Otter may read in the place of a submission."""
    empty = notebook.suffix != ".ipynb"
    notebook.write_bytes(b"" if empty else dump(nbformat.v4.new_notebook()))


def notebook_in(folder: Path, module: str, scratch: Path) -> Found:
    """The notebook of the module below a folder, or in a zip there; else what is wrong. Raises Fault."""
    files = [file for file in files_below(folder) if file.place.name != "__init__.py"]
    return the_one(files, STUDENT, module, scratch)
