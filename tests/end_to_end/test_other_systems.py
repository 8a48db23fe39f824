"""Grading one's own notebook where code cannot be locked in, as far as Linux can tell."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from autograder import build
from autograder.cli import app
from autograder.content.course_root import CourseRoot
from autograder.sandbox import levels

ANSWER = "    weights = x.exp()\n    return weights / weights.sum(dim, keepdim=True)"

# Loaded by every Python that the command starts: what Windows lacks is not there for the autograder.
WITHOUT_POSIX = """\
import builtins, os, socket, sys
hidden = {"fcntl", "grp", "posix", "pty", "pwd", "readline", "resource", "syslog", "termios", "tty"}
unguarded = builtins.__import__
def guarded(name, globals=None, *rest, **more):
    importer = str((globals or {}).get("__name__", ""))
    if importer.split(".")[0] in ("autograder", "course", "solutions") and name in hidden:
        raise ModuleNotFoundError(f"No module named {name!r}, which {importer} imports")
    return unguarded(name, globals, *rest, **more)
builtins.__import__ = guarded
for name in ("fork", "forkpty", "memfd_create", "sched_getaffinity", "wait4", "pipe2"):
    delattr(os, name)
for name in ("AF_UNIX", "SOCK_SEQPACKET", "SCM_RIGHTS", "send_fds", "recv_fds", "socketpair"):
    delattr(socket, name)
"""


@pytest.fixture
def notebook(course_root: CourseRoot, tmp_path: Path) -> Path:
    """The module attention with a softmax that overflows."""
    stub = build.answers(course_root, "attention", "stub")["stable_softmax"]
    answer = stub.replace('    raise NotImplementedError("write stable_softmax")', ANSWER)
    assert answer != stub
    path = tmp_path / "attention.ipynb"
    path.write_bytes(build.dump(build.compose(course_root, "attention", {"stable_softmax": answer})))
    return path


@pytest.mark.parametrize(("platform", "name"), [("darwin", "macOS"), ("win32", "Windows")])
def test_the_way_out_is_said_in_one_sentence(
    platform: str, name: str, course_root: CourseRoot, notebook: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    levels.probe.cache_clear()
    try:
        with monkeypatch.context() as patch:
            patch.setattr(sys, "platform", platform)
            command = ["grade", str(notebook), "--device", "cpu", "--course-root", str(course_root.path)]
            done = CliRunner().invoke(app, [*command, "--out", str(notebook.parent / "graded")])
    finally:
        levels.probe.cache_clear()

    assert done.exit_code == 3
    assert done.stderr == (
        f"autograder: code can be locked in on Linux only, and this is {name}: for your own add "
        "--sandbox none, for anybody else's use a Linux machine, a container or WSL 2\n"
    )


@pytest.mark.slow
def test_without_a_lock_and_without_posix_the_mistake_is_named_all_the_same(
    course_root: CourseRoot, notebook: Path
) -> None:
    (notebook.parent / "site").mkdir()
    (notebook.parent / "site" / "sitecustomize.py").write_text(WITHOUT_POSIX)
    paths = [str(notebook.parent / "site"), os.environ.get("PYTHONPATH", "")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths)), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "autograder.cli", "grade", str(notebook), "--sandbox", "none"]
    done = subprocess.run(
        [*command, "--device", "cpu", "--seed", "1", "--out", str(notebook.parent / "graded")],
        cwd=course_root.path,
        env=environment,
        capture_output=True,
        encoding="utf-8",
    )

    assert done.returncode == 0, done.stdout + done.stderr
    hidden = [sys.executable, "-c", "import os; print(hasattr(os, 'fork'))"]
    assert subprocess.run(hidden, env=environment, capture_output=True).stdout == b"False\n"
    result = json.loads((notebook.parent / "graded" / "results.jsonl").read_text(encoding="utf-8"))
    assert result["isolation"] == "none"
    (softmax,) = [one for one in result["exercises"] if one["id"] == "stable_softmax"]
    assert 0 < softmax["points"] < 10
    assert ["maximum" in mistake["title"] for mistake in softmax["mistakes"]] == [True]
