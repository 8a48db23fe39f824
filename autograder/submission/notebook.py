"""A notebook as grading sees it, whatever file it comes from; what is none, and how large one may be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from .. import errors

MAX_BYTES = 20_000_000  # the exercise notebooks with all their pictures are a tenth of it
MAX_CELLS = 2_000  # twenty times the longest exercise notebook
MAX_CODE = 500_000  # characters over all code cells; a thorough solution has 50,000

Kind = Literal["code", "markdown", "raw"]


class BrokenNotebook(errors.Unreadable):
    """A file that is no readable notebook; `sha256` is of its bytes, empty where they were not read."""

    def __init__(self, message: str, sha256: str = "") -> None:
        super().__init__(message)
        self.sha256 = sha256


@dataclass(frozen=True)
class NotebookCell:
    """One cell as it stands in the file. `source` is kept for code cells only.

    `number` is its 1-based position among all cells. `grade_id`, `grade` and `solution` are nbgrader's
    metadata: in a submission they are whatever the student made them.
    """

    number: int
    kind: Kind
    source: str = ""
    id: str = ""
    grade_id: str = ""
    grade: bool = False
    solution: bool = False
    tags: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Notebook:
    """What grading needs of a notebook. `module` is `metadata.course.module`: a claim, not a fact."""

    cells: tuple[NotebookCell, ...]
    sha256: str
    module: str | None = None


def refuse_other_formats(data: bytes) -> None:
    """Raises `BrokenNotebook` for an empty file, and for one whose first bytes say what else it is."""
    if not data.strip():
        raise BrokenNotebook("The file is empty.")
    for signature, sentence in _OTHER_FORMATS:
        if data[:200].lstrip().lower().startswith(signature):
            raise BrokenNotebook(sentence)


_WEB_PAGE = "The file is a web page, not a notebook: download the .ipynb itself, not its preview."
_OTHER_FORMATS = (
    (b"<!doctype html", _WEB_PAGE),
    (b"<html", _WEB_PAGE),
    (b"pk\x03\x04", "The file is a zip that was renamed, not a notebook: hand in the .ipynb inside it."),
    (b"%pdf", "The file is a PDF, not a notebook: hand in the .ipynb it was printed from."),
    (b"version https://git-lfs", "The file is a Git LFS pointer, not the notebook: run `git lfs pull`."),
)


def too_much_code() -> BrokenNotebook:
    """What a submission with more than MAX_CODE characters of code is refused with."""
    return BrokenNotebook(
        f"The notebook has more than {MAX_CODE:,} characters of code: keep data in files, not in cells."
    )
