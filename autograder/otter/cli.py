"""`autograder otter ...`. Otter itself is imported only when one of these commands runs."""

from __future__ import annotations

from typing import Annotated

import typer

from ..console import Folder, Modules, Root, modules_of, needing, out, reported
from ..content.course_root import CourseRoot

app = typer.Typer(help="Otter-Grader with this autograder: docs/otter.md.", no_args_is_help=True)

CPU_BUILD = "https://download.pytorch.org/whl/cpu"


@app.callback()
def _group() -> None:
    """Otter-Grader with this autograder: docs/otter.md."""


@app.command()
def export(
    folder: Folder,
    modules: Modules = None,
    seed: Annotated[
        int | None, typer.Option(help="The seed of the hidden inputs; by default a fresh one.")
    ] = None,
    torch_index: Annotated[
        str, typer.Option(help="Where a container's pip looks for PyTorch, too; empty for its default.")
    ] = CPU_BUILD,
    course_root: Root = None,
) -> None:
    """Writes notebooks with `grader.check(...)` for students, and an autograder zip a module for you."""
    with reported():
        needing("otter", "otter", "hatchling")
        from .export import export as write

        root = CourseRoot.find(course_root)
        written = write(root, folder, modules_of(root, modules), seed=seed, torch_index=torch_index)
        out.print(f"{len(written)} files in {folder}")
        out.print(f"For students:    {folder / 'students'}")
        out.print(f"For you alone:   {folder / 'instructors'}")
