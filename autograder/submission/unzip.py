"""A zip that nobody vouches for: its files are listed, and unpacked one by one, if they are asked for.

No name in the archive ever becomes a path: files are written as `00001.ipynb`, and their places in the
archive are kept beside. What is wrong with one entry is that entry's problem; what is wrong with the archive
as a whole is raised.
"""

from __future__ import annotations

import errno
import io
import os
import re
import stat
import struct
import tempfile
import zipfile
import zlib
from collections import Counter
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

from .. import errors
from .file import KEPT, File, Parts, ignored
from .people import printable

MAX_DIRECTORY = 32_000_000  # bytes of the archive's list of files, which is read at once: 250,000 files
MAX_FILES = 10_000  # in what one student hands in

_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # lzma may ask for gigabytes to unpack a kilobyte
_HEADER = 30  # bytes before each file's name
_ENCRYPTED = 0x1
_CHUNK = 1 << 16
_BROKEN = (  # what `zipfile` raises on hostile bytes
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    struct.error,
    ValueError,
    OverflowError,
    NotImplementedError,
    RuntimeError,
)


class Archive:
    """An open zip. `files` are all that somebody may have handed in, `folders` also those without a file.

    A refused file has a `problem`, and no `parts` where its name leads out of the archive. Files are unpacked
    into a new folder below `scratch`.

    Raises `errors.Unreadable` for what is no zip or lists more than `most` files, and `errors.Fault` where
    the machine is at fault (no permission, a full disk); unpacking raises the latter.
    """

    def __init__(self, path: Path, scratch: Path, most: int | None = None) -> None:
        self._path, self._scratch = path, scratch
        self._folder: Path | None = None
        try:
            self._file = _Bounded(io.FileIO(path))
        except OSError as error:
            raise errors.Fault(f"{path} could not be read: {error.strerror or error}") from None
        try:
            self._zip = _opened(self._file)
            infos = self._zip.infolist()
            if most is not None and len(infos) > most:
                raise errors.Unreadable(f"The zip has more than {most:,} files: hand in the notebook alone.")
            self.files, self.folders = self._listed(infos)
        except OSError as error:
            self._file.close()
            raise errors.Fault(f"{path} could not be read: {error.strerror or error}") from None
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._zip.close()
        self._file.close()

    def _listed(self, infos: list[zipfile.ZipInfo]) -> tuple[list[File], set[Parts]]:
        files: list[File] = []
        folders: set[Parts] = set()
        # Old .NET writes backslashes between folders, and then nothing else. Elsewhere they are a name's own.
        windows = not any("/" in info.orig_filename for info in infos)
        overlapping = _overlapping(infos)
        places = [_parts(info.orig_filename, windows) for info in infos]
        count = Counter(parts for info, parts in zip(infos, places, strict=True) if not _is_folder(info))
        kept = {parts[:-1] for parts in places if parts[-2:] == KEPT}
        for number, (info, parts) in enumerate(zip(infos, places, strict=True), start=1):
            leads_out = _leads_out(info.orig_filename)
            in_kept = bool(kept) and any(parts[:depth] in kept for depth in range(len(parts) + 1))
            if not leads_out and (in_kept or any(map(ignored, parts))):
                continue
            if not leads_out:
                inside = parts if _is_folder(info) else parts[:-1]
                folders.update(inside[:depth] for depth in range(1, min(len(inside), 3) + 1))
            if parts and not _is_folder(info):
                problem = _problem(info, leads_out, count[parts])
                if not problem and info.header_offset in overlapping:
                    problem = "Its bytes in the zip are another file's as well: it is damaged, or a zip bomb."
                place = () if leads_out else parts
                unpack = None if problem else partial(self._unpack, info, number)
                files.append(File(place, self._path, problem, unpack, place))
        return files, folders

    def _unpack(self, info: zipfile.ZipInfo, number: int, most: int) -> tuple[Path, str]:
        try:
            if self._folder is None:
                self._scratch.mkdir(parents=True, exist_ok=True)
                self._folder = Path(tempfile.mkdtemp(prefix="zip-", dir=self._scratch))
            target = self._folder / f"{number:05}{_suffix(info.orig_filename)}"
            problem = "" if target.exists() else _write(self._zip, info, target, most)
        except OSError as error:
            raise errors.Fault(
                f"{self._path} could not be unpacked into {self._scratch}: {error.strerror or error}"
            ) from None
        return (self._path if problem else target), problem


class _Bounded(io.BufferedReader):
    """A file that refuses to be read by the gigabyte, whatever sizes the archive states."""

    def read(self, size: int | None = -1, /) -> bytes:
        if size is not None and size > MAX_DIRECTORY:
            raise zipfile.BadZipFile("it lists too many files")
        return super().read(MAX_DIRECTORY if size is None or size < 0 else size)


def _opened(file: _Bounded) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(file)
    except OSError as error:
        if error.errno != errno.EINVAL:  # EINVAL: the archive points before its own beginning
            raise
    except _BROKEN as error:
        if "lists too many" in str(error):
            raise errors.Unreadable(
                "The zip lists too many files to be read: unpack it, and name the folder."
            ) from None
    raise errors.Unreadable("The file is not a zip, or it is damaged.")


def _is_folder(info: zipfile.ZipInfo) -> bool:
    """As `info.is_dir()` has it, which fails [3.11] where nothing of the name is left: it begins with a 0."""
    return info.filename.endswith("/")


def _parts(name: str, windows: bool) -> Parts:
    return tuple(
        part for part in (name.replace("\\", "/") if windows else name).split("/") if part not in ("", ".")
    )


def _suffix(name: str) -> str:
    """The kind of file that it is unpacked as, which decides how it is read."""
    return next((suffix for suffix in (".ipynb", ".py", ".zip") if name.lower().endswith(suffix)), ".bin")


def _leads_out(name: str) -> bool:
    return "\0" in name or ".." in _parts(name, True) or re.match(r"[\\/]|[A-Za-z]:", name) is not None


def _problem(info: zipfile.ZipInfo, leads_out: bool, copies: int) -> str:
    """Why an entry is refused, in one sentence; '' if it is not."""
    mode = info.external_attr >> 16
    name = printable(info.orig_filename[:80])
    if leads_out:
        return f"The zip has a file whose place is not within it (`{name}`); it was not unpacked."
    if copies > 1:
        return f"The zip has {copies} files of the same name (`{name}`)."
    if stat.S_IFMT(mode) not in (0, stat.S_IFREG):
        what = "a symbolic link" if stat.S_ISLNK(mode) else "no ordinary file"
        return f"The file in the zip is {what}: hand in the notebook itself."
    if info.flag_bits & _ENCRYPTED:
        return "The zip is encrypted: zip the notebook again without a password."
    if info.compress_type not in _METHODS:
        return f"The zip uses compression method {info.compress_type}: zip it the ordinary way (deflate)."
    return ""


def _overlapping(infos: list[zipfile.ZipInfo]) -> set[int]:
    """The offsets of entries whose bytes are another one's too: how small archives become terabytes."""
    found, end, last = set(), -1, -1
    for info in sorted(infos, key=lambda info: info.header_offset):
        if info.header_offset < end:
            found |= {last, info.header_offset}
        size = _HEADER + len(info.orig_filename) + info.compress_size
        if info.header_offset + size > end:
            end, last = info.header_offset + size, info.header_offset
    return found


def _write(opened: zipfile.ZipFile, info: zipfile.ZipInfo, target: Path, most: int) -> str:
    """Unpacks one entry, counting what really comes out; returns a problem, or ''."""
    written, problem = 0, "The file in the zip is damaged: zip it again."
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    with open(os.open(target, flags, 0o600), "wb") as file:
        try:
            with opened.open(info) as source:
                while chunk := source.read(_CHUNK):
                    written += len(chunk)
                    if written > most:
                        problem = (
                            f"The file in the zip is larger than {most / 1e6:.0f} MB: "
                            "clear the notebook's outputs and zip it again."
                        )
                        break
                    file.write(chunk)
                else:
                    return ""
        except OSError as error:
            if error.errno != errno.EINVAL:
                raise
        except _BROKEN:
            pass
    target.unlink()
    return problem
