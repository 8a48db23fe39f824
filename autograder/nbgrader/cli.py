"""`autograder nbgrader ...`. nbgrader itself is imported only when one of these commands runs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Literal

import typer

from ..atomic import write_atomically
from ..console import CORES, Folder, Jobs, Modules, Root, Seed, err, fail, modules_of, needing, out, reported
from ..content.course_root import CourseRoot
from ..errors import UsageError

app = typer.Typer(help="nbgrader with this autograder: docs/nbgrader.md.", no_args_is_help=True)

CourseDir = Annotated[
    Path, typer.Option("--course-dir", help="The course directory; by default the current folder.")
]


@contextmanager
def _with_nbgrader() -> Iterator[None]:
    with reported():
        needing("nbgrader", "nbgrader")
        yield


@app.command()
def init(
    folder: Folder,
    modules: Modules = None,
    course_id: Annotated[str, typer.Option(help="The course's name in nbgrader's exchange.")] = "diffusion",
    no_hints: Annotated[
        bool, typer.Option("--no-hints", help="hint(...) gives students no hints in this course.")
    ] = False,
    course_root: Root = None,
) -> None:
    """Makes a course directory: configuration, source notebooks, gradebook, release."""
    with _with_nbgrader():
        from .course import init as make

        root = CourseRoot.find(course_root)
        names = modules_of(root, modules)
        make(root, folder, names, course_id, hints=not no_hints)
        out.print(f"{folder}: {len(names)} assignment(s): {', '.join(names)}")
        out.print(f"Next, in {folder}: nbgrader release_assignment {names[0]}")


@app.command()
def update(
    folder: Folder,
    modules: Modules = None,
) -> None:
    """Brings what is new in the course into a course directory; touches neither your edits nor grades."""
    with _with_nbgrader():
        from .course import update as bring

        refused = []
        for change in bring(folder, modules or []):
            out.print(f"{change.module}: {change.said}")
            refused += [change.module] if change.refused else []
        if refused:
            fail(f"not updated: {', '.join(refused)}", 1)


@app.command()
def autograde(
    assignment: str,
    student: Annotated[list[str] | None, typer.Option(help="Only this student; may be repeated.")] = None,
    jobs: Jobs = CORES,
    force: Annotated[bool, typer.Option("--force", help="Grade again what was graded.")] = False,
    seed: Seed = None,
    collect: Annotated[
        bool, typer.Option("--collect", help="Collect first, as `nbgrader collect --update` does.")
    ] = False,
    course_dir: CourseDir = Path(),
) -> None:
    """Grades what was collected, in parallel, and enters it into the gradebook; run it again to go on."""
    with _with_nbgrader():
        from ..reports.terminal import summary_table
        from ..run.progress import showing_progress
        from .apps import nbgrader_in
        from .autograde import enter, grade_collected
        from .collect import collect_new
        from .lock import GRADING, locked, said_once
        from .settings import FOLDER, AutograderCourse

        place = course_dir.resolve()
        with nbgrader_in(place) as nbgrader, locked(place, GRADING, said_once(out.print)):
            if collect:
                collection = collect_new(nbgrader, assignment)
                out.print(f"Collected:       {len(collection.new)} new submission(s)")
                for name, reason in collection.left:
                    err.print(f"not collected: {name}: {reason}")
            with showing_progress(out) as progress:
                done = grade_collected(
                    nbgrader, assignment, student or [], progress, jobs=jobs, force=force, seed=seed
                )
            entered = 0
            with out.status("entering into the gradebook") as status:
                for entered, _ in enumerate(enter(nbgrader, done, force=force), start=1):
                    status.update(f"entering into the gradebook: {entered} of {len(done.results)}")
            syllabus = AutograderCourse(parent=nbgrader).root.syllabus
        out.print(summary_table([one for ones in done.results.values() for one in ones], syllabus))
        out.print(f"Gradebook:       {entered} of {len(done.results)} entered anew")
        out.print(f"Class report:    {course_dir / FOLDER / assignment / 'report.html'}")
        for name, reason in done.faults:
            err.print(f"not graded: {name}: {reason}")
        if done.faults:
            fail(
                f"{len(done.faults)} submission(s) have no new grade, for no fault of the students; of them "
                "the gradebook keeps what it had; run the same command again",
                3,
            )
        if done.report.unwritten:
            fail(f"the gradebook is complete, but not the report: {done.report.unwritten}", 3)


@app.command()
def watch(
    assignments: Annotated[list[str], typer.Argument(metavar="ASSIGNMENT...")],
    every: Annotated[float, typer.Option(min=1, metavar="SECONDS", help="From round to round.")] = 60,
    once: Annotated[bool, typer.Option("--once", help="One round, for cron.")] = False,
    show: Annotated[
        Literal["public", "points", "full"] | None,
        typer.Option(help="What students see at once; by default c.AutograderCourse.show, else public."),
    ] = None,
    jobs: Jobs = CORES,
    course_dir: CourseDir = Path(),
) -> None:
    """Collects, grades and enters what is handed in, and shows each student the public result.

    It ends with Ctrl-C or SIGTERM, after the present submission. Killed, it loses nothing: the same command
    goes on from there.
    """
    with _with_nbgrader():
        from .round import Stopped
        from .watch import Watched, watch_once
        from .watch import watch as keep_watching

        watched = Watched(course_dir.resolve(), assignments, jobs, show or "")
        if not once:
            keep_watching(watched, every, out.print)
            return
        try:
            clean = watch_once(watched, out.print)
        except Stopped:
            out.print("stopped; the same command goes on from here")
            return
        if not clean:
            fail("not everything could be done, for no fault of the students: see above; run it again", 3)


@app.command()
def export(
    file: Path,
    to: Annotated[Literal["canvas", "moodle"], typer.Option(help="Whose gradebook it is for.")],
    assignment: Annotated[
        list[str] | None, typer.Option(help="Only this one; may be repeated. By default all.")
    ] = None,
    canvas_id: Annotated[
        list[str] | None,
        typer.Option(metavar="ASSIGNMENT=NUMBER", help="An assignment's number in Canvas; may be repeated."),
    ] = None,
    course_dir: CourseDir = Path(),
) -> None:
    """Writes the grades as a table that Canvas or Moodle imports."""
    with _with_nbgrader():
        from nbgrader.api import Gradebook

        from .apps import nbgrader_in
        from .export import canvas, moodle
        from .settings import AutograderCourse

        ids = {}
        for one in canvas_id or []:
            name, _, number = one.partition("=")
            if not number.isdecimal():
                raise UsageError(f"--canvas-id {one!r} is not ASSIGNMENT=NUMBER.")
            ids[name] = number
        with nbgrader_in(course_dir) as nbgrader:
            place = nbgrader.coursedir
            with Gradebook(place.db_url, place.course_id) as gradebook:
                course = AutograderCourse(parent=nbgrader).root.syllabus
                order = [module.id for module in course.modules]
                known = [one.name for one in gradebook.assignments if one.notebooks]
                known.sort(key=lambda name: (order.index(name) if name in order else len(order), name))
                if unknown := [name for name in [*(assignment or []), *ids] if name not in known]:
                    raise UsageError(
                        f"The gradebook has no assignment {unknown[0]!r}: choose one of {', '.join(known)}."
                    )
                chosen = assignment or known
                table = canvas(gradebook, chosen, ids) if to == "canvas" else moodle(gradebook, chosen)
        write_atomically(file, table.text)
        out.print(f"written: {file}")
        for name, of in table.ungraded:
            err.print(f"left empty, not graded yet: {name}, {of}")
