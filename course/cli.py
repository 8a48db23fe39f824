"""`course`: the students' command line."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from importlib import metadata
from pathlib import Path
from typing import Annotated

import typer
from rich import box
from rich.console import Console
from rich.progress import BarColumn, SpinnerColumn, TextColumn
from rich.progress import Progress as Working
from rich.table import Table
from rich.text import Text

from course.catalogue.syllabus import Exercise, Module, Quiz, load
from course.checking.report import Report
from course.checking.shown import GREEN, RED, in_rich
from course.desk import open_folder, pipeline, progress_screen, settings
from course.desk import progress as kept
from course.desk import start as starting
from course.desk.notebook import NotebookError, Step, check_notebook
from course.desk.start import Brought

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False)

STATES = {
    "passed": Text.assemble(("✓", GREEN), " passes"),
    "failed": Text.assemble(("✗", RED), " not yet"),
    "untouched": Text("· to do"),
}
ANSWERED = Text.assemble(("✓", GREEN), " answered")  # a quiz: whether rightly, nobody knows here


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
        coming = progress_screen.next_exercise(load(), kept.gather(folder))
        module = coming[0].id if coming else brought[0].module
        code = open_folder.in_lab(folder, f"{module}.ipynb", browser=not no_browser)
        if code and open_folder.is_root() and not open_folder.in_a_container():
            _complain(
                "JupyterLab does not start for root, whose whole machine a notebook could change: run this "
                f"as another user, or, if you mean it, `jupyter lab --allow-root {folder}`"
            )
        raise typer.Exit(code)
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
    console = _console()
    try:
        with _at_work(console) as watch:
            module, outcome = check_notebook(notebook, timeout, watch)
    except NotebookError as error:
        _complain(str(error))
        raise typer.Exit(2) from None
    reports = {report.key: report for report in outcome.reports}
    kept.record_checks(outcome.reports, notebook.absolute().parent)
    console.print(_table_of_checks(module, reports))
    for line in outcome.cell_errors:
        console.print(f"! {line}", markup=False, highlight=False)
    if outcome.ended:
        console.print(f"! {outcome.ended}.", markup=False, highlight=False)
    if bonuses := _bonuses(module, reports):
        console.print(bonuses, "", sep="\n")
    for line in outcome.kept:
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    failed = [report for report in reports.values() if report.state == "failed"]
    first = min(failed, key=lambda report: report.bonus, default=None)
    if first is not None:  # one thing at a time
        shown = in_rich(first) if console.is_terminal else first.text()
        console.print(shown, "", sep="\n", markup=False, highlight=False, soft_wrap=True)
        with_hints = first.key in {f"{module.id}/{one.id}" for one in module.exercises}
        if with_hints and _hints_allowed(notebook.absolute().parent):
            console.print("hint() in the notebook has a hint for this.\n", highlight=False)
    graded = [reports.get(f"{module.id}/{exercise.id}") for exercise in module.graded]
    passed = sum(report is not None and report.passed for report in graded)
    console.print(f"{passed} of {len(module.graded)} pass. Grading tests more.", highlight=False)
    raise typer.Exit(0 if passed == len(module.graded) else 1)


@app.command()
def progress(
    module: Annotated[
        str | None,
        typer.Argument(help="The module to unfold; by default the one you are in.", show_default=False),
    ] = None,
    folder: Annotated[
        Path | None, typer.Option(help="Your folder with notebooks; by default where you are.")
    ] = None,
) -> None:
    """Show what is done, what it is worth, and what comes next."""
    if folder is not None and not folder.is_dir():
        _complain(f"{folder} is no folder")
        raise typer.Exit(2)
    syllabus, recorded, console = load(), kept.gather(folder), _console()
    named = [one for one in syllabus.modules if one.id == module]
    if module is not None and not named:
        _complain(f"there is no module {module!r}: choose one of {', '.join(m.id for m in syllabus.modules)}")
        raise typer.Exit(2)
    coming = progress_screen.next_exercise(syllabus, recorded)
    unfolded = named[0] if named else coming[0] if coming else None
    hints = _hints_allowed(folder)
    progress_screen.draw(console, syllabus, recorded, unfolded=unfolded, hints=hints)
    if not recorded.entries:
        console.print("Nothing is recorded here yet. The record is kept in the folder of your notebooks.")
    if coming is None:
        console.print("All exercises pass their checks.")
        return
    where, exercise = coming
    console.print(
        f"Next: {exercise.title}, {exercise.id} in {where.id}.ipynb "
        f"({_points(exercise.points)} points, about {exercise.minutes} minutes).",
        markup=False,
        highlight=False,
    )


@app.command()
def mine(
    folder: Annotated[
        Path | None, typer.Option(help="Your folder with notebooks; by default where you are.")
    ] = None,
) -> None:
    """Show which parts of the whole are your own by now, and where they lie."""
    if folder is not None and not folder.is_dir():
        _complain(f"{folder} is no folder")
        raise typer.Exit(2)
    pipeline.show(_console(), folder)


@contextmanager
def _at_work(console: Console) -> Iterator[Callable[[Step], None]]:
    """A bar on a terminal that names what is being run or checked; in a pipe, nothing."""
    if not console.is_terminal:
        yield lambda step: None
        return
    columns = (SpinnerColumn(), BarColumn(20), TextColumn("{task.description}", markup=False))
    with Working(*columns, console=console, transient=True) as working:
        task = working.add_task("Starting")
        yield lambda step: working.update(
            task, completed=step.number - 1, total=step.of, description=step.what
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
        state = _state(exercise, report.state) if report else Text("· not reached")
        table.add_row(exercise.id, _points(exercise.points), state, _plain(report.problem if report else ""))
    return table


def _bonuses(module: Module, reports: Mapping[str, Report]) -> Text | None:
    """How a module's bonus tasks stand; None where there are none."""
    told = []
    for bonus in module.bonus:
        report = reports.get(f"{module.id}/{bonus.id}")
        told.append(Text(f"{bonus.id} ").append(STATES[report.state if report else "untouched"]))
    return Text("Bonus, no points: ").append(Text(", ").join(told)) if told else None


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, padding=(0, 1))
    for name in columns:
        number, prose = name in ("Points", "Hints"), name == "First problem"
        table.add_column(name, justify="right" if number else "left", no_wrap=not prose, overflow="fold")
    return table


def _state(exercise: Exercise, state: str) -> Text:
    if state == "passed" and isinstance(exercise, Quiz):
        return ANSWERED
    return STATES.get(state, Text("·"))


def _plain(text: str) -> Text:
    return Text(text)  # brackets in a student's message are not rich's markup


def _points(points: float) -> str:
    return f"{points:g}"


def _console() -> Console:
    return Console(file=sys.stdout)


def _complain(sentence: str) -> None:
    print(f"course: {sentence}.", file=sys.stderr)


if __name__ == "__main__":
    app()
