"""Kernels for the tests that execute whole notebooks."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient
from traitlets.config import Config

PATIENCE = 120  # seconds; what a kernel puts out later than that after a cell has ended is lost


def execute(
    notebook: nbformat.NotebookNode,
    folder: Path,
    *,
    seconds: int = PATIENCE,
    env: Mapping[str, str] | None = None,
    **traits: Any,
) -> None:
    """Executes it in `folder`, in a fresh kernel; `seconds` are a cell's, `traits` the client's."""
    with without_ports() as config:
        client = NotebookClient(
            notebook,
            timeout=seconds,
            iopub_timeout=PATIENCE,
            kernel_name="python3",
            config=config,
            **traits,
        )
        client.execute(cwd=str(folder), **({} if env is None else {"env": dict(env)}))


@contextmanager
def without_ports() -> Iterator[Config]:
    """For a kernel that is spoken to through files: a free port may be another's before the kernel has it."""
    with tempfile.TemporaryDirectory() as folder:  # short: a socket's path has a hundred characters at most
        yield Config(KernelManager={"transport": "ipc", "ip": f"{folder}/kernel"})
