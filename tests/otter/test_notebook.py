"""Our own reader takes a notebook for Otter for what it is: the exercise notebook."""

from __future__ import annotations

import copy
from pathlib import Path

import nbformat
import pytest
from typer.testing import CliRunner

from autograder.adapters import FRONT_ENDS
from autograder.build import dump
from autograder.cli import app
from autograder.content.course_root import CourseRoot
from autograder.exports.otter_cells import OTTER
from autograder.otter.notebook import with_grader
from autograder.run.store import Store
from autograder.submission.extract import Extracted, extract
from autograder.submission.read import read
from course.cells.ipynb import parse
from tests.sample_class import Draft, Material


def extracted(notebook: nbformat.NotebookNode, material: Material, root: CourseRoot) -> Extracted:
    released = read(root.exercise_notebook(material.module.id))
    return extract(parse(dump(notebook)), released, material.module, front_ends=FRONT_ENDS)


@pytest.fixture
def solved(material: Material) -> Draft:
    draft = material.draft()
    draft.solve()
    return draft


def test_it_is_the_exercise_notebook_but_for_checks_and_three_cells(material: Material) -> None:
    before = copy.deepcopy(material.released)
    made = with_grader(material.released, material.module)

    nbformat.validate(made)
    assert material.released == before
    assert made.cells[0].source == "import otter\n\ngrader = otter.Notebook()"
    assert made.cells[-1].source == "grader.export(pdf=False)"
    kept = made.cells[1:-2]
    assert [cell.id for cell in kept] == [cell.id for cell in before.cells]
    changed = [
        (old.source, new.source)
        for old, new in zip(before.cells, kept, strict=True)
        if old.source != new.source
    ]
    assert ("check(stable_softmax)", 'grader.check("attention.stable_softmax")') in changed
    assert len(changed) == len(material.module.graded)
    assert [cell.metadata for cell in kept] == [cell.metadata for cell in before.cells]


def test_the_same_cells_are_run_and_nothing_is_flagged(
    solved: Draft, material: Material, course_root: CourseRoot
) -> None:
    plain = extracted(solved.notebook, material, course_root)
    otters = extracted(with_grader(solved.notebook, material.module), material, course_root)

    stand_in, *others = otters.cells
    assert [stand_in.source] == list(OTTER.stand_ins.values())
    assert [cell.source for cell in others] == [cell.source for cell in plain.cells]
    assert otters.states == plain.states
    assert otters.flags == []
    assert set(otters.states.values()) == {"answered"}


def test_what_a_student_wrote_into_otters_cells_is_run(
    solved: Draft, material: Material, course_root: CourseRoot
) -> None:
    notebook = with_grader(solved.notebook, material.module)
    notebook.cells[0].source += "\n\nmine = 1"
    (check,) = (
        cell for cell in notebook.cells if cell.source == OTTER.check_source("attention", "split_heads")
    )
    check.source += "\nhelper = 2"

    found = extracted(notebook, material, course_root)

    run = [cell.source for cell in found.cells]
    assert any("mine = 1" in source for source in run)
    assert any("helper = 2" in source for source in run)
    assert [(flag.kind, flag.exercise) for flag in found.flags] == [("edited-cell", "split_heads")]


def test_a_check_that_a_student_wrote_beside_does_nothing_when_graded(
    solved: Draft, material: Material, course_root: CourseRoot
) -> None:
    solved.check_cell("split_heads").source += "\nhelper = 2"
    notebook = with_grader(solved.notebook, material.module)
    notebook.cells[-1].source = "grader.check_all()\ngrader.export(run_tests=True)"
    namespace: dict[str, object] = {}

    run = [
        cell.source
        for cell in extracted(notebook, material, course_root).cells
        if "grader" in cell.source or "helper" in cell.source
    ]
    for source in run:
        exec(source, namespace)

    assert len(run) == 3
    assert namespace["helper"] == 2


def test_a_check_in_the_place_of_another_is_the_check_that_it_is(
    solved: Draft, material: Material, course_root: CourseRoot
) -> None:
    notebook = with_grader(solved.notebook, material.module)
    (check,) = (
        cell for cell in notebook.cells if cell.source == OTTER.check_source("attention", "split_heads")
    )
    check.source = OTTER.check_source("attention", "stable_softmax")

    found = extracted(notebook, material, course_root)

    assert found.flags == []
    assert not any("grader.check" in cell.source for cell in found.cells)


def test_it_names_no_place_of_this_machine(exported: Path, course_root: CourseRoot) -> None:
    notebook = exported / "students" / "attention" / "attention.ipynb"

    assert str(course_root.path).encode() not in notebook.read_bytes()


@pytest.mark.parametrize("sandbox", ["auto", "none"])
def test_autograder_grade_knows_it_too(
    sandbox: str, solved: Draft, material: Material, course_root: CourseRoot, tmp_path: Path
) -> None:
    notebook, out = tmp_path / "ada.ipynb", tmp_path / "graded"
    notebook.write_bytes(dump(with_grader(solved.notebook, material.module)))
    command = ["grade", str(notebook), "--module", "attention", "--out", str(out), "--sandbox", sandbox]

    done = CliRunner().invoke(app, [*command, "--course-root", str(course_root.path)])

    assert done.exit_code == 0, done.output
    result = Store(out).read("ada", "attention")
    assert result is not None
    assert (result.flags, result.cell_errors) == ([], [])
    assert result.points == result.max_points
