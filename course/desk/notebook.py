"""Runs the code of a notebook in a process of its own and has every exercise in it checked.

The student's own code on the student's own machine: nothing is locked here, and nothing is graded.
"""

from __future__ import annotations
import __future__

import ast
import inspect
import json
import linecache
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from course.catalogue.syllabus import Module, load
from course.cells import ipynb, script
from course.cells.magics import to_python
from course.cells.notebook import MAX_BYTES, BrokenNotebook, Notebook, NotebookCell
from course.cells.python import Cell, explained
from course.checking.forbidden import forbidden_calls, sentence
from course.checking.report import Report
from course.desk import mine

_DEFINED = re.compile(r"^[ \t]*(?:def|class)[ \t]+(\w+)", re.MULTILINE)


class NotebookError(ValueError):
    """The file cannot be checked; the message says why, in a sentence."""


@dataclass
class Checked:
    """What came of a notebook: a report for each exercise, a line for each cell that raised, and its end.

    `kept` are sentences on what was kept in `mine/`.
    """

    reports: list[Report]
    cell_errors: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    ended: str = ""  # why it did not come to its end; empty if it did


@dataclass(frozen=True)
class Step:
    """What is being done now, step `number` of `of`: a cell runs, or an exercise is checked."""

    what: str
    number: int
    of: int


def check_notebook(
    path: Path, timeout: float, watch: Callable[[Step], None] = lambda step: None
) -> tuple[Module, Checked]:
    """Runs a notebook and checks its module's exercises; raises NotebookError for any other file.

    `watch` is told of each step as it begins.
    """
    cells, module, remarks = read(path)
    outcome = run(cells, module, path.absolute().parent, timeout, watch)
    outcome.cell_errors[:0] = remarks
    return module, outcome


def read(path: Path) -> tuple[list[tuple[int, str]], Module, list[str]]:
    """The cells to run, as plain Python with their numbers (all cells counted from 1), and the module.

    And a line for each Markdown or raw cell that answers an exercise, which no Jupyter would run.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise NotebookError(
                f"{path} is larger than {MAX_BYTES // 1_000_000} MB: clear its outputs and save it again"
            )
        notebook = (script if path.suffix.lower() == ".py" else ipynb).parse(path.read_bytes())
    except OSError as error:
        raise NotebookError(f"{path} cannot be read: {error.strerror or error}") from None
    except BrokenNotebook as error:
        sentence = str(error).rstrip(".")
        raise NotebookError(f"{path} is no notebook: {sentence[0].lower()}{sentence[1:]}") from None
    module = _module_of(notebook, path)
    code = [cell for cell in notebook.cells if cell.kind == "code" and "demo" not in cell.tags]
    remarks = [
        f"cell {cell.number} is a {cell.kind} cell, though it has code: select it and press Esc, then Y"
        for cell in notebook.cells
        if cell.kind != "code"
        and _names_in(cell) & {name for one in (*module.exercises, *module.bonus) for name in one.defines}
    ]
    return [(cell.number, to_python(cell.source)) for cell in code], module, remarks


def _module_of(notebook: Notebook, path: Path) -> Module:
    """The module that the notebook says it is of, or else the one that most of its cells are of."""
    modules = load().modules
    if notebook.module is not None:
        for module in modules:
            if module.id == notebook.module:
                return module
        raise NotebookError(
            f"{path} is of the module {notebook.module!r}, which this version of the course has not"
        )
    ids = {name for cell in notebook.cells for name in (cell.grade_id, *_names_in(cell))}
    shared = {
        module.id: sum(not ids.isdisjoint({each.id, *each.defines}) for each in module.exercises)
        for module in modules
    }
    best = max(modules, key=lambda module: (shared[module.id], module.id == path.stem))
    if not shared[best.id] and best.id != path.stem:
        raise NotebookError(f"{path} is no notebook of this course: none of its cells belongs to an exercise")
    return best


def _names_in(cell: NotebookCell) -> set[str]:
    """The names of functions and classes that the cell seems to define."""
    return set(_DEFINED.findall(cell.source))


# --- The process ------------------------------------------------------------------------------------------

# The cells' own `check`, `hint` and `predict` do nothing: all is checked when the last cell has run.
_START = """
import sys
sys.path.append(sys.argv.pop(1))
import course
from course.desk.notebook import main
course.check = course.hint = course.predict = course.predicted = lambda *_, **__: None
course.desk.lent.for_good()
main()
"""


_LOOK = 0.1  # seconds between two looks at what was told


def run(
    cells: list[tuple[int, str]],
    module: Module,
    folder: Path,
    timeout: float,
    watch: Callable[[Step], None] = lambda step: None,
) -> Checked:
    """Runs the cells in a new process in `folder`, then the checks, all within `timeout` seconds."""
    home = str(Path(__file__).absolute().parents[2])
    with tempfile.TemporaryDirectory() as scratch:
        told = Path(scratch) / "told.jsonl"  # a file, so that what the notebook prints cannot get into it
        order = Path(scratch) / "order.json"
        order.write_text(json.dumps({"cells": cells, "module": module.id}), encoding="utf-8")
        steps = len(cells) + len(module.graded)
        end = time.monotonic() + timeout
        with (
            order.open("rb") as given,
            subprocess.Popen(
                [sys.executable, "-c", _START, home, str(told)],
                cwd=folder,
                stdin=given,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env={**os.environ, "MPLBACKEND": "Agg", "PYTHONUTF8": "1"},
            ) as process,
        ):
            try:
                while process.poll() is None and time.monotonic() < end:
                    begun = [line["running"] for line in _whole_lines(told) if "running" in line]
                    if begun:
                        watch(Step(begun[-1], len(begun), steps))
                    with suppress(subprocess.TimeoutExpired):
                        process.wait(_LOOK)
            finally:
                late = process.poll() is None
                process.kill()
        ended = f"ended its own process (exit code {process.returncode})"
        if late:
            ended = f"did not finish within {timeout:g} seconds"
        lines = list(_whole_lines(told))
    outcome = Checked([Report(**line["report"]) for line in lines if "report" in line])
    outcome.cell_errors = [line["error"] for line in lines if "error" in line]
    outcome.kept = list(dict.fromkeys(line["kept"] for line in lines if "kept" in line))
    if not any("done" in line for line in lines):
        running = [line["running"] for line in lines if "running" in line]
        outcome.ended = f"{running[-1] if running else 'The notebook'} {ended}"
    return outcome


def _whole_lines(told: Path) -> Iterator[dict[str, Any]]:
    """What was told; a process that runs or was ended may have its last line half written, or no file."""
    with suppress(FileNotFoundError, ValueError):
        yield from map(json.loads, told.read_text(encoding="utf-8").splitlines())


def main() -> None:
    """In the new process: reads cells and module from stdin, writes what it finds to the file it is given."""
    order = json.loads(sys.stdin.buffer.read())
    with open(sys.argv[1], "w", encoding="utf-8", buffering=1) as told:

        def tell(**what: Any) -> None:
            told.write(json.dumps(what) + "\n")

        namespace: dict[str, Any] = {
            "__name__": "__main__",
            "get_ipython": _NoIPython,
            "display": _do_nothing,
        }
        for number, source in order["cells"]:
            tell(running=f"Cell {number}")
            if error := _run_cell(number, source, namespace):
                tell(error=f"cell {number} raised {error}")
        cells = [Cell(number, source) for number, source in order["cells"]]
        for key, report in _reports(load().module(order["module"]), namespace, cells):
            tell(running=f"The check of {key}")
            found = report()
            tell(report=asdict(found))
            if found.passed and (kept := mine.keep(found.key, cells)):
                tell(kept=kept)
        tell(done=True)


def _reports(
    module: Module, namespace: dict[str, Any], cells: list[Cell]
) -> Iterator[tuple[str, Callable[[], Report]]]:
    from course.checking.examine import on_answer

    has = [bonus for bonus in module.bonus if all(name in namespace for name in bonus.defines)]
    for exercise in (*module.graded, *has):  # a bonus may well have been deleted
        uses = sentence(exercise, forbidden_calls(cells, module, exercise))
        yield exercise.id, partial(on_answer, module, exercise, namespace, uses)


def _run_cell(number: int, source: str, namespace: dict[str, Any]) -> str:
    """Runs one cell as Jupyter does, `await` included; what it raised, in a line, or an empty text."""
    from course.checking.apart import go_on
    from course.checking.examine import describe

    name = f"<cell {number}>"
    linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
    try:
        flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
        for value in namespace.values():  # what is imported from `__future__` holds for the cells after it
            flags |= value.compiler_flag if type(value) is __future__._Feature else 0
        code = compile(source, name, "exec", flags, dont_inherit=True)
    except SyntaxError as error:
        return f"SyntaxError in line {error.lineno}: {explained(error, source)}"
    except ValueError as error:
        return describe(error)
    try:
        if code.co_flags & inspect.CO_COROUTINE:
            import asyncio

            asyncio.run(eval(code, namespace))
        else:
            exec(code, namespace)
    except (Exception, SystemExit) as error:
        go_on(error, source, name, namespace)
        return describe(error)
    return ""


def _do_nothing(*_: Any, **__: Any) -> None:
    """In place of what has no use here."""


class _NoIPython:
    """In place of the shell: magics and shell lines do nothing."""

    def __getattr__(self, name: str) -> Any:
        return _do_nothing
