"""Says at the end where the CPU time went: by folder of tests, and by module of the course."""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

MODULES = frozenset(
    path.parent.name for path in Path(__file__).parents[1].glob("course/modules/*/module.yaml")
)


class WhereTimeWent:
    """A plugin of pytest's, in each process that runs tests and in the one that reports."""

    def __init__(self) -> None:
        self._last = _now()
        self.folders = defaultdict[str, float](float)
        self.modules = defaultdict[str, float](float)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self) -> Any:
        report = yield
        began, self._last = self._last, _now()
        report.cpu = self._last - began  # also what was done for the test before it: fixtures, imports
        return report

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        folder, module = where(report.nodeid)
        spent = getattr(report, "cpu", 0.0)
        self.folders[folder] += spent
        if module:
            self.modules[module] += spent

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if len(self.folders) > 1:  # not for somebody who runs one file
            terminalreporter.write_line(f"CPU seconds: {listed(self.folders)}")
            if self.modules:
                terminalreporter.write_line(f"of these in tests of one module: {listed(self.modules)}")


def where(nodeid: str) -> tuple[str, str]:
    """The folder of tests, and the module of the course that the test names, if it names one."""
    file, _, test = nodeid.removeprefix("tests/").partition("::")
    named = [word for word in re.split(r"[^a-z0-9_]+", f"{file} {test}") if word in MODULES]
    return file.partition("/")[0], named[0] if named else ""


def listed(spent: Mapping[str, float]) -> str:
    most = sorted(spent.items(), key=lambda each: -each[1])
    return ", ".join(f"{name} {seconds:.0f}" for name, seconds in most)


def _now() -> float:
    """Seconds of CPU of this process and of those that it has waited for."""
    return sum(os.times()[:4])
