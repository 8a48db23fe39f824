"""JupyterHub's own configuration: a local proxy, local processes, SQLite, everything on 127.0.0.1."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..atomic import write_atomically
from . import welcome
from .folder import Hub, there
from .servers import Role, folder

ADDRESS = "127.0.0.1"
# In the environment of whatever a hub starts, so that nothing of it is left over: serve.py.
MARK = "AUTOGRADER_HUB"
ONE_ACCOUNT = (
    "For trying and for tests, not for a class: all users of this hub are one account of this machine, so "
    "whoever looks can read the solutions, the hidden tests and the work of others."
)


@dataclass(frozen=True)
class Ports:
    """Where the proxy listens for browsers and for the hub's orders, and where hub and formgrader listen."""

    public: int
    orders: int
    hub: int
    formgrader: int


CONFIG = """\
# JupyterHub's configuration, written by `autograder hub up` at each start; people are in hub.json.
from autograder.hub.config import Ports, configure

configure(get_config(), {folder!r}, {ports!r}, {proxy!r})
"""


def write_config(hub: Hub, ports: Ports, proxy: Path) -> Path:
    """Writes what `jupyterhub --config` reads; passwords stay where they are."""
    path = hub.state / "jupyterhub_config.py"
    write_atomically(path, CONFIG.format(folder=str(hub.path), ports=ports, proxy=str(proxy)))
    return path


def configure(c: Any, path: str, ports: Ports, proxy: str) -> None:
    """Sets JupyterHub up; `c` is its `get_config()`."""
    for section, values in settings(there(Path(path)), ports, proxy).items():
        c[section].update(values)


def settings(hub: Hub, ports: Ports, proxy: str) -> dict[str, dict[str, Any]]:
    """Class → option → value."""
    people = hub.people
    return {
        "JupyterHub": {
            "bind_url": f"http://{ADDRESS}:{ports.public}",
            "hub_bind_url": f"http://{ADDRESS}:{ports.hub}",
            "db_url": f"sqlite:///{hub.state / 'jupyterhub.sqlite'}",
            "cookie_secret_file": str(hub.state / "cookie_secret"),
            "authenticator_class": "shared-password",
            "spawner_class": "simple",
            "load_groups": {
                instructors_of(people.course_id): {"users": list(people.instructors)},
                students_of(people.course_id): {"users": list(people.students)},
            },
            "load_roles": _roles(people.course_id),
            "services": [_formgrader(hub, ports)],
            "template_vars": {"announcement": ONE_ACCOUNT},
        },
        "ConfigurableHTTPProxy": {
            "command": [proxy],
            "api_url": f"http://{ADDRESS}:{ports.orders}",
            "pid_file": str(hub.state / "proxy.pid"),
        },
        "Authenticator": {
            "admin_users": set(people.instructors),
            "allowed_users": set(people.students),
            "allow_existing_users": False,  # whoever is taken out of hub.json stays out
        },
        "SharedPasswordAuthenticator": {
            "user_password": people.student_password,
            "admin_password": people.instructor_password,
        },
        "SimpleLocalProcessSpawner": {
            "home_dir_template": str(hub.homes / "{username}"),
            "cmd": SINGLE_USER,
            "args": _arguments(),
            "default_url": f"/lab/tree/{welcome.FILE}",
            "pre_spawn_hook": welcome.Welcome(hub),
            "environment": {**_environment(hub), "JUPYTER_CONFIG_PATH": str(folder(hub, Role.STUDENT))},
            "group_overrides": {
                "instructors": {
                    "groups": [instructors_of(people.course_id)],
                    "spawner_override": {
                        "default_url": "/lab",
                        "environment": {"JUPYTER_CONFIG_PATH": str(folder(hub, Role.INSTRUCTOR))},
                    },
                }
            },
            "start_timeout": 120,
            "http_timeout": 120,
        },
    }


def instructors_of(course_id: str) -> str:
    """The group, as nbgrader looks for it."""
    return f"formgrade-{course_id}"


def students_of(course_id: str) -> str:
    """The group, as nbgrader looks for it."""
    return f"nbgrader-{course_id}"


# By the interpreter, not by name: the environment need not be activated.
SINGLE_USER = [sys.executable, "-m", "jupyterhub.singleuser"]


def _arguments() -> list[str]:
    return ["--allow-root"] if os.geteuid() == 0 else []  # in a container, mostly


def _environment(hub: Hub) -> dict[str, str]:
    scripts = str(Path(sys.executable).parent)
    return {
        "PATH": os.pathsep.join([scripts, os.environ.get("PATH", os.defpath)]),
        # Users share the cores. With a thread for every core each kernel waits for all the others: Validate
        # took 118 s on two busy cores, and 45 s so.
        "OMP_NUM_THREADS": "1",
        MARK: str(hub.path),
    }


def _roles(course_id: str) -> list[dict[str, Any]]:
    return [
        {
            "name": instructors_of(course_id),
            "description": "Grades the course.",
            "scopes": [
                f"access:services!service={course_id}",
                "list:services",
                f"read:services!service={course_id}",
            ],
            "groups": [instructors_of(course_id)],
        },
        {
            # What a user's own server may ask the hub: the assignment list which groups its user is in, the
            # course list where the formgrader is. Never more than the user may.
            "name": "server",
            "scopes": [
                "users:activity!user",
                "access:servers!server",
                "read:users!user",
                "list:services",
                f"read:services!service={course_id}",
            ],
        },
    ]


def _formgrader(hub: Hub, ports: Ports) -> dict[str, Any]:
    """The formgrader: a Jupyter server in the course directory that instructors open as /services/COURSE."""
    home = hub.state / "formgrader"
    return {
        "name": hub.people.course_id,
        "url": f"http://{ADDRESS}:{ports.formgrader}",
        "command": [*SINGLE_USER, *_arguments()],
        "cwd": str(hub.course),
        "environment": {
            **_environment(hub),
            "HOME": str(home),  # not the settings of whoever started the hub
            "JUPYTER_CONFIG_PATH": str(folder(hub, Role.FORMGRADER)),
            "JUPYTERHUB_USER": hub.people.course_id,  # nbgrader asks for one
        },
        "oauth_no_confirm": True,
        "timeout": 120,
    }
