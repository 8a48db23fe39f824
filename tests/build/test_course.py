"""The course's own notebooks: up to date, valid, and without a line of what is to be written."""

from pathlib import Path
from typing import Any

import nbformat
import pytest

from autograder.build import answers, build, compose
from autograder.build.notebook import read_module_solution
from autograder.content.course_root import CourseRoot

ROOT = CourseRoot.find(Path(__file__))
MODULES = [module.id for module in ROOT.syllabus.modules]


def read(module: str) -> Any:
    return nbformat.read(ROOT.exercise_notebook(module), as_version=4)  # type: ignore[no-untyped-call]


def test_the_notebooks_are_what_their_lessons_and_solutions_make() -> None:
    assert [str(stale) for stale in build(ROOT, check=True)] == []


@pytest.mark.parametrize("module", MODULES)
def test_a_notebook_is_valid_and_untouched(module: str) -> None:
    notebook = read(module)

    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert all(cell.outputs == [] and cell.execution_count is None for cell in code)
    assert notebook.metadata["course"]["module"] == module


@pytest.mark.parametrize("module", MODULES)
def test_grade_ids_are_unique_and_points_are_the_syllabuss(module: str) -> None:
    about = [cell.metadata["nbgrader"] for cell in read(module).cells if "nbgrader" in cell.metadata]
    ids = [each["grade_id"] for each in about]

    assert len(set(ids)) == len(ids)
    assert sum(each["points"] for each in about if each["grade"]) == ROOT.module(module).points


@pytest.mark.parametrize("module", MODULES)
def test_no_line_of_a_solution_is_in_a_stub(module: str) -> None:
    solution = read_module_solution(ROOT, ROOT.module(module))
    stubs = answers(ROOT, module, "stub")

    for exercise in ROOT.module(module).exercises:
        shown = {line.strip() for line in stubs[exercise.id].splitlines()}
        hidden = {
            line.strip()
            for region in solution.regions
            if region.name in exercise.defines
            for line in solution.lines[region.begin : region.end - 1]
        }
        assert shown & hidden - {""} == set()


@pytest.mark.parametrize("module", MODULES)
def test_each_exercise_is_followed_by_a_demo(module: str) -> None:
    """Design: see it work, with a picture."""
    notebook = read(module)
    checks = {f"{module}-{exercise.id}-check" for exercise in ROOT.module(module).exercises}
    demos = {cell.id.rpartition("-demo-")[0] + "-check" for cell in notebook.cells if "-demo-" in cell.id}

    assert checks - demos == set()


@pytest.mark.parametrize("module", MODULES)
def test_solved_and_untouched_notebooks_differ_in_their_solution_cells_only(module: str) -> None:
    untouched = {cell.id: cell.source for cell in compose(ROOT, module).cells}
    solved = {cell.id: cell.source for cell in compose(ROOT, module, answers(ROOT, module, "solved")).cells}

    different = {id for id in untouched if untouched[id] != solved[id]}
    entry = ROOT.module(module)
    graded = {f"{module}-{exercise.id}-solution" for exercise in entry.graded}
    assert different == graded | {f"{module}-{bonus.id}-bonus" for bonus in entry.bonus}
