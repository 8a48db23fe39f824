"""`autograder hub ...`. JupyterHub and nbgrader are imported only when one of these commands runs."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..console import Modules, Root, fail, needing, out, reported, signals_to
from ..content.course_root import CourseRoot

if TYPE_CHECKING:
    from .config import Ports
    from .folder import Hub

app = typer.Typer(
    help="A JupyterHub on this machine, for trying and for tests: docs/hub.md.", no_args_is_help=True
)


@app.command()
def up(
    modules: Modules = None,
    folder: Annotated[Path, typer.Option("--dir", help="The hub's folder, made at the first start.")] = Path(
        "hub"
    ),
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: any free one.")] = 8000,
    student: Annotated[
        list[str] | None, typer.Option(help="A student's name, in place of ada, ben, chloe; may be repeated.")
    ] = None,
    instructor: Annotated[
        list[str] | None, typer.Option(help="An instructor's, in place of irene, ivan; may be repeated.")
    ] = None,
    course_id: Annotated[
        str | None, typer.Option(help="The course's name in nbgrader; by default diffusion.")
    ] = None,
    course_root: Root = None,
) -> None:
    """Starts the hub and stays until Ctrl-C; makes its folder if there is none."""
    with reported():
        from .needs import chosen_ports, find_proxy

        needing(
            "hub",
            "jupyterhub",
            "jupyterlab",
            "nbgrader",
            "psutil",
            or_else=" (`make hub` does all that is needed)",
        )
        proxy = find_proxy()

        from .config import write_config
        from .course import default_modules, prepare
        from .folder import opened
        from .serve import alone, end_left_over, said_last, serving
        from .servers import write_settings

        root = CourseRoot.find(course_root)
        named = [root.module(id).id for id in modules or []]
        place = opened(folder, students=student or [], instructors=instructor or [], course_id=course_id)
        # Also where whoever starts this ignores Ctrl-C: JupyterHub, which inherits that, stops servers by it.
        with signals_to(signal.default_int_handler), alone(place):
            try:
                if ended := end_left_over(place):
                    out.print(f"ended {ended} process(es) of a hub that was killed")
                with chosen_ports(port) as ports:
                    for done in prepare(root, place, named or default_modules(place)):
                        out.print(done)
                    write_settings(place)
                    with serving(place, write_config(place, ports, proxy), ports) as process:
                        _tell(place, ports)
                        process.wait()
                        said = said_last(place)
                        fail(f"JupyterHub ended by itself; the last lines of {place.log}:\n{said}", 3)
            except KeyboardInterrupt:
                out.print("The hub has stopped; the same command starts it again as it was.")


def _tell(place: Hub, ports: Ports) -> None:
    from rich.table import Table

    from .config import ADDRESS, ONE_ACCOUNT

    address = f"http://{ADDRESS}:{ports.public}"
    people = place.people
    table = Table("name", "password", "is", "in the menu Nbgrader", box=None, pad_edge=False)
    for name in people.instructors:
        table.add_row(name, people.instructor_password, "instructor", "Course List")
    for name in people.students:
        table.add_row(name, people.student_password, "student", "Assignment List")
    out.print()
    out.print(table)
    out.print()
    out.print(f"JupyterHub:        {address}")
    out.print(f"Formgrader:        {address}/services/{people.course_id}/lab?formgrader=true")
    out.print(f"Course directory:  {place.course}")
    out.print(f"Log:               {place.log}")
    out.print(ONE_ACCOUNT)
    out.print("Ctrl-C stops it.")
