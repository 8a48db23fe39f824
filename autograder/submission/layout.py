"""Whose each file is, from where it lies: never from what is in it.

* `STUDENT/MODULE.ipynb`, at any depth below: the first folder below the given one;
* a `submitted` folder, as nbgrader has it (`submitted/STUDENT/ASSIGNMENT/MODULE.ipynb`): the folder below it,
  and nothing but `submitted` is looked at; a folder or notebook from within one is recognised too;
* files side by side: the file's name (`ada.ipynb` is ada's), but where that is a module's
  (`attention.ipynb`), the name of the folder that it lies in.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

from .choose import NOTEBOOK, SUFFIXES, ZIP, named_after
from .export import HandedIn
from .file import File, Parts
from .people import student, students

SUBMITTED = "submitted"
_NBGRADERS = {SUBMITTED, "source", "release", "autograded", "feedback", "solution"}
_NBGRADERS_FILES = {"nbgrader_config.py", "gradebook.db"}


@dataclass(frozen=True)
class Tree:
    """What lies below a path on the command line."""

    name: str  # whose it is if the layout does not say
    files: list[File]
    folders: set[Parts] = field(default_factory=set)
    student: str = ""  # whose it all is, where the path itself says so


def by_student(tree: Tree, modules: Sequence[str]) -> list[HandedIn]:
    """What each student handed in, also who has an empty folder."""
    tree = _submitted(tree)
    if tree.student:
        return [HandedIn((student(tree.student),), (), tree.files)]
    named = {file for file in tree.files if len(file.parts) == 1 and named_after(file.parts[0], modules)}
    # A folder with a module's notebook at its top and none below is one student's, with all that is in it.
    one_students = any(map(_is_work, named)) and not any(
        len(file.parts) > 1 and _is_work(file) for file in tree.files
    )
    of: dict[str, list[File]] = defaultdict(list)
    if not one_students:
        of.update({parts[0]: [] for parts in sorted(tree.folders) if len(parts) == 1})
    flat = not of
    for file in tree.files:
        is_notebook = bool(file.parts) and file.parts[-1].lower().endswith(NOTEBOOK)
        if one_students and not is_notebook:
            of[tree.name].append(file)
        elif len(file.parts) > 1:
            of[file.parts[0]].append(replace(file, parts=file.parts[1:]))
        elif not file.place.name or (file in named and (flat or _is_work(file))):
            of[tree.name].append(file)
        elif is_notebook or flat or file.parts[0].lower().endswith(ZIP):
            of[_owner(file.parts[0])].append(file)
    names = students(of)
    return [HandedIn((names[name],), (name,) if (name,) in tree.folders else (), of[name]) for name in of]


def _is_work(file: File) -> bool:
    return bool(file.parts) and file.parts[-1].lower().endswith(SUFFIXES)


def _owner(name: str) -> str:
    """`ada` of `ada.ipynb`, and of `ada.ipynb.txt`."""
    path = PurePosixPath(name)
    return path.stem.removesuffix(NOTEBOOK) or name


def _submitted(tree: Tree) -> Tree:
    """The tree below nbgrader's `submitted`, where this is a course's folder and no student is called so."""
    tops = {parts[0] for parts in tree.folders}
    files = {file.parts[0] for file in tree.files if len(file.parts) == 1}
    is_nbgraders = SUBMITTED in tops and (tops <= _NBGRADERS or files & _NBGRADERS_FILES)
    return inside(tree, SUBMITTED) if is_nbgraders else tree


def unwrapped(tree: Tree) -> Tree:
    """The tree without the one folder that somebody zipped, `class/STUDENT/MODULE.ipynb` in `class.zip`."""
    tops = {file.parts[0] for file in tree.files if file.parts} | {parts[0] for parts in tree.folders}
    deep = all(len(file.parts) > 2 for file in tree.files if file.parts)
    return inside(tree, tops.pop()) if len(tops) == 1 and tops != {SUBMITTED} and deep else tree


def inside(tree: Tree, top: str) -> Tree:
    """What lies below one of its folders, and what has no place."""
    files = [replace(file, parts=file.parts[1:]) for file in tree.files if file.parts[:1] in ((top,), ())]
    folders = {parts[1:] for parts in tree.folders if parts[0] == top and len(parts) > 1}
    return replace(tree, files=[file for file in files if file.parts or file.problem], folders=folders)


def from_submitted(folder: Path) -> str:
    """The student, if `folder` is `submitted/STUDENT` or `submitted/STUDENT/ASSIGNMENT`."""
    if folder.parent.name == SUBMITTED:
        return folder.name
    return folder.parent.name if folder.parent.parent.name == SUBMITTED else ""
