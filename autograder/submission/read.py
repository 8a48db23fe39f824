"""From a path to a `Notebook`: the file is opened safely and read once, so the hash is of the bytes that were
parsed. What is in it, `course.cells` reads, as it does for a student's own `course check`.
"""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path

from course.cells import ipynb, script
from course.cells.notebook import MAX_BYTES, Notebook, too_large
from course.cells.notebook import BrokenNotebook as Broken

from .. import errors


class BrokenNotebook(errors.Unreadable):
    """A file that is no readable notebook; `sha256` is of its bytes, empty where they were not read."""

    def __init__(self, message: str, sha256: str = "") -> None:
        super().__init__(message)
        self.sha256 = sha256


def read(path: Path) -> Notebook:
    """The notebook at `path`, which must be an ordinary file: links, pipes and devices are not opened.

    A file named `*.py` is read as `course.cells.script` does, any other as a notebook.

    Raises `BrokenNotebook` (an `errors.Unreadable`) with the sentence that the student is shown, and
    `errors.Fault` where the machine is at fault: no permission, a file that vanished, a disk error.
    """
    data = _bytes_of(path)
    sha256 = hashlib.sha256(data).hexdigest()
    parse = script.parse if path.suffix.lower() == ".py" else ipynb.parse
    try:
        return parse(data, sha256)
    except Broken as error:
        raise BrokenNotebook(str(error), sha256) from None


def _bytes_of(path: Path) -> bytes:
    try:
        # Looked at before it is opened: opening a device can already do something.
        _refuse_all_but_files(path, os.lstat(path).st_mode)
        flags = os.O_RDONLY
        for name in ("O_NOFOLLOW", "O_NONBLOCK", "O_CLOEXEC", "O_NOCTTY", "O_BINARY"):
            flags |= getattr(os, name, 0)
        with open(os.open(path, flags), "rb") as file:
            status = os.fstat(file.fileno())
            _refuse_all_but_files(path, status.st_mode)
            if status.st_size > MAX_BYTES:
                raise BrokenNotebook(str(too_large(f"{status.st_size / 1e6:,.1f} MB")))
            return file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise errors.Fault(f"{path} vanished before it could be read; put it back and run again") from None
    except PermissionError:
        raise errors.Fault(
            f"{path} may not be read: permission denied; make it readable and run again"
        ) from None
    except OSError as error:
        raise errors.Fault(f"{path} could not be read: {error.strerror or error}") from None


def _refuse_all_but_files(path: Path, mode: int) -> None:
    if stat.S_ISREG(mode):
        return
    if stat.S_ISDIR(mode):
        os.scandir(path).close()  # raises where the folder may not be looked into
        raise BrokenNotebook("It is a folder, not a notebook.")
    if stat.S_ISLNK(mode):
        raise BrokenNotebook("It is a symbolic link, which is not followed: hand in the notebook itself.")
    raise BrokenNotebook("It is a pipe, socket or device, not a file.")
