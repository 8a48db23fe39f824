"""The reference's own answers are under no suspicion: what they use is not what an exercise forbids."""

from __future__ import annotations

from pathlib import Path

import pytest

from autograder import build
from autograder.content.course_root import CourseRoot
from autograder.submission.extract import extract
from autograder.submission.lint import forbidden, suspicious
from autograder.submission.read import read

ROOT = CourseRoot.find(Path(__file__).parent)


@pytest.mark.parametrize("module", [module.id for module in ROOT.syllabus.modules])
def test_a_notebook_with_the_references_answers_has_no_flag(module: str, tmp_path: Path) -> None:
    released, solved = tmp_path / "released.ipynb", tmp_path / "solved.ipynb"
    released.write_bytes(build.dump(build.compose(ROOT, module, {})))
    solved.write_bytes(build.dump(build.compose(ROOT, module, build.answers(ROOT, module, "solved"))))
    it = ROOT.module(module)
    extracted = extract(read(solved), read(released), it, ROOT.syllabus.modules)
    flags = [*extracted.flags, *suspicious(extracted.cells)]
    for exercise in it.exercises:
        flags += forbidden(extracted.cells, it, exercise).flags
    assert [flag.message for flag in flags] == []
