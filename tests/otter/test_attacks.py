"""Every attack on Otter at once, through `otter run` as it is installed: none changes a point.

The same submission does get its code run by stock Otter, so the attacks are real.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from otter.generate import main as otter_generate

from autograder.content.course_root import CourseRoot
from autograder.run.run import Options, Progress, grade
from tests.otter import hostile
from tests.otter.conftest import SEED, named
from tests.sample_class import Material, Student

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def otter_run(submission: Path, archive: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    (folder / "out").mkdir()
    command = [str(Path(sys.executable).with_name("otter")), "run", str(submission)]
    return subprocess.run(
        [*command, "-a", str(archive), "-o", "out", "--no-logo"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def scores(folder: Path) -> dict[str, float]:
    written = json.loads((folder / "out" / "results.json").read_text())
    return {test["name"]: test["score"] for test in written["tests"]}


@pytest.fixture
def mark(tmp_path: Path) -> Path:
    folder = tmp_path / "mark"
    folder.mkdir()
    return folder


@pytest.fixture
def handed_in(material: Material, mark: Path, tmp_path: Path) -> Path:
    path = tmp_path / "attention_2026_01_01.zip"
    path.write_bytes(hostile.submission(material, mark))
    return path


def test_they_change_nothing(
    handed_in: Path, mark: Path, archive: Path, tmp_path: Path, material: Material, course_root: CourseRoot
) -> None:
    done = otter_run(handed_in, archive, tmp_path)
    assert done.returncode == 0, done.stderr
    notebook = tmp_path / "attention.ipynb"
    notebook.write_bytes(hostile.notebook(material, mark))
    report = grade(course_root, [notebook], Options(tmp_path / "graded", seed=SEED), Progress())

    (ours,) = report.results
    assert list(mark.iterdir()) == []
    assert scores(tmp_path) == {f"attention.{one.id}": one.points for one in ours.exercises}
    assert sum(scores(tmp_path).values()) < ours.max_points


def test_stock_otter_runs_their_code(handed_in: Path, mark: Path, exported: Path, tmp_path: Path) -> None:
    stock = tmp_path / "stock.zip"
    tests = exported / "students" / "attention" / "tests"
    otter_generate(tests_dir=str(tests), output_path=str(stock), no_config=True, no_requirements=True)

    otter_run(handed_in, stock, tmp_path)

    assert {item.name for item in mark.iterdir()} & {"log", "otter", "ipykernel_launcher", "cell"}


@pytest.mark.parametrize("name", ["Dalia", "Mallory"])
def test_a_mistake_and_a_cheater_of_the_sample_class(
    name: str,
    for_otter: Callable[[Student], bytes],
    material: Material,
    archive: Path,
    tmp_path: Path,
    course_root: CourseRoot,
) -> None:
    submission, plain = tmp_path / "attention.ipynb", tmp_path / "plain" / "attention.ipynb"
    plain.parent.mkdir()
    submission.write_bytes(for_otter(named(name)))
    plain.write_bytes(named(name).write(material))

    done = otter_run(submission, archive, tmp_path)
    report = grade(course_root, [plain], Options(tmp_path / "graded", seed=SEED), Progress())

    assert done.returncode == 0, done.stderr
    (ours,) = report.results
    assert scores(tmp_path) == {f"attention.{one.id}": one.points for one in ours.exercises}
    for flag in ours.flags:
        assert flag.message[:40] in done.stdout


def test_otter_itself_stops_at_a_broken_file_and_gives_no_points(
    for_otter: Callable[[Student], bytes], archive: Path, tmp_path: Path
) -> None:
    """As docs/otter.md says: it is read before any plugin is asked."""
    submission = tmp_path / "attention.ipynb"
    submission.write_bytes(for_otter(named("Ulrike")))

    done = otter_run(submission, archive, tmp_path)

    assert done.returncode != 0
    assert not (tmp_path / "out" / "results.json").exists()


def test_a_fault_of_ours_gives_no_points(
    for_otter: Callable[[Student], bytes], course_root: CourseRoot, archive: Path, tmp_path: Path
) -> None:
    import zipfile

    broken = tmp_path / "broken.zip"
    with zipfile.ZipFile(archive) as whole, zipfile.ZipFile(broken, "w") as without:
        for name in whole.namelist():
            if not name.endswith("hidden/attention/keys.yaml"):
                without.writestr(name, whole.read(name))
        assert len(without.namelist()) == len(whole.namelist()) - 1
    submission = tmp_path / "attention.ipynb"
    submission.write_bytes(for_otter(named("Ada")))

    done = otter_run(submission, broken, tmp_path)

    assert done.returncode != 0
    assert "keys" in done.stderr
    assert not (tmp_path / "out" / "results.json").exists()
