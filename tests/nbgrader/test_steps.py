"""What lies in autograder/nbgrader/steps/ is what nbgrader calls, and knows no command of ours."""

from __future__ import annotations

import ast
from pathlib import Path

from traitlets.config import Config
from traitlets.utils.importstring import import_item

from autograder.nbgrader import steps
from autograder.nbgrader.steps.config import OURS, configure

FOLDER = Path(steps.__file__).parent
SHARED = {"gradings", "lock", "settings"}  # what steps and commands have in common
MADE_WITH = {"__init__", "accounts", "config", "readable", "wording"}


def named(value: object) -> set[str]:
    """All dotted paths of ours in a configuration."""
    if isinstance(value, dict):
        return set().union(*map(named, value.values()))
    if isinstance(value, list):
        return set().union(*map(named, value))
    return {value} if isinstance(value, str) and value.startswith("autograder.") else set()


def test_nbgrader_calls_each_step_by_its_name_and_nothing_else_of_ours() -> None:
    config = Config()
    configure(config, course_root="..")

    called = named(config)

    assert all(callable(import_item(path)) for path in called)
    files = {path.stem for path in FOLDER.glob("*.py")} - MADE_WITH
    assert {path.rpartition(".")[0] for path in called} == {f"{OURS}.{name}" for name in files}


def test_no_step_knows_a_command() -> None:
    for path in FOLDER.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.level == 2:
                assert node.module in SHARED, f"{path.name} imports {node.module}"
