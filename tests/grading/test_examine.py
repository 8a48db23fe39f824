"""The public checks in the worker: whatever a student's code does to them, it is a message and no more."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from autograder.content.course_root import CourseRoot
from autograder.content.module import GradedModule
from autograder.contract.budget import Limits
from autograder.contract.jobs import Job
from autograder.examined import Examined
from autograder.grading.examine import LONGEST_LINE, MOST_LINES, examine_submission
from autograder.grading.grade import Bench
from autograder.run.run import Options, Progress, grade
from autograder.run.store import Store
from autograder.sandbox.line import WorkerLine
from autograder.sandbox.plain import PlainWorker
from tests.sample_class import load_material

PATIENT = Limits(wall_factor=30.0)  # so that no busy machine ends what is to run out of CPU time
SOFTMAX, NEXT = "stable_softmax", "scaled_dot_product_attention"
RIGHT = (
    "def stable_softmax(x, dim):\n    e = (x - x.amax(dim, keepdim=True)).exp()\n"
    "    return e / e.sum(dim, keepdim=True)\n"
)
TORCHS = "def stable_softmax(x, dim):\n    return x.softmax(dim)\n"
ANSWERS: dict[str, dict[str, str]] = {
    "right": {SOFTMAX: RIGHT},
    "torchs": {SOFTMAX: TORCHS},
    "hider": {
        SOFTMAX: "from course.checking import examine, report\n"
        "examine.on_answer = lambda *_: report.Report('', state='passed', lines=['✓ All is well.'])\n"
        + TORCHS
    },
    "spy": {
        SOFTMAX: "SEEN = []\ndef stable_softmax(x, dim):\n    SEEN.append(x)\n"
        "    raise ValueError(f'seen before: {len(SEEN) - 1} inputs')\n"
    },
    "liar": {
        SOFTMAX: "from course.checking import examine, report\n"
        "examine.on_answer = lambda *_: report.Report('', state='passed', lines=['✓ All is well.'])\n"
        "def stable_softmax(x, dim):\n    return x\n"
    },
    "forger": {
        SOFTMAX: "from course.checking import examine, report\n"
        "examine.on_answer = lambda *_: report.Report('', state='promoted', lines=[])\n" + RIGHT
    },
    "flooder": {
        SOFTMAX: "from course.checking import examine, report\n"
        "examine.on_answer = lambda *_: report.Report('', state='failed', lines=['x\\x1b\\n' * 200] * 100)\n"
        + RIGHT
    },
    "quitter": {
        SOFTMAX: RIGHT,
        NEXT: "import os\ndef scaled_dot_product_attention(q, k, v, mask=None):\n    os._exit(0)\n",
    },
    "sleeper": {
        SOFTMAX: RIGHT,
        NEXT: "def scaled_dot_product_attention(q, k, v, mask=None):\n    while True:\n        pass\n",
    },
    "stumbler": {SOFTMAX: RIGHT + "undefined_name\n"},
}


@pytest.fixture(scope="module")
def store(course_root: CourseRoot, tmp_path_factory: pytest.TempPathFactory) -> Store:
    folder = tmp_path_factory.mktemp("examine")
    material = load_material(course_root)
    for student, answers in ANSWERS.items():
        draft = material.draft()
        for exercise, source in answers.items():
            draft.answer(exercise, source)
        path = folder / "in" / student / "attention.ipynb"
        path.parent.mkdir(parents=True)
        path.write_bytes(draft.bytes())
    (folder / "in" / "broken").mkdir()
    (folder / "in" / "broken" / "attention.ipynb").write_bytes(b"{")
    options = Options(
        folder / "out", module="attention", jobs=2, seed=1, examine=True, views=False, limits=PATIENT
    )
    report = grade(course_root, [folder / "in"], options, Progress())
    assert report.faults == report.unexamined == []
    return Store(folder / "out")


def examined(store: Store, student: str) -> Examined:
    result = store.read(student, "attention")
    assert result is not None
    found = store.examined(student, "attention", result.key)
    assert found is not None
    assert found.sha256 == result.sha256
    return found


def states(found: Examined) -> Mapping[str, str]:
    return {one.id: one.state for one in found.exercises}


def lines(found: Examined, exercise: str = SOFTMAX) -> list[str]:
    (one,) = (one for one in found.exercises if one.id == exercise)
    return one.lines


@pytest.mark.slow
class TestWhatThePublicChecksSay:
    def test_each_exercise_has_its_state(self, store: Store) -> None:
        found = examined(store, "right")

        assert states(found)[SOFTMAX] == "passed"
        assert set(states(found).values()) == {"passed", "untouched"}
        assert lines(found)[-1] == "All 6 checks hold. Grading tests more."
        assert lines(found, NEXT) == ["Still to be written."]

    @pytest.mark.parametrize("student", ["torchs", "hider"])
    def test_a_forbidden_call_is_red_and_takes_the_points(self, store: Store, student: str) -> None:
        said = examined(store, student)
        result = store.read(student, "attention")

        assert states(said)[SOFTMAX] == "failed"
        assert result is not None
        graded = result.exercises[0]
        assert lines(said)[0] == f"✗ {graded.withheld}"
        assert "asks you to write `stable_softmax` yourself: `x.softmax` (cell " in graded.withheld
        assert (graded.points, result.points) == (0, 0)
        assert all(test.passed for test in graded.tests)
        assert "forbidden-call" in [flag.kind for flag in result.flags]

    def test_code_that_is_examined_has_seen_no_hidden_input(self, store: Store) -> None:
        """What it has seen it could print, and hand in again until it knows the suite."""
        said = "\n".join(lines(examined(store, "spy")))

        assert "seen before: 0 inputs" in said
        hidden = store.read("spy", "attention")
        assert hidden is not None
        tests = hidden.exercises[0].tests
        assert any("seen before: 1" in test.error.message for test in tests if test.error)

    def test_a_forged_verdict_is_shown_and_worth_nothing(self, store: Store) -> None:
        assert lines(examined(store, "liar")) == ["✓ All is well."]
        result = store.read("liar", "attention")
        assert result is not None
        assert result.points == 0

    def test_what_is_no_verdict_ends_the_examination(self, store: Store) -> None:
        assert examined(store, "forger").reason == "the worker's answer is not what was asked for"

    def test_reports_are_bounded_and_legible(self, store: Store) -> None:
        said = lines(examined(store, "flooder"))

        assert len(said) == MOST_LINES
        assert {len(line) for line in said} == {LONGEST_LINE}
        assert "\x1b" not in said[0]
        assert "\n" not in said[0]

    def test_one_that_ends_the_process_or_hangs_costs_the_others_nothing(self, store: Store) -> None:
        for student, why in (("quitter", "ended its own process"), ("sleeper", "computed for more than")):
            found = examined(store, student)
            assert states(found)[SOFTMAX] == "passed"
            assert states(found)[NEXT] == "failed"
            assert why in lines(found, NEXT)[0]

    def test_cells_that_raise_are_named(self, store: Store) -> None:
        found = examined(store, "stumbler")

        (raised,) = found.cell_errors
        assert raised.error.type == "NameError"
        assert states(found)[SOFTMAX] == "passed"

    def test_a_broken_file_has_a_reason_and_no_exercises(self, store: Store) -> None:
        found = examined(store, "broken")

        assert found.reason
        assert found.exercises == []

    def test_nothing_is_examined_twice(
        self, store: Store, course_root: CourseRoot, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("autograder.run.run.Pool", None)
        options = Options(store.folder, module="attention", seed=1, examine=True, views=False, limits=PATIENT)

        report = grade(course_root, [store.folder.parent / "in"], options, Progress())

        assert (report.graded, report.kept) == (0, len(ANSWERS) + 1)

    def test_the_same_is_said_where_nothing_is_locked(
        self, store: Store, course_root: CourseRoot, tmp_path: Path
    ) -> None:
        """For one's own code, outside Linux: a plain process in place of the worker."""
        options = Options(
            tmp_path, module="attention", sandbox="none", seed=1, examine=True, views=False, limits=PATIENT
        )
        report = grade(course_root, [store.folder.parent / "in" / "right"], options, Progress())

        assert report.faults == report.unexamined == []
        assert examined(Store(tmp_path), "right").exercises == examined(store, "right").exercises


@pytest.mark.slow
def test_wall_time_that_ended_a_check_is_told_so_that_it_is_run_again(
    course_root: CourseRoot, tmp_path: Path
) -> None:
    """As `grade_submission` tells it: on a busy machine it is no word on the student's code."""
    draft = load_material(course_root).draft()
    draft.answer(SOFTMAX, "import time\ndef stable_softmax(x, dim):\n    time.sleep(1000)\n")
    path = tmp_path / "attention.ipynb"
    path.write_bytes(draft.bytes())
    bench = Bench(
        GradedModule.load(course_root, "attention"),
        setting=None,  # type: ignore[arg-type] - of no concern to public checks
        open_line=lambda budget, cells: WorkerLine(PlainWorker, budget, cells),
        limits=Limits(call_cpu=0.2, cell_cpu=60.0, wall_factor=2.0),
    )

    found, wall_timeout = examine_submission(Job("Ada", "attention", str(path), path.name, "", "none"), bench)

    assert "waited too long" in lines(found)[0]
    assert wall_timeout
