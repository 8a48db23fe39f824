"""What a hub needs from the machine, each with a sentence about what to do where it is missing."""

from __future__ import annotations

import shutil
import socket
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from ..errors import UsageError
from .config import ADDRESS, Ports

PROXY = "configurable-http-proxy"
VERSION = "5.1.0"  # the Makefile's too


def find_proxy() -> Path:
    """JupyterHub's proxy: beside this Python, where `make hub` puts it, or on the PATH; raises UsageError."""
    beside = Path(sys.executable).parent / PROXY
    found = str(beside) if beside.exists() else shutil.which(PROXY)
    if found is None:
        raise UsageError(
            f"{PROXY} is not installed here: `make hub` installs it into the environment, or "
            f"npm install --global {PROXY}@{VERSION}."
        )
    if shutil.which("node") is None:
        raise UsageError(
            "Node is not installed here, and JupyterHub's proxy runs on it: install Node 18 or later "
            "(on Debian and Ubuntu, apt install nodejs npm)."
        )
    return Path(found)


@contextmanager
def chosen_ports(public: int) -> Iterator[Ports]:
    """`public` as asked for (0: any free one) and three free ones; raises UsageError where it is taken.

    On Linux they are held meanwhile: whoever asks for any free port gets another one, and servers, which
    reuse addresses, get these.
    """
    with ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(4)]
        for place, number in zip(sockets, (public, 0, 0, 0), strict=True):
            # As servers do: a port whose connections are only waiting to be forgotten is free.
            place.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                place.bind((ADDRESS, number))
                if sys.platform != "linux":
                    place.listen()
            except OSError as error:
                raise UsageError(
                    f"Port {number} of {ADDRESS} cannot be had ({error.strerror}): stop what uses it, or "
                    "take another with --port (0: any free one)."
                ) from None
        ports = Ports(*(place.getsockname()[1] for place in sockets))
        if sys.platform != "linux":
            held.close()
        yield ports
