"""What students, instructors and the formgrader have of nbgrader in JupyterLab."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from traitlets.config import PyFileConfigLoader

from autograder.hub.folder import Hub, opened
from autograder.hub.servers import PARTS, Role, folder, page_config, server_config, write_settings


def seen(role: Role) -> set[str]:
    disabled = page_config(role)["disabledExtensions"]
    assert isinstance(disabled, dict)
    return {part for part in PARTS if not disabled.get(f"@jupyter/nbgrader:{part}", False)}


def served(role: Role) -> set[str]:
    extensions = server_config(role)["ServerApp"]["jpserver_extensions"]  # type: ignore[index]
    return {name.removeprefix("nbgrader.server_extensions.") for name, on in extensions.items() if on}


@pytest.mark.parametrize(
    ("role", "in_lab", "on_the_server"),
    [
        (
            Role.STUDENT,
            {"assignment-list", "validate-assignment"},
            {"assignment_list", "validate_assignment"},
        ),
        (
            Role.INSTRUCTOR,
            {"assignment-list", "course-list", "validate-assignment"},
            {"assignment_list", "course_list", "validate_assignment"},
        ),
        (
            Role.FORMGRADER,
            {"create-assignment", "formgrader", "validate-assignment"},
            {"formgrader", "validate_assignment"},
        ),
    ],
)
def test_each_role_has_its_parts_and_no_others(role: Role, in_lab: set[str], on_the_server: set[str]) -> None:
    assert (seen(role), served(role)) == (in_lab, on_the_server)


def test_the_names_are_those_that_nbgrader_installs() -> None:
    """A part that nbgrader renames would come back for everybody, without a word."""
    nbgrader = pytest.importorskip("nbgrader")
    scripts = [
        path.read_text(encoding="utf-8")
        for path in Path(nbgrader.__file__).parent.glob("labextension/static/*.js")
    ]
    assert scripts
    for part, extension in PARTS.items():
        # The formgrader's name is put together in the script.
        assert any(f"@jupyter/nbgrader:{part}" in script or f'"{part}"' in script for script in scripts), part
        if extension:
            pytest.importorskip(extension)


@pytest.fixture
def hub(tmp_path: Path) -> Hub:
    hub = opened(tmp_path / "hub", course_id="autumn")
    write_settings(hub)
    return hub


def test_only_the_formgrader_may_be_shown_inside_another_page(hub: Hub) -> None:
    """JupyterLab shows it in a frame, which JupyterHub 6 forbids unless it is told."""

    def policy(role: Role) -> str:
        config = json.loads((folder(hub, role) / "jupyter_server_config.json").read_text())
        settings = config.get("ServerApp", {}).get("tornado_settings", {})
        return str(settings.get("headers", {}).get("Content-Security-Policy", ""))

    assert [policy(role) for role in Role] == ["", "", "frame-ancestors 'self'"]


@pytest.mark.parametrize("role", [Role.STUDENT, Role.INSTRUCTOR])
def test_nbgrader_knows_the_exchange_and_takes_the_hubs_name_for_the_students(
    role: Role, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JUPYTERHUB_USER", "ada")

    config = PyFileConfigLoader(str(folder(hub, role) / "nbgrader_config.py")).load_config()

    assert config.Exchange.root == str(hub.exchange)
    assert (config.CourseDirectory.course_id, config.CourseDirectory.student_id) == ("autumn", "ada")
    assert config.Authenticator.plugin_class == "nbgrader.auth.JupyterHubAuthPlugin"
