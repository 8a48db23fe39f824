"""Puts what a student may see of a submission where they find it: into the exchange, as feedback.

nbgrader names a submission's feedback after the secret that came with it, so that a result can never be shown
for another submission, nor to another student.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from nbgrader.api import Gradebook
from nbgrader.apps.baseapp import NbGrader
from nbgrader.auth import Authenticator
from nbgrader.converters import GenerateFeedback
from nbgrader.converters.base import NbGraderException
from nbgrader.coursedir import CourseDirectory
from nbgrader.exchange import ExchangeError, ExchangeFactory

from ..atomic import write_atomically
from ..errors import Fault
from ..examined import Examined
from ..reports.public import Points, public_html
from ..results import Result, Status
from .apps import pointed_at
from .gradings import Gradings
from .settings import FOLDER
from .steps.collect_owned import date_of
from .steps.release_feedback import ReleaseFeedback, ReleasePublicResult
from .steps.restore_cells import CHECK

PUBLIC = f"{FOLDER}/public"  # in the course directory, laid out as nbgrader's feedback/ is
SECRET = "submission_secret.txt"


@dataclass(frozen=True)
class Submission:
    """What makes a submission this one and no other."""

    secret: str  # empty where it did not come through the exchange
    handed_in: datetime | None
    files: tuple[tuple[int, int] | None, ...]  # of its notebooks: size, time


def look_at(folder: Path, notebooks: Sequence[str]) -> Submission:
    """The submission that lies in this folder; raises OSError, or ValueError for a secret that is no text."""
    secret = folder / SECRET
    return Submission(
        secret.read_text(encoding="utf-8") if secret.is_file() else "",
        date_of(folder),
        tuple(_file(folder / f"{name}.ipynb") for name in notebooks),
    )


def publish_public(
    app: NbGrader,
    gradings: Gradings,
    assignment: str,
    submission: Submission,
    results: Sequence[Result],
    *,
    points: bool,
) -> bool:
    """Shows what the public checks say; False where an instructor's feedback is there already.

    Raises Fault where the checks have not been run, or the page did not arrive.
    """
    coursedir: CourseDirectory = app.coursedir
    student = results[0].student
    pages = {}
    for result in results:
        examined = gradings.examined(result) or _unexamined(result)
        if examined is None:
            raise Fault("the public checks have not been run")
        given = _points(coursedir, student, assignment, result.module) if points else None
        module = gradings.root.module(result.module)
        pages[result.module] = public_html(examined, module, submission.handed_in, given)
    usual = date_of(coursedir.format_path(coursedir.feedback_directory, student, assignment))
    with pointed_at(coursedir, assignment_id=assignment, student_id=student, feedback_directory=PUBLIC):
        folder = Path(coursedir.format_path(PUBLIC, student, assignment))
        for name, page in pages.items():
            write_atomically(folder / f"{name}.html", page)
        write_atomically(folder / SECRET, submission.secret)
        write_atomically(folder / "timestamp.txt", str(submission.handed_in or ""))
        generated = usual is not None and usual == submission.handed_in
        return not _release(app, submission, list(pages), public=True, generated=generated)


def publish_feedback(
    app: NbGrader, assignment: str, student: str, submission: Submission, notebooks: Sequence[str]
) -> bool:
    """Generates and releases nbgrader's own feedback; False where this submission's was generated before.

    Raises Fault where nbgrader cannot.
    """
    coursedir: CourseDirectory = app.coursedir
    with pointed_at(coursedir, assignment_id=assignment, student_id=student):
        folder = Path(coursedir.format_path(coursedir.feedback_directory, student, assignment))
        graded = Path(coursedir.format_path(coursedir.autograded_directory, student, assignment))
        if (graded / SECRET).read_text(encoding="utf-8") != submission.secret:
            raise Fault("what was graded is another submission")
        new = submission.handed_in is None or date_of(folder) != submission.handed_in
        if new:
            generate = GenerateFeedback(coursedir=coursedir, parent=app)
            generate.force = True
            try:
                generate.start()
            except (NbGraderException, SystemExit):
                raise Fault("nbgrader could not generate the feedback; its message is above") from None
        _release(app, submission, notebooks, public=False)
        return new


def _release(
    app: NbGrader, submission: Submission, notebooks: Sequence[str], *, public: bool, generated: bool = False
) -> bool:
    """Runs the exchange's own release; whether it gave way to feedback that was there.

    `generated`: an instructor has generated feedback for this submission.
    """
    coursedir: CourseDirectory = app.coursedir
    factory = ExchangeFactory(parent=app)
    kind = factory.release_feedback
    if public and issubclass(kind, ReleaseFeedback):
        kind = ReleasePublicResult
    elif public and generated:
        return True  # an exchange of another kind cannot be asked whether it has been released
    release = kind(coursedir=coursedir, authenticator=Authenticator(parent=app), parent=app)
    try:
        release.start()
    except (ExchangeError, OSError) as error:
        raise Fault(f"the exchange did not take it: {error}") from None
    if isinstance(release, ReleaseFeedback):
        for name in notebooks:
            if not release.place(submission.secret, name).is_file():
                raise Fault("it did not arrive in the exchange")
    return getattr(release, "gave_way", False)


def _unexamined(result: Result) -> Examined | None:
    """For a submission without a file that checks could be run on: the reason is all there is to say."""
    if result.status is Status.GRADED:
        return None
    return Examined(student=result.student, module=result.module, key=result.key, reason=result.reason)


def _points(coursedir: CourseDirectory, student: str, assignment: str, notebook: str) -> dict[str, Points]:
    """What the hidden tests gave, by exercise and on the assignment's own scale; not what a person gave."""
    with Gradebook(coursedir.db_url, coursedir.course_id) as gradebook:
        grades = gradebook.find_submission_notebook(notebook, assignment, student).grades
        return {
            grade.name.removeprefix(CHECK): (float(grade.auto_score), float(grade.max_score))
            for grade in grades
            if grade.auto_score is not None
        }


def _file(path: Path) -> tuple[int, int] | None:
    try:
        status = path.lstat()
    except FileNotFoundError:
        return None
    return status.st_size, status.st_mtime_ns
