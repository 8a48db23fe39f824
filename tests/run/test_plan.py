"""What there is to grade: what was graded under the same conditions is kept, all else is graded anew."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import nbformat
import pytest

from autograder.content.course_root import CourseRoot
from autograder.contract.budget import Limits, limits_of
from autograder.contract.jobs import Job
from autograder.errors import ContentError
from autograder.examined import Examined
from autograder.results import Result
from autograder.run import plan as planning
from autograder.run.plan import UNKNOWN, Conditions, Plan, plan
from autograder.run.store import Store
from autograder.submission.find import Found
from tests.build.tiny_course import MODULE, write_tiny_course
from tests.run.example import result

HERE = Conditions(run_seed=7, device="cpu", isolation="full")


@pytest.fixture
def root(tmp_path: Path) -> CourseRoot:
    return write_tiny_course(tmp_path / "course")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "graded")


def notebook(path: Path, code: str = "x = 1", module: str | None = None) -> Path:
    cells = [nbformat.v4.new_code_cell(code, id="a")]
    metadata = {"course": {"module": module}} if module else {}
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=metadata), path)
    return path


@pytest.fixture
def ada(tmp_path: Path) -> Found:
    return Found("Ada", "tiny", notebook(tmp_path / "class/Ada/tiny.ipynb"), "Ada/tiny.ipynb")


def key(root: CourseRoot, found: Found, store: Store, conditions: Conditions = HERE) -> str:
    (job,) = plan(root, [found], store, conditions).jobs
    return job.key


def sorts(made: Plan) -> tuple[list[Job], list[Result], list[Job]]:
    return made.jobs, made.unplaced, made.kept


def test_a_new_notebook_is_a_job(root: CourseRoot, ada: Found, store: Store) -> None:
    (job,) = plan(root, [ada], store, HERE).jobs
    assert (job.student, job.module, job.path, job.shown) == ("Ada", "tiny", str(ada.path), "Ada/tiny.ipynb")
    assert (job.isolation, job.attempt) == ("full", 1)


def test_what_was_graded_under_the_same_key_is_kept(root: CourseRoot, ada: Found, store: Store) -> None:
    store.write(result(5, key=key(root, ada, store)))
    jobs, unreadable, kept = sorts(plan(root, [ada], store, HERE))
    assert (jobs, unreadable, [job.student for job in kept]) == ([], [], ["Ada"])


def test_force_grades_it_again(root: CourseRoot, ada: Found, store: Store) -> None:
    store.write(result(5, key=key(root, ada, store)))
    assert len(plan(root, [ada], store, HERE, force=True).jobs) == 1


def test_what_was_graded_lower_than_before_is_not_graded_again(
    root: CourseRoot, ada: Found, store: Store
) -> None:
    store.write(result(5, key="an earlier notebook"))
    store.write(result(3, key=key(root, ada, store)))
    assert plan(root, [ada], store, HERE).jobs == []


# --- what a grade depends on


def test_the_same_bytes_in_another_place_are_the_same_work(
    root: CourseRoot, ada: Found, store: Store, tmp_path: Path
) -> None:
    moved = notebook(tmp_path / "submitted/Ada/tiny/tiny.ipynb")
    assert key(root, Found("Ada", "tiny", moved, "elsewhere"), store) == key(root, ada, store)


def test_another_notebook_is_graded(root: CourseRoot, ada: Found, store: Store) -> None:
    before = key(root, ada, store)
    notebook(ada.path, "x = 2")
    assert key(root, ada, store) != before


COURSE = {
    "suite": CourseRoot.suite,
    "reference": CourseRoot.solution,
    "quiz": CourseRoot.quiz,
    "quiz keys": CourseRoot.keys,
    "released notebook": CourseRoot.exercise_notebook,
}


@pytest.mark.parametrize("part", COURSE)
def test_a_change_of_what_decides_grades_the_class_again(
    part: str, root: CourseRoot, ada: Found, store: Store
) -> None:
    before = key(root, ada, store)
    path = COURSE[part](root, "tiny")
    path.parent.mkdir(exist_ok=True)
    path.write_bytes((path.read_bytes() if path.exists() else b"") + b"\n")
    assert key(root, ada, store) != before


def test_a_change_of_points_grades_the_class_again(
    root: CourseRoot, ada: Found, store: Store, tmp_path: Path
) -> None:
    changed = write_tiny_course(tmp_path / "changed", module=MODULE.replace("points: 10", "points: 11"))
    same = write_tiny_course(tmp_path / "same")
    assert key(changed, ada, store) != key(root, ada, store) == key(same, ada, store)


@pytest.mark.parametrize("bank", [CourseRoot.mistakes, CourseRoot.variants, CourseRoot.lesson])
def test_a_new_hint_is_no_reason_to_grade_a_class_again(
    bank: Callable[[CourseRoot, str], Path], root: CourseRoot, ada: Found, store: Store
) -> None:
    before = key(root, ada, store)
    path = bank(root, "tiny")
    path.parent.mkdir(exist_ok=True)
    path.write_text("# another one\n")
    assert key(root, ada, store) == before


@pytest.mark.parametrize("other", [Conditions(7, "cuda", "full"), Conditions(7, "cpu", "landlock")])
def test_another_device_or_isolation_is_another_grade(
    other: Conditions, root: CourseRoot, ada: Found, store: Store
) -> None:
    assert key(root, ada, store, other) != key(root, ada, store)


def test_other_limits_are_another_grade_and_the_usual_ones_by_name_are_not(
    root: CourseRoot, ada: Found, store: Store
) -> None:
    (job,) = plan(root, [ada], store, HERE).jobs

    def key(**asked: float) -> str:
        (other,) = plan(root, [ada], store, replace(HERE, limits=limits_of(asked))).jobs
        return other.key

    assert key() == key(call_cpu=Limits.call_cpu) == key(stdout=1) == job.key
    assert len({job.key, key(call_cpu=8), key(slower=2), key(memory=4096)}) == 4


def test_another_torch_is_another_grade(
    root: CourseRoot, ada: Found, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = key(root, ada, store)
    monkeypatch.setattr(planning, "version", lambda package: "9.9")
    assert key(root, ada, store) != before


# --- what cannot be read


def test_a_problem_with_the_file_is_a_job_that_says_so(root: CourseRoot, ada: Found, store: Store) -> None:
    broken = Found("Ada", "tiny", ada.path, ada.shown, "It is a symbolic link.")
    (job,) = plan(root, [broken], store, HERE).jobs
    assert (job.student, job.problem) == ("Ada", "It is a symbolic link.")
    store.write(result(0, key=job.key))
    assert len(plan(root, [broken], store, HERE).kept) == 1


def test_content_that_is_wrong_stops_the_run_before_anybody_is_graded(
    root: CourseRoot, ada: Found, store: Store
) -> None:
    root.keys("tiny").write_text("q1: {answer: b}\n")
    with pytest.raises(ContentError, match="no key for 'q2'"):
        plan(root, [ada], store, HERE)


def test_the_key_of_a_grade_is_of_the_bytes_that_were_graded(
    root: CourseRoot, ada: Found, store: Store
) -> None:
    (job,) = plan(root, [ada], store, HERE).jobs
    assert job.key_of(hashlib.sha256(ada.path.read_bytes()).hexdigest()) == job.key
    notebook(ada.path, "x = 'written while the run was on'")
    later = job.key_of(hashlib.sha256(ada.path.read_bytes()).hexdigest())
    assert later != job.key == job.key_of("")
    store.write(result(5, key=later))
    assert len(plan(root, [ada], store, HERE).kept) == 1


# --- which module it is, where the file's name does not say


@pytest.fixture
def two(tmp_path: Path) -> CourseRoot:
    root = write_tiny_course(tmp_path / "two", syllabus="title: A course of two\nmodules: [tiny, huge]\n")
    huge = root.entry("huge")
    huge.parent.mkdir()
    huge.write_text(MODULE[: MODULE.index("quiz:")])
    return root


def unnamed(path: Path, student: str = "Ada") -> Found:
    return Found(student, None, path, path.name)


def test_the_only_module_needs_no_name(root: CourseRoot, store: Store, tmp_path: Path) -> None:
    (job,) = plan(root, [unnamed(notebook(tmp_path / "hw.ipynb"))], store, HERE).jobs
    assert job.module == "tiny"


def test_a_notebook_may_say_its_module(two: CourseRoot, store: Store, tmp_path: Path) -> None:
    (job,) = plan(two, [unnamed(notebook(tmp_path / "hw.ipynb", module="huge"))], store, HERE).jobs
    assert job.module == "huge"


@pytest.mark.parametrize("module", [None, "nonsense"])
def test_a_notebook_that_says_nothing_is_a_result_of_no_module(
    module: str | None, two: CourseRoot, store: Store, tmp_path: Path
) -> None:
    (made,) = plan(two, [unnamed(notebook(tmp_path / "hw.ipynb", module=module))], store, HERE).unplaced
    assert (made.module, made.max_points, made.exercises) == (UNKNOWN, 0, [])
    assert "name the file after one of tiny, huge" in made.reason


def test_two_notebooks_of_one_student_and_module_are_that_students_problem(
    two: CourseRoot, store: Store, tmp_path: Path
) -> None:
    found = [
        unnamed(notebook(tmp_path / "a.ipynb", code="x = 1", module="huge")),
        unnamed(notebook(tmp_path / "b.ipynb", code="x = 2", module="huge")),
        unnamed(notebook(tmp_path / "c.ipynb", module="huge"), "Bo"),
    ]
    ada, bo = plan(two, found, store, HERE).jobs
    assert (bo.student, bo.problem) == ("Bo", "")
    assert (ada.module, ada.problem) == (
        "huge",
        "It has 2 files for 'huge' (a.ipynb, b.ipynb): hand in one of them, named huge.ipynb.",
    )


def test_a_notebook_of_the_modules_name_counts_before_one_that_says_so(
    two: CourseRoot, store: Store, tmp_path: Path
) -> None:
    exact = Found("Ada", "huge", notebook(tmp_path / "huge.ipynb"), "huge.ipynb", place="huge.ipynb")
    draft = replace(unnamed(notebook(tmp_path / "draft.ipynb", code="x = 2", module="huge")), rank=(0, 3, 1))
    silent = unnamed(notebook(tmp_path / "silent.ipynb"))
    made = plan(two, [exact, draft, silent], store, HERE)
    assert [job.path for job in made.jobs] == [str(exact.path)]
    assert made.notes == {
        ("Ada", "huge"): "Of several files huge.ipynb was graded; not looked at: draft.ipynb, silent.ipynb."
    }
    assert (made.unplaced, made.faults) == ([], [])


def test_what_is_said_of_a_file_is_part_of_its_grade(root: CourseRoot, ada: Found, store: Store) -> None:
    keys = {
        key(root, replace(ada, **said), store) for said in ({}, {"others": ("b",)}, {"problem": "It is."})
    }
    assert len(keys) == 3


def test_a_name_that_graders_cannot_be_told_is_a_fault_of_its_own(
    root: CourseRoot, ada: Found, store: Store, tmp_path: Path
) -> None:
    odd = replace(ada, student="B\udcff", path=Path("B\udcff/tiny.ipynb"))
    made = plan(root, [ada, odd], store, HERE)
    assert [job.student for job in made.jobs] == ["Ada"]
    ((student, module, reason),) = made.faults
    assert (student, module) == ("B\\udcff", "tiny")
    assert "no UTF-8 text" in reason


def test_a_file_that_the_machine_cannot_read_is_a_fault_of_its_own(
    two: CourseRoot, store: Store, tmp_path: Path
) -> None:
    found = [unnamed(tmp_path / "gone.ipynb", "Bo"), unnamed(notebook(tmp_path / "hw.ipynb", module="huge"))]
    made = plan(two, found, store, HERE)
    assert [job.student for job in made.jobs] == ["Ada"]
    ((student, module, reason),) = made.faults
    assert (student, module) == ("Bo", UNKNOWN)
    assert "gone.ipynb" in reason


def test_public_checks_are_run_once_on_a_notebook_and_only_if_asked_for(
    root: CourseRoot, ada: Found, store: Store
) -> None:
    graded_under = key(root, ada, store)
    store.write(result(5, key=graded_under))
    assert plan(root, [ada], store, HERE).examinations == []

    made = plan(root, [ada], store, HERE, examine=True)
    assert (made.jobs, [job.examine for job in made.examinations]) == ([], [True])

    store.write_examined(Examined(student="Ada", module="tiny", key=graded_under))
    assert plan(root, [ada], store, HERE, examine=True).examinations == []
    notebook(ada.path, "x = 2")
    assert len(plan(root, [ada], store, HERE, examine=True).examinations) == 1


def test_public_checks_are_not_run_on_what_is_no_file(root: CourseRoot, ada: Found, store: Store) -> None:
    made = plan(root, [replace(ada, problem="It is a symbolic link.")], store, HERE, examine=True)

    assert (made.examinations, len(made.jobs)) == ([], 1)


class TestAGroup:
    """One file of several students is graded once; the others get that result, each under their own name."""

    @pytest.fixture
    def group(self, ada: Found) -> list[Found]:
        return [replace(ada, student=name, shared=True) for name in ("Ada", "Ben", "Cleo")]

    def test_the_first_is_the_job(self, root: CourseRoot, group: list[Found], store: Store) -> None:
        made = plan(root, group, store, HERE)
        assert [job.student for job in made.jobs] == ["Ada"]
        assert [job.student for job in made.copies["Ada", "tiny"]] == ["Ben", "Cleo"]

    def test_who_has_the_result_keeps_it(self, root: CourseRoot, group: list[Found], store: Store) -> None:
        (job,) = plan(root, group, store, HERE).jobs
        store.write(result(5, key=job.key))
        made = plan(root, group, store, HERE)
        assert [kept.student for kept in made.kept] == ["Ada"]
        assert [job.student for job in made.jobs] == ["Ben"]
        assert [job.student for job in made.copies["Ben", "tiny"]] == ["Cleo"]

    def test_files_of_their_own_are_jobs_of_their_own(
        self, root: CourseRoot, ada: Found, store: Store
    ) -> None:
        other = replace(ada, student="Ben", path=notebook(ada.path.parents[1] / "Ben" / "tiny.ipynb"))
        made = plan(root, [ada, other], store, HERE)
        assert (len(made.jobs), made.copies) == (2, {})
