"""Out of the files that a student handed in: the notebook of each module, or one sentence why there is none.

A file named after a module counts, else the only one there is; a notebook before a `.py`, and both before
what is in a zip, which some front ends have students hand in.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from .. import errors
from .file import File
from .unzip import printable, unzip

KINDS = (".ipynb", ".py")
SUFFIXES = (*KINDS, ".zip")

# `attention (1).ipynb`, `attention-2.ipynb`: how a second file of the same name is called.
_COPY = re.compile(r"(?:[-_ ]\d{1,2}| ?\(\d{1,2}\))$")


def choose(
    files: Sequence[File], module: str | None, modules: Sequence[str], scratch: Path
) -> list[tuple[str | None, File]]:
    """What is to be graded, for which module (None: the notebook may say), or a problem in its place.

    At least one; with a `module`, exactly one. Zips are unpacked into `scratch`.

    Raises `errors.Fault` where the machine is at fault.
    """
    if not _of_kind(files, *KINDS):
        files = [*files, *_unzipped(_of_kind(files, ".zip"), scratch)]
    wanted = [module] if module is not None else list(modules)
    if named := [(id, file) for id in wanted if (file := _named(files, id))]:
        return [*named]
    for kind in KINDS:
        if len(found := _of_kind(files, kind)) == 1:
            return [(module, found[0])]
        if found:
            hand_in = f"{module}{kind}" if module else f"one, named after its module ({', '.join(modules)})"
            problem = f"It has {len(found)} files that it could be ({_listed(found)}): hand in {hand_in}."
            return [(module, replace(found[0], problem=problem))]
    # A zip with a problem of its own says what that is.
    if broken := next((file for file in files if file.problem), None):
        return [(module, broken)]
    problem = f"There is no notebook (.ipynb) and no .py file in it{_has(files)}."
    return [(module, replace(files[0] if files else File((), scratch), problem=problem))]


def _named(files: Iterable[File], module: str) -> File | None:
    """The file with the module's name, or that of a copy of it; None if there is none."""
    for kind in KINDS:
        named = {file: file.place.stem for file in _of_kind(files, kind)}
        exact = [file for file, stem in named.items() if stem == module]
        copies = [file for file, stem in named.items() if _COPY.sub("", stem) == module]
        for found in (exact, copies):
            top = [file for file in found if len(file.parts) == _shallowest(found)]
            if len(top) == 1:
                return top[0]
            if top:
                problem = f"It has {len(top)} files for {module!r} ({_listed(top)}): hand in one of them."
                return replace(top[0], problem=problem)
    return None


def _unzipped(zips: Iterable[File], scratch: Path) -> list[File]:
    inside: list[File] = []
    for file in zips:
        if file.problem:
            continue
        try:
            entries = unzip(file.path, scratch, KINDS).entries
        except errors.Unreadable as error:
            inside.append(replace(file, problem=str(error)))
            continue
        inside += [replace(entry, parts=file.parts + entry.parts) for entry in entries]
    return inside


def _of_kind(files: Iterable[File], *kinds: str) -> list[File]:
    return [file for file in files if file.place.suffix.lower() in kinds]


def _shallowest(files: Iterable[File]) -> int:
    return min((len(file.parts) for file in files), default=0)


def _has(files: Sequence[File]) -> str:
    return f"; it has {_listed(files)}" if files else ""


def _listed(files: Sequence[File]) -> str:
    shown = ", ".join(printable(str(file.place))[:80] for file in files[:3])
    return shown + (", ..." if len(files) > 3 else "")
