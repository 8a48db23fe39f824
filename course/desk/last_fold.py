"""For who learns alone in a clone of the course: each solution as the last fold after the hints.

`solutions/` lies beside `course/` in a clone and nowhere else: in no distribution, no release, no hub. It is
read as text, never imported, and what is made of it goes into the learner's own folder alone.
"""

from __future__ import annotations

import ast
import json
import os
import re
from collections.abc import Iterable, Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

from course.catalogue.syllabus import Module, Quiz, Task
from course.desk import settings

HUB = "JUPYTERHUB_USER"  # set in everybody's server on a JupyterHub
_MARKER = re.compile(r"\s*(?:# )?### (?:BEGIN|END) SOLUTION\s*")


class NoSolutions(ValueError):
    """There are none to be had here; the message says why, in a sentence."""


def find(folder: Path, source: Path) -> Path:
    """The `solutions/` of the clone that the course or we are in, for notebooks from `source` to `folder`.

    Raises NoSolutions where there is no clone, on a JupyterHub, and where hints are switched off.
    """
    if os.environ.get(HUB):
        raise NoSolutions("solutions are for who learns alone: on a JupyterHub there are none")
    try:
        allowed = all(settings.hints_allowed(place.absolute()) for place in (folder, source))
    except settings.SettingsError as error:
        raise NoSolutions(str(error)) from None
    if not allowed:
        raise NoSolutions("hints are switched off in this course, and with them the solutions")
    here = Path.cwd()
    for place in (Path(str(files("course"))).parent, here, *here.parents):
        if (place / "course" / "syllabus.yaml").is_file() and (place / "solutions").is_dir():
            return place / "solutions"
    raise NoSolutions(
        "there are no solutions here: they lie in a clone of the course, and in nothing that is handed out; "
        "go into your clone and run this there"
    )


def with_solutions(notebook: bytes, module: Module, solutions: Path) -> bytes:
    """The notebook with a fold for each exercise and bonus, at the end of the text that stands before it.

    Raises NoSolutions for a solution that cannot be read.
    """
    tasks = [task for task in (*module.exercises, *module.bonus) if not isinstance(task, Quiz)]
    written = {
        **_sources(solutions / f"{module.id}.py"),
        **(_sources(solutions / "bonus" / f"{module.id}.py") if module.bonus else {}),
    }
    content: dict[str, Any] = json.loads(notebook)
    before: dict[str, Any] | None = None
    for cell in content["cells"]:
        if cell["cell_type"] == "markdown":
            before = cell
        elif before is not None and (task := _asked(cell, tasks)):
            found = [written[name] for name in task.defines if name in written]
            text = "".join(before["source"]) + _fold("\n\n\n".join(found))
            before["source"] = text.splitlines(keepends=True)
    return (json.dumps(content, indent=1, ensure_ascii=False) + "\n").encode()


def _asked(cell: dict[str, Any], tasks: Iterable[Task]) -> Task | None:
    """The task that is to be answered in this cell, if one is."""
    ends = cell.get("id", "").endswith(("-solution", "-bonus"))
    defined = set(re.findall(r"^(?:def|class) (\w+)", "".join(cell["source"]), re.MULTILINE))
    return next((task for task in tasks if ends and set(task.defines) <= defined), None)


def _sources(path: Path) -> dict[str, str]:
    """Each top-level function and class of a solution, without the markers of what is cut out."""
    try:
        text = path.read_text(encoding="utf-8")
        tree = ast.parse(text)
    except (OSError, ValueError, SyntaxError) as error:
        raise NoSolutions(f"{path} cannot be read: {error}") from None
    lines = text.splitlines()
    return {name: "\n".join(_lines(lines[first:last])) for name, first, last in _spans(tree)}


def _spans(tree: ast.Module) -> Iterator[tuple[str, int, int]]:
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            first = min([node.lineno, *(one.lineno for one in node.decorator_list)])
            yield node.name, first - 1, node.end_lineno or first


def _lines(lines: Iterable[str]) -> list[str]:
    return [line for line in lines if not _MARKER.fullmatch(line)]


def _fold(source: str) -> str:
    """Quoted line by line: a cell whose lines begin with `def` would count as an answer that is no code."""
    code = ["```py", *source.split("\n"), "```"]
    quoted = "\n".join(f"> {line}".rstrip() for line in code)
    summary = "<summary>Solution: when you have tried, and the hints are read</summary>"
    return f"\n\n<details>\n{summary}\n\n{quoted}\n\n</details>"
