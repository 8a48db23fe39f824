"""The site, built once for all tests that look at it."""

from __future__ import annotations

import functools
import http.server
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from autograder.content.course_root import CourseRoot
from autograder.site import katex
from tests.made_once import made_once


def build(course: Path, site: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """`make docs`, into another folder."""
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(site)]
    return subprocess.run(
        [*command, "--config-file", str(course / "mkdocs.yml")],
        capture_output=True,
        text=True,
        timeout=240,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1", **environment},
    )


@pytest.fixture(scope="session")
def site(course_root: CourseRoot, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the built site."""
    if not katex.installed():
        pytest.skip("KaTeX is not installed: make katex")

    def make(folder: Path) -> None:
        built = build(course_root.path, folder)
        assert built.returncode == 0, built.stdout + built.stderr

    return made_once(tmp_path_factory, "site", make)


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture(scope="session")
def address(site: Path) -> Iterator[str]:
    """Where the built site is served."""
    handler = functools.partial(_Quiet, directory=str(site))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()
