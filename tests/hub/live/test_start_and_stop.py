"""The command itself: started again, started twice, interrupted, killed."""

from __future__ import annotations

import os
import signal
import subprocess
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from autograder.hub.folder import opened, there
from tests.end_to_end.processes import wait_for
from tests.hub.live.running import PATIENCE, command, marked, running

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
ROOT = Path(__file__).parents[3]


def test_a_hub_starts_stops_and_starts_again_as_it_was(tmp_path: Path) -> None:
    folder = tmp_path / "hub"
    with running(folder) as hub:
        table = "\n".join(hub.said)
        for name in (*hub.hub.people.instructors, *hub.hub.people.students):
            assert name in table
            assert hub.password(name) in table
        assert "not for a class: all users of this hub are one account" in table
        assert "released attention" in hub.said
        assert (hub.hub.released("attention") / "attention.ipynb").is_file()

        second = subprocess.run(
            command(folder, "--port", "0"), cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE
        )
        assert second.returncode == 2
        assert f"runs already (process {hub.process.pid})" in second.stderr

        assert hub.stop(signal.SIGTERM)[-1].startswith("The hub has stopped")
        assert hub.process.returncode == 0
        assert marked(folder) == []
        with pytest.raises(urllib.error.URLError):
            urllib.request.urlopen(hub.address, timeout=5)

    mine = hub.hub.course / "source" / "attention" / "notes.md"
    mine.write_text("the instructor's own")
    released = (hub.hub.released("attention") / "attention.ipynb").stat()
    with running(folder, "noise") as again:
        assert again.hub == hub.hub
        assert mine.read_text() == "the instructor's own"
        assert "released noise" in again.said
        assert "released attention" not in again.said
        assert (again.hub.released("attention") / "attention.ipynb").stat().st_mtime == released.st_mtime


def test_what_a_killed_hub_left_is_ended_by_the_next_start(tmp_path: Path) -> None:
    folder = tmp_path / "hub"
    with running(folder) as hub:
        hub.process.kill()
        hub.process.wait()
        (jupyterhub,) = (one for one in hub.processes() if "jupyterhub" in one.cmdline() and one.ppid() == 1)
        jupyterhub.kill()
        wait_for(lambda: jupyterhub not in hub.processes() or None, "JupyterHub's end")
        left = hub.processes()
        commands = [" ".join(one.cmdline()) for one in left]
        for what in ("configurable-http-proxy", "jupyterhub.singleuser"):
            assert any(what in one for one in commands), what

        with running(folder) as again:
            assert again.hub == hub.hub
            assert any(line.startswith(f"ended {len(left)} process") for line in again.said)
            assert not [one for one in left if one.is_running()]


def test_a_first_start_that_was_killed_is_completed(tmp_path: Path) -> None:
    folder = tmp_path / "hub"
    with subprocess.Popen(
        command(folder, "--port", "0"), cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as first:
        while not (folder / ".course" / "source").exists():
            assert first.poll() is None, "it ended before it could be killed"
            os.sched_yield()
        first.kill()
    assert not (folder / "course").exists()
    passwords = there(folder).people

    with running(folder) as hub:
        assert hub.hub.people == passwords
        assert hub.hub.released("attention").is_dir()
        assert not (folder / ".course").exists()


def test_a_hub_that_cannot_start_says_where_to_look(tmp_path: Path) -> None:
    """Here its database is no database."""
    folder = tmp_path / "hub"
    database = opened(folder).state / "jupyterhub.sqlite"
    database.parent.mkdir()
    database.write_text("no database at all, but text of some length" * 100)

    said = subprocess.run(
        command(folder, "--port", "0"), cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE
    )

    assert said.returncode == 3
    assert "JupyterHub ended at its start" in said.stderr
    assert str(folder / "state" / "hub.log") in said.stderr
    assert "not a database" in said.stderr
    assert marked(folder) == []
