"""A hub's folder: who is in it, what is refused, what a second start finds."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from autograder.errors import UsageError
from autograder.hub.folder import FILE, INSTRUCTORS, STUDENTS, opened, there


def test_the_first_start_makes_people_and_passwords_that_only_the_owner_can_read(tmp_path: Path) -> None:
    hub = opened(tmp_path / "hub")

    assert (hub.people.instructors, hub.people.students) == (INSTRUCTORS, STUDENTS)
    assert len(INSTRUCTORS) == 2
    assert len(STUDENTS) == 3
    assert stat.S_IMODE((hub.path / FILE).stat().st_mode) == 0o600
    assert stat.S_IMODE(hub.path.stat().st_mode) == 0o700


def test_passwords_are_random_and_long_enough_for_jupyterhub(tmp_path: Path) -> None:
    one, other = (opened(tmp_path / name).people for name in ("one", "other"))

    assert one.student_password != other.student_password
    assert one.instructor_password != other.instructor_password
    assert len(one.student_password) >= 8
    assert len(one.instructor_password) >= 32


def test_a_second_start_finds_the_same_people(tmp_path: Path) -> None:
    assert opened(tmp_path / "hub") == opened(tmp_path / "hub") == there(tmp_path / "hub")


def test_who_is_named_later_is_added(tmp_path: Path) -> None:
    first = opened(tmp_path / "hub", students=["emmy"], instructors=["max"])
    second = opened(tmp_path / "hub", students=["emmy", "fay"])

    assert first.people.students == ("emmy",)
    assert second.people == first.people.model_copy(update={"students": ("emmy", "fay")})


@pytest.mark.parametrize(
    ("named", "sentence"),
    [
        ({"students": ["Emmy"]}, "has the name 'Emmy': take small letters"),
        ({"students": ["../etc"]}, "has the name '../etc'"),
        ({"students": ["irene"]}, "has 'irene' as an instructor and as a student"),
        ({"course_id": "a/b"}, "has the course id 'a/b'"),
    ],
)
def test_a_name_that_cannot_be_is_refused_and_nothing_is_made(
    named: dict[str, object], sentence: str, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=sentence):
        opened(tmp_path / "hub", **named)  # type: ignore[arg-type]

    assert not (tmp_path / "hub").exists()


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"student_password": "short"}, "student_password with fewer than 8"),
        ({"instructor_password": "too short"}, "instructor_password with fewer than 32"),
        ({"student_password": "x" * 32, "instructor_password": "x" * 32}, "one password for students and"),
        ({"instructors": []}, "no instructor"),
        ({"students": "ada"}, "students: Input should be a valid array"),
        ({"students": [7]}, "students: 0: Input should be a valid string"),
    ],
)
def test_what_a_person_edited_wrongly_is_told_in_a_sentence(
    change: dict[str, object], sentence: str, tmp_path: Path
) -> None:
    hub = opened(tmp_path / "hub")
    edited = json.dumps(hub.people.model_dump() | change)
    (hub.path / FILE).write_text(edited)

    with pytest.raises(UsageError, match=sentence) as error:
        opened(hub.path)

    assert str(hub.path / FILE) in str(error.value)
    assert (hub.path / FILE).read_text() == edited


def test_a_broken_file_is_named(tmp_path: Path) -> None:
    hub = opened(tmp_path / "hub")
    (hub.path / FILE).write_text('{"course_id": "diffusion"}')

    with pytest.raises(UsageError, match="instructors: Field required"):
        opened(hub.path)


def test_another_course_is_not_mixed_in(tmp_path: Path) -> None:
    opened(tmp_path / "hub", course_id="spring")

    with pytest.raises(UsageError, match="is for the course 'spring', not 'autumn'"):
        opened(tmp_path / "hub", course_id="autumn")


def test_a_folder_with_something_else_in_it_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").touch()

    with pytest.raises(UsageError, match="is no hub's folder"):
        opened(tmp_path)

    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]
