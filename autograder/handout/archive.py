"""What autograder zips are made of: for Gradescope, and for Otter."""

from __future__ import annotations

import ast
import io
import zipfile
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from ..content.course_root import SYLLABUS, CourseRoot
from .release import EPOCH


def course_files(root: CourseRoot, module: str) -> Iterator[Path]:
    """What grading this module reads, and nothing of the others but their entries in the syllabus."""
    yield root.path / SYLLABUS
    yield root.suite(module)
    yield root.exercise_notebook(module)
    if root.module(module).quiz:
        yield from (root.quiz(module), root.keys(module))
    if root.mistakes(module).is_file():
        yield root.mistakes(module)
    if (package := root.path / "solutions" / "__init__.py").is_file():
        yield package
    yield from _solutions(root, module, set())


def _solutions(root: CourseRoot, module: str, seen: set[str]) -> Iterator[Path]:
    """The reference, and the other references that it imports."""
    if module in seen:
        return
    seen.add(module)
    yield root.solution(module)
    for node in ast.walk(ast.parse(root.read(root.solution(module)))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("solutions"):
            _, _, named = (node.module or "").partition(".")
            for name in [named] if named else [alias.name for alias in node.names]:
                yield from _solutions(root, name, seen)


def zipped(files: Mapping[str, bytes], executable: Collection[str]) -> bytes:
    """The same files make the same bytes; `executable` names those that are run."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in sorted(files.items()):
            info = zipfile.ZipInfo(name, date_time=EPOCH)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = (0o100755 if name in executable else 0o100644) << 16
            archive.writestr(info, content)
    return buffer.getvalue()
