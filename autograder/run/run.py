"""`autograder grade`: from paths to results, tables and pages. The parent is the only writer."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Sequence, Set
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from course.catalogue.syllabus import Syllabus

from ..atomic import write_atomically
from ..content.course_root import CourseRoot
from ..contract.budget import Limits, limits_of
from ..contract.front_end import FrontEnd
from ..contract.jobs import Finished, Job
from ..errors import Fault
from ..examined import Examined
from ..processes import inline
from ..processes.devices import choose_device
from ..processes.pool import Pool, Setup
from ..results import Result
from ..sandbox.levels import Isolation, strongest
from ..submission.export import Export
from ..submission.find import Found, find
from .folders import feedback_folders
from .plan import UNKNOWN, Conditions, Plan, plan
from .rounds import begin
from .store import Store

PUBLIC_CHECKS = ("course.checking.examine",)  # what the zygote imports for them: once, not in each worker


@dataclass(frozen=True)
class Options:
    """The command line's choices."""

    out: Path
    module: str | None = None
    jobs: int = 1
    device: str = "auto"
    sandbox: str = "auto"
    seed: int | None = None
    diagnosis: int | None = None  # the seed by which mistakes are named; by default the folder's
    preload: tuple[str, ...] = ()
    force: bool = False
    examine: bool = False  # run the public checks, too
    views: bool = True  # write tables and pages
    limits: Limits | None = None  # the syllabus's
    exports: tuple[Export, ...] = ()  # the adapters that this run knows: see `autograder.adapters`
    front_ends: tuple[FrontEnd, ...] = ()


@dataclass
class Summary:
    """What a run came to. `faults` are submissions that have no result, each with the reason."""

    results: list[Result]
    faults: list[tuple[str, str, str]]  # student, module, reason
    graded: int
    kept: int
    lower: list[Result]  # graded lower than before: the earlier grade counts
    pages: dict[tuple[str, str], Path]
    unwritten: str = ""  # why tables and pages are not all there, if so
    unexamined: list[tuple[str, str, str]] = field(default_factory=list)  # as `faults`, of the public checks


@dataclass
class Progress:
    """Where a run reports to; every field is a function that may do nothing."""

    begin: Callable[[int, int, str], None] = lambda total, kept, how: None
    done: Callable[[Job, Result | None, str], None] = lambda job, result, fault: None
    examined: Callable[[Job], None] = lambda job: None


def grade(root: CourseRoot, paths: Sequence[Path], options: Options, progress: Progress) -> Summary:
    """Grades all that is found under `paths`. Raises UsageError, or Fault when nothing can be graded."""
    if options.module is not None:
        root.module(options.module)
    modules = [module.id for module in root.syllabus.modules]
    with tempfile.TemporaryDirectory(prefix="autograder-") as scratch:
        found = find(paths, options.module, modules, Path(scratch), options.exports, options.out)
        return grade_found(root, found, options, progress)


def grade_found(root: CourseRoot, found: Sequence[Found], options: Options, progress: Progress) -> Summary:
    """Grades these submissions. Raises UsageError, or Fault when nothing can be graded."""
    store = Store(options.out)
    store.adopt()
    level = strongest(options.sandbox)
    device = choose_device(options.device)
    now, about = begin(store, options.seed, options.diagnosis)
    limits = options.limits or limits_of(root.syllabus.limits.asked)
    conditions = Conditions(now.seed, device, level.value, limits)
    store.write_settings(
        {
            **about,
            "device": device,
            "isolation": level.value,
            "modules": sorted({str(f.module) for f in found}),
        }
    )
    made = plan(root, found, store, conditions, force=options.force, examine=options.examine)
    jobs = [*made.jobs, *made.examinations]
    setup = Setup(
        root=root.path,
        modules=sorted({job.module for job in jobs}),
        run_seed=now.seed,
        diagnosis_seed=now.diagnosis,
        device=device,
        level=level,
        jobs=max(1, min(options.jobs if device == "cpu" else 1, len(jobs))),
        preload=(*options.preload, *(PUBLIC_CHECKS if made.examinations else ())),
        limits=limits,
        front_ends=options.front_ends,
    )
    report = _grade_all(setup, store, made, options, progress, now.number)
    if options.views:
        # All of the folder, not only what this command named: a run may add one student to a class.
        report.results = list(store.results())
        try:
            write_views(store, root.syllabus, report)
        except Fault as fault:  # what was graded is kept, and the faults before this one are to be named, too
            report.unwritten = str(fault)
    return report


def _grade_all(
    setup: Setup, store: Store, made: Plan, options: Options, progress: Progress, number: int
) -> Summary:
    """What came of the jobs of round `number`, all of it stored."""
    report = Summary([], list(made.faults), 0, len(made.kept), [], {})
    total = len(made.jobs) + sum(map(len, made.copies.values())) + len(made.unplaced)
    progress.begin(total, report.kept, f"{setup.device}, isolation {setup.level.value}")
    jobs = [*made.jobs, *made.examinations]
    unfinished = {(job.student, job.module, job.examine): job for job in jobs}

    def failed(job: Job, fault: str) -> None:
        if job.examine:
            report.unexamined.append((job.student, job.module, fault))
            return
        for one in (job, *made.copies.get((job.student, job.module), ())):
            report.faults.append((one.student, one.module, fault))
            progress.done(one, None, fault)

    def keep_examined(job: Job, examined: Examined) -> None:
        try:
            store.write_examined(examined)
        except Fault as fault:
            failed(job, str(fault))
        else:
            progress.examined(job)

    def keep(job: Job, result: Result) -> None:
        for member in (job, *made.copies.get((job.student, job.module), ())):
            note = made.notes.get((member.student, member.module), "")
            own = result.model_copy(update={"student": member.student, "note": note, "round": number})
            try:
                counts = store.write(own, force=options.force)
            except Fault as fault:
                report.faults.append((member.student, member.module, str(fault)))
                progress.done(member, None, str(fault))
                continue
            report.graded += 1
            if not counts:
                report.lower.append(own)
            progress.done(member, own, "")

    def on_finished(job: Job, finished: Finished) -> None:
        unfinished.pop((job.student, job.module, job.examine), None)
        if finished.fault:
            failed(job, finished.fault)
        elif job.examine:
            keep_examined(job, Examined.from_json(finished.result))
        else:
            keep(job, Result.from_json(finished.result))

    for result in made.unplaced:
        keep(_job_of(result), result)
    if jobs:
        try:
            if setup.level is Isolation.NONE:
                inline.run(setup, jobs, on_finished)
            else:
                with Pool(setup) as pool:
                    pool.run(jobs, on_finished)
        except Fault as fault:
            for job in unfinished.values():
                failed(job, str(fault))
    return report


def _job_of(result: Result) -> Job:
    return Job(result.student, result.module, "", result.path, result.key, result.isolation)


def write_views(store: Store, syllabus: Syllabus, report: Summary) -> None:
    """The tables and pages: each a view of the results, written anew each time. Raises Fault."""
    from ..reports.class_report import class_html
    from ..reports.feedback import feedback_html
    from ..reports.tables import grades_csv, results_jsonl

    modules = {module.id: module for module in syllabus.modules}
    folders = feedback_folders(sorted({result.student for result in report.results}))
    pages: dict[tuple[str, str], str] = {}
    for result in report.results:
        if result.module in (*modules, UNKNOWN):
            page = Path("feedback", folders[result.student], f"{result.module}.html")
            html = feedback_html(result, modules.get(result.module), syllabus.modules)
            write_atomically(store.folder / page, html)
            pages[result.student, result.module] = page.as_posix()
            report.pages[result.student, result.module] = store.folder / page
    _remove_others(store.folder, {store.folder / page for page in pages.values()}, (*modules, UNKNOWN))
    write_atomically(store.folder / "results.jsonl", results_jsonl(report.results))
    write_atomically(store.folder / "grades.csv", grades_csv(report.results, syllabus, pages))
    links = {whose: quote(page) for whose, page in pages.items()}
    report_page = class_html(report.results, syllabus, links, report.faults)
    write_atomically(store.folder / "report.html", report_page)


def _remove_others(folder: Path, pages: Set[Path], modules: Iterable[str]) -> None:
    """Takes away pages that were written when a student's folder had another name, and nothing else."""
    names = {f"{module}.html" for module in modules}
    for page in sorted(folder.glob("feedback/*/*.html")):
        if page not in pages and page.name in names:
            try:
                page.unlink(missing_ok=True)
                if not any(page.parent.iterdir()):
                    page.parent.rmdir()
            except OSError as error:
                raise Fault(f"{page}: cannot be removed: {error.strerror or error}") from None
