"""How every notebook begins: with the course, wherever it is opened.

The lesson's first code cell, which imports what the rest needs, gets these lines at its top. Where the course
is missing they install it, if the syllabus says from where (`start: install:`), or say what to do.
"""

from __future__ import annotations

from course.catalogue.syllabus import Start

# No line is longer than what JupyterLab and the site show without scrolling.
_INSTALLS = """\
# The course comes first. Where it is missing, as in a new session of Colab or
# Kaggle, pip brings it, which takes a few minutes.
try:
    import course
except ModuleNotFoundError:
    %pip install --quiet {install}
    import course  # still missing? pip says why, above; Kaggle needs Internet on in Settings
"""

_SAYS = """\
# The course comes first: where it is missing, this says what to do.
try:
    import course
except ModuleNotFoundError as missing:
    import sys

    raise ModuleNotFoundError(
        f"no {missing.name!r} in this notebook's Python, {sys.executable}: choose the kernel "
        "that has the course, or run in a terminal "
        f"`{sys.executable} -m pip install FOLDER`, FOLDER being the one that you were given "
        "with the course, and restart the kernel"
    ) from None
"""


def opened(source: str, start: Start) -> str:
    """The source of a notebook's first code cell, with the course before all else."""
    return f"{_lines(start)}\n{source}"


def without(source: str, start: Start) -> str:
    """What the lesson itself has in such a cell; of any other cell its whole source."""
    return source.removeprefix(f"{_lines(start)}\n")


def _lines(start: Start) -> str:
    return _SAYS if start.install is None else _INSTALLS.replace("{install}", start.install)
