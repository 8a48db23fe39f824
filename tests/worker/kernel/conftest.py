"""Locked workers to try things in: `locked(code)` runs code in a fresh one and says how it ended."""

from __future__ import annotations

import json
import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from autograder.worker.kernel import landlock

REPOSITORY = Path(__file__).resolve().parents[3]
HOST = Path(__file__).with_name("host.py")
SYSTEM_PYTHON = "/usr/bin/python3"

# Becomes the host: as the zygote, inside bubblewrap or only with a cleared environment.
LAUNCH = """
import json, os, sys
repository, level, granted, preload, host = sys.argv[1:]
sys.path.insert(0, repository)
from pathlib import Path
from autograder.sandbox import bubblewrap, levels
if reason := levels.probe()[levels.Isolation(level)]:
    sys.exit(f"unavailable: {reason}")
read = levels.read_only_paths([], [Path(granted)])
environment = {"OMP_NUM_THREADS": "1", "PATH": "/usr/bin", "LANG": "C.UTF-8"}
if level == "full":
    command = bubblewrap.command(read, levels.WORKER_FOLDER, environment=environment)
    read.append(bubblewrap.INSIDE)
else:
    command = []
    environment["PYTHONPATH"] = str(levels.WORKER_FOLDER.parent)
    read.append(str(levels.WORKER_FOLDER))
command += [sys.executable, "-B", "-c", host, level, json.dumps(read), preload]
os.execve(command[0], command, environment)
"""


@dataclass(frozen=True)
class Outcome:
    """How a worker ended: the value of its code's last line, or an exception, or a signal."""

    value: Any
    error: str | None
    printed: str
    status: int | None
    cpu: float | None

    @property
    def signal(self) -> int:
        """The signal that ended it, 0 for none."""
        assert self.status is not None, "its monitor was killed"
        return os.WTERMSIG(self.status) if os.WIFSIGNALED(self.status) else 0


@dataclass
class Host:
    """A process that forks locked workers, and two folders: one that they may read, one that they may not."""

    level: str
    process: subprocess.Popen[str]
    granted: Path
    secret: Path

    def __call__(self, code: str, **how: int) -> Outcome:
        """Runs code in a fresh worker; `how` is what `one_worker` of host.py takes."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps({"code": code, **how}) + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        assert answer, f"the host of the workers ended: {self.process.stderr and self.process.stderr.read()}"
        return Outcome(**json.loads(answer))


def machine_can(level: str) -> bool:
    """Whether another program than ours can do it: then a refusal is a fault of ours, and no skip."""
    if level == "landlock":
        return landlock.abi() > 0
    command = ["bwrap", "--unshare-all", "--ro-bind", "/", "/", "--proc", "/proc", "--dev", "/dev"]
    command += ["unshare", "--user", "--map-root-user", "--mount", "true"]
    return shutil.which("bwrap") is not None and subprocess.run(command, capture_output=True).returncode == 0


def start(level: str, *, nobody: bool, preload: str) -> Iterator[Host]:
    who = pwd.getpwnam("nobody") if nobody else None
    python = SYSTEM_PYTHON if nobody else sys.executable
    place = Path(tempfile.mkdtemp(prefix="locked-"))
    place.chmod(0o755)
    granted, secret = place / "granted", place / "secret"
    for folder in (granted, secret):
        folder.mkdir()
        (folder / "file").write_text("contents")
        (folder / "file").chmod(0o644)
        if who is not None:
            for path in (folder, folder / "file"):
                os.chown(path, who.pw_uid, who.pw_gid)
    process = subprocess.Popen(
        [*(python, "-B", "-c", LAUNCH, REPOSITORY, level, granted), preload, HOST.read_text()],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd="/",
        user=who and who.pw_uid,
        group=who and who.pw_gid,
        extra_groups=[] if who else None,
    )
    try:
        assert process.stdout is not None
        assert process.stderr is not None
        if process.stdout.readline() != "ready\n":
            said = process.stderr.read().strip()
            if said.startswith("unavailable: ") and not machine_can(level):
                pytest.skip(f"level {level} does not work here: {said.removeprefix('unavailable: ')}")
            pytest.fail(said)
        yield Host(level, process, granted, secret)
    finally:
        process.kill()
        process.communicate()
        shutil.rmtree(place)


FULL = ["full", "full-nobody"]


@pytest.fixture(scope="session", params=[*FULL, "landlock", "landlock-nobody"])
def locked(request: pytest.FixtureRequest) -> Iterator[Host]:
    """Runs code in a fresh locked worker: at both levels, as this user and as an ordinary one."""
    level, _, nobody = request.param.partition("-")
    if nobody:
        if os.geteuid() != 0:
            pytest.skip("these tests already run as an ordinary user")
        seen = subprocess.run(
            [
                SYSTEM_PYTHON,
                "-c",
                "import sys, os; sys.exit(sys.version_info < (3, 11) or not os.listdir(sys.argv[1]))",
                REPOSITORY,
            ],
            cwd="/",  # from inside, a folder can be listed whose path is closed, such as one below /root
            user="nobody",
            extra_groups=[],
            capture_output=True,
        )
        if seen.returncode:
            pytest.skip(f"the user nobody cannot read {REPOSITORY}, or {SYSTEM_PYTHON} is older than 3.11")
    yield from start(level, nobody=nobody == "nobody", preload="")


@pytest.fixture(scope="session", params=["full", "landlock"])
def locked_torch(request: pytest.FixtureRequest) -> Iterator[Host]:
    """The same, forked from a process that has torch loaded."""
    yield from start(request.param, nobody=False, preload="torch")
