"""Collecting what is new in the exchange, for our commands."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from nbgrader.apps.baseapp import NbGrader
from nbgrader.auth import Authenticator
from nbgrader.exchange import ExchangeError, ExchangeFactory

from ..errors import Fault
from .steps.collect_owned import Collection


def collect_new(app: NbGrader, assignment: str) -> Collection:
    """What `nbgrader collect --update` does; raises Fault where there is no exchange to collect from."""
    coursedir = app.coursedir
    factory = ExchangeFactory(parent=app)
    collect = factory.Collect(coursedir=coursedir, authenticator=Authenticator(parent=app), parent=app)
    collect.update = True
    coursedir.assignment_id = assignment
    try:
        with _silent(app.log):  # what is to be said is in the collection
            collect.start()
    except (ExchangeError, OSError) as error:
        raise Fault(f"nothing can be collected for {assignment!r}: {error}") from None
    finally:
        coursedir.assignment_id = ""
    return getattr(collect, "collection", Collection())


@contextmanager
def _silent(log: logging.Logger) -> Iterator[None]:
    before = log.level
    log.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        log.setLevel(before)
