"""Which of our own files a file is made of: what it imports, and what that imports. Nothing is run."""

from __future__ import annotations

import ast
import importlib.util
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from ..errors import ContentError

OURS = ("solutions", "course", "autograder")


def imported(root: Path, files: Iterable[Path]) -> dict[str, Path]:
    """Name below a folder of packages (`course/lab/layers.py`) → path, of all that `files` import of ours.

    A file is looked for in the course at `root`, then where its package is installed.
    """
    found: dict[str, Path] = {}
    waiting = [(path, "") for path in files]
    while waiting:
        path, package = waiting.pop()
        for module in _modules_in(path, package):
            for name, file in _files_of(module, root):
                if name not in found:
                    found[name] = file
                    waiting.append((file, name.rpartition("/")[0].replace("/", ".")))
    return found


def _modules_in(path: Path, package: str) -> Iterator[str]:
    """Every dotted name that a file may import a module by; `package` is the one that it lies in.

    Raises ContentError for a file that is no Python.
    """
    try:
        tree = ast.parse(path.read_bytes())
    except SyntaxError as error:
        raise ContentError(f"{path}, line {error.lineno}: no Python: {error.msg}.") from None
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)


def _files_of(module: str, root: Path) -> Iterator[tuple[str, Path]]:
    """The file of a module and of each package on the way to it, as far as they are there."""
    parts = module.split(".")
    if parts[0] not in OURS:
        return
    for count in range(1, len(parts) + 1):
        inside = os.path.join(*parts[:count])
        for name in (f"{inside}.py", os.path.join(inside, "__init__.py")):
            if (file := root / name).is_file() or (file := _installed(parts[0], name)).is_file():
                yield Path(name).as_posix(), file


def _installed(package: str, name: str) -> Path:
    spec = importlib.util.find_spec(package)
    places = list(spec.submodule_search_locations or ()) if spec else []
    return Path(places[0]).parent / name if places else Path(name)
