"""Every sixth of the sample class has the same results through Otter's plugin as from `autograder grade`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from autograder.otter.plugin import PLUGIN
from autograder.results import Result
from tests.end_to_end.conftest import Graded, class_run, grade, sample_class  # noqa: F401
from tests.otter.conftest import SEED
from tests.otter.events import graded, tree
from tests.sample_class import CLASS, Student, as_expected

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def by_student(class_run: Graded) -> dict[str, Result]:  # noqa: F811
    """The class as it is graded everywhere else: with `check(...)` in the notebooks."""
    assert class_run.code == 0, class_run.complained
    assert {result.run_seed for result in class_run.results.values()} == {SEED}
    return class_run.results


@pytest.mark.timeout(600)  # the first one grades the class
@pytest.mark.parametrize("student", CLASS[1::6], ids=lambda student: student.what[:30])
def test_results_are_the_same(
    student: Student,
    by_student: dict[str, Result],
    for_otter: Callable[[Student], bytes],
    archive: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    results = graded(tree(archive, tmp_path / "autograder", for_otter(student)), monkeypatch)

    ours, theirs = by_student[student.name], Result.from_json(results.get_plugin_data(PLUGIN))
    assert {name: (file.score, file.possible) for name, file in results.results.items()} == {
        f"attention.{one.id}": (one.points, one.max_points) for one in ours.exercises
    }
    assert as_expected(theirs) == as_expected(ours)
    assert as_expected(theirs, student.expected) == student.expected
    assert theirs.isolation == ours.isolation
    assert theirs.run_seed != SEED, "each submission has inputs of its own"
