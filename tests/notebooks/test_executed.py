"""Every notebook, solved, runs from top to bottom in a real kernel: no error, nothing on stderr.

With `mine/` from the notebooks before it, as who takes the course in its order has it.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbformat.v4 import new_code_cell

from autograder import build
from autograder.content.course_root import CourseRoot
from autograder.site import recording
from autograder.site.record import BOTH
from tests.desk.answers import keep_all
from tests.kernels import execute

ROOT = CourseRoot.find(Path(__file__).parent)
MODULES = [module.id for module in ROOT.syllabus.modules]
# NOTEBOOKS=2/3: of the solved notebooks every third one, from the second on. Without it, all of them.
TURN, TURNS = (int(number) for number in os.environ.get("NOTEBOOKS", "1/1").split("/"))
ARTEFACTS = ROOT.path / "artefacts"

# Networks are trained in them, which takes minutes where the cores are few and shared.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
SECONDS = 800  # for one cell


def outputs(notebook: nbformat.NotebookNode) -> list[Any]:
    return [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]


def skeleton(page: str) -> str:
    """An interactive output without its data: what `course.pictures` makes of any slider."""
    return re.sub(r"[A-Za-z0-9+/=]{48,}|\d[\d.e-]*|-[0-9a-f]{12}", "", page)


@pytest.mark.parametrize("module", MODULES[TURN - 1 :: TURNS])
def test_a_solved_notebook_runs_to_its_end_and_shows_pictures(module: str, tmp_path: Path) -> None:
    notebook = build.compose(ROOT, module, build.answers(ROOT, module, "solved"))
    before = MODULES[: MODULES.index(module)]
    keep_all(tmp_path, *before)
    notebook.cells.insert(0, new_code_cell(BOTH))
    execute(notebook, tmp_path, seconds=SECONDS)
    del notebook.cells[0]
    assert {path.name for path in (tmp_path / "mine").glob("[a-z]*.py")} == {
        f"{id}.py" for id in (*before, module)
    }
    if takes := ROOT.module(module).takes:
        said = "".join(output.get("text", "") for output in outputs(notebook))
        assert said.count("  yours, checked on ") == sum(map(len, takes.values()))
    found = outputs(notebook)
    # Kept, so that a person can look at the pictures: make test-all, then open artefacts/.
    ARTEFACTS.mkdir(exist_ok=True)
    nbformat.write(notebook, ARTEFACTS / f"{module}-solved.ipynb")
    assert [output.text for output in found if output.get("name") == "stderr"] == []
    recorded = recording.load(ROOT, module).cells
    assert recording.kinds(notebook) == {
        id: [output.kind for output in cell.outputs] for id, cell in recorded.items()
    }, f"the site shows other outputs: python -m autograder.site.record {module}"
    for cell in notebook.cells:
        for output in recorded[cell.id].outputs if cell.id in recorded else ():
            if output.kind == "page":
                shown = [
                    each.data["text/html"] for each in cell.outputs if "text/html" in each.get("data", {})
                ]
                kept = (recording.folder(ROOT, module) / output.file).read_text(encoding="utf-8")
                assert skeleton(kept) in map(skeleton, shown), f"{cell.id}: its page is made otherwise now"
    demos = [cell for cell in notebook.cells if "demo" in cell.metadata.get("tags", [])]
    pictures = [cell for cell in demos if any("image/png" in o.get("data", {}) for o in cell.outputs)]
    assert len(pictures) >= len(ROOT.module(module).exercises)


@pytest.mark.parametrize("module", MODULES)
def test_an_untouched_notebook_fails_only_in_its_checks(module: str, tmp_path: Path) -> None:
    """A student who runs all cells on the first day sees what is to be written, and no other error."""
    notebook = build.compose(ROOT, module)
    execute(notebook, tmp_path, seconds=SECONDS, allow_errors=True)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            errors = [output.ename for output in cell.outputs if output.output_type == "error"]
            assert set(errors) <= ({"CheckFailed"} if cell.source.startswith("check(") else set()), (
                cell.source
            )
