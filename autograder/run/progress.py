"""Shows a run's progress: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar

from ..contract.jobs import Job
from ..results import Result
from .run import Progress


@contextmanager
def showing_progress(console: Console) -> Iterator[Progress]:
    """A `Progress` that reports to `console` for as long as the context lasts."""
    if console.is_terminal:
        with Bar(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=console,
            transient=True,
        ) as bar:
            yield _with_bar(bar, console)
    else:
        yield _with_lines(console)


def _with_bar(bar: Bar, console: Console) -> Progress:
    task = bar.add_task("starting", total=None)

    def begin(total: int, kept: int, how: str) -> None:
        if kept:
            console.print(f"{kept} graded before, kept.")
        bar.update(task, total=total, description=f"grading ({how})")

    def done(job: Job, result: Result | None, fault: str) -> None:
        bar.advance(task)

    return Progress(begin, done)


def _with_lines(console: Console) -> Progress:
    count = {"total": 0, "done": 0}

    def begin(total: int, kept: int, how: str) -> None:
        count["total"] = total
        before = f", {kept} graded before and kept" if kept else ""
        console.print(f"Grading {total} submission(s) ({how}){before}.")

    def done(job: Job, result: Result | None, fault: str) -> None:
        count["done"] += 1
        said = f"{result.points:g} of {result.max_points:g}" if result else f"not graded: {fault}"
        if result and result.status != "graded":
            said += f" ({result.status.value})"
        place = f"{count['done']:>{len(str(count['total']))}}/{count['total']}"
        console.print(f"[{place}] {job.student}  {job.module}  {said}", markup=False)

    return Progress(begin, done)
