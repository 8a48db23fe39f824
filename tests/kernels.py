"""Kernels for the tests that execute whole notebooks."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from traitlets.config import Config


@contextmanager
def without_ports() -> Iterator[Config]:
    """For a kernel that is spoken to through files: a free port may be another's before the kernel has it."""
    with tempfile.TemporaryDirectory() as folder:  # short: a socket's path has a hundred characters at most
        yield Config(KernelManager={"transport": "ipc", "ip": f"{folder}/kernel"})
