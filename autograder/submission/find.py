"""Finds whose notebooks there are below the paths on the command line.

A student's name comes from the layout (see `layout`), never from a notebook. What another system exports, as
a folder or a zip, is an adapter's: see `export`. A zip stands for the folder that it was made of; a lone
folder at its top that holds only folders is a wrapper (`class.zip` with `class/STUDENT/MODULE.ipynb`) and is
stepped through. Which of a student's files counts is decided alike for all of these: see `choose`.

Everybody who handed in anything is found. What is wrong with one submission is its own `problem`; only what
was typed can stop the run.
"""

from __future__ import annotations

import filecmp
import os
import re
import stat
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from course.cells.notebook import MAX_BYTES

from .. import errors
from .choose import SUFFIXES, ZIP, Choice, Rank, choose
from .export import Export, HandedIn
from .file import File, Parts
from .layout import SUBMITTED, Tree, by_student, from_submitted, inside, unwrapped
from .people import printable, student
from .unzip import Archive
from .walk import below

MAX_SHOWN = 500  # characters of a path: no honest one is longer

_NUMBERED = re.compile(r" ?\(\d+\)$")  # `class (1).zip`


@dataclass(frozen=True)
class Found:
    """One submission. `module` is None where only the notebook itself may say it.

    `shown` is the path as typed, for people; `path` is where the bytes are. With a `problem`, one sentence,
    there is nothing to read. `shared`: it is a group's, and the same file is found once for each member.
    `place`: within what the student handed in. `others`: what else could have been meant.
    """

    student: str
    module: str | None
    path: Path
    shown: str
    problem: str = ""
    shared: bool = False
    place: str = ""
    rank: Rank = (0, 0, 0)
    others: tuple[str, ...] = ()

    @property
    def note(self) -> str:
        """What the student and the teacher are to know of the choice; empty where there was none."""
        if not self.others or self.problem:
            return ""
        return (
            f"Of several files {self.place or self.shown} was graded; not looked at: {_listed(self.others)}."
        )


@dataclass(frozen=True)
class _Typed:
    """A path on the command line, looked at."""

    path: Path
    kind: Literal["file", "folder", "zip"]
    tree: Tree
    export: Export | None = None
    top: Parts = ()  # the folder in which the export begins

    @property
    def shown(self) -> str:
        return printable(str(self.path))


def find(
    paths: Sequence[Path],
    module: str | None,
    modules: Sequence[str],
    scratch: Path,
    exports: Sequence[Export] = (),
    results: Path | None = None,
) -> list[Found]:
    """The submissions below `paths`, sorted by student and module; zips are unpacked into `scratch`.

    With a `module`, all are of this one. `exports` are the layouts of other systems that are known, in the
    order in which they are tried. A folder of `results` is nobody's work. Raises `errors.UsageError` for a
    path that is not there or is of no use, and for no submission at all; `errors.Fault` if the disk is full.
    """
    if module is not None and module not in modules:
        raise errors.UsageError(f"there is no module {module!r}; the course has {', '.join(modules)}")
    found: list[Found] = []
    with ExitStack() as archives:
        typed = [_look(path, scratch, exports, results, archives) for path in dict.fromkeys(paths)]
        for one in _agreed(typed):
            found += _submissions(one, module, modules, scratch) or [_nothing_in(one, module)]
    if all(one.problem for one in found) and not any(one.kind != "file" and one.tree.files for one in typed):
        listed = ", ".join(one.shown for one in typed) or "nothing"
        if typed and all(one.kind == "file" for one in typed):
            raise errors.UsageError(f"{listed}: name a notebook (.ipynb), a .py file, a zip or a folder")
        raise errors.UsageError(
            f"no notebook (.ipynb) in {listed}: looked for STUDENT/MODULE.ipynb, STUDENT.ipynb and "
            f"{SUBMITTED}/STUDENT/ASSIGNMENT/MODULE.ipynb"
        )
    return settle(found)


def _nothing_in(typed: _Typed, module: str | None) -> Found:
    problem = "There is no notebook (.ipynb) in it."
    return Found(student(typed.tree.name), module, typed.path, typed.shown, problem)


def settle(found: Iterable[Found]) -> list[Found]:
    """One submission for each student and module.

    A file under two names counts once. Of several files the one of least rank counts, and mentions the
    others; where two have the same, that student alone is told so. A problem counts only where its student
    has nothing sound that it could be about. To be called again once the notebooks have said their modules.
    """
    found = sorted(found, key=lambda one: (one.student, one.module or "", one.rank, one.shown))
    files: dict[tuple[str, str | None], Found] = {}
    for one in found:
        if not one.problem:
            files.setdefault((os.path.realpath(one.path), one.student if one.shared else None), one)
    of: dict[tuple[str, str | None], list[Found]] = defaultdict(list)
    for one in files.values():
        of[one.student, one.module].append(one)
    settled: list[Found] = []
    for (_, module), several in of.items():
        settled += several if module is None else [_first(several)]
    sound = {
        (one.student, module): n
        for n, one in reversed([*enumerate(settled)])
        for module in (one.module, None)
    }
    taken = set()
    for one in found:
        about = (one.student, one.module)
        if not one.problem:
            continue
        if about in sound:
            settled[sound[about]] = _mentioning(settled[sound[about]], [one])
        elif about not in taken:
            taken.add(about)
            settled.append(one)
    return sorted(settled, key=lambda one: (one.student, one.module or "", one.shown))


def _first(several: Sequence[Found]) -> Found:
    """The one that counts; with a problem where it is not clear which that is. They come by rank."""
    first = several[0]
    equal = [one for one in several if one.rank == first.rank]
    if all(_same(one.path, first.path) for one in equal[1:]):
        return _mentioning(first, several[1:])
    places = [one.place for one in equal]
    told = places if all(places) and len(set(places)) == len(places) else [one.shown for one in equal]
    problem = (
        f"It has {len(equal)} files for {first.module!r} ({_listed(told)}): "
        f"hand in one of them, named {first.module}.ipynb."
    )
    return replace(first, problem=problem)


def _mentioning(one: Found, others: Iterable[Found]) -> Found:
    """The same, which says that these could have been meant, too."""
    places = [*one.others, *(other.place or other.shown for other in others)]
    return replace(one, others=tuple(dict.fromkeys(places)))


def _same(one: Path, other: Path) -> bool:
    try:
        return filecmp.cmp(one, other, shallow=False)
    except OSError:
        return False


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")


# ------------------------------------------------------------------------------- what lies below a path


def _look(
    path: Path, scratch: Path, exports: Sequence[Export], results: Path | None, archives: ExitStack
) -> _Typed:
    shown = printable(str(path))
    try:
        mode = os.stat(path).st_mode
    except FileNotFoundError:
        raise errors.UsageError(f"{shown}: there is no such file or folder") from None
    except OSError as error:
        raise errors.UsageError(f"{shown} cannot be looked at: {error.strerror}") from None
    here = Path(os.path.abspath(path))
    if stat.S_ISDIR(mode):
        tree = Tree(here.name, *below(path, results), student=from_submitted(here))
        return _Typed(path, "folder", tree, *_recognised(tree, exports))
    if stat.S_ISREG(mode) and path.suffix.lower() == ZIP:
        try:
            archive = archives.enter_context(Archive(path, scratch))
        except errors.Unreadable as error:
            file = File((path.name,), path, str(error))
            return _Typed(path, "zip", Tree(here.stem, [file], student=here.stem))
        tree = Tree(here.stem, archive.files, archive.folders)
        return _Typed(path, "zip", tree, *_recognised(tree, exports))
    # A link that was typed is followed: whoever typed it chose it.
    file = File((path.name,), here.resolve())
    return _Typed(path, "file", Tree(here.parent.name, [file], student=from_submitted(here.parent)))


def _recognised(tree: Tree, exports: Sequence[Export]) -> tuple[Export | None, Parts]:
    """The export that lies in the tree, at its top or in the lone folder that an export is zipped as."""
    if tree.student:
        return None, ()
    places = [file.parts for file in tree.files if file.parts]
    tops = {parts[0] for parts in (*places, *tree.folders)}
    if export := next((export for export in exports if export.recognised(places)), None):
        return export, ()
    if len(tops) == 1 and all(len(parts) > 1 for parts in places):
        (top,) = tops
        within = [parts[1:] for parts in places]
        for export in exports:
            is_wrapper = export.OWN_NAME.fullmatch(top) or top == _NUMBERED.sub("", tree.name)
            if is_wrapper and export.recognised(within):
                return export, (top,)
    return None, ()


def _agreed(typed: Sequence[_Typed]) -> list[_Typed]:
    """Among students' folders none is an export, whatever it looks like, unless it is called as one is."""
    if all(one.export for one in typed if one.kind != "file"):
        return list(typed)
    return [
        replace(one, export=None)
        if one.export and not one.export.OWN_NAME.fullmatch((*one.top, one.tree.name)[0])
        else one
        for one in typed
    ]


def _submissions(typed: _Typed, module: str | None, modules: Sequence[str], scratch: Path) -> list[Found]:
    """Each student's own, and a group's once for each member."""
    tree = typed.tree
    if typed.export is not None:
        tree = inside(tree, typed.top[0]) if typed.top else tree
        placed = {file.parts: file for file in tree.files if file.parts}
        groups = typed.export.handed_in(placed, typed.shown)
        groups += [HandedIn((student(tree.name),), (), [file]) for file in tree.files if not file.parts]
    else:
        groups = by_student(unwrapped(tree) if typed.kind == "zip" else tree, modules)
    return [
        found
        for group in groups
        for choice in choose(group.files, module, modules, scratch)
        for found in _found(choice, group, typed, scratch)
    ]


def _found(choice: Choice, group: HandedIn, typed: _Typed, scratch: Path) -> list[Found]:
    file = choice.file
    shown = typed.path.joinpath(*(file.origin or group.place))
    path = file.path if file.parts else typed.path.joinpath(*group.place)
    made = Found(
        "",
        choice.module,
        path if file.problem else _reachable(path, scratch),
        printable(str(shown))[:MAX_SHOWN],
        file.problem,
        len(group.students) > 1,
        printable(str(file.place)) if file.parts else "",
        choice.rank,
        choice.others,
    )
    return [replace(made, student=name) for name in group.students]


def _reachable(path: Path, scratch: Path) -> Path:
    """The file, or a copy of it where its name is no text, which those who grade could not be told."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        pass
    else:
        return path
    scratch.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix="copy-", suffix=_kind(path.name), dir=scratch)
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    with open(handle, "wb") as copy:
        try:
            with open(os.open(path, flags), "rb") as file:
                copy.write(file.read(MAX_BYTES + 1))
        except OSError:
            os.unlink(name)  # which reading says, as of any file that is gone
    return Path(name)


def _kind(name: str) -> str:
    return next((suffix for suffix in SUFFIXES if name.lower().endswith(suffix)), "")


def the_one(files: Sequence[File], student: str, module: str, scratch: Path) -> Found:
    """The submission for `module` among all files that a student handed in; raises `errors.Fault`."""
    found = []
    for choice in choose(files, module, [module], scratch):
        file, place = choice.file, printable(str(choice.file.place))
        found.append(
            Found(
                student,
                module,
                file.path,
                place,
                file.problem,
                place=place,
                rank=choice.rank,
                others=choice.others,
            )
        )
    (one,) = settle(found)
    return one


def files_below(top: Path) -> list[File]:
    """All files below a folder."""
    return below(top)[0]
