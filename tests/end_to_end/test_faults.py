"""A fault of ours is never a zero: who cannot be graded is named, has no result, and is graded next time.

Where nobody can say whose doing it was that a grader or a worker was ended, it is tried again at once; what
ends twice has a result that says so, for a person.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Semaphore

import psutil
import pytest

from autograder.content.course_root import CourseRoot
from autograder.contract.budget import Budget, Limits
from autograder.contract.jobs import Job
from autograder.contract.student import Student
from autograder.errors import Fault
from autograder.processes.pool import Pool, Setup
from autograder.results import Result, Status
from autograder.run.run import Options, Progress, Summary
from autograder.run.run import grade as grade_all
from autograder.run.store import Store
from autograder.sandbox import zygote as zygotes
from autograder.sandbox.levels import Isolation, probe, strongest
from autograder.sandbox.line import WorkerLine
from autograder.sandbox.locked import LockedWorker
from autograder.worker.zygote import WorkerOrder
from tests.end_to_end import processes
from tests.end_to_end.conftest import COMMAND, SEED, Grade, Graded
from tests.end_to_end.processes import Role
from tests.end_to_end.small_class import NAMES, POINTS, SLOW_CELL, SLOWER_CELL, Graders, write
from tests.sample_class import Material

FILLS_THE_DISK = """
import itertools
import tempfile
from pathlib import Path

for number in itertools.count():
    Path(tempfile.gettempdir(), f"{number}").write_bytes(bytes(1 << 20))
"""


@pytest.fixture
def handed_in(material: Material, tmp_path: Path) -> Path:
    """Six notebooks with the same exercise solved, each of which takes a while."""
    for name in NAMES:
        write(tmp_path / "class", name, material, SLOW_CELL)
    return tmp_path / "class"


@pytest.fixture
def quick(material: Material, tmp_path: Path) -> Path:
    """Six notebooks with the same exercise solved, in no time."""
    for name in NAMES:
        write(tmp_path / "class", name, material)
    return tmp_path / "class"


@dataclass
class Log:
    """Who was done with, in order; `each` is called for everyone."""

    each: Callable[[], object] = lambda: None
    done: list[str] = field(default_factory=list)

    @property
    def progress(self) -> Progress:
        def done(job: Job, result: Result | None, fault: str) -> None:
            self.done.append(job.student)
            self.each()

        return Progress(done=done)


@contextmanager
def killing(*roles: Role) -> Iterator[Log]:
    """Whenever a submission is done with, one process of the next kind is killed while the run goes on."""
    due = Semaphore(0)

    def kill() -> None:
        for role in roles:
            due.acquire()
            processes.send(signal.SIGKILL, role, os.getpid())

    with ThreadPoolExecutor(1) as thread:
        killer = thread.submit(kill)
        yield Log(each=due.release)
        killer.result()


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "graded"


Run = Callable[..., Summary]


@pytest.fixture
def run(course_root: CourseRoot, handed_in: Path, out: Path) -> Run:
    """`autograder grade` within this process, which thus is the parent of what tests kill."""

    def grade(log: Log | None = None) -> Summary:
        options = Options(out=out, jobs=2, seed=SEED)
        return grade_all(course_root, [handed_in], options, (log or Log()).progress)

    return grade


def stored(out: Path) -> dict[str, tuple[float, int]]:
    """Points, and the time of the last change, of each stored result."""
    found = {}
    for result in Store(out).results():
        path = Store(out).path(result.student, result.module)
        found[result.student] = (result.points, path.stat().st_mtime_ns)
    return found


def assert_that_nobody_lost_anything(report: Summary, out: Path, run: Run) -> None:
    """Each has full points or is named as not graded; the next run grades those, and nobody else."""
    lost = {student for student, _, _ in report.faults}
    before = stored(out)
    assert before.keys() == set(NAMES) - lost
    assert {points for points, _ in before.values()} <= {POINTS}
    log = Log()
    again = run(log)
    assert (again.faults, set(log.done), again.kept) == ([], lost, len(before))
    after = stored(out)
    assert {student: after[student] for student in before} == before
    assert {student: points for student, (points, _) in after.items()} == dict.fromkeys(NAMES, POINTS)


# --- killed in the middle of a run

ROLES = [processes.zygotes, processes.hosts, processes.graders, processes.monitors, processes.workers]


@pytest.mark.slow
def test_everything_is_killed_in_one_run(run: Run, out: Path) -> None:
    before = psutil.Process().children(recursive=True)  # of pytest's own, or of another test's
    with killing(processes.workers, processes.graders, processes.zygotes, processes.hosts) as log:
        report = run(log)
    assert sorted(log.done) == NAMES
    assert report.faults
    assert_that_nobody_lost_anything(report, out, run)
    assert set(psutil.Process().children(recursive=True)) <= set(before)


@pytest.mark.slow
@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.__name__)
def test_what_is_killed_costs_only_what_it_was_at(role: Role, run: Run, out: Path) -> None:
    with killing(role) as log:
        report = run(log)
    assert sorted(log.done) == NAMES
    assert len(report.faults) <= 2, "two are graded at a time"
    assert_that_nobody_lost_anything(report, out, run)


@pytest.mark.slow
def test_the_run_itself_is_killed(handed_in: Path, out: Path, course_root: CourseRoot, grade: Grade) -> None:
    arguments = [handed_in, "--out", out, "--seed", SEED, "--jobs", 2, "--course-root", course_root.path]
    with subprocess.Popen([*COMMAND, *map(str, arguments)], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        assert any(line.startswith("[1/6]") for line in parent.stdout)
        family = psutil.Process(parent.pid).children(recursive=True)
        parent.kill()
    _, alive = psutil.wait_procs(family, timeout=processes.PATIENCE)
    assert alive == [], "what a run started must end with it"
    before = stored(out)
    assert before
    again = grade(handed_in, out=out)
    assert again.code == 0, again.complained
    assert f"{len(before)} graded before and kept" in again.said
    assert {student: file for student, file in stored(out).items() if student in before} == before
    assert {result.points for result in again.results.values()} == {POINTS}
    assert sorted(again.results) == NAMES


@pytest.mark.slow
def test_a_fault_names_who_was_not_graded(
    handed_in: Path, out: Path, course_root: CourseRoot, grade: Grade
) -> None:
    arguments = [handed_in, "--out", out, "--seed", SEED, "--jobs", 2, "--course-root", course_root.path]
    command = [*COMMAND, *map(str, arguments)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as parent:
        processes.send(signal.SIGKILL, busy_monitors, parent.pid)
        said, complained = parent.communicate()
    assert parent.returncode == 3
    (lost,) = set(NAMES) - stored(out).keys()
    assert f"not graded: {lost}, attention: a worker's monitor is gone" in complained
    assert (
        "1 submission(s) could not be graded, for no fault of the students; run the same command again"
        in complained
    )
    assert f"{lost}  attention  not graded" in said
    assert lost in (out / "report.html").read_text()
    assert lost not in (out / "grades.csv").read_text()


def busy_monitors(run: int) -> list[psutil.Process]:
    return [psutil.Process(worker.ppid()) for worker in processes.busy(run)]


def kill_at_work(role: Role, times: int) -> None:
    """Kills one process of this kind while a student's code runs, and again when another worker runs it."""
    seen: set[int] = set()

    def kill() -> bool | None:
        with suppress(psutil.NoSuchProcess):
            for worker in processes.busy(os.getpid()):
                if worker.pid not in seen:
                    seen.add(worker.pid)
                    role(os.getpid())[0].kill()
                    return True
        return None

    for _ in range(times):
        processes.wait_for(kill, "somebody's code at work")


@pytest.mark.slow
@pytest.mark.parametrize("role", [processes.workers, processes.graders], ids=["worker", "grader"])
def test_what_ends_once_is_graded_and_what_ends_twice_is_for_a_person(
    role: Role, course_root: CourseRoot, material: Material, tmp_path: Path
) -> None:
    write(tmp_path, "Eve", material, SLOWER_CELL)
    with Pool(Setup(course_root.path, ["attention"], SEED, "cpu", strongest("auto"), 1)) as pool:

        def grade(kills: int) -> Result:
            with ThreadPoolExecutor(1) as thread:
                killer = thread.submit(kill_at_work, role, kills)
                graded = Graders(pool).grade(tmp_path)
                killer.result()
            return graded["Eve"]

        once, twice = grade(kills=1), grade(kills=2)
    assert (once.status, once.points) == (Status.GRADED, POINTS)
    assert (twice.status, twice.key) == (Status.NOT_GRADED, "key"), "the next run keeps it"
    assert [flag.kind for flag in twice.flags] == ["not-graded"]
    assert "by hand" in twice.reason


def test_a_worker_that_is_killed_is_not_taken_for_one_that_ended_itself(course_root: CourseRoot) -> None:
    level, limits = strongest("auto"), Limits(call_cpu=60.0)
    zygote = zygotes.start(level, course_root.path)
    zygote.wait_until_ready()
    request = WorkerOrder(level, "cpu", limits.memory, limits.scratch, tuple(zygote.read), zygote.home)
    cells = [(1, "def forever():\n    while True:\n        pass\n")]
    with zygote.connect() as connection, ThreadPoolExecutor(1) as thread:
        for _ in range(8):  # whether its line or the process itself is gone first is a matter of chance
            line = WorkerLine(lambda: LockedWorker(connection, request, 60), Budget(limits), cells)
            line.load()
            killed = thread.submit(processes.send, signal.SIGKILL, processes.workers, os.getpid())
            with pytest.raises(Fault, match="a worker was killed from outside"):
                Student(line).forever()
            assert killed.result()
    zygote.close()


# --- between two submissions, and for ever


@pytest.mark.parametrize("role", ["zygote", pytest.param("host", marks=pytest.mark.slow)])
def test_what_dies_between_two_submissions_costs_nothing(
    role: str, impatient: Graders, material: Material, tmp_path: Path
) -> None:
    for name in NAMES[:3]:
        write(tmp_path, name, material)
    (pid,) = impatient.pool.pids[role]
    processes.kill_and_see_it_dead(pid)
    results = impatient.grade(tmp_path)
    assert {name: result.points for name, result in results.items()} == dict.fromkeys(NAMES[:3], POINTS)
    assert impatient.pool.pids[role] != [pid]


@pytest.mark.slow
def test_a_grader_that_hangs_is_ended_and_replaced(
    course_root: CourseRoot, material: Material, tmp_path: Path
) -> None:
    for name in NAMES[:2]:
        write(tmp_path, name, material, SLOW_CELL)
    limits = Limits(submission_cpu=5.0, wall_factor=1.0, startup=10.0)  # a grader may take 30 s in all
    setup = Setup(course_root.path, ["attention"], SEED, "cpu", strongest("auto"), 1, limits=limits)
    with Pool(setup) as pool:
        (hung,) = pool.pids["grader"]
        os.kill(hung, signal.SIGSTOP)
        graded = Graders(pool).grade(tmp_path)
        assert hung not in pool.pids["grader"]
    # Ann, at whom it hung, is graded anew.
    assert {name: result.points for name, result in graded.items()} == dict.fromkeys(NAMES[:2], POINTS)


# --- no room, or no right to write


@pytest.mark.parametrize("level", ["full", pytest.param("landlock", marks=pytest.mark.slow)])
def test_a_student_who_fills_the_disk_fills_only_their_own(
    level: str, course_root: CourseRoot, material: Material, tmp_path: Path
) -> None:
    if reason := probe()[Isolation(level)]:
        pytest.skip(reason)
    for name in NAMES[:3]:
        write(tmp_path, name, material, FILLS_THE_DISK)
    free = shutil.disk_usage(tempfile.gettempdir()).free
    setup = Setup(course_root.path, ["attention"], SEED, "cpu", strongest(level), 2)
    with Pool(setup) as pool:
        results = Graders(pool).grade(tmp_path)
    errors = {raised.error.message.partition("]")[0] for r in results.values() for raised in r.cell_errors}
    assert errors == {"[Errno 28" if level == "full" else "[Errno 13"}
    assert {result.points for result in results.values()} == {POINTS}
    assert len(results) == 3
    assert shutil.disk_usage(tempfile.gettempdir()).free > free - (1 << 30)


def test_an_output_folder_that_cannot_be_made(quick: Path, tmp_path: Path, grade: Grade) -> None:
    (tmp_path / "file").write_text("no folder")
    run = grade(quick, out=tmp_path / "file" / "graded")
    assert run.code == 3
    assert f"{tmp_path}/file/graded/run.json: cannot be written: Not a directory" in run.complained


def as_root(*command: object) -> None:
    """Runs a command that only root may run; skips the test otherwise."""
    if os.geteuid() != 0:
        pytest.skip("only root may mount")
    done = subprocess.run([*map(str, command)], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"this machine refuses to mount: {done.stderr.strip()}")


@pytest.fixture
def small_disk(class_run: Graded, tmp_path: Path) -> Iterator[Path]:
    """A file system with room for two results and a half."""
    one = max(path.stat().st_size for path in class_run.out.glob("results/*/*.json"))
    place = tmp_path / "disk"
    place.mkdir()
    as_root("mount", "-t", "tmpfs", "-o", f"size={5 * one // 2}", "tmpfs", place)
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)


@pytest.mark.slow
def test_a_full_disk_is_named_for_each_who_has_no_result(quick: Path, small_disk: Path, grade: Grade) -> None:
    out = small_disk / "graded"
    run = grade(quick, out=out)
    before = stored(out)
    lost = set(NAMES) - before.keys()
    assert run.code == 3
    assert lost
    assert before
    for student in lost:
        assert f"not graded: {student}, attention: {out}/results/" in run.complained
    assert run.complained.count("No space left on device") == len(lost) + 1, "a page cannot be written either"
    as_root("mount", "-o", "remount,size=50m", small_disk)
    again = grade(quick, out=out)
    assert again.code == 0, again.complained
    assert f"Grading {len(lost)} submission(s)" in again.said
    after = stored(out)
    assert {student: after[student] for student in before} == before
    assert {student: points for student, (points, _) in after.items()} == dict.fromkeys(NAMES, POINTS)


def test_a_read_only_output_folder_keeps_what_it_has(
    class_run: Graded, sample_class: Path, small_disk: Path, grade: Grade
) -> None:
    as_root("mount", "-o", "remount,size=50m", small_disk)
    out = shutil.copytree(class_run.out, small_disk / "graded", copy_function=shutil.copy2)
    before = stored(out)
    as_root("mount", "-o", "remount,ro", small_disk)
    refused = grade(sample_class, out=out, options=["--force"])
    assert refused.code == 3
    assert f"{out}/run.json: cannot be written: Read-only file system" in refused.complained
    assert stored(out) == before
