"""What several processes of one test run need, made by one of them (`pytest -n`)."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable
from pathlib import Path

import pytest


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """The folder that `make` has filled in this test run; whoever comes second waits for the first.

    make  gets a folder that does not exist yet. Where it raises, whoever comes next tries again, in another.
    """
    # As deep as `tmp_path / "folder"`, to which some of it is copied with its relative paths.
    everybodys = factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        everybodys = everybodys.parent / "made-once"
    place = everybodys / name
    place.mkdir(parents=True, exist_ok=True)
    with open(place / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # until it is closed
        made, tries = place / "made", len(list(place.glob("try-*")))
        if not made.exists():
            folder = place / f"try-{tries}"
            make(folder)
            made.symlink_to(folder)
        return made.resolve()
