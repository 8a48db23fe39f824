"""The command line. Each command is a thin layer: arguments in, one call, words out, exit code.

Exit codes: 0 all went well; 1 a check failed; 2 the command or the course's content is wrong;
3 something could not be graded for a fault that is not the student's.
"""

from __future__ import annotations

from importlib import metadata
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from pydantic import ValidationError

from course.catalogue.syllabus import Allowances

from .console import CORES, Jobs, Modules, Root, Seed, err, fail, modules_of, out, reported
from .content.course_root import CourseRoot
from .contract.budget import Limits, limits_of
from .errors import UsageError
from .gradescope.cli import app as gradescope_app
from .hub.cli import app as hub_app
from .nbgrader.cli import app as nbgrader_app
from .otter.cli import app as otter_app

app = typer.Typer(
    name="autograder",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.add_typer(nbgrader_app, name="nbgrader")
app.add_typer(hub_app, name="hub")
app.add_typer(gradescope_app, name="gradescope")
app.add_typer(otter_app, name="otter")
Sandbox = Annotated[
    str,
    typer.Option(
        help="full, landlock, none, or auto: the strongest that works. none is for your own code only."
    ),
]
Device = Annotated[str, typer.Option(help="cpu, cuda, or auto.")]
USUAL = Limits()


def _limit(metavar: str, usual: float, what: str) -> Any:
    return typer.Option(metavar=metavar, help=f"{what}. [default: the syllabus's, or {usual:g}]")


def _say_version(asked: bool) -> None:
    if asked:
        print(f"autograder {metadata.version('diffusion-course-autograder')}")
        raise typer.Exit


@app.callback()
def main(
    version: Annotated[
        bool, typer.Option("--version", callback=_say_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Builds the course's notebooks, proves its hidden suites, and grades what students hand in."""


@app.command()
def build(
    modules: Modules = None,
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; exit 1 if a notebook is stale.")
    ] = False,
    course_root: Root = None,
) -> None:
    """Lessons and solutions to exercises/*.ipynb."""
    from .build import build as build_notebooks

    with reported():
        root = CourseRoot.find(course_root)
        stale = build_notebooks(root, modules or None, check=check)
        for one in stale:
            out.print(str(one) if check else f"written: exercises/{one.path.name}")
        if check and stale:
            fail(f"{len(stale)} notebook(s) are stale: run `autograder build`", 1)
        if not stale:
            out.print("Every notebook is up to date.")


@app.command()
def verify(
    modules: Modules = None,
    seeds: Annotated[
        str, typer.Option(metavar="N|FROM-TO", help="How many run seeds to try, or which: 10, or 1-9.")
    ] = "1",
    quick: Annotated[
        bool, typer.Option("--quick", help="Leave out public checks, and answers cut out of their files.")
    ] = False,
    shares: Annotated[
        bool, typer.Option("--shares", help="List how much of its points each known mistake keeps.")
    ] = False,
    mutants: Annotated[
        bool, typer.Option("--mutants", help="Instead, change the solutions, and list what no test notices.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON object a line, for every finding.")
    ] = False,
    jobs: Annotated[int, typer.Option(min=1, help="Processes that share the work.")] = CORES,
    sandbox: Sandbox = "auto",
    device: Device = "auto",
    course_root: Root = None,
) -> None:
    """Proves the tests, hidden and public: reference, stubs, trivial answers, known mistakes, variants."""
    from .processes.devices import choose_device
    from .proof.finding import Finding
    from .run.mutants import verify_mutants
    from .run.verify import seeds_of
    from .run.verify import verify as verify_modules
    from .sandbox.levels import strongest

    with reported():
        root = CourseRoot.find(course_root)
        if mutants and (quick or shares):
            raise UsageError("--mutants tries nothing but mutants: leave out --quick and --shares.")
        level, chosen = strongest(sandbox), choose_device(device)
        findings: list[Finding] = []

        def on_finding(finding: Finding) -> None:
            findings.append(finding)
            if as_json:
                print(msgspec.json.encode(finding).decode(), flush=True)
            elif not finding.ok:
                out.print(
                    f"WRONG  {finding.module}.{finding.exercise}  {finding.kind} {finding.id!r} "
                    f"(seed {finding.seed}, {finding.through}): {finding.said}"
                )

        what = root, modules_of(root, modules), seeds_of(seeds), level, chosen, on_finding, jobs
        seconds = verify_mutants(*what) if mutants else verify_modules(*what, quick)
        if not as_json:
            from .reports.terminal import mutants_table, shares_table, verify_table

            if shares:
                out.print(shares_table(findings))
            out.print((mutants_table if mutants else verify_table)(findings, seconds, root.syllabus))
        wrong = sum(not finding.ok for finding in findings)
        if wrong:
            fail(f"{wrong} of {len(findings)} findings are wrong", 1)


@app.command()
def grade(
    paths: Annotated[list[Path], typer.Argument(metavar="PATH...", help="A notebook, a folder, or a zip.")],
    module: Annotated[
        str | None, typer.Option(help="The module, where the files' names do not say it.")
    ] = None,
    out_folder: Annotated[Path, typer.Option("--out", help="Where results, tables and pages go.")] = Path(
        "graded"
    ),
    jobs: Jobs = CORES,
    device: Device = "auto",
    sandbox: Sandbox = "auto",
    seed: Seed = None,
    preload: Annotated[
        str, typer.Option(help="More packages for the workers to have loaded, with commas.")
    ] = "",
    force: Annotated[
        bool, typer.Option("--force", help="Grade again what was graded; keeps the old beside.")
    ] = False,
    call_cpu: Annotated[float | None, _limit("SECONDS", USUAL.call_cpu, "CPU time of one call")] = None,
    cell_cpu: Annotated[float | None, _limit("SECONDS", USUAL.cell_cpu, "CPU time of one cell")] = None,
    submission_cpu: Annotated[
        float | None, _limit("SECONDS", USUAL.submission_cpu, "CPU time in all")
    ] = None,
    submission_wall: Annotated[
        float | None, _limit("SECONDS", USUAL.submission_wall, "Waiting for answers in all")
    ] = None,
    memory: Annotated[
        int | None, _limit("MIB", USUAL.memory >> 20, "Memory of its process, PyTorch's own not counted")
    ] = None,
    messages: Annotated[
        int | None, _limit("MIB", USUAL.submission_bytes >> 20, "What it sends and is sent, in all")
    ] = None,
    stdout: Annotated[
        int | None, _limit("KIB", USUAL.stdout >> 10, "What is kept of what its cells print")
    ] = None,
    slower: Annotated[
        float | None, _limit("FACTOR", 1, "All times so many times as long, for a slower machine")
    ] = None,
    course_root: Root = None,
) -> None:
    """Grades notebooks; run it again to go on where it stopped."""
    from .adapters import EXPORTS, FRONT_ENDS
    from .run.progress import showing_progress
    from .run.run import Options
    from .run.run import grade as grade_all

    with reported():
        root = CourseRoot.find(course_root)
        asked = _allowances(
            call_cpu=call_cpu,
            cell_cpu=cell_cpu,
            submission_cpu=submission_cpu,
            submission_wall=submission_wall,
            memory=memory,
            messages=messages,
            stdout=stdout,
            slower=slower,
        )
        options = Options(
            out=out_folder,
            module=module,
            jobs=jobs,
            device=device,
            sandbox=sandbox,
            seed=seed,
            preload=tuple(name.strip() for name in preload.split(",") if name.strip()),
            force=force,
            limits=limits_of(root.syllabus.limits.asked | asked),
            exports=EXPORTS,
            front_ends=FRONT_ENDS,
        )
        with showing_progress(out) as progress:
            report = grade_all(root, paths, options, progress)

        from .reports.terminal import summary_table

        out.print(summary_table(report.results, root.syllabus))
        for result in report.lower:
            out.print(
                f"{result.student}, {result.module}: now {result.points:g} points, fewer than before; "
                "the earlier grade counts (--force takes the new one)"
            )
        pages = list(report.pages.values())
        out.print(f"Class report:    {out_folder / 'report.html'}")
        out.print(f"Feedback pages:  {pages[0] if len(pages) == 1 else out_folder / 'feedback'}")
        out.print(f"Grades:          {out_folder / 'grades.csv'}")
        for student, graded_module, reason in report.faults:
            err.print(f"not graded: {student}, {graded_module}: {reason}")
        if report.unwritten:
            err.print(f"not written: {report.unwritten}")
        if report.faults:
            fail(
                f"{len(report.faults)} submission(s) could not be graded, for no fault of the students; "
                "run the same command again",
                3,
            )
        if report.unwritten:
            fail(
                "everything is graded, but not all tables and pages are written; run the same command again",
                3,
            )


def _allowances(**asked: float | None) -> dict[str, float]:
    """What was asked for on the command line, as a syllabus may ask for it; raises UsageError."""
    try:
        return Allowances.model_validate(asked).asked
    except ValidationError as error:
        first = error.errors()[0]
        option = str(first["loc"][0]).replace("_", "-")
        raise UsageError(f"--{option} {first['input']:g}: {first['msg'].lower()}.") from None


@app.command()
def release(
    folder: Annotated[Path, typer.Argument(metavar="DIR")],
    no_hints: Annotated[bool, typer.Option("--no-hints", help="hint(...) gives students no hints.")] = False,
    course_root: Root = None,
) -> None:
    """Writes the students' bundle: notebooks and the `course` package, and nothing secret."""
    from .handout.release import release as release_to

    with reported():
        written = release_to(CourseRoot.find(course_root), folder, hints=not no_hints)
        out.print(f"{len(written)} files in {folder}")


@app.command()
def doctor(course_root: Root = None) -> None:
    """What this machine has, and what to do about what is missing."""
    from .doctor import observe

    with reported():
        try:
            root: CourseRoot | None = CourseRoot.find(course_root)
        except UsageError:
            root = None
        healthy = True
        for finding in observe(root):
            mark = {"ok": "ok      ", "note": "note    ", "bad": "MISSING "}[finding.state]
            out.print(f"{mark} {finding.what}: {finding.said}")
            healthy &= finding.state != "bad"
        if not healthy:
            raise typer.Exit(1)


if __name__ == "__main__":
    app()
