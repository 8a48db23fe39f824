from pathlib import Path

import pytest

from autograder.build import build
from autograder.content.course_root import CourseRoot
from autograder.errors import ContentError, Fault, UsageError

from .tiny_course import KEYS, LESSON, MODULE, QUIZ, SOLUTION, write_tiny_course


def test_building_writes_what_is_out_of_date_and_nothing_twice(tiny: CourseRoot) -> None:
    path = tiny.exercise_notebook("tiny")

    assert [str(each) for each in build(tiny)] == ["tiny.ipynb is missing"]
    written = path.stat().st_mtime_ns
    assert build(tiny) == []
    assert path.stat().st_mtime_ns == written


def test_a_built_course_is_not_stale(tiny: CourseRoot) -> None:
    build(tiny)

    assert build(tiny, check=True) == []


CHANGES = {
    "lesson": LESSON.replace("Welcome.", "Hello."),
    "solution": SOLUTION.replace("Twice x.", "Two times x."),
    "module": MODULE.replace("points: 10", "points: 11"),
    "quiz": QUIZ.replace("Half of one?", "Half of two?"),
}


@pytest.mark.parametrize("part", CHANGES)
def test_check_names_the_notebook_that_a_change_made_stale_and_leaves_it_alone(
    tmp_path: Path, part: str
) -> None:
    root = write_tiny_course(tmp_path / "old")
    build(root)
    before = root.exercise_notebook("tiny").read_bytes()
    # Another folder: a syllabus is read once a process.
    changed = write_tiny_course(tmp_path / "new", **{part: CHANGES[part]})
    changed.exercises.mkdir()
    changed.exercise_notebook("tiny").write_bytes(before)

    stale = build(changed, check=True)

    assert [each.path for each in stale] == [changed.exercise_notebook("tiny")]
    assert str(stale[0]) == "tiny.ipynb is not what its lesson and solution make now"
    assert changed.exercise_notebook("tiny").read_bytes() == before


@pytest.mark.parametrize(
    "changed",
    [
        {"solution": SOLUTION.replace("math.sqrt(4.0)", "2.0")},
        {"keys": KEYS.replace("answer: b", "answer: c")},
    ],
    ids=["solution", "keys"],
)
def test_no_byte_of_the_students_notebook_depends_on_what_is_secret(
    tmp_path: Path, changed: dict[str, str]
) -> None:
    roots = write_tiny_course(tmp_path / "one"), write_tiny_course(tmp_path / "two", **changed)

    one, two = (build(root) and root.exercise_notebook("tiny").read_bytes() for root in roots)

    assert one == two


def test_check_finds_a_notebook_that_someone_ran_and_saved(tiny: CourseRoot) -> None:
    build(tiny)
    path = tiny.exercise_notebook("tiny")
    path.write_text(path.read_text().replace('"execution_count": null', '"execution_count": 1', 1))

    assert [each.path for each in build(tiny, check=True)] == [path]


def test_check_finds_a_notebook_of_no_module(tiny: CourseRoot) -> None:
    build(tiny)
    stray = tiny.exercise_notebook("old")
    stray.write_text("{}")

    assert [str(each) for each in build(tiny, check=True)] == [
        "old.ipynb belongs to no module of the syllabus"
    ]
    assert build(tiny, ["tiny"], check=True) == []
    assert build(tiny) == []
    assert stray.exists()


def test_where_one_module_is_broken_none_is_written(tmp_path: Path) -> None:
    root = write_tiny_course(tmp_path, syllabus="title: A tiny course\nmodules: [tiny, broken]\n")
    broken = root.public("broken") / "module.yaml"
    broken.parent.mkdir()
    broken.write_text(MODULE)

    with pytest.raises(ContentError, match="broken"):
        build(root)

    assert not root.exercises.exists()
    assert build(root, ["tiny"]) != []


def test_a_notebook_that_does_not_stand_alone_is_not_written(tmp_path: Path) -> None:
    root = write_tiny_course(tmp_path, lesson=LESSON.replace("import math\n", ""))

    with pytest.raises(ContentError, match="'math'"):
        build(root)

    assert not root.exercises.exists()


def test_no_part_of_a_file_is_left_behind_when_writing_fails(tiny: CourseRoot) -> None:
    tiny.exercise_notebook("tiny").mkdir(parents=True)

    with pytest.raises(Fault, match="cannot be written"):
        build(tiny)

    assert [path.name for path in tiny.exercises.iterdir()] == ["tiny.ipynb"]


def test_an_unknown_module_is_refused(tiny: CourseRoot) -> None:
    with pytest.raises(UsageError, match="no module 'tyni'"):
        build(tiny, ["tyni"])
