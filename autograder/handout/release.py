"""The students' bundle: the notebooks, the package `course`, how to start. Nothing that helps to cheat."""

from __future__ import annotations

import json
import shutil
import tempfile
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from course.desk import atomic, settings

from ..build import render
from ..content.course_root import CourseRoot
from ..errors import ContentError, UsageError
from .archive import zipped
from .leaks import find_leaks, secrets


def release(root: CourseRoot, destination: Path, *, hints: bool = True) -> list[str]:
    """Write the students' bundle, a folder or (named `*.zip`) a zip; return the names of its files.

    Without `hints`, hint(...) gives students none.
    Nothing is written unless all can be: raises UsageError for a folder that is not empty or a file that is
    there, ContentError where the course is wrong or a file of the bundle gives away a secret.
    """
    check_free(destination)
    files = bundle(root)
    if not hints:
        files[f"exercises/{settings.FILE}"] = settings.NO_HINTS.encode()
    if leaks := find_leaks(files.items(), secrets(root)):
        raise ContentError(f"{leaks[0]}: take it out, then release again ({len(leaks)} such in all).")
    write(destination, files)
    return list(files)


def bundle(root: CourseRoot) -> dict[str, bytes]:
    """The bundle's files, name → content, sorted by name; raises ContentError."""
    modules = [module.id for module in root.syllabus.modules]
    files = {f"exercises/{module}.ipynb": render(root, module) for module in modules}
    files |= {f"course/{name}": content for name, content in sources(root.path / "course")}
    project = tomllib.loads(root.read(root.path / "pyproject.toml"))
    license = root.path / "LICENSE"
    if license.is_file():
        files["LICENSE"] = license.read_bytes()
    else:
        project["project"].pop("license-files", None)
    files["pyproject.toml"] = _pyproject(project).encode()
    files["README.md"] = _readme(root).encode()
    return dict(sorted(files.items()))


def check_free(destination: Path) -> None:
    """Raises UsageError for a folder that is not empty, and for a file that is there."""
    if destination.is_dir():
        if inside := sorted(path.name for path in destination.iterdir()):
            raise UsageError(
                f"{destination} is not empty (it has {inside[0]!r}): name an empty folder, or a new one."
            )
    elif destination.exists():
        raise UsageError(f"{destination} is there already: remove it, or name another place.")


def sources(package: Path) -> Iterator[tuple[str, bytes]]:
    """Name and content of a package's files, without what Python and editors leave behind."""
    for path in sorted(package.rglob("*")):
        names = path.relative_to(package).parts
        left_over = path.suffix == ".pyc" or any(name == "__pycache__" or name[0] == "." for name in names)
        if path.is_file() and not left_over:
            yield "/".join(names), path.read_bytes()


def _pyproject(project: Mapping[str, Any]) -> str:
    """The distribution's own pyproject.toml, without the settings of its developers."""
    about = {**project["project"], "readme": "README.md"}
    extras = about.pop("optional-dependencies", {})
    urls = about.pop("urls", {})
    scripts = about.pop("scripts", {})
    tables = {
        "build-system": project["build-system"],
        "project": about,
        "project.optional-dependencies": extras,
        "project.scripts": scripts,
        "project.urls": urls,
        "tool.hatch.build.targets.wheel": {"only-include": ["course", "exercises"]},
        "tool.hatch.build.targets.wheel.sources": {"exercises": "course/exercises"},
    }
    return "\n".join(_table(header, table) for header, table in tables.items() if table)


def _table(header: str, table: Mapping[str, Any]) -> str:
    # TOML's strings and arrays of strings are written as in JSON.
    rows = (f"{key} = {json.dumps(value, ensure_ascii=False)}\n" for key, value in table.items())
    return f"[{header}]\n{''.join(rows)}"


def _readme(root: CourseRoot) -> str:
    syllabus = root.syllabus
    rows = "\n".join(
        f"| [{module.title}](exercises/{module.id}.ipynb) | {module.summary} "
        f"| {len(module.exercises)} | {module.points:g} |"
        for module in syllabus.modules
    )
    return f"""\
# {syllabus.title}

Each notebook explains one part of the whole and asks you to write it. Replace each
`raise NotImplementedError(...)`, run the check below it, and go on when it passes.

You need Python 3.11 to 3.14. In this folder:

    python -m pip install ".[lab]"
    course start

copies the notebooks into `diffusion-course`, which is yours to work in, and opens JupyterLab there.

| notebook | what you build | exercises | points |
|---|---|---|---|
{rows}

`course check MODULE.ipynb` runs all checks of a notebook; `course progress` shows how far you are.
Hand in the notebook itself, under the name it has.
"""


def write(destination: Path, files: Mapping[str, bytes]) -> None:
    """Writes a folder, or (named `*.zip`) a zip; half of either is never found. Raises UsageError."""
    try:
        destination.parent.mkdir(parents=True, exist_ok=True)
        if destination.suffix == ".zip":
            top = destination.stem
            atomic.write(destination, zipped({f"{top}/{name}": content for name, content in files.items()}))
        else:
            _write_folder(destination, files)
    except OSError as error:
        raise UsageError(f"{destination} cannot be written ({error.strerror}): name another place.") from None


def _write_folder(destination: Path, files: Mapping[str, bytes]) -> None:
    with tempfile.TemporaryDirectory(dir=destination.parent, prefix=f".{destination.name}.") as scratch:
        made = Path(scratch, "bundle")
        for name, content in files.items():
            path = made / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        if destination.is_dir():
            destination.rmdir()
        shutil.move(made, destination)
