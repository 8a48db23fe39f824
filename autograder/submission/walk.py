"""Lists a folder that nobody vouches for. One student's files never take another's away.

Hidden files, `.ipynb_checkpoints`, `__MACOSX` and `mine/` are not looked at, and symbolic links are not
followed.
"""

from __future__ import annotations

import errno
import os
from collections import deque
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from .. import errors
from .file import KEPT, File, Parts, ignored
from .people import printable

MAX_FOLDERS = 100_000  # side by side: more is a mistyped path, such as a disk's
MAX_FILES = 10_000  # of one student
MAX_DEPTH = 20  # folders within folders; a student's own are not looked at any deeper

LINK = "It is a symbolic link, which is not followed: hand in the notebook itself."
NO_FILE = "It is a pipe, socket or device, not a file: hand in the notebook itself."


def below(top: Path, results: Path | None = None) -> tuple[list[File], set[Parts]]:
    """The files below a folder, and its folders one and two levels deep; without the folder of `results`.

    Who has too many files has none but one with a problem. Raises `errors.UsageError` for a folder that was
    surely not meant.
    """
    theirs = _identity(results) if results is not None else None
    try:
        entries = _entries(top, MAX_FOLDERS)
    except PermissionError:
        return [File(("",), top, origin=("",))], set()
    except OSError as error:
        raise errors.UsageError(f"{printable(str(top))} cannot be looked at: {error.strerror}") from None
    if entries is None:
        raise errors.UsageError(
            f"{printable(str(top))} holds more than {MAX_FOLDERS:,} files; name the folder of submissions"
        )
    files: list[File] = []
    folders: set[Parts] = set()
    alone = sum(entry.is_dir(follow_symlinks=False) for entry in entries) == 1
    for entry in entries:
        place = (entry.name,)
        if not entry.is_dir(follow_symlinks=False):
            files += _file(entry, place)
        elif theirs is None or _identity(Path(entry.path)) != theirs:
            folders.add(place)
            # What holds a class as a whole, not a student's work: each folder in it counts for itself.
            within = _entries_of(top, place, MAX_FOLDERS) if alone or entry.name == "submitted" else None
            if within is None:
                files += _student(top, place, folders)
                continue
            for inner in within:
                if inner.is_dir(follow_symlinks=False):
                    folders.add((*place, inner.name))
                    files += _student(top, (*place, inner.name), folders)
                else:
                    files += _file(inner, (*place, inner.name))
    return files, folders


def _student(top: Path, own: Parts, folders: set[Parts]) -> list[File]:
    """What lies below one student's folder, the shallow first."""
    files: list[File] = []
    waiting: deque[Parts] = deque([own])
    left = MAX_FILES
    while waiting:
        parts = waiting.popleft()
        folder = top.joinpath(*parts)
        try:
            entries = _entries(folder, left)
        except FileNotFoundError:
            continue  # removed while this ran
        except OSError as error:
            if error.errno not in (errno.ENAMETOOLONG, errno.ELOOP):
                files.append(File((*parts, ""), folder, origin=parts))  # no student's fault: reading says so
            continue
        if entries is None:
            problem = f"There are more than {MAX_FILES:,} files in it: hand in the notebook alone."
            return [File((*own, ""), top.joinpath(*own), problem, origin=own)]
        left -= len(entries)
        for entry in entries:
            place = (*parts, entry.name)
            if not entry.is_dir(follow_symlinks=False):
                files += _file(entry, place)
            elif len(place) < MAX_DEPTH:
                waiting.append(place)
                if len(place) == 2:
                    folders.add(place)
    return files


def _file(entry: os.DirEntry[str], place: Parts) -> Iterator[File]:
    path = Path(entry.path)
    if entry.is_symlink():
        yield File((*place, "") if entry.is_dir() else place, path, LINK, origin=place)
    elif not entry.is_file(follow_symlinks=False):
        yield File(place, path, NO_FILE, origin=place)
    else:
        yield File(place, path, origin=place)


def _entries(folder: Path, most: int) -> list[os.DirEntry[str]] | None:
    """What somebody may have handed in, by name; None where there is more than `most`. Raises OSError."""
    with os.scandir(folder) as entries:
        found = list(islice(entries, most + 1))
    if len(found) > most:
        return None
    theirs = (entry for entry in found if not ignored(entry.name) and not _is_kept(entry))
    return sorted(theirs, key=lambda entry: entry.name)


def _is_kept(entry: os.DirEntry[str]) -> bool:
    """Whether it is the folder in which `check` keeps answers: a copy of what the notebook has."""
    return entry.name == KEPT[0] and os.path.lexists(os.path.join(entry.path, KEPT[1]))


def _entries_of(top: Path, place: Parts, most: int) -> list[os.DirEntry[str]] | None:
    try:
        return _entries(top.joinpath(*place), most)
    except OSError:
        return None


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino
