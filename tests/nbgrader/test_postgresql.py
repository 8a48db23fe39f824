"""The gradebook on a real PostgreSQL server: the same as on SQLite, whatever is killed or happens at once."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from nbgrader.api import Gradebook
from nbgrader.apps.api import NbGraderAPI
from typer.testing import CliRunner

from autograder.cli import app
from autograder.content.course_root import CourseRoot
from autograder.errors import UsageError
from autograder.nbgrader.apps import CONFIG, nbgrader_in
from autograder.nbgrader.autograde import enter, grade_collected
from autograder.nbgrader.course import init
from autograder.nbgrader.steps.config import GRADEBOOK_VARIABLE
from autograder.run.run import Progress
from tests.deployment import postgresql
from tests.nbgrader.conftest import ADA, DALIA, KWAME, MALLORY, QUENTIN, hand_in_class
from tests.nbgrader.directory import ASSIGNMENT, COURSE_ID, Directory

SOFTMAX = "stable_softmax"
CLASS_OF_FIVE = (ADA, DALIA, KWAME, QUENTIN, MALLORY)


@dataclass(frozen=True)
class OnServer(Directory):
    """A course directory whose gradebook is `url`."""

    url: str = ""

    @property
    def name(self) -> str:
        """The database's."""
        return self.url.partition("@/")[2].partition("?")[0]

    def gradebook(self) -> Gradebook:
        return Gradebook(self.url, COURSE_ID)


@pytest.fixture
def url(server: postgresql.Server) -> str:
    return server.database()


@pytest.fixture
def on_server(
    url: str, fresh: Path, everything: Directory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> OnServer:
    """The class of five, collected and graded, and nothing entered into the empty database."""
    monkeypatch.setenv(GRADEBOOK_VARIABLE, url)
    folder = tmp_path / "on-server"
    shutil.copytree(fresh, folder, ignore=shutil.ignore_patterns("gradebook.db"))
    shutil.copytree(everything.path / ".autograder", folder / ".autograder", dirs_exist_ok=True)
    directory = OnServer(folder, url=url)
    generated = subprocess.run(
        [sys.executable, "-m", "nbgrader", "generate_assignment", ASSIGNMENT, "--force"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert generated.returncode == 0, generated.stderr
    return directory


@pytest.mark.slow
def test_init_makes_the_gradebook_on_the_server(
    course_root: CourseRoot, url: str, fresh: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(GRADEBOOK_VARIABLE, url)

    init(course_root, tmp_path / "directory", [ASSIGNMENT], COURSE_ID)

    assert not (tmp_path / "directory" / "gradebook.db").exists()
    assert cells_of(OnServer(tmp_path / "directory", url=url)) == cells_of(Directory(fresh))
    # nbgrader would take the other course's assignment for its own.
    with pytest.raises(UsageError, match=r"is of the course 'diffusion' \(assignment 'attention'\)"):
        init(course_root, tmp_path / "other", [ASSIGNMENT], "physics")
    assert not (tmp_path / "other").exists()


@pytest.mark.slow
def test_a_class_is_entered_as_on_sqlite(
    on_server: OnServer, graded_once: Directory, work_of: Callable[[str], bytes]
) -> None:
    hand_in_class(on_server, work_of)

    assert on_server.autograde().faults == []

    assert on_server.entries() == graded_once.entries()
    assert not (on_server.path / "gradebook.db").exists()
    assert pages_of_formgrader(on_server, on_server.url) == pages_of_formgrader(graded_once)


@pytest.mark.slow
def test_what_a_person_gave_stays(on_server: OnServer, work_of: Callable[[str], bytes]) -> None:
    on_server.hand_in(DALIA, work_of(DALIA))
    on_server.autograde()
    with on_server.gradebook() as gradebook:
        gradebook.find_grade(f"check_{SOFTMAX}", ASSIGNMENT, ASSIGNMENT, DALIA).manual_score = 9.5
        gradebook.find_comment(SOFTMAX, ASSIGNMENT, ASSIGNMENT, DALIA).manual_comment = "Seen: ½ π ∇ ✓"
        gradebook.db.commit()

    on_server.hand_in(DALIA, work_of(KWAME))
    on_server.autograde()

    assert on_server.entries()[DALIA].score == 9.5
    with on_server.gradebook() as gradebook:
        assert gradebook.find_comment(SOFTMAX, ASSIGNMENT, ASSIGNMENT, DALIA).comment == "Seen: ½ π ∇ ✓"


@pytest.mark.slow
def test_a_name_that_no_column_holds_is_one_fault_among_others(
    on_server: OnServer, work_of: Callable[[str], bytes]
) -> None:
    """SQLite takes any length; PostgreSQL keeps nbgrader's word of 128 characters."""
    long = "x" * 129
    for name in (long, KWAME):
        on_server.hand_in(name, work_of(KWAME))

    done = on_server.autograde()

    assert [student for student, _ in done.faults] == [long]
    assert on_server.entries().keys() == {KWAME}


def test_a_server_that_does_not_answer_is_one_sentence(
    fresh: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(GRADEBOOK_VARIABLE, f"postgresql+psycopg://me:secret@/grades?host={tmp_path}")

    said = CliRunner().invoke(app, ["nbgrader", "autograde", ASSIGNMENT, "--course-dir", str(fresh)])

    assert said.exit_code == 3
    assert "The gradebook postgresql+psycopg://me:***@/grades?host=" in said.stderr
    assert "cannot be used; mend that and run the same command again: " in said.stderr
    assert "secret" not in said.output
    assert "Traceback" not in said.output


def test_an_address_that_is_none_is_said_so(fresh: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for wrong in ("gradebook.db", "nosql://x"):
        monkeypatch.setenv(GRADEBOOK_VARIABLE, wrong)
        with (
            pytest.raises(UsageError, match=r"is no address of a database: write postgresql\+psycopg"),
            nbgrader_in(fresh),
        ):
            pass


def test_a_missing_driver_is_said_so(fresh: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    monkeypatch.setenv(GRADEBOOK_VARIABLE, "postgresql+psycopg://me@/grades")
    with (
        pytest.raises(UsageError, match=r"psycopg is not installed here.*\[nbgrader,postgresql\]"),
        nbgrader_in(fresh),
    ):
        pass


@pytest.mark.slow
def test_a_server_that_goes_away_half_way_is_a_fault(
    on_server: OnServer, server: postgresql.Server, work_of: Callable[[str], bytes]
) -> None:
    on_server.hand_in(KWAME, work_of(KWAME))
    with nbgrader_in(on_server.path) as nbgrader:
        done = grade_collected(nbgrader, ASSIGNMENT, [], Progress())

    with nbgrader_in(on_server.path) as nbgrader:
        server.sql("postgres", f"ALTER DATABASE {on_server.name} WITH ALLOW_CONNECTIONS false")
        assert list(enter(nbgrader, done)) == []
    assert [student for student, _ in done.faults] == [KWAME]

    server.sql("postgres", f"ALTER DATABASE {on_server.name} WITH ALLOW_CONNECTIONS true")
    assert on_server.autograde().faults == []
    assert on_server.entries().keys() == {KWAME}


@pytest.mark.slow
def test_killed_anywhere_and_repeated_it_is_the_same(
    on_server: OnServer, graded_once: Directory, work_of: Callable[[str], bytes]
) -> None:
    hand_in_class(on_server, work_of)
    killed = 0
    for entered in range(1, len(CLASS_OF_FIVE)):
        process = start_autograde(on_server)
        while process.poll() is None and len(graded(on_server)) < entered:
            time.sleep(0.01)
        if process.poll() is None:
            killed += 1
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    assert killed >= 2

    process = start_autograde(on_server)
    said, _ = process.communicate(timeout=250)

    assert process.returncode == 0, said
    assert on_server.entries() == graded_once.entries()


@pytest.mark.slow
def test_two_graders_at_once(
    on_server: OnServer, graded_once: Directory, work_of: Callable[[str], bytes]
) -> None:
    """Of the same class. Where both enter the same student, one of them says so and can come again."""
    hand_in_class(on_server, work_of)

    both = [start_autograde(on_server), start_autograde(on_server)]
    said = [process.communicate(timeout=250)[0] for process in both]

    codes = [process.returncode for process in both]
    assert 0 in codes, said
    assert all(
        code == 0 or "run the same command again" in text for code, text in zip(codes, said, strict=True)
    )
    last = start_autograde(on_server)
    assert last.communicate(timeout=250)[0]
    assert last.returncode == 0
    assert on_server.entries() == graded_once.entries()


@pytest.mark.slow
def test_two_directories_enter_into_one_server_at_once(
    server: postgresql.Server,
    fresh: Path,
    everything: Directory,
    tmp_path: Path,
    graded_once: Directory,
    work_of: Callable[[str], bytes],
) -> None:
    """Two graders, of whom each has half of the class, as on two machines."""
    url = server.database()
    environment = {**os.environ, GRADEBOOK_VARIABLE: url}
    directories = [OnServer(tmp_path / name, url=url) for name in ("one", "two")]
    for directory, names in zip(directories, (CLASS_OF_FIVE[:3], CLASS_OF_FIVE[3:]), strict=True):
        shutil.copytree(fresh, directory.path, ignore=shutil.ignore_patterns("gradebook.db"))
        shutil.copytree(everything.path / ".autograder", directory.path / ".autograder", dirs_exist_ok=True)
        for name in names:
            directory.hand_in(name, work_of(name))
    subprocess.run(
        [sys.executable, "-m", "nbgrader", "generate_assignment", ASSIGNMENT, "--force"],
        cwd=directories[0].path,
        env=environment,
        check=True,
        capture_output=True,
        timeout=120,
    )

    for process in [start_autograde(directory, environment) for directory in directories]:
        said, _ = process.communicate(timeout=250)
        assert process.returncode == 0, said

    assert directories[0].entries() == graded_once.entries()


@pytest.mark.slow
@pytest.mark.timeout(600)  # a dozen commands, of which each starts Python and nbgrader
def test_a_week(course_root: CourseRoot, url: str, tmp_path: Path, work_of: Callable[[str], bytes]) -> None:
    """Init, release, submit, collect, autograde, a score by hand, feedback, export: by command line."""
    exchange, folder, student = tmp_path / "exchange", tmp_path / "directory", tmp_path / "student"
    exchange.mkdir()
    exchange.chmod(0o777)
    student.mkdir()
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(tmp_path),
        "OMP_NUM_THREADS": "1",
        GRADEBOOK_VARIABLE: url,
    }

    def run(command: str, where: Path) -> None:
        done = subprocess.run(
            command.split(), cwd=where, env=environment, capture_output=True, text=True, timeout=280
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"

    run(f"autograder nbgrader init {folder} {ASSIGNMENT}", course_root.path)
    root = f"c.Exchange.root = {str(exchange)!r}\n"
    config = folder / CONFIG
    config.write_text(config.read_text() + root)
    (student / CONFIG).write_text(f"c = get_config()\n{root}c.CourseDirectory.course_id = {COURSE_ID!r}\n")
    run(f"nbgrader release_assignment {ASSIGNMENT}", folder)
    run(f"nbgrader fetch_assignment {ASSIGNMENT}", student)
    (student / ASSIGNMENT / f"{ASSIGNMENT}.ipynb").write_bytes(work_of(DALIA))
    run(f"nbgrader submit {ASSIGNMENT} --student dalia", student)
    run(f"nbgrader collect {ASSIGNMENT}", folder)
    run(f"autograder nbgrader autograde {ASSIGNMENT} --jobs 2 --seed 20", folder)
    directory = OnServer(folder, url=url)
    with directory.gradebook() as gradebook:
        gradebook.find_grade(f"check_{SOFTMAX}", ASSIGNMENT, ASSIGNMENT, "dalia").manual_score = 9
        gradebook.db.commit()
    run(f"nbgrader generate_feedback {ASSIGNMENT}", folder)
    run(f"nbgrader release_feedback {ASSIGNMENT}", folder)
    run("nbgrader export --to grades.csv", folder)
    run("autograder nbgrader export moodle.csv --to moodle", folder)
    run("nbgrader db upgrade", folder)

    score = directory.entries()["dalia"].score
    automatic = directory.entries()["dalia"].grades[SOFTMAX][0]
    assert automatic is not None
    assert score == pytest.approx(106.67 - automatic + 9, abs=0.01)
    assert f"{score}" in (folder / "grades.csv").read_text()
    assert "dalia" in (folder / "moodle.csv").read_text()
    assert len(list((exchange / COURSE_ID / "feedback").iterdir())) == 1
    assert not (folder / "gradebook.db").exists()


def cells_of(directory: Directory) -> dict[str, str]:
    """The assignment's cells, each with its source and points."""
    with directory.gradebook() as gradebook:
        notebook = gradebook.find_notebook(ASSIGNMENT, ASSIGNMENT)
        points = {cell.name: cell.max_score for cell in notebook.grade_cells}
        return {cell.name: f"{points.get(cell.name)}: {cell.source}" for cell in notebook.source_cells}


def start_autograde(directory: OnServer, environment: dict[str, str] | None = None) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "autograder.cli", "nbgrader", "autograde", ASSIGNMENT, "--seed", "20"],
        cwd=directory.path,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def graded(directory: OnServer) -> list[str]:
    """Who has points in the gradebook."""
    return [name for name, entry in directory.entries().items() if entry.score]


def pages_of_formgrader(directory: Directory, gradebook: str = "") -> Any:
    """What formgrader's pages are made from, without the rows' random ids. `gradebook`: its URL."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(GRADEBOOK_VARIABLE, gradebook)
        with nbgrader_in(directory.path) as nbgrader:
            api = NbGraderAPI(nbgrader.coursedir, parent=nbgrader)
            found: dict[str, Any] = {
                "assignments": api.get_assignments(),
                "notebooks": api.get_notebooks(ASSIGNMENT),
                "submissions": api.get_submissions(ASSIGNMENT),
                "notebook submissions": api.get_notebook_submissions(ASSIGNMENT, ASSIGNMENT),
                "students": api.get_students(),
            }
            for name in CLASS_OF_FIVE:
                found[f"submissions of {name}"] = api.get_student_submissions(name)
                found[f"notebooks of {name}"] = api.get_student_notebook_submissions(name, ASSIGNMENT)
    plain = json.loads(json.dumps(found), object_hook=_without_id)
    return {page: sorted(rows, key=str) for page, rows in plain.items()}  # nbgrader sorts some by id


def _without_id(record: dict[str, Any]) -> dict[str, Any]:
    return {
        key: round(value, 6) if isinstance(value, float) else value
        for key, value in record.items()
        if key not in ("id", "index")  # the place among the ids
    }
