"""The course in a hub: course directory, exchange, and assignments that students can fetch at once."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence

from nbgrader.api import Gradebook
from nbgrader.apps.api import NbGraderAPI
from nbgrader.apps.baseapp import NbGrader

from ..atomic import write_atomically
from ..content.course_root import CourseRoot
from ..errors import Fault
from ..nbgrader.apps import CONFIG, nbgrader_in
from ..nbgrader.course import init, update
from .folder import Hub

# Appended to what `autograder nbgrader init` writes, so that commands typed in the course directory and the
# formgrader use the hub's exchange.
EXCHANGE = """
# The hub's exchange (written by `autograder hub up`).
c.Exchange.root = os.path.join(os.path.dirname(c.CourseDirectory.root), "exchange")
"""


def prepare(root: CourseRoot, hub: Hub, modules: Sequence[str]) -> Iterator[str]:
    """Makes what is missing, and says what was done. What is there is left as it is.

    Modules that are already assignments are neither updated nor released anew: that is for the instructor.
    """
    hub.exchange.mkdir(exist_ok=True)
    hub.exchange.chmod(0o777)  # what nbgrader asks for; the hub's own folder lets nobody else in
    hub.homes.mkdir(exist_ok=True)
    if not hub.course.exists():
        _make(root, hub, modules)
        yield f"made the course directory {hub.course}"
    new = [module for module in modules if not (hub.course / "source" / module).exists()]
    if new:
        for change in update(hub.course, new):
            yield f"{change.module}: {change.said}"
    with nbgrader_in(hub.course) as app:
        _enrol(app, hub)
        for module in modules:
            if not hub.released(module).exists():
                _release(app, module)
                yield f"released {module}"


def _make(root: CourseRoot, hub: Hub, modules: Sequence[str]) -> None:
    """Beside its place and then moved there: a start that was interrupted is begun anew."""
    beside = hub.path / ".course"
    if beside.exists():
        shutil.rmtree(beside)
    init(root, beside, list(modules), hub.people.course_id)
    config = beside / CONFIG
    write_atomically(config, config.read_text(encoding="utf-8") + EXCHANGE)
    beside.rename(hub.course)


def _enrol(app: NbGrader, hub: Hub) -> None:
    with Gradebook(app.coursedir.db_url, app.coursedir.course_id) as gradebook:
        known = {student.id for student in gradebook.students}
        for name in hub.people.students:
            if name not in known:
                gradebook.add_student(name, first_name=name.capitalize(), last_name="Student")


def _release(app: NbGrader, module: str) -> None:
    done = NbGraderAPI(app.coursedir, parent=app).release_assignment(module)
    if not done["success"]:
        said = str(done.get("error") or done.get("log") or "").strip().splitlines()
        raise Fault(f"nbgrader could not release {module!r}: {said[-1] if said else 'it does not say why'}")


def default_modules(hub: Hub) -> list[str]:
    """What a hub offers where no module is named: what it has, and at first the course's first module."""
    return sorted(place.name for place in hub.course.glob("source/*/")) or ["attention"]
