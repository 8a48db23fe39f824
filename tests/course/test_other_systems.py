"""`course` on Windows and macOS, as far as Linux can tell: it needs nothing that they lack."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import course

PACKAGE = Path(course.__path__[0])
ROOT = PACKAGE.parent
ONLY_ON_POSIX = ["fcntl", "grp", "posix", "pty", "pwd", "readline", "resource", "syslog", "termios", "tty"]

# Only the course's own imports are refused: the standard library and torch do without where they must.
IMPORT_ALL = """\
import builtins, importlib, os, pkgutil, sys
only_on_posix = set(sys.argv[1].split())
unguarded = builtins.__import__
def guarded(name, globals=None, *rest, **more):
    if str((globals or {}).get("__name__", "")).split(".")[0] == "course" and name in only_on_posix:
        raise ModuleNotFoundError(f"No module named {name!r}, which {globals['__name__']} imports")
    return unguarded(name, globals, *rest, **more)
builtins.__import__ = guarded
import course
for module in pkgutil.walk_packages(course.__path__, "course."):
    if module.name != "course.__main__":
        importlib.import_module(module.name)
        print(module.name)
"""


def import_all(folder: Path) -> subprocess.CompletedProcess[str]:
    """Imports every module of the package `course` in a folder, with the modules of POSIX hidden from it."""
    return subprocess.run(
        [sys.executable, "-c", IMPORT_ALL, " ".join(ONLY_ON_POSIX)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder)},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )


def test_every_module_is_imported_without_the_modules_of_posix(tmp_path: Path) -> None:
    done = import_all(ROOT)

    assert done.returncode == 0, done.stderr
    assert {
        "course.cli",
        "course.desk.start",
        "course.desk.notebook",
        "course.modules.attention.checks",
    } <= set(done.stdout.split())


def test_an_import_of_such_a_module_would_be_seen(tmp_path: Path) -> None:
    (tmp_path / "course").mkdir()
    (tmp_path / "course" / "__init__.py").write_text("")
    (tmp_path / "course" / "locked.py").write_text("from fcntl import flock\n")

    assert "No module named 'fcntl', which course.locked imports" in import_all(tmp_path).stderr


def test_every_file_is_opened_with_its_encoding_named() -> None:
    """Python's default on Windows is not UTF-8."""
    rule = ["--isolated", "--preview", "--select", "PLW1514"]
    done = subprocess.run(
        [sys.executable, "-m", "ruff", "check", *rule, str(PACKAGE)], capture_output=True, text=True
    )

    assert done.returncode == 0, done.stdout


def missing_on(platform: str, folder: Path) -> list[str]:
    """What the package `course` in a folder uses and the standard library has not on that system."""
    command = [
        sys.executable,
        "-m",
        "mypy",
        "--config-file=",
        "--cache-dir",
        os.devnull,
        "--platform",
        platform,
    ]
    alone = ["--follow-imports=skip", "--ignore-missing-imports", "--check-untyped-defs", "-p", "course"]
    done = subprocess.run([*command, *alone], cwd=folder, capture_output=True, encoding="utf-8")
    assert "checked" in done.stdout or "no issues" in done.stdout, done.stderr
    return [line for line in done.stdout.splitlines() if 'Module has no attribute "' in line]


@pytest.mark.slow
@pytest.mark.parametrize("platform", ["win32", "darwin"])
def test_every_function_of_the_standard_library_is_there(platform: str, tmp_path: Path) -> None:
    """`os.fork` and the like have no type on a system that lacks them."""
    assert missing_on(platform, ROOT) == []

    (tmp_path / "course").mkdir()
    (tmp_path / "course" / "__init__.py").write_text("import os\n\n\ndef f():\n    os.memfd_create('a')\n")
    assert len(missing_on(platform, tmp_path)) == 1
