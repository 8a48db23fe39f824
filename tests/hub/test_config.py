"""JupyterHub's configuration: options that exist, and who may what."""

from __future__ import annotations

import importlib
import os
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from traitlets.config import Config

from autograder.hub import welcome
from autograder.hub.config import MARK, Ports, configure, settings, write_config
from autograder.hub.folder import Hub, opened
from autograder.hub.servers import Role, folder

pytest.importorskip("jupyterhub")

PORTS = Ports(public=1111, orders=2222, hub=3333, formgrader=4444)
CLASSES = {
    "JupyterHub": "jupyterhub.app",
    "ConfigurableHTTPProxy": "jupyterhub.proxy",
    "Authenticator": "jupyterhub.auth",
    "SharedPasswordAuthenticator": "jupyterhub.authenticators.shared",
    "SimpleLocalProcessSpawner": "jupyterhub.spawner",
}


@pytest.fixture
def hub(tmp_path: Path) -> Hub:
    return opened(tmp_path / "hub", students=["ada", "ben"], instructors=["irene"])


@pytest.fixture
def made(hub: Hub) -> dict[str, dict[str, Any]]:
    return settings(hub, PORTS, "/where/configurable-http-proxy")


def test_every_option_exists_and_takes_its_value(made: dict[str, dict[str, Any]]) -> None:
    assert made.keys() == CLASSES.keys()
    for name, module in CLASSES.items():
        found = getattr(importlib.import_module(module), name)
        options = found.class_traits(config=True)
        assert made[name].keys() <= options.keys()
        # Alone, so that no other option or database is asked for.
        configured = found(config=Config({name: made[name]})) if name != "JupyterHub" else found()
        for option, value in made[name].items():
            assert options[option]._validate(configured, value) is not None


def test_everything_listens_on_this_machine_only(made: dict[str, dict[str, Any]]) -> None:
    (formgrader,) = made["JupyterHub"]["services"]
    addresses = [
        made["JupyterHub"]["bind_url"],
        made["ConfigurableHTTPProxy"]["api_url"],
        made["JupyterHub"]["hub_bind_url"],
        formgrader["url"],
    ]
    assert addresses == [f"http://127.0.0.1:{port}" for port in (1111, 2222, 3333, 4444)]


def test_only_those_named_may_log_in(made: dict[str, dict[str, Any]]) -> None:
    who = made["Authenticator"]
    assert (who["admin_users"], who["allowed_users"]) == ({"irene"}, {"ada", "ben"})
    assert not who["allow_existing_users"]
    passwords = made["SharedPasswordAuthenticator"]
    assert passwords["user_password"] != passwords["admin_password"]


def test_only_instructors_reach_the_formgrader(made: dict[str, dict[str, Any]]) -> None:
    grading = [
        role
        for role in made["JupyterHub"]["load_roles"]
        if "access:services!service=diffusion" in role["scopes"]
    ]
    assert [role["groups"] for role in grading] == [["formgrade-diffusion"]]
    assert made["JupyterHub"]["load_groups"]["formgrade-diffusion"] == {"users": ["irene"]}
    assert made["JupyterHub"]["load_groups"]["nbgrader-diffusion"] == {"users": ["ada", "ben"]}


def test_the_formgrader_runs_in_the_course_directory(hub: Hub, made: dict[str, dict[str, Any]]) -> None:
    (formgrader,) = made["JupyterHub"]["services"]
    assert (formgrader["name"], formgrader["cwd"]) == ("diffusion", str(hub.course))
    assert formgrader["environment"]["JUPYTER_CONFIG_PATH"] == str(folder(hub, Role.FORMGRADER))
    assert formgrader["environment"]["JUPYTERHUB_USER"]


def test_each_role_has_its_own_configuration(hub: Hub, made: dict[str, dict[str, Any]]) -> None:
    spawner = made["SimpleLocalProcessSpawner"]
    assert spawner["environment"]["JUPYTER_CONFIG_PATH"] == str(folder(hub, Role.STUDENT))
    (override,) = spawner["group_overrides"].values()
    assert override["groups"] == ["formgrade-diffusion"]
    path = override["spawner_override"]["environment"]["JUPYTER_CONFIG_PATH"]
    assert path == str(folder(hub, Role.INSTRUCTOR))


def test_what_it_starts_needs_no_activated_environment_and_carries_the_hubs_mark(
    hub: Hub, made: dict[str, dict[str, Any]]
) -> None:
    (formgrader,) = made["JupyterHub"]["services"]
    for environment in (made["SimpleLocalProcessSpawner"]["environment"], formgrader["environment"]):
        assert environment["PATH"].split(os.pathsep)[0] == str(Path(sys.executable).parent)
        assert environment[MARK] == str(hub.path)


def test_no_password_is_in_the_file_that_jupyterhub_reads(hub: Hub) -> None:
    text = write_config(hub, PORTS, Path("/where/configurable-http-proxy")).read_text()

    assert hub.people.student_password not in text
    assert hub.people.instructor_password not in text


def test_the_file_that_jupyterhub_reads_sets_all_of_it(hub: Hub, made: dict[str, dict[str, Any]]) -> None:
    path = write_config(hub, PORTS, Path("/where/configurable-http-proxy"))
    config = Config()

    exec(compile(path.read_text(), path, "exec"), {"get_config": lambda: config})

    assert config == Config(made)
    assert configure.__module__ in path.read_text()


def test_a_students_first_page_says_where_the_assignments_are(
    hub: Hub, made: dict[str, dict[str, Any]]
) -> None:
    spawner = made["SimpleLocalProcessSpawner"]
    assert spawner["default_url"] == f"/lab/tree/{welcome.FILE}"
    for name in ("ada", "irene"):
        spawner["pre_spawn_hook"](SimpleNamespace(user=SimpleNamespace(name=name)))
    page = hub.homes / "ada" / welcome.FILE
    assert "Assignment List" in page.read_text(encoding="utf-8")
    assert not (hub.homes / "irene" / welcome.FILE).exists()
    assert spawner["group_overrides"]["instructors"]["spawner_override"]["default_url"] == "/lab"

    page.write_text("mine", encoding="utf-8")
    spawner["pre_spawn_hook"](SimpleNamespace(user=SimpleNamespace(name="ada")))
    assert page.read_text(encoding="utf-8") == "mine"
