"""What `autograder` and `course` have in common: a version, completion in the shell, a count of cores."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def run(
    module: str,
    *arguments: str,
    first: Callable[[], None] | None = None,
    environment: Mapping[str, str] = os.environ,
) -> str:
    """What `python -m MODULE ARGUMENTS` prints; `first` is called in its process before that."""
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments],
        capture_output=True,
        check=True,
        encoding="utf-8",
        env={**environment, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8", "COLUMNS": "120"},
        preexec_fn=first,
        timeout=120,
    )
    return done.stdout


@pytest.mark.parametrize(
    ("module", "distribution"),
    [("course", "diffusion-course"), ("autograder", "diffusion-course-autograder")],
)
def test_the_version_is_the_distributions(module: str, distribution: str) -> None:
    assert run(module, "--version") == f"{module} {version(distribution)}\n"


@pytest.mark.parametrize(
    ("module", "begun", "whole"), [("course", "pro", "progress"), ("autograder", "gra", "grade")]
)
def test_the_shell_completes_a_command(module: str, begun: str, whole: str) -> None:
    asked = {
        f"_{module.upper()}_COMPLETE": "complete_bash",
        "COMP_WORDS": f"{module} {begun}",
        "COMP_CWORD": "1",
    }
    assert whole in run(module, environment={**os.environ, **asked}).split()


@pytest.mark.skipif(
    not hasattr(os, "sched_setaffinity"), reason="this system does not bind processes to cores"
)
@pytest.mark.parametrize(
    "command", [("grade",), ("verify",), ("nbgrader", "autograde"), ("nbgrader", "watch")]
)
def test_jobs_are_as_many_as_the_cores_that_may_be_used(command: tuple[str, ...]) -> None:
    one = min(os.sched_getaffinity(0))

    said = run("autograder", *command, "--help", first=lambda: os.sched_setaffinity(0, {one}))

    (jobs,) = (line for line in said.splitlines() if "--jobs" in line)
    assert "default: 1" in jobs


@pytest.mark.parametrize("terminal", [{}, {"FORCE_COLOR": "1"}], ids=["file", "terminal"])
def test_what_is_printed_is_no_markup_a_students_name_least_of_all(terminal: dict[str, str]) -> None:
    code = "from autograder.console import err, out; out.print('[red]Ada[/red]'); err.print('[b]Ben[/b]')"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env={**os.environ, **terminal}
    )
    assert (done.stdout, done.stderr) == ("[red]Ada[/red]\n", "[b]Ben[/b]\n")
