"""Grading at submission: students hand in through a real exchange, and fetch what they may see."""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import datetime

import pytest
from typer.testing import CliRunner

from autograder.cli import app
from autograder.content.course_root import CourseRoot
from autograder.errors import UsageError
from autograder.handout.leaks import find_leaks
from autograder.nbgrader import round as rounds
from autograder.nbgrader.watch import Watched, watch_once
from autograder.results import Result
from autograder.run.store import Store
from tests.nbgrader.classroom import ADA, OSCAR, Classroom
from tests.nbgrader.directory import ASSIGNMENT, secrets_of
from tests.nbgrader.test_faults import BrokenPool
from tests.reports.markup import read

WATCH = [sys.executable, "-m", "autograder.cli", "nbgrader", "watch", ASSIGNMENT, "--jobs", "2"]
Work = Callable[[str], bytes]


# --- What a student sees ----------------------------------------------------------------------------------


def test_a_student_fetches_what_the_public_checks_say(room: Classroom) -> None:
    assert room.offered(ADA) == [True]
    (page,) = room.fetch(ADA)

    text = read(page).text
    assert "4 of 6 exercises hold all public checks, 2 not right yet; the quiz: answered." in text
    assert "✗ Scores as large as 10,000 do not overflow." in text
    assert "✓ The shares add up to 1 along `dim`, whichever dimension that is." in text
    assert "UTC, and read." in text
    assert "points from the automatic tests" not in text


def test_nothing_hidden_is_on_it(room: Classroom, course_root: CourseRoot) -> None:
    (page,) = room.fetch(ADA)
    (result,) = (one for one in Store(room.results).results() if one.student == ADA)
    titles = [test.title for exercise in result.exercises for test in exercise.tests]
    mistakes = [
        text for exercise in result.exercises for m in exercise.mistakes for text in (m.title, m.hint)
    ]
    assert len(titles) > 20
    assert mistakes

    text = read(page).text
    assert [one for one in titles + mistakes if " ".join(one.split()) in text] == []
    assert find_leaks([("page.html", page.encode())], secrets_of(course_root)) == []
    assert f"{result.points:g}" not in text


def test_a_file_that_cannot_be_read_costs_nobody_else_anything(room: Classroom) -> None:
    (page,) = room.fetch(OSCAR)

    assert "Your notebook could not be checked" in page
    assert "not a notebook" in page or "no notebook" in page or "JSON" in page
    entries = room.course.entries()
    assert entries[OSCAR].needs_manual_grade
    assert not entries[ADA].needs_manual_grade
    assert entries[ADA].score == pytest.approx(106.67, abs=0.01)


@pytest.mark.usefixtures("no_pool")
def test_a_round_with_nothing_new_does_nothing(room: Classroom) -> None:
    before = room.course.entries(), room.published()

    assert room.round_and_whether_clean() == ([], True)

    assert (room.course.entries(), room.published()) == before


@pytest.mark.slow
def test_a_later_submission_gets_a_page_of_its_own(room: Classroom, work_of: Work) -> None:
    room.submit(ADA, work_of("Kwame"))

    assert room.offered(ADA) == [True, False]
    room.round()

    assert room.offered(ADA) == [True, True]
    first, second = room.fetch(ADA)
    assert "4 of 6 exercises hold all public checks" in first
    assert "0 of 6 exercises hold all public checks, 6 still to be written" in second
    assert room.course.entries()[ADA].score == 0


@pytest.mark.usefixtures("no_pool")
def test_the_same_notebook_handed_in_again_is_shown_again(room: Classroom, work_of: Work) -> None:
    """Nothing is to be graded; but the student looks for feedback on the new submission."""
    room.submit(ADA, work_of("Dalia"))

    said = room.round()

    assert said[-1] == f"{ASSIGNMENT}  {ADA}  public result shown"
    assert room.offered(ADA) == [True, True]
    assert "4 of 6 exercises hold" in room.fetch(ADA)[1]


@pytest.mark.slow
def test_what_is_collected_meanwhile_is_not_shown_an_older_result(
    room: Classroom, work_of: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    room.submit(ADA, work_of("Kwame"))
    enter = rounds.enter

    def enter_late(*arguments: object) -> object:
        entered = list(enter(*arguments))  # type: ignore[arg-type]
        room.submit(ADA, work_of("Dalia"))
        collect(room)
        return entered

    with monkeypatch.context() as patch:
        patch.setattr(rounds, "enter", enter_late)
        said, clean = room.round_and_whether_clean()

    assert not clean
    assert "the next round takes it up" in said[-1]
    assert room.offered(ADA) == [True, False, False]
    assert room.round()[-1] == f"{ASSIGNMENT}  {ADA}  public result shown"
    assert room.offered(ADA) == [True, False, True]
    assert "4 of 6 exercises hold all public checks" in room.fetch(ADA)[-1]


def collect(room: Classroom) -> None:
    from autograder.nbgrader.apps import nbgrader_in
    from autograder.nbgrader.collect import collect_new

    with nbgrader_in(room.course.path) as nbgrader:
        assert collect_new(nbgrader, ASSIGNMENT).new == [ADA]


# --- More than the public checks --------------------------------------------------------------------------


@pytest.mark.usefixtures("no_pool")
def test_points_are_shown_if_the_configuration_says_so(room: Classroom) -> None:
    config = room.course.path / "nbgrader_config.py"
    config.write_text(config.read_text() + 'c.AutograderCourse.show = "points"\n')

    assert room.round() == [f"{ASSIGNMENT}  {ADA}  public result and points shown",
                            f"{ASSIGNMENT}  {OSCAR}  public result and points shown"]  # fmt: skip

    text = read(room.fetch(ADA)[0]).text
    assert "106.67 of 110 points from the automatic tests" in text
    assert "6.67 of 10" in text
    assert room.round() == []


@pytest.mark.slow
@pytest.mark.usefixtures("no_pool")
def test_a_regrade_renews_the_points(room: Classroom) -> None:
    room.round("points")
    before = room.published()
    store = Store(room.results)
    (result,) = (one for one in store.results() if one.student == ADA)
    regraded = result.model_copy(update={"points": 110.0})
    assert store.write(Result.model_validate(regraded.model_dump(by_alias=True)))

    assert room.round("points") == [f"{ASSIGNMENT}  {ADA}  public result and points shown"]

    assert room.published().keys() == before.keys()


@pytest.mark.usefixtures("no_pool")
def test_all_of_the_feedback_is_released_if_asked_for(room: Classroom) -> None:
    assert f"{ASSIGNMENT}  {ADA}  feedback released" in room.round("full")

    (page,) = room.fetch(ADA)
    assert "no maximum subtracted" in page
    assert room.round("full") == []


@pytest.mark.slow
@pytest.mark.usefixtures("no_pool")
def test_released_feedback_is_left_as_it_is(room: Classroom) -> None:
    room.release_feedback(ADA)
    released = room.published()

    said = room.round("points")

    assert f"{ASSIGNMENT}  {ADA}  released feedback is left as it is" in said
    (page,) = room.fetch(ADA)
    assert "no maximum subtracted" in page
    assert page.encode() in released.values()


# --- What the gradebook has -------------------------------------------------------------------------------


@pytest.mark.usefixtures("no_pool")
def test_scores_by_hand_and_late_penalties_are_nbgraders(room: Classroom, work_of: Work) -> None:
    config = room.course.path / "nbgrader_config.py"
    config.write_text(config.read_text() + 'c.LateSubmissionPlugin.penalty_method = "zero"\n')
    with room.course.gradebook() as gradebook:
        gradebook.update_or_create_assignment(ASSIGNMENT, duedate=datetime(2001, 1, 1))
        grade = gradebook.find_grade("check_stable_softmax", ASSIGNMENT, ASSIGNMENT, ADA)
        grade.manual_score, grade.needs_manual_grade = 7.5, False
        gradebook.db.commit()
    room.submit(ADA, work_of("Dalia"))

    room.round()

    entry = room.course.entries()[ADA]
    assert entry.grades["stable_softmax"] == (pytest.approx(6.67, abs=0.01), 7.5, True)
    assert entry.late_penalty == pytest.approx(entry.score) == pytest.approx(107.5, abs=0.01)


@pytest.mark.usefixtures("no_pool")
def test_what_came_by_another_way_is_graded_and_shown_to_nobody(room: Classroom, work_of: Work) -> None:
    before = room.published()
    room.course.hand_in(ADA, work_of("Dalia"))
    (room.course.submitted(ADA) / "submission_secret.txt").unlink()

    said = room.round()

    assert said == [f"{ASSIGNMENT}  {ADA}  shown nothing, since it was not handed in through the exchange"]
    assert room.published() == before


# --- Faults -----------------------------------------------------------------------------------------------


def test_after_a_fault_nothing_is_written(
    room: Classroom, work_of: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    room.submit(ADA, work_of("Kwame"))
    before = room.course.entries(), room.published()
    monkeypatch.setattr("autograder.run.run.Pool", BrokenPool)

    said, clean = room.round_and_whether_clean()

    assert not clean
    assert said[-1] == f"{ASSIGNMENT}  {ADA}  not graded, for no fault of the student's: the disk is full"
    assert (room.course.entries(), room.published()) == before
    assert room.offered(ADA) == [True, False]


@pytest.mark.slow
def test_the_next_round_tries_again(room: Classroom, work_of: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    room.submit(ADA, work_of("Kwame"))
    with monkeypatch.context() as patch:
        patch.setattr("autograder.run.run.Pool", BrokenPool)
        room.round()

    assert room.round_and_whether_clean()[1]

    assert room.offered(ADA) == [True, True]
    assert room.course.entries()[ADA].score == 0


@pytest.mark.slow
@pytest.mark.usefixtures("no_pool")
def test_one_whom_nbgrader_cannot_enter_stops_nobody(
    room: Classroom, work_of: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    enter = rounds.enter

    def enter_all_but_ada(app: object, collected: object) -> object:
        if ADA in collected.results:  # type: ignore[attr-defined]
            raise SystemExit(1)
        return enter(app, collected)  # type: ignore[arg-type]

    monkeypatch.setattr(rounds, "enter", enter_all_but_ada)
    room.submit(ADA, work_of("Dalia"))
    room.submit(OSCAR, b"{")

    said, clean = room.round_and_whether_clean()

    assert not clean
    assert f"{ASSIGNMENT}  {ADA}  not entered into the gradebook: SystemExit: 1" in said
    assert said[-1] == f"{ASSIGNMENT}  {OSCAR}  public result shown"
    assert (room.offered(ADA), room.offered(OSCAR)) == ([True, False], [True, True])


@pytest.mark.usefixtures("no_pool")
def test_where_the_exchange_is_gone_it_is_said(room: Classroom) -> None:
    room.exchange.rename(room.base / "elsewhere")

    said, clean = room.round_and_whether_clean()

    assert not clean
    assert said[0].startswith(
        f"{ASSIGNMENT}  nothing can be collected for '{ASSIGNMENT}': Unwritable directory"
    )


def test_an_assignment_that_there_is_not_is_a_wrong_command(room: Classroom) -> None:
    with pytest.raises(UsageError, match="generate_assignment noise"):
        watch_once(Watched(room.course.path, ["noise"]), print)


@pytest.mark.usefixtures("no_pool")
def test_once_says_by_its_exit_code_whether_all_was_done(room: Classroom) -> None:
    arguments = ["nbgrader", "watch", ASSIGNMENT, "--once", "--course-dir", str(room.course.path)]

    assert CliRunner().invoke(app, arguments).exit_code == 0

    (room.inbound / f"eve+{ASSIGNMENT}+yesterday+abc").mkdir()
    said = CliRunner().invoke(app, arguments)
    assert said.exit_code == 3
    assert "eve  not collected" in said.stdout
    assert "has no date in its name" in said.stdout
