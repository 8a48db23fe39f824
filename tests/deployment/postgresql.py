"""A real PostgreSQL server, in a folder of its own and on a Unix socket: no port, nothing left behind."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

DEBIAN = Path("/usr/lib/postgresql")  # where the programs lie, outside PATH, in a folder by version
USER = "postgres"


def programs() -> Path | None:
    """The folder with initdb and postgres; None where they are not installed."""
    if found := shutil.which("initdb"):
        return Path(found).resolve().parent
    versions = [folder for folder in DEBIAN.glob("*/bin") if (folder / "initdb").exists()]
    return max(versions, key=lambda folder: int(folder.parent.name), default=None)


@dataclass(frozen=True)
class Server:
    """`socket` is the folder of the Unix socket; everybody on this machine may connect."""

    socket: Path
    bin: Path
    numbers: Iterator[int]

    def url(self, database: str, driver: str = "psycopg") -> str:
        return f"postgresql+{driver}://{USER}@/{database}?host={self.socket}"

    def database(self, driver: str = "psycopg") -> str:
        """The URL of a new, empty database."""
        name = f"test_{next(self.numbers)}"
        self.sql("postgres", f"CREATE DATABASE {name}")
        return self.url(name, driver)

    def sql(self, database: str, statement: str) -> str:
        return subprocess.run(
            [self.bin / "psql", "-h", self.socket, "-U", USER, "-d", database, "-qAtc", statement],
            check=True,
            capture_output=True,
            text=True,
            env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"},
            timeout=60,
        ).stdout


@contextmanager
def running(bin: Path) -> Iterator[Server]:
    """A server for as long as the context lasts. It refuses to run as root, so it gets another account."""
    folder = Path(tempfile.mkdtemp(prefix="postgresql-", dir="/tmp"))  # a socket's path must be short
    options: dict[str, Any] = {"cwd": "/", "env": {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"}}
    if os.geteuid() == 0:
        account = pwd.getpwnam(USER if USER in {entry.pw_name for entry in pwd.getpwall()} else "nobody")
        os.chown(folder, account.pw_uid, account.pw_gid)
        options |= {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
    folder.chmod(0o755)
    data, log = folder / "data", folder / "log"
    server = None
    try:
        subprocess.run(
            [bin / "initdb", "-D", data, "-U", USER, "-A", "trust", "-N", "-E", "UTF8"],
            check=True,
            stdout=subprocess.DEVNULL,
            timeout=120,
            **options,
        )
        with open(log, "wb") as said:
            server = subprocess.Popen(
                [bin / "postgres", "-D", data, "-k", folder, "-c", "listen_addresses=", "-c", "fsync=off"],
                stdout=said,
                stderr=said,
                **options,
            )
        _wait_until_ready(server, bin, folder, log)
        yield Server(folder, bin, count(1))
    finally:
        if server is not None:
            server.send_signal(signal.SIGINT)  # "fast": open connections are cut
            server.wait(timeout=60)
        shutil.rmtree(folder)


def _wait_until_ready(server: subprocess.Popen[bytes], bin: Path, folder: Path, log: Path) -> None:
    until = time.monotonic() + 60
    while subprocess.run([bin / "pg_isready", "-h", folder, "-q"], timeout=60).returncode:
        if server.poll() is not None or time.monotonic() > until:
            raise RuntimeError(f"PostgreSQL did not start: {log.read_text()}")
        time.sleep(0.02)
