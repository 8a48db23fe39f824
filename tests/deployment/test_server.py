"""One server without Kubernetes: its configuration of JupyterHub."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
from systemdspawner import SystemdSpawner
from traitlets.config import Config

from tests.deployment.files import FOLDER, IMAGES, values
from tests.deployment.hub import classes_of_the_hub, load, unknown_options

CONFIG = FOLDER / "server" / "jupyterhub_config.py"


def test_every_option_exists() -> None:
    assert unknown_options(load(CONFIG), classes_of_the_hub(SystemdSpawner)) == []


@pytest.mark.skipif(not shutil.which("systemctl"), reason="systemctl is not installed: apt install systemd")
def test_every_option_takes_its_value() -> None:
    config = load(CONFIG)
    spawner = SystemdSpawner(
        user=SimpleNamespace(name="ada", id=1), config=Config({"SystemdSpawner": config.SystemdSpawner})
    )
    assert {name: getattr(spawner, name) for name in config.SystemdSpawner if name != "mem_limit"} == {
        name: value for name, value in config.SystemdSpawner.items() if name != "mem_limit"
    }
    assert spawner.mem_limit == 3 * 1024**3


def test_roles_and_groups_are_those_of_kubernetes() -> None:
    config, hub = load(CONFIG).JupyterHub, values()["hub"]

    assert config.load_groups == hub["config"]["JupyterHub"]["load_groups"]
    assert {role["name"]: role["scopes"] for role in config.load_roles} == {
        name: role["scopes"] for name, role in hub["loadRoles"].items()
    }
    assert [service["name"] for service in config.services] == list(hub["services"])


def test_the_gradebook_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTOGRADER_GRADEBOOK_URL", "postgresql+psycopg://grader@/gradebook")
    monkeypatch.setenv("GRADEBOOK_PASSWORD", "from a file of root's")
    monkeypatch.setenv("JUPYTERHUB_DATABASE_URL", "postgresql+psycopg2://jupyterhub@/jupyterhub")
    config = load(CONFIG)

    (service,) = config.JupyterHub.services
    assert service["environment"]["AUTOGRADER_GRADEBOOK_URL"] == "postgresql+psycopg://grader@/gradebook"
    assert service["environment"]["PGPASSWORD"] == "from a file of root's"
    assert config.JupyterHub.db_url == "postgresql+psycopg2://jupyterhub@/jupyterhub"
    assert "PGPASSWORD" not in config.SystemdSpawner.environment


def test_the_guides_edit_leaves_the_rule_for_numbers_out(tmp_path: Path) -> None:
    """Where students have accounts, the exchange goes by their names."""
    guide = FOLDER.with_suffix(".md").read_text(encoding="utf-8")
    (pattern,) = re.findall(r"sed -i (\S+) \S+/grading/nbgrader_config\.py", guide)
    assert pattern == "/numbered_accounts/d"
    lines = (IMAGES / "grading" / "nbgrader_config.py").read_text(encoding="utf-8").splitlines()
    edited = tmp_path / "nbgrader_config.py"
    edited.write_text("\n".join(line for line in lines if "numbered_accounts" not in line))

    assert "CollectOwned" not in load(edited)
