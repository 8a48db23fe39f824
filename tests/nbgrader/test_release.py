"""What nbgrader releases is what students know from exercises/, and its source is sound."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbgrader.converters import GenerateAssignment
from nbgrader.validator import Validator

from autograder.build import render
from autograder.content.course_root import CourseRoot
from autograder.errors import UsageError
from autograder.handout.leaks import files_below, find_leaks
from autograder.nbgrader.apps import nbgrader_in
from autograder.nbgrader.course import init
from tests.kernels import PATIENCE, without_ports
from tests.nbgrader.directory import ASSIGNMENT, COURSE_ID, Directory, secrets_of


def as_it_matters(notebook: dict[str, Any]) -> list[Any]:
    """Ids, kinds, sources and metadata of all cells, without what nbgrader adds."""
    cells = []
    for cell in notebook["cells"]:
        metadata = json.loads(json.dumps(cell["metadata"]))
        for added in ("checksum", "cell_type"):
            metadata.get("nbgrader", {}).pop(added, None)
        cells.append((cell["id"], cell["cell_type"], "".join(cell["source"]), metadata))
    return cells


def test_the_release_equals_the_exercises_cell_for_cell(fresh: Path, course_root: CourseRoot) -> None:
    released = json.loads((fresh / "release" / ASSIGNMENT / f"{ASSIGNMENT}.ipynb").read_bytes())
    exercises = json.loads(render(course_root, ASSIGNMENT))

    assert as_it_matters(released) == as_it_matters(exercises)
    assert released["metadata"] == exercises["metadata"]
    assert all(not cell.get("outputs") for cell in released["cells"])


def test_the_release_gives_nothing_away(fresh: Path, course_root: CourseRoot) -> None:
    hidden = secrets_of(course_root)

    assert {secret.kind for secret in hidden} >= {"solution", "hidden suite", "known mistake", "quiz key"}
    assert find_leaks(files_below(fresh / "release"), hidden) == []


def test_the_gradebook_has_the_points_of_the_syllabus(fresh: Path, course_root: CourseRoot) -> None:
    with Directory(fresh).gradebook() as gradebook:
        (notebook,) = gradebook.find_assignment(ASSIGNMENT).notebooks
        points = {cell.name: cell.max_score for cell in notebook.grade_cells}

    assert points == {f"check_{one.id}": one.points for one in course_root.module(ASSIGNMENT).graded}


def test_a_cell_that_an_instructor_wrote_is_cleared_as_nbgrader_does(directory: Directory) -> None:
    source = directory.path / "source" / ASSIGNMENT / f"{ASSIGNMENT}.ipynb"
    notebook = nbformat.read(source, as_version=4)
    marks = {"schema_version": 3, "grade_id": "own", "solution": True, "grade": False, "locked": False}
    mine = "def twice(x):\n    ### BEGIN SOLUTION\n    return 2 * x\n    ### END SOLUTION"
    metadata = {"nbgrader": {**marks, "task": False}}
    notebook.cells.append(nbformat.v4.new_code_cell(mine, id="own", metadata=metadata))
    nbformat.write(notebook, source)

    with nbgrader_in(directory.path, logging.CRITICAL) as app:
        app.coursedir.assignment_id = ASSIGNMENT
        converter = GenerateAssignment(coursedir=app.coursedir, parent=app)
        converter.force = True
        converter.start()

    released = nbformat.read(directory.path / "release" / ASSIGNMENT / f"{ASSIGNMENT}.ipynb", as_version=4)
    assert released.cells[-1].source == "def twice(x):\n    # YOUR CODE HERE\n    raise NotImplementedError()"
    assert "write stable_softmax" in "".join(cell.source for cell in released.cells)


def test_init_refuses_a_folder_that_is_in_use(course_root: CourseRoot, directory: Directory) -> None:
    with pytest.raises(UsageError, match="not empty"):
        init(course_root, directory.path, [ASSIGNMENT], COURSE_ID)


@pytest.mark.slow
def test_the_source_is_clean_to_nbgrader_validate(fresh: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    with nbgrader_in(fresh, logging.CRITICAL) as app, without_ports() as config:
        app.config.merge(config)
        app.config.Execute.iopub_timeout = PATIENCE  # else what comes later is an error
        found = Validator(parent=app).validate(str(fresh / "source" / ASSIGNMENT / f"{ASSIGNMENT}.ipynb"))

    assert found == {}, found
