"""Out of the files that a student handed in: the notebook of each module, or one sentence why there is none.

A file named after a module counts, the exact name before a copy's, and the shallower before the deeper; else
the only one there is. A notebook goes before a `.py`, and both before what is in a zip, which some front ends
have students hand in. Where the course has several modules, a notebook of another name may say which it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from course.cells.notebook import MAX_BYTES

from .. import errors
from .file import File
from .people import printable
from .unzip import MAX_FILES, Archive

NOTEBOOK, SCRIPT, ZIP = ".ipynb", ".py", ".zip"
SUFFIXES = (NOTEBOOK, SCRIPT, ZIP)
MAX_NAME = 255  # bytes in a file's name, anywhere but in a zip
MOST = 10  # of a student's notebooks are looked into, to find out which modules they are of

# `attention (1)`, `attention-2`, `attention-Copy1`, `attention copy 2`, `Copy of attention`: how systems call
# a second file of the same name.
_COPY = re.compile(r"(?:[-_ ]+copy(?:[-_ ]?\(?\d{1,2}\)?)?|[-_ ]\d{1,2}| ?\(\d{1,2}\))$", re.IGNORECASE)
_COPY_OF = re.compile(r"^copy of ", re.IGNORECASE)

_KINDS = {
    ".pdf": "a PDF",
    ".docx": "a Word document",
    ".doc": "a Word document",
    ".odt": "a text document",
    ".html": "a web page",
    ".htm": "a web page",
    ".txt": "a text file",
    ".7z": "an archive of another kind than zip",
    ".rar": "an archive of another kind than zip",
    ".tar": "an archive of another kind than zip",
    ".gz": "an archive of another kind than zip",
    ".tgz": "an archive of another kind than zip",
}

Rank = tuple[int, int, int]  # a notebook or a script; how exact its name is; how deep it lies. Less is better


@dataclass(frozen=True)
class Choice:
    """A file that may be graded, for which module (None: it may say itself); with a problem, none.

    Of several choices for a module the one of least rank counts. `others` are files that could be meant, too,
    by their places, and are not looked at.
    """

    module: str | None
    file: File
    rank: Rank = (0, 0, 0)
    others: tuple[str, ...] = ()


def choose(files: Sequence[File], module: str | None, modules: Sequence[str], scratch: Path) -> list[Choice]:
    """At least one; with a `module`, all for this one. Zips are unpacked into `scratch`.

    Raises `errors.Fault` where the machine is at fault.
    """
    if len(files) > MAX_FILES:
        problem = f"There are more than {MAX_FILES:,} files in it: hand in the notebook alone."
        return [Choice(module, replace(files[0], problem=problem, unpack=None))]
    with ExitStack() as archives:
        work, inside = _of_kind(files, NOTEBOOK, SCRIPT), []
        if all(file.problem for file in work):
            inside = _unzipped(_of_kind(files, ZIP), scratch, archives)
            work += _of_kind(inside, NOTEBOOK, SCRIPT)
        chosen = _named(work, [module] if module is not None else modules)
        others = [file for file in _of_kind(work, NOTEBOOK) if not named_after(file.place.name, modules)]
        if not chosen:
            chosen = _unnamed(work, others, module)
        elif module is None and len(others) <= MOST:
            chosen += [Choice(None, file, _rank(file, 3)) for file in others]
        else:
            first = replace(chosen[0], others=(*chosen[0].others, *map(_shown, others)))
            chosen = [first, *chosen[1:]]
        if chosen:
            return [replace(one, file=one.file.unpacked(MAX_BYTES)) for one in chosen]
        return [_refused([*files, *inside], module, modules, scratch)]


def named_after(name: str, modules: Iterable[str]) -> str | None:
    """The module that a file of this name is of; None if the name does not say it."""
    stem = _stem(name)
    return next((module for module in modules if _nearness(stem, module) is not None), None)


def _stem(name: str) -> str:
    """`attention` of `attention.ipynb`, and of `attention.ipynb.txt`; nothing of what no file is called."""
    if len(name) > MAX_NAME:
        return ""
    while (suffix := PurePosixPath(name).suffix.lower()) in (*SUFFIXES, *_KINDS, ".json"):
        name = name[: -len(suffix)]
    return name


def _nearness(stem: str, module: str) -> int | None:
    """0 for the module's exact name, 1 and 2 for what is nearly it, None for another name."""
    if stem == module:
        return 0
    if stem.casefold() == module.casefold():
        return 1
    original = _COPY_OF.sub("", _COPY.sub("", stem))
    return 2 if original.casefold() == module.casefold() else None


def _named(work: Sequence[File], wanted: Iterable[str]) -> list[Choice]:
    """For each module the files with its name that lie highest, and their rank."""
    found = []
    stems = [_stem(file.place.name) for file in work]
    for module in wanted:
        near = [(_nearness(stem, module), file) for stem, file in zip(stems, work, strict=True)]
        ranked = [(_rank(file, how), file) for how, file in near if how is not None]
        sound = [pair for pair in ranked if not pair[1].problem] or ranked
        if sound:
            best = min(rank for rank, _ in sound)
            first = [file for rank, file in sound if rank == best]
            taken = set(first)
            others = tuple(_shown(file) for _, file in ranked if file not in taken)
            found += [Choice(module, file, best, others) for file in first[:MOST]]
    return found


def _unnamed(work: Sequence[File], notebooks: Sequence[File], module: str | None) -> list[Choice]:
    """What may be graded where no file has a name that says so.

    With a `module` that includes files named after another one: they may be of this one all the same.
    """
    scripts = _of_kind(work, SCRIPT)
    asked_for = _of_kind(work, NOTEBOOK) if module is not None else []
    found = next(filter(None, (notebooks, asked_for, scripts)), [])
    found = [file for file in found if not file.problem] or found
    if len(found) > MOST:
        problem = f"It has {len(found)} files that it could be ({_listed(found)}): hand in one of them."
        return [Choice(module, replace(found[0], problem=problem))]
    return [Choice(module, file, _rank(file, 3)) for file in found]


def _rank(file: File, near: int) -> Rank:
    return (file.place.suffix.lower() != NOTEBOOK, near, len(file.parts))


def _unzipped(zips: Iterable[File], scratch: Path, archives: ExitStack) -> list[File]:
    inside: list[File] = []
    for file in list(zips)[:MOST]:
        unpacked = file.unpacked(MAX_BYTES)
        if unpacked.problem:
            inside.append(replace(file, problem=unpacked.problem))
            continue
        try:
            archive = archives.enter_context(Archive(unpacked.path, scratch, MAX_FILES))
        except errors.Unreadable as error:
            inside.append(replace(file, problem=str(error)))
            continue
        inside += [
            replace(entry, parts=file.parts + entry.parts, origin=file.origin + entry.parts)
            for entry in archive.files
        ]
    return inside


def _refused(files: Sequence[File], module: str | None, modules: Sequence[str], scratch: Path) -> Choice:
    """Why there is nothing to grade: what is wrong with a file, else what there is."""
    named = {which for file in files if (which := named_after(file.place.name, modules))}
    which = module or (named.pop() if len(named) == 1 else None)
    for file in files:
        if file.problem or (file.parts and not file.parts[-1]):
            return Choice(which, replace(file, unpack=None))
    has = f"It has {_listed(files)}, and no notebook (.ipynb) or .py file" if files else "It is empty"
    wanted = f"{which}.ipynb" if which else f"a notebook named after its module ({', '.join(modules)})"
    problem = f"{has}: hand in {wanted}."
    return Choice(which, replace(files[0] if files else File((), scratch), problem=problem, unpack=None))


def _of_kind(files: Iterable[File], *kinds: str) -> list[File]:
    return [file for file in files if file.parts and file.parts[-1].lower().endswith(kinds)]


def _shown(file: File) -> str:
    return printable(str(file.place))[:80]


def _listed(files: Sequence[File]) -> str:
    kinds = [_KINDS.get(file.place.suffix.lower()) for file in files[:3]]
    said = [_shown(file) + (f" ({kind})" if kind else "") for file, kind in zip(files, kinds, strict=False)]
    return ", ".join(said) + (", ..." if len(files) > 3 else "")
