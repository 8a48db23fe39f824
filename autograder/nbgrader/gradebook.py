"""A gradebook on a database server: whether it can be used, and whether it is this course's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, create_engine, inspect, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, OperationalError

from ..errors import Fault, UsageError


def is_reachable(url: str) -> None:
    """Raises Fault where the server does not answer, UsageError for what is no address of one.

    A gradebook in a file is made when it is needed.
    """
    if not url.startswith(("sqlite:", "sqlite+")):
        with _connected(url):
            pass


def is_free_for(url: str, course_id: str) -> None:
    """Raises UsageError for a database in which another course has assignments.

    nbgrader finds an assignment by its name, whatever its course: two courses in one database take each
    other's.
    """
    with _connected(url) as connection:
        if not inspect(connection).has_table("assignment"):
            return
        query = text("SELECT course_id, name FROM assignment WHERE course_id <> :id ORDER BY name LIMIT 1")
        other = connection.execute(query, {"id": course_id}).first()
    if other:
        raise UsageError(
            f"The gradebook {shown(url)} is of the course {other.course_id!r} (assignment {other.name!r}): "
            "give each course a database of its own."
        )


def unusable(url: str, error: OperationalError) -> Fault:
    """What to say of a server that does not answer."""
    reason = " ".join(str(error.orig).split())
    return Fault(
        f"The gradebook {shown(url)} cannot be used; mend that and run the same command again: {reason}"
    )


def shown(url: str) -> str:
    """The address without the password."""
    return make_url(url).render_as_string(hide_password=True)


@contextmanager
def _connected(url: str) -> Iterator[Connection]:
    try:
        engine = create_engine(url)
    except (ArgumentError, NoSuchModuleError):
        raise UsageError(
            "The gradebook's db_url is no address of a database: write "
            "postgresql+psycopg://USER@HOST/DATABASE, or leave it out for gradebook.db."
        ) from None
    except ModuleNotFoundError as error:
        raise UsageError(
            f"The gradebook's driver {error.name} is not installed here: "
            'python -m pip install "diffusion-course-autograder[nbgrader,postgresql]".'
        ) from None
    try:
        with engine.connect() as connection:
            yield connection
    except OperationalError as error:
        raise unusable(url, error) from None
    finally:
        engine.dispose()
