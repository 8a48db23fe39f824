"""A notebook as checking and grading see it, whatever file it comes from; and what is none."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Literal

MAX_BYTES = 20_000_000  # the exercise notebooks with all their pictures are a tenth of it
MAX_CELLS = 2_000  # twenty times the longest exercise notebook
MAX_CODE = 500_000  # characters over all code cells; a thorough solution has 50,000
MAX_PROSE = 20_000  # characters of a Markdown or raw cell that are kept; a longer one is no answer

Kind = Literal["code", "markdown", "raw"]


class BrokenNotebook(ValueError):
    """A file that is no readable notebook; the message is a sentence for the student."""


@dataclass(frozen=True)
class NotebookCell:
    """One cell as it stands in the file. `source` is empty for a long Markdown or raw cell.

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
    """What is needed of a notebook. `module` is `metadata.course.module`: a claim, not a fact.

    `python` is the version that it was last run with, as far as the file says.
    """

    cells: tuple[NotebookCell, ...]
    sha256: str = ""
    module: str | None = None
    python: tuple[int, ...] = ()


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


def encoding_of(data: bytes) -> str:
    """UTF-8, UTF-16 or UTF-32, with or without a byte-order mark, told by the first bytes."""
    return json.detect_encoding(data)


def not_text(encoding: str, error: UnicodeDecodeError, data: bytes) -> BrokenNotebook:
    """What a file is refused with that is not what `encoding_of` takes it for."""
    name = "UTF-8" if encoding.startswith("utf-8") else encoding.upper()
    return BrokenNotebook(
        f"The file is not valid {name} text: byte {error.start} (0x{data[error.start]:02x}) is wrong; "
        "save it as UTF-8 and hand it in again."
    )


def too_large(size: str) -> BrokenNotebook:
    """What a file with more than MAX_BYTES bytes is refused with."""
    return BrokenNotebook(
        f"The notebook is too large ({size}; the limit is {MAX_BYTES / 1e6:.0f} MB): "
        "clear its outputs, save it, and hand it in again."
    )


def too_much_code() -> BrokenNotebook:
    """What a submission with more than MAX_CODE characters of code is refused with."""
    return BrokenNotebook(
        f"The notebook has more than {MAX_CODE:,} characters of code: keep data in files, not in cells."
    )
