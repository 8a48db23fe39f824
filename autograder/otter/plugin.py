"""The plugin by which Otter takes its grades from the locked worker.

Grading happens before Otter starts anything of its own, so no process of a student's is alive by then: its
server for log records, which unpickles what it is sent, and the pickle of its results have no sender but us.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode
from otter.plugins import AbstractOtterPlugin
from pydantic import BaseModel, ValidationError

from ..adapters import FRONT_ENDS
from ..content.course_root import CourseRoot
from ..errors import Fault, UsageError
from ..gradescope.not_graded import attempt_of
from ..gradescope.settings import COURSE, Sandbox
from ..results import Result, Status
from ..run.rounds import seed_of_diagnosis, seed_of_submission
from ..run.run import Options, Progress, grade_found
from ..run.store import Store
from . import results as ours
from .handed_in import notebook_in, set_aside
from .test_files import PLUGIN

# What of Otter's would read a student's files here, and why that is refused.
_REFUSED = {
    "grade_from_log": "it unpickles what students write",
    "pdf": "it renders what students write beside the hidden suites",
    "token": "it renders what students write beside the hidden suites",
}


class Settings(BaseModel, extra="forbid"):
    """What otter_config.json says of the plugin. `course_root` counts from the zip's own folder."""

    module: str
    seed: int
    course_root: str = COURSE
    sandbox: Sandbox = "auto"


class GradeInWorker(AbstractOtterPlugin):
    """Grades the submission, has Otter run nothing of it, and gives Otter the result.

    What is not the student's fault is raised: Otter then ends without results, and gives no points.
    """

    def before_grading(self, config: Any) -> None:
        for name, why in _REFUSED.items():
            if getattr(config, name):
                raise UsageError(f"otter_config.json sets {name!r}, and {why}: take it out.")
        settings = _settings(self.plugin_config)
        notebook = Path(self.submission_path)
        self.root = CourseRoot(notebook.parent.parent / "source" / settings.course_root)
        self.module = self.root.module(settings.module)
        self.result = _grade(self.root, settings, set_aside(notebook))

    def before_execution(self, submission: Any) -> NotebookNode:
        return nbformat.v4.new_notebook()

    def after_grading(self, results: Any) -> None:
        if results.has_catastrophic_failure():
            raise Fault(f"Otter could not read its own results: {results.catastrophic_error!r}")
        results.results = ours.files_for_otter(self.result, self.module)
        results.set_output(ours.summary(self.result))
        results.set_plugin_data(PLUGIN, self.result.to_json())

    def generate_report(self) -> str:
        return ours.report(self.result)


def _settings(given: Any) -> Settings:
    try:
        return Settings.model_validate(given)
    except ValidationError as error:
        first = error.errors()[0]
        what = ".".join(map(str, first["loc"])) or "all of it"
        raise UsageError(f"otter_config.json, {PLUGIN}: {what}: {first['msg']}.") from None


def _grade(root: CourseRoot, settings: Settings, folder: Path) -> Result:
    """The result of what lies in `folder`, made by the ordinary run; raises Fault."""
    with tempfile.TemporaryDirectory(prefix="autograder-") as place:
        out, scratch = Path(place, "out"), Path(place, "scratch")
        found = notebook_in(folder, settings.module, scratch)
        options = Options(
            out,
            sandbox=settings.sandbox,
            seed=seed_of_submission(settings.seed, found.path, attempt_of(folder.parent)),
            diagnosis=seed_of_diagnosis(str(settings.seed)),
            views=False,
            front_ends=FRONT_ENDS,
        )
        run = grade_found(root, [found], options, Progress())
        for _, _, reason in run.faults:
            raise Fault(f"not graded, for no fault of the student's: {reason}")
        result = Store(out).read(found.student, settings.module)
    if result is None:
        raise Fault("not graded: the run left no result")
    if result.status is Status.NOT_GRADED:
        raise Fault(result.reason)
    return result
