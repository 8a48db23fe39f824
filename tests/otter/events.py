"""The plugin's events, called as Otter calls them, without Otter's kernel in between."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest
from otter.plugins import PluginCollection
from otter.run.run_autograder.autograder_config import AutograderConfig
from otter.test_files import GradingResults


def tree(archive: Path, folder: Path, submission: bytes, name: str = "attention.ipynb") -> Path:
    """The submission in the tree that `otter run` makes."""
    for part in ("submission/tests", "results", "source"):
        (folder / part).mkdir(parents=True)
    with zipfile.ZipFile(archive) as members:
        members.extractall(folder / "source")
    (folder / "submission_metadata.json").write_text("{}")
    notebook = folder / "submission" / name
    notebook.write_bytes(submission)
    return notebook


def configuration(notebook: Path) -> AutograderConfig:
    return AutograderConfig(json.loads((notebook.parent.parent / "source" / "otter_config.json").read_text()))


def graded(notebook: Path, monkeypatch: pytest.MonkeyPatch) -> GradingResults:
    """What Otter has after grading."""
    monkeypatch.chdir(notebook.parent)
    config = configuration(notebook)
    plugins = PluginCollection(config.plugins, str(notebook), {})
    plugins.run("before_grading", config)
    assert plugins.before_execution(notebook.read_text()).cells == []
    results = GradingResults([])
    plugins.run("after_grading", results)
    return results
