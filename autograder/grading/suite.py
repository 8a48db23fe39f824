"""Hidden suites as pytest items: collected once, run for one submission after another.

pytest has no public way to keep a session open, except to live inside it: `with_suites` calls `body`
from the hook that runs the tests, with all that was collected.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import pytest
import torch
from _pytest.runner import runtestprotocol  # what pytest-rerunfailures uses, too; pinned by a test

from ..contract.student import Student
from ..errors import ContentError, Fault, StudentFailure
from ..testing import Draw
from ..testing.draw import seed_of
from ..testing.marks import TestMark

OURS = frozenset({"student", "draw"})  # the fixtures of `_Collected`
INI = Path(__file__).with_name("pytest.ini")
UNUSED = [
    "cacheprovider",
    "terminal",
    "logging",
    "unraisableexception",
    "threadexception",
    "doctest",
    "junitxml",
]


@dataclass
class Test:
    """One hidden test: one property of one exercise."""

    __test__ = False

    id: str
    exercise: str
    title: str
    mark: TestMark
    item: pytest.Function

    @property
    def kind(self) -> Literal["value", "rule"]:
        return self.mark.kind

    @cached_property
    def plain(self) -> bool:
        """Whether it needs nothing of pytest but our fixtures: no other, no parameter, mark or set-up."""
        more = hasattr(self.item, "callspec") or any(self.item.iter_markers())
        return not more and OURS.issuperset(self.item.fixturenames)


@dataclass
class Suite:
    """A module's hidden tests, by exercise, in the order of the file."""

    module: str
    plugin: _Collected  # hands a test its student and its draw
    tests: dict[str, list[Test]] = field(default_factory=dict)


@dataclass
class _Collected:
    """The pytest plugin: two fixtures, and the hook from which submissions are graded."""

    body: Callable[[dict[str, Suite]], Any]
    modules: Mapping[Path, str]
    student_: Student | None = None
    draw_: Draw | None = None
    problems: list[str] = field(default_factory=list)
    raised: BaseException | None = None
    outcome: BaseException | None = None

    @pytest.fixture
    def student(self) -> Student:
        assert self.student_ is not None
        return self.student_

    @pytest.fixture
    def draw(self) -> Draw:
        assert self.draw_ is not None
        return self.draw_

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self.problems.append(str(report.longrepr))

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_makereport(self, item: pytest.Item, call: pytest.CallInfo[None]) -> pytest.TestReport:
        """Keeps the exception itself and spares the rendering of tracebacks, which nobody may see."""
        if call.excinfo is not None and self.outcome is None:
            self.outcome = call.excinfo.value
        result: Literal["passed", "failed"] = "failed" if call.excinfo is not None else "passed"
        assert call.when != "collect"
        return pytest.TestReport(item.nodeid, item.location, {}, result, None, call.when)

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        if self.problems or session.testsfailed:
            return True
        try:
            self.body(self._suites(session.items))
        except BaseException as error:
            self.raised = error
        return True

    def _suites(self, items: Iterable[pytest.Item]) -> dict[str, Suite]:
        suites = {module: Suite(module, self) for module in self.modules.values()}
        for item in items:
            suite = suites[self.modules[item.path.resolve()]]
            assert isinstance(item, pytest.Function)  # what pytest makes of a test that is Python's
            function, exercise = item.obj, getattr(item.cls, "__exercise__", None)
            if exercise is None:
                raise ContentError(f"{item.nodeid}: a hidden test stands in a class marked with @exercise")
            title = " ".join((function.__doc__ or "").split())
            test = Test(f"{exercise}.{item.name}", exercise, title, function.__mark__, item)
            suite.tests.setdefault(exercise, []).append(test)
        return suites


def with_suites(paths: Mapping[str, Path], body: Callable[[dict[str, Suite]], Any]) -> None:
    """Collects the suites (module → file) and calls `body` with them.

    Raises ContentError if a suite cannot be collected, and whatever `body` raises.
    """
    for name in ("PYTEST_ADDOPTS", "PYTEST_PLUGINS"):
        os.environ.pop(name, None)
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    for path in paths.values():
        if not path.is_file():
            raise ContentError(f"{path}: there is no hidden suite; write it, or name another module")
    resolved = {path.resolve(): module for module, path in paths.items()}
    folder = os.path.commonpath([path.parent for path in resolved])
    for path in resolved:
        # Suites import `solutions`, which is in no distribution: it lies in the course of this suite. First,
        # because an editable install of another clone has one, too.
        if (root := str(path.parents[3])) not in sys.path:
            sys.path.insert(0, root)
    plugin = _Collected(body, resolved)
    options = [
        f"--config-file={INI}",
        f"--rootdir={folder}",
        f"--confcutdir={folder}",
        "--import-mode=importlib",
    ]
    quiet = [option for name in UNUSED for option in ("-p", f"no:{name}")]
    try:
        pytest.main([*options, *quiet, "--capture=no", *map(str, resolved)], plugins=[plugin])
    finally:
        # pytest would take the next file of this name for the one that it has imported.
        files = {*map(str, resolved)}
        for name, module in list(sys.modules.items()):
            if getattr(module, "__file__", None) in files:
                del sys.modules[name]
    if plugin.raised is not None:
        raise plugin.raised
    if plugin.problems:
        raise ContentError("the hidden suite cannot be collected:\n" + "\n".join(plugin.problems))


def run_test(
    suite: Suite, test: Test, student: Student, run_seed: int, device: torch.device
) -> BaseException | None:
    """Runs one test for one student: None if it passes, else what it raised."""
    plugin = suite.plugin
    draw = Draw(run_seed, test.id, device)
    try:
        student.reset(seed_of(0, f"worker {test.id}"))  # its's generators say nothing of what was drawn
    except (StudentFailure, Fault) as failure:  # where the reference stands in: that is asked for at once
        return failure
    if test.plain:  # as pytest would call it, without what pytest does around a call
        given = {"student": student, "draw": draw}
        try:
            getattr(test.item.cls(), test.item.originalname)(
                **{each: given[each] for each in test.item.fixturenames}
            )
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            return error
        return None
    plugin.student_, plugin.draw_, plugin.outcome = student, draw, None
    runtestprotocol(test.item, log=False)
    return plugin.outcome
