"""docs/deployment.md: what it names is there."""

from __future__ import annotations

import re
import subprocess
from configparser import ConfigParser
from pathlib import Path

import pytest

from autograder.cli import app as autograder
from tests.deployment.files import FOLDER, GUIDE, REPOSITORY
from tests.deployment.hub import load

UNIT = FOLDER / "server" / "jupyterhub.service"


def guide() -> str:
    return GUIDE.read_text(encoding="utf-8")


def test_every_file_is_named_and_every_name_is_a_file() -> None:
    text = guide()
    for path in FOLDER.rglob("*"):
        if path.suffix in (".yaml", ".Dockerfile", ".service") or path.name == "jupyterhub_config.py":
            assert path.name in text, path
    for name in re.findall(r"(?:docs/deployment|tests/deployment)[\w/.-]*[\w/]", text):
        assert (REPOSITORY / name).exists(), name
    for name in re.findall(r"\]\(([\w./-]+)(?:#[\w-]+)?\)", text):
        assert (GUIDE.parent / name).exists(), name


def test_every_heading_that_is_linked_is_there() -> None:
    for page, anchor in re.findall(r"\]\(([\w.-]*)#([\w-]+)\)", guide()):
        text = (GUIDE.parent / (page or GUIDE.name)).read_text(encoding="utf-8")
        headings = {
            line.strip("# ").lower().replace(" ", "-") for line in text.splitlines() if line[:1] == "#"
        }
        assert anchor in headings, (page, anchor)


def test_every_command_of_ours_exists() -> None:
    groups = {group.name: group.typer_instance for group in autograder.registered_groups}
    known = {
        command.name or command.callback.__name__
        for command in autograder.registered_commands
        if command.callback
    }
    known |= {
        f"{name} {command.name or command.callback.__name__}"
        for name, group in groups.items()
        if group
        for command in group.registered_commands
        if command.callback
    }
    named = re.findall(r"autograder ((?:nbgrader |hub )?[a-z]+)", guide())
    assert {name for name in named if name.split()[0] in {*known, *groups}} <= known
    assert {"nbgrader init", "nbgrader watch", "doctor", "release", "hub up"} <= set(named)


def test_the_unit_starts_the_hub_with_the_file_that_the_guide_copies() -> None:
    unit = ConfigParser(strict=False)
    unit.optionxform = str  # type: ignore[assignment]
    unit.read(UNIT)
    program, _, config = unit["Service"]["ExecStart"].split()
    hub = load(FOLDER / "server" / "jupyterhub_config.py").JupyterHub

    assert f"cp docs/deployment/server/jupyterhub_config.py {Path(config).parent}\n" in guide()
    assert f"install -m 0600 /dev/null {unit['Service']['EnvironmentFile']}\n" in guide()
    (service,) = hub.services
    assert Path(service["command"][0]).parent == Path(program).parent
    for folder in (service["environment"]["JUPYTER_CONFIG_PATH"], "/etc/diffusion-course/student"):
        assert Path(folder).parent == Path(config).parent
    assert f"nbgrader init {service['cwd']} " in guide()


def test_systemd_knows_every_word_of_the_unit(tmp_path: Path) -> None:
    """`verify` also looks for the program, which is not here: only what it says of the file itself counts."""
    try:
        done = subprocess.run(
            ["systemd-analyze", "verify", "--man=no", UNIT], capture_output=True, text=True, timeout=60
        )
    except FileNotFoundError:
        pytest.skip("systemd-analyze is not installed")
    said = [line for line in done.stderr.splitlines() if UNIT.name in line]
    assert [
        line for line in said if "Unknown" in line or "Failed to parse" in line or "Missing" in line
    ] == []
