"""A notebook done with `grader.check`, from the exported folder, in a real kernel."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import nbformat
import pytest

from autograder.otter.notebook import with_grader
from tests.kernels import execute
from tests.sample_class import Material
from tests.sample_class.sources import THREE_ANSWERS
from tests.sample_class.students import ATTENTION, CROSS, QUIZ, SELF, SOFTMAX, SPATIAL, SPLIT

pytestmark = pytest.mark.slow

# The TestFiles that the student's own cells gave, as IPython keeps them.
COLLECT = """
import json
from otter.test_files import TestFile
files = [value for value in Out.values() if isinstance(value, TestFile)]
said = {f.name: [f.score, f.possible, f.passed_all, f.test_case_results[0].message] for f in files}
print(json.dumps(said))
"""


@pytest.fixture(scope="module")
def checked(material: Material, exported: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """By exercise: score, points, whether all passed, and what the student reads."""
    folder = tmp_path_factory.mktemp("kernel") / "attention"
    shutil.copytree(exported / "students" / "attention", folder)
    draft = material.draft()
    draft.solve(SOFTMAX, ATTENTION, SELF)
    draft.mistake("KeysFromX")
    draft.answer(QUIZ, THREE_ANSWERS)
    draft.delete(SPATIAL)
    notebook = with_grader(draft.notebook, material.module)
    notebook.cells = [cell for cell in notebook.cells if "demo" not in cell.metadata.get("tags", [])]
    notebook.cells.append(nbformat.v4.new_code_cell(COLLECT))
    nbformat.write(notebook, folder / "attention.ipynb")

    execute(notebook, folder)

    assert list(folder.glob("attention_*.zip")), "the last cell makes what is handed in"
    # A busy machine sends what was printed in several pieces.
    printed = (output["text"] for output in notebook.cells[-1].outputs if output.get("name") == "stdout")
    found: dict[str, Any] = json.loads("".join(printed))
    return found


@pytest.mark.parametrize(("exercise", "points"), [(SOFTMAX, 10), (ATTENTION, 20), (SELF, 20)])
def test_a_right_answer_has_all_points_and_passes(
    checked: dict[str, Any], exercise: str, points: float
) -> None:
    score, possible, passed, message = checked[f"attention.{exercise}"]
    assert (score, possible, passed) == (points, points, True), message


@pytest.mark.parametrize(
    ("exercise", "points", "said"),
    [
        (CROSS, 20, "CrossAttention: "),
        (SPLIT, 10, "split_heads: not written yet"),
        (SPATIAL, 15, "`SpatialSelfAttention` is not defined"),
        (QUIZ, 15, "attention_quiz: q4: not answered yet"),
    ],
)
def test_any_other_has_none_and_says_why(
    checked: dict[str, Any], exercise: str, points: float, said: str
) -> None:
    score, possible, passed, message = checked[f"attention.{exercise}"]
    assert (score, possible, passed) == (0, points, False)
    assert said in message


def test_each_exercise_was_checked(checked: dict[str, Any], material: Material) -> None:
    assert list(checked) == [f"attention.{exercise.id}" for exercise in material.module.graded]
