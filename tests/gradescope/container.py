"""A container as Gradescope starts one, faked: the tree `/autograder` in a folder of its own.

Its Python is this one, unless `setup.sh` is run in it. What Docker would forbid is not faked: the zips are
made for the level `landlock`, which is what a container without privileges allows.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

VISIBILITIES = {"visible", "hidden", "after_due_date", "after_published"}


@dataclass(frozen=True)
class Container:
    tree: Path

    @classmethod
    def of(cls, archive: Path, tree: Path, *, ready: bool = True) -> Container:
        """The image built from a zip; with `ready`, as if `setup.sh` had been run."""
        source = tree / "source"
        with zipfile.ZipFile(archive) as opened:
            opened.extractall(source)
        shutil.copy(source / "run_autograder", tree / "run_autograder")
        for name in ("submission", "results"):
            (tree / name).mkdir()
        if ready:
            (tree / "venv").symlink_to(sys.prefix)
        return cls(tree)

    def hand_in(self, files: dict[str, bytes], metadata: dict[str, Any] | None = None) -> None:
        """In place of what was there, as the next container would have it."""
        for name in ("submission", "results"):
            shutil.rmtree(self.tree / name)
            (self.tree / name).mkdir()
        for name, content in files.items():
            path = self.tree / "submission" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        (self.tree / "submission_metadata.json").write_text(json.dumps(metadata or {}))

    def command(self) -> list[str]:
        return ["bash", str(self.tree / "run_autograder")]

    def run(self, **environment: str) -> subprocess.CompletedProcess[str]:
        """Runs it as the harness does, in a clean environment."""
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}
        return subprocess.run(
            self.command(),
            cwd=self.tree,
            env={**kept, **environment},
            capture_output=True,
            text=True,
            timeout=280,
            check=True,
        )

    def results(self) -> dict[str, Any]:
        """results.json, which must be valid by Gradescope's rules."""
        found = json.loads((self.tree / "results" / "results.json").read_bytes())
        assert isinstance(found, dict)
        check(found)
        return found


def check(results: dict[str, Any]) -> None:
    """Asserts what Gradescope's specification asks of a results.json."""
    assert results.keys() <= {
        *("score", "execution_time", "output", "output_format", "test_output_format", "test_name_format"),
        *("visibility", "stdout_visibility", "extra_data", "tests", "leaderboard"),
    }
    tests = results.get("tests", [])
    assert "score" in results or (tests and all("score" in test for test in tests))
    for number in (results.get("score", 0), results.get("execution_time", 0)):
        assert isinstance(number, int | float)
        assert number >= 0
    assert results.get("stdout_visibility", "visible") in VISIBILITIES
    for test in tests:
        assert test.keys() <= {
            *("score", "max_score", "status", "name", "name_format", "number", "output", "output_format"),
            *("tags", "visibility", "extra_data"),
        }
        assert test.get("visibility", "visible") in VISIBILITIES
        assert test.get("status", "passed") in {"passed", "failed"}
        assert 0 <= test.get("score", 0) <= test.get("max_score", 1e9)
        assert isinstance(test.get("output", ""), str)


def seen(results: dict[str, Any], *, published: bool) -> list[dict[str, Any]]:
    """The entries that a student sees."""
    when = {"visible", "after_published", "after_due_date"} if published else {"visible"}
    return [test for test in results["tests"] if test.get("visibility", "visible") in when]
