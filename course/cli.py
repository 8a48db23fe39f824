"""`course`: the students' command line."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from typing import Annotated, Any

import typer
from rich import box
from rich.console import Console
from rich.table import Table

from course.catalogue.syllabus import Exercise, Module, Quiz, load
from course.checking.report import Report
from course.desk import open_folder, settings
from course.desk import progress as kept
from course.desk import start as starting
from course.desk.notebook import NotebookError, check_notebook
from course.desk.progress import Progress
from course.desk.start import Brought

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False)

STATES = {"passed": "✓ passes", "failed": "✗ not yet", "untouched": "· to do"}
NOT_BEGUN = STATES["untouched"]


def _say_version(asked: bool) -> None:
    if asked:
        print(f"course {metadata.version('diffusion-course')}")
        raise typer.Exit


@app.callback()
def prepare(
    version: Annotated[
        bool, typer.Option("--version", callback=_say_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Write the parts of a diffusion model yourself, and have each one checked."""
    for stream in (sys.stdout, sys.stderr):  # a terminal that has no ticks gets question marks, not an error
        with suppress(AttributeError):
            stream.reconfigure(errors="replace")  # type: ignore[union-attr]


@app.command()
def start(
    folder: Annotated[
        Path | None,
        typer.Argument(
            help=f"Your folder; by default {starting.FOLDER}, or where you are if that is one already.",
            show_default=False,
        ),
    ] = None,
    no_open: Annotated[
        bool, typer.Option("--no-open", help="Bring the notebooks, and leave it at that.")
    ] = False,
    no_browser: Annotated[
        bool, typer.Option("--no-browser", help="Start JupyterLab without a browser; it says its address.")
    ] = False,
    solutions: Annotated[
        bool,
        typer.Option("--solutions", help="In a clone of the course: with each solution in a last fold."),
    ] = False,
) -> None:
    """Bring the notebooks into a folder of yours and open JupyterLab; again: what is new in the course.

    What you have worked in is never touched.
    """
    folder = starting.default_folder() if folder is None else folder
    try:
        brought = starting.bring(folder, solutions=solutions)
    except starting.StartError as error:
        _complain(str(error))
        raise typer.Exit(2) from None
    for line in _lines_on(brought, folder):
        print(line)
    lab = open_folder.has_lab()
    if lab and not no_open:
        print("Opening JupyterLab. Ctrl-C in this window ends it.", flush=True)
        coming = _next(kept.gather(folder))
        module = coming[0].id if coming else brought[0].module
        raise typer.Exit(open_folder.in_lab(folder, f"{module}.ipynb", browser=not no_browser))
    vscode = f"open the folder {folder.absolute()} in VS Code (with its Python and Jupyter extensions)"
    if lab:
        print(f"To open them: course start {folder}; or {vscode}.")
    else:
        print(
            f"JupyterLab is not installed: {vscode}, or install it with `python -m pip install jupyterlab` "
            "and run this again."
        )


@app.command()
def check(
    notebook: Annotated[Path, typer.Argument(help="The notebook to check.", show_default=False)],
    timeout: Annotated[float, typer.Option(min=1, help="Seconds that it may take in all.")] = 300,
) -> None:
    """Run a notebook and check every exercise in it.

    Exit codes: 0 all checks hold; 1 some do not; 2 the file cannot be checked.
    """
    try:
        module, outcome = check_notebook(notebook, timeout)
    except NotebookError as error:
        _complain(str(error))
        raise typer.Exit(2) from None
    console = _console()
    reports = {report.key: report for report in outcome.reports}
    for key, report in reports.items():
        kept.record_check(key, report.state, notebook.absolute().parent)
    console.print(_table_of_checks(module, reports))
    for line in outcome.cell_errors:
        console.print(f"! {line}", markup=False, highlight=False)
    if outcome.ended:
        console.print(f"! {outcome.ended}.", markup=False, highlight=False)
    if extra := _bonuses(module, {key: report.state for key, report in reports.items()}):
        console.print(f"{extra}\n", markup=False, highlight=False)
    failed = [report for report in reports.values() if report.state == "failed"]
    first = min(failed, key=lambda report: report.bonus, default=None)
    if first is not None:  # one thing at a time
        console.print(f"{first.text()}\n", markup=False, highlight=False, soft_wrap=True)
    graded = [reports.get(f"{module.id}/{exercise.id}") for exercise in module.graded]
    passed = sum(report is not None and report.passed for report in graded)
    console.print(f"{passed} of {len(module.graded)} pass. Grading tests more.", highlight=False)
    raise typer.Exit(0 if passed == len(module.graded) else 1)


@app.command()
def progress(
    folder: Annotated[
        Path | None, typer.Option(help="Your folder with notebooks; by default where you are.")
    ] = None,
) -> None:
    """Show what is done, what it is worth, and what comes next."""
    if folder is not None and not folder.is_dir():
        _complain(f"{folder} is no folder")
        raise typer.Exit(2)
    recorded = kept.gather(folder)
    console = _console()
    console.print(_table_of_progress(recorded, hints=_hints_allowed(folder)))
    if not recorded.entries:
        console.print("Nothing is recorded here yet. The record is kept in the folder of your notebooks.")
    for module in load().modules:
        done = {key: entry.state for key, entry in recorded.entries.items()}
        if extra := _bonuses(module, done, if_any=True):
            console.print(f"{module.id}: {extra}", markup=False, highlight=False)
    coming = _next(recorded)
    if coming is None:
        console.print("All exercises pass their checks.")
        return
    module, exercise = coming
    console.print(
        f"Next: {exercise.title}, {exercise.id} in {module.id}.ipynb "
        f"({_points(exercise.points)} points, about {exercise.minutes} minutes).",
        markup=False,
        highlight=False,
    )


def _lines_on(brought: list[Brought], folder: Path) -> list[str]:
    """What to say of the notebooks that were brought."""
    beginnings: dict[str, str] = {
        "copied": f"Copied into {folder}:",
        "updated": "A new version, as you had not worked in it:",
        "stranger": "Left as it is, since it was there before:",
    }
    lines = []
    for state, beginning in beginnings.items():
        if names := [one.file.name for one in brought if one.state == state]:
            lines.append(f"{beginning} {', '.join(names)}")
    for one in brought:
        if one.state == "beside":
            lines.append(f"{one.module}.ipynb is yours and stays; its new version is {one.file.name}")
    return lines or [f"Nothing new: the {len(brought)} notebooks in {folder} stay as they are."]


def _hints_allowed(folder: Path | None) -> bool:
    try:
        return settings.hints_allowed(folder)
    except settings.SettingsError:  # `hint` tells
        return False


def _table_of_checks(module: Module, reports: dict[str, Report]) -> Table:
    table = _table(f"{module.title}", "Exercise", "Points", "State", "First problem")
    for exercise in module.graded:
        report = reports.get(f"{module.id}/{exercise.id}")
        state = _state(exercise, report.state) if report else "· not reached"
        table.add_row(exercise.id, _points(exercise.points), state, _plain(report.problem if report else ""))
    return table


def _bonuses(module: Module, states: Mapping[str, str], *, if_any: bool = False) -> str:
    """How a module's bonus tasks stand; '' where there are none, or with `if_any` where none is begun."""
    found = {bonus.id: states.get(f"{module.id}/{bonus.id}", "") for bonus in module.bonus}
    if not found or (if_any and not any(found.values())):
        return ""
    told = (f"{id} {STATES.get(state, NOT_BEGUN)}" for id, state in found.items())
    return f"Bonus, no points: {', '.join(told)}"


def _table_of_progress(recorded: Progress, *, hints: bool) -> Table:
    syllabus = load()
    columns = ["Exercise", "Points", "State", "Checked", *(["Hints"] if hints else [])]
    table = _table(syllabus.title, *columns)
    for module in syllabus.modules:
        entries = {exercise: recorded.of(f"{module.id}/{exercise.id}") for exercise in module.graded}
        done = sum(entry.state == "passed" for entry in entries.values())
        read = sum(entry.hints for entry in entries.values())
        row = [
            f"[bold]{module.id}[/bold]",
            _points(module.points),
            f"{done} of {len(entries)}",
            "",
            read or "",
        ]
        table.add_row(*map(str, row[: len(columns)]))
        for exercise, entry in entries.items():
            cells = [
                f"  {exercise.id}",
                _points(exercise.points),
                _state(exercise, entry.state),
                _plain(entry.checked[:10]),
                str(entry.hints or ""),
            ]
            table.add_row(*cells[: len(columns)], end_section=exercise is module.graded[-1])
    return table


def _next(recorded: Progress) -> tuple[Module, Exercise] | None:
    """The first exercise in the order of the course whose checks do not hold yet."""
    for module in load().modules:
        for exercise in module.graded:
            if recorded.of(f"{module.id}/{exercise.id}").state != "passed":
                return module, exercise
    return None


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, padding=(0, 1))
    for name in columns:
        number, prose = name in ("Points", "Hints"), name == "First problem"
        table.add_column(name, justify="right" if number else "left", no_wrap=not prose, overflow="fold")
    return table


def _state(exercise: Exercise, state: str) -> str:
    if state == "passed" and isinstance(exercise, Quiz):
        return "✓ answered"  # whether rightly, nobody knows here
    return STATES.get(state, "·")


def _plain(text: str) -> Any:
    from rich.text import Text

    return Text(text)  # brackets in a student's message are not rich's markup


def _points(points: float) -> str:
    return f"{points:g}"


def _console() -> Console:
    return Console(file=sys.stdout)


def _complain(sentence: str) -> None:
    print(f"course: {sentence}.", file=sys.stderr)


if __name__ == "__main__":
    app()
