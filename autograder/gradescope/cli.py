"""`autograder gradescope ...`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..console import Modules, Root, modules_of, out, reported
from ..content.course_root import CourseRoot
from .settings import Details, Sandbox, Visibility

app = typer.Typer(help="Grading inside Gradescope: docs/gradescope.md.")


@app.callback()
def gradescope() -> None:
    """Grading inside Gradescope: docs/gradescope.md."""


@app.command()
def export(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where the zips go.")],
    modules: Modules = None,
    visibility: Annotated[
        Visibility, typer.Option(help="When students see points and hidden tests.")
    ] = "after_published",
    details: Annotated[
        Details, typer.Option(help="An entry for each exercise, or for each property tested.")
    ] = "exercises",
    sandbox: Annotated[
        Sandbox, typer.Option(help="Auto is the strongest that the container allows.")
    ] = "auto",
    seed: Annotated[
        int | None,
        typer.Option(min=0, max=(1 << 63) - 1, help="The seed; by default the zip's, or a new one."),
    ] = None,
    course_root: Root = None,
) -> None:
    """Writes DIR/MODULE.zip, an autograder for Gradescope, for each module."""
    from .export import export as export_to

    with reported():
        root = CourseRoot.find(course_root)
        names = modules_of(root, modules)
        for path in export_to(
            root, folder, names, visibility=visibility, details=details, sandbox=sandbox, seed=seed
        ):
            out.print(f"{path}  ({path.stat().st_size / 1e6:.1f} MB)")
        out.print("They have the solutions in them: upload them to Gradescope, and give them to nobody.")
