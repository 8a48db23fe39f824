"""Runs the code of a notebook in a process of its own and has every exercise in it checked.

The student's own code on the student's own machine: nothing is locked here, and nothing is graded.
"""

from __future__ import annotations

import json
import linecache
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from course.catalogue.syllabus import Module, load
from course.checking.report import Report

LARGEST = 50_000_000  # bytes; a notebook with many pictures has a few million


class NotebookError(ValueError):
    """The file cannot be checked; the message says why, in a sentence."""


@dataclass
class Checked:
    """What came of a notebook: a report for each exercise, a line for each cell that raised, and its end."""

    reports: list[Report]
    cell_errors: list[str] = field(default_factory=list)
    ended: str = ""  # why it did not come to its end; empty if it did


def check_notebook(path: Path, timeout: float) -> tuple[Module, Checked]:
    """Runs a notebook and checks its module's exercises; raises NotebookError for any other file."""
    cells, module = read(path)
    return module, run(cells, module, path.absolute().parent, timeout)


def read(path: Path) -> tuple[list[tuple[int, str]], Module]:
    """The code cells to run, each with its number (counting all cells from 1), and the notebook's module."""
    notebook = _read(path)
    cells = []
    for number, cell in enumerate(notebook["cells"], start=1):
        if cell["cell_type"] == "code" and "demo" not in cell["metadata"].get("tags", []):
            cells.append((number, "".join(cell["source"])))
    return cells, _module_of(notebook, path)


def _read(path: Path) -> Any:
    try:
        if path.stat().st_size > LARGEST:
            raise NotebookError(
                f"{path} is larger than {LARGEST // 1_000_000} MB: clear its outputs and save it again"
            )
        content = json.loads(path.read_bytes())
    except OSError as error:
        raise NotebookError(f"{path} cannot be read: {error.strerror or error}") from None
    except UnicodeDecodeError as error:
        raise NotebookError(f"{path} is no notebook: byte {error.start} is not {error.encoding}") from None
    except ValueError as error:
        raise NotebookError(f"{path} is no notebook: it is not JSON ({error})") from None
    except RecursionError:
        raise NotebookError(f"{path} is no notebook: it is nested too deeply") from None
    return content if _is_of_today(content) else _converted(content, path)


def _is_of_today(content: Any) -> bool:
    """Whether this is a notebook of today's format, in all that is used here."""
    try:
        cells = content["cells"]
        return (
            content["nbformat"] == 4
            and all(isinstance(part["metadata"], dict) for part in (content, *cells))
            and all(isinstance(cell["metadata"].get("tags", []), list) for cell in cells)
            and all(cell["cell_type"] and isinstance("".join(cell["source"]), str) for cell in cells)
        )
    except (KeyError, TypeError):
        return False


def _converted(content: Any, path: Path) -> Any:
    """A notebook of an older format; for any other content nbformat, which takes long, finds the words."""
    import nbformat

    try:
        notebook = nbformat.reads(json.dumps(content), as_version=4)  # type: ignore[no-untyped-call]
        nbformat.validate(notebook)
    except Exception as error:  # nbformat raises whatever it stumbles over
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise NotebookError(f"{path} is no notebook: {reason[:200]}") from None
    return notebook


def _module_of(notebook: Any, path: Path) -> Module:
    """The module that the notebook says it is of, or else the one that most of its cells are of."""
    modules = load().modules
    said = notebook["metadata"].get("course", {})
    if isinstance(said, dict) and isinstance(said.get("module"), str):
        for module in modules:
            if module.id == said["module"]:
                return module
        raise NotebookError(
            f"{path} is of the module {said['module']!r}, which this version of the course has not"
        )
    ids = [_grade_id(cell) for cell in notebook["cells"]]
    shared = {module.id: sum(exercise.id in ids for exercise in module.graded) for module in modules}
    best = max(modules, key=lambda module: (shared[module.id], module.id == path.stem))
    if not shared[best.id] and best.id != path.stem:
        raise NotebookError(f"{path} is no notebook of this course: none of its cells belongs to an exercise")
    return best


def _grade_id(cell: Any) -> Any:
    nbgrader = cell["metadata"].get("nbgrader")
    return nbgrader.get("grade_id") if isinstance(nbgrader, dict) else None


# --- The process ------------------------------------------------------------------------------------------

# The cells' own `check` and `hint` do nothing: all is checked when the last cell has run.
_START = """
import sys
sys.path.append(sys.argv.pop(1))
import course
from course.desk.notebook import main
course.check = course.hint = lambda *_, **__: None
main()
"""


def run(cells: list[tuple[int, str]], module: Module, folder: Path, timeout: float) -> Checked:
    """Runs the cells in a new process in `folder`, then the checks, all within `timeout` seconds."""
    home = str(Path(__file__).absolute().parents[2])
    with tempfile.TemporaryDirectory() as scratch:
        told = Path(scratch) / "told.jsonl"  # a file, so that what the notebook prints cannot get into it
        order = json.dumps({"cells": cells, "module": module.id})
        ended = ""
        try:
            process = subprocess.run(
                [sys.executable, "-c", _START, home, str(told)],
                input=order,
                text=True,
                encoding="utf-8",
                cwd=folder,
                timeout=timeout,
                check=False,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env={**os.environ, "MPLBACKEND": "Agg", "PYTHONUTF8": "1"},
            )
            ended = f"ended its own process (exit code {process.returncode})"
        except subprocess.TimeoutExpired:
            ended = f"did not finish within {timeout:g} seconds"
        lines = list(_whole_lines(told))
    outcome = Checked([Report(**line["report"]) for line in lines if "report" in line])
    outcome.cell_errors = [line["error"] for line in lines if "error" in line]
    if not any("done" in line for line in lines):
        running = [line["running"] for line in lines if "running" in line]
        outcome.ended = f"{running[-1] if running else 'The notebook'} {ended}"
    return outcome


def _whole_lines(told: Path) -> Iterator[dict[str, Any]]:
    """What was told; a process that was ended may have left its last line half written, or no file."""
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
        for key, report in _reports(load().module(order["module"]), namespace):
            tell(running=f"The check of {key}")
            tell(report=asdict(report()))
        tell(done=True)


def _reports(module: Module, namespace: dict[str, Any]) -> Iterator[tuple[str, Callable[[], Report]]]:
    from course.checking.examine import on_answer

    for exercise in module.graded:
        yield exercise.id, partial(on_answer, module, exercise, namespace)


def _run_cell(number: int, source: str, namespace: dict[str, Any]) -> str:
    """Runs one cell; what it raised, in a line, or an empty text."""
    from course.checking.examine import describe

    name = f"<cell {number}>"
    try:
        source = _in_python(source)
        linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
        exec(compile(source, name, "exec", dont_inherit=True), namespace)
    except (Exception, SystemExit) as error:
        return describe(error)
    return ""


def _in_python(source: str) -> str:
    """The cell without IPython's own notation, which is loaded only where there is some."""
    try:
        compile(source, "", "exec", dont_inherit=True)
    except SyntaxError:
        from IPython.core.inputtransformer2 import TransformerManager

        return str(TransformerManager().transform_cell(source))  # type: ignore[no-untyped-call]
    return source


def _do_nothing(*_: Any, **__: Any) -> None:
    """In place of what has no use here."""


class _NoIPython:
    """In place of the shell: magics and shell lines do nothing."""

    def __getattr__(self, name: str) -> Any:
        return _do_nothing
