"""Opens a folder of notebooks in JupyterLab, which is no dependency of the course."""

from __future__ import annotations

import importlib.util
import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path


def has_lab() -> bool:
    """Whether this Python has JupyterLab."""
    return importlib.util.find_spec("jupyterlab") is not None


def is_root() -> bool:
    """Whether we are root, for whom JupyterLab starts only if told to."""
    return hasattr(os, "geteuid") and os.geteuid() == 0  # Windows has no such user


def in_a_container() -> bool:
    """Whether this is a container: Docker, Podman, Kubernetes and systemd each leave one of these signs."""
    signs = (Path("/.dockerenv"), Path("/run/.containerenv"))
    return any(sign.exists() for sign in signs) or not {"KUBERNETES_SERVICE_HOST", "container"}.isdisjoint(
        os.environ
    )


def in_lab(folder: Path, notebook: str, *, browser: bool) -> int:
    """Runs JupyterLab in `folder` with a notebook open, until it ends; its exit code.

    For root in a container too, which is made to be thrown away and where root is the rule.
    """
    address = f"--LabApp.default_url=/lab/tree/{notebook}"  # also the one that is printed for `--no-browser`
    options = [
        *([] if browser else ["--no-browser"]),
        *(["--allow-root"] if is_root() and in_a_container() else []),
    ]
    command = [sys.executable, "-m", "jupyterlab", address, *options]
    with subprocess.Popen(command, cwd=folder) as lab:
        signal.signal(signal.SIGTERM, lambda *_: lab.terminate())
        while True:
            with suppress(KeyboardInterrupt):  # JupyterLab hears of it too, and asks
                return lab.wait()
