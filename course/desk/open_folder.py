"""Opens a folder of notebooks in JupyterLab, which is no dependency of the course."""

from __future__ import annotations

import importlib.util
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path


def has_lab() -> bool:
    """Whether this Python has JupyterLab."""
    return importlib.util.find_spec("jupyterlab") is not None


def in_lab(folder: Path, notebook: str, *, browser: bool) -> int:
    """Runs JupyterLab in `folder` with a notebook open, until it ends; its exit code."""
    address = f"--LabApp.default_url=/lab/tree/{notebook}"  # also the one that is printed for `--no-browser`
    command = [sys.executable, "-m", "jupyterlab", address, *([] if browser else ["--no-browser"])]
    with subprocess.Popen(command, cwd=folder) as lab:
        signal.signal(signal.SIGTERM, lambda *_: lab.terminate())
        while True:
            with suppress(KeyboardInterrupt):  # JupyterLab hears of it too, and asks
                return lab.wait()
