"""How long Gradescope's container takes for one submission, with our zip and with stock Otter's.

Both get the same notebook. Stock Otter executes it in a kernel, demo cells included, with the public checks
for tests; ours runs the hidden suite and the public checks. Prints figures and asserts nothing about time:
`make benchmarks`. GRADESCOPE_TIMES sets how often; once is enough for CI.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import nbformat
import pytest
from otter.generate import main as otter_generate

from autograder.build import dump
from autograder.content.course_root import CourseRoot
from autograder.gradescope import export as ours
from autograder.otter import export as otters
from autograder.otter.notebook import with_grader
from tests.gradescope.container import Container
from tests.sample_class import load_material

pytestmark = [pytest.mark.benchmark, pytest.mark.stock]

ROOT = CourseRoot.find(Path(__file__).parent)
TIMES = int(os.environ.get("GRADESCOPE_TIMES", "1"))


@pytest.mark.timeout(1200)
def test_one_submission(tmp_path: Path) -> None:
    material = load_material(ROOT)
    draft = material.draft()
    draft.solve()
    (archive,) = ours.export(ROOT, tmp_path, ["attention"], sandbox="landlock", seed=1)
    container = Container.of(archive, tmp_path / "autograder")
    container.hand_in({"attention.ipynb": draft.bytes()})

    otters.export(ROOT, tmp_path / "otter", ["attention"], seed=1)
    tests, stock = tmp_path / "otter/students/attention/tests", tmp_path / "stock.zip"
    otter_generate(tests_dir=str(tests), output_path=str(stock), no_config=True, no_requirements=True)
    notebook = with_grader(nbformat.from_dict(draft.notebook), material.module)  # type: ignore[no-untyped-call]
    (tmp_path / "attention.ipynb").write_bytes(dump(notebook))
    notebook.cells = [cell for cell in notebook.cells if "demo" not in cell.metadata.get("tags", [])]
    (tmp_path / "without_demos.ipynb").write_bytes(dump(notebook))

    def otter(submission: str) -> None:
        # What Otter's own `run_autograder` calls, too.
        command = [
            str(Path(sys.executable).parent / "otter"),
            "run",
            submission,
            "--no-logo",
            "-a",
            str(stock),
        ]
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        subprocess.run(command, cwd=tmp_path, env=environment, check=True, capture_output=True)

    ways: dict[str, Callable[[], object]] = {
        "our zip, hidden suite and public checks, isolation landlock": container.run,
        "stock Otter, public checks in a kernel": lambda: otter("attention.ipynb"),
        "stock Otter, the demo cells taken out": lambda: otter("without_demos.ipynb"),
    }
    took: dict[str, list[float]] = {way: [] for way in ways}
    for _ in range(TIMES):  # in turns, so that whatever else the machine does weighs on both alike
        for way, run in ways.items():
            began = time.perf_counter()
            run()
            took[way].append(time.perf_counter() - began)

    assert container.results()["score"] == 110
    print(f"\none submission of attention in Gradescope, median of {TIMES}:")
    for way, times in took.items():
        print(f"  {way}: {median(times):.1f} s")
    ours_took, *others = (median(times) for times in took.values())
    print(
        f"  ours takes {' and '.join(f'{ours_took / other:.2f}' for other in others)} of stock Otter's time"
    )
