"""What an editor or a slip does to an answer costs what it costs, and the student's page says what it was."""

from __future__ import annotations

from collections.abc import Callable

import nbformat
import pytest

from autograder.content.course_root import CourseRoot
from autograder.contract.budget import Limits
from autograder.reports.feedback import feedback_html
from autograder.results import ExerciseResult, Result
from autograder.run.run import Options, Progress, grade
from autograder.run.store import Store
from tests.sample_class import Material
from tests.sample_class.material import Draft

SOFTMAX = "stable_softmax"
RIGHT = (
    "def stable_softmax(x, dim):\n    e = (x - x.amax(dim, keepdim=True)).exp()\n"
    "    return e / e.sum(dim, keepdim=True)\n"
)
LEFT = '    raise NotImplementedError("write stable_softmax")\n'

pytestmark = pytest.mark.slow


def left_above(draft: Draft) -> None:
    draft.answer(SOFTMAX, RIGHT.replace("\n", f"\n{LEFT}", 1))


def helper_unwritten(draft: Draft) -> None:
    draft.answer(
        SOFTMAX, f"def largest(x):\n{LEFT}\n\ndef stable_softmax(x, dim):\n    return x - largest(x)"
    )


def in_markdown(draft: Draft) -> None:
    draft.answer(SOFTMAX, RIGHT)
    for cell in draft.notebook.cells:
        if cell.get("metadata", {}).get("nbgrader", {}).get("grade_id") == SOFTMAX:
            cell.cell_type = "markdown"
            del cell["outputs"], cell["execution_count"]


def pasted(draft: Draft) -> None:
    """All in one cell, whose last demo the student has changed into one that never ends."""
    draft.solve()
    code = [cell.source for cell in draft.notebook.cells if cell.cell_type == "code"]
    draft.notebook.cells = [nbformat.v4.new_code_cell("\n\n".join([*code, "while True:\n    pass"]))]


STUDENTS: dict[str, Callable[[Draft], None]] = {
    made.__name__: made for made in (left_above, helper_unwritten, in_markdown, pasted)
}


@pytest.fixture(scope="module")
def store(course_root: CourseRoot, material: Material, tmp_path_factory: pytest.TempPathFactory) -> Store:
    folder = tmp_path_factory.mktemp("honest")
    for student, make in STUDENTS.items():
        draft = material.draft()
        make(draft)
        path = folder / "in" / student / "attention.ipynb"
        path.parent.mkdir(parents=True)
        path.write_bytes(draft.bytes())
    limits = Limits(cell_cpu=2.0, wall_factor=30.0)
    options = Options(
        folder / "out", module="attention", jobs=2, seed=1, examine=True, views=False, limits=limits
    )
    assert grade(course_root, [folder / "in"], options, Progress()).faults == []
    return Store(folder / "out")


def graded(store: Store, student: str) -> tuple[Result, ExerciseResult]:
    result = store.read(student, "attention")
    assert result is not None
    return result, result.exercises[0]


def test_a_stubs_line_left_above_an_answer_is_named(store: Store, material: Material) -> None:
    result, exercise = graded(store, "left_above")
    assert (exercise.points, exercise.state) == (0, "answered")
    assert exercise.note.startswith("The line `raise NotImplementedError` is still there, in cell ")
    assert exercise.note.endswith(", line 2: delete it.")
    page = feedback_html(result, material.module)
    assert "<code>raise NotImplementedError</code> is still there" in page
    assert "in stable_softmax" in page  # and where it came


def test_a_helper_that_is_still_to_be_written_shows_in_the_trace(store: Store) -> None:
    _, exercise = graded(store, "helper_unwritten")
    assert exercise.state == "answered"
    assert any("in largest" in test.error.trace for test in exercise.tests if test.error)


def test_an_answer_in_a_markdown_cell_is_graded(store: Store) -> None:
    result, exercise = graded(store, "in_markdown")
    assert exercise.points == exercise.max_points
    assert "a Markdown cell, and was graded as code all the same" in exercise.note
    assert [flag.kind for flag in result.flags if flag.exercise == SOFTMAX] == ["edited-cell"]


def test_what_never_ends_in_one_cell_of_many_costs_none_of_the_others(store: Store) -> None:
    result, _ = graded(store, "pasted")
    assert result.points == result.max_points
    assert [error.cell for error in result.cell_errors] == [1]


@pytest.mark.parametrize("student", ["left_above", "in_markdown"])
def test_what_a_student_sees_at_once_says_it_too(store: Store, student: str) -> None:
    result, exercise = graded(store, student)
    found = store.examined(student, "attention", result.key)
    assert found is not None
    assert found.exercises[0].lines[0] == f"! {exercise.note}"
