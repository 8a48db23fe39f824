"""The formgrader of course.yaml, started as its container is, with a real JupyterHub set up by values.yaml.

Both run here instead of in pods, the hub on PostgreSQL where there is one. No proxy is in front of them:
requests go to each directly, with the tokens of users.
"""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests
from nbgrader.auth import JupyterHubAuthPlugin

from autograder.hub.needs import chosen_ports
from tests.deployment import postgresql
from tests.deployment.files import IMAGES, formgrader_pod, values

pytestmark = pytest.mark.slow
COURSE = "diffusion"
ADMIN = "the-test"

# Only what the chart does with the values, and what stands in for a cluster.
CONFIG = """
from jupyterhub.proxy import Proxy


class NoProxy(Proxy):
    should_start = False
    async def add_route(self, routespec, target, data): ...
    async def delete_route(self, routespec): ...
    async def get_all_routes(self): return {{}}


hub = {hub!r}
c.JupyterHub.proxy_class = NoProxy
c.JupyterHub.spawner_class = "simple"
c.JupyterHub.authenticator_class = "dummy"
c.JupyterHub.hub_bind_url = "http://127.0.0.1:{hub_port}"
c.JupyterHub.bind_url = "http://127.0.0.1:{hub_port}"
c.JupyterHub.cookie_secret = bytes.fromhex({secret!r})
c.JupyterHub.db_url = {db_url!r}
c.JupyterHub.load_groups = hub["config"]["JupyterHub"]["load_groups"]
c.JupyterHub.load_roles = [dict(role, name=name) for name, role in hub["loadRoles"].items()]
c.JupyterHub.load_roles.append(
    dict(name="test", services=[{admin!r}], scopes=["admin:users", "tokens", "read:groups", "list:groups"])
)
c.JupyterHub.services = [dict(service, name=name) for name, service in hub["services"].items()]
c.JupyterHub.services[0]["api_token"] = {token!r}
c.JupyterHub.services[0]["url"] = "http://127.0.0.1:{port}"
c.JupyterHub.services.append(dict(name={admin!r}, api_token={admin_token!r}))
c.Authenticator.allow_existing_users = True
"""


@dataclass(frozen=True)
class Running:
    """A hub and a formgrader, and how to ask them something."""

    hub: str
    formgrader: str
    token: str
    admin_token: str
    environment: dict[str, str]

    def token_of(self, user: str) -> str:
        answer = requests.post(
            f"{self.hub}/users/{user}/tokens", headers=authorization(self.admin_token), timeout=30
        )
        token: str = answer.json()["token"]
        return token

    def open(self, path: str, token: str = "") -> requests.Response:
        """A page of the formgrader's."""
        return requests.get(
            f"{self.formgrader}/services/{COURSE}/{path}",
            headers=authorization(token) if token else {},
            allow_redirects=False,
            timeout=60,
        )


def authorization(token: str) -> dict[str, str]:
    return {"Authorization": f"token {token}"}


@contextmanager
def process(command: list[str], folder: Path, environment: dict[str, str], ready: str) -> Iterator[None]:
    """A server, from when it answers at `ready` on."""
    log = folder / "log"
    with open(log, "wb") as said:
        server = subprocess.Popen(command, cwd=folder, env=environment, stdout=said, stderr=said)
    try:
        until = time.monotonic() + 120
        while True:
            try:
                requests.get(ready, timeout=5, allow_redirects=False)
                break
            except requests.RequestException:
                assert server.poll() is None, log.read_text()
                assert time.monotonic() < until, log.read_text()
                time.sleep(0.2)
        yield
    finally:
        server.kill()  # the hub takes long to end by itself, and nothing of it is kept
        server.wait(timeout=60)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder, course = tmp_path_factory.mktemp("hub"), tmp_path_factory.mktemp("course")
    (course / "nbgrader_config.py").write_text(f"c.CourseDirectory.course_id = {COURSE!r}\n")
    token, admin_token = secrets.token_hex(16), secrets.token_hex(16)
    with ExitStack() as stack:
        ports = stack.enter_context(chosen_ports(0))
        hub_port, port = ports.hub, ports.formgrader
        bin = postgresql.programs()
        database = stack.enter_context(postgresql.running(bin)).database() if bin else "sqlite:///hub.sqlite"
        config = CONFIG.format(
            hub=values()["hub"],
            hub_port=hub_port,
            port=port,
            secret=secrets.token_hex(32),
            db_url=database,
            admin=ADMIN,
            token=token,
            admin_token=admin_token,
        )
        (folder / "jupyterhub_config.py").write_text(config)
        scripts = Path(sys.executable).parent
        plain = {
            "PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}",
            "HOME": str(folder),
            "OMP_NUM_THREADS": "1",
        }
        hub = f"http://127.0.0.1:{hub_port}/hub/api"
        stack.enter_context(process([sys.executable, "-m", "jupyterhub"], folder, plain, hub))
        container = formgrader_pod()["containers"][0]
        given = {one["name"]: one["value"] for one in container["env"] if "value" in one}
        del given["AUTOGRADER_GRADEBOOK_URL"]
        environment = {
            **plain,
            **given,
            "JUPYTERHUB_API_TOKEN": token,
            "JUPYTERHUB_API_URL": given["JUPYTERHUB_API_URL"].replace("hub:8081", f"127.0.0.1:{hub_port}"),
            "JUPYTERHUB_SERVICE_URL": f"http://127.0.0.1:{port}",
            "JUPYTER_CONFIG_PATH": str(IMAGES / "grading"),
        }
        command = [str(scripts / container["args"][0]), *container["args"][1:], "--allow-root"]
        address = f"http://127.0.0.1:{port}"
        ready = f"{address}/services/{COURSE}/api"
        stack.enter_context(process(command, course, environment, ready))
        yield Running(hub, address, token, admin_token, environment)


def test_an_instructor_gets_in(running: Running) -> None:
    page = running.open("formgrader/manage_assignments", running.token_of("irene"))

    assert page.status_code == 200, page.text
    assert "Manage Assignments" in page.text
    assert page.headers["Content-Security-Policy"].startswith("frame-ancestors 'self'")
    listed = running.open("formgrader/api/assignments", running.token_of("ivan"))
    assert (listed.status_code, listed.json()) == (200, [])


def test_a_student_does_not(running: Running) -> None:
    for path in ("formgrader/manage_assignments", "formgrader/api/assignments", "lab", "api/contents"):
        refused = running.open(path, running.token_of("ada"))
        assert refused.status_code == 403, (path, refused.status_code)


def test_nobody_is_sent_to_the_hub_to_log_in(running: Running) -> None:
    sent = running.open("formgrader/manage_assignments")

    assert sent.status_code == 302
    assert "/hub/api/oauth2/authorize" in sent.headers["Location"]
    assert f"client_id=service-{COURSE}" in sent.headers["Location"]
    # The hub knows this client: it asks who one is, and not what this is.
    login = requests.get(sent.headers["Location"].replace("/hub/api", running.hub, 1), timeout=30)
    assert login.status_code == 200
    assert "/hub/login" in login.url


def test_the_formgrader_may_add_a_student_to_the_course_and_no_more(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("JUPYTERHUB_API_URL", "JUPYTERHUB_API_TOKEN", "JUPYTERHUB_USER"):
        monkeypatch.setenv(name, running.environment[name])
    requests.post(f"{running.hub}/users/zoe", headers=authorization(running.admin_token), timeout=30)
    nbgrader = JupyterHubAuthPlugin()

    nbgrader.add_student_to_course("zoe", COURSE)

    assert "zoe" in members(running, f"nbgrader-{COURSE}")
    nbgrader.remove_student_from_course("zoe", COURSE)
    assert "zoe" not in members(running, f"nbgrader-{COURSE}")
    ours = authorization(running.token)
    for method, path, body in (
        ("POST", f"groups/formgrade-{COURSE}/users", {"users": ["ada"]}),
        ("POST", "users/ada/tokens", {}),
        ("POST", "users/ada/server", {}),
        ("GET", "users", {}),
    ):
        answer = requests.request(method, f"{running.hub}/{path}", headers=ours, json=body, timeout=30)
        assert answer.status_code in (403, 404), (path, answer.text)


def members(running: Running, group: str) -> list[str]:
    answer: dict[str, Any] = requests.get(
        f"{running.hub}/groups/{group}", headers=authorization(running.admin_token), timeout=30
    ).json()
    users: list[str] = answer["users"]
    return users
