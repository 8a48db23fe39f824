"""Words out and exit codes, the same for every command."""

from __future__ import annotations

import importlib.util
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Annotated, NoReturn

import typer
from rich.console import Console

from .content.course_root import ROOT_VARIABLE, CourseRoot
from .cores import usable
from .errors import AutograderError, UsageError

# Nothing that is printed is markup: students' words are in it, and names of files.
out = Console(soft_wrap=True, highlight=False, markup=False)
if not out.is_terminal:
    out = Console(soft_wrap=True, highlight=False, markup=False, width=100)  # a log has no width of its own
err = Console(stderr=True, soft_wrap=True, highlight=False, markup=False)

Root = Annotated[
    Path | None,
    typer.Option(
        "--course-root",
        envvar=ROOT_VARIABLE,
        help="The course's folder; by default the one this command runs in.",
    ),
]
Modules = Annotated[list[str] | None, typer.Argument(metavar="[MODULE]...")]
Folder = Annotated[Path, typer.Argument(metavar="DIR")]
CORES = usable()
Jobs = Annotated[int, typer.Option(min=1, help="Submissions at a time.")]
Seed = Annotated[int | None, typer.Option(help="Draw the hidden inputs of this seed; by default new ones.")]


def modules_of(root: CourseRoot, named: Sequence[str] | None) -> list[str]:
    """The modules that were named, else all of the course's; raises UsageError."""
    return [root.module(id).id for id in named or [module.id for module in root.syllabus.modules]]


def needing(extra: str, *packages: str, or_else: str = "") -> None:
    """Raises UsageError for packages that are not installed; `extra` is the one of ours that has them."""
    if missing := [package for package in packages if importlib.util.find_spec(package) is None]:
        raise UsageError(
            f"{' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} not installed here: "
            f'python -m pip install "diffusion-course-autograder[{extra}]"{or_else}.'
        )


@contextmanager
def signals_to(handler: Callable[[int, FrameType | None], None] | signal.Handlers) -> Iterator[None]:
    """Ctrl-C and SIGTERM go to this handler, until the context is left."""
    before = {number: signal.signal(number, handler) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, earlier in before.items():
            signal.signal(number, earlier)


@contextmanager
def reported() -> Iterator[None]:
    """Turns our own errors into one sentence and an exit code."""
    try:
        yield
    except AutograderError as error:
        fail(str(error), error.exit_code)
    except KeyboardInterrupt:
        fail("interrupted; what was graded is kept, and the same command goes on from there", 130)


def fail(message: str, code: int) -> NoReturn:
    """Says what is wrong and ends the command."""
    err.print(f"autograder: {message}")
    raise typer.Exit(code)
