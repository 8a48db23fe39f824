"""Who imports whom: the contracts of pyproject.toml hold, and the architecture page shows the same layers."""

from __future__ import annotations

import re
from graphlib import TopologicalSorter
from pathlib import Path

import grimp
import pytest
from importlinter.api import read_configuration
from importlinter.cli import EXIT_STATUS_SUCCESS, lint_imports

ROOT = Path(__file__).parents[1]
PYPROJECT = str(ROOT / "pyproject.toml")


def test_the_contracts_hold(capsys: pytest.CaptureFixture[str]) -> None:
    kept = lint_imports(PYPROJECT, no_cache=True) == EXIT_STATUS_SUCCESS
    assert kept, capsys.readouterr().out


@pytest.mark.parametrize("package", ["course", "autograder"])
def test_no_file_imports_itself_in_a_circle(package: str) -> None:
    """A package's `__init__.py` counts as a file, which import-linter's contracts leave out."""
    graph = grimp.build_graph(package, cache_dir=None)
    TopologicalSorter(
        {file: graph.find_modules_directly_imported_by(file) for file in graph.modules}
    ).prepare()


@pytest.mark.parametrize("package", ["course", "autograder"])
def test_the_architecture_page_has_the_layers_in_their_order(package: str) -> None:
    contracts = read_configuration(PYPROJECT)["contracts_options"]
    (layers,) = [each["layers"] for each in contracts if each.get("containers") == [package]]
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    rows = re.findall(rf"^\| (`{package}/[^|]*) \|", page.split("## The packages")[1], re.MULTILINE)
    shown = [re.findall(rf"`{package}/(\w+)(?:/|\.py)`", row) for row in rows]
    assert shown == [layer.split(" | ") for layer in layers]
