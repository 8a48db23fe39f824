"""`autograder otter export`: the folder that students get, and the one that instructors keep.

students/MODULE/      MODULE.ipynb, tests/
instructors/MODULE/   autograder.zip, otter_config.json
"""

from __future__ import annotations

import json
import secrets as random
from collections.abc import Sequence
from pathlib import Path

import nbformat

from course.catalogue.syllabus import Module

from ..build import dump, render
from ..content.course_root import CourseRoot
from ..errors import ContentError
from ..handout.leaks import find_leaks, secrets
from ..handout.release import check_free, write
from . import archive, test_files
from .notebook import with_grader


def export(
    root: CourseRoot,
    destination: Path,
    modules: Sequence[str],
    *,
    seed: int | None = None,
    torch_index: str = "",
) -> list[str]:
    """Writes both folders; the names of their files.

    Hidden inputs are drawn from `seed`, by default a fresh one, for each submission. Nothing is written
    unless all can be: raises UsageError, ContentError.
    """
    check_free(destination)
    chosen = [root.module(id) for id in modules]
    students: dict[str, bytes] = {}
    for module in chosen:
        students |= _for_students(root, module)
    if leaks := find_leaks(students.items(), secrets(root)):
        raise ContentError(f"{leaks[0]}: take it out, then export again ({len(leaks)} such in all).")
    wheels = archive.build_wheels(root)
    drawn = random.randbits(63) if seed is None else seed
    files = {f"students/{name}": content for name, content in students.items()}
    for module in chosen:
        folder = f"instructors/{module.id}"
        notebook = students[f"{module.id}/{module.id}.ipynb"]
        files[f"{folder}/autograder.zip"] = archive.archive(
            root, module, notebook, drawn, wheels, torch_index
        )
        settings = json.dumps(archive.config(module, drawn), indent=2)
        files[f"{folder}/otter_config.json"] = f"{settings}\n".encode()
    write(destination, files)
    return list(files)


def _for_students(root: CourseRoot, module: Module) -> dict[str, bytes]:
    released = nbformat.reads(render(root, module.id).decode(), as_version=nbformat.NO_CONVERT)
    files = {f"{module.id}/{module.id}.ipynb": dump(with_grader(released, module))}
    for exercise in module.graded:
        name = f"{module.id}/tests/{test_files.file_name(module, exercise)}"
        files[name] = test_files.public_test(module, exercise).encode()
    return files
