"""Collecting what is new in the exchange, for our commands."""

from __future__ import annotations

import logging

from nbgrader.apps.baseapp import NbGrader
from nbgrader.auth import Authenticator
from nbgrader.exchange import ExchangeError, ExchangeFactory

from ..errors import Fault
from .apps import pointed_at
from .steps.collect_owned import Collection


def collect_new(app: NbGrader, assignment: str) -> Collection:
    """What `nbgrader collect --update` does; raises Fault where there is no exchange to collect from."""
    coursedir = app.coursedir
    factory = ExchangeFactory(parent=app)
    collect = factory.Collect(coursedir=coursedir, authenticator=Authenticator(parent=app), parent=app)
    collect.update = True
    collect.log = logging.Logger("silent", logging.CRITICAL + 1)  # what is to be said is in the collection
    try:
        with pointed_at(coursedir, assignment_id=assignment):
            collect.start()
    except (ExchangeError, OSError) as error:
        raise Fault(f"nothing can be collected for {assignment!r}: {error}") from None
    return getattr(collect, "collection", Collection())
