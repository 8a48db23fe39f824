"""constraints.txt serves every Python that the course promises; `make pins` resolves it for two of them."""

import tomllib
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from autograder.content.course_root import CourseRoot

ROOT = CourseRoot.find(Path(__file__)).path
PROJECTS = [
    tomllib.loads((ROOT / folder / "pyproject.toml").read_text())["project"] for folder in (".", "autograder")
]
PROMISED = SpecifierSet(PROJECTS[0]["requires-python"])
# The first release of each, and Debian 12's.
PYTHONS = list(PROMISED.filter(["3.11.2", *(f"3.{minor}.0" for minor in range(8, 30))]))


def pins() -> Iterator[Requirement]:
    for line in (ROOT / "constraints.txt").read_text().splitlines():
        if not line.startswith("#"):
            yield Requirement(line)


def refused(pin: Requirement) -> list[str]:
    """The Pythons that the pinned version does not take, as far as the one that is installed here says so."""
    try:
        installed = distribution(pin.name)
    except PackageNotFoundError:
        return []
    if not pin.specifier.contains(installed.version):
        return []
    takes = SpecifierSet(installed.metadata["Requires-Python"] or "")
    meant = [
        python
        for python in PYTHONS
        if pin.marker is None
        or pin.marker.evaluate({"python_full_version": python, "python_version": python.rpartition(".")[0]})
    ]
    return [python for python in meant if not takes.contains(python)]


def test_every_pin_serves_every_python_that_is_promised() -> None:
    assert [
        f"{pin} does not take Python {', '.join(pythons)}: pin one that does, or one more by a marker"
        for pin in pins()
        if (pythons := refused(pin))
    ] == []


def test_a_pin_that_leaves_one_out_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    (ipython,) = (pin for pin in pins() if pin.name == "ipython")
    monkeypatch.setattr("tests.release.test_pins.PYTHONS", ["3.9.0", "3.13.0"])

    assert refused(ipython) == ["3.9.0"]
    assert refused(Requirement(f"{ipython}; python_version > '3.9'")) == []


def test_both_distributions_and_the_readme_promise_the_same_pythons() -> None:
    first, last = PYTHONS[1].removesuffix(".0"), PYTHONS[-1].removesuffix(".0")
    for project in PROJECTS:
        assert SpecifierSet(project["requires-python"]) == PROMISED
        listed = [line.rpartition(" ")[2] for line in project["classifiers"] if "Python :: 3." in line]
        assert listed == [python.removesuffix(".0") for python in PYTHONS[1:]]
    assert f"Python {first} to {last}" in (ROOT / "README.md").read_text()
