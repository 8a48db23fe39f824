"""`autograder grade` over an export: a group is graded once and has a result each, bad files are reported."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest
from typer.testing import CliRunner

from autograder.cli import app
from autograder.content.course_root import CourseRoot
from autograder.results import Result
from autograder.run.store import Store
from autograder.sandbox.levels import Isolation, probe
from tests.sample_class import Material

METADATA = """\
submission_1:
  :submitters:
  - {':name': Ada Lindqvist, ':sid': '1', ':email': a@example.edu}
  - {':name': Ben Okafor, ':sid': '2', ':email': b@example.edu}
submission_2:
  :submitters:
  - {':name': Chloé Martin, ':sid': '3', ':email': c@example.edu}
"""


@pytest.mark.slow
@pytest.mark.skipif(bool(probe()[Isolation.LANDLOCK]), reason="needs Landlock")
def test_gradescopes_export(course_root: CourseRoot, material: Material, tmp_path: Path) -> None:
    draft = material.draft()
    draft.solve("stable_softmax")
    with zipfile.ZipFile(tmp_path / "export.zip", "w") as archive:
        archive.writestr("assignment_7_export/submission_metadata.yml", METADATA)
        archive.writestr("assignment_7_export/submission_1/attention.ipynb", draft.bytes())
        archive.writestr("assignment_7_export/submission_2/attention.ipynb", "no notebook")
    command = [
        "grade",
        str(tmp_path / "export.zip"),
        "--out",
        str(tmp_path / "graded"),
        "--sandbox",
        "landlock",
    ]
    command += ["--course-root", str(course_root.path), "--seed", "1"]
    first = CliRunner().invoke(app, command)
    assert first.exit_code == 0, first.output
    assert "Grading 3 submission(s)" in first.output
    ada, ben, chloe = Store(tmp_path / "graded").results()
    assert (ada.student, ada.points, ada.status) == ("Ada Lindqvist", 10, "graded")
    assert (ben.student, chloe.student, chloe.status) == ("Ben Okafor", "Chloé Martin", "unreadable")
    assert told(ben) == told(ada)
    assert ben.started == ada.started  # graded once
    assert "3 graded before and kept" in CliRunner().invoke(app, command).output


def told(result: Result) -> dict[str, object]:
    return result.model_dump(exclude={"student"})
