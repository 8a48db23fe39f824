"""How fast grading is, against fresh Jupyter kernels that run the same notebooks with the same tests.

Prints its figures and asserts nothing about time: `make benchmarks`.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median

import nbformat
import psutil
import pytest
from nbclient import NotebookClient

from autograder import build
from autograder.content.course_root import CourseRoot
from autograder.contract.jobs import Finished, Job
from autograder.processes.pool import Pool, Setup
from autograder.results import Result
from autograder.sandbox.levels import strongest

pytestmark = pytest.mark.benchmark

ROOT = CourseRoot.find(Path(__file__).parent)
MODULE = "attention"
SUBMISSIONS = 40
WHOLE, IN_KERNELS = 3, 4  # with and without demos; enough for a rate: each costs seconds
CORES = 2

# What a grader that shares the student's kernel would do: the same suite, in the same process.
TESTS_IN_KERNEL = f"""
import torch
from autograder.content.course_root import CourseRoot
from autograder.grading.exercise import grade_exercise
from autograder.grading.setting import Setting
from autograder.content.reference import load_reference
from autograder.contract.line import InProcess
from autograder.grading.suite import with_suites
from pathlib import Path

torch.set_num_threads(1)
_root = CourseRoot(Path({str(ROOT.path)!r}))
_points = []

def _grade(suites):
    setting = Setting(suites[{MODULE!r}], load_reference(_root, {MODULE!r}), 1, torch.device("cpu"))
    for exercise in _root.module({MODULE!r}).exercises:
        _points.append(grade_exercise(setting, InProcess(globals()), exercise, []).result.points)

with_suites({{{MODULE!r}: _root.suite({MODULE!r})}}, _grade)
print("points", sum(_points))
"""


@pytest.fixture(scope="module")
def solved() -> nbformat.NotebookNode:
    return build.compose(ROOT, MODULE, build.answers(ROOT, MODULE, "solved"))


def write_class(folder: Path, notebook: nbformat.NotebookNode, count: int, module: str = MODULE) -> None:
    """`count` students with the same answers and different bytes."""
    for number in range(count):
        notebook.metadata["copy"] = number
        path = folder / f"student{number:03}" / f"{module}.ipynb"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(build.dump(notebook))


def autograde(*arguments: object) -> float:
    """Seconds that the command took, from the shell's point of view."""
    began = time.perf_counter()
    command = [sys.executable, "-m", "autograder.cli", "grade", *map(str, arguments), "--seed", "1"]
    done = subprocess.run(command, cwd=ROOT.path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return time.perf_counter() - began


def results(folder: Path) -> Iterator[Result]:
    for line in (folder / "results.jsonl").read_text().splitlines():
        yield Result.model_validate(json.loads(line))


def run_in_kernel(notebook: nbformat.NotebookNode, demos: bool = False) -> float:
    """Points, by a fresh kernel that runs the notebook, with or without its demos, then the tests."""
    cells = [
        cell
        for cell in notebook.cells
        if cell.cell_type == "code" and (demos or "demo" not in cell.metadata.get("tags", []))
    ]
    tests = nbformat.v4.new_code_cell(TESTS_IN_KERNEL)
    whole = nbformat.v4.new_notebook(cells=[*cells, tests], metadata=notebook.metadata)
    client = NotebookClient(whole, timeout=300, kernel_name="python3")
    client.execute(cwd=str(ROOT.path))
    said = "".join(output.get("text", "") for output in whole.cells[-1].outputs)
    return float(re.search(r"points ([\d.]+)", said)[1])  # type: ignore[index]


@pytest.mark.stock
def test_submissions_a_minute_against_fresh_kernels(
    tmp_path: Path, solved: nbformat.NotebookNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_class(tmp_path / "class", solved, SUBMISSIONS)
    seconds = autograde(tmp_path / "class", "--out", tmp_path / "out", "--jobs", CORES)
    graded = list(results(tmp_path / "out"))
    assert [result.points for result in graded] == [graded[0].max_points] * SUBMISSIONS
    ours = 60 * SUBMISSIONS / seconds

    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("PYTHONPATH", str(ROOT.path))
    full = sum(exercise.points for exercise in ROOT.module(MODULE).exercises)

    def in_kernels(at_once: int, count: int, *, demos: bool) -> float:
        copies = [nbformat.from_dict(solved) for _ in range(count)]
        began = time.perf_counter()
        with ThreadPoolExecutor(at_once) as threads:
            assert set(threads.map(lambda copy: run_in_kernel(copy, demos), copies)) == {full}
        return 60 * count / (time.perf_counter() - began)

    kernels = {
        "whole notebooks, one by one as nbgrader does": in_kernels(1, WHOLE, demos=True),
        "demo cells left out, one by one": in_kernels(1, IN_KERNELS, demos=False),
        f"demo cells left out, {CORES} at a time": in_kernels(CORES, IN_KERNELS, demos=False),
    }

    print(
        f"\n{SUBMISSIONS} submissions, {CORES} at a time, start included: {seconds:.1f} s, "
        f"{ours:.0f} a minute ({graded[0].isolation})"
        f"\nmedian of one submission, once started: {median(r.seconds for r in graded):.3f} s"
    )
    for how, rate in kernels.items():
        print(f"fresh Jupyter kernels, {how}: {rate:.1f} a minute; ratio {ours / rate:.1f}")


def test_seconds_for_a_submission_of_each_module(tmp_path: Path) -> None:
    modules = [module.id for module in ROOT.syllabus.modules]
    for module in modules:
        notebook = build.compose(ROOT, module, build.answers(ROOT, module, "solved"))
        write_class(tmp_path / "class", notebook, 9, module)
    autograde(tmp_path / "class", "--out", tmp_path / "out", "--jobs", CORES)
    graded = list(results(tmp_path / "out"))
    assert all(result.points == result.max_points for result in graded)
    print()
    for module in modules:
        seconds = median(result.seconds for result in graded if result.module == module)
        print(f"median of one submission of {module}, once started: {seconds:.3f} s")


def test_one_notebook_from_the_shell(tmp_path: Path, solved: nbformat.NotebookNode) -> None:
    write_class(tmp_path / "class", solved, 1)
    times = [autograde(tmp_path / "class", "--out", tmp_path / f"out{n}") for n in range(3)]
    print(f"\nautograder grade of a single notebook: {median(times):.2f} s (median of 3)")


def workers_of(launcher: psutil.Process) -> list[psutil.Process]:
    """The children's children of the zygote, which is the first Python below the launcher, or it itself."""
    try:
        pythons = [p for p in [launcher, *launcher.children(recursive=True)] if "python" in p.name()]
        ids = {process.pid for process in pythons}
        zygotes = [process.pid for process in pythons if process.ppid() not in ids]
        monitors = [process.pid for process in pythons if process.ppid() in zygotes]
        return [process for process in pythons if process.ppid() in monitors]
    except psutil.Error:
        return []


def unique_memory(process: psutil.Process) -> int:
    try:
        return int(process.memory_full_info().uss)
    except psutil.Error:
        return 0


def test_memory_of_one_more_worker(tmp_path: Path, solved: nbformat.NotebookNode) -> None:
    """Unique memory of a worker in the middle of its work: what it does not share with the zygote."""
    sleeper = build.answers(ROOT, MODULE, "solved")
    sleeper["stable_softmax"] += (
        "\nimport time\nwork = [stable_softmax(torch.randn(64, 64), -1)]\ntime.sleep(2)\n"
    )
    write_class(tmp_path / "class", build.compose(ROOT, MODULE, sleeper), 1)
    path = next((tmp_path / "class").glob("*/*.ipynb"))
    unique = 0
    level = strongest("auto")
    with Pool(Setup(ROOT.path, [MODULE], 1, "cpu", level, jobs=1)) as pool:
        zygote = psutil.Process(pool.pids["zygote"][0])
        job = Job("one", MODULE, str(path), path.name, "", level.value)
        with ThreadPoolExecutor(1) as threads:
            finished: list[Finished] = []
            running = threads.submit(pool.run, [job], lambda job, answer: finished.append(answer))
            while not running.done():
                unique = max([unique, *map(unique_memory, workers_of(zygote))])
                time.sleep(0.05)
        assert not finished[0].fault
    print(f"\nunique memory of one more worker: {unique / 2**20:.0f} MiB")
