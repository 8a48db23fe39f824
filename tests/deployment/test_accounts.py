"""An account of its own for each student's pod: what the exchange then knows, and what it keeps from others.

Each pod is a process under its own number, with only its own name in /etc/passwd, in the same exchange: as
docs/deployment/ has it, without containers.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from autograder.content.course_root import CourseRoot
from autograder.nbgrader.apps import CONFIG
from autograder.nbgrader.steps.accounts import account_of
from tests.deployment.files import IMAGES
from tests.nbgrader.conftest import work_of  # noqa: F401

pytestmark = pytest.mark.slow
COURSE, ASSIGNMENT, GRADER, USERS = "diffusion", "attention", 1000, 100


@dataclass(frozen=True)
class Pods:
    """`place` holds what pods mount: the exchange, homes, the course directory."""

    place: Path

    @property
    def exchange(self) -> Path:
        return self.place / "exchange"

    def run(self, name: str, number: int, role: str, *command: str) -> subprocess.CompletedProcess[str]:
        """A command in the pod of somebody, in their folder."""
        home = self.place / name
        accounts = self.place / f"{name}.passwd"
        accounts.write_text(f"{name}:x:{number}:{USERS}::{home}:/bin/sh\n")
        settings = self.place / role
        if not settings.exists():
            config = (IMAGES / role / CONFIG).read_text(encoding="utf-8")
            config = config.replace("/srv/nbgrader/exchange", str(self.exchange))
            settings.mkdir(mode=0o755)
            # There is no hub here to ask who is in the course.
            without_hub = "c.Authenticator.plugin_class = 'nbgrader.auth.NoAuthPlugin'\n"
            (settings / CONFIG).write_text(config + without_hub)
        return subprocess.run(
            [
                *("bwrap", "--bind", "/", "/", "--dev-bind", "/dev", "/dev"),
                *("--ro-bind", str(accounts), "/etc/passwd", "--chdir", str(home)),
                *("setpriv", f"--reuid={number}", f"--regid={USERS}", "--clear-groups", "--inh-caps=-all"),
                *command,
            ],
            env={
                "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
                "HOME": str(home),
                "JUPYTER_CONFIG_PATH": str(settings),
                "JUPYTERHUB_USER": name,
                "OMP_NUM_THREADS": "1",
            },
            capture_output=True,
            text=True,
            timeout=250,
        )

    def student(self, name: str, *command: str) -> subprocess.CompletedProcess[str]:
        home = self.place / name
        if not home.exists():
            home.mkdir(mode=0o700)
            os.chown(home, account_of(name), USERS)
        return self.run(name, account_of(name), "student", *command)

    def grader(self, *command: str) -> subprocess.CompletedProcess[str]:
        return self.run("grader", GRADER, "grading", *command)

    def hand_in(self, name: str, content: bytes, *options: str) -> subprocess.CompletedProcess[str]:
        assert succeeded(self.student(name, "nbgrader", "fetch_assignment", ASSIGNMENT, "--replace"))
        notebook = self.place / name / COURSE / ASSIGNMENT / f"{ASSIGNMENT}.ipynb"
        notebook.write_bytes(content)
        return self.student(name, "nbgrader", "submit", ASSIGNMENT, *options)


def succeeded(done: subprocess.CompletedProcess[str]) -> bool:
    assert done.returncode == 0, done.stdout + done.stderr
    return True


@pytest.fixture(scope="module")
def pods(course_root: CourseRoot) -> Iterator[Pods]:
    """The assignment is released; nobody has fetched it."""
    if os.geteuid() != 0 or not shutil.which("bwrap") or not shutil.which("setpriv"):
        pytest.skip("processes under other accounts can be started by root only, with bubblewrap and setpriv")
    place = Path(tempfile.mkdtemp(prefix="pods-", dir="/tmp"))  # pytest's own is closed to other accounts
    try:
        place.chmod(0o755)
        pods = Pods(place)
        pods.exchange.mkdir()
        pods.exchange.chmod(0o1777)
        course = place / "grader"
        made = subprocess.run(
            [sys.executable, "-m", "autograder.cli", "nbgrader", "init", str(course), ASSIGNMENT],
            cwd=course_root.path,
            capture_output=True,
            text=True,
            timeout=250,
        )
        assert succeeded(made)
        for path in [course, *course.rglob("*")]:
            os.chown(path, GRADER, USERS)
        course.chmod(0o700)
        assert succeeded(pods.grader("nbgrader", "release_assignment", ASSIGNMENT))
        yield pods
    finally:
        shutil.rmtree(place)


def test_an_exchange_among_pods(pods: Pods, work_of: Callable[[str], bytes]) -> None:  # noqa: F811
    assert succeeded(pods.hand_in("ada", work_of("Dalia")))
    forged = pods.hand_in("eve", work_of("Kwame"), "--student", "ada")  # later, and accepted
    assert succeeded(forged)
    collected = pods.grader("nbgrader", "collect", ASSIGNMENT)
    assert succeeded(collected)

    submitted = pods.place / "grader" / "submitted"
    assert [folder.name for folder in submitted.iterdir()] == ["ada"]
    assert (submitted / "ada" / ASSIGNMENT / f"{ASSIGNMENT}.ipynb").read_bytes() == work_of("Dalia")
    assert "cheating" not in collected.stdout + collected.stderr

    # Students see and spoil nothing of others. (nbgrader leaves the folder of a submission open to all, but
    # nobody except the grader can learn its name.)
    inbound = pods.exchange / COURSE / "inbound"
    for command in (
        ("ls", str(inbound)),
        ("rmdir", str(inbound)),
        ("mv", str(pods.exchange / COURSE), str(pods.exchange / "gone")),
        ("ls", str(pods.place / "ada")),
        ("ls", str(pods.place / "grader")),
    ):
        refused = pods.student("eve", *command)
        assert refused.returncode != 0, command
        assert "denied" in refused.stderr or "not permitted" in refused.stderr, refused.stderr
