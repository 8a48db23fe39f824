"""The students' wheel in an environment of its own that has its dependencies and nothing else.

The dependencies are not downloaded: those that are installed here are linked in, each distribution that the
wheel asks for and what that asks for in turn. What is not asked for is not there.
"""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from dataclasses import dataclass
from importlib.metadata import Distribution, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Installed:
    """An environment with the course in it."""

    path: Path

    @property
    def scripts(self) -> Path:
        return self.path / "bin"

    @property
    def python(self) -> Path:
        return self.scripts / "python"

    @property
    def environment(self) -> dict[str, str]:
        """As in a shell in which it is activated, and that knows nothing of this checkout."""
        kept = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")}
        path = f"{self.scripts}{os.pathsep}{kept['PATH']}"
        return {**kept, "PATH": path, "VIRTUAL_ENV": str(self.path), "OMP_NUM_THREADS": "1"}

    def run(self, *command: str, folder: Path, check: bool = True) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            command, cwd=folder, env=self.environment, capture_output=True, encoding="utf-8", timeout=280
        )
        assert not check or done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        return done


def build_wheel(folder: Path) -> Path:
    """The students' wheel, as pip builds it."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=120)
    (wheel,) = folder.glob("*.whl")
    return wheel


def install(folder: Path, *extras: str) -> Installed:
    """Makes an environment in `folder` and installs the wheel into it, without a network."""
    installed, site = _empty(folder)
    wheel = build_wheel(folder)
    # pip of this environment, for that one: the scripts, the metadata and the check of the file are pip's.
    pip = [sys.executable, "-m", "pip", "--python", str(installed.python), "install", "--quiet"]
    subprocess.run([*pip, "--no-deps", "--no-index", str(wheel)], check=True, timeout=120)
    _link(site, _asked_for(["diffusion-course"], extras))
    return installed


def without_the_course(folder: Path) -> Installed:
    """An environment with all that the course asks for, and pip, but not the course."""
    installed, site = _empty(folder)
    _link(site, {**_asked_for(["diffusion-course"], ()), "pip": distribution("pip")})
    return installed


def _empty(folder: Path) -> tuple[Installed, Path]:
    """A new environment, and the folder of its packages."""
    installed = Installed(folder / "venv")
    venv.create(installed.path, with_pip=False, symlinks=True)
    (site,) = (installed.path / "lib").glob("python*/site-packages")
    return installed, site


def _asked_for(names: list[str], extras: tuple[str, ...]) -> dict[str, Distribution]:
    """What these distributions ask for, and so on; not they themselves."""
    found: dict[str, Distribution] = {}
    seen: set[tuple[str, str]] = set()
    open_ends = [(name, extra) for name in names for extra in ("", *extras)]
    while open_ends:
        name, extra = open_ends.pop()
        if (name, extra) in seen:
            continue
        seen.add((name, extra))
        here = distribution(name)
        if name not in names:
            found[name] = here
        for line in here.requires or []:
            asked = Requirement(line)
            if asked.marker is None or asked.marker.evaluate({"extra": extra}):
                open_ends += [(canonicalize_name(asked.name), one) for one in ("", *asked.extras)]
    return found


def _link(site: Path, distributions: dict[str, Distribution]) -> None:
    for here in distributions.values():
        tops = {file.parts[0] for file in here.files or [] if file.parts[0] not in ("..", "__pycache__")}
        for top in tops:
            target = Path(str(here.locate_file(top)))
            link = site / top
            if target.exists() and not link.exists():
                link.symlink_to(target)
