"""Jupyter's configuration for the servers of the hub: what each role sees of nbgrader.

Each role has a folder that JUPYTER_CONFIG_PATH names, so that it comes before the environment's own settings,
in which nbgrader switches everything on for everybody.
"""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path

from ..atomic import write_atomically
from .folder import Hub


class Role(StrEnum):
    """Who a Jupyter server is for; `FORMGRADER` is the one that all instructors of the course share."""

    STUDENT = "student"
    INSTRUCTOR = "instructor"
    FORMGRADER = "formgrader"


# nbgrader's parts: in JupyterLab, and the server extension that each needs (none for create-assignment).
PARTS = {
    "assignment-list": "nbgrader.server_extensions.assignment_list",
    "course-list": "nbgrader.server_extensions.course_list",
    "create-assignment": "",
    "formgrader": "nbgrader.server_extensions.formgrader",
    "validate-assignment": "nbgrader.server_extensions.validate_assignment",
}
SEES = {
    Role.STUDENT: {"assignment-list", "validate-assignment"},
    Role.INSTRUCTOR: {"assignment-list", "course-list", "validate-assignment"},
    Role.FORMGRADER: {"create-assignment", "formgrader", "validate-assignment"},
}
# JupyterLab would ask a server on the internet for news.
NEWS = "@jupyterlab/apputils-extension:announcements"

# The page that a student begins with, and any other text, is read before it is edited.
READ_FIRST = {"@jupyterlab/docmanager-extension:plugin": {"defaultViewers": {"markdown": "Markdown Preview"}}}

NBGRADER_CONFIG = """\
# Written by `autograder hub up` at each start.
import os

c = get_config()

c.CourseDirectory.course_id = {course_id!r}
c.Exchange.root = {exchange!r}
c.Exchange.path_includes_course = True
# Who may fetch what is in the hub's groups, which this asks the hub for.
c.Authenticator.plugin_class = "nbgrader.auth.JupyterHubAuthPlugin"
# All users are one account of this machine: the hub's name counts.
c.CourseDirectory.student_id = os.environ["JUPYTERHUB_USER"]
# For Validate: some demos train.
c.Execute.timeout = 600
"""


def folder(hub: Hub, role: Role) -> Path:
    """What JUPYTER_CONFIG_PATH is set to."""
    return hub.jupyter / role.value


def write_settings(hub: Hub) -> None:
    """Writes the folders of all roles."""
    for role in Role:
        place = folder(hub, role)
        _write_json(place / "labconfig" / "page_config.json", page_config(role))
        if role is Role.STUDENT:
            _write_json(place / "labconfig" / "default_setting_overrides.json", READ_FIRST)
        _write_json(place / "jupyter_server_config.d" / "nbgrader.json", server_config(role))
        _write_json(place / "jupyter_server_config.json", headers(role))
        if role is not Role.FORMGRADER:  # whose working folder, the course directory, has a configuration
            write_atomically(
                place / "nbgrader_config.py",
                NBGRADER_CONFIG.format(course_id=hub.people.course_id, exchange=str(hub.exchange)),
            )


def page_config(role: Role) -> dict[str, object]:
    """JupyterLab's: which of its extensions are off."""
    off = [f"@jupyter/nbgrader:{part}" for part in PARTS if part not in SEES[role]]
    return {"disabledExtensions": dict.fromkeys([*off, NEWS], True)}


def server_config(role: Role) -> dict[str, object]:
    """Jupyter Server's: which of nbgrader's server extensions are on."""
    on = {extension: part in SEES[role] for part, extension in PARTS.items() if extension}
    return {"ServerApp": {"jpserver_extensions": on}}


def headers(role: Role) -> dict[str, object]:
    """Jupyter Server's, in its own file, which is read as a whole; of the other only extensions are.

    JupyterHub lets no page be shown inside another one. JupyterLab shows the formgrader so.
    """
    if role is not Role.FORMGRADER:
        return {}
    policy = {"Content-Security-Policy": "frame-ancestors 'self'"}
    return {"ServerApp": {"tornado_settings": {"headers": policy}}}


def _write_json(path: Path, content: object) -> None:
    write_atomically(path, json.dumps(content, indent=2) + "\n")
