"""Real course directories, made once and copied; submissions from the sample class."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from autograder.content.course_root import CourseRoot
from autograder.nbgrader.course import init
from tests.made_once import made_once
from tests.nbgrader import classroom, hostile, traps
from tests.nbgrader.classroom import Classroom
from tests.nbgrader.directory import ASSIGNMENT, COURSE_ID, Directory
from tests.sample_class import CLASS, Material

# As in an activated environment, where nbgrader finds `alembic`; test_cli tries without.
os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])


@pytest.fixture(scope="session")
def fresh(course_root: CourseRoot, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A course directory as `init` makes it. Tests copy it."""
    return made_once(
        tmp_path_factory, "fresh", lambda folder: init(course_root, folder, [ASSIGNMENT], COURSE_ID)
    )


@pytest.fixture
def directory(fresh: Path, tmp_path: Path) -> Directory:
    """A course directory in which nobody has handed in anything."""
    return Directory(shutil.copytree(fresh, tmp_path / "directory"))


@pytest.fixture(scope="session")
def work_of(material: Material) -> Callable[[str], bytes]:
    """The notebook of the one in the sample class whose name contains this."""

    def work(name: str) -> bytes:
        (found,) = (student for student in CLASS if name in student.name)
        return found.write(material)

    return work


ADA, DALIA, KWAME, QUENTIN, MALLORY = "Ada", "Dalia", "Kwame", "Quentin", "Mallory"


def hand_in_class(directory: Directory, work_of: Callable[[str], bytes]) -> None:
    for name in (ADA, DALIA, KWAME, QUENTIN, MALLORY):
        directory.hand_in(name, work_of(name))


@pytest.fixture(scope="session")
def everything(
    fresh: Path,
    material: Material,
    work_of: Callable[[str], bytes],
    tmp_path_factory: pytest.TempPathFactory,
) -> Directory:
    """All that the tests hand in, graded in one run, and not entered into the gradebook."""

    def make(folder: Path) -> None:
        directory = Directory(shutil.copytree(fresh, folder))
        hand_in_class(directory, work_of)
        traps.hand_in_all(directory, material)
        hostile.hand_in_both(directory, material)
        assert directory.grade().faults == []

    return Directory(made_once(tmp_path_factory, "everything", make))


def graded_directory(
    everything: Directory, folder: Path, hand_in: Callable[[Directory], object]
) -> Directory:
    """A directory with some of everything handed in, and its results entered."""
    directory = Directory(folder)
    shutil.copytree(everything.path, directory.path, ignore=shutil.ignore_patterns("submitted"))
    hand_in(directory)
    done = directory.autograde()
    assert done.faults == []
    assert done.report.graded <= 2  # a link and a folder have no bytes to be known by
    return directory


@pytest.fixture(scope="session")
def graded_once(
    everything: Directory, work_of: Callable[[str], bytes], tmp_path_factory: pytest.TempPathFactory
) -> Directory:
    """A class of five of the sample class, graded. Tests only read it; `graded` is a copy to go on with."""

    def make(folder: Path) -> None:
        graded_directory(everything, folder, lambda here: hand_in_class(here, work_of))

    return Directory(made_once(tmp_path_factory, "graded", make))


@pytest.fixture
def graded(graded_once: Directory, tmp_path: Path) -> Directory:
    return Directory(shutil.copytree(graded_once.path, tmp_path / "graded"))


@pytest.fixture(scope="session")
def first_round(
    fresh: Path, work_of: Callable[[str], bytes], tmp_path_factory: pytest.TempPathFactory
) -> Classroom:
    """Ada has one mistake, Oscar's file is none; a round has been. Tests only read it."""

    def make(folder: Path) -> None:
        room = Classroom.make(folder, fresh)
        room.submit(classroom.ADA, work_of("Dalia"))
        room.submit(classroom.OSCAR, b"{")
        said, clean = room.round_and_whether_clean()
        assert said == [
            *(f"{ASSIGNMENT}  {student}  collected" for student in (classroom.ADA, classroom.OSCAR)),
            *(
                f"{ASSIGNMENT}  {student}  {what}"
                for student in (classroom.ADA, classroom.OSCAR)
                for what in ("graded and entered into the gradebook", "public result shown")
            ),
        ]
        assert clean

    return Classroom(made_once(tmp_path_factory, "first-round", make))


@pytest.fixture
def room(first_round: Classroom, tmp_path: Path) -> Classroom:
    return first_round.copy(tmp_path / "room")


@pytest.fixture
def no_pool(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever starts a grader fails."""
    monkeypatch.setattr("autograder.run.run.Pool", None)
