"""What is missing on a machine is told in one sentence, with what to do; nothing is made before."""

from __future__ import annotations

import importlib.util
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from autograder.cli import app
from autograder.hub import needs
from autograder.hub.config import ADDRESS


def up(tmp_path: Path, *arguments: str) -> tuple[int, str]:
    """The command in this process, which must end before anything is made."""
    said = CliRunner().invoke(app, ["hub", "up", "--dir", str(tmp_path / "hub"), *arguments])
    assert not (tmp_path / "hub" / "course").exists()
    return said.exit_code, said.stderr


def test_without_jupyterhub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: find(name) if name != "jupyterhub" else None
    )

    code, said = up(tmp_path)

    assert code == 2
    assert "jupyterhub is not installed here" in said
    assert 'pip install "diffusion-course-autograder[hub]"' in said


def test_without_the_proxy(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "bin" / "python"))
    monkeypatch.setenv("PATH", str(tmp_path))

    code, said = up(tmp_path)

    assert code == 2
    assert "configurable-http-proxy is not installed here: `make hub`" in said


def test_without_node(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / needs.PROXY).touch(mode=0o755)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", str(tmp_path))

    code, said = up(tmp_path)

    assert code == 2
    assert "install Node 18 or later" in said


def test_a_port_that_is_taken(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(needs, "find_proxy", lambda: Path("proxy"))
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]

        code, said = up(tmp_path, "--port", str(port))

    assert code == 2
    assert f"Port {port} of 127.0.0.1 cannot be had" in said
    assert "--port" in said


def test_a_module_that_the_course_does_not_have(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(needs, "find_proxy", lambda: Path("proxy"))

    code, said = up(tmp_path, "atention")

    assert code == 2
    assert "no module 'atention'" in said
    assert not (tmp_path / "hub").exists()


def test_the_ports_are_free_and_different() -> None:
    with needs.chosen_ports(0) as ports, needs.chosen_ports(ports.public) as again:
        numbers = {ports.public, ports.orders, ports.hub, ports.formgrader}
        assert len(numbers) == 4
        assert again.public == ports.public


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere nobody else could listen there either")
def test_the_ports_are_held_until_servers_listen_there() -> None:
    """Making a course directory takes seconds, in which others ask for any free port."""
    with needs.chosen_ports(0) as ports, socket.socket() as other, socket.socket() as server:
        with pytest.raises(OSError, match="in use"):
            other.bind((ADDRESS, ports.hub))
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind((ADDRESS, ports.hub))
        server.listen()
        socket.create_connection((ADDRESS, ports.hub)).close()


def test_the_proxy_beside_python_comes_first(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("environment", "elsewhere"):
        (tmp_path / name).mkdir()
        for program in (needs.PROXY, "node"):
            (tmp_path / name / program).touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path / "elsewhere"))
    monkeypatch.setattr(sys, "executable", str(tmp_path / "environment" / "python"))
    assert needs.find_proxy() == tmp_path / "environment" / needs.PROXY

    monkeypatch.setattr(sys, "executable", str(tmp_path / "nowhere" / "python"))
    assert needs.find_proxy() == tmp_path / "elsewhere" / needs.PROXY


def test_no_other_command_imports_jupyterhub() -> None:
    code = "import sys, autograder.cli; sys.exit('jupyterhub' in sys.modules or 'psutil' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 0


@pytest.mark.skipif(shutil.which("make") is None, reason="no make on this machine")
def test_make_asks_for_the_proxy_that_the_message_names(tmp_path: Path) -> None:
    """`make --dry-run` prints what would be run."""
    root = Path(__file__).parents[2]
    said = subprocess.run(
        ["make", "--dry-run", "hub", f"VENV={tmp_path / 'venv'}"],
        cwd=root,
        env={**os.environ, "MAKEFLAGS": ""},
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert said.returncode == 0, said.stderr
    assert f"npm install --global --prefix {tmp_path / 'venv'}" in said.stdout
    assert f" {needs.PROXY}@{needs.VERSION}" in said.stdout
