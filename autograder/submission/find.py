"""Finds whose notebooks there are below the paths on the command line.

A student's name comes from the layout, never from a notebook:

* `STUDENT/MODULE.ipynb`, at any depth below: the first folder below the given one;
* a `submitted` folder, as nbgrader has it (`submitted/STUDENT/ASSIGNMENT/MODULE.ipynb`): the folder below it,
  and nothing but `submitted` is looked at; a folder or notebook from within one is recognised too;
* a lone notebook, or notebooks side by side: the file's name (`ada.ipynb` is ada's), but where that is a
  module's (`attention.ipynb`), the name of the folder that it lies in;
* what another system exports, as a folder or a zip: see `export`. Here a `.py` file will do, too;
* a zip of any of these, its own name standing for the folder's. A lone folder at the top that holds only
  folders is a wrapper (`class.zip` with `class/STUDENT/MODULE.ipynb`) and is stepped through.

Hidden files, `.ipynb_checkpoints` and `__MACOSX` are not looked at, and symbolic links are not followed. What
is wrong with one submission is its own `problem`; only what makes the results ambiguous stops the run.
"""

from __future__ import annotations

import os
import re
import stat
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from .. import errors
from .choose import SUFFIXES, choose
from .export import Export
from .file import File, Parts
from .unzip import NOTEBOOKS, ignored, listed, printable, unzip

MAX_FILES = 200_000  # looked at below one folder: more is a mistyped path, such as `/`

_SUBMITTED = "submitted"


@dataclass(frozen=True)
class Found:
    """One submission. `module` is None where only the notebook itself may say it.

    `shown` is the path as typed, for people; `path` is where the bytes are. With a `problem`, one sentence,
    there is nothing to read. `shared`: it is a group's, and the same file is found once for each member.
    """

    student: str
    module: str | None
    path: Path
    shown: str
    problem: str = ""
    shared: bool = False


@dataclass(frozen=True)
class _Tree:
    """What lies below a path on the command line."""

    name: str  # whose it is if the layout does not say
    typed: Path
    items: list[File]
    folders: set[Parts]
    student: str = ""  # whose it all is, where the path itself says so


def find(
    paths: Sequence[Path],
    module: str | None,
    modules: Sequence[str],
    scratch: Path,
    exports: Sequence[Export] = (),
) -> list[Found]:
    """The submissions below `paths`, sorted by student and module; zips are unpacked into `scratch`.

    With a `module`, notebooks below a folder that are named after another module are left out, and all
    others are of this one. `exports` are the layouts of other systems that are known, in the order in which
    they are tried. Raises `errors.UsageError` for a path that is not there or is of no use, for no submission
    at all, and for two of the same student and module; `errors.Fault` if the disk is full.
    """
    if module is not None and module not in modules:
        raise errors.UsageError(f"there is no module {module!r}; the course has {', '.join(modules)}")
    found: list[Found] = []
    without: list[Found] = []
    for path in dict.fromkeys(paths):
        here = _below(path, module, modules, scratch, exports)
        found += here
        if not here:
            name = re.sub(r"\.zip$", "", Path(os.path.abspath(path)).name, flags=re.IGNORECASE)
            problem = "There is no notebook (.ipynb) in it."
            without.append(Found(_student(name), module, path, printable(str(path)), problem))
    if not found:
        raise errors.UsageError(
            f"no notebook (.ipynb) in {', '.join(one.shown for one in without) or 'nothing'}: looked for "
            f"STUDENT/MODULE.ipynb, STUDENT.ipynb and {_SUBMITTED}/STUDENT/ASSIGNMENT/MODULE.ipynb"
        )
    return settle(found + without)


def refuse_duplicates(found: Iterable[Found]) -> None:
    """Raises `errors.UsageError` naming two submissions of one student for one module."""
    seen: dict[tuple[str, str], Found] = {}
    for one in found:
        if one.module is None or one.problem:
            continue
        other = seen.setdefault((one.student, one.module), one)
        if other is not one:
            raise errors.UsageError(
                f"two notebooks of {one.student!r} for {one.module!r}: {other.shown} and {one.shown}; "
                "remove one, or name the folder that holds the students' folders"
            )


def settle(found: Iterable[Found]) -> list[Found]:
    """One submission for each student and module; duplicates are refused as `refuse_duplicates` does.

    A file under two names counts once, and a problem only where its student has nothing sound that it could
    be about. To be called again once the notebooks have said which module they are of.
    """
    found = list(found)
    files = {
        (os.path.realpath(one.path), one.student if one.shared else None): one
        for one in found
        if not one.problem
    }
    sound = list(files.values())
    refuse_duplicates(sound)
    taken = {(one.student, module) for one in sound for module in (one.module, None)}
    for one in found:
        if one.problem and (one.student, one.module) not in taken:
            taken.add((one.student, one.module))
            sound.append(one)
    return sorted(sound, key=lambda one: (one.student, one.module or "", one.shown))


# ------------------------------------------------------------------------------- what lies below a path


def _below(
    path: Path, module: str | None, modules: Sequence[str], scratch: Path, exports: Sequence[Export]
) -> list[Found]:
    shown = printable(str(path))
    try:
        mode = os.stat(path).st_mode
    except FileNotFoundError:
        raise errors.UsageError(f"{shown}: there is no such file or folder") from None
    except OSError as error:
        raise errors.UsageError(f"{shown} cannot be looked at: {error.strerror}") from None
    here = Path(os.path.abspath(path))
    also = {suffix: most for export in exports for suffix, most in export.ALSO.items()}
    if stat.S_ISDIR(mode):
        items, folders = _walk(path, (*SUFFIXES, *also))
        if export := _recognised([item.parts for item in items], exports, also):
            return _exported(export, items, path, module, modules, scratch)
        items = [item for item in items if item.parts[-1].lower().endswith(NOTEBOOKS) or not item.parts[-1]]
        return _students(_Tree(here.name, path, items, folders, _from_submitted(here)), module, modules)
    if stat.S_ISREG(mode) and path.suffix.lower() == ".ipynb":
        # A link that was typed is followed: whoever typed it chose it.
        item = File((path.name,), here.resolve())
        tree = _Tree(here.parent.name, path.parent, [item], set(), _from_submitted(here.parent))
        found = _students(tree, None, modules)
        return [replace(one, module=module or one.module, shown=shown) for one in found]
    if stat.S_ISREG(mode) and path.suffix.lower() == ".zip":
        try:
            export = _recognised(listed(path), exports, also)
            unzipped = unzip(path, scratch, SUFFIXES, also) if export else unzip(path, scratch)
        except errors.Unreadable as error:
            return [Found(_student(path.stem), module, path, shown, str(error))]
        if export:
            return _exported(export, unzipped.entries, path, module, modules, scratch)
        tree = _Tree(path.stem, path, unzipped.entries, unzipped.folders)
        return _students(_unwrapped(tree), module, modules)
    raise errors.UsageError(f"{shown} is neither a notebook (.ipynb), nor a zip, nor a folder")


def _recognised(places: Iterable[Parts], exports: Sequence[Export], also: Iterable[str]) -> Export | None:
    """The export that files at these places are; those that nobody hands in are not looked at."""
    wanted = (*SUFFIXES, *also)
    places = [
        parts
        for parts in places
        if parts and parts[-1].lower().endswith(wanted) and not any(map(ignored, parts))
    ]
    return next((export for export in exports if export.recognised(places)), None)


def _exported(
    export: Export,
    items: Iterable[File],
    typed: Path,
    module: str | None,
    modules: Sequence[str],
    scratch: Path,
) -> list[Found]:
    """The submissions of an export: each student's own, and a group's once for each member."""
    found = []
    for one in export.handed_in(_files(items), printable(str(typed))):
        for which, file in choose(one.files, module, modules, scratch):
            shown = printable(str(typed.joinpath(*one.place, *file.parts)))
            shared = len(one.students) > 1
            found += [
                Found(_student(student), which, file.path, shown, file.problem, shared)
                for student in one.students
            ]
    return found


def the_one(files: Sequence[File], student: str, module: str, scratch: Path) -> Found:
    """The submission for `module` among all files that a student handed in; raises `errors.Fault`."""
    ((_, file),) = choose(files, module, [module], scratch)
    return Found(student, module, file.path, str(file.place), file.problem)


def files_below(top: Path, suffixes: tuple[str, ...]) -> list[File]:
    """All files of these kinds below a folder; raises `errors.Fault` where one may not be looked into."""
    return list(_files(_walk(top, suffixes)[0]).values())


def _files(items: Iterable[File]) -> dict[Parts, File]:
    """By their places. A folder that cannot be looked into is no student's fault."""
    found = {}
    for item in items:
        if item.parts and item.parts[-1]:
            found[item.parts] = item
        elif item.parts and not item.problem:
            raise errors.Fault(f"{printable(str(item.path))} cannot be looked into: make it readable")
    return found


def _walk(top: Path, wanted: tuple[str, ...]) -> tuple[list[File], set[Parts]]:
    items: list[File] = []
    folders: set[Parts] = set()
    waiting: list[Parts] = [()]
    looked_at = 0
    while waiting:
        parts = waiting.pop()
        folder = top.joinpath(*parts)
        try:
            with os.scandir(folder) as entries:
                listed = sorted(entries, key=lambda entry: entry.name)
        except FileNotFoundError:
            continue  # removed while this ran
        except OSError:
            items.append(File((*parts, ""), folder))  # reading it will say what is wrong: no student's fault
            continue
        looked_at += len(listed)
        if looked_at > MAX_FILES:
            raise errors.UsageError(
                f"{printable(str(top))} holds more than {MAX_FILES:,} files; name the folder of submissions"
            )
        for entry in listed:
            place = (*parts, entry.name)
            if ignored(entry.name):
                continue
            is_notebook = entry.name.lower().endswith(wanted)
            if entry.is_dir(follow_symlinks=False):
                folders.add(place)
                waiting.append(place)
            elif entry.is_symlink() and (is_notebook or entry.is_dir()):
                items.append(File(place if is_notebook else (*place, ""), folder / entry.name, _LINK))
            elif is_notebook and not entry.is_file(follow_symlinks=False):
                items.append(File(place, folder / entry.name, _NO_FILE))
            elif is_notebook:
                items.append(File(place, folder / entry.name))
    return items, folders


_LINK = "It is a symbolic link, which is not followed: hand in the notebook itself."
_NO_FILE = "It is a pipe, socket or device, not a file: hand in the notebook itself."


# ----------------------------------------------------------------------------------- whose each one is


def _students(tree: _Tree, module: str | None, modules: Sequence[str]) -> list[Found]:
    tree = _from(tree, (_SUBMITTED,))
    found = []
    with_notebooks = {item.parts[0] for item in tree.items if len(item.parts) > 1}
    for item in tree.items:
        stem = Path(item.parts[-1]).stem if item.parts else ""
        which = stem if stem in modules else None
        if module is not None and which not in (None, module):
            continue
        if tree.student or not item.parts:
            student = tree.student or tree.name
        elif len(item.parts) > 1:
            student = item.parts[0]
        else:
            student = tree.name if which or not stem else stem
        shown = printable(str(tree.typed.joinpath(*item.parts)))
        found.append(Found(_student(student), module or which, item.path, shown, item.problem))
    if with_notebooks and not tree.student:
        for (name,) in sorted(parts for parts in tree.folders if len(parts) == 1):
            if name not in with_notebooks:
                path = tree.typed / name
                problem = "There is no notebook (.ipynb) in the folder."
                found.append(Found(_student(name), module, path, printable(str(path)), problem))
    return found


def _unwrapped(tree: _Tree) -> _Tree:
    """The tree without the one folder that somebody zipped."""
    tops = {item.parts[0] for item in tree.items if item.parts} | {parts[0] for parts in tree.folders}
    deep = all(len(item.parts) > 2 for item in tree.items if item.parts)
    return _from(tree, tuple(tops)) if len(tops) == 1 and tops != {_SUBMITTED} and deep else tree


def _from(tree: _Tree, prefix: tuple[str, ...]) -> _Tree:
    """The tree below `prefix`, if it has anything there, else as it is."""
    depth = len(prefix)
    if not any(parts[:depth] == prefix for parts in tree.folders):
        return tree
    items = [
        replace(item, parts=item.parts[depth:]) for item in tree.items if item.parts[:depth] in (prefix, ())
    ]
    folders = {parts[depth:] for parts in tree.folders if parts[:depth] == prefix and len(parts) > depth}
    return replace(tree, typed=tree.typed.joinpath(*prefix), items=items, folders=folders)


def _from_submitted(folder: Path) -> str:
    """The student, if `folder` is `submitted/STUDENT` or `submitted/STUDENT/ASSIGNMENT`."""
    if folder.parent.name == _SUBMITTED:
        return folder.name
    return folder.parent.name if folder.parent.parent.name == _SUBMITTED else ""


def _student(name: str) -> str:
    """One spelling of a name for each way in which file systems may store it."""
    return printable(unicodedata.normalize("NFC", name)).strip() or "unnamed"
