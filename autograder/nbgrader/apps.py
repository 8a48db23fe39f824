"""nbgrader as nbgrader's own commands set it up: the configuration read, converters run in this process."""

from __future__ import annotations

import logging
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nbgrader.apps.baseapp import NbGrader
from nbgrader.coursedir import CourseDirectory
from sqlalchemy.exc import OperationalError, SAWarning

from ..errors import UsageError
from .gradebook import is_reachable, unusable

CONFIG = "nbgrader_config.py"


@contextmanager
def nbgrader_in(folder: Path, log_level: int = logging.ERROR) -> Iterator[NbGrader]:
    """nbgrader with the configuration of this course directory.

    Raises UsageError for a folder that is none, Fault where the gradebook's server does not answer. The
    current folder is the course directory for as long as the context lasts, so that no other
    nbgrader_config.py is read along with its own.
    """
    folder = folder.resolve()
    if not (folder / CONFIG).is_file():
        raise UsageError(
            f"{folder} is no course directory (it has no {CONFIG}): go into one, name one with --course-dir, "
            "or make one with `autograder nbgrader init`."
        )
    before, path = os.getcwd(), os.environ.get("PATH", "")
    os.chdir(folder)
    # nbgrader starts `alembic` by its name, which is found only where the environment is activated.
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), path])
    app = NbGrader()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SAWarning)  # nbgrader 0.9 was written for an older SQLAlchemy
            app.initialize([f"--Application.log_level={log_level}"], root=str(folder))
            is_reachable(app.coursedir.db_url)
            yield app
    except OperationalError as error:
        raise unusable(app.coursedir.db_url, error) from None
    finally:
        os.chdir(before)
        os.environ["PATH"] = path
        app.reset()


@contextmanager
def pointed_at(coursedir: CourseDirectory, **place: str) -> Iterator[None]:
    """nbgrader's converters and exchange take from the course directory what they are to work on.

    `assignment_id`, `student_id` and the like are what they were before once the context is left.
    """
    before = {name: getattr(coursedir, name) for name in place}
    try:
        for name, value in place.items():
            setattr(coursedir, name, value)
        yield
    finally:
        for name, value in before.items():
            setattr(coursedir, name, value)
