"""Unpacks the notebooks of a zip that nobody vouches for. Nothing else in it is read, unless asked for.

No name in the archive ever becomes a path: notebooks are written as `00001.ipynb`, and their places in the
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
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from course.cells.notebook import MAX_BYTES

from .. import errors
from .file import File, Parts

MAX_NOTEBOOKS = 10_000
MAX_UNPACKED = 4_000_000_000  # bytes of all notebooks together: a thousand students with 4 MB each
MAX_DIRECTORY = 8_000_000  # bytes of the archive's list of files, which is read at once: 60,000 files

NOTEBOOKS = (".ipynb",)

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


@dataclass(frozen=True)
class Unzipped:
    """The notebooks of a zip, and its folders, also those without a notebook.

    A refused notebook has a `problem` and the archive's own path.
    """

    entries: list[File]
    folders: set[Parts]


def unzip(
    archive: Path,
    scratch: Path,
    suffixes: tuple[str, ...] = NOTEBOOKS,
    also: Mapping[str, int] = MappingProxyType({}),
) -> Unzipped:
    """Unpacks the notebooks of `archive` into a new folder below `scratch`, or the files with these suffixes.

    `also` are further suffixes, each with the bytes that such a file may have.

    Raises `errors.Unreadable` for what is no zip or is too large as a whole, and `errors.Fault` where the
    machine is at fault (no permission, a full disk).
    """
    try:
        scratch.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix="zip-", dir=scratch))
        with _Bounded(io.FileIO(archive)) as file, _opened(file) as opened:
            return _unpack(opened, archive, folder, {**dict.fromkeys(suffixes, MAX_BYTES), **also})
    except OSError as error:
        raise errors.Fault(
            f"{archive} could not be unpacked into {scratch}: {error.strerror or error}"
        ) from None


def listed(archive: Path) -> list[Parts]:
    """Where the files of a zip lie, without unpacking any; raises `errors.Unreadable` and `errors.Fault`."""
    try:
        with _Bounded(io.FileIO(archive)) as file, _opened(file) as opened:
            return [_parts(info.orig_filename) for info in opened.infolist() if not _is_folder(info)]
    except OSError as error:
        raise errors.Fault(f"{archive} could not be read: {error.strerror or error}") from None


def ignored(name: str) -> bool:
    """Whether a file or folder is nobody's work: hidden, a checkpoint, or what macOS adds to a zip."""
    return name.startswith(".") or name in ("__MACOSX", "__pycache__")


def printable(text: str) -> str:
    """`text` with control characters, lone surrogates and the like spelled out, for terminals and JSON."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


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
            raise errors.Unreadable(f"The zip lists too many files (over {MAX_NOTEBOOKS:,}).") from None
    raise errors.Unreadable("The file is not a zip, or it is damaged.")


def _unpack(opened: zipfile.ZipFile, archive: Path, folder: Path, largest: Mapping[str, int]) -> Unzipped:
    result = Unzipped([], set())
    notebooks: list[tuple[zipfile.ZipInfo, Parts, str]] = []
    for info in opened.infolist():
        parts = _parts(info.orig_filename)
        honest = not _leads_out(info.orig_filename)
        if honest and any(map(ignored, parts)):
            continue
        if honest:
            inside = parts if _is_folder(info) else parts[:-1]
            result.folders.update(inside[:depth] for depth in range(1, min(len(inside), 3) + 1))
        if not _is_folder(info) and parts and (suffix := _suffix(parts[-1], largest)):
            notebooks.append((info, parts if honest else (), suffix))
    if len(notebooks) > MAX_NOTEBOOKS:
        raise errors.Unreadable(f"The zip has more than {MAX_NOTEBOOKS:,} notebooks.")

    count = Counter(parts for _, parts, _ in notebooks if parts)
    overlapping = _overlapping(opened.infolist())
    left = MAX_UNPACKED
    for number, (info, parts, suffix) in enumerate(notebooks, start=1):
        problem = _problem(info, parts, count[parts])
        if not problem and info.header_offset in overlapping:
            problem = (
                "The notebook's bytes in the zip are another file's as well: it is damaged, or a zip bomb."
            )
        target = folder / f"{number:05}{suffix}"
        if not problem:
            problem, size = _write(opened, info, target, largest[suffix], left)
            left -= size
        result.entries.append(File(parts, archive if problem else target, problem))
    return result


def _is_folder(info: zipfile.ZipInfo) -> bool:
    """As `info.is_dir()` has it, which fails [3.11] where nothing of the name is left: it begins with a 0."""
    return info.filename.endswith("/")


def _parts(name: str) -> Parts:
    return tuple(part for part in name.replace("\\", "/").split("/") if part not in ("", "."))


def _suffix(name: str, suffixes: Iterable[str]) -> str:
    """The one that a file has; empty if none."""
    return next((suffix for suffix in suffixes if name.lower().endswith(suffix)), "")


def _leads_out(name: str) -> bool:
    return "\0" in name or ".." in _parts(name) or re.match(r"[\\/]|[A-Za-z]:", name) is not None


def _problem(info: zipfile.ZipInfo, parts: Parts, copies: int) -> str:
    """Why an entry is refused, in one sentence; '' if it is not."""
    mode = info.external_attr >> 16
    if not parts:
        name = printable(info.orig_filename[:80])
        return f"The zip has a file whose place is not within it (`{name}`); it was not unpacked."
    if copies > 1:
        return f"The zip has {copies} files of the same name (`{printable('/'.join(parts)[:80])}`)."
    if stat.S_IFMT(mode) not in (0, stat.S_IFREG):
        what = "a symbolic link" if stat.S_ISLNK(mode) else "no ordinary file"
        return f"The notebook in the zip is {what}: hand in the notebook itself."
    if info.flag_bits & _ENCRYPTED:
        return "The zip is encrypted: zip the notebook again without a password."
    if info.compress_type not in _METHODS:
        return f"The zip uses compression method {info.compress_type}: zip it the ordinary way (deflate)."
    return ""


_TOO_LARGE = (
    f"The notebook in the zip is larger than {MAX_BYTES / 1e6:.0f} MB: clear its outputs and zip it again."
)


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


def _write(
    opened: zipfile.ZipFile, info: zipfile.ZipInfo, target: Path, most: int, left: int
) -> tuple[str, int]:
    """Unpacks one entry, counting what really comes out; returns a problem, or '', and the bytes written."""
    written = 0
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    with open(os.open(target, flags, 0o600), "wb") as file:
        try:
            with opened.open(info) as source:
                while chunk := source.read(_CHUNK):
                    written += len(chunk)
                    if written > most:
                        return _TOO_LARGE, written
                    if written > left:
                        return (
                            f"The zip as a whole unpacks to more than {MAX_UNPACKED / 1e9:.0f} GB.",
                            written,
                        )
                    file.write(chunk)
        except OSError as error:
            if error.errno != errno.EINVAL:
                raise
        except _BROKEN:
            pass
        else:
            return "", written
    return "The notebook in the zip is damaged: zip it again.", written
